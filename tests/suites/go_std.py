"""The tests of Go's standard library."""
import shutil

from outcome import read_go_test

TITLE = "Go's standard library tests"
UNIT = "package"
DEFAULT = ("std",)


def items(context, patterns):
    """Names of the packages, as `go list` knows them for the system."""
    found = context.run(context.go_command("list", *patterns), context.environment(context.system), 300)
    if found.status != 0:
        raise ValueError(found.stderr.strip())
    return list(dict.fromkeys(found.stdout.split()))


def run(context, item, system, minutes):
    """One package, all its tests. The runner's own limit leaves time for building on top of go's."""
    place = context.place()
    short = ["-short"] if context.short(item) else []
    try:
        finished = context.run(
            context.go_command("test", "-json", "-count=1", *short, f"-timeout={minutes}m", *context.exec_option(system), item),
            context.environment(system, place), 60 * (minutes + 20))
        return read_go_test(finished.stdout, finished.stderr, finished.status, finished.seconds, finished.killed)
    finally:
        shutil.rmtree(place, ignore_errors=True)
