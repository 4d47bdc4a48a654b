#!/usr/bin/env python3
"""Tests of the suite of cmd/go's scripts, with a Go that only pretends."""
import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import counted
import go_scripts
import run
from outcome import PACKAGE, Outcome
from suite_test import ended, event

# A go command whose `tool test2json` prints $FAKE/<script>.<GOOS>; what else it does is noted in $FAKE/calls.
FAKE_GO = r'''
import json, os, pathlib, re, sys
fake = pathlib.Path(os.path.realpath(__file__)).parent
words, system = sys.argv[1:], os.environ.get("GOOS")
if words[0] == "env":
    print(json.dumps({"GOVERSION": "go1.19.8", "GOROOT": str(fake / "installed"), "CGO_ENABLED": "1"}))
    sys.exit()
with open(fake / "calls", "a") as calls:
    calls.write(f"{system} {os.environ.get('GOROOT', '')} {os.getcwd()} {os.environ['PATH']} {' '.join(words)}\n")
root = pathlib.Path(os.environ.get("GOROOT", "/nowhere"))
if words[:2] == ["install", "std"] and "cmd" in words:
    made = root / "bin" / ("" if system == "linux" else f"{system}_amd64")
    made.mkdir(parents=True, exist_ok=True)
    (made / "go").write_text(system)
elif words[:2] == ["test", "-c"]:
    pathlib.Path(words[3]).write_text("")
elif words[:2] == ["tool", "test2json"]:
    name = re.search(r"TestScript\$/\^(\w+)\$", " ".join(words)).group(1)
    said = json.loads((fake / f"{name}.{system}").read_text())
    sys.stdout.write(said["out"])
    sys.exit(said["status"])
'''


def said(script, result):
    parent = "fail" if result == "fail" else "pass"
    return (event("run", "TestScript") + ended(f"TestScript/{script}", result) + ended("TestScript", parent) +
            event("output", None, "FAIL\n" if result == "fail" else "PASS\n") + event(parent))


class Scripts(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="scripts-test-")
        self.addCleanup(directory.cleanup)
        self.addCleanup(go_scripts.forget)
        self.fake = pathlib.Path(directory.name).resolve()
        for name, text in (("go", f"#!{sys.executable}\n{FAKE_GO}"), ("sudrun", "#!/bin/sh\nexec \"$@\"\n")):
            (self.fake / name).write_text(text)
            (self.fake / name).chmod(0o755)
        scripts = self.fake / "installed" / "src" / "cmd" / "go" / "testdata" / "script"
        scripts.mkdir(parents=True)
        for name in ("mod_a", "mod_b", "run_c"):
            (scripts / f"{name}.txt").write_text("go version\n")
        (scripts / "README").write_text("no script\n")
        constant = self.fake / "installed" / "src" / "go" / "build" / "zcgo.go"
        constant.parent.mkdir(parents=True)
        constant.write_text('const defaultCGO_ENABLED = ""\n')

    def answer(self, script, result, system="freebsd"):
        (self.fake / f"{script}.{system}").write_text(json.dumps({"out": said(script, result), "status": int(result == "fail")}))

    def calls(self, *words):
        return [line for line in (self.fake / "calls").read_text().splitlines() if all(word in line for word in words)]

    def suite(self, *words):
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            status = run.main(["go-scripts", "--os", "freebsd", "--go", str(self.fake / "go"), "--sudrun", str(self.fake / "sudrun"),
                               "--results", str(self.fake / "results"), *words])
        return status, output.getvalue().splitlines()

    def test_every_script_is_a_unit_and_one_test(self):
        for name, result in (("mod_a", "pass"), ("mod_b", "pass"), ("run_c", "skip")):
            self.answer(name, result)
        status, lines = self.suite()
        self.assertEqual((status, lines[-1]), (0, "2 passed, 0 failed"))
        self.assertEqual(len(self.calls("test2json")), 3)

    def test_patterns_choose_scripts(self):
        self.assertEqual(self.suite("--list", "--packages", "mod_*"), (0, ["mod_a", "mod_b"]))
        status, lines = self.suite("--packages", "nothing")
        self.assertEqual((status, "no script" in lines[-1]), (2, True))

    def test_the_tools_are_the_systems_own_programs(self):
        self.answer("mod_a", "pass")
        self.suite("--packages", "mod_a")
        made = self.fake / "results" / "goroot" / "go1.19.8-freebsd_amd64-hosted"
        self.assertEqual((made / "bin" / "go").read_text(), "freebsd")
        self.assertIn('"0"', (made / "src" / "go" / "build" / "zcgo.go").read_text())
        self.assertEqual((self.fake / "installed" / "src" / "go" / "build" / "zcgo.go").read_text(), 'const defaultCGO_ENABLED = ""\n')
        call, = self.calls("test2json", f"{self.fake}/sudrun {made}/go.test")
        self.assertTrue(call.startswith(f"freebsd {made} {made}/src/cmd/go {made}/bin:"), call)

    def test_the_tool_chain_is_made_once_and_kept(self):
        for name in ("mod_a", "mod_b"):
            self.answer(name, "pass")
        self.suite("--packages", "mod_*")
        go_scripts.forget()
        self.suite("--packages", "mod_*")
        self.assertEqual(len([call for call in self.calls("install std") if "cmd" in call]), 1)

    def test_a_script_that_fails_natively_too_is_apart_and_another_fails(self):
        for system in ("freebsd", "linux"):
            self.answer("mod_a", "fail", system)
        self.answer("mod_b", "fail")
        self.answer("mod_b", "pass", "linux")
        status, lines = self.suite("--packages", "mod_*")
        self.assertEqual((status, lines[-1]), (1, "0 passed, 1 failed"))
        self.assertIn("natively too: mod_a TestScript/mod_a", lines)
        self.assertIn("FAILED: mod_b TestScript/mod_b", lines)

    def test_a_failure_above_the_script_is_not_lost(self):
        outcome = go_scripts.without_parent(Outcome("failed", {"TestScript": "fail", "TestScript/x": "pass"}, {"TestScript": "no"}), "TestScript/x")
        self.assertEqual(outcome.failures, {"TestScript": "no"})
        outcome = go_scripts.without_parent(Outcome("died", {"TestScript": "fail"}, {"TestScript": "no", PACKAGE: "died"}), "TestScript/x")
        self.assertEqual(set(outcome.failures), {"TestScript", PACKAGE})


if __name__ == "__main__":
    counted.main()
