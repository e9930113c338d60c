"""Pages of lists and searches of the admin API on PostgreSQL, one call at a time: a hundred thousand tenants, and a tenant with a
million users in a database that tenants share. The rows are written by SQL. Names come in the order of their numbers, so that
what a beginning finds lies together and far from the first row, and a hundredth of the users waits for approval."""

import time
from urllib.parse import quote

import psycopg

from ..figures import percentile
from ..postgres import postgres
from ..processes import Failed

TENANTS = {"full": 100_000, "short": 100_000, "smoke": 500}
USERS = {"full": 1_000_000, "short": 1_000_000, "smoke": 2_000}
# Where each walk of pages begins, so that a run asks for other rows each time.
CALLS = {"full": 400, "short": 200, "smoke": 20}


def run(lab, outcome):
    with postgres(lab) as server, server.database() as platform, server.database() as shared:
        installation = lab.install("lists", {"platform.url": platform, "databases.main.url": shared})
        with installation.serve() as running:
            # The shared database gets its schema, and the tenant its keys.
            placement = {"kind": "shared", "database": "main"}
            running.create_tenant("crowd", placement=placement)
            running.register("crowd", "first")
            tenant = running.asked(200, "GET", "/tenants/crowd")["data"]["id"]
            tenants, users = TENANTS[lab.size], USERS[lab.size]
            lab.say(f"writing {tenants:,} tenants and {users:,} users")
            ids = seed_tenants(platform, tenants), seed_users(shared, int(tenant), users)
            measure(lab, outcome, running, tenants, users, *ids)
            if lab.size == "full" or lab.size == "short":
                outcome.note(f"{server.version}; the pages have 50 rows each.")


def seed_tenants(url: str, count: int) -> list[int]:
    """Tenants like the one that is there. Gives the numbers of some of them."""
    with psycopg.connect(url) as connection:
        columns = [
            row[0]
            for row in connection.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = 'tenants' ORDER BY ordinal_position"
            )
        ]
        other = {
            "id": "1000000 + number",
            "key": "'t' || lpad(number::text, 7, '0')",
            "name": "'Tenant ' || lpad((number * 7919 % 1000003)::text, 7, '0')",
            "state": "CASE WHEN number % 100 = 0 THEN 1 ELSE state END",
        }
        chosen = ", ".join(other.get(column, f't."{column}"') for column in columns)
        names = ", ".join(f'"{column}"' for column in columns)
        connection.execute(
            f"INSERT INTO tenants ({names}) SELECT {chosen} FROM tenants t, generate_series(1, {count - 1}) AS number"
        )
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE tenants")
        every = max(1, count // 100)
        return [1_000_000 + number for number in range(1, count, every)]


def seed_users(url: str, tenant: int, count: int) -> list[int]:
    """Users like the one that is there. Gives the numbers of some of them."""
    with psycopg.connect(url) as connection:
        connection.execute("SELECT set_config('enroll.tenant_id', %s, false)", (str(tenant),))
        columns = [
            row[0]
            for row in connection.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = 'users' ORDER BY ordinal_position"
            )
        ]
        other = {
            "id": "1000000 + number",
            "username": "'u' || lpad(number::text, 7, '0')",
            "display_name": "'U' || lpad(number::text, 7, '0')",
            "skeleton": "'u' || lpad(number::text, 7, '0')",
            "status": "CASE WHEN number % 100 = 0 THEN 2 ELSE u.status END",
        }
        chosen = ", ".join(other.get(column, f"u.{column}") for column in columns)
        connection.execute(
            f"INSERT INTO users ({', '.join(columns)}) SELECT {chosen} FROM users u, generate_series(1, {count - 1}) AS number"
        )
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE users")
        every = max(1, count // 100)
        return [1_000_000 + number for number in range(1, count, every)]


def measure(lab, outcome, server, tenants: int, users: int, tenant_ids, user_ids):
    width = len(str(users - 1))
    last = str(users - 1).rjust(7, "0")
    asked = {
        "tenants": ("a page of tenants", "/tenants?page[after]={tenant}"),
        "tenants_suspended": ("suspended tenants", "/tenants?filter[state]=suspended&page[after]={tenant}"),
        "tenants_key": ("tenants by the beginning of the key", "/tenants?filter[key]=t{number}"),
        "tenants_name": ("tenants by the beginning of the name", "/tenants?filter[name]=Tenant 0{digit}"),
        "users": ("a page of users", "/tenants/crowd/users?page[after]={user}"),
        "users_pending": ("users who wait", "/tenants/crowd/users?filter[status]=pending&page[after]={user}"),
        "users_name": ("users by the beginning of the name", "/tenants/crowd/users?filter[username]=u{number}"),
        "users_name_page": (
            "the same, a page further on",
            "/tenants/crowd/users?filter[username]=u&page[after]={user}",
        ),
        "users_far": ("users by a beginning that the last ones have", f"/tenants/crowd/users?filter[username]=u{last[:4]}"),
        "users_both": (
            "users who wait by the beginning of the name",
            "/tenants/crowd/users?filter[username]=u{number}&filter[status]=pending",
        ),
        "users_banned": ("banned users by the beginning of the name (none)", "/tenants/crowd/users?filter[username]=u&filter[status]=banned"),
    }
    worst = 0.0
    for key, (label, path) in asked.items():
        spent = []
        for call in range(CALLS[lab.size]):
            place = call % len(user_ids)
            filled = path.format(
                tenant=tenant_ids[call % len(tenant_ids)],
                user=user_ids[place],
                number=str(call * 7 % 1000).rjust(3, "0")[: max(1, width - 3)],
                digit=call % 10,
            )
            begun = time.monotonic()
            status, answer, _ = server.admin.ask("GET", "/admin/v1" + quote(filled, safe="/?&=[]"))
            spent.append((time.monotonic() - begun) * 1000)
            if status != 200 or (key in ("tenants", "users") and not answer["data"]):
                raise Failed(f"{filled} was answered {status}: {answer}")
        p99 = percentile(spent, 0.99)
        worst = max(worst, p99)
        outcome.figure(key, f"{label}, p99", p99, "ms", f"p50 {percentile(spent, 0.5):.1f} ms, {len(spent)} calls")
    outcome.figure("p99", "the slowest of these, p99", worst, "ms", f"{tenants:,} tenants, {users:,} users of one tenant")
