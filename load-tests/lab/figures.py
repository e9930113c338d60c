"""What a scenario found: figures with their goals, faults, notes and plots."""

import math
import statistics
from dataclasses import dataclass, field

from .goals import GOALS, Goal


@dataclass
class Figure:
    """A measured value. Of several rounds the median counts, and the range is told."""

    key: str
    text: str
    unit: str
    values: list
    detail: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.values)


@dataclass
class Outcome:
    """All that one scenario leaves."""

    name: str
    about: str
    figures: list = field(default_factory=list)
    # Wrong answers: what no load excuses.
    wrong: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    # (file name, caption)
    plots: list = field(default_factory=list)
    # Why goals of this scenario were not measured.
    unmeasured: dict = field(default_factory=dict)
    seconds: float = 0.0

    def figure(self, key: str, text: str, values, unit: str = "", detail: str = "") -> Figure:
        """Adds a figure; `key` is without the scenario's name. One value or one for each round."""
        values = list(values) if isinstance(values, (list, tuple)) else [values]
        if not values or not all(math.isfinite(value) for value in values):
            raise ValueError(f"{self.name}.{key} has no finite value: {values}")
        made = Figure(f"{self.name}.{key}", text, unit, [float(value) for value in values], detail)
        self.figures.append(made)
        return made

    def not_measured(self, key: str, reason: str):
        self.unmeasured[f"{self.name}.{key}"] = reason

    def fault(self, text: str):
        """Tells of a wrong answer."""
        if text not in self.wrong:
            self.wrong.append(text)

    def note(self, text: str):
        if text not in self.notes:
            self.notes.append(text)

    def find(self, key: str):
        return next((figure for figure in self.figures if figure.key == key), None)

    def verdicts(self):
        """(goal, figure or None, "pass" or "missed" or "not measured: reason") for every goal of this scenario."""
        for goal in GOALS:
            if goal.scenario != self.name:
                continue
            figure = self.find(goal.key)
            if figure is None:
                reason = self.unmeasured.get(goal.key, "the scenario did not come so far")
                yield goal, None, f"not measured: {reason}"
            else:
                yield goal, figure, judge(goal, figure)


def judge(goal: Goal, figure: Figure) -> str:
    return "pass" if goal.met_by(figure.median) else "missed"


def percentile(values, share: float) -> float:
    """The nearest-rank percentile; `share` is 0.99 for p99."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no percentile of nothing")
    return float(ordered[max(0, math.ceil(share * len(ordered)) - 1)])


def number(value: float) -> str:
    """For people: three digits that say something, thousands set apart."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"
