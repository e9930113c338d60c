"""Those who have an account. In turn in each round, as a closed loop: `enroll hash bench`; logins with right passwords of
200 users on 32 connections; refreshes on 32, each with the token that the one before brought; `GET /api/users/me` on 64.
Then all of it together as arrivals: registrations at 10 % of the capacity, logins at 20 %, refreshes at 40 % and profiles at
twice its number."""

import json
from concurrent.futures import ThreadPoolExecutor

from .. import plots
from ..k6 import Stream, run as arrivals
from ..names import spell
from ..server import PASSWORD, UNBOUNDED
from ..wrk import Request, post, run as load

USERS = 200
CONNECTIONS = 32
SESSIONS = 2 * CONNECTIONS
PREFIX = "member"


def run(lab, outcome):
    with lab.install("login-refresh-mix").serve() as server:
        # Many log in at the same name at one time, which would look like guessing.
        server.create_tenant("site", {**UNBOUNDED, "login": {"tries": 100}})
        with ThreadPoolExecutor(4) as several:
            list(several.map(lambda name: server.register("site", name), members()))
        session = server.log_in("site", members()[0])
        closed_loops(lab, outcome, server, session)
        together(lab, outcome, server, session)


def members():
    return [PREFIX + spell(number) for number in range(USERS)]


def closed_loops(lab, outcome, server, session):
    bares, logins, refreshes, profiles = [], [], [], []
    entering = [post("site", "login", {"username": name, "password": PASSWORD}) for name in members()]
    refreshing = [post("site", "refresh-token", {"refresh_token": "{token}"})]
    asking = [Request("GET", "/api/users/me", {"X-Tenant-Id": "site", "Authorization": f"Bearer {session['access_token']}"})]
    for _ in lab.each_round():
        bares.append(lab.bare_rate(lab.seconds(4))["hashes_per_second"])
        came = load(lab, server.url, entering, CONNECTIONS, lab.seconds(6))
        came.check(outcome, "logins", {200})
        logins.append(came.rate_of(200))
        tokens = [server.log_in("site", members()[number % USERS])["refresh_token"] for number in range(SESSIONS)]
        came = load(lab, server.url, refreshing, CONNECTIONS, lab.seconds(3), tokens=tokens)
        came.check(outcome, "refreshes", {200})
        refreshes.append(came.rate_of(200))
        came = load(lab, server.url, asking, 64, lab.seconds(3), count=False)
        came.check(outcome, "profiles", set())
        if came.refused:
            outcome.fault(f"profiles: {came.refused} answers were refusals")
        profiles.append(came.rate)
    outcome.figure("bare", "bare hash rate of the engine in use", bares, "/s")
    outcome.figure("logins", "logins/s", logins, "/s")
    outcome.figure("logins_over_bare", "… ÷ bare rate", [one / bare for one, bare in zip(logins, bares)])
    outcome.figure("refreshes", "refreshes/s", refreshes, "/s")
    outcome.figure("me", "`GET /api/users/me` /s", profiles, "/s")


def together(lab, outcome, server, session):
    capacity = lab.capacity()
    lab.say("all of it together")
    users = {"USERS": USERS, "USERS_PREFIX": PREFIX}
    # The refreshes' sessions, begun before, so that their logins are no load.
    sessions = [server.log_in("site", members()[number % USERS])["refresh_token"] for number in range(SESSIONS)]
    shares = [("registrations", "register", 0.1), ("logins", "login", 0.2), ("refreshes", "refresh", 0.4), ("profiles", "me", 2)]
    streams = [
        Stream(name, does, server.url, max(1, share * capacity), lab.seconds(20), tenant="site", patience=1,
               most_users=SESSIONS if does == "refresh" else 600,
               environment={**users, "ACCESS_TOKEN": session["access_token"], "SESSIONS": json.dumps(sessions)})
        for name, does, share in shares
    ]
    measured = arrivals(lab, streams)
    measured.check(outcome, {stream.name: {200, 503} for stream in streams})
    for stream in streams:
        answers = measured[stream.name]
        outcome.figure(f"mix_{stream.name}_p50", f"in the mix: {stream.name}, p50", answers.p50, "ms")
        outcome.figure(f"mix_{stream.name}_p99", f"in the mix: {stream.name}, p99", answers.p99, "ms",
                       f"{stream.rate:.0f}/s, {answers.count(503)} of {len(answers):,} refused")
    plots.percentiles(lab, outcome, "percentiles", "Registrations, logins, refreshes and profiles at one time",
                      [(stream.name, measured[stream.name]) for stream in streams])
