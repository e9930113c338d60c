"""Tenants by the thousand: their making and their waking."""

import time
from concurrent.futures import ThreadPoolExecutor

from .http_client import Client
from .processes import Failed
from .server import tenant_document

# Connections of the admin API that make tenants. Their client takes as much of the machine as the server does.
MAKERS = 4
# Tenants between two lines of progress, and the span of one rate.
CHUNK = 1_000


def create(lab, server, count: int, first: int = 0, prefix: str = "t", settings=None, placement=None):
    """Makes tenants t0, t1, … through the admin API on kept connections. Gives [(how many there were, tenants a
    second)], a pair for each chunk."""
    rates = []
    with ThreadPoolExecutor(MAKERS) as makers:
        for begin in range(first, first + count, CHUNK):
            end = min(begin + CHUNK, first + count)
            started = time.monotonic()
            jobs = [
                makers.submit(create_some, server, [f"{prefix}{number}" for number in range(begin + maker, end, MAKERS)],
                              settings, placement)
                for maker in range(MAKERS)
            ]
            for job in jobs:
                job.result()
            rates.append((end, (end - begin) / (time.monotonic() - started)))
            if count > CHUNK and (end // CHUNK) % 10 == 0:
                lab.say(f"{end - first:,} of {count:,} tenants, {rates[-1][1]:.0f}/s")
    return rates


def create_some(server, keys, settings, placement):
    client = Client(server.operators, server.admin.headers)
    try:
        for key in keys:
            status, document, _ = client.ask("POST", "/admin/v1/tenants", tenant_document(key, settings, placement))
            if status != 201:
                raise Failed(f"tenant {key} was answered {status}: {document}")
    finally:
        client.close()


def wake(outcome, server, count: int, first: int = 0, prefix: str = "t"):
    """Makes tenants live by a call that reads their database and hashes nothing."""
    client = Client(server.public)
    try:
        for number in range(first, first + count):
            status, _, _ = client.ask("GET", "/api/users/1", headers={"X-Tenant-Id": f"{prefix}{number}"})
            if status != 404:
                outcome.fault(f"a call to a tenant that sleeps was answered {status}, not 404")
    finally:
        client.close()
