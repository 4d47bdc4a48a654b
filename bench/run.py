#!/usr/bin/env python3
"""./dev bench: measures programs under sudrun against native runs of the same work, side by side and interleaved.

Prints medians, and how they compare with native. These are measurements, not tests: a missed target does not fail.
Exit status: 0; 1 something could not be measured; 2 wrong use; 130 interrupted.
"""
import argparse
import json
import os
import pathlib
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import machine
import report
from cases import CASES, GROUPS, ROWS
from measure import evaluate, interleaved
from workshop import ROOT, Trouble, Workshop


def arguments(argv):
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", action="extend", metavar="NAME",
                        help=f"some measures ({', '.join(row.name for row in ROWS)}) or groups ({', '.join(GROUPS)})")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each variant runs (default: each case has its own number)")
    parser.add_argument("--quick", action="store_true", help="few rounds, and programs without --no-rewrite: about a minute")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write everything that was measured there")
    parser.add_argument("--docs", action="store_true", help="write docs/performance.json, -table.md and .svg")
    parser.add_argument("--sudrun", type=pathlib.Path, default=ROOT / "build" / "runtime" / "sudrun", metavar="FILE")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build" / "bench", metavar="DIR", help="where measured programs are built")
    parser.add_argument("--downloads", type=pathlib.Path, default=ROOT / "downloads", metavar="DIR", help="where ./dev fetch put programs")
    options = parser.parse_args(argv)
    if options.rounds is not None and options.rounds < 1:
        parser.error("--rounds must be at least 1")
    try:
        options.rows = chosen(options.only)
    except ValueError as error:
        parser.error(str(error))
    if options.docs and (options.only or options.quick):
        parser.error("--docs is for complete runs")
    if not os.access(options.sudrun, os.X_OK):
        parser.error(f"{options.sudrun} is not there; build it, or name one with --sudrun")
    return options


def chosen(names):
    """The rows of names: of measures, cases or groups; all without names."""
    if not names:
        return ROWS
    wanted = {name for n in names for name in GROUPS.get(n, [n])}
    known = {row.name for row in ROWS} | set(CASES)
    if unknown := wanted - known:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    return [row for row in ROWS if row.name in wanted or row.case in wanted]


def measure(rows, workshop, *, rounds, quick):
    """The results of rows, and what went wrong: case -> why."""
    values, troubles = {}, {}
    for name in dict.fromkeys(row.case for row in rows):
        case = CASES[name]
        start = time.monotonic()
        try:
            values[name] = interleaved(case.quick_variants if quick else case.variants,
                                       rounds or (case.quick_rounds if quick else case.rounds),
                                       lambda variant, case=case: case.sample(workshop.of(case.system), variant))
            print(f"{name}: {time.monotonic() - start:.1f} s", file=sys.stderr)
        except Trouble as error:
            troubles[name] = str(error)
            print(f"{name}: not measured: {error}", file=sys.stderr)
    return [evaluate(row, values[row.case][row.measure]) for row in rows
            if row.case in values and row.variant in values[row.case][row.measure]], troubles


def main(argv=None):
    options = arguments(argv)
    disturbance = machine.Disturbance()
    data = {"machine": machine.describe(options.sudrun), "quick": options.quick}
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        workshop = Workshop(options.sudrun.resolve(), options.work.resolve(), options.downloads.resolve(), pathlib.Path(scratch))
        data["results"], data["not_measured"] = measure(options.rows, workshop, rounds=options.rounds, quick=options.quick)
    data["machine"]["disturbance"] = disturbance.percent()
    data["peers"] = report.PEERS
    print(report.text(data))
    encoded = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    if options.json:
        options.json.write_text(encoded)
    if options.docs:
        docs = ROOT / "docs"
        (docs / "performance.json").write_text(encoded)
        (docs / "performance-table.md").write_text(report.markdown(data))
        (docs / "performance.svg").write_text(report.plot(data))
    return 1 if data["not_measured"] else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what runs is ended
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except Trouble as error:
        sys.exit(f"bench: {error}")
