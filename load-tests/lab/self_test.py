"""Tests of what judges and reads: `load-tests/run --self-test`."""

import os
import sys
import tempfile
import unittest
from pathlib import Path

from . import k6, names, report
from .figures import Outcome, judge, number, percentile
from .goals import GOALS, Goal
from .processes import Failed, Process, run
from .scenarios import SCENARIOS
from .scenarios.burst import recovery
from .wrk import Load, lua


class Figures(unittest.TestCase):
    def test_a_percentile_is_a_value_that_was_seen(self):
        values = list(range(1, 101))
        self.assertEqual(percentile(values, 0.99), 99)
        self.assertEqual(percentile(values, 0.5), 50)
        self.assertEqual(percentile([7.0], 0.99), 7)
        with self.assertRaises(ValueError):
            percentile([], 0.5)

    def test_a_goal_points_up_or_down_and_the_median_decides(self):
        outcome = Outcome("x", "")
        figure = outcome.figure("y", "", [1, 5, 3])
        self.assertEqual(figure.median, 3)
        self.assertEqual(judge(Goal("x.y", "≥", 3, ""), figure), "pass")
        self.assertEqual(judge(Goal("x.y", "≥", 3.1, ""), figure), "missed")
        self.assertEqual(judge(Goal("x.y", "≤", 3, ""), figure), "pass")
        self.assertEqual(judge(Goal("x.y", "≤", 2.9, ""), figure), "missed")

    def test_a_figure_without_a_finite_value_is_refused(self):
        outcome = Outcome("x", "")
        for values in ([], [float("nan")], float("inf")):
            with self.assertRaises(ValueError):
                outcome.figure("y", "", values)

    def test_a_goal_without_a_figure_is_shown_with_its_reason(self):
        outcome = Outcome("peers", "")
        outcome.not_measured("over_faster", "no peer")
        self.assertEqual([verdict for _, _, verdict in outcome.verdicts()], ["not measured: no peer"])
        self.assertIn("not measured: no peer", "\n".join(report.goals_part(outcome.verdicts(), False)))

    def test_every_goal_belongs_to_a_scenario_that_measures_it(self):
        sources = {name: Path(module.__file__).read_text() for name, module in SCENARIOS.items()}
        for goal in GOALS:
            key = goal.key.partition(".")[2]
            # Some keys are put together of a word and a kind.
            spelled = [f'"{key}"', f'f"{key.rpartition("_")[0]}_{{kind}}"', 'f"{name}_over_bare"']
            self.assertTrue(any(one in sources[goal.scenario] for one in spelled), goal.key)

    def test_numbers_are_short_and_say_something(self):
        self.assertEqual([number(value) for value in (0, 0.0123, 0.919, 12.34, 123.4, 15_000)],
                         ["0", "0.012", "0.92", "12.3", "123", "15,000"])


class Loads(unittest.TestCase):
    POINTS = (
        "metric_name,timestamp,metric_value,error_code,name,scenario,status,extra_tags,metadata\n"
        "http_req_duration,2000000,500.0,,measured,a,200,,\n"
        "http_req_duration,1900000,900.0,,measured,a,503,,\n"
        "http_req_duration,1900000,1.0,,before,a,200,,\n"
        "http_req_waiting,1900000,1.0,,measured,a,200,,\n"
        "dropped_iterations,1900000,3.0,,,a,,,\n"
        "without_retry_after,1900000,1.0,,,a,,,\n"
    )

    def read(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "points.csv"
            path.write_text(self.POINTS)
            return k6.read(path, ["a"])

    def test_answers_are_ordered_by_their_arrivals(self):
        measured = self.read()
        self.assertEqual(measured["a"].status.tolist(), [503, 200])
        self.assertEqual([round(at, 3) for at in measured["a"].at], [0, 0.5])
        self.assertEqual(measured.dropped, {"a": 3})

    def test_wrong_answers_are_faults(self):
        outcome, measured = Outcome("x", ""), self.read()
        measured.check(outcome, {"a": {200}})
        self.assertEqual(len(outcome.wrong), 2, outcome.wrong)
        outcome = Outcome("x", "")
        load = Load(10, 1.0, {200: 9, 500: 1}, 1, 0, {"connect": 0, "read": 2})
        load.check(outcome, "load", {200})
        self.assertEqual(len(outcome.wrong), 2, outcome.wrong)

    def test_a_settled_rate_leaves_out_the_beginning_and_the_end(self):
        load = Load(0, 6.0, {}, 0, 0, {}, {100: 9, 101: 1, 102: 50, 104: 70, 105: 3})
        self.assertEqual(load.settled_rate(), 40)
        self.assertEqual(Load(0, 2.0, {}, 0, 0, {}, {100: 9, 101: 1}).settled_rate(), 5)
        self.assertEqual(Load(0, 2.0, {}, 0, 0, {}).settled_rate(), 0)

    def test_a_stream_that_nobody_answered_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "points.csv"
            path.write_text(self.POINTS)
            with self.assertRaises(Failed):
                k6.read(path, ["a", "b"])

    def test_recovery_is_after_the_last_bad_step(self):
        import numpy

        at = numpy.arange(0, 10, 0.01)
        ms = numpy.where(at < 2.2, 500.0, 10.0)
        answers = k6.Answers(at, ms, numpy.full(len(at), 200))
        calm = k6.Answers(at, numpy.full(len(at), 10.0), numpy.full(len(at), 200))
        self.assertEqual(recovery(answers, calm, 0, 10), 2.0)
        self.assertEqual(recovery(calm, calm, 0, 10), 0.0)
        slow = k6.Answers(at, numpy.full(len(at), 500.0), numpy.full(len(at), 200))
        self.assertIsNone(recovery(slow, calm, 0, 10))

    def test_names_differ_and_have_the_promised_form(self):
        spelled = {names.spell(number) for number in range(20_000)}
        self.assertEqual(len(spelled), 20_000)
        self.assertTrue(all(set(one) <= set(names.DIGITS) and len(one) >= 3 for one in spelled))
        self.assertNotEqual(names.new_prefix(), names.new_prefix())

    def test_lua_reads_what_is_written(self):
        self.assertEqual(lua({"a": [1, True, 'x"\\\né']}), '{["a"] = {1, true, "x\\"\\\\\\010\\195\\169"}}')


class Processes(unittest.TestCase):
    def test_a_process_that_does_not_listen_is_killed(self):
        with tempfile.TemporaryDirectory() as folder:
            deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
            with self.assertRaises(Failed):
                with Process([sys.executable, "-c", deaf], Path(folder), "deaf", dict(os.environ), limit=0.2) as process:
                    process.await_value("its word", 10, lambda: process.stdout() or None)
            self.assertFalse(process.running())

    def test_a_process_ends_with_its_block_whatever_happens(self):
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaises(KeyboardInterrupt):
                with Process(["sleep", "60"], Path(folder), "sleep") as process:
                    raise KeyboardInterrupt
            self.assertFalse(process.running())

    def test_a_command_that_fails_is_told_with_its_last_words(self):
        with self.assertRaisesRegex(Failed, "3.*oh no"):
            run(["sh", "-c", "echo oh no >&2; exit 3"], 10)


def main() -> int:
    tests = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    return 0 if unittest.TextTestRunner().run(tests).wasSuccessful() else 1
