"""Plots: one look each, light, with units, readable without colour."""

import logging

import matplotlib

matplotlib.use("svg")
logging.getLogger("matplotlib").setLevel(logging.WARNING)

import numpy
from matplotlib import pyplot
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from .figures import number

# Okabe and Ito's colours, which people tell apart who see colours differently.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#767676",
)
COLOURS = [BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY]
DASHES = ["-", "--", "-.", ":"]

pyplot.rcParams.update({
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "grid.color": "#E6E6E6",
    "font.size": 10,
    "legend.frameon": False,
    "svg.hashsalt": "enroll",
})


def save(lab, outcome, name: str, caption: str, figure):
    """Writes a plot beside the report, which shows it with its caption."""
    file = f"{outcome.name}-{name}.svg"
    # Points by the thousand as a picture inside: an SVG of each of them would be slow to open.
    figure.savefig(lab.out / file, metadata={"Date": None}, bbox_inches="tight", dpi=150)
    pyplot.close(figure)
    outcome.plots.append((file, caption))


def bars(lab, outcome, name: str, title: str, unit: str, rows, goal=None, caption=""):
    """Horizontal bars of medians, with the range of the rounds. `rows` has (label, values); `goal` is (value, text)."""
    figure, axes = pyplot.subplots(figsize=(8, 1.2 + 0.5 * len(rows)))
    middles = [float(numpy.median(values)) for _, values in rows]
    ranges = [[middle - min(values) for middle, (_, values) in zip(middles, rows)],
              [max(values) - middle for middle, (_, values) in zip(middles, rows)]]
    places = range(len(rows))
    axes.barh(places, middles, height=0.6, color=[COLOURS[index % len(COLOURS)] for index in places],
              xerr=ranges, error_kw={"ecolor": "#333333", "capsize": 3, "elinewidth": 1})
    most = max(max(values) for _, values in rows)
    if goal:
        axes.axvline(goal[0], color="#333333", linestyle="--", linewidth=1.2, label=goal[1])
        most = max(most, goal[0])
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), fontsize=9)
    for place, middle, (_, values) in zip(places, middles, rows):
        axes.text(max(values) + most * 0.015, place, number(middle), va="center", fontsize=9,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 1}, zorder=5)
    axes.set_yticks(list(places), [label for label, _ in rows])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, most * 1.12 or 1)
    axes.set_xlabel(unit)
    axes.set_title(title, pad=28 if goal else 8)
    save(lab, outcome, name, caption or f"{title}: median of the rounds, whiskers from the least to the most.", figure)


def over_time(lab, outcome, name: str, title: str, groups, *, shaded=None, rates=None, caption=""):
    """The latency of each answer at the time of its arrival. `groups` has (label, Answers); `shaded` is (begin, end,
    label); with `rates` a second panel counts arrivals a second by group."""
    panels = 2 if rates else 1
    figure, all_axes = pyplot.subplots(panels, 1, figsize=(9, 4.2 if panels == 1 else 6.2), sharex=True, squeeze=False,
                                       height_ratios=[2, 1][:panels], layout="constrained")
    axes = all_axes[0][0]
    groups = [(label, answers) for label, answers in groups if len(answers)]
    for index, (label, answers) in enumerate(groups):
        axes.scatter(answers.at, answers.ms, s=7, alpha=0.45, linewidths=0, color=COLOURS[index], rasterized=True,
                     label=f"{label} ({len(answers):,})")
    for index, (label, answers) in enumerate(groups):
        seconds = answers.at.astype(int)
        many = [second for second in sorted(set(seconds.tolist())) if (seconds == second).sum() >= 5]
        if len(many) > 1:
            axes.plot([second + 0.5 for second in many],
                      [numpy.percentile(answers.ms[seconds == second], 99) for second in many],
                      color=COLOURS[index], linewidth=1.4, linestyle=DASHES[index % len(DASHES)],
                      label=f"{label}, p99 of each second")
    logarithmic(axes, "y")
    axes.set_ylabel("answer after (ms)")
    if rates:
        lower = all_axes[1][0]
        end = int(max(answers.at.max() for _, answers in groups)) + 1
        for index, (label, answers) in enumerate(groups):
            counts, edges = numpy.histogram(answers.at, bins=numpy.arange(0, end + 0.5, 0.5))
            lower.step(edges[:-1], counts * 2, where="post", color=COLOURS[index],
                       linestyle=DASHES[index % len(DASHES)], label=label)
        lower.set_ylabel("arrivals/s")
        lower.set_ylim(bottom=0)
    bottom = all_axes[-1][0]
    bottom.set_xlabel("arrival (s since the first)")
    bottom.set_xlim(left=0)
    for index, row in enumerate(all_axes):
        if shaded:
            row[0].axvspan(shaded[0], shaded[1], color="#F2E6C9", zorder=0, label=None if index else shaded[2])
    axes.set_title(title)
    legend = axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9, markerscale=2)
    for handle in legend.legend_handles:
        handle.set_alpha(1)
    save(lab, outcome, name, caption or f"{title}. Each point is one answer, at the time when its request arrived.",
         figure)


def percentiles(lab, outcome, name: str, title: str, groups, *, goal=None, caption=""):
    """Latency by percentile, the high ones stretched. `groups` has (label, Answers); `goal` is (ms, text)."""
    figure, axes = pyplot.subplots(figsize=(8, 4.2))
    most = 0
    for index, (label, answers) in enumerate(groups):
        values = numpy.sort(answers.ms)
        share = (numpy.arange(len(values)) + 0.5) / len(values)
        axes.plot(1 / (1 - share), values, color=COLOURS[index % len(COLOURS)], linestyle=DASHES[index % len(DASHES)],
                  linewidth=1.8, label=f"{label} ({len(values):,} answers)")
        most = max(most, 2 * len(values))
    if goal:
        axes.axhline(goal[0], color="#333333", linestyle="--", linewidth=1.2, label=goal[1])
    axes.set_xscale("log")
    logarithmic(axes, "y")
    marks = [mark for mark in (0, 50, 90, 99, 99.9, 99.99) if 100 / (100 - mark) <= max(most, 10)]
    axes.set_xticks([100 / (100 - mark) for mark in marks], [f"p{mark:g}" if mark else "least" for mark in marks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", which="minor", length=0)
    axes.grid(axis="x", which="minor", visible=False)
    axes.set_xlim(1, max(most, 10))
    axes.set_xlabel("percentile of the answers")
    axes.set_ylabel("answer after (ms)")
    axes.set_title(title)
    axes.legend(fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    save(lab, outcome, name, caption or f"{title}: so many of the answers came within that time.", figure)


def lines(lab, outcome, name: str, title: str, x_label: str, panels, caption=""):
    """Curves in panels one above the other. `panels` has (y label, [(label, xs, ys)])."""
    figure, all_axes = pyplot.subplots(len(panels), 1, figsize=(8, 1.2 + 2.4 * len(panels)), sharex=True, squeeze=False,
                                       layout="constrained")
    for axes, (y_label, curves) in zip((row[0] for row in all_axes), panels):
        for index, (label, xs, ys) in enumerate(curves):
            axes.plot(xs, ys, color=COLOURS[index], linestyle=DASHES[index % len(DASHES)], linewidth=1.8, label=label)
        axes.set_ylabel(y_label)
        axes.set_ylim(bottom=0)
        axes.margins(x=0.01)
        plain(axes, "y")
        if len(curves) > 1:
            axes.legend(fontsize=9)
    all_axes[-1][0].set_xlabel(x_label)
    plain(all_axes[-1][0], "x")
    all_axes[0][0].set_title(title)
    save(lab, outcome, name, caption or f"{title}.", figure)


def overview(path, judged):
    """How much of each goal was reached. `judged` has (goal, figure or None, verdict)."""
    measured = [(goal, figure, verdict) for goal, figure, verdict in judged if figure is not None]
    if not measured:
        return False
    figure, axes = pyplot.subplots(figsize=(10, 1.4 + 0.36 * len(measured)))
    top = 4.0
    for place, (goal, found, verdict) in enumerate(measured):
        reached = min(goal.reached(found.median), top)
        passed = verdict == "pass"
        axes.barh(place, reached, height=0.62, color=BLUE if passed else RED, hatch=None if passed else "//",
                  edgecolor="white")
        axes.text(reached + 0.04, place, f"{number(found.median)} (goal {goal.relation} {number(goal.bound)})", va="center",
                  fontsize=8.5, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1}, zorder=5)
    axes.axvline(1, color="#333333", linestyle="--", linewidth=1.2, zorder=4)
    axes.set_ylim(-0.7, len(measured) - 0.3)
    axes.set_yticks(range(len(measured)), [goal.key for goal, _, _ in measured])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlim(0, top * 1.35)
    axes.set_xticks([0, 1, 2, 3, 4], ["0", "1: the goal", "2", "3", "4+"])
    axes.set_xlabel("times the goal reached (for bounds from above: bound ÷ figure)")
    axes.set_title("Goals: solid blue is reached, hatched red is missed")
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    pyplot.close(figure)
    return True


def logarithmic(axes, which: str):
    """A logarithmic axis with plain numbers, from one of 1, 2, 5 to another, so that some stand at it."""
    (axes.set_yscale if which == "y" else axes.set_xscale)("log")
    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set_minor_formatter(NullFormatter())
    low, high = axes.dataLim.intervaly if which == "y" else axes.dataLim.intervalx
    steps = [step * 10.0**power for power in range(-4, 7) for step in (1, 2, 5)]
    low = max((step for step in steps if step <= low), default=steps[0])
    high = min((step for step in steps if step >= max(high, 5 * low)), default=steps[-1])
    (axes.set_ylim if which == "y" else axes.set_xlim)(low, high)


def plain(axes, which: str):
    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
