"""A calm load of 30 % of the capacity; within it, for three seconds, three times the capacity on top. Recovered is the
server at the end of the first half second after the burst from which on nothing is refused and the median arrival is
answered within one and a half times the calm median."""

import numpy

from .. import plots
from ..k6 import Stream, joined, run as arrivals
from ..server import UNBOUNDED

BURST_SECONDS = 3.0
STEP = 0.5


def run(lab, outcome):
    capacity = lab.capacity()
    before, after = max(3.0, lab.seconds(10)), max(4.0, lab.seconds(14))
    end = before + BURST_SECONDS
    with lab.install("burst").serve() as server:
        server.create_tenant("burst", UNBOUNDED)
        lab.say(f"{0.3 * capacity:.0f} registrations/s, for {BURST_SECONDS:g} s {3 * capacity:.0f}/s more")
        measured = arrivals(lab, [
            Stream("calm", "register", server.url, 0.3 * capacity, end + after, tenant="burst"),
            Stream("burst", "register", server.url, 3 * capacity, BURST_SECONDS, before, tenant="burst"),
        ])
    measured.check(outcome, {"calm": {200, 503}, "burst": {200, 503}})
    everything = joined([measured["calm"], measured["burst"]])
    calm = measured["calm"].between(1.0, before)
    during = everything.between(before, end)
    outcome.figure("calm_p99", "p99 before the burst", calm.p99, "ms")
    outcome.figure("served", "registered of those who came in the burst", 100 * during.count(200) / len(during), "%",
                   f"{len(during):,} came, {during.count(503):,} were refused")
    outcome.figure("served_p99", "p99 of those registered in the burst", during.of(200).p99, "ms")
    if during.count(503):
        outcome.figure("refused_p99", "p99 of refusals in the burst", during.of(503).p99, "ms")
    recovered = recovery(everything, calm, end, end + after)
    if recovered is None:
        outcome.note(f"Within {after:g} s after the burst the server had not recovered.")
    else:
        outcome.figure("recovery", "recovered after the end of the burst", recovered, "s")
    plots.over_time(lab, outcome, "latency", "A burst of three times the capacity within a calm load",
                    [("registered", everything.of(200)), ("refused (503)", everything.of(503))],
                    shaded=(before, end, "burst"), rates=True)


def recovery(answers, calm, begin, end):
    """Seconds from `begin`, or None. From the last step backwards: the last one that was not calm decides."""
    edges = numpy.arange(begin, end - STEP, STEP)
    for edge in reversed(edges):
        window = answers.between(edge, edge + STEP)
        if len(window) and (window.count(503) or window.of(200).p50 > 1.5 * calm.p50):
            recovered = edge + STEP - begin
            return None if edge == edges[-1] else float(recovered)
    return 0.0
