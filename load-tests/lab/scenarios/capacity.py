"""How near registrations come to the bare hash rate. In turn in each round: `enroll hash bench`; registrations on 32
connections at a tenant with a SQLite file of its own (a sync for each commit, `synchronous=FULL`); the same at a tenant
with a PostgreSQL database of its own on this machine, in the same server; the same at a server with
`hashing.engine = "reference-plain"`; and at a server whose hashes cost next to nothing (8 KiB, one pass) on 64
connections. A password may wait five seconds for its hash, so that the slow engine refuses nobody. Then the most memory
that a server ever held under 256 connections, with a queue that takes them all."""

from contextlib import ExitStack

from .. import plots
from ..postgres import postgres
from ..processes import Failed
from ..server import UNBOUNDED
from ..wrk import registration, run as load

CONNECTIONS = 32
CHEAP_CONNECTIONS = 64
PATIENT = {"hashing.wait_ms": 5_000}
CHEAP = {**PATIENT, "hashing.memory_kib": 8, "hashing.iterations": 1, "hashing.allow_weak": True}
BLOCK_MIB = 19


def run(lab, outcome):
    ratios(lab, outcome)
    memory(lab, outcome)


def ratios(lab, outcome):
    rates = {"bare": [], "sqlite": [], "postgres": [], "plain": [], "cheap": []}
    with ExitStack() as stack:
        database = stack.enter_context(stack.enter_context(postgres(lab)).database())
        server = stack.enter_context(lab.install("capacity", PATIENT).serve())
        server.create_tenant("sqlite", UNBOUNDED)
        server.create_tenant("postgres", UNBOUNDED, {"kind": "own", "url": database})
        cheap = stack.enter_context(lab.install("cheap", CHEAP).serve())
        cheap.create_tenant("cheap", UNBOUNDED)
        plain = reference(lab, stack, outcome)
        targets = [(server, "sqlite"), (server, "postgres"), (plain, "plain"), (cheap, "cheap")]
        targets = [(target, tenant) for target, tenant in targets if target]
        for target, tenant in targets:
            target.register(tenant, "warm")
        for _ in lab.each_round():
            rates["bare"].append(lab.bare_rate(lab.seconds(4))["hashes_per_second"])
            for target, tenant in targets:
                connections = CHEAP_CONNECTIONS if tenant == "cheap" else CONNECTIONS
                came = load(lab, target.url, [registration(tenant)], connections, lab.seconds(6))
                came.check(outcome, f"registrations at {tenant}", {200})
                rates[tenant].append(came.rate_of(200))
    lab._capacity = sorted(rates["sqlite"])[len(rates["sqlite"]) // 2]
    tell(lab, outcome, rates)


def reference(lab, stack, outcome):
    """The server with the reference engine through its plain API, or None where the given program has none."""
    try:
        server = stack.enter_context(lab.install("plain", {**PATIENT, "hashing.engine": "reference-plain"}).serve())
    except Failed as reason:
        if "reference-plain" not in str(reason) and "engine" not in str(reason):
            raise
        outcome.not_measured("over_plain", "this program has no engine `reference-plain`")
        return None
    server.create_tenant("plain", UNBOUNDED)
    return server


def tell(lab, outcome, rates):
    outcome.figure("bare", "bare hash rate of the engine in use", rates["bare"], "/s")
    outcome.figure("sqlite", "registrations/s, SQLite FULL", rates["sqlite"], "/s")
    outcome.figure("sqlite_over_bare", "… ÷ bare rate", over(rates["sqlite"], rates["bare"]))
    outcome.figure("postgres", "registrations/s, PostgreSQL on the same machine", rates["postgres"], "/s")
    outcome.figure("postgres_over_bare", "… ÷ bare rate", over(rates["postgres"], rates["bare"]))
    if rates["plain"]:
        outcome.figure("plain", "registrations/s, reference engine through its plain API", rates["plain"], "/s")
        outcome.figure("over_plain", "registrations/s, SQLite ÷ these", over(rates["sqlite"], rates["plain"]))
    outcome.figure("cheap", "registrations/s with a hash that costs next to nothing", rates["cheap"], "/s",
                   f"one tenant, SQLite FULL, {CHEAP_CONNECTIONS} connections")
    rows = [
        ("bare hashes", rates["bare"]),
        ("SQLite, own file", rates["sqlite"]),
        ("PostgreSQL, own database", rates["postgres"]),
        ("SQLite, reference engine, plain API", rates["plain"]),
    ]
    goal = outcome.find("capacity.bare").median * 0.92
    plots.bars(lab, outcome, "rates", "Registrations beside the bare hash rate", "a second",
               [row for row in rows if row[1]], (goal, "0.92 of the bare rate"))


def over(above, below):
    """The ratio of each round."""
    return [one / other for one, other in zip(above, below)]


def memory(lab, outcome):
    """The base is what the server takes before it hashes: the same with one hash thread of 8 KiB, without any load."""
    lab.say("memory under 256 connections")
    installation = lab.install("memory", {"hashing.queue": 512, "hashing.queue_per_tenant": 512, "hashing.wait_ms": 10_000})
    with installation.serve(hashing__threads=1, hashing__memory_kib=8, hashing__allow_weak=True) as server:
        base = server.memory_kib("VmHWM") / 1024
    with installation.serve() as server:
        server.create_tenant("full", UNBOUNDED)
        came = load(lab, server.url, [registration("full")], 256, lab.seconds(10))
        came.check(outcome, "registrations on 256 connections", {200})
        peak = server.memory_kib("VmHWM") / 1024
    threads = lab.bare_rate(1)["threads"]
    # 20 % is on top of the blocks alone, the stricter way to read the goal.
    allowed = base + threads * BLOCK_MIB * 1.2
    outcome.figure("peak_memory", "peak memory under 256 connections", peak, "MiB",
                   f"base {base:.1f} MiB; base + {threads} × {BLOCK_MIB} MiB + 20 % of these = {allowed:.1f} MiB")
    outcome.figure("memory", "… ÷ what is allowed", peak / allowed)
