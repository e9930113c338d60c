"""The command `load-tests/run`."""

import argparse
import datetime
import sys
import time
import traceback
from pathlib import Path

from . import machine, report, self_test
from .figures import Outcome, number
from .lab import SCALES, Lab, temporary
from .processes import Failed, Stopped, end_on_signals
from .scenarios import SCENARIOS

ROOT = Path(__file__).resolve().parents[2]

# Exit statuses.
DONE, WRONG, MISSED = 0, 1, 2


def arguments():
    parser = argparse.ArgumentParser(
        prog="load-tests/run",
        description="Measures enroll on this machine and writes a report into load-tests/results/.",
        epilog="Exit status: 0; 1 if an answer was wrong or a scenario failed; with --strict, 2 if a goal was missed or "
        "not measured.",
    )
    parser.add_argument("--scenario", metavar="NAME,...", help=f"only these, of {', '.join(SCENARIOS)}")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--short", dest="size", action="store_const", const="short", default="full",
                      help="minutes instead of half an hour; figures are not to be quoted")
    size.add_argument("--smoke", dest="size", action="store_const", const="smoke",
                      help="as little as shows that the lab works, for tests")
    parser.add_argument("--rounds", type=positive, metavar="N", help="rounds of each ratio (default 5; 1 in a short run)")
    parser.add_argument("--binary", metavar="PATH", help="the server to load; by default a release build is made")
    parser.add_argument("--no-peers", action="store_true", help="leave out what needs other registration servers")
    parser.add_argument("--soak-minutes", type=positive, metavar="N", help="length of the soak (default: a minute)")
    parser.add_argument("--strict", action="store_true", help="fail when a goal is missed or not measured")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the report goes")
    parser.add_argument("--self-test", action="store_true", help="test the lab's own judgement and end")
    given = parser.parse_args()
    given.names = given.scenario.split(",") if given.scenario else list(SCENARIOS)
    unknown = [name for name in given.names if name not in SCENARIOS]
    if unknown:
        parser.error(f"no scenario is called {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    return given


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def main() -> int:
    given = arguments()
    if given.self_test:
        return self_test.main()
    end_on_signals()
    try:
        with temporary() as work:
            lab = Lab(ROOT, Path(work), given.size, given.rounds, given.binary)
            lab.soak_minutes, lab.peers = given.soak_minutes, not given.no_peers
            lab.out = given.out or ROOT / "load-tests/results" / datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H%M%SZ")
            lab.out.mkdir(parents=True, exist_ok=True)
            return run(lab, given)
    except Failed as reason:
        print(f"error: {reason}", file=sys.stderr)
        return WRONG
    except (KeyboardInterrupt, Stopped) as reason:
        print(f"stopped by {reason or 'Ctrl-C'}; everything that was started has ended", file=sys.stderr)
        return 130


def run(lab: Lab, given) -> int:
    described = machine.describe(lab)
    outcomes = []
    for place, name in enumerate(given.names, 1):
        lab.step = f"{place}/{len(given.names)} {name}: "
        outcomes.append(one(lab, name))
        # After each, so that a run that is ended leaves what it has.
        report.write(lab, described, outcomes)
    lab.step = ""
    lab.say(f"the report is {lab.out / 'report.md'}")
    return status(outcomes, given.strict)


def one(lab: Lab, name: str) -> Outcome:
    """Runs a scenario and says what came of it. One that fails is a fault of its own, and the others still run."""
    scenario = SCENARIOS[name]
    outcome = Outcome(name, " ".join(scenario.__doc__.split()))
    begun = time.monotonic()
    try:
        scenario.run(lab, outcome)
    except Exception as reason:
        outcome.fault(f"the scenario failed: {reason}")
        if not isinstance(reason, Failed):
            traceback.print_exc()
    outcome.seconds = time.monotonic() - begun
    for goal, figure, verdict in outcome.verdicts():
        value = number(figure.median) if figure else "–"
        lab.say(f"{verdict.upper() if figure else verdict}: {goal.text}: {value} (goal {goal.relation} {number(goal.bound)})")
    for fault in outcome.wrong:
        lab.say(f"WRONG: {fault}")
    return outcome


def status(outcomes, strict: bool) -> int:
    if any(outcome.wrong for outcome in outcomes):
        return WRONG
    missed = any(verdict != "pass" for outcome in outcomes for _, _, verdict in outcome.verdicts())
    return MISSED if strict and missed else DONE
