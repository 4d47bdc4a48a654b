#!/usr/bin/env python3
"""Tests of the benchmarks themselves: statistics, report, and a short run. The last line is `N passed, N failed`.

SUDRUN_BINARY names the sudrun of the short run.
"""
import contextlib
import io
import json
import math
import os
import pathlib
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree as ElementTree

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.append(str(HERE.parent / "tests" / "support"))
import counted
import machine
import report
import run as command
import workshop
from cases import CASES, GROUPS, ROWS, Row, smaps
from measure import compared, difference, evaluate, interleaved, ratio, rotated, summary
from workshop import ROOT, VARIANTS, Trouble, Workshop

SUDRUN = pathlib.Path(os.environ.get("SUDRUN_BINARY", ROOT / "build" / "runtime" / "sudrun"))


def result(name="read", **more):
    values = {"native": [100.0, 200.0, 100.0], "sudrun": [110.0, 230.0, 120.0], "sudrun --no-rewrite": [1000.0, 2000.0, 1000.0]}
    return evaluate(Row(name, f"title of {name}", "ns", **more), values)


def data(*results):
    return {"machine": {"processor": "CPU", "processors": 2, "virtual": True, "kernel": "Linux 6", "load": [1, 2, 3], "revision": "abc",
                        "binary": "def", "date": "today", "mitigations": {"spectre": "Mitigation: yes"}, "disturbance": {"others": 7, "host": 1}},
            "results": list(results)}


def alive(pid):
    """False also for one that has ended and that nobody has waited for."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Statistics(unittest.TestCase):
    def test_each_round_runs_every_variant_once_and_starts_with_another(self):
        seen = []
        values = interleaved("abc", 4, lambda variant: seen.append(variant) or {"one": len(seen), "two": 0})
        self.assertEqual("".join(seen), "abcbcacababc")
        self.assertEqual(values["one"], {"a": [1, 6, 8, 10], "b": [2, 4, 9, 11], "c": [3, 5, 7, 12]})
        self.assertEqual([len(v) for v in values["two"].values()], [4, 4, 4])
        self.assertEqual(rotated("abc", 5), ["c", "a", "b"])

    def test_spread_is_half_the_distance_between_the_quartiles(self):
        self.assertEqual(summary([5, 1, 4, 2, 3]), {"median": 3, "spread": 1.0, "samples": [5, 1, 4, 2, 3]})
        self.assertEqual(summary([7]), {"median": 7, "spread": None, "samples": [7]})

    def test_values_are_compared_within_their_round(self):
        self.assertEqual(compared([2, 40, 6], [1, 20, 2], ratio)["median"], 2)
        self.assertEqual(compared([2, 40, 6], [1, 20, 2], difference)["median"], 4)

    def test_a_target_is_of_a_ratio_or_a_difference_at_most_or_at_least(self):
        self.assertAlmostEqual(result()["figure"]["median"], 1.15)
        self.assertIsNone(result()["met"])
        self.assertTrue(result(bound=1.15)["met"])
        self.assertFalse(result(bound=1.1)["met"])
        self.assertTrue(result(bound=1.1, least=True)["met"])
        self.assertEqual(result(how=difference)["figure"]["median"], 20)
        self.assertFalse(result(how=difference, bound=19)["met"])
        self.assertFalse(result(bound=9, variant="sudrun --no-rewrite")["met"])

    def test_without_a_native_value_a_ratio_is_no_number(self):
        self.assertEqual(report.number(ratio(1, 0)), "–")
        self.assertTrue(math.isinf(ratio(1, 0)))


class Report(unittest.TestCase):
    def test_numbers_have_three_digits_that_count(self):
        self.assertEqual([report.number(n) for n in (0, 0.01234, 1.234, 12.34, 123.4, 1234.5, None)],
                         ["0", "0.012", "1.23", "12.3", "123", "1,234", "–"])
        self.assertEqual([report.figure("ratio", 1.305), report.figure("difference", 1.5), report.figure("difference", -20)],
                         ["1.30x", "+1.50", "-20.0"])

    def test_a_row_shows_target_and_whether_it_is_met(self):
        rows = list(report.main_rows([result(bound=1.2), result(how=difference, bound=2, least=True),
                                      result("trap", bound=9, variant="sudrun --no-rewrite"), result()]))
        self.assertEqual(rows[0], ["title of read", "ns", "100", "120", "1.15x", "0.02", "≤ 1.20x", "yes"])
        self.assertEqual(rows[1][4:], ["+20.0", "5.00", "≥ +2.00", "yes"])
        self.assertEqual((rows[2][0], rows[2][3], rows[2][7]), ("title of trap (--no-rewrite)", "1,000", "no"))
        self.assertEqual(rows[3][6:], ["–", "–"])

    def test_peers_stand_beside_and_say_where_they_were_measured(self):
        shown = report.markdown(data(result(), result("umtx")))
        self.assertIn("measured on a Zen 4 machine under KVM, Linux 6.18, same loop", shown)
        self.assertEqual(len(list(report.peer_rows([result(), result("umtx")]))), 1)
        self.assertAlmostEqual(report.peer_figures("read")["zpoline"], 262 / 173)
        self.assertEqual(report.peer_figures("umtx"), {})

    def test_every_table_has_as_many_cells_in_each_line(self):
        for heading, table in report.tables(data(result(), result("umtx")), lambda columns, rows: [columns, *rows]):
            self.assertEqual({len(line) for line in table}, {len(table[0])}, heading)

    def test_text_tells_the_machine(self):
        shown = report.text(data(result()))
        for words in ("CPU, 2 processors, virtual, Linux 6", "spectre: Mitigation: yes", "sudrun abc", "load average 1 2 3", "used 7 %"):
            self.assertIn(words, shown)

    def test_the_plot_has_ratios_only_and_their_targets(self):
        results = [result(bound=1.2), result("memory", how=difference, bound=3), result("trap", variant="sudrun --no-rewrite")]
        points = report.points(results)
        self.assertEqual([(round(x, 2), line) for x, _, line in points["sudrun"]], [(1.15, 0)])
        self.assertEqual(points["target"], [(1.2, 0, 0)])
        self.assertIn("title of read", report.plot_script(data(*results)))
        self.assertNotIn("title of memory", report.plot_script(data(*results)))

    @unittest.skipIf(not report.shutil.which("gnuplot"), "gnuplot is only needed with --docs")
    def test_the_plot_is_a_picture(self):
        self.assertTrue(ElementTree.fromstring(report.plot(data(result(bound=1.2)))).tag.endswith("svg"))


class Cases(unittest.TestCase):
    def test_every_row_has_a_case_that_runs_its_variant(self):
        for row in ROWS:
            self.assertIn(row.variant, CASES[row.case].variants, row.name)
            self.assertIn("native", CASES[row.case].quick_variants, row.name)
        self.assertEqual(len({row.name for row in ROWS}), len(ROWS))
        self.assertEqual({row.case for row in ROWS}, set(CASES))

    def test_names_and_groups_choose_rows(self):
        def names(*wanted):
            return [row.name for row in command.chosen(wanted)]
        self.assertEqual(command.chosen(None), ROWS)
        self.assertEqual(names("trap"), ["trap"])
        self.assertEqual(names("esbuild", "read"), ["read", "esbuild", "esbuild-cpu"])
        self.assertEqual(names("programs"), [row.name for row in ROWS if row.case in GROUPS["programs"]])
        for words in (["--only", "nothing"], ["--rounds", "0"], ["--docs", "--quick"], ["--sudrun", "/nowhere"]):
            with self.assertRaises(SystemExit) as caught, contextlib.redirect_stderr(io.StringIO()):
                command.arguments(words)
            self.assertEqual(caught.exception.code, 2)

    def test_what_others_do_is_told_in_percent(self):
        disturbance = machine.Disturbance()
        sum(range(3_000_000))  # its own work is not others'
        for share in disturbance.percent().values():
            self.assertTrue(0 <= share <= 101)

    def test_memory_of_a_process_is_found(self):
        everything, share, above = smaps(os.getpid())
        self.assertGreater(everything, 4096)
        self.assertTrue(0 < share <= everything)
        self.assertTrue(0 < above <= everything)


class Running(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.place = pathlib.Path(directory.name)

    def bench(self, *words):
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(io.StringIO()):
            status = command.main(["--work", str(self.place / "work"), "--json", str(self.place / "out.json"), *words])
        return status, output.getvalue(), json.loads((self.place / "out.json").read_text())

    def test_a_short_run_measures_every_variant(self):
        status, output, found = self.bench("--sudrun", str(SUDRUN), "--quick", "--rounds", "1", "--only", "getppid", "read")
        self.assertEqual((status, found["not_measured"]), (0, {}))
        self.assertEqual([r["name"] for r in found["results"]], ["getppid", "read", "trap"])
        for r in found["results"]:
            self.assertEqual(set(r["variants"]), set(VARIANTS))
            for figure in r["figures"].values():
                self.assertTrue(math.isfinite(figure["median"]) and figure["median"] > 0, r)
            self.assertIn(r["title"], output)
        self.assertGreaterEqual(found["machine"]["processors"], 1)

    def test_what_cannot_be_measured_is_told_and_the_rest_is_measured(self):
        bad = self.place / "sudrun"
        bad.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
        bad.chmod(0o755)
        status, _, found = self.bench("--sudrun", str(bad), "--quick", "--rounds", "1", "--only", "getppid", "esbuild",
                                      "--downloads", str(self.place))
        self.assertEqual((status, found["results"]), (1, []))
        self.assertIn("ends with 3: broken", found["not_measured"]["getppid"])
        self.assertIn("./dev fetch", found["not_measured"]["esbuild"])

    def test_variants_must_do_the_same_work(self):
        shop = Workshop(SUDRUN, self.place, self.place, self.place)
        shop.must_agree("sum", "1")
        shop.must_agree("sum", "1")
        with self.assertRaises(Trouble):
            shop.must_agree("sum", "2")

    def test_nothing_outlives_a_run(self):
        with workshop.started(["sh", "-c", "sleep 60 & echo $!; wait"]) as process:
            child = int(workshop.line_of(process))
        deadline = time.monotonic() + 20
        while alive(child) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertFalse(alive(child))

    def test_one_processor_and_back(self):
        before = os.sched_getaffinity(0), os.sched_getscheduler(0)
        with workshop.on_one_cpu():
            self.assertEqual(len(os.sched_getaffinity(0)), 1)
        self.assertEqual((os.sched_getaffinity(0), os.sched_getscheduler(0)), before)


if __name__ == "__main__":
    counted.main()
