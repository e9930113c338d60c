"""A code that allows N accounts is raced for by 64 connections, with a hash that costs next to nothing so that the
transactions meet: exactly N accounts must come of it, by the answers, by the list of users and by the code's own count. In
each round one race in each placement: SQLite of its own, SQLite shared, PostgreSQL of its own."""

from contextlib import ExitStack

from ..postgres import postgres
from ..server import UNBOUNDED
from ..wrk import registration, run as load
from .capacity import CHEAP


def run(lab, outcome):
    uses = lab.count(1_000, least=100)
    surplus, rates = [], {}
    with ExitStack() as stack:
        database = stack.enter_context(stack.enter_context(postgres(lab)).database())
        installation = lab.install("invite-race", CHEAP)
        installation.settings["databases.main.url"] = f"sqlite://{installation.folder}/shared.db?mode=rwc"
        installation.migrate()
        server = stack.enter_context(installation.serve())
        placements = {
            "sqlite-own": {"kind": "own"},
            "sqlite-shared": {"kind": "shared", "database": "main"},
            "postgres-own": {"kind": "own", "url": database},
        }
        settings = {**UNBOUNDED, "registration": {"invite_required": True}}
        for tenant, placement in placements.items():
            server.create_tenant(tenant, settings, placement)
        for round_number in lab.each_round():
            for tenant in placements:
                made, rate = race(lab, outcome, server, tenant, f"RACE-{round_number}", uses)
                surplus.append(made - uses)
                rates.setdefault(tenant, []).append(rate)
    worst = max(surplus, key=abs)
    outcome.figure("surplus", f"accounts beyond the {uses:,} that a code allows, the worst of {len(surplus)} races", abs(worst))
    for tenant, values in rates.items():
        outcome.figure(f"refused_{tenant.replace('-', '_')}", f"answers a second in a race, {tenant}", values, "/s",
                       "most of them refusals, after the code is spent")


def race(lab, outcome, server, tenant, code, uses):
    """Gives the accounts that came of it and the answers a second."""
    server.issue_invite(tenant, code, uses)
    before = len(server.users(tenant))
    came = load(lab, server.url, [registration(tenant, code=code)], 64, max(2.0, lab.seconds(4)))
    came.check(outcome, f"race at {tenant}", {200, 422, 503})
    made = len(server.users(tenant)) - before
    counted = server.invite_uses(tenant, code)
    # Of the last registrations the answer may be lost, because wrk leaves when its time is over.
    answered = came.statuses.get(200, 0)
    if not came.statuses.get(422):
        outcome.note(f"{tenant}: the race was over before the code was spent ({made} of {uses}).")
    elif made != uses:
        outcome.fault(f"{tenant}: a code for {uses} brought {made} accounts")
    if counted != made:
        outcome.fault(f"{tenant}: the code counts {counted} uses for {made} accounts")
    if answered > made:
        outcome.fault(f"{tenant}: {answered} answers said that an account was made, and {made} were")
    return (made if came.statuses.get(422) else uses), came.rate
