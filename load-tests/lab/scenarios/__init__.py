"""The scenarios, in the order in which they run. Each is a module: its doc tells what it does, `run(lab, outcome)` does it."""

from . import (
    burst,
    capacity,
    hot_tenant,
    invite_race,
    lists,
    login_refresh_mix,
    many_tenants,
    overload,
    peers,
    refusals,
    slow_provider,
    soak,
    steady,
)

SCENARIOS = {
    "capacity": capacity,
    "steady": steady,
    "burst": burst,
    "overload": overload,
    "hot-tenant": hot_tenant,
    "many-tenants": many_tenants,
    "invite-race": invite_race,
    "slow-provider": slow_provider,
    "refusals": refusals,
    "lists": lists,
    "login-refresh-mix": login_refresh_mix,
    "soak": soak,
    "peers": peers,
}
