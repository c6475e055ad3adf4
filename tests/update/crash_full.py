"""Full disks: a change with every so much room on the root and on /boot. It says how much is missing, and leaves the
system and the usage of the disks as they were; with room again it succeeds."""
import os
import re
import shutil

from crash_calls import Bench
from crash_disk import scratch, umount_all
from crash_system import need

KIB = (0, 16, 64, 128, 256, 512, 768, 1024, 1280, 1536, 2048, 2560, 3072, 4096, 4608, 5120, 6144, 8192)
INODES = (0, 5, 20, 60, 100, 200)
WHERE = (("root", "filler"), ("/boot", "boot/filler"))
CHANGES = (["upgrade"], ["upgrade", "--stage"], ["kargs", "--append-if-missing=one"], ["rollback"], ["cleanup", "--rollback"])


def usage(root):
    out = []
    for top in (root, root / "boot"):
        fd = os.open(top, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)
        v = os.statvfs(top)
        out += [v.f_bfree * v.f_frsize, v.f_ffree]
    # Directories of the repository's objects are made once and stay, 256 at most.
    n = len(os.listdir(root / "ostree/repo/objects"))
    return [out[0] + n * 4096, out[1] + n, *out[2:]]


def fill(path, leave):
    """A file of all the room but so many bytes."""
    v = os.statvfs(path.parent)
    n = v.f_bfree * v.f_frsize - leave
    with open(path, "wb") as f:
        while n > 0:  # blocks of the file's own map count as well
            try:
                os.posix_fallocate(f.fileno(), 0, n)
                break
            except OSError:
                n -= 4096


def fill_inodes(directory, leave):
    directory.mkdir()
    for i in range(os.statvfs(directory).f_ffree - leave):
        (directory / str(i)).touch()


def one(bench, words, before):
    """True: it fitted."""
    filled = usage(bench.root)
    done = bench.program.tried(*words)
    said = done.stderr.strip()
    if done.returncode == 0:
        return True
    need(done.returncode == 1 and said.count("\n") == 0, f"exits with {done.returncode}: {said!r}")
    need(re.search(r"\d+ (MiB|kB|inodes)", said), f"no numbers: {said!r}")
    need("No space left" in said or "free" in said or " left" in said, f"does not say why: {said!r}")
    bench.looked_at([before, *([before[:1]] if words[0] == "cleanup" else [])])
    left = usage(bench.root)
    need(all(b - a <= (8192 if b > 65536 else 0) for a, b in zip(left, filled)), f"something is left behind: {filled} became {left} after {said!r}")
    return False


def full(program, levels):
    """(tries, failures); with so many of KIB, evenly."""
    tries = bad = 0
    sizes = [KIB[i * len(KIB) // levels] for i in range(min(levels, len(KIB)))]
    with scratch() as place:
        bench = Bench(program, place, "-m", "0", "-N", "2000")
        bench.restore()
        bench.program.publish(2)
        bench.program.run("upgrade")
        bench.program.publish(3)
        umount_all(bench.root)
        bench.save()
        for words in CHANGES:
            for what, name in (*WHERE, ("inodes", "inodes")):
                fitted = []
                for leave in INODES[:levels] if what == "inodes" else [k << 10 for k in sizes]:
                    bench.restore()
                    before = bench.learn()
                    path = bench.root / name
                    fill_inodes(path, leave) if what == "inodes" else fill(path, leave)
                    tries += 1
                    try:
                        if one(bench, words, before):
                            fitted.append(leave)
                            bench.learn()
                        else:
                            shutil.rmtree(path) if what == "inodes" else path.unlink()
                            bench.program.run(*words)
                            bench.learn()
                    except Exception as e:
                        bad += 1
                        print(f"  {' '.join(words)}, {leave} left on {what}: {e}", flush=True)
                unit = "inodes" if what == "inodes" else "bytes"
                print(f"full {what}: {' '.join(words)} fits in {min(fitted) if fitted else '-'} {unit}", flush=True)
        umount_all(bench.root)
    return tries, bad
