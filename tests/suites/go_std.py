"""The tests of Go's standard library."""
import re
import shutil

from outcome import PACKAGE, Outcome, events, hung_alone, read_go_test, tail, union

TITLE = "Go's standard library tests"
UNIT = "package"
DEFAULT = ("std",)
BUILD_MINUTES = 20  # the runner's own limit leaves time for building on top of go's
HANG_MINUTES = 1  # for a test that is listed as waiting without end; the slowest others of package net take 40 seconds


def items(context, patterns):
    """Names of the packages, as `go list` knows them for the system."""
    found = context.run(context.go_command("list", *patterns), context.environment(context.system), 300)
    if found.status != 0:
        raise ValueError(found.stderr.strip())
    return list(dict.fromkeys(found.stdout.split()))


def run(context, item, system, minutes, hanging):
    """One package, all its tests: those `hanging` each alone, as those behind a test that hangs never run."""
    place = context.place()
    try:
        if not hanging:
            return go_test(context, item, system, place, minutes)
        names, listed = names_of_tests(context, item, system, place, minutes)
        if listed.failures or not names:
            return listed
        outcomes = [listed]
        others = [name for name in names if name not in hanging]
        if others:
            outcomes.append(go_test(context, item, system, place, minutes, *chosen(others)))
        for name in names:
            if name in hanging:
                outcomes.append(hung_alone(go_test(context, item, system, place, HANG_MINUTES, *chosen([name])), name))
        return union(outcomes)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def chosen(names):
    """The words that make `go test` run these only. There is a word for all but some, -skip, in Go 1.20 and later only."""
    return "-run", f"^({'|'.join(names)})$"


def go_test(context, item, system, place, minutes, *words):
    """An outcome of `go test`."""
    return read_go_test(*ended(context, item, system, place, minutes, words))


def names_of_tests(context, item, system, place, minutes):
    """What `-run` chooses from, tests, examples and fuzz tests, and an outcome without tests, or what went wrong."""
    done = ended(context, item, system, place, minutes, ("-list", "."))
    listed = read_go_test(*done)
    lines = "".join(event.get("Output", "") for event in events(done[0])).splitlines()
    names = [line for line in lines if re.fullmatch(r"(Test|Example|Fuzz)\w*", line)]
    other = [line for line in lines if not re.match(r"(Test|Example|Fuzz|Benchmark)\w*$|(ok  |\?   )\t", line)]
    if other and not listed.failures:
        # Such a line may begin or end with a name, of a test that would then be left out.
        listed = Outcome("died", failures={PACKAGE: "`go test -list .` says what is no name:\n" + tail("\n".join(other))}, seconds=listed.seconds)
    return names, listed


def ended(context, item, system, place, minutes, words):
    finished = context.run(
        context.go_command("test", "-json", "-count=1", f"-timeout={minutes}m", *words, *context.exec_option(system), item),
        context.environment(system, place), 60 * (minutes + BUILD_MINUTES))
    return finished.stdout, finished.stderr, finished.status, finished.seconds, finished.killed
