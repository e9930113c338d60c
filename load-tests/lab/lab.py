"""The lab itself: where everything is, how large this run is, and what several scenarios need."""

import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from .processes import Failed, run
from .server import UNBOUNDED, Installation
from .wrk import registration
from .wrk import run as run_wrk

# Of the length and the counts of a full run.
SCALES = {"full": 1.0, "short": 0.2, "smoke": 0.05}
ROUNDS = {"full": 5, "short": 1, "smoke": 1}
BUILD_LIMIT = 3600.0


class Lab:
    """One run of the lab."""

    def __init__(self, root: Path, work: Path, size: str, rounds=None, binary=None):
        self.root = root
        self.work = work
        self.size = size
        self.rounds = rounds or ROUNDS[size]
        self.k6 = os.environ["LAB_K6"]
        self.wrk = os.environ["LAB_WRK"]
        self.wrk_libraries = os.environ["LAB_WRK_LIBRARIES"]
        self.cache = root / ".cache"
        self.begun = time.monotonic()
        self._folders = itertools.count(1)
        self._capacity = None
        self.step = ""
        self.binary, self.bare, self.build = self._binaries(binary)

    def _binaries(self, binary):
        """The server, the bare handler beside it, and what kind of build they are."""
        if binary is None:
            self.say("building the release server")
            self._cargo("--release", "--bin", "enroll", "--example", "bare")
            folder = Path(os.environ.get("CARGO_TARGET_DIR", self.root / "target")) / "release"
            return folder / "enroll", folder / "examples" / "bare", "release build"
        binary = Path(binary).resolve()
        if not os.access(binary, os.X_OK):
            raise Failed(f"{binary} is no program")
        bare = binary.parent / "examples" / "bare"
        if not bare.exists():
            profile = ["--release"] if binary.parent.name == "release" else []
            self._cargo(*profile, "--example", "bare", "--target-dir", str(binary.parent.parent))
        return binary, bare, f"given build ({binary.parent.name})"

    def _cargo(self, *arguments):
        run(["cargo", "build", "--locked", "--manifest-path", self.root / "Cargo.toml", *arguments], BUILD_LIMIT,
            dict(os.environ))

    def say(self, text: str):
        """A line of progress."""
        passed = int(time.monotonic() - self.begun)
        print(f"[{passed // 60:2}:{passed % 60:02}] {self.step}{text}", file=sys.stderr, flush=True)

    def folder(self, name: str) -> Path:
        """A new folder that ends with the run."""
        made = self.work / f"{next(self._folders):03}-{name}"
        made.mkdir()
        return made

    def seconds(self, full: float) -> float:
        """A length of time, in proportion to the size of the run."""
        return max(1.0, round(full * SCALES[self.size], 1))

    def count(self, full: int, least: int = 1) -> int:
        """A number of things, in proportion to the size of the run."""
        return max(least, round(full * SCALES[self.size]))

    def each_round(self):
        """The number of each round, told."""
        for number in range(1, self.rounds + 1):
            self.say(f"round {number} of {self.rounds}")
            yield number

    def bare_rate(self, seconds: float, engine=None):
        """What `enroll hash bench` tells: hashes a second with nothing around them."""
        command = [self.binary, "hash", "bench", "--seconds", str(max(1, round(seconds))), "--json"]
        if engine:
            command += ["--engine", engine]
        return json.loads(run(command, seconds + 60, {"PATH": os.environ["PATH"]}))

    def install(self, name: str, settings=None) -> Installation:
        return Installation(self, name, settings)

    def capacity(self) -> float:
        """Registrations a second that this machine makes with SQLite, measured once a run; loads are set by it."""
        if self._capacity is None:
            with self.install("capacity").serve() as server:
                server.create_tenant("full", UNBOUNDED)
                rates = [
                    run_wrk(self, server.url, [registration("full")], 32, self.seconds(4)).rate_of(200)
                    for _ in range(3)
                ]
            self._capacity = statistics.median(rates)
            if self._capacity <= 0:
                raise Failed("no registration succeeded")
            self.say(f"capacity: {self._capacity:.0f} registrations/s")
        return self._capacity


def temporary() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="enroll-lab-", ignore_cleanup_errors=True)
