"""What one package or program did, and how `go test -json` says it."""
import json
import re

PACKAGE = "(package)"  # stands for a failure that is not a test's: the build, a crash, a time limit
TAIL = 4000


class Outcome:
    """`end` is one of: ok, failed, no tests, excluded, build failed, timed out, died, killed.

    `tests` has pass, fail or skip for each test that was started; `failures` the last words of each that failed, and
    PACKAGE if the whole did not end as it should: then there may be tests that never ran.
    """

    def __init__(self, end, tests=None, failures=None, seconds=0.0, note=""):
        self.end = end
        self.tests = tests or {}
        self.failures = failures or {}
        self.seconds = seconds
        self.note = note

    def count(self, status):
        return sum(1 for each in self.tests.values() if each == status)

    def to_json(self):
        return dict(self.__dict__)

    @classmethod
    def from_json(cls, data):
        return cls(**data)


def tail(text):
    text = text.rstrip()
    return text if len(text) <= TAIL else "[…]" + text[-TAIL:]


def conclusion(name, text):
    """The result the test printed, also where other output precedes it on the line (Go before 1.20 misses that)."""
    found = re.findall(r"--- (PASS|FAIL|SKIP): " + re.escape(name) + r" \(", text)
    return found[-1].lower() if found else None


def read_go_test(stream, errors, status, seconds=0.0, killed=""):
    """The outcome of one `go test -json PACKAGE`: its standard output and error as text, and its exit status."""
    tests, texts, whole = {}, {}, []
    package_result = None
    nothing_to_run = False
    for line in stream.splitlines():
        try:
            event = json.loads(line)
            action = event["Action"]
        except (ValueError, KeyError, TypeError):
            whole.append(line + "\n")
            continue
        name = event.get("Test")
        if action in ("output", "build-output"):
            text = event.get("Output", "")
            whole.append(text)
            if name is not None:
                texts.setdefault(name, []).append(text)
            elif text.startswith("?") and "[no test files]" in text:
                nothing_to_run = True
        elif name is None:
            if action in ("pass", "fail", "skip"):
                package_result = action
        elif action == "run":
            tests.setdefault(name, None)
        elif action in ("pass", "fail", "skip"):
            tests[name] = action
    text = "".join(whole)
    passed = status == 0 and package_result in ("pass", "skip") and not killed
    failures = {}
    for name, result in tests.items():
        said = "".join(texts.get(name, []))
        if result is None:
            result = conclusion(name, said) or ("pass" if passed else "fail")
            tests[name] = result
            if result == "fail":
                said += "\n[the test did not end]"
        if result == "fail":
            failures[name] = tail(said)

    if killed:
        end = "killed"
        failures[PACKAGE] = killed + "\n" + tail(text + errors)
    elif re.search(r"^FAIL\t\S+ \[(build|setup) failed\]", text, re.M) or (package_result is None and not tests):
        end = "build failed"
        failures[PACKAGE] = tail(text + errors) or f"exit status {status} and no output"
    elif "panic: test timed out after" in text:
        end = "timed out"
        said = text[text.index("panic: test timed out after"):]
        failures[PACKAGE] = said[:TAIL].rstrip()  # its beginning tells which test hung
    elif passed and (nothing_to_run or not tests):
        end = "no tests"
    elif passed and not failures:
        end = "ok"
    elif failures and package_result == "fail" and re.search(r"^(?!FAIL\t).*FAIL$", text, re.M):
        end = "failed"
    else:
        # No failed test explains it, or the program did not get to the end: other tests may never have run.
        end = "died"
        failures[PACKAGE] = tail(text + errors) or f"exit status {status} and no output"
    return Outcome(end, tests, failures, seconds)
