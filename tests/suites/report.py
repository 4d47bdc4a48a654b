"""Results as JSON and as a page."""
import datetime
import os


def result(options, context, suite, verdicts, known, comparison, seconds, complete):
    """Everything about a run, for machines."""
    units = [describe(name, round_, verdict, comparison.get(name)) for (name, round_), verdict in verdicts.items()]
    count = lambda key: sum(unit[key] for unit in units)
    names = dict.fromkeys(unit["name"] for unit in units)
    return {
        "suite": options.suite, "system": options.os, "complete": complete,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1), "go": context.go_env["GOVERSION"], "kernel": os.uname().release,
        "cores": os.cpu_count(), "user": os.geteuid(), "identity": context.identity(),
        "rounds": options.repeat, "load": options.load, "timeout_minutes": options.timeout,
        "counts": {
            "units": len(names), "passed": count("passed"), "failed": count("failed"),
            "skipped": count("skipped"), "known": count("known"), "native": count("native"),
            "units_failed": len({unit["name"] for unit in units if unit["failed"]}),
            "no_tests": len({unit["name"] for unit in units if unit["end"] == "no tests"}),
            "excluded": len({unit["name"] for unit in units if unit["end"] == "excluded"}),
        },
        "known_list": [{"name": each.package, "test": each.test, "hangs": each.hangs, "reason": each.reason} for each in known],
        "units": units,
    }


def describe(name, round_, verdict, native):
    outcome = verdict.outcome
    unit = {
        "name": name, "round": round_, "end": outcome.end, "note": outcome.note, "seconds": round(outcome.seconds, 1),
        "passed": outcome.count("pass"), "failed": len(verdict.failed), "skipped": outcome.count("skip"),
        "known": len(verdict.known), "native": len(verdict.native),
        "failures": verdict.failed, "known_failures": verdict.known, "native_failures": verdict.native,
        "skipped_tests": sorted(test for test, status in outcome.tests.items() if status == "skip"),
    }
    if native is not None:
        unit["natively"] = {
            "end": native.end, "seconds": round(native.seconds, 1), "passed": native.count("pass"),
            "skipped": native.count("skip"), "failed": sorted(native.failures),
            "skipped_only_here": sorted(test for test, status in outcome.tests.items()
                                        if status == "skip" and native.tests.get(test) == "pass"),
            "only_natively": sorted(test for test, status in native.tests.items()
                                    if status == "pass" and test not in outcome.tests),
        }
    return unit


def page(data, suite, title):
    """The result as Markdown."""
    counts = data["counts"]
    compared = any("natively" in unit for unit in data["units"])
    lines = [
        f"# {suite.TITLE}: {title}", "",
        f"Written by `./dev suite {data['suite']} --os {data['system']} --report`.", "",
        "| | |", "|---|---|",
        f"| date | {data['date']} |",
        f"| Go | {data['go']} |",
        f"| machine | Linux {data['kernel']}, {data['cores']} cores, {'root' if data['user'] == 0 else 'ordinary user'} |",
        f"| time | {data['seconds'] / 60:.0f} minutes, limit of a {suite.UNIT}: {data['timeout_minutes']} minutes |",
    ]
    if data["rounds"] > 1 or data["load"]:
        lines.append(f"| rounds | {data['rounds']}{', all cores kept busy meanwhile' if data['load'] else ''} |")
    lines += [
        f"| {suite.UNIT}s | {counts['units']} |",
        f"| without tests (built) | {counts['no_tests']} |",
        f"| excluded by their build constraint | {counts['excluded']} |",
        f"| tests passed | {counts['passed']} |",
        f"| tests failed | {counts['failed']} |",
        f"| tests known to fail | {counts['known']} |",
        f"| tests that fail natively too | {counts['native']} |",
        f"| tests that skipped themselves | {counts['skipped']} |",
        "",
        "Tests are counted as `go test -json` reports them: tests, subtests, examples and the seeds of fuzz tests." if
        suite.UNIT == "package" else "Each program is one test.",
        "",
    ]
    if not data["complete"]:
        lines += ["**The run was interrupted: this is a part.**", ""]
    lines += section("Failed", [(u, t, w) for u in data["units"] for t, w in u["failures"].items()])
    if data["known_list"]:
        lines += ["## Known", "", "| where | test | reason |", "|---|---|---|"]
        lines += [f"| `{k['name']}` | `{k['test']}`{', hangs' if k['hangs'] else ''} | {k['reason']} |" for k in data["known_list"]] + [""]
    lines += section("Fail natively too", [(u, t, w["natively"][-1]) for u in data["units"]
                                           for t, w in u["native_failures"].items()])
    interesting = data["units"] if suite.UNIT == "package" else [
        u for u in data["units"] if u["end"] != "ok" or u["failed"] or u["known"] or u["native"]]
    lines += [f"## {suite.UNIT.capitalize()}s" + ("" if interesting is data["units"] else " that did not simply pass"), "",
              "| name | result | passed | skipped | failed | known | natively too | s |" + (" native passed | native skipped |" if compared else ""),
              "|---|---|--:|--:|--:|--:|--:|--:|" + ("--:|--:|" if compared else "")]
    for unit in interesting:
        natively = unit.get("natively")
        lines.append(
            f"| {unit['name']} | {unit['end']}{': `' + unit['note'] + '`' if unit['note'] else ''} | {unit['passed']} | "
            f"{unit['skipped']} | {unit['failed']} | {unit['known']} | {unit['native']} | {unit['seconds']:.1f} |"
            + ((f" {natively['passed']} | {natively['skipped']} |" if natively else " | |") if compared else ""))
    return "\n".join(lines) + "\n"


def section(title, rows):
    if not rows:
        return []
    lines = [f"## {title}", "", "| where | test | what it says |", "|---|---|---|"]
    seen = set()
    for unit, test, words in rows:
        if (unit["name"], test) not in seen:
            seen.add((unit["name"], test))
            lines.append(f"| `{unit['name']}` | `{test}` | {last_line(words)} |")
    return lines + [""]


def last_line(words):
    """One line that says the most: the first that is neither empty nor go's own frame of the test."""
    for line in words.splitlines():
        line = line.strip()
        if line and not line.startswith(("=== ", "--- ", "[…]")):
            return "`" + line[:160].replace("|", "¦").replace("`", "'") + "`"
    return ""
