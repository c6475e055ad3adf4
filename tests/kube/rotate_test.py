#!/usr/bin/python3
"""A rotation killed at each of its writes, and each of them failing: whatever was in use stays in use or is
replaced by the next, and the run after that ends with one pair in use and nothing left over.
usage: rotate_test.py ROTATE FAIL_CALLS"""
import os
import shutil
import subprocess
import sys
import tempfile

ROTATE, FAIL_CALLS = sys.argv[1:3]
RENEWAL = str(22 * 3600)


def rotate(directory, seconds, *more, hit=None):
    command = [ROTATE, directory, seconds, *more]
    if hit:
        command = [FAIL_CALLS, hit[0], str(hit[1]), hit[2], *command]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def state(directory, seconds):
    copy = directory + ".copy"  # looking may tidy up
    shutil.copytree(directory, copy, symlinks=True)
    answer = rotate(copy, seconds, "check").stdout.strip()
    shutil.rmtree(copy)
    return answer


def check(what, condition):
    if not condition:
        sys.exit(f"rotate_test: {what}")


def series(top, name, what):
    """A first certificate, and a renewal, each hit at its Nth call for every N."""
    total = 0
    for seconds in "0", RENEWAL:
        n = 0
        while True:
            n += 1
            directory, report = os.path.join(top, f"{name}-{seconds}-{n}"), os.path.join(top, "report")
            os.mkdir(directory)
            if seconds == RENEWAL:
                check("the first", rotate(directory, "0").returncode == 0)
            run = rotate(directory, seconds, hit=(report, n, what))
            reached = int(open(report).read().split()[0]) >= n
            label = f"{name}, call {n} at {seconds}: {run.stderr}"
            if seconds == RENEWAL:
                check(f"nothing is in use after {label}", state(directory, seconds) == "good")
            if reached and what == "KILL":
                check(f"it lives after {label}", run.returncode == 128 + 9)
            again = rotate(directory, seconds) if run.returncode else run
            check(f"no end after {label} {again.stderr}",
                  again.returncode == 0 or state(directory, seconds) == "good")
            check(f"none after {label}", state(directory, seconds) == "good")
            late = str(int(seconds) + 22 * 3600)
            check(f"the next after {label}", rotate(directory, late).returncode == 0)
            left = sorted(os.listdir(directory))
            check(f"{left} after {label}", len(left) == 3 and left[-1] == "p-current.pem")
            shutil.rmtree(directory)
            if not reached:
                break
            total += 1
    return total


def main():
    with tempfile.TemporaryDirectory(prefix="basalt-rotate-") as top:
        kills = series(top, "kill", "KILL")
        check("hardly a call was hit", kills > 20)
        failures = series(top, "full", "ENOSPC") + series(top, "io", "EIO")
        print(f"{kills} kills, {failures} failures")


main()
