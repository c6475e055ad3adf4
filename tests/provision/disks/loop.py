"""Loop devices on sparse files of a test's own directory, and what is on them. A test that cannot have loop
devices is skipped (exit 77) with the reason."""
import ctypes
import fcntl
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

MIB = 1 << 20
BLKPG, BLKPG_ADD_PARTITION, BLKPG_DEL_PARTITION = 0x1269, 1, 2


def output(*argv, check=True, **more):
    return subprocess.run([str(a) for a in argv], check=check, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **more).stdout


def partition_tell(disk, what, number, first=0, sectors=0):
    """The kernel learns of a partition, or forgets it."""
    entry = struct.pack("@qqi64s64s", first * 512, sectors * 512, number, b"", b"")
    buffer = ctypes.create_string_buffer(entry.ljust(152, b"\0"))
    fd = os.open(disk, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, BLKPG, struct.pack("@iiiP", what, 0, len(buffer), ctypes.addressof(buffer)))
    finally:
        os.close(fd)


def partitions_forget(disk):
    """Those that somebody left behind on the device that is now ours."""
    name = os.path.basename(disk)
    for partition in pathlib.Path(f"/sys/block/{name}").glob(f"{name}p*"):
        partition_tell(disk, BLKPG_DEL_PARTITION, int(partition.name[len(name) + 1:]))


def skip_unless_possible():
    why = "not root" if os.geteuid() else "no loop devices" if not os.path.exists("/dev/loop-control") else None
    if why:
        print(f"skipped: {why}")
        sys.exit(77)


class DisksTest(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="basalt-disks-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def attach(self, image, *options):
        for attempt in range(20):  # another test may take the free one in between
            p = subprocess.run(["losetup", "--find", "--show", *options, image], text=True, capture_output=True)
            if p.returncode == 0:
                device = p.stdout.strip()
                self.addCleanup(subprocess.run, ["losetup", "--detach", device], capture_output=True)
                partitions_forget(device)
                return device
        self.fail(p.stderr)

    def loop(self, mib=320, *options):
        image = self.dir / f"disk{len(list(self.dir.glob('disk*')))}"
        with open(image, "wb") as f:
            f.truncate(mib * MIB)
        return self.attach(image, *options)

    def partition(self, disk, label, guid, first=2048, sectors=700000):
        """One of a new table, told to the kernel, which cannot read tables itself; its node is left to others."""
        output("sgdisk", "--clear", f"--new=1:{first}:{first + sectors - 1}", f"--change-name=1:{label}",
               f"--partition-guid=1:{guid}", disk)
        partition_tell(disk, BLKPG_ADD_PARTITION, 1, first, sectors)
        name = f"{disk}p1"
        self.addCleanup(lambda: os.path.exists(name) and os.unlink(name))
        self.addCleanup(partition_tell, disk, BLKPG_DEL_PARTITION, 1)
        return name

    def image_of(self, device):
        return pathlib.Path(output("losetup", "--noheadings", "--output", "BACK-FILE", device).strip())

    def probe(self, device):
        """TYPE, LABEL, UUID … as libblkid's own program has them."""
        text = output("blkid", "--probe", "--output", "export", device, check=False)
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def config(self, **storage):
        return {"ignition": {"version": "3.4.0"}, "storage": storage}

    def config_write(self, config):
        path = self.dir / "config.ign"
        path.write_text(json.dumps(config, indent=1))
        return path

    def mounted(self, device, format):
        """The device, mounted; unmounted at the end of the test at the latest."""
        place = self.dir / "mnt"
        place.mkdir(exist_ok=True)
        output("mount", "-t", format, device, place)
        self.addCleanup(subprocess.run, ["umount", place], capture_output=True)
        return place


def check_filesystem(format, device):
    """None, or what the format's own checker has to say."""
    argv = {"ext4": ["e2fsck", "-fn"], "xfs": ["xfs_repair", "-n"], "btrfs": ["btrfs", "check", "--readonly"],
            "vfat": ["fsck.fat", "-n"], "swap": ["true"]}[format]
    p = subprocess.run([*argv, device], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return None if p.returncode == 0 else p.stdout
