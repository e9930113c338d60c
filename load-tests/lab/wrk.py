"""Loads by wrk, which takes little of the machine: for throughput and ratios, and as the flood beside what k6 measures.

No latency of wrk is quoted: it waits for an answer before it asks again, so a slow server is asked less.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from .names import new_prefix
from .processes import Failed, Process
from .server import PASSWORD

SCRIPT = Path(__file__).with_name("wrk") / "load.lua"
THREADS = 2


@dataclass
class Request:
    """A kind of request. `{name}` in the path or the body becomes a name that is new in the run."""

    method: str
    path: str
    headers: dict = field(default_factory=dict)
    body: str = None
    weight: float = 1


@dataclass
class Load:
    """What a load came to."""

    requests: int
    seconds: float
    statuses: dict
    # Answers that are not 2xx or 3xx, also where statuses were not counted.
    refused: int
    without_retry_after: int
    errors: dict
    # Answers 2xx by the second of the clock in which they came.
    good: dict = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds

    def rate_of(self, *statuses: int) -> float:
        return sum(self.statuses.get(status, 0) for status in statuses) / self.seconds

    def settled_rate(self) -> float:
        """Answers 2xx a second, without the first two seconds, in which what measures beside this load still begins, and
        without the last, which is no whole one."""
        if not self.good:
            return 0.0
        begin, end = min(self.good) + 2, max(self.good)
        inner = [self.good.get(second, 0) for second in range(begin, end)]
        return sum(inner) / len(inner) if inner else sum(self.good.values()) / self.seconds

    def check(self, outcome, what: str, allowed):
        """Wrong answers are faults: statuses that the load does not expect, and connections that broke."""
        for status, count in sorted(self.statuses.items()):
            if status not in allowed:
                outcome.fault(f"{what}: {count} answers with status {status}")
        for kind, count in self.errors.items():
            if count:
                outcome.fault(f"{what}: {count} {kind} errors of connections")


def post(tenant: str, route: str, attributes, weight: float = 1) -> Request:
    body = attributes if isinstance(attributes, str) else json.dumps({"data": {"attributes": attributes}})
    headers = {"X-Tenant-Id": tenant, "Content-Type": "application/json"}
    return Request("POST", f"/api/{route}", headers, body, weight)


def registration(tenant: str, weight: float = 1, **more) -> Request:
    return post(tenant, "register", {"username": "{name}", "password": PASSWORD, **more}, weight)


class Running(Process):
    """A load on its way."""

    def __init__(self, lab, url: str, requests, connections: int, seconds: float, *, pause_ms=None, count=True,
                 tokens=None):
        folder = lab.folder("wrk")
        plan = {
            "prefix": new_prefix(),
            "threads": THREADS,
            "pause": pause_ms,
            "count": count,
            "tokens": tokens,
            "requests": [vars(request) for request in requests],
        }
        (folder / "plan.lua").write_text(f"return {lua(plan)}\n")
        environment = {**os.environ, "LAB_PLAN": str(folder / "plan.lua"), "LD_LIBRARY_PATH": lab.wrk_libraries}
        command = [
            lab.wrk, "--threads", THREADS, "--connections", connections, "--duration", f"{max(1, round(seconds))}s",
            "--timeout", "30s", "--script", SCRIPT, url,
        ]
        self.seconds = seconds
        super().__init__(command, folder, "wrk", environment, limit=2.0)

    def load(self) -> Load:
        """Waits for its end."""
        status = self.wait(self.seconds + 60)
        lines = [line for line in self.stdout().splitlines() if line.startswith("LAB ")]
        if status != 0 or not lines:
            raise Failed(f"wrk ended with {status}: {self.stdout()} {self.last_words()}")
        told = json.loads(lines[-1][4:])
        for counts in ("statuses", "good"):
            told[counts] = {int(key): count for key, count in told[counts].items()}
        return Load(**told)


def run(lab, url: str, requests, connections: int, seconds: float, **options) -> Load:
    """A closed loop on so many connections, to its end."""
    with Running(lab, url, requests, connections, seconds, **options) as running:
        return running.load()


def flood(lab, url: str, requests, rate: float, seconds: float, connections: int = 640, held: int = 130) -> Running:
    """A load near a rate that refusals do not slow: each connection pauses at random before each request. About `held`
    connections wait for answers that take long; the rate that came about is the load's own figure."""
    pause = (connections - held) / rate * 1000
    return Running(lab, url, requests, connections, seconds, pause_ms=pause)


def lua(value) -> str:
    """A value as Lua writes it."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        return '"' + "".join(_lua_character(character) for character in value) + '"'
    if isinstance(value, dict):
        return "{" + ", ".join(f"[{lua(key)}] = {lua(item)}" for key, item in value.items() if item is not None) + "}"
    return "{" + ", ".join(lua(item) for item in value) + "}"


def _lua_character(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isascii() and character.isprintable():
        return character
    return "".join(f"\\{byte:03d}" for byte in character.encode())
