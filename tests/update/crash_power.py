"""Power cuts: every write of a series of updates is logged, and the disk of many moments is built again from the log:
as it was when a flush returned, in the middle, and torn, with some of what no flush had made safe missing. Each is
looked at with a boot loader's eyes, then mounted, looked at with the kernel's, and worked on."""
import bisect
import collections
import mmap
import multiprocessing
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import time

from crash_disk import MIB, Disk, Log, LoggedDisk, loops_of, make_ext4, mount_all, mounts_of_our_own, umount_all
from crash_system import Broken, Knowledge, Program, grub_view, kernel_view, need, resolve, tree_lines
from ext4_raw import Ext4

ROOT, BOOT, BLOCK = 56 * MIB, 24 * MIB, 4096
UPGRADE_EVERY, COMPARE_EVERY = 8, 40
OURS = [("upgrade", 2), ("upgrade --stage", 3), ("finalize", 0), ("rollback", 0), ("kargs --append=one", 0),
        ("cleanup --rollback --objects", 0), ("upgrade", 4)]
THEIRS = [("deploy", 0)]

Step = collections.namedtuple("Step", "name first before after")  # of the log's entries; what boots before, behind
Point = collections.namedtuple("Point", "base extra kind")  # entries that are there wholly; some more: (entry, bytes)


class Scene:
    """A disk with the root and, `apart`, a /boot of its own; its log; what happened when."""

    def __init__(self, program, place, apart, theirs):
        self.place, self.apart, self.theirs = place, apart, theirs
        self.sizes = [ROOT, BOOT] if apart else [ROOT]
        self.knowledge, self.steps = Knowledge(), []
        place.mkdir()
        self.layout_place = place / "images"
        self.layout_place.mkdir()
        self.root = place / "root"
        self.root.mkdir()
        self.logged = LoggedDisk(place, sum(self.sizes))
        self.program = Program(program, self.layout_place, self.root)

    def synced(self):
        for top in [self.root, *([self.root / "boot"] if self.apart else [])]:
            fd = os.open(top, os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)
        subprocess.run(["sync", "-f", self.root], check=True)
        subprocess.run(["sync", "-f", self.root / "boot"], check=True)
        return self.logged.mark()

    def step(self, words, version):
        before = kernel_view(self.root)
        self.knowledge.learn(before)
        first = self.logged.mark()
        if version:
            self.program.publish(version)
        if self.theirs:
            subprocess.run(["ostree", "admin", "deploy", f"--sysroot={self.root}", "--os=basalt", self.theirs], check=True,
                           stdout=subprocess.DEVNULL)
        else:
            verb, *options = words.split()
            self.program.run(verb, *options)
        self.logged.mark()
        after = kernel_view(self.root)
        self.knowledge.learn(after)
        self.steps.append(Step(words, first, [e.what for e in before], [e.what for e in after]))

    def record(self):
        loops = loops_of(self.logged.path, self.sizes)
        make_ext4(loops)
        mount_all(loops, self.root)
        self.program.begin()
        if self.theirs:
            self.program.publish(2)
            self.program.run("switch", self.program.image)
            self.theirs = self.program.status()["deployments"][0]["checksum"]
            self.program.run("rollback")
            self.program.run("cleanup", "--rollback")
        self.synced()
        umount_all(self.root)
        mount_all(loops, self.root)
        self.start = self.synced()
        for words, version in (THEIRS if self.theirs else OURS):
            self.step(words, version)
        self.end = self.synced()
        umount_all(self.root)
        for loop in loops:
            loop.close()
        self.logged.close()
        self.entries = self.logged.read.entries[:self.end]
        self.logged = None

    def step_of(self, n):
        """The one that was going on when n entries had been written."""
        return self.steps[max(0, bisect.bisect_right([s.first for s in self.steps], n - 1) - 1)]


# ---- points ----

def torn(rng, entries, flush, cut):
    """Since the flush before the cut: half of the writes at random, or all but one, or only one; one time in four one
    of them ends in its middle. What has the size of a block is there or not: ext4 itself counts on that, its
    superblock has one checksum and no copy that a mount would look for."""
    open_ = [i for i in range(flush, cut) if entries[i][1]]
    how = rng.randrange(4)
    if how == 0:
        kept = [rng.choice(open_)]
    elif how == 1:
        lost = rng.choice(open_)
        kept = [i for i in open_ if i != lost]
    else:
        kept = [i for i in open_ if rng.random() < 0.5]
    extra = [[i, entries[i][1]] for i in kept]
    if extra and rng.randrange(4) == 0:
        one = rng.choice(extra)
        one[1] = BLOCK * rng.randrange(max(1, one[1] // BLOCK))
    return tuple((i, n) for i, n in extra)


def points_make(scene, n, rng):
    """Half of them torn. Of the whole ones each flush first, then moments in between."""
    entries, whole = scene.entries, n - n // 2
    flushes = [i + 1 for i in range(scene.start, scene.end) if not entries[i][1]]
    bases = [scene.start, *flushes]
    between = [i for i in range(scene.start + 1, scene.end) if i not in set(flushes)]
    take = flushes if len(flushes) <= whole else sorted(rng.sample(flushes, whole))
    out = [Point(i, (), "flush") for i in take]
    more = min(whole - len(out), len(between))
    out += [Point(i, (), "order") for i in sorted(rng.sample(between, more))]
    spans = [(a, b) for a, b in zip(bases, [*flushes, scene.end]) if any(entries[i][1] for i in range(a, b))]
    while len(out) < n:
        flush, after = rng.choice(spans)
        writes = [i for i in range(flush, after) if entries[i][1]]
        cut = rng.choice(writes) + 1 if rng.randrange(2) else after
        out.append(Point(flush, torn(rng, entries, flush, cut), "torn"))
    return sorted(out)


# ---- a worker: builds points, one after the other, and looks ----

class Worker:
    def __init__(self, scene, number):
        mounts_of_our_own()
        self.scene, self.number = scene, number
        self.place = scene.place / f"worker{number}"
        self.place.mkdir()
        self.root = self.place / "root"
        self.root.mkdir()
        self.log = Log(scene.place / "log")
        self.log.entries = scene.entries
        self.prefix, self.applied = mmap.mmap(-1, sum(scene.sizes)), 0
        self.disk = Disk(self.place / "disk", *scene.sizes)
        self.program = Program(scene.program.program, scene.layout_place, self.root)
        self.compared = 0

    def build(self, point):
        for i in range(self.applied, point.base):
            where, n, _ = self.log.entries[i]
            self.prefix[where:where + n] = self.log.data(i)
        self.applied = point.base
        self.disk.fill(self.prefix)
        for i, n in point.extra:
            where = self.log.entries[i][0]
            self.disk.bytes[where:where + n] = self.log.data(i, n)
        self.disk.forget()

    def raw(self):
        return Ext4(self.disk.bytes, ROOT if self.scene.apart else 0)

    def grub(self):
        entries = grub_view(self.raw())
        self.scene.knowledge.whole(entries, "GRUB")
        return entries

    def compare(self, entries):
        """Our reader has to see what GRUB's own code sees."""
        image = self.place / "disk"
        if self.scene.apart:
            image = self.place / "boot"
            image.write_bytes(self.disk.bytes[ROOT:ROOT + BOOT])
        top = "" if self.scene.apart else "/boot"
        for e in entries:
            for part in ("linux", "initrd"):
                path = top + e.conf[part]
                theirs = subprocess.run(["grub-fstest", image, "cat", path], capture_output=True)
                need(theirs.returncode == 0 and theirs.stdout == self.raw().read(path), f"grub-fstest sees another {path}: {theirs.stderr}")
        self.compared += 1

    def look(self, number, point):
        scene, step = self.scene, self.scene.step_of(point.base + (len(point.extra) > 0))
        allowed = [step.before, step.after]
        seen = self.grub()
        if number % COMPARE_EVERY == 0 and shutil.which("grub-fstest"):
            self.compare(seen)
        mount_all(self.disk.loops, self.root)
        entries = kernel_view(self.root)
        scene.knowledge.whole(entries)
        was = [e.what for e in entries]
        need(was in allowed, f"kernel: boots {was}, neither {step.before} nor {step.after}")
        self.follow(seen, allowed, entries)
        self.kept()
        if scene.theirs:
            return was == step.after
        self.work(number, was)
        return was == step.after

    def follow(self, seen, allowed, entries):
        """What GRUB would start has to be there when the kernel has replayed the journal."""
        trees = {e.deployment: e for e in entries}
        for e in seen:
            try:
                e.deployment = resolve(self.root, e.link)
            except Broken as why:
                raise Broken(f"GRUB starts {e.conf['title']}, and {why}")
            if e.deployment in trees:
                continue
            e.tree = tree_lines(f"{self.root}/{e.deployment}", {})
            self.scene.knowledge.tree_whole(e)
        now = [e.what for e in seen]
        need(now in allowed, f"GRUB: boots {now}, neither of {allowed}")

    def kept(self):
        data = self.root / "ostree/deploy/basalt/var/data"
        need(data.exists() and data.read_text() == "data\n", "/var lost data")

    def work(self, number, was):
        """The next run finds its way, and what it removes was wanted by nobody."""
        problems = [p for p in self.program.status().get("problems", []) if p.get("severity") == "error"]
        need(not problems, f"status: {problems}")
        self.program.run("verify", "--repository")
        self.program.run("cleanup")
        after = kernel_view(self.root)
        self.scene.knowledge.whole(after)
        need([e.what for e in after] == was, f"cleanup changed what boots: {after}")
        seen = self.grub()
        for e in seen:
            e.deployment = resolve(self.root, e.link)
        need([e.what for e in seen] == was, "GRUB: after a cleanup it boots something else")
        self.kept()
        if number % UPGRADE_EVERY == 0:
            self.program.run("upgrade")
            version = self.program.status()["deployments"][0]["version"]
            need(version == "4", f"upgraded to {version}")
            for e in grub_view(self.raw())[:1]:
                need(resolve(self.root, e.link) == kernel_view(self.root)[0].deployment, "GRUB: an upgrade it does not see")

    def one(self, number, point):
        """(is it the new system?, what is wrong)."""
        try:
            self.build(point)
            new = self.look(number, point)
            failure = None
        except Exception as e:  # whatever it is, it belongs to this point
            new, failure = False, f"{type(e).__name__}: {e}" if not isinstance(e, Broken) else str(e)
        umount_all(self.root)
        return new, failure


def work(job):
    scene, number, points = job
    worker = Worker(scene, number)
    out = [(i, point, *worker.one(i, point)) for i, point in points]
    return out, worker.compared


# ---- all of it ----

def scene_run(program, place, apart, theirs, n, seed, jobs):
    started = time.monotonic()
    scene = Scene(program, place, apart, theirs)
    scene.record()
    recorded = time.monotonic() - started
    rng = random.Random(f"{seed}{apart}")
    points = list(enumerate(points_make(scene, n, rng)))
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        shares = pool.map(work, [(scene, i, points[i::jobs]) for i in range(jobs)], chunksize=1)
    results = [r for share, _ in shares for r in share]
    compared = sum(c for _, c in shares)
    failures = [r for r in results if r[3]]
    writes = [e for e in scene.entries[scene.start:scene.end] if e[1]]
    print(f"/boot {'apart' if apart else 'on the root'}: {len(writes)} writes of {sum(e[1] for e in writes) / MIB:.1f} MiB, "
          f"{scene.end - scene.start - len(writes)} flushes, recorded in {recorded:.1f} s; "
          f"{len(results)} points, {sum(r[1].kind == 'torn' for r in results)} torn, {len(failures)} failures, "
          f"{sum(r[2] for r in results)} on the new system, {compared} compared with grub-fstest, "
          f"{time.monotonic() - started:.1f} s", flush=True)
    for number, point, _, failure in failures[:20]:
        extra = f" and {len(point.extra)} of the next {1 + point.extra[-1][0] - point.base}" if point.extra else ""
        print(f"  point {number} ({point.kind}, {point.base} entries{extra}, during `{scene.step_of(point.base).name}`): {failure}")
    shutil.rmtree(place)
    return len(results), len(failures)


def power(program, points, seed, jobs, theirs=False):
    """(points, failures)."""
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    place = pathlib.Path(tempfile.mkdtemp(prefix="basalt-crash-", dir=where))
    mounts_of_our_own()
    total = bad = 0
    try:
        for apart in (False, True):
            n, failed = scene_run(program, place / "scene", apart, theirs, points // 2, seed, jobs)
            total, bad = total + n, bad + failed
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return total, bad
