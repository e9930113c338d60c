"""The server under load: its data, its start, its end, and its admin API."""

import json
import os
import time
from contextlib import contextmanager
from pathlib import Path

from .http_client import Client
from .processes import Failed, Process, run

START_LIMIT = 60.0
PASSWORD = "Violet-Harbour-27-lamps"

# All load comes from one address, where limits made for people would refuse it.
NO_LIMITS = {
    "limits": {
        "per_address": None,
        "per_username": None,
        "per_tenant": None,
        "login_per_address": None,
        "calls_per_address": None,
    }
}
# The same without the bound of a tenant's calls at work, which is met where one tenant takes all load.
UNBOUNDED = {"limits": {**NO_LIMITS["limits"], "in_flight": None}}


class Installation:
    """A data folder with its schemas and an administrator's token, made once; servers run on it one after another."""

    def __init__(self, lab, name: str, settings=None):
        self.lab = lab
        self.name = name
        self.folder = lab.folder(name)
        self.settings = settings or {}
        self.starts = 0
        self.migrate()
        made = run([lab.binary, "admin", "token", "create", "--name", "lab", "--json"], START_LIMIT, self.environment())
        self.token = json.loads(made)["token"]

    def migrate(self):
        """Makes the schemas of all databases that the settings name: after each database more, too."""
        run([self.lab.binary, "migrate"], START_LIMIT, self.environment())

    def environment(self, settings=None):
        """Nothing but these settings reaches the server. Keys are written as in `hashing.threads`."""
        chosen = {
            "server.public_listen": "127.0.0.1:0",
            "server.admin_listen": "127.0.0.1:0",
            "data.dir": self.folder / "data",
            "telemetry.log_level": "warn",
            "telemetry.log_format": "json",
            **self.settings,
            **(settings or {}),
        }
        variables = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        for key, value in chosen.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            variables["ENROLL__" + key.replace(".", "__").upper()] = text
        return variables

    @contextmanager
    def serve(self, **settings):
        """A running server; a double underscore in the name of a setting stands for the dot (`hashing__threads`)."""
        self.starts += 1
        chosen = {key.replace("__", "."): value for key, value in settings.items()}
        with Server(self, f"server-{self.starts}", self.environment(chosen)) as server:
            yield server
        server.look_for_panics()


class Server(Process):
    """A server that is ready."""

    def __init__(self, installation: Installation, name: str, environment):
        begun = time.monotonic()
        lab = installation.lab
        self.lab = lab
        super().__init__([lab.binary, "serve"], installation.folder, name, environment)
        try:
            event = self.await_value("its first line", START_LIMIT, self._first_line, 0.002)
            self.public, self.operators = event["public"], event["admin"]
            self.admin = Client(self.operators, {"Authorization": f"Bearer {installation.token}"})
            self.await_value("to be ready", START_LIMIT, self._ready, 0.002)
        except BaseException:
            self.end()
            raise
        # Seconds from the start of the process until /readyz answered 200.
        self.ready_after = time.monotonic() - begun

    def _first_line(self):
        line, end, _ = self.stdout().partition("\n")
        return json.loads(line) if end else None

    def _ready(self):
        status, _, _ = self.admin.ask("GET", "/readyz")
        return True if status == 200 else None

    def end(self):
        if hasattr(self, "admin"):
            self.admin.close()
        super().end()

    def look_for_panics(self):
        if "panicked" in self.stderr_path.read_text(errors="replace"):
            raise Failed(f"the server panicked: {self.last_words()}")

    @property
    def url(self) -> str:
        return f"http://{self.public}"

    def asked(self, status: int, method: str, path: str, document=None):
        """One call of the admin API that must be answered with `status`; gives the document."""
        got, answer, _ = self.admin.ask(method, f"/admin/v1{path}", document)
        if got != status:
            raise Failed(f"{method} {path} was answered {got}: {answer}")
        return answer

    def create_tenant(self, key: str, settings=None, placement=None):
        self.asked(201, "POST", "/tenants", tenant_document(key, settings, placement))

    def issue_invite(self, tenant: str, code: str, uses: int):
        document = {"data": {"type": "invites", "attributes": {"code": code, "max_uses": uses}}}
        self.asked(201, "POST", f"/tenants/{tenant}/invites", document)

    def invite_uses(self, tenant: str, code: str) -> int:
        return self.asked(200, "GET", f"/tenants/{tenant}/invites/{code}")["data"]["attributes"]["uses"]

    def users(self, tenant: str):
        """All users of a tenant, page by page."""
        users, path = [], f"/tenants/{tenant}/users?page[size]=500"
        while path:
            page = self.asked(200, "GET", path)
            users += page["data"]
            path = (page["links"]["next"] or "").rpartition("/admin/v1")[2]
        return users

    def call(self, tenant: str, route: str, attributes, status: int = 200):
        """One call of the public API that must be answered with `status`; gives the document."""
        client = Client(self.public, {"X-Tenant-Id": tenant})
        try:
            got, answer, _ = client.ask("POST", f"/api/{route}", {"data": {"attributes": attributes}})
        finally:
            client.close()
        if got != status:
            raise Failed(f"{route} at {tenant} was answered {got}, not {status}: {answer}")
        return answer

    def register(self, tenant: str, username: str):
        return self.call(tenant, "register", {"username": username, "password": PASSWORD})

    def log_in(self, tenant: str, username: str):
        """The tokens of a new session."""
        answer = self.call(tenant, "login", {"username": username, "password": PASSWORD})
        return answer["data"]["attributes"]


def tenant_document(key: str, settings=None, placement=None):
    attributes = {"key": key}
    if settings:
        attributes["settings"] = settings
    if placement:
        attributes["placement"] = placement
    return {"data": {"type": "tenants", "attributes": attributes}}
