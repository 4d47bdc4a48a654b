#!/usr/bin/env python3
"""Tests of the suite runner, with a go command and a sudrun that only pretend."""
import contextlib
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest
import unittest.mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import context
import counted
import go_programs
import go_std
import goroot
import run
from context import Context
from judge import judge
from known import Known, KnownError, covered, read_known
from outcome import PACKAGE, Outcome, read_go_test

HERE = pathlib.Path(__file__).resolve().parent

# A go command: `go test` prints what stands in $FAKE/<package>.<GOOS>, and counts its calls. What stands in
# <package>.<GOOS>.list is for -list, and in <package>.<GOOS>.<what -run chooses> for a part of the tests.
FAKE_GO = r'''
import json, os, pathlib, sys, time
fake = pathlib.Path(os.path.realpath(__file__)).parent
words = sys.argv[1:]
if words[0] == "env":
    print(json.dumps({"GOVERSION": "go1.19.8", "GOROOT": str(fake), "CGO_ENABLED": "1"}))
elif words[0] == "list":
    if "nowhere" in words:
        print("package nowhere is not in GOROOT", file=sys.stderr)
        sys.exit(1)
    print("\n".join(words[1:]))
elif words[0] == "test":
    package, system = words[-1], os.environ["GOOS"]
    with open(fake / "calls", "a") as calls:
        calls.write(f"{package} {system} {' '.join(words)}\n")
    part = ".list" if "-list" in words else "." + words[words.index("-run") + 1] if "-run" in words else ""
    script = json.loads((fake / f"{package}.{system}{part}").read_text())
    if script.get("leave"):
        if os.fork() == 0:
            os.setsid()
            os.close(1)
            (fake / "left").write_text(str(os.getpid()))
            time.sleep(60)
    time.sleep(script.get("sleep", 0))
    sys.stdout.write(script["out"])
    sys.stderr.write(script.get("err", ""))
    sys.exit(script["status"])
'''


def event(action, test=None, output=None):
    data = {"Action": action, "Package": "p"}
    if test:
        data["Test"] = test
    if output is not None:
        data["Output"] = output
    return json.dumps(data) + "\n"


def ended(test, result, said=""):
    word = {"pass": "PASS", "fail": "FAIL", "skip": "SKIP"}[result]
    return (event("run", test) + (event("output", test, said) if said else "") +
            event("output", test, f"--- {word}: {test} (0.00s)\n") + event(result, test))


GOOD = ended("TestA", "pass") + ended("TestB", "skip") + event("output", None, "PASS\n") + event("pass")
BAD = (ended("TestA", "pass") + ended("TestB", "fail", "b_test.go:1: no\n") + event("output", None, "FAIL\n") +
       event("output", None, "FAIL\tp\t0.1s\n") + event("fail"))
BUILD = "FAIL\tp [build failed]\n"
TIMEOUT = (ended("TestA", "pass") + event("run", "TestB") +
           event("output", "TestB", "panic: test timed out after 20m0s\n") + event("output", "TestB", "\n") +
           event("output", None, "FAIL\tp\t1200.0s\n") + event("fail"))
CRASH = (ended("TestA", "pass") + event("run", "TestB") + event("output", "TestB", "SIGSEGV: segmentation violation\n") +
         event("output", None, "FAIL\tp\t0.1s\n") + event("fail"))
NAMES = "".join(event("output", None, f"{name}\n") for name in ("TestA", "TestHang", "TestB", "BenchmarkC", "FuzzX", "Example", "ok  \ta\t0.1s"))
NAMES += event("pass")
HANG = (event("run", "TestHang") + event("output", "TestHang", "=== RUN   TestHang\n") +
        event("output", "TestHang", "panic: test timed out after 1m0s\n") +
        event("output", None, "FAIL\ta\t60.0s\n") + event("fail"))


class Reading(unittest.TestCase):
    def test_a_good_package_is_ok_and_its_skips_are_counted(self):
        outcome = read_go_test(GOOD, "", 0)
        self.assertEqual((outcome.end, outcome.count("pass"), outcome.count("skip"), outcome.failures), ("ok", 1, 1, {}))

    def test_a_failed_test_keeps_its_last_words(self):
        outcome = read_go_test(BAD, "", 1)
        self.assertEqual((outcome.end, list(outcome.failures)), ("failed", ["TestB"]))
        self.assertIn("b_test.go:1: no", outcome.failures["TestB"])

    def test_a_build_failure_is_the_packages_with_the_compilers_words(self):
        outcome = read_go_test(BUILD, "p/a.go:1: undefined: x\n", 2)
        self.assertEqual(outcome.end, "build failed")
        self.assertIn("undefined: x", outcome.failures[PACKAGE])

    def test_no_output_at_all_is_a_failure_whatever_the_status(self):
        for status in (0, 1):
            self.assertIn(PACKAGE, read_go_test("", "", status).failures)

    def test_a_time_limit_fails_the_package_and_the_test_that_ran(self):
        outcome = read_go_test(TIMEOUT, "", 1)
        self.assertEqual((outcome.end, set(outcome.failures)), ("timed out", {"TestB", PACKAGE}))

    def test_a_good_test_may_print_what_a_time_limit_says(self):
        said = event("run", "TestA") + event("output", "TestA", "        panic: test timed out after 1ms\n") + ended("TestA", "pass")
        outcome = read_go_test(said + event("output", None, "PASS\n") + event("pass"), "", 0)
        self.assertEqual((outcome.end, outcome.count("pass"), outcome.failures), ("ok", 1, {}))

    def test_a_crash_fails_the_package_because_tests_may_never_have_run(self):
        outcome = read_go_test(CRASH, "", 1)
        self.assertEqual((outcome.end, set(outcome.failures)), ("died", {"TestB", PACKAGE}))

    def test_a_package_that_ends_badly_without_a_failed_test_fails(self):
        text = ended("TestA", "pass") + event("output", None, "FAIL\tp\t0.1s\n") + event("fail")
        self.assertEqual(set(read_go_test(text, "", 1).failures), {PACKAGE})

    def test_a_pass_with_a_bad_exit_status_fails(self):
        self.assertEqual(read_go_test(GOOD, "", 1).end, "died")

    def test_what_the_runner_killed_fails(self):
        outcome = read_go_test(ended("TestA", "pass"), "", 124, killed="time limit")
        self.assertEqual((outcome.end, set(outcome.failures)), ("killed", {PACKAGE}))

    def test_a_result_behind_other_output_counts_as_it_says(self):
        for word, status in (("PASS", 0), ("SKIP", 0), ("FAIL", 1)):
            text = (event("run", "TestA") + event("output", "TestA", f"x--- {word}: TestA (0.00s)\n") +
                    event("output", None, "FAIL\n" if status else "PASS\n") + event("fail" if status else "pass"))
            outcome = read_go_test(text, "", status)
            self.assertEqual(outcome.tests, {"TestA": word.lower()})
            self.assertEqual(outcome.end, "failed" if status else "ok")

    def test_a_package_without_tests_says_so(self):
        text = event("output", None, "?   \tp\t[no test files]\n") + event("skip")
        self.assertEqual(read_go_test(text, "", 0).end, "no tests")


class Judging(unittest.TestCase):
    def verdict(self, text, status, known=(), natives=()):
        return judge("p", read_go_test(text, "", status), known, lambda item: list(natives))

    def test_a_failure_without_excuse_fails(self):
        self.assertEqual(set(self.verdict(BAD, 1, natives=[read_go_test(GOOD, "", 0)]).failed), {"TestB"})

    def test_a_listed_failure_is_known(self):
        verdict = self.verdict(BAD, 1, known=[Known("p", "TestB", "why")])
        self.assertEqual((verdict.failed, set(verdict.known)), ({}, {"TestB"}))

    def test_the_list_of_another_package_excuses_nothing(self):
        self.assertEqual(set(self.verdict(BAD, 1, known=[Known("q", "TestB", "why")]).failed), {"TestB"})

    def test_a_listed_test_that_passes_or_is_gone_fails(self):
        self.assertEqual(self.verdict(GOOD, 0, known=[Known("p", "TestB", "why")]).failed, {})  # it skips itself
        for name in ("TestA", "TestGone"):
            verdict = self.verdict(GOOD, 0, known=[Known("p", name, "why")])
            self.assertEqual(len(verdict.failed), 1, name)
            self.assertEqual(verdict.label, "FAIL")

    def test_a_failure_that_is_native_every_time_is_apart_with_its_proof(self):
        native = read_go_test(BAD, "", 1)
        verdict = self.verdict(BAD, 1, natives=[native, native])
        self.assertEqual((verdict.failed, set(verdict.native)), ({}, {"TestB"}))
        self.assertIn("b_test.go", verdict.native["TestB"]["natively"][1])

    def test_a_failure_that_is_native_once_only_fails(self):
        natives = [read_go_test(BAD, "", 1), read_go_test(GOOD, "", 0)]
        self.assertEqual(set(self.verdict(BAD, 1, natives=natives).failed), {"TestB"})

    def test_a_package_that_fails_as_a_whole_is_not_excused_by_the_same_natively(self):
        native = read_go_test(CRASH, "", 1)
        verdict = self.verdict(CRASH, 1, natives=[native, native])
        self.assertEqual((set(verdict.failed), set(verdict.native)), ({PACKAGE}, {"TestB"}))

    def test_a_known_test_does_not_excuse_the_crash_of_the_package(self):
        verdict = self.verdict(CRASH, 1, known=[Known("p", "TestB", "why")], natives=[read_go_test(GOOD, "", 0)])
        self.assertEqual(set(verdict.failed), {PACKAGE})

    def test_the_test_above_a_listed_one_fails_with_it_unless_more_fails(self):
        self.assertTrue(covered("TestT", ["TestT/a"], {"TestT": "", "TestT/a": "", "TestT/a/x": ""}))
        self.assertFalse(covered("TestT", ["TestT/a"], {"TestT": "", "TestT/a": "", "TestT/b": ""}))
        self.assertTrue(covered("TestT/b", ["TestT"], {"TestT": "", "TestT/b": ""}))
        self.assertFalse(covered("TestTwo", ["TestT"], {"TestTwo": ""}))


class KnownList(unittest.TestCase):
    def read(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".known") as file:
            file.write(text)
            file.flush()
            return read_known(pathlib.Path(file.name))

    def test_lines_are_package_test_reason(self):
        self.assertEqual(self.read("# title\n\nnet TestX/y z  # no\n".replace(" z", "")), [("net", "TestX/y", "no", False)])

    def test_a_line_may_say_that_the_test_hangs(self):
        self.assertEqual(self.read("net TestX hangs  # waits\nnet FuzzY hangs  # too\n"),
                         [("net", "TestX", "waits", True), ("net", "FuzzY", "too", True)])
        for line in ("net TestX hang  # why", "net hangs TestX  # why", "net TestX hangs", "net TestX hangs hangs  # why"):
            with self.assertRaisesRegex(KnownError, "must be", msg=line):
                self.read(line + "\n")
        with self.assertRaises(KnownError):
            self.read("net TestX hangs  # waits\nnet TestX  # fails\n")

    def test_only_a_whole_test_may_hang(self):
        for name in ("TestX/y", "(program)", "(package)", "Test.*"):
            with self.assertRaisesRegex(KnownError, "only a whole test"):
                self.read(f"net {name} hangs  # why\n")

    def test_a_missing_list_is_empty(self):
        self.assertEqual(read_known(pathlib.Path("/nonexistent/list")), [])

    def test_a_line_without_reason_is_refused(self):
        for line in ("net TestX", "net TestX  # ", "net  # why", "net TestX TestY  # why"):
            with self.assertRaises(KnownError, msg=line):
                self.read(line + "\n")

    def test_more_than_eight_lines_are_refused(self):
        self.assertEqual(len(self.read("".join(f"p Test{n}  # why\n" for n in range(8)))), 8)
        with self.assertRaises(KnownError):
            self.read("".join(f"p Test{n}  # why\n" for n in range(9)))

    def test_a_test_listed_twice_is_refused(self):
        with self.assertRaises(KnownError):
            self.read("p TestA  # why\np TestA  # other\n")

    def test_the_lists_of_this_tree_are_sound(self):
        for path in HERE.glob("*/*.known"):
            read_known(path)


class Recipes(unittest.TestCase):
    def test_flags_and_arguments_are_told_apart(self):
        recipe = go_programs.Recipe('// run -gcflags="-l" -t 5 -goexperiment fieldtrack a "b c"\n\npackage main\n')
        self.assertEqual((recipe.action, recipe.flags, recipe.args), ("run", ["-gcflags=-l"], ["a", "b c"]))
        self.assertEqual((recipe.seconds, recipe.experiment), (5, "fieldtrack"))

    def test_a_constraint_may_stand_before_the_recipe(self):
        self.assertEqual(go_programs.Recipe("// +build cgo\n// run -race\n\n").flags, ["-race"])

    def test_constraints(self):
        tags = {"freebsd", "amd64", "gc"}
        for line, holds in (("//go:build !js", True), ("//go:build linux || (freebsd && !cgo)", True),
                            ("// +build linux darwin", False), ("// +build freebsd,cgo linux", False),
                            ("// +build !windows,!plan9", True), ("//go:build goexperiment.unified", False), ("// text", None)):
            self.assertIs(go_programs.constraint_holds(line, tags), holds, line)

    def test_a_constraint_in_the_code_does_not_count(self):
        self.assertEqual(go_programs.excluded_by("// run\n\npackage main\n// +build linux\n", {"freebsd"}), "")
        self.assertEqual(go_programs.excluded_by("// run\n\n// +build linux\n\npackage main\n", {"freebsd"}), "// +build linux")


class TimeZones(unittest.TestCase):
    def test_the_embedded_file_is_read_back(self):
        with tempfile.TemporaryDirectory() as directory:
            place = pathlib.Path(directory, "src", "time", "tzdata")
            place.mkdir(parents=True)
            (place / "generate_zipdata.go").write_text("package main\nconst header = `\nconst zipdata = `\n\"no\"\n")
            self.assertEqual(goroot.zones(pathlib.Path(directory)), b"")
            (place / "zipdata.go").write_text('package tzdata\n\nconst zipdata = "PK\\x00\\xff\\n\\"" +\n\t"\\\\x é\\u200b"\n')
            self.assertEqual(goroot.zones(pathlib.Path(directory)), b'PK\x00\xff\n"\\x ' + "é\u200b".encode())


class WithFakeGo(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="suite-test-")
        self.addCleanup(self.directory.cleanup)
        self.fake = pathlib.Path(self.directory.name)
        self.go = self.fake / "go"
        self.go.write_text(f"#!{sys.executable}\n" + FAKE_GO)
        self.sudrun = self.fake / "sudrun"
        self.sudrun.write_text("#!/bin/sh\nexec \"$@\"\n")
        for path in (self.go, self.sudrun):
            path.chmod(0o755)

    def script(self, package, out, status=0, system="freebsd", part="", **more):
        (self.fake / f"{package}.{system}{part}").write_text(json.dumps({"out": out, "status": status, **more}))

    def known(self, text):
        """Runs take this list for the one of FreeBSD's."""
        (self.fake / "list.known").write_text(text)
        patch = unittest.mock.patch.object(run, "read_known", lambda path: read_known(self.fake / "list.known"))
        patch.start()
        self.addCleanup(patch.stop)

    def one_that_hangs(self, out, status=1, **more):
        """Package a has TestHang, which is listed, and does what is said when it is run alone."""
        self.known("a TestHang hangs  # waits without end\n")
        self.script("a", NAMES, part=".list")
        self.script("a", GOOD, part=".^(TestA|TestB|FuzzX|Example)$")
        self.script("a", out, status, part=".^(TestHang)$", **more)

    def calls(self):
        path = self.fake / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def command(self, *words):
        return ["go-std", "--os", "freebsd", "--go", str(self.go), "--sudrun", str(self.sudrun), "--results",
                str(self.fake / "results"), "--json", str(self.fake / "out.json"), "--report", str(self.fake / "out.md"), *words]

    def suite(self, *words):
        """(exit status, lines, JSON) of a run."""
        output = io.StringIO()
        previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
        try:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                status = run.main(self.command(*words))
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
        path = self.fake / "out.json"
        return status, output.getvalue().splitlines(), json.loads(path.read_text()) if path.exists() else None

    def test_all_good(self):
        self.script("a", GOOD)
        self.script("b", event("output", None, "?   \tb\t[no test files]\n") + event("skip"))
        status, lines, data = self.suite("--packages", "a", "b", "--jobs", "1")
        self.assertEqual((status, lines[-1]), (0, "1 passed, 0 failed"))
        self.assertEqual((data["counts"]["units"], data["counts"]["no_tests"], data["counts"]["skipped"]), (2, 1, 1))
        self.assertIn(f"-exec {self.sudrun} a", self.calls()[0])
        self.assertIn("-count=1", self.calls()[0])
        self.assertNotIn("-run", self.calls()[0])
        self.assertIn("| a | ok | 1 |", (self.fake / "out.md").read_text())

    def test_a_failure_fails_the_run_and_was_tried_natively_once(self):
        self.script("a", BAD, 1)
        self.script("a", GOOD, system="linux")
        status, lines, _ = self.suite("--packages", "a")
        self.assertEqual((status, lines[-1]), (1, "1 passed, 1 failed"))
        self.assertEqual([call.split()[1] for call in self.calls()], ["freebsd", "linux"])
        self.assertNotIn("-exec", self.calls()[1])

    def test_what_fails_natively_too_does_not_fail_the_run(self):
        self.script("a", BAD, 1)
        self.script("a", BAD, 1, system="linux")
        status, lines, data = self.suite("--packages", "a")
        self.assertEqual((status, lines[-1], data["counts"]["native"]), (0, "1 passed, 0 failed", 1))
        self.assertEqual([call.split()[1] for call in self.calls()], ["freebsd", "linux", "linux"])
        self.assertEqual(len(data["units"][0]["native_failures"]["TestB"]["natively"]), 2)

    def test_a_build_failure_fails_the_run(self):
        self.script("a", BUILD, 2, err="a.go:1: undefined: x\n")
        self.script("a", GOOD, system="linux")
        status, lines, _ = self.suite("--packages", "a")
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed"))
        self.assertIn("undefined: x", "\n".join(lines))

    def test_nothing_passed_is_no_success(self):
        self.script("a", event("output", None, "?   \tb\t[no test files]\n") + event("skip"))
        self.assertEqual(self.suite("--packages", "a")[0], 1)

    def test_resume_keeps_what_is_finished_and_a_new_sudrun_makes_it_void(self):
        self.script("a", GOOD)
        self.script("b", GOOD)
        self.suite("--packages", "a")
        self.suite("--packages", "a", "b", "--resume")
        self.assertEqual([call.split()[0] for call in self.calls()], ["a", "b"])
        self.sudrun.write_text(self.sudrun.read_text() + "# another\n")
        status, lines, _ = self.suite("--packages", "a", "b", "--resume")
        self.assertEqual((status, lines[-1], len(self.calls())), (0, "2 passed, 0 failed", 4))

    def test_without_resume_everything_is_run_again(self):
        self.script("a", GOOD)
        for _ in range(2):
            self.suite("--packages", "a")
        self.assertEqual(len(self.calls()), 2)

    def test_rounds_run_each_package_so_often_and_count_each(self):
        self.script("a", GOOD)
        status, lines, data = self.suite("--packages", "a", "--repeat", "3")
        self.assertEqual((status, lines[-1], len(self.calls()), data["counts"]["units"]), (0, "3 passed, 0 failed", 3, 1))

    def test_load_spins_and_ends(self):
        self.script("a", GOOD, sleep=0.3)
        self.assertEqual(self.suite("--packages", "a", "--load")[0], 0)

    def test_compare_tells_what_is_skipped_here_only(self):
        self.script("a", GOOD)
        self.script("a", GOOD.replace("skip", "pass").replace("SKIP", "PASS"), system="linux")
        _, _, data = self.suite("--packages", "a", "--compare")
        self.assertEqual(data["units"][0]["natively"]["skipped_only_here"], ["TestB"])

    def test_a_system_is_a_row_of_data(self):
        rows = json.loads((HERE / "systems.json").read_text())
        rows["plan10"] = {"title": "Plan 10", "goos": "plan10", "goarch": "amd64", "wrapper": ["{sudrun}", "--os=plan10"]}
        (self.fake / "systems.json").write_text(json.dumps(rows))
        made = Context("plan10", results=self.fake, go=str(self.go), sudrun=self.sudrun, systems=self.fake / "systems.json")
        self.addCleanup(shutil.rmtree, made.scratch)
        self.assertEqual(made.exec_option("plan10"), ["-exec", f"{self.sudrun} --os=plan10"])
        environment = made.environment("plan10")
        self.assertEqual(environment["GOOS"], "plan10")
        for_children = shutil.which("go_plan10_amd64_exec", path=environment["PATH"])
        self.assertIn(f"exec {self.sudrun} --os=plan10", pathlib.Path(for_children).read_text())
        self.assertIsNone(shutil.which("go_plan10_amd64_exec", path=made.environment("linux")["PATH"]))

    def test_a_test_that_hangs_as_listed_is_known_and_the_others_are_run_without_it(self):
        self.one_that_hangs(HANG)
        self.script("b", GOOD)
        status, lines, data = self.suite("--packages", "a", "b", "--jobs", "1")
        self.assertEqual((status, lines[-1]), (0, "2 passed, 0 failed"))
        self.assertEqual([call.split()[1] for call in self.calls()], ["freebsd"] * 4)  # nothing is asked natively
        asked = [call.split()[5:-3] for call in self.calls()]
        self.assertEqual(asked, [["-timeout=20m", "-list", "."], ["-timeout=20m", "-run", "^(TestA|TestB|FuzzX|Example)$"],
                                 ["-timeout=1m", "-run", "^(TestHang)$"], ["-timeout=20m"]])
        unit = data["units"][0]
        self.assertEqual((unit["end"], unit["passed"], unit["skipped"], unit["known"], unit["failed"]), ("failed", 1, 1, 1, 0))
        self.assertIn("panic: test timed out after 1m0s", unit["known_failures"]["TestHang"])
        self.assertEqual((data["counts"]["known"], data["known_list"][0]["hangs"]), (1, True))
        self.assertIn("(1 passed, 1 skipped, 1 known)", lines[1])
        self.assertIn("| `a` | `TestHang`, hangs | waits without end |", (self.fake / "out.md").read_text())

    def test_a_test_that_is_listed_as_hanging_and_ends_fails_the_run(self):
        passes = ended("TestHang", "pass") + event("output", None, "PASS\n") + event("pass")
        fails = (ended("TestHang", "fail", "no\n") + event("output", None, "FAIL\n") +
                 event("output", None, "FAIL\ta\t0.1s\n") + event("fail"))
        crashes = HANG.replace("panic: test timed out after 1m0s", "SIGSEGV: segmentation violation")
        later = ended("TestHang", "fail", "no\n") + HANG.replace(event("run", "TestHang"), "")  # what hangs is not the test
        none = event("output", None, "testing: warning: no tests to run\n") + event("pass")
        self.script("a", GOOD, system="linux")
        for out, status, said, more in ((passes, 0, "passed", set()), (fails, 1, "failed", {"TestHang"}),
                                        (crashes, 1, "failed", {"TestHang", PACKAGE}), (later, 1, "failed", {"TestHang", PACKAGE}),
                                        (none, 0, "was not run", set())):
            self.one_that_hangs(out, status)
            result, lines, data = self.suite("--packages", "a")
            self.assertEqual((result, data["counts"]["known"]), (1, 0), said)
            failures = data["units"][0]["failures"]
            self.assertEqual(set(failures), {"TestHang (listed as hanging)", *more})
            self.assertEqual(failures["TestHang (listed as hanging)"], f"TestHang is listed as hanging, but it {said}")
            self.assertIn("FAILED: a TestHang (listed as hanging)", lines)

    def test_what_is_listed_as_hanging_may_skip_itself(self):
        self.one_that_hangs(ended("TestHang", "skip") + event("output", None, "PASS\n") + event("pass"), 0)
        status, lines, data = self.suite("--packages", "a")
        self.assertEqual((status, lines[-1], data["counts"]["skipped"]), (0, "1 passed, 0 failed", 2))

    def test_what_is_listed_as_hanging_and_is_gone_fails_the_run(self):
        self.one_that_hangs(HANG)
        self.script("a", NAMES.replace("TestHang", "BenchmarkX"), part=".list")
        status, lines, _ = self.suite("--packages", "a")
        self.assertEqual((status, lines[-1], len(self.calls())), (1, "1 passed, 1 failed", 2))
        self.assertIn("        TestHang is listed as hanging, but it was not run", lines)

    def test_the_others_of_a_package_with_one_that_hangs_fail_as_ever(self):
        self.one_that_hangs(HANG)
        self.script("a", BAD, 1, part=".^(TestA|TestB|FuzzX|Example)$")
        self.script("a", GOOD, system="linux")
        status, lines, data = self.suite("--packages", "a")
        self.assertEqual((status, lines[-1], data["counts"]["known"]), (1, "1 passed, 1 failed", 1))
        self.assertEqual(set(data["units"][0]["failures"]), {"TestB"})
        self.assertNotIn("-run", self.calls()[-1])  # natively the package is run whole
        self.script("a", TIMEOUT, 1, part=".^(TestA|TestB|FuzzX|Example)$")
        _, _, data = self.suite("--packages", "a")
        self.assertEqual((data["units"][0]["end"], set(data["units"][0]["failures"])), ("timed out", {"TestB", PACKAGE}))

    def test_names_that_cannot_be_told_fail_the_package(self):
        for out, status, end, said in ((BUILD, 2, "build failed", "build failed"), ("", 1, "build failed", "no output"),
                                       (NAMES + event("output", None, "helloTestC\n"), 0, "died", "helloTestC")):
            self.one_that_hangs(HANG)
            self.script("a", out, status, part=".list")
            result, _, data = self.suite("--packages", "a")
            failures = data["units"][0]["failures"]
            self.assertEqual((result, data["units"][0]["end"], set(failures)), (1, end, {PACKAGE, "TestHang (listed as hanging)"}))
            self.assertIn(said, failures[PACKAGE])

    def test_a_package_all_of_whose_tests_hang(self):
        self.one_that_hangs(HANG)
        self.script("a", event("output", None, "TestHang\n") + event("pass"), part=".list")
        self.script("b", GOOD)
        status, lines, data = self.suite("--packages", "a", "b")
        self.assertEqual((status, lines[-1], data["counts"]["known"]), (0, "1 passed, 0 failed", 1))

    def test_another_list_of_what_hangs_makes_results_of_its_packages_void_and_no_others(self):
        self.script("a", GOOD)
        self.script("b", GOOD)
        self.suite("--packages", "a", "b", "--jobs", "1")
        self.one_that_hangs(HANG)
        for _ in range(2):
            status, _, data = self.suite("--packages", "a", "b", "--resume", "--jobs", "1")
            self.assertEqual((status, data["counts"]["known"]), (0, 1))
        self.assertEqual([call.split()[0] for call in self.calls()], ["a", "b", "a", "a", "a"])
        self.known("a TestHang  # fails\n")
        self.assertEqual(self.suite("--packages", "a", "--resume")[0], 1)
        self.assertEqual(len(self.calls()), 6)

    def test_natively_a_package_with_one_that_hangs_is_run_whole(self):
        self.one_that_hangs(HANG)
        self.script("a", GOOD + ended("TestHang", "pass"), system="linux")
        _, _, data = self.suite("--packages", "a", "--compare")
        self.assertEqual(data["units"][0]["natively"]["end"], "ok")
        self.assertNotIn("-run", self.calls()[-1])

    def test_what_the_runner_kills_has_not_hung_as_listed(self):
        self.one_that_hangs("", sleep=60)
        with unittest.mock.patch.object(go_std, "HANG_MINUTES", 0.005 - go_std.BUILD_MINUTES):
            status, _, data = self.suite("--packages", "a")
        self.assertEqual((status, data["units"][0]["end"]), (1, "killed"))
        self.assertEqual(set(data["units"][0]["failures"]), {PACKAGE, "TestHang (listed as hanging)"})

    def test_wrong_use_has_its_own_status(self):
        self.assertEqual(self.suite("--packages", "nowhere")[0], 2)
        for words in (["--timeout", "21"], ["--jobs", "0"], ["--nonsense"]):
            with self.assertRaises(SystemExit) as caught:
                self.suite(*words)
            self.assertEqual(caught.exception.code, 2)
        self.sudrun.unlink()
        self.assertEqual(self.suite("--packages", "a")[0], 2)

    def test_nothing_outlives_a_package(self):
        self.script("a", GOOD, leave=True)
        self.suite("--packages", "a")
        self.assertFalse(pathlib.Path("/proc", (self.fake / "left").read_text()).exists())

    def test_an_interrupted_run_leaves_nothing_and_can_go_on(self):
        self.script("a", GOOD)
        self.script("b", GOOD, sleep=60, leave=True)
        with open(self.fake / "log", "wb") as log:
            process = subprocess.Popen([sys.executable, str(HERE / "run.py"), *self.command("--packages", "a", "b", "--jobs", "1")],
                                       stdout=log, stderr=log,  # wherever this runs, SIGINT may be ignored
                                       preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
            while not (self.fake / "left").exists():
                time.sleep(0.05)
                self.assertIsNone(process.poll())
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(30), 130)
        self.assertFalse(pathlib.Path("/proc", (self.fake / "left").read_text()).exists())
        self.script("b", GOOD)
        status, lines, _ = self.suite("--packages", "a", "b", "--resume")
        self.assertEqual((status, lines[-1]), (0, "2 passed, 0 failed"))
        self.assertEqual([call.split()[0] for call in self.calls()], ["a", "b", "b"])

    def test_a_killed_runner_leaves_nothing(self):
        self.script("b", GOOD, sleep=60, leave=True)
        with open(self.fake / "log", "wb") as log:
            process = subprocess.Popen([sys.executable, str(HERE / "run.py"), *self.command("--packages", "b")], stdout=log, stderr=log)
            while not (self.fake / "left").exists():
                time.sleep(0.05)
            process.kill()
            process.wait()
        left = pathlib.Path("/proc", (self.fake / "left").read_text())
        for _ in range(200):
            if not left.exists():
                break
            time.sleep(0.05)
        self.assertFalse(left.exists())

    def test_a_time_limit_of_the_runner_kills_and_is_told(self):
        made = Context("freebsd", results=self.fake, go=str(self.go), sudrun=self.sudrun)
        self.addCleanup(shutil.rmtree, made.scratch)
        finished = made.run(["sleep", "60"], dict(os.environ), 0.2)
        self.assertTrue(finished.killed)
        self.assertLess(finished.seconds, 20)


if __name__ == "__main__":
    counted.main()
