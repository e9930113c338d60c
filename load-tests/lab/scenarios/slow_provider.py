"""WeChat takes two seconds for each answer (the simulator, told to be slow). Registrations with name and password arrive at
30 % of the capacity, in turn alone and beside five registrations a second, of the same tenant, that wait for WeChat."""

from .. import plots
from ..http_client import Client
from ..k6 import Stream, joined, run as arrivals
from ..processes import Failed, Process
from ..server import UNBOUNDED

APP_ID = "wx0000000000000003"
SLOW_MS = 2_000
# Below provider.in_flight (16) at work at one time.
WECHAT_RATE = 5


def run(lab, outcome):
    rate = 0.3 * lab.capacity()
    alone, beside, waiting = [], [], []
    with Process([lab.binary, "simulate", "--listen", "127.0.0.1:0"], lab.folder("simulator"), "simulator") as simulator:
        address = simulator.await_value("its first line", 30, lambda: address_of(simulator))
        slow_down(address)
        with lab.install("slow-provider", {"provider.wechat_api_url": f"http://{address}"}).serve() as server:
            account = {"app_id": APP_ID, "app_secret": "simulated-secret"}
            server.create_tenant("site", {**UNBOUNDED, "wechat": {"mini_program": account}})
            server.register("site", "warm")
            for _ in lab.each_round():
                seconds = max(3.0, lab.seconds(8))
                plain = Stream("plain", "register", server.url, rate, seconds, tenant="site")
                alone.append(measure(lab, outcome, [plain])["plain"])
                by_wechat = Stream("wechat", "registerByWechat", server.url, WECHAT_RATE, seconds, tenant="site", patience=6,
                                   environment={"SIMULATOR": f"http://{address}", "APP_ID": APP_ID})
                both = measure(lab, outcome, [plain, by_wechat])
                beside.append(both["plain"])
                waiting.append(both["wechat"])
    tell(lab, outcome, alone, beside, waiting, rate)


def address_of(simulator):
    _, found, rest = simulator.stdout().partition('"simulator":"http://')
    return rest.partition('"')[0] if found and "\n" in rest else None


def slow_down(address):
    client = Client(address)
    status, answer, _ = client.ask("PUT", "/control/mode", {"wechat": "slow", "slow_ms": SLOW_MS})
    client.close()
    if status != 200:
        raise Failed(f"the simulator answered {status}: {answer}")


def measure(lab, outcome, streams):
    measured = arrivals(lab, streams)
    measured.check(outcome, {stream.name: {200, 503} for stream in streams})
    return measured


def tell(lab, outcome, alone, beside, waiting, rate):
    outcome.figure("alone_p99", f"plain registrations alone, {rate:.0f}/s, p99", [one.p99 for one in alone], "ms")
    outcome.figure("beside_p99", "plain registrations beside those by WeChat, p99", [one.p99 for one in beside], "ms")
    outcome.figure("p99_ratio", "… beside ÷ alone", [one.p99 / other.p99 for one, other in zip(beside, alone)])
    outcome.figure("wechat_p50", "registrations by WeChat, p50", [one.p50 for one in waiting], "ms",
                   f"{sum(one.count(200) for one in waiting)} of {sum(map(len, waiting))} registered")
    refused = sum(one.count(503) for one in alone + beside)
    outcome.figure("refused", "plain registrations refused (503)", refused)
    plots.percentiles(lab, outcome, "percentiles", "Registrations while WeChat takes two seconds, all rounds",
                      [("plain, alone", joined(alone)), ("plain, beside WeChat", joined(beside)),
                       ("by WeChat", joined(waiting))])
