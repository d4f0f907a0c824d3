"""Runs the tests of the desktop, one after another, and says how each went.

A test is a function `test_…` in one of the modules below; its docstring-free name is what it promises.
Each gets its own machine (display, session bus, home), so they pass alone and in any order.
"""

import inspect
import os
import sys
import time
import traceback

import ask_tests
import keychain_tests
import start_tests
import tray_tests
import window_tests

MODULES = (start_tests, tray_tests, window_tests, ask_tests, keychain_tests)


def tests(words: list[str]):
    """The tests whose name holds one of the words; all where there are none."""
    for module in MODULES:
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("test_") and (not words or any(word in name for word in words)):
                yield name.removeprefix("test_"), function


def main() -> int:
    if not os.access(os.environ.get("ZOS_DESKTOP", ""), os.X_OK):
        print("ZOS_DESKTOP names no binary; use tests/desktop/run", file=sys.stderr)
        return 2
    passed = failed = 0
    for name, test in tests(sys.argv[1:]):
        begun = time.monotonic()
        try:
            test()
        except Exception:
            failed += 1
            print(f"FAILED {name} ({time.monotonic() - begun:.1f} s)", flush=True)
            traceback.print_exc()
        else:
            passed += 1
            print(f"ok {name} ({time.monotonic() - begun:.1f} s)", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
