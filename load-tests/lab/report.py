"""The report: report.md for people, figures.json for programs, and the plots between them."""

import json

from . import plots
from .figures import number


def write(lab, machine, outcomes):
    """Writes all of it into the run's folder."""
    judged = [verdict for outcome in outcomes for verdict in outcome.verdicts()]
    has_overview = plots.overview(lab.out / "goals.svg", judged)
    (lab.out / "figures.json").write_text(json.dumps(document(lab, machine, outcomes), indent=1, ensure_ascii=False) + "\n")
    text = [*head(lab, machine, outcomes), *goals_part(judged, has_overview)]
    for outcome in outcomes:
        text += scenario_part(outcome)
    (lab.out / "report.md").write_text("\n".join(text) + "\n")


def document(lab, machine, outcomes):
    """figures.json."""
    return {
        "size": lab.size,
        "rounds": lab.rounds,
        "machine": machine,
        "wrong": sum(len(outcome.wrong) for outcome in outcomes),
        "goals": [
            {
                "key": goal.key, "text": goal.text, "relation": goal.relation, "bound": goal.bound,
                "value": figure.median if figure else None, "verdict": verdict,
            }
            for outcome in outcomes
            for goal, figure, verdict in outcome.verdicts()
        ],
        "scenarios": {
            outcome.name: {
                "seconds": round(outcome.seconds, 1),
                "figures": [
                    {
                        "key": figure.key, "text": figure.text, "unit": figure.unit, "median": figure.median,
                        "values": figure.values, "detail": figure.detail,
                    }
                    for figure in outcome.figures
                ],
                "wrong": outcome.wrong,
                "notes": outcome.notes,
                "plots": [file for file, _ in outcome.plots],
            }
            for outcome in outcomes
        },
    }


def head(lab, machine, outcomes):
    yield f"# Load report, {machine['date']}"
    yield ""
    if lab.size != "full":
        yield f"A **{lab.size}** run: it shows that the lab works. Its figures are too few and too brief to be quoted."
        yield ""
    faults = [(outcome.name, fault) for outcome in outcomes for fault in outcome.wrong]
    if faults:
        yield "**There were wrong answers:**"
        yield ""
        yield from (f"- {name}: {fault}" for name, fault in faults)
    else:
        yield "No answer was wrong."
    yield ""
    yield "| | |"
    yield "|---|---|"
    yield from (f"| {name} | {value} |" for name, value in machine.items())
    yield ""
    yield "Of several rounds the median is shown, and in brackets the least and the most. Ratios compare what was measured"
    yield "in turn in this run. Latencies are of arrivals at a fixed rate (k6); throughput is of a closed loop (wrk)."
    yield ""


def goals_part(judged, has_overview: bool):
    yield "## Goals"
    yield ""
    if has_overview:
        yield "![How much of each goal was reached](goals.svg)"
        yield ""
    yield "| goal | | figure | verdict |"
    yield "|---|---|---|---|"
    for goal, figure, verdict in judged:
        shown = ranged(figure) if figure else "–"
        verdict = {"pass": "pass", "missed": "**missed**"}.get(verdict, verdict)
        yield f"| {goal.text} | {goal.relation} {number(goal.bound)} | {shown} | {verdict} |"
    yield ""


def scenario_part(outcome):
    yield f"## {outcome.name}"
    yield ""
    yield outcome.about
    yield ""
    if outcome.figures:
        yield "| figure | | |"
        yield "|---|---|---|"
        for figure in outcome.figures:
            yield f"| {figure.text} | {ranged(figure)} | {figure.detail} |"
        yield ""
    for file, caption in outcome.plots:
        yield f"![{caption}]({file})"
        yield ""
        yield f"*{caption}*"
        yield ""
    yield from (f"- {note}" for note in outcome.notes)
    if outcome.notes:
        yield ""
    yield from (f"- **Wrong:** {fault}" for fault in outcome.wrong)
    if outcome.wrong:
        yield ""
    yield f"Took {outcome.seconds:.0f} s."
    yield ""


def ranged(figure) -> str:
    unit = f" {figure.unit}" if figure.unit else ""
    if len(figure.values) == 1:
        return f"{number(figure.median)}{unit}"
    return f"{number(figure.median)}{unit} ({number(min(figure.values))} to {number(max(figure.values))})"
