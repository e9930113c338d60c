"""Ten times the capacity or a little more. In turn in each round the peak (a closed loop on 32 connections) and the overload (640
connections with random pauses, so that refusals do not slow the arrivals; wrk, because k6 would take the machine from the
server). Beside both, k6 sends 20 registrations a second, whose refusals are timed, and asks `/livez` 50 times a second.
The tenant has the default bound of calls at work (`limits.in_flight` 256); its limits for addresses are off."""

import time

from .. import plots
from ..k6 import Stream, joined, run as arrivals
from ..server import NO_LIMITS
from ..wrk import Running, flood, registration

# Seconds by which the load outlasts what k6 measures within it, which takes a moment to begin.
MARGIN = 3.0


def run(lab, outcome):
    capacity = lab.capacity()
    found = {"peak": [], "goodput": [], "offered": [], "cores": [], "refusals": [], "livez": [], "registered": []}
    missing = 0
    with lab.install("overload").serve() as server:
        server.create_tenant("full", NO_LIMITS)
        server.register("full", "warm")
        for _ in lab.each_round():
            seconds = lab.seconds(8)
            closed = Running(lab, server.url, [registration("full")], 32, seconds + MARGIN)
            peak, calm, _ = beside(lab, outcome, server, closed, seconds)
            found["peak"].append(goodput(peak, calm, seconds))
            open_loop = flood(lab, server.url, [registration("full")], 11 * capacity, seconds + MARGIN)
            over, probed, cores = beside(lab, outcome, server, open_loop, seconds)
            found["goodput"].append(goodput(over, probed, seconds))
            found["offered"].append(over.rate)
            found["cores"].append(cores)
            found["refusals"].append(probed["registrations"].of(429, 503))
            found["registered"].append(probed["registrations"].of(200))
            found["livez"].append(probed["livez"])
            missing += over.without_retry_after + probed.without_retry_after
    tell(lab, outcome, found, missing, capacity)


def beside(lab, outcome, server, load, seconds):
    """What wrk and k6 saw of one load, and the cores that wrk took."""
    begun = time.monotonic()
    with load:
        measured = arrivals(lab, [
            Stream("registrations", "register", server.url, 20, seconds, tenant="full", patience=5),
            Stream("livez", "probe", f"http://{server.operators}", 50, seconds, environment={"PATH_ASKED": "/livez"}),
        ])
        cores = load.cpu_seconds() / (time.monotonic() - begun)
        came = load.load()
    came.check(outcome, "the load", {200, 503, 429})
    measured.check(outcome, {"registrations": {200, 503, 429}, "livez": {200}})
    return came, measured, cores


def goodput(load, measured, seconds) -> float:
    return load.settled_rate() + measured["registrations"].count(200) / seconds


def tell(lab, outcome, found, missing, capacity):
    outcome.figure("peak", "goodput at the peak", found["peak"], "/s")
    outcome.figure("offered", "offered at overload", found["offered"], "/s",
                   f"{found['offered'][0] / capacity:.1f} times the capacity in the first round")
    outcome.figure("generator", "cores that the flood itself takes from the server", found["cores"])
    outcome.figure("overload", "goodput at overload", found["goodput"], "/s")
    outcome.figure("goodput", "goodput at overload ÷ peak",
                   [over / peak for over, peak in zip(found["goodput"], found["peak"])])
    refusals = [answers for answers in found["refusals"] if len(answers)]
    if refusals:
        outcome.figure("refusal_p99", "p99 of refusals at overload", [answers.p99 for answers in refusals], "ms")
    else:
        outcome.not_measured("refusal_p99", "no registration of k6 was refused")
    outcome.figure("livez_p99", "p99 of `/livez` while saturated", [answers.p99 for answers in found["livez"]], "ms")
    outcome.figure("without_retry_after", "answers 429 or 503 without `Retry-After`", missing)
    groups = [("refused", joined(found["refusals"])), ("/livez", joined(found["livez"])),
              ("registered", joined(found["registered"]))]
    plots.percentiles(lab, outcome, "percentiles", "Answers at ten times the capacity, all rounds",
                      [(label, answers) for label, answers in groups if len(answers)], goal=(50, "goal for p99 of refusals"))
    plots.bars(lab, outcome, "goodput", "Goodput at ten times the capacity", "registrations a second",
               [("peak", found["peak"]), ("10× overload", found["goodput"])],
               (outcome.find("overload.peak").median * 0.92, "0.92 of the peak"))
