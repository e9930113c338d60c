"""Tenants by the thousand. First a thousand in each placement (`shared`: all in one SQLite database; `own`: a SQLite file
each), each used once before: what they take of memory while they are live and idle, and what the first call to a tenant
takes after a restart, beside a second call (100 calls a second, each to another tenant, that read the tenant's database
and hash nothing; the files are in the system's cache). Then tenants are made up to a hundred thousand, and the server is
started with them, each start anew."""

import time

from .. import plots
from ..k6 import Stream, joined, run as arrivals
from ..many import create, create_some, wake

CALLS_PER_SECOND = 100
# Tenants at which creation is timed one by one.
FIRST = 20
CONFIGURED = {"full": 100_000, "short": 5_000, "smoke": 500}


def run(lab, outcome):
    groups = []
    for kind in ("shared", "own"):
        cold, warm = live(lab, outcome, kind)
        groups += [(f"{kind}, first call", cold), (f"{kind}, second call", warm)]
    plots.percentiles(lab, outcome, "waking", "Calls to tenants that sleep and to tenants that are awake", groups,
                      caption="Calls to tenants that sleep and to tenants that are awake, all rounds.")
    configured(lab, outcome)


def live(lab, outcome, kind: str):
    count = lab.count(1_000, least=110)
    installation = lab.install(f"many-{kind}", {"tenants.max_live": 2 * count})
    placement = {"kind": "own"}
    if kind == "shared":
        installation.settings["databases.main.url"] = f"sqlite://{installation.folder}/shared.db?mode=rwc"
        installation.migrate()
        placement = {"kind": "shared", "database": "main"}
    lab.say(f"{count:,} tenants, {kind}")
    with installation.serve() as server:
        create(lab, server, count, placement=placement)
        create(lab, server, FIRST, prefix="warm", placement=placement)
        wake(outcome, server, count)
        wake(outcome, server, FIRST, prefix="warm")
    with installation.serve() as server:
        # So that what the first calls make the process take for itself is not counted.
        wake(outcome, server, FIRST, prefix="warm")
        time.sleep(0.5)
        before, descriptors = server.memory_kib(), server.descriptors()
        wake(outcome, server, count)
        time.sleep(0.5)
        each = (server.memory_kib() - before) / count
        outcome.figure(f"live_{kind}", f"memory of a live idle tenant, `{kind}`", each, "KiB",
                       f"{count:,} tenants, {(server.descriptors() - descriptors) / count:.1f} descriptors each")
    return waking(lab, outcome, installation, kind, count)


def waking(lab, outcome, installation, kind, count):
    colds, warms = [], []
    # One fewer than there are: k6 may begin one arrival more.
    calls = min(count - 1, int(lab.seconds(5) * CALLS_PER_SECOND))
    for _ in lab.each_round():
        with installation.serve() as server:
            wake(outcome, server, FIRST, prefix="warm")
            for answers in (colds, warms):
                stream = Stream("visits", "visit", server.url, CALLS_PER_SECOND, calls / CALLS_PER_SECOND, tenant="t",
                                environment={"FIRST": 0})
                measured = arrivals(lab, [stream])
                # Nobody has the number 1.
                measured.check(outcome, {"visits": {404}})
                answers.append(measured["visits"])
    outcome.figure(f"warm_p50_{kind}", f"a call to a tenant that is awake, `{kind}`, p50", [one.p50 for one in warms], "ms")
    outcome.figure(f"cold_p50_{kind}", f"first call to a tenant that sleeps, `{kind}`, p50", [one.p50 for one in colds], "ms")
    outcome.figure(f"cold_{kind}", f"first call to a tenant that sleeps, `{kind}`: p99 above the p50 of a tenant that is awake",
                   [cold.p99 - warm.p50 for cold, warm in zip(colds, warms)], "ms", f"{calls} tenants a round")
    return joined(colds), joined(warms)


def configured(lab, outcome):
    count = CONFIGURED[lab.size]
    installation = lab.install("configured")
    lab.say(f"making {count:,} tenants")
    with installation.serve() as server:
        begun = time.monotonic()
        create_some(server, [f"first{number}" for number in range(FIRST)], None, None)
        rates = [(FIRST, FIRST / (time.monotonic() - begun)), *create(lab, server, count - FIRST)]
    outcome.figure("make_first", "tenants made a second, the first, one after another", rates[0][1], "/s")
    outcome.figure("make_thousand", f"tenants made a second, the first {rates[1][0]:,}", rates[1][1], "/s",
                   "on four connections; their client takes its share of the machine")
    outcome.figure("make_last", f"tenants made a second, the last of {count:,}", rates[-1][1], "/s")
    starts, memories = [], []
    for _ in lab.each_round():
        with installation.serve() as server:
            starts.append(server.ready_after)
            time.sleep(0.5)
            memories.append(server.memory_kib() / 1024)
    outcome.figure("start", f"start to ready with {count:,} tenants", starts, "s")
    outcome.figure("memory", f"memory with {count:,} tenants, none of them used", memories, "MiB")
    if lab.size != "full":
        outcome.note(f"This run makes {count:,} tenants instead of 100,000.")
    if len(rates) > 2:
        plots.lines(lab, outcome, "making", "Tenants made through the admin API", "tenants that there are",
                    [("made a second", [("rate", [there for there, _ in rates[1:]], [rate for _, rate in rates[1:]])])])
