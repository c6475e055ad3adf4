#!/usr/bin/env python3
"""crash.py PROGRAM FAIL_CALLS: power cuts, kills, system calls that fail, and full disks, all of them while basalt-os
changes a small system. Without an option all that there is; the seed is fixed, so that a failure comes again."""
import argparse
import os
import shutil
import sys
import time

sys.dont_write_bytecode = True

from crash_calls import calls
from crash_full import KIB, full
from crash_kills import kills
from crash_power import power


def possible(points):
    return "not root" if os.geteuid() else "no loop devices" if not os.path.exists("/dev/loop-control") else \
        "no mkfs.ext4" if not shutil.which("mkfs.ext4") else \
        "no qemu-storage-daemon" if points and not shutil.which("qemu-storage-daemon") else \
        "no /dev/fuse" if points and not os.path.exists("/dev/fuse") else None


def main():
    p = argparse.ArgumentParser(prog="./dev crash", description=__doc__)
    p.add_argument("program")
    p.add_argument("fail_calls")
    p.add_argument("--points", type=int, help="moments of a power cut (1000)")
    p.add_argument("--kills", type=int, help="kill -9 at random moments (1000)")
    p.add_argument("--calls", type=int, help="system calls that fail or are the last, 0: all, three ways each (0)")
    p.add_argument("--full", type=int, help=f"full disks: how many amounts of room ({len(KIB)})")
    p.add_argument("--peer", action="store_true", help="power cuts of `ostree admin deploy`")
    p.add_argument("--seed", default="1")
    p.add_argument("--jobs", type=int, default=2)
    o = p.parse_args()
    everything = o.points is o.kills is o.calls is o.full is None
    if everything:
        o.points = 1000
        if not o.peer:
            o.kills, o.calls, o.full = 1000, 0, len(KIB)
    why = possible(o.points)
    if why:
        print(f"skipped: {why}")
        sys.exit(77)
    parts = [("power cuts", o.points, lambda: power(o.program, o.points, o.seed, o.jobs, o.peer)),
             ("kill -9", o.kills, lambda: kills(o.program, o.kills, o.seed)),
             ("system calls", o.calls is not None, lambda: calls(o.program, o.fail_calls, o.calls, o.seed)),
             ("full disks", o.full, lambda: full(o.program, o.full))]
    bad = 0
    for name, wanted, run in parts:
        if not wanted:
            continue
        started = time.monotonic()
        n, failed = run()
        bad += failed
        print(f"{name}: {n}, {failed} failures, seed {o.seed}, {time.monotonic() - started:.1f} s", flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
