"""The scripts by which Go's own `go` command is tested (cmd/go/testdata/script), with a Go distribution of the system.

They need a `go` that runs on the system it builds for. So the whole tool chain is the system's: each compiler, linker and
built program they start is one of its programs.
"""
import fnmatch
import re
import shutil
import threading

import goroot
from outcome import read_go_test

TITLE = "Scripts of Go's own go command"
UNIT = "script"
DEFAULT = ("*",)
TEST = "TestScript"
_made = {}
_lock = threading.Lock()


def items(context, patterns):
    directory = context.goroot / "src" / "cmd" / "go" / "testdata" / "script"
    found = sorted(path.stem for path in directory.glob("*.txt"))
    chosen = [name for name in found if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)]
    if not chosen:
        raise ValueError(f"no script of {directory} matches {' '.join(patterns)}")
    return chosen


def tool_chain(context, system):
    """A GOROOT whose tools are the system's programs, and in it the tests of cmd/go as a program."""
    with _lock:
        if system not in _made:
            made = goroot.hosted(context, system, context.results / "goroot")
            tests = made / "go.test"
            environment = dict(context.environment(system), GOROOT=str(made), CGO_ENABLED="0")
            done = context.run(context.go_command("test", "-c", "-o", tests, "cmd/go"), environment, 1800)
            if done.status != 0:
                raise OSError(f"`go test -c cmd/go` fails: {done.stderr.strip()}")
            _made[system] = made, tests
        return _made[system]


def forget():
    """What was made is looked up again."""
    _made.clear()


def run(context, item, system, minutes, hanging):
    """One script. It is one test, so none of it can be run apart: nothing `hanging` is in it, and the judge says so."""
    made, tests = tool_chain(context, system)
    place = context.place()
    environment = context.environment(system, place)
    environment.update(GOROOT=str(made), CGO_ENABLED="0", PATH=f"{made}/bin:{environment['PATH']}")
    try:
        finished = context.run(
            context.go_command("tool", "test2json", "-p", "cmd/go", *context.wrapper(system), tests, "-test.v=true",
                               f"-test.run=^{TEST}$/^{re.escape(item)}$", f"-test.timeout={minutes}m"),
            environment, 60 * (minutes + 20), cwd=made / "src" / "cmd" / "go")
        outcome = read_go_test(finished.stdout, finished.stderr, finished.status, finished.seconds, finished.killed)
        return without_parent(outcome, f"{TEST}/{item}")
    finally:
        shutil.rmtree(place, ignore_errors=True)


def without_parent(outcome, script):
    """A script is one test: the one above it, which does nothing but start scripts, is left out if it says the same."""
    if script in outcome.tests and (outcome.tests.get(TEST) != "fail" or outcome.tests[script] == "fail"):
        outcome.tests.pop(TEST, None)
        outcome.failures.pop(TEST, None)
    return outcome
