"""The same users at other registration servers, with the same Argon2 parameters: each in `load-tests/peers/`, set up as its
documentation says, with two worker processes and a database of its own on one PostgreSQL; and enroll with a tenant on a
database of its own there. In turn in each round, 32 connections; each is warmed up before."""

import json
import os
import socket
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from .. import plots
from ..http_client import Client
from ..postgres import postgres
from ..processes import Failed, Process, run as run_command
from ..server import UNBOUNDED
from ..wrk import Request, registration, run as load
from .capacity import over

CONNECTIONS = 32
WORKERS = 2
SETUP_LIMIT = 900.0
START_LIMIT = 90.0


@dataclass
class Peer:
    """A folder of load-tests/peers/, and what its peer.json says."""

    folder: Path
    name: str
    version: str
    ready: str
    register: dict
    notes: str


def run(lab, outcome):
    if not lab.peers:
        outcome.not_measured("over_faster", "left out by --no-peers")
        outcome.note("Left out by --no-peers.")
        return
    peers = [read(path) for path in sorted((lab.root / "load-tests/peers").glob("*/peer.json"))]
    if not peers:
        outcome.not_measured("over_faster", "there is no peer in load-tests/peers/")
        return
    with ExitStack() as stack:
        database = stack.enter_context(postgres(lab))
        targets = {"enroll": (*enroll(lab, stack, database), {200})}
        for peer in peers:
            try:
                targets[peer.name] = (stack.enter_context(serve(lab, peer, database)), request_of(peer), {peer.register["status"]})
            except Failed as reason:
                outcome.not_measured("over_faster", f"{peer.name} did not start")
                outcome.note(f"{peer.name} did not start: {reason}")
        rates = {name: [] for name in targets}
        for name, (url, request, right) in targets.items():
            # A server is up when its first worker is.
            load(lab, url, [request], CONNECTIONS, 2).check(outcome, f"{name}, warming up", right)
        for _ in lab.each_round():
            for name, (url, request, right) in targets.items():
                came = load(lab, url, [request], CONNECTIONS, lab.seconds(6))
                came.check(outcome, name, right)
                rates[name].append(came.rate_of(*right))
    tell(lab, outcome, [peer for peer in peers if peer.name in rates], rates)


def read(path: Path) -> Peer:
    said = json.loads(path.read_text())
    try:
        return Peer(path.parent, said["name"], said["version"], said["ready"], said["register"], " ".join(said["notes"]))
    except KeyError as missing:
        raise Failed(f"{path}: it has no {missing}") from None


def request_of(peer: Peer) -> Request:
    register = peer.register
    return Request(register["method"], register["path"], dict(register.get("headers", {})), register["body"])


def enroll(lab, stack, database):
    server = stack.enter_context(lab.install("peers").serve(server__workers=WORKERS))
    server.create_tenant("site", UNBOUNDED, {"kind": "own", "url": stack.enter_context(database.database())})
    server.register("site", "warm")
    return server.url, registration("site")


@contextmanager
def serve(lab, peer: Peer, database):
    """A peer that is up; gives its address."""
    lab.say(f"setting up {peer.name} {peer.version}")
    cache = lab.cache / "peers" / peer.folder.name
    cache.mkdir(parents=True, exist_ok=True)
    run_command([peer.folder / "setup", cache], SETUP_LIMIT, dict(os.environ))
    with database.database() as url:
        port = free_port()
        command = [peer.folder / "serve", cache, port, url, WORKERS]
        with Process(command, lab.folder(f"peer-{peer.folder.name}"), peer.name, dict(os.environ), limit=15) as process:
            process.await_value("to be ready", START_LIMIT, lambda: answers(port, peer.ready), 0.1)
            try:
                yield f"http://127.0.0.1:{port}"
            except Failed as reason:
                raise Failed(f"{reason}; {peer.name}: {process.last_words()}") from None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port: int, path: str):
    client = Client(f"127.0.0.1:{port}", timeout=2)
    try:
        return True if client.ask("GET", path)[0] == 200 else None
    except OSError:
        return None
    finally:
        client.close()


def tell(lab, outcome, peers, rates):
    outcome.figure("enroll", "enroll, registrations/s", rates["enroll"], "/s", "a tenant on PostgreSQL")
    for peer in peers:
        key = peer.folder.name.replace("-", "_")
        outcome.figure(key, f"{peer.name} {peer.version}, registrations/s", rates[peer.name], "/s")
        outcome.note(f"{peer.name}: {peer.notes}")
        outcome.figure(f"over_{key}", f"enroll ÷ {peer.name}", over(rates["enroll"], rates[peer.name]))
    if peers and "peers.over_faster" not in outcome.unmeasured:
        faster = [max(rates[peer.name][number] for peer in peers) for number in range(len(rates["enroll"]))]
        outcome.figure("over_faster", "enroll ÷ the faster peer", over(rates["enroll"], faster))
    plots.bars(lab, outcome, "rates", "Registrations on PostgreSQL, the same Argon2 parameters", "a second",
               list(rates.items()))
