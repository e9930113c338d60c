"""One hot tenant among a thousand floods the server at fifty times the rate of a quiet one: a third registrations, a third
logins with wrong passwords, a third bodies that are no JSON. The quiet tenant's registrations are timed, in turn alone
and beside the flood. All tenants have SQLite files of their own; the others were woken and are idle. Of the hot and the
quiet tenant the limits `per_address`, `per_username`, `per_tenant`, `login_per_address` and `calls_per_address` are off,
so that the flood reaches the queues; `limits.in_flight` and `limits.hash_weight` have their defaults, and so has the
server."""

from .. import plots
from ..k6 import Stream, joined, run as arrivals
from ..many import create, wake
from ..server import NO_LIMITS
from ..wrk import flood, post, registration

QUIET_RATE = 20
TIMES = 50
MARGIN = 3.0
# The hot tenant's requests: each third is answered in a way of its own. A wrong password is 403.
FLOOD_STATUSES = {200, 400, 403, 422, 429, 503}


def run(lab, outcome):
    others = lab.count(998, least=20)
    alone, beside, rates = [], [], []
    with lab.install("hot-tenant", {"tenants.max_live": 2_000}).serve() as server:
        server.create_tenant("hot", NO_LIMITS)
        server.create_tenant("quiet", NO_LIMITS)
        lab.say(f"{others} other tenants")
        create(lab, server, others)
        wake(outcome, server, others)
        for tenant in ("hot", "quiet"):
            server.register(tenant, "warm")
        for _ in lab.each_round():
            seconds = lab.seconds(12)
            alone.append(quiet(lab, outcome, server, seconds))
            with flood(lab, server.url, hot_requests(), QUIET_RATE * TIMES, seconds + MARGIN) as running:
                beside.append(quiet(lab, outcome, server, seconds))
                load = running.load()
            load.check(outcome, "the flood", FLOOD_STATUSES)
            rates.append(load.rate)
    tell(lab, outcome, alone, beside, rates)


def hot_requests():
    return [
        registration("hot"),
        post("hot", "login", {"username": "{name}", "password": "not-the-right-one-7"}),
        post("hot", "register", '{"data":{"attributes":{"username":"rubbish",'),
    ]


def quiet(lab, outcome, server, seconds):
    measured = arrivals(lab, [Stream("quiet", "register", server.url, QUIET_RATE, seconds, tenant="quiet", patience=5)])
    # A refusal is no wrong answer, but a failure; it is told as such.
    measured.check(outcome, {"quiet": {200, 429, 503}})
    return measured["quiet"]


def tell(lab, outcome, alone, beside, rates):
    outcome.figure("alone_p99", f"quiet tenant's p99 alone, {QUIET_RATE} registrations/s", [one.p99 for one in alone], "ms")
    outcome.figure("beside_p99", "quiet tenant's p99 beside the flood", [one.p99 for one in beside], "ms")
    outcome.figure("p99_ratio", "… beside ÷ alone", [one.p99 / other.p99 for one, other in zip(beside, alone)])
    outcome.figure("p50_ratio", "p50 beside ÷ alone", [one.p50 / other.p50 for one, other in zip(beside, alone)])
    failures = sum(len(answers) - answers.count(200) for answers in alone + beside)
    outcome.figure("failures", "failures of the quiet tenant", failures, "",
                   f"of {sum(map(len, alone + beside)):,} registrations")
    outcome.figure("flood", "the flood", rates, "/s", f"{TIMES} times {QUIET_RATE} wanted")
    plots.percentiles(lab, outcome, "percentiles", "A quiet tenant's registrations, all rounds",
                      [("alone", joined(alone)), ("beside the flood", joined(beside))])
    plots.over_time(lab, outcome, "latency", "The last round beside the flood",
                    [("registered", beside[-1].of(200)), ("refused", beside[-1].of(429, 503))])
