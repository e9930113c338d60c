"""Registrations arrive at 70 % of the capacity, whatever the answers take: what people wait on a busy day."""

from .. import plots
from ..k6 import Stream, run as arrivals
from ..server import UNBOUNDED


def run(lab, outcome):
    rate = 0.7 * lab.capacity()
    with lab.install("steady").serve() as server:
        server.create_tenant("steady", UNBOUNDED)
        lab.say(f"{rate:.0f} registrations/s")
        measured = arrivals(lab, [Stream("registrations", "register", server.url, rate, lab.seconds(30), tenant="steady")])
    measured.check(outcome, {"registrations": {200, 503}})
    answers = measured["registrations"]
    outcome.figure("rate", "arrivals", len(answers) / lab.seconds(30), "/s", f"capacity {lab.capacity():.0f}/s")
    outcome.figure("p50", "registered after, p50", answers.of(200).p50, "ms")
    outcome.figure("p99", "registered after, p99", answers.of(200).p99, "ms")
    outcome.figure("refused", "refused (503)", answers.count(503))
    plots.over_time(lab, outcome, "latency", f"Registrations at 70 % of the capacity ({rate:.0f}/s)",
                    [("registered", answers.of(200)), ("refused", answers.of(503))])
