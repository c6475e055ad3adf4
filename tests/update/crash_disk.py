"""Disks of crash tests: loop devices and mounts that go when the process goes, and a log of every write."""
import ctypes
import fcntl
import mmap
import os
import signal
import struct
import subprocess
import time

MIB = 1 << 20
libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, MS_REC, MS_PRIVATE, MNT_DETACH = 0x20000, 0x4000, 1 << 18, 2
LOOP_CONFIGURE, LOOP_CTL_GET_FREE, BLKFLSBUF, PR_SET_PDEATHSIG = 0x4C0A, 0x4C82, 0x1261, 1
AUTOCLEAR = 4


def check(result, what):
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def mounts_of_our_own():
    """What this process mounts from now on nobody else sees, and nothing of it outlives the process."""
    check(libc.unshare(CLONE_NEWNS), "unshare")
    check(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "mount --make-rprivate /")


def mount(device, where, kind="ext4", options=""):
    check(libc.mount(str(device).encode(), str(where).encode(), kind.encode(), 0, options.encode()), f"mount {device}")


def umount(where):
    for attempt in range(50):
        if libc.umount2(str(where).encode(), 0) == 0:
            return
        if ctypes.get_errno() != 16:
            break
        time.sleep(0.02)
    check(-1, f"umount {where}")


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Loop:
    """A loop device on a part of a file; it goes with the last descriptor or mount of it."""

    def __init__(self, path, offset=0, size=0):
        info = struct.pack("<5Q4I64s64s32s2Q", 0, 0, 0, offset, size, 0, 0, 0, AUTOCLEAR, b"", b"", b"", 0, 0)
        with open("/dev/loop-control", "rb") as control, open(path, "r+b") as file:
            for attempt in range(50):  # another process may take the free one in between
                number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
                self.path = f"/dev/loop{number}"
                self.fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
                try:
                    fcntl.ioctl(self.fd, LOOP_CONFIGURE, struct.pack("<II", file.fileno(), 0) + info + b"\0" * 64)
                    return
                except OSError as e:
                    os.close(self.fd)
                    if e.errno != 16:
                        raise
        raise RuntimeError("no loop device to be had")

    def forget(self):
        """The file changed below it: nothing that was read counts any more."""
        fcntl.ioctl(self.fd, BLKFLSBUF)

    def close(self):
        os.close(self.fd)


class Disk:
    """File systems one behind the other in a file of memory: the root, and a /boot of its own when it has a size."""

    def __init__(self, path, root, boot=0):
        self.path, self.sizes = path, [root, boot] if boot else [root]
        with open(path, "wb") as f:
            f.truncate(sum(self.sizes))
        with open(path, "r+b") as f:
            self.bytes = mmap.mmap(f.fileno(), sum(self.sizes))
        self.loops = loops_of(path, self.sizes)

    def fill(self, source):
        """While it is not mounted."""
        memoryview(self.bytes)[:] = memoryview(source)

    def forget(self):
        for loop in self.loops:
            loop.forget()

    def close(self):
        for loop in self.loops:
            loop.close()


def loops_of(path, sizes):
    return [Loop(path, sum(sizes[:i]), sizes[i]) for i in range(len(sizes))]


def make_ext4(loops, *more):
    for loop in loops:
        subprocess.run(["mkfs.ext4", "-q", "-F", "-b", "4096", "-I", "256", "-J", "size=4", "-E",
                        "lazy_itable_init=0,lazy_journal_init=0,nodiscard", *more, loop.path], check=True)


def mount_all(loops, root):
    mount(loops[0].path, root)
    if len(loops) > 1:
        os.makedirs(f"{root}/boot", exist_ok=True)
        mount(loops[1].path, f"{root}/boot")


def umount_all(root):
    for top in (f"{root}/boot", root):
        if os.path.ismount(top):
            umount(top)


class LoggedDisk:
    """A file through which every write and flush goes into a log: QEMU's blklogwrites under a FUSE export."""

    def __init__(self, place, size):
        self.place, self.size = place, size
        self.disk, self.log, self.path = place / "disk", place / "log", place / "logged"
        for path, n in ((self.disk, size), (self.log, 4096 * MIB), (self.path, 0)):
            with open(path, "wb") as f:
                f.truncate(n)
        self.daemon = subprocess.Popen(
            ["qemu-storage-daemon", "--blockdev", f"driver=file,node-name=disk,filename={self.disk}",
             "--blockdev", f"driver=file,node-name=log,filename={self.log}",
             "--blockdev", "driver=blklogwrites,node-name=logged,file=disk,log=log",
             "--export", f"type=fuse,id=export,node-name=logged,mountpoint={self.path},writable=on"],
            stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        for attempt in range(500):
            if os.path.getsize(self.path) == size:
                break
            if self.daemon.poll() is not None:
                raise RuntimeError("qemu-storage-daemon ended")
            time.sleep(0.02)
        else:
            raise RuntimeError("qemu-storage-daemon shows no disk")
        self.read = Log(self.log)

    def mark(self):
        """How many entries there are; everything that was written is among them after a sync."""
        return self.read.more()

    def close(self):
        self.daemon.terminate()
        self.daemon.wait()


class Log:
    """Entries of the format of dm-log-writes: a sector that says what, and the data behind it."""
    MAGIC, SECTOR, FLUSH, DISCARD = 0x6A736677736872, 512, 1, 4

    def __init__(self, path):
        self.file = open(path, "rb")
        self.entries = []  # (offset on the disk, length, offset in the log); a flush has the length 0
        self.at = self.SECTOR

    def more(self):
        while True:
            head = os.pread(self.file.fileno(), 32, self.at)
            sector, sectors, flags, _ = struct.unpack("<QQQQ", head)
            if sector == sectors == flags == 0:
                return len(self.entries)
            self.at += self.SECTOR
            if sectors and not flags & self.DISCARD:
                self.entries.append((sector * self.SECTOR, sectors * self.SECTOR, self.at))
                self.at += sectors * self.SECTOR
            if flags & self.FLUSH or not sectors:
                self.entries.append((0, 0, 0))

    def data(self, index, n=None):
        _, length, at = self.entries[index]
        return os.pread(self.file.fileno(), length if n is None else n, at)
