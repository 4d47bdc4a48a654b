"""From outcomes to a verdict: what is known to fail, what fails natively too, and what fails."""
from known import covered
from outcome import PACKAGE

NATIVE_RUNS = 2  # a test that failed natively only once is no proof


class Verdict:
    def __init__(self, item, outcome):
        self.item = item
        self.outcome = outcome
        self.failed = {}   # test: last words
        self.known = {}    # test: last words
        self.native = {}   # test: {"here": last words, "natively": [last words of each native run]}

    @property
    def label(self):
        if self.failed:
            return "FAIL"
        return {"no tests": "none", "excluded": "skip"}.get(self.outcome.end, "ok")

    @property
    def excused(self):
        return bool(self.known or self.native)

    def summary(self):
        outcome = self.outcome
        if outcome.end in ("no tests", "excluded"):
            return {"no tests": "built; nothing in it to run", "excluded": f"excluded: {outcome.note}"}[outcome.end]
        parts = [f"{outcome.count('pass')} passed"]
        parts += [f"{outcome.count('skip')} skipped"] if outcome.count("skip") else []
        parts += [f"{len(self.known)} known"] if self.known else []
        parts += [f"{len(self.native)} fail natively too"] if self.native else []
        parts += [f"{len(self.failed)} failed"] if self.failed else []
        parts += [] if outcome.end in ("ok", "failed") else [outcome.end]
        return ", ".join(parts)


def judge(item, outcome, known, native_outcomes):
    """`native_outcomes(item)` gives what native runs did, and is asked only if something else cannot explain a failure."""
    verdict = Verdict(item, outcome)
    entries = [entry for entry in known if entry.package == item]
    listed = [entry.test for entry in entries if not entry.hangs or entry.test in outcome.hung]
    open_tests = {}
    for test, words in outcome.failures.items():
        if covered(test, listed, outcome.failures):
            verdict.known[test] = words
        else:
            open_tests[test] = words
    if open_tests:
        # A package that fails as a whole is not excused even if it does so natively: its tests did not run.
        natives = native_outcomes(item)
        for test, words in open_tests.items():
            if test != PACKAGE and natives and all(test in native.failures for native in natives):
                verdict.native[test] = {"here": words, "natively": [native.failures[test] for native in natives]}
            else:
                verdict.failed[test] = words
    for entry in entries:
        result = outcome.tests.get(entry.test)
        # One that skips itself (for another user, say) is counted with those that do.
        if result != "skip" and (entry.test not in listed or entry.test not in outcome.failures):
            listed_as = "hanging" if entry.hangs else "known to fail"
            what = {"pass": "passed", "fail": "failed", None: "was not run"}[result]
            verdict.failed[f"{entry.test} (listed as {listed_as})"] = f"{entry.test} is listed as {listed_as}, but it {what}"
    return verdict
