#!/usr/bin/env python3
"""crash.py PROGRAM: power cuts, kills, system calls that fail, and full disks, all of them while basalt-os changes a
small system. The seed is fixed, so that a failure comes again."""
import argparse
import os
import shutil
import sys
import time

sys.dont_write_bytecode = True

from crash_power import power


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("program")
    p.add_argument("--points", type=int, default=0, help="moments of a power cut")
    p.add_argument("--peer", action="store_true", help="of the program ostree instead")
    p.add_argument("--seed", default="1")
    p.add_argument("--jobs", type=int, default=2)
    o = p.parse_args()
    why = "not root" if os.geteuid() else "no loop devices" if not os.path.exists("/dev/loop-control") else \
          "no qemu-storage-daemon" if not shutil.which("qemu-storage-daemon") else \
          "no /dev/fuse" if not os.path.exists("/dev/fuse") else None
    if why:
        print(f"skipped: {why}")
        sys.exit(77)
    bad = 0
    if o.points:
        started = time.monotonic()
        n, failed = power(o.program, o.points, o.seed, o.jobs, o.peer)
        bad += failed
        print(f"power cuts: {n} points, {failed} failures, seed {o.seed}, {time.monotonic() - started:.1f} s")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
