#!/usr/bin/env python3
"""Runs every test suite of a build and prints `N passed, N failed` as its last line.

Most suites are Catch2 executables; what is counted are their test cases. Others are Python programs that end with the
same last line as this one. A suite that is missing, crashes, hangs or
counts differently than it lists is a failure, never a gap. Nothing is run twice to make it pass.
"""
import argparse
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
NOBODY = 65534


class Suite:
    def __init__(self, title, binary, *, arguments=(), environment=None, timeout=900, unprivileged=False, script=False):
        self.title = title
        self.binary = binary
        self.arguments = list(arguments)
        self.environment = environment or {}
        self.timeout = timeout
        self.unprivileged = unprivileged
        self.script = script


def newer_go(guest):
    """The Go that built `guest`, for tests that run the go command: tests/go/newer.sh unpacks it beside."""
    version = guest.name.removeprefix("go-guest-")
    place = guest.parent / f"go-{version}"
    return {"SUDRUN_GO": str(place / "usr" / "lib" / f"go-{version}" / "bin" / "go"), "SUDRUN_GO_CACHE": str(place / "cache")}


def suites(build, downloads):
    """All suites there must be."""
    newer = max(downloads.glob("go-guest-*"), default=downloads / "go-guest-newer")  # see tests/go/newer.sh
    tests = build / "tests"
    seccomp = {"SUDRUN_TEST_TRAP": "seccomp"}
    found = [
        Suite("unit", tests / "unit_tests", timeout=600),
        Suite("command", tests / "command_tests", timeout=600),
        Suite("embedding", tests / "embed" / "embed_tests", timeout=600),
        Suite("guests", tests / "guest_tests", timeout=1800),
        Suite("guests, no rewriting", tests / "guest_tests", environment={"SUDRUN_TEST_NO_REWRITE": "1"}, timeout=1800),
        Suite("guests, seccomp trap", tests / "guest_tests", environment=seccomp, timeout=1800),
    ]
    found += [
        Suite("go", tests / "go" / "go_tests", timeout=1800),
        Suite("go, seccomp trap", tests / "go" / "go_tests", environment=seccomp, timeout=1800),
        Suite(f"go {newer.name.removeprefix('go-guest-')}", tests / "go" / "go_tests",
              environment={"SUDRUN_GO_GUEST": str(newer), **newer_go(newer)}, timeout=1800),
        Suite("real programs", tests / "real" / "real_tests", timeout=2400),
    ]
    tables = [ROOT / "tables" / f"{name}-amd64.yaml" for name in ("freebsd", "netbsd", "dragonfly", "linux")]
    found.append(Suite("table schema", ROOT / "tests" / "tables" / "schema_test.py", script=True, timeout=300,
                       arguments=[build / "abi" / "sudrun-table.schema.json", *tables]))
    scripts = ROOT / "tests" / "suites"
    found += [
        Suite("suite runner", scripts / "suite_test.py", script=True, timeout=600),
        Suite("suite runner, scripts", scripts / "scripts_test.py", script=True, timeout=300),
        Suite("packaging", ROOT / "tests" / "packaging" / "packaging_test.py", script=True, timeout=600),
        Suite("benchmarks", ROOT / "bench" / "bench_test.py", script=True, timeout=300),
    ]
    found += [
        Suite(f"go std, OS-facing, {system}", scripts / "run.py", script=True, timeout=1500,
              arguments=["go-std", "--os", system, "--packages", "quick", "--sudrun", build / "runtime" / "sudrun",
                         "--results", build / "suites" / f"quick-{system}"])
        for system in ("freebsd", "netbsd", "dragonfly")
    ]
    found.append(Suite("go command, FreeBSD", scripts / "run.py", script=True, timeout=1500,
                       arguments=["go-scripts", "--os", "freebsd", "--packages", "quick", "--sudrun", build / "runtime" / "sudrun",
                                  "--results", build / "suites" / "scripts-freebsd"]))
    if os.geteuid() == 0:
        found.append(Suite("guests, ordinary user", tests / "guest_tests", unprivileged=True, timeout=1800,
                           arguments=["[calls],[registers],[signals],[threads],[memory],[files],[exec],[death],[linux],"
                                      "[rewrite_processes],[rewrite_children],[rewrite_signals]"]))
        found.append(Suite("command, ordinary user", tests / "command_tests", unprivileged=True, timeout=600))
    return found


def run(suite, build, downloads, scratch):
    """Runs one suite; returns (passed, failed, text of the failures)."""
    if not suite.binary.exists():
        return 0, 1, f"{suite.binary} does not exist: it has not been built\n"
    home = pathlib.Path(tempfile.mkdtemp(prefix="suite-", dir=scratch))
    os.chmod(scratch, 0o755)  # tests that run a part of themselves as an ordinary user need to get there
    os.chmod(home, 0o755)
    environment = dict(os.environ)
    for chosen in ("SUDRUN_TEST_TRAP", "SUDRUN_TEST_NO_REWRITE"):
        environment.pop(chosen, None)
    environment.update(
        SUDRUN_BINARY=str(build / "runtime" / "sudrun"), SUDRUN_GUESTS=str(build / "tests"), SUDRUN_SOURCE=str(ROOT),
        SUDRUN_GO_GUEST=str(build / "tests" / "go" / "go-guest"), SUDRUN_GO_INSPECTED=str(build / "tests" / "go"),
        SUDRUN_EXAMPLES=str(build / "tests" / "embed"),
        SUDRUN_GO_CACHE=str(build / "tests" / "go" / "cache"), SUDRUN_DOWNLOADS=str(downloads), TMPDIR=str(home))
    environment.update(suite.environment)
    command = [str(suite.binary), *suite.arguments, "-r", "xml", "-o", str(home / "report.xml")]
    if suite.script:
        command = [sys.executable, str(suite.binary), *map(str, suite.arguments)]
        environment["TMPDIR"] = str(scratch)  # short: names of sockets are limited
    if suite.unprivileged:
        environment["HOME"] = str(home)
        os.chown(home, NOBODY, NOBODY)
        command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--", *command]
        problem = out_of_reach(suite.binary, environment["SUDRUN_BINARY"])
        if problem:
            command, environment = within_reach(command, environment, suite, build, scratch)
    log = home / "log"
    with open(log, "wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                   env=environment, cwd=home, start_new_session=True)
        timed_out = False
        try:
            process.wait(timeout=suite.timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
    text = log.read_text(errors="replace")
    if suite.script:
        passed, failed, failures, complete = read_last_line(text)
    else:
        passed, failed, failures, complete = read_report(home / "report.xml")
    if timed_out:
        failed += 1
        failures += f"the suite was still running after {suite.timeout} s\n{text}"
    elif status < 0:
        failed += 1
        failures += f"the suite died of {signal.Signals(-status).name}\n{text}"
    elif not complete or passed + failed == 0:
        failed += 1
        failures += f"the suite left no complete report (exit status {status})\n{text}"
    elif (status == 0) != (failed == 0):
        failed += 1
        failures += f"the suite's exit status is {status}, which its report does not explain\n{text}"
    return passed, failed, failures


def out_of_reach(*paths):
    """True if an ordinary user may not enter one of the paths' directories."""
    for path in paths:
        for parent in pathlib.Path(path).resolve().parents:
            if not parent.stat().st_mode & 0o001:
                return True
    return False


def within_reach(command, environment, suite, build, scratch):
    """Copies what the suite needs to where an ordinary user can get at it."""
    place = pathlib.Path(scratch) / "copy"
    if not place.exists():
        place.mkdir(mode=0o755)
        shutil.copytree(build / "tests", place / "tests", ignore=shutil.ignore_patterns("*.p", "*.a"))
        shutil.copytree(ROOT / "tables", place / "tables")
        for name in ("sudrun", "sudrun-shared", "libsudrun-exec.so"):
            shutil.copy2(build / "runtime" / name, place / name)
        subprocess.run(["chmod", "-R", "a+rX", str(place)], check=True)
    environment = dict(environment, SUDRUN_BINARY=str(place / "sudrun"), SUDRUN_GUESTS=str(place / "tests"),
                       SUDRUN_SOURCE=str(place))
    return [str(place / "tests" / suite.binary.name) if part == str(suite.binary) else part for part in command], environment


def read_report(path):
    """(passed, failed, text, complete) of a Catch2 XML report, as far as it goes."""
    passed = failed = 0
    failures = []
    complete = False
    current = None
    try:
        for event, element in ElementTree.iterparse(path, events=("start", "end")):
            if event == "start":
                if element.tag == "TestCase":
                    current = element.get("name")
                continue
            if element.tag == "OverallResultsCases":
                complete = True
            if element.tag != "TestCase":
                continue
            result = element.find("OverallResult")
            if result is not None and result.get("success") == "true":
                passed += 1
            else:
                failed += 1
                failures.append(describe(element))
            current = None
            element.clear()
    except (OSError, ElementTree.ParseError) as error:
        if current is not None:
            failures.append(f"it stopped in the test case `{current}`\n")
        elif passed + failed == 0:
            failures.append(f"no report: {error}\n")
        complete = False
    return passed, failed, "".join(failures), complete


def read_last_line(text):
    """(passed, failed, text, complete) of what a script printed."""
    found = re.search(r"^(\d+) passed, (\d+) failed\n\Z", text, re.M)
    if not found:
        return 0, 0, "", False
    passed, failed = int(found.group(1)), int(found.group(2))
    return passed, failed, text if failed else "", True


def describe(case):
    """What is wrong in one failed test case."""
    lines = [f"FAILED: {case.get('name')} ({case.get('filename')}:{case.get('line')})\n"]

    def walk(element, sections, notes):
        for child in element:
            if child.tag == "Section":
                walk(child, sections + [child.get("name", "")], [])
            elif child.tag in ("Info", "Warning"):
                notes = notes + [(child.text or "").strip()]
            elif child.tag == "Expression" and child.get("success") != "true":
                where = "".join(f" / {s}" for s in sections)
                lines.append(f"  {child.get('filename')}:{child.get('line')}{where}: "
                             f"{(child.findtext('Original') or '').strip()}\n"
                             f"    which is {(child.findtext('Expanded') or '').strip()}\n")
                for kind in ("Exception", "FatalErrorCondition"):
                    if child.find(kind) is not None:
                        lines.append(f"    {kind}: {(child.findtext(kind) or '').strip()}\n")
                lines.extend("    " + line + "\n" for note in notes for line in note.splitlines())
                notes = []
            elif child.tag in ("Failure", "Exception", "FatalErrorCondition"):
                lines.append(f"  {child.tag}: {(child.text or '').strip()}\n")
                lines.extend("    " + line + "\n" for note in notes for line in note.splitlines())
                notes = []

    walk(case, [], [])
    return "".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True, type=pathlib.Path)
    parser.add_argument("--downloads", required=True, type=pathlib.Path)
    parser.add_argument("--filter", default="", help="only suites whose title contains this")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    build, downloads = options.build.resolve(), options.downloads.resolve()

    chosen = [s for s in suites(build, downloads) if options.filter in s.title]
    if not chosen:
        print(f"no suite's title contains `{options.filter}`", file=sys.stderr)
        print("0 passed, 1 failed")
        return 1
    user = pwd.getpwuid(os.geteuid()).pw_name
    print(f"{len(chosen)} suites, as {user}, on Linux {os.uname().release}", flush=True)
    total_passed = total_failed = 0
    with tempfile.TemporaryDirectory(prefix="sudrun-tests-", ignore_cleanup_errors=True) as scratch:
        for suite in chosen:
            start = time.monotonic()
            passed, failed, failures = run(suite, build, downloads, scratch)
            total_passed += passed
            total_failed += failed
            verdict = "ok    " if failed == 0 else "FAILED"
            print(f"{verdict} {suite.title}: {passed} passed, {failed} failed, {time.monotonic() - start:.1f} s", flush=True)
            if failures:
                print("\n".join("       " + line for line in failures.splitlines()), flush=True)
    print(f"{total_passed} passed, {total_failed} failed")
    return 1 if total_failed else 0


if __name__ == "__main__":
    sys.exit(main())
