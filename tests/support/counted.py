"""The end of every Python test script: run its unittest cases, then say how many passed and failed."""
import sys
import unittest


def main():
    """Runs the cases of the script that is being run. The last line is `N passed, N failed`, which tests/run.py adds up.

    Exits with 0 if all passed, and with 1 if one failed or there was none. A skipped case counts as neither.
    """
    result = unittest.main(exit=False).result
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    passed = result.testsRun - failed - len(result.skipped)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)
