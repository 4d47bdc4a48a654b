"""The list of tests that are known to fail: `package Test[/sub]  # technical reason`, one per line."""

LIMIT = 8


class KnownError(Exception):
    pass


def read_known(path):
    """[(package, test, reason)]; a missing file is an empty list."""
    if not path.exists():
        return []
    entries = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        subject, separator, reason = line.partition("  # ")
        words = subject.split()
        if len(words) != 2 or not separator or not reason.strip():
            raise KnownError(f"{path}:{number}: must be `package Test[/sub]  # technical reason`")
        entries.append((words[0], words[1], reason.strip()))
    if len(entries) > LIMIT:
        raise KnownError(f"{path}: {len(entries)} lines, {LIMIT} are allowed")
    if len({entry[:2] for entry in entries}) != len(entries):
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
