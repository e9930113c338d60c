"""Loads by k6: arrivals at fixed rates, and the raw point of every answer. Every latency that is quoted comes from here."""

import csv
import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy

from .figures import percentile
from .names import new_prefix
from .processes import Failed, Process
from .server import PASSWORD

SCRIPT = Path(__file__).with_name("k6") / "load.js"
# Seconds in which requests at work may still be answered after the last arrival.
GRACE = 15


@dataclass
class Stream:
    """Arrivals of one kind. `does` names a function of load.js, `environment` what it reads."""

    name: str
    does: str
    url: str
    rate: float
    seconds: float
    start: float = 0.0
    tenant: str = ""
    environment: dict = field(default_factory=dict)
    # Seconds that an answer may take before arrivals would have to be dropped for want of virtual users.
    patience: float = 2.0
    # Most virtual users, each of which has a connection of its own.
    most_users: int = 2_000

    def scenario(self):
        users = min(self.most_users, math.ceil(self.rate * self.patience) + 10)
        environment = {"URL": self.url, "TENANT": self.tenant, "PASSWORD": PASSWORD, "PREFIX": new_prefix()}
        return {
            "executor": "constant-arrival-rate",
            "exec": self.does,
            # Whole numbers, so a rate in a time unit that is long enough.
            "rate": max(1, round(self.rate * 10)),
            "timeUnit": "10s",
            "startTime": f"{self.start:g}s",
            "duration": f"{self.seconds:g}s",
            "preAllocatedVUs": users,
            "maxVUs": users,
            "gracefulStop": f"{GRACE}s",
            "env": {key: str(value) for key, value in {**environment, **self.environment}.items()},
        }


@dataclass
class Answers:
    """The answers of one stream, in the order of their arrivals."""

    # Seconds since the first arrival of the run.
    at: numpy.ndarray
    ms: numpy.ndarray
    status: numpy.ndarray

    def __len__(self):
        return len(self.at)

    def where(self, chosen) -> "Answers":
        return Answers(self.at[chosen], self.ms[chosen], self.status[chosen])

    def of(self, *statuses: int) -> "Answers":
        return self.where(numpy.isin(self.status, statuses))

    def between(self, begin: float, end: float) -> "Answers":
        return self.where((self.at >= begin) & (self.at < end))

    def percentile(self, share: float) -> float:
        return percentile(self.ms, share)

    @property
    def p50(self) -> float:
        return self.percentile(0.5)

    @property
    def p99(self) -> float:
        return self.percentile(0.99)

    def count(self, *statuses: int) -> int:
        return int(numpy.isin(self.status, statuses).sum())

    def check(self, outcome, what: str, allowed):
        """Wrong answers are faults. Status 0 is an answer that never came."""
        for status in sorted(set(self.status.tolist()) - set(allowed)):
            said = f"with status {status}" if status else "that never came"
            outcome.fault(f"{what}: {self.count(status)} answers {said}")


def joined(several) -> Answers:
    several = list(several)
    return Answers(*(numpy.concatenate([getattr(one, part) for one in several]) for part in ("at", "ms", "status")))


@dataclass
class Measured:
    """What a run of k6 saw."""

    streams: dict
    # Arrivals that k6 could not begin, by stream.
    dropped: dict
    without_retry_after: int
    malformed: int

    def __getitem__(self, name: str) -> Answers:
        return self.streams[name]

    def check(self, outcome, allowed):
        """`allowed` has the statuses of each stream that are right."""
        for name, statuses in allowed.items():
            self.streams[name].check(outcome, name, statuses)
        if self.malformed:
            outcome.fault(f"{self.malformed} answers with status 200 that are no token document")
        if self.without_retry_after:
            outcome.fault(f"{self.without_retry_after} answers 429 or 503 without Retry-After")
        for name, count in self.dropped.items():
            outcome.note(f"{name}: k6 could not begin {count} arrivals in time; the load was lighter by these.")


def run(lab, streams) -> Measured:
    """Runs all streams side by side, to their end."""
    folder = lab.folder("k6")
    points = folder / "points.csv"
    plan = {"scenarios": {stream.name: stream.scenario() for stream in streams}}
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LAB_PLAN": json.dumps(plan),
        "K6_CSV_TIME_FORMAT": "unix_micro",
    }
    command = [
        lab.k6, "run", "--no-usage-report", "--no-color", "--quiet", "--no-summary", "--address", "",
        "--out", f"csv={points}", SCRIPT,
    ]
    length = max(stream.start + stream.seconds for stream in streams)
    with Process(command, folder, "k6", environment, limit=5.0) as process:
        status = process.wait(length + GRACE + 60)
        if status != 0:
            raise Failed(f"k6 ended with {status}: {process.last_words()}")
    return read(points, [stream.name for stream in streams])


def read(points: Path, names) -> Measured:
    """Reads k6's raw points. A point of an answer bears the time of its end."""
    rows = {name: [] for name in names}
    dropped, counters = {}, {"without_retry_after": 0, "malformed": 0}
    with open(points, newline="") as file:
        for row in csv.DictReader(file):
            metric = row["metric_name"]
            if metric == "http_req_duration" and row["name"] == "measured":
                ms = float(row["metric_value"])
                rows[row["scenario"]].append((int(row["timestamp"]) / 1e6 - ms / 1e3, ms, int(row["status"])))
            elif metric == "dropped_iterations":
                dropped[row["scenario"]] = dropped.get(row["scenario"], 0) + int(float(row["metric_value"]))
            elif metric in counters:
                counters[metric] += int(float(row["metric_value"]))
    begin = min((at for many in rows.values() for at, _, _ in many), default=None)
    if begin is None:
        raise Failed("k6 saw no answer")
    streams = {}
    for name, many in rows.items():
        if not many:
            raise Failed(f"k6 saw no answer to {name}")
        at, ms, status = zip(*sorted(many))
        streams[name] = Answers(numpy.array(at) - begin, numpy.array(ms), numpy.array(status))
    return Measured(streams, dropped, **counters)
