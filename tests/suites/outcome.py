"""What one package or program did, and how `go test -json` says it."""
import json
import re

PACKAGE = "(package)"  # stands for a failure that is not a test's: the build, a crash, a time limit
TAIL = 4000
ENDS = ("no tests", "excluded", "ok", "failed", "timed out", "died", "build failed", "killed")  # the worse, the later


class Outcome:
    """`end` is one of ENDS.

    `tests` has pass, fail or skip for each test that was started; `failures` the last words of each that failed, and
    PACKAGE if the whole did not end as it should: then there may be tests that never ran. `hung` names tests that were
    run alone, because they hang, and did.
    """

    def __init__(self, end, tests=None, failures=None, seconds=0.0, note="", hung=()):
        self.end = end
        self.tests = tests or {}
        self.failures = failures or {}
        self.seconds = seconds
        self.note = note
        self.hung = list(hung)

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


def events(stream):
    """The events of `go test -json`; a line that is none counts as output of the whole."""
    for line in stream.splitlines():
        try:
            event = json.loads(line)
            event["Action"]
        except (ValueError, KeyError, TypeError):
            event = {"Action": "output", "Output": line + "\n"}
        yield event


def read_go_test(stream, errors, status, seconds=0.0, killed=""):
    """The outcome of one `go test -json PACKAGE`: its standard output and error as text, and its exit status."""
    tests, texts, whole = {}, {}, []
    package_result = None
    nothing_to_run = False
    for event in events(stream):
        action, name = event["Action"], event.get("Test")
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
    elif not passed and "panic: test timed out after" in text:  # a test may have had another do so
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


def hung_alone(outcome, test):
    """What became of a test that was run alone: as one that hung, if the time limit ended it, and nothing else is wrong."""
    if outcome.end != "timed out" or outcome.tests.get(test) != "fail" or conclusion(test, outcome.failures[test]):
        return outcome
    failures = dict(outcome.failures)
    failures[test] = failures.pop(PACKAGE)
    return Outcome("failed", outcome.tests, failures, outcome.seconds, hung=[test])


def union(outcomes):
    """One outcome of a package whose tests were run in parts."""
    made = Outcome(max((outcome.end for outcome in outcomes), key=ENDS.index))
    for outcome in outcomes:
        whole = [words for words in (made.failures.get(PACKAGE), outcome.failures.get(PACKAGE)) if words]
        made.tests.update(outcome.tests)
        made.failures.update(outcome.failures)
        if whole:
            made.failures[PACKAGE] = "\n".join(whole)
        made.seconds += outcome.seconds
        made.hung += outcome.hung
    return made
