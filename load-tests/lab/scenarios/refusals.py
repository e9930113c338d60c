"""What it costs to say no. In turn in each round, on 64 connections: a bare actix-web POST handler that reads a JSON body of
200 bytes (`load-tests/bare.rs`, with the workers and limits of enroll's listener), and registrations that are refused: of a
client over its limit (429), for an unknown tenant (404), with a body that is no JSON (400), with an invite code that is spent
(422); and logins over the limit (429)."""

from .. import plots
from ..http_client import Client
from ..processes import Failed, Process
from ..server import PASSWORD, UNBOUNDED
from ..wrk import Request, post, run as load

CONNECTIONS = 64
ONE_AN_HOUR = {"calls": 1, "seconds": 3_600}
BODY = '{"data":{"attributes":{"username":"somebody","password":"%s","register_reason":"%s"}}}' % (PASSWORD, "x" * 98)


def run(lab, outcome):
    rates = {}
    bare_folder = lab.folder("bare")
    with Process([lab.bare], bare_folder, "bare") as bare, lab.install("refusals").serve() as server:
        address = bare.await_value("its address", 10, lambda: line(bare))
        prepare(server)
        cases = {
            "bare": (200, f"http://{address}", Request("POST", "/", {"Content-Type": "application/json"}, BODY)),
            "limited": (429, server.url, post("limited", "register", BODY)),
            "unknown": (404, server.url, post("nobody", "register", BODY)),
            "body": (400, server.url, post("open", "register", BODY[:-3])),
            "invite": (422, server.url, post("open", "register", BODY.replace('"register_reason"', '"code":"SPENT-CODE","register_reason"'))),
            "login": (429, server.url, post("limited", "login", BODY)),
        }
        for _ in lab.each_round():
            for name, (status, url, request) in cases.items():
                certain(outcome, name, status, url, request)
                came = load(lab, url, [request], CONNECTIONS, lab.seconds(3), count=False)
                came.check(outcome, name, set())
                wanted = 0 if status == 200 else came.requests
                if came.refused != wanted:
                    outcome.fault(f"{name}: {abs(came.refused - wanted)} answers of another kind than {status}")
                rates.setdefault(name, []).append(came.rate)
    tell(lab, outcome, rates)


def line(process):
    text, end, _ = process.stdout().partition("\n")
    return text if end else None


def prepare(server):
    server.create_tenant("open", UNBOUNDED)
    server.create_tenant("limited", {"limits": {"per_address": ONE_AN_HOUR, "login_per_address": ONE_AN_HOUR}})
    server.register("limited", "warm")
    server.log_in("limited", "warm")
    server.issue_invite("open", "SPENT-CODE", 1)
    server.call("open", "register", {"username": "guest", "password": PASSWORD, "code": "SPENT-CODE"})


def certain(outcome, name, status, url, request):
    """The status of one answer; wrk tells only good ones from others here, which takes nothing of the machine."""
    client = Client(url.removeprefix("http://"))
    try:
        got, _, fields = client.send(request.method, request.path, request.body, request.headers)
    finally:
        client.close()
    if got != status:
        raise Failed(f"{name}: the answer is {got}, not {status}")
    if got == 429 and "Retry-After" not in fields:
        outcome.fault(f"{name}: no Retry-After")


LABELS = {
    "bare": "bare actix-web POST",
    "limited": "limited client (429)",
    "unknown": "unknown tenant (404)",
    "body": "bad body (400)",
    "invite": "spent invite (422)",
    "login": "limited login (429)",
}


def tell(lab, outcome, rates):
    for name, label in LABELS.items():
        outcome.figure(name, f"{label}, answers/s", rates[name], "/s")
        if name != "bare":
            outcome.figure(f"{name}_over_bare", "… ÷ bare", [one / bare for one, bare in zip(rates[name], rates["bare"])])
    goal = outcome.find("refusals.bare").median * 0.6
    plots.bars(lab, outcome, "rates", "Refusals beside a bare handler", "answers a second",
               [(label, rates[name]) for name, label in LABELS.items()], (goal, "0.6 of the bare handler"))
