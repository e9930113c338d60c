"""Registrations at half the capacity for a while (a minute, or `--soak-minutes`): whether memory and descriptors grow, and
whether anything fails. Growth is the slope of a line through the samples of the last two thirds. A SQLite database and its
caches grow with the users in it, so some growth of memory is their work."""

import threading
import time

import numpy

from .. import plots
from ..k6 import Stream, run as arrivals
from ..server import UNBOUNDED


def run(lab, outcome):
    seconds = 60.0 * lab.soak_minutes if lab.soak_minutes else max(3.0, lab.seconds(60))
    rate = 0.5 * lab.capacity()
    with lab.install("soak").serve() as server:
        server.create_tenant("soak", UNBOUNDED)
        lab.say(f"{rate:.0f} registrations/s for {seconds:.0f} s")
        with Samples(server) as samples:
            measured = arrivals(lab, [Stream("registrations", "register", server.url, rate, seconds, tenant="soak")])
    measured.check(outcome, {"registrations": {200, 503}})
    answers = measured["registrations"]
    at, memory, descriptors = (numpy.array(column) for column in zip(*samples.rows))
    late = at >= at[-1] / 3
    slope = numpy.polyfit(at[late], memory[late], 1)[0] * 60
    outcome.figure("p99", "registered after, p99", answers.of(200).p99, "ms", f"{len(answers):,} arrivals, {rate:.0f}/s")
    outcome.figure("failed", "not registered", len(answers) - answers.count(200))
    outcome.figure("memory_slope", "growth of memory", slope, "MiB/min", f"{memory[-1]:.1f} MiB at the end")
    outcome.figure("memory_per_user", "… for each thousand users", slope / (rate * 60) * 1000 * 1024, "KiB")
    slope = numpy.polyfit(at[late], descriptors[late], 1)[0] * 60
    outcome.figure("descriptor_slope", "growth of descriptors", slope, "/min", f"{descriptors[-1]:.0f} at the end")
    plots.lines(lab, outcome, "resources", f"The server under {rate:.0f} registrations/s", "seconds", [
        ("memory (MiB)", [("memory", at, memory)]),
        ("open descriptors", [("descriptors", at, descriptors)]),
    ])
    plots.over_time(lab, outcome, "latency", "Registrations at half the capacity",
                    [("registered", answers.of(200)), ("refused", answers.of(503))])


class Samples:
    """Memory and descriptors of a server, some times a second until it is left."""

    EVERY = 0.5

    def __init__(self, server):
        self.server = server
        self.rows = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.sample)

    def sample(self):
        begun = time.monotonic()
        while not self.over.is_set():
            self.rows.append((time.monotonic() - begun, self.server.memory_kib() / 1024, self.server.descriptors()))
            self.over.wait(self.EVERY)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
