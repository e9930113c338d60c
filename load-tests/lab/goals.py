"""The goals, each for one figure: two cores, the load generator on the same machine, ratios within one run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """A bound of the median of a figure."""

    key: str
    relation: str
    bound: float
    text: str

    @property
    def scenario(self) -> str:
        return self.key.partition(".")[0]

    def met_by(self, value: float) -> bool:
        return value >= self.bound if self.relation == "≥" else value <= self.bound

    def reached(self, value: float) -> float:
        """How much of the goal was reached: 1 is just enough, whichever way the goal points."""
        if self.relation == "≥":
            return value / self.bound
        if value <= 0:
            return float("inf")
        return self.bound / value


GOALS = [
    Goal("capacity.sqlite_over_bare", "≥", 0.92, "registrations/s ÷ bare rate of the engine in use, 32 connections, SQLite FULL"),
    Goal("capacity.postgres_over_bare", "≥", 0.82, "the same on PostgreSQL on the same machine"),
    Goal("capacity.over_plain", "≥", 2.4, "registrations/s ÷ the same server with the reference engine through its plain API"),
    Goal("capacity.memory", "≤", 1.0, "peak memory under 256 connections ÷ (base + threads × 19 MiB + 20 % of these)"),
    Goal("capacity.cheap", "≥", 5_000, "cheap-hash registrations/s, SQLite FULL, one tenant"),
    Goal("overload.goodput", "≥", 0.92, "goodput at 10× overload ÷ peak"),
    Goal("overload.refusal_p99", "≤", 50, "p99 of refusals at 10× overload, ms"),
    Goal("overload.livez_p99", "≤", 20, "p99 of `/livez` while saturated, ms"),
    Goal("overload.without_retry_after", "≤", 0, "429 and 503 without `Retry-After`"),
    Goal("hot-tenant.p99_ratio", "≤", 2, "quiet tenant's p99 beside a tenant flooding at 50× ÷ alone"),
    Goal("hot-tenant.failures", "≤", 0, "failures of the quiet tenant"),
    Goal("refusals.limited_over_bare", "≥", 0.6, "refusals/s of a limited client ÷ a bare actix-web POST handler"),
    Goal("refusals.unknown_over_bare", "≥", 0.6, "the same for an unknown tenant"),
    Goal("refusals.body_over_bare", "≥", 0.6, "the same for a bad body"),
    Goal("refusals.invite_over_bare", "≥", 0.6, "the same for a dead invite"),
    Goal("login-refresh-mix.me", "≥", 15_000, "`GET /api/users/me` /s"),
    Goal("many-tenants.start", "≤", 1.0, "100,000 tenants configured: start to ready, s"),
    Goal("many-tenants.memory", "≤", 80, "100,000 tenants configured: memory, MiB"),
    Goal("many-tenants.live_shared", "≤", 16, "1,000 live idle tenants, `shared` SQLite: memory each, KiB"),
    Goal("many-tenants.live_own", "≤", 200, "1,000 live idle tenants, `own` SQLite: memory each, KiB"),
    Goal("many-tenants.cold_shared", "≤", 10, "cold wake p99 above a warm call, `shared` SQLite, ms"),
    Goal("many-tenants.cold_own", "≤", 50, "cold wake p99 above a warm call, `own` SQLite, ms"),
    Goal("lists.p99", "≤", 50, "lists and searches, 100,000 tenants and 1,000,000 users of one tenant, PostgreSQL: p99, ms"),
    Goal("invite-race.surplus", "≤", 0, "accounts beyond (or short of) what a raced code allows"),
    Goal("slow-provider.p99_ratio", "≤", 1.25, "p99 of plain registrations beside those that wait for WeChat ÷ alone"),
    Goal("peers.over_faster", "≥", 3.2, "registrations/s on PostgreSQL ÷ the faster peer"),
]
