"""System calls that fail, and a kill at each: every call of a change that writes to a disk is hit once. What failed has
one line to say and leaves the old system, or the new one where it was in force already; a second run succeeds."""
import mmap
import os
import random
import time

from crash_disk import MIB, Disk, make_ext4, mount_all, scratch, umount_all
from crash_system import Knowledge, Program, grub_view, kernel_view, need, resolve
from ext4_raw import Ext4

ROOT, BOOT = 56 * MIB, 24 * MIB
WAYS = ("EIO", "ENOSPC", "KILL")


class Bench:
    """A system on two file systems, to be put back to how it was as often as needed."""

    def __init__(self, program, place, *mkfs):
        self.place, self.root = place, place / "root"
        self.root.mkdir()
        self.disk = Disk(place / "disk", ROOT, BOOT)
        make_ext4(self.disk.loops, *mkfs)
        self.program = Program(program, place, self.root)
        self.knowledge = Knowledge()
        self.mounted()
        self.program.begin()
        umount_all(self.root)
        self.saved = mmap.mmap(-1, ROOT + BOOT)
        self.save()

    def mounted(self):
        self.disk.forget()
        mount_all(self.disk.loops, self.root)

    def save(self):
        memoryview(self.saved)[:] = memoryview(self.disk.bytes)

    def restore(self):
        umount_all(self.root)
        self.disk.fill(self.saved)
        self.mounted()

    def learn(self):
        entries = kernel_view(self.root)
        self.knowledge.learn(entries)
        return [e.what for e in entries]

    def looked_at(self, allowed):
        """With both pairs of eyes; which of the allowed lists it is."""
        entries = kernel_view(self.root)
        self.knowledge.whole(entries)
        now = [e.what for e in entries]
        need(now in allowed, f"boots {now}, none of {allowed}")
        seen = grub_view(Ext4(self.disk.bytes, ROOT))
        self.knowledge.whole(seen, "GRUB")
        for e in seen:
            e.deployment = resolve(self.root, e.link)
            need(os.path.isdir(self.root / e.deployment), f"GRUB: {e.deployment} is not there")
        return allowed.index(now)


class Change:
    """A verb, from a certain state, with what it leads to."""

    def __init__(self, bench, name, words, version=0, before=()):
        self.bench, self.name, self.words = bench, name, words
        bench.restore()
        if version:
            bench.program.publish(version)
        for earlier in before:
            bench.program.run(*earlier)
        self.before = bench.learn()
        umount_all(bench.root)
        self.start = mmap.mmap(-1, ROOT + BOOT)
        memoryview(self.start)[:] = memoryview(bench.disk.bytes)
        report, done = self.run(0, "EIO")
        need(done.returncode == 0, f"{name}: {done.stderr}")
        self.count = int(report.split()[0])
        self.after = bench.learn()

    def run(self, number, way):
        bench = self.bench
        umount_all(bench.root)
        bench.disk.fill(self.start)
        bench.mounted()
        report = bench.place / "report"
        report.unlink(missing_ok=True)
        done = bench.program.tried(*self.words, before=(FAIL_CALLS, report, str(number), way))
        need(not bench.program.thaw(), "a file system was left frozen")
        return report.read_text() if report.exists() else "", done

    def hit(self, number, way):
        """The call and how it ended: "failed", "killed", or "went on"."""
        bench = self.bench
        report, done = self.run(number, way)
        count, call = report.split()
        if call == "-":
            return None, "not reached"
        which = bench.looked_at([self.before, self.after])
        said = done.stderr.strip()
        if way == "KILL":
            need(done.returncode == 137, f"{call}: killed, and exits with {done.returncode}: {said}")
            end = "killed"
        elif done.returncode == 0:
            need(which == 1 or self.before == self.after, f"{call}: exits with 0, and nothing happened")
            end = "went on"
        else:
            need(done.returncode == 1, f"{call}: exits with {done.returncode}: {said}")
            need(said.count("\n") == 0 and said.startswith("basalt-os "), f"{call}: not one line: {said!r}")
            text = "Input/output error" if way == "EIO" else "No space left on device"
            need(text in said, f"{call}: does not say why: {said!r}")
            end = "failed"
        again = bench.program.tried(*self.words)
        nothing = self.name == "rollback" and which == 1  # a second one goes back
        need(again.returncode == 0, f"{call}: the second run exits with {again.returncode}: {again.stderr}")
        bench.looked_at([self.before] if nothing else [self.after, *([self.twice()] if "kargs" in self.name and which else [])])
        bench.program.run("cleanup", "--objects")
        bench.program.run("verify", "--repository")
        need(not (bench.root / "ostree/repo/tmp/basalt-import").exists(), "something is left in repo/tmp")
        return call, end

    def twice(self):
        """Kernel arguments once more make one more deployment."""
        return [e.what for e in kernel_view(self.bench.root)]


def changes(bench):
    yield Change(bench, "upgrade", ["upgrade"], 2)
    yield Change(bench, "stage", ["upgrade", "--stage"], 3)
    yield Change(bench, "finalize", ["finalize"], 3, [["upgrade", "--stage"]])
    yield Change(bench, "kargs", ["kargs", "--append-if-missing=one"])
    yield Change(bench, "rollback", ["rollback"], 2, [["upgrade"]])
    yield Change(bench, "cleanup", ["cleanup", "--rollback", "--objects"], 2, [["upgrade"]])


def calls(program, fail_calls, limit, seed):
    """(tries, failures); at most `limit` of them, 0: all."""
    global FAIL_CALLS
    FAIL_CALLS = str(fail_calls)
    tries = bad = 0
    with scratch() as place:
        bench = Bench(program, place)
        for change in changes(bench):
            started = time.monotonic()
            todo = [(n, way) for n in range(1, change.count + 1) for way in WAYS]
            if limit:
                todo = sorted(random.Random(f"{seed}{change.name}").sample(todo, min(len(todo), limit // 6)))
            ends, on, failures = {}, {}, 0
            for number, way in todo:
                try:
                    call, end = change.hit(number, way)
                    ends[end] = ends.get(end, 0) + 1
                    if end == "went on":
                        on[call] = on.get(call, 0) + 1
                except Exception as e:
                    failures += 1
                    if failures <= 12:
                        print(f"  {change.name}, call {number}, {way}: {e}", flush=True)
            tries, bad = tries + len(todo), bad + failures
            print(f"calls of {change.name}: {change.count} write; {len(todo)} tries, {failures} failures, "
                  f"{', '.join(f'{v} {k}' for k, v in sorted(ends.items()))}"
                  f"{f' (after {on})' if on else ''}, {time.monotonic() - started:.1f} s", flush=True)
        umount_all(bench.root)
    return tries, bad
