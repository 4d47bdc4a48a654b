#!/usr/bin/env python3
"""./dev suite NAME --os SYSTEM: runs a suite of tests nobody here wrote, built for a system, under sudrun.

The last line is `N passed, N failed`. Exit status: 0 all is well, 1 something failed, 2 wrong use or something is
missing, 130 interrupted (go on with --resume).
"""
import argparse
import concurrent.futures
import glob
import json
import os
import pathlib
import shutil
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import go_programs
import go_scripts
import go_std
import report
from context import HERE, NATIVE, ROOT, Context, Interrupted, UsageError
from judge import NATIVE_RUNS, judge
from known import KnownError, read_known
from outcome import Outcome

SUITES = {"go-std": go_std, "go-programs": go_programs, "go-scripts": go_scripts}
LONGEST = 20  # minutes: twice what go test allows by itself


def arguments(argv):
    parser = argparse.ArgumentParser(prog="./dev suite", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suite", choices=SUITES)
    parser.add_argument("--os", default="freebsd", metavar="SYSTEM", help="a row of tests/suites/systems.json (default: freebsd)")
    parser.add_argument("--packages", nargs="+", action="extend", metavar="NAME",
                        help="packages or programs, as patterns, or names of lists (NAME.txt in tests/suites/<suite>)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="at a time (default: one per core)")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="rounds; all must be good")
    parser.add_argument("--load", action="store_true", help="keep every core busy meanwhile")
    parser.add_argument("--resume", action="store_true", help="keep what is finished of an earlier run with the same sudrun and Go")
    parser.add_argument("--compare", action="store_true", help="run everything natively as well, and tell the differences")
    parser.add_argument("--timeout", type=int, default=LONGEST, metavar="MINUTES", help=f"for each package or program (at most {LONGEST})")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write the result there as JSON")
    parser.add_argument("--report", type=pathlib.Path, metavar="FILE", help="write the result there as a page")
    parser.add_argument("--sudrun", type=pathlib.Path, default=ROOT / "build" / "runtime" / "sudrun", metavar="FILE")
    parser.add_argument("--sudrun-option", action="append", default=[], metavar="OPTION", help="e.g. --sudrun-option=--trap=seccomp")
    parser.add_argument("--go", default="go", metavar="FILE", help="the go command")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "build" / "suites", metavar="DIR", help="where states are kept")
    parser.add_argument("--list", action="store_true", help="only print what would be run")
    options = parser.parse_args(argv)
    if options.jobs < 1 or options.repeat < 1:
        parser.error("--jobs and --repeat must be at least 1")
    if not 1 <= options.timeout <= LONGEST:
        parser.error(f"--timeout must be from 1 to {LONGEST}")
    return options


def patterns_of(names, suite_name, suite):
    """Patterns, with named lists replaced by what they hold."""
    found = []
    for name in names or suite.DEFAULT:
        path = HERE / suite_name / f"{name}.txt"
        if "/" not in name and path.exists():
            found += [line.split("#")[0].strip() for line in path.read_text().splitlines() if line.split("#")[0].strip()]
        else:
            found.append(name)
    return found


class Store:
    """Finished outcomes on disk, for --resume. Only those of the same identity count."""

    def __init__(self, directory, identity):
        self.directory = directory
        self.identity = identity
        directory.mkdir(parents=True, exist_ok=True)

    def forget(self, names):
        for name in names:
            for path in self.directory.glob(f"{glob.escape(name.replace('/', '@'))}.*.json"):
                if path.name.count(".", len(name)) == 2:  # not those of a longer name
                    path.unlink()

    def identity_with(self, hanging):
        """Tests that are run apart from the others make another run of their unit, and of no other unit."""
        return {**self.identity, "hanging": hanging} if hanging else self.identity

    def path(self, name, what):
        return self.directory / f"{name.replace('/', '@')}.{what}.json"

    def load(self, name, what, hanging):
        try:
            data = json.loads(self.path(name, what).read_text())
            return Outcome.from_json(data["outcome"]) if data["identity"] == self.identity_with(hanging) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, name, what, hanging, outcome):
        path = self.path(name, what)
        path.with_suffix(".new").write_text(json.dumps({"identity": self.identity_with(hanging), "outcome": outcome.to_json()}))
        os.replace(path.with_suffix(".new"), path)


class Run:
    def __init__(self, options, context, suite, names, known):
        self.options, self.context, self.suite, self.names, self.known = options, context, suite, names, known
        variant = f"{options.suite}-{options.os}" + ("-load" if options.load else "")
        self.store = Store(options.results / variant, context.identity())
        if not options.resume:
            self.store.forget(names)
        self.native_locks = {name: threading.Lock() for name in names}
        self.verdicts = {}
        self.comparison = {}
        self.lock = threading.Lock()
        self.width = max(len(name) for name in names)
        self.total = len(names) * options.repeat

    def outcome(self, name, what, system):
        """A finished outcome of this or an earlier run, or a new one. The list is this system's: what is native is run whole."""
        hanging = sorted(entry.test for entry in self.known if entry.package == name and entry.hangs and system == self.options.os)
        outcome = self.store.load(name, what, hanging)
        if outcome is None:
            outcome = self.suite.run(self.context, name, system, self.options.timeout, hanging)
            self.store.save(name, what, hanging, outcome)
        return outcome

    def native(self, name, runs=NATIVE_RUNS):
        """Native outcomes; a second one only if the first failed, as proof that it was no accident."""
        if self.options.os == NATIVE:
            return []
        with self.native_locks[name]:
            found = []
            for number in range(1, runs + 1):
                found.append(self.outcome(name, f"native{number}", NATIVE))
                if not found[-1].failures:
                    break
            return found

    def one(self, name, round_):
        outcome = self.outcome(name, str(round_), self.options.os)
        verdict = judge(name, outcome, self.known, self.native)
        if self.options.compare and self.options.os != NATIVE:
            self.comparison[name] = self.native(name, 1)[0]
        with self.lock:
            self.verdicts[name, round_] = verdict
            self.tell(name, round_, verdict)

    def tell(self, name, round_, verdict):
        digits = len(str(self.total))
        which = f" (round {round_})" if self.options.repeat > 1 else ""
        print(f"[{len(self.verdicts):{digits}}/{self.total}] {verdict.label:4} {name:{self.width}}{which} "
              f"{verdict.outcome.seconds:7.1f}s  ({verdict.summary()})", flush=True)
        for test, words in verdict.failed.items():
            print(f"    FAILED: {name} {test}")
            print("\n".join("        " + line for line in words.splitlines()[-30:]), flush=True)

    def all(self):
        """True if every unit was run; False if it was interrupted."""
        pool = concurrent.futures.ThreadPoolExecutor(self.options.jobs)
        burners = [threading.Thread(target=self.burn) for _ in range(os.cpu_count() if self.options.load else 0)]
        for burner in burners:
            burner.start()
        tasks = [pool.submit(self.one, name, round_) for round_ in range(1, self.options.repeat + 1) for name in self.names]
        try:
            for task in concurrent.futures.as_completed(tasks):
                task.result()
            return True
        except (KeyboardInterrupt, Interrupted):
            return False
        finally:
            self.context.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            for burner in burners:
                burner.join()

    def burn(self):
        try:
            self.context.run([sys.executable, "-c", "while True: pass"], dict(os.environ), 10**9)
        except Interrupted:
            pass


def interrupted(number, frame):
    raise KeyboardInterrupt


def main(argv=None):
    options = arguments(argv)
    suite = SUITES[options.suite]
    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGHUP, interrupted)
    start = time.monotonic()
    context = None
    try:
        known = read_known(HERE / options.suite / f"{options.os}.known")
        context = Context(options.os, results=options.results, go=options.go, sudrun=options.sudrun, sudrun_options=options.sudrun_option)
        names = suite.items(context, patterns_of(options.packages, options.suite, suite))
        if options.list:
            print("\n".join(names))
            return 0
        title = context.systems[options.os]["title"]
        print(f"{suite.TITLE}: {title}, {context.go_env['GOVERSION']}, {len(names)} {suite.UNIT}s, {options.jobs} at a time", flush=True)
        work = Run(options, context, suite, names, [entry for entry in known if entry.package in names])
        complete = work.all()
        order = {name: number for number, name in enumerate(names)}
        verdicts = dict(sorted(work.verdicts.items(), key=lambda entry: (entry[0][1], order[entry[0][0]])))
        data = report.result(options, context, suite, verdicts, work.known, work.comparison, time.monotonic() - start, complete)
    except (UsageError, KnownError, ValueError, OSError) as error:
        print(f"suite: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    finally:
        if context:
            shutil.rmtree(context.scratch, ignore_errors=True)
    return finish(options, suite, title, data)


def finish(options, suite, title, data):
    """Writes and prints the result; the exit status."""
    if options.json:
        options.json.write_text(json.dumps(data, indent=1) + "\n")
    if options.report:
        options.report.write_text(report.page(data, suite, title))
    counts = data["counts"]
    print(f"{counts['units']} {suite.UNIT}s, {counts['units_failed']} with failures, {counts['no_tests']} without tests, "
          f"{counts['excluded']} excluded by their constraint; tests: {counts['known']} known to fail, "
          f"{counts['native']} fail natively too, {counts['skipped']} skip themselves; {data['seconds']:.0f} s")
    for unit in data["units"]:
        for test in unit["native_failures"]:
            print(f"natively too: {unit['name']} {test}")
    for unit in data["units"]:
        for test in unit["failures"]:
            print(f"FAILED: {unit['name']} {test}")
    if not data["complete"]:
        print("interrupted; go on with --resume")
    if counts["passed"] == 0:
        print("nothing passed: that is no success")
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    return 130 if not data["complete"] else 1 if counts["failed"] or not counts["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
