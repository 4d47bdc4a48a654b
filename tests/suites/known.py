"""The list of tests that are known to fail: `package Test[/sub]  # technical reason`, one per line.

`package Test hangs  # technical reason` is one that never ends. It is run apart from the others, which it would keep from running.
"""
import re
import typing

LIMIT = 8


class Known(typing.NamedTuple):
    package: str
    test: str
    reason: str
    hangs: bool = False


class KnownError(Exception):
    pass


def read_known(path):
    """The lines, each as Known; a missing file is an empty list."""
    if not path.exists():
        return []
    entries = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        subject, separator, reason = line.partition("  # ")
        words = subject.split()
        hangs = words[2:] == ["hangs"]
        if len(words) != 2 + hangs or not separator or not reason.strip():
            raise KnownError(f"{path}:{number}: must be `package Test[/sub]  # technical reason`, or `package Test hangs  # technical reason`")
        if hangs and not re.fullmatch(r"(Test|Example|Fuzz)\w*", words[1]):
            raise KnownError(f"{path}:{number}: `{words[1]} hangs`: only a whole test, example or fuzz test can be run apart from the others, "
                             "and no subtest: name the whole test, if all of it may be given up")
        entries.append(Known(words[0], words[1], reason.strip(), hangs))
    if len(entries) > LIMIT:
        raise KnownError(f"{path}: {len(entries)} lines, {LIMIT} are allowed")
    if len({(entry.package, entry.test) for entry in entries}) != len(entries):
        raise KnownError(f"{path}: a test is listed twice")
    return entries


def covered(test, listed, failing):
    """True if the failure of `test` is one of the listed tests', or nothing but the consequence of such.

    A listed test stands for its subtests as well. A test above a listed one fails with it: that is a consequence
    as long as everything that fails below it, at the ends, is covered.
    """
    if any(test == name or test.startswith(name + "/") for name in listed):
        return True
    below = [name for name in failing if name.startswith(test + "/")]
    ends = [name for name in below if not any(other.startswith(name + "/") for other in below)]
    return bool(ends) and all(any(end == name or end.startswith(name + "/") for name in listed) for end in ends)
