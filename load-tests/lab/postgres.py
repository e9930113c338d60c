"""A PostgreSQL server: the one that scripts/test started, or one of our own by scripts/services."""

import os
import secrets
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg

from .processes import Process

# Seconds; the first start may download the server.
START_LIMIT = 300.0


class Postgres:
    """Gives databases, each with a role of its own that is no superuser."""

    def __init__(self, url: str):
        self.url = url
        with psycopg.connect(url) as connection:
            self.version = connection.execute("SHOW server_version").fetchone()[0]

    @contextmanager
    def database(self):
        """The URL of a new database, dropped at the end."""
        name, password = f"lab_{secrets.token_hex(6)}", secrets.token_hex(16)
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}' NOSUPERUSER NOBYPASSRLS")
            connection.execute(f"CREATE DATABASE {name} OWNER {name}")
            try:
                parts = urlsplit(self.url)
                yield f"postgres://{name}:{password}@{parts.hostname}:{parts.port}/{name}"
            finally:
                connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
                connection.execute(f"DROP ROLE {name}")


@contextmanager
def postgres(lab):
    """The server for as long as it is needed."""
    given = os.environ.get("ENROLL_TEST_POSTGRES_URL")
    if given:
        yield Postgres(given)
        return
    # The script's standard input is closed, so it is a sleep that keeps the server up.
    command = [lab.root / "scripts/services", "--postgres", "sh", "-c", 'echo "$ENROLL_TEST_POSTGRES_URL"; exec sleep 86400']
    with Process(command, lab.folder("postgres"), "services") as services:
        url = services.await_value("PostgreSQL", START_LIMIT, lambda: services.stdout().strip() or None, 0.1)
        yield Postgres(url)
