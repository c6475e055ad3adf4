#!/usr/bin/env python3
"""Partition tables on image files and loop devices: what is read is what sgdisk and sfdisk read, damage is told apart,
what is written they find sound, what was not meant stays to the bit, and wherever the writing is cut off (refused,
killed, or with any part of what was not flushed yet on the disk) the next run ends with the same table."""
import json
import os
import pathlib
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

DRIVER, NOSLEEP = (str(pathlib.Path(sys.argv.pop(1)).resolve()) for _ in range(2))
MIB, SECTOR = 1 << 20, 512
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # flushing costs nothing there
LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
ENV = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"}


def run(*command, code=0, text=None):
    env = {**ENV, "LD_PRELOAD": NOSLEEP if command[0] in ("sgdisk", "sfdisk") else ""}
    p = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       env=env, check=False, **({"input": text} if text else {"stdin": subprocess.DEVNULL}))
    if code is not None and p.returncode != code:
        raise AssertionError(f"{command}: {p.returncode} instead of {code}\n{p.stdout}")
    return p.stdout


def shown(path, sector=SECTOR):
    return run(DRIVER, "--sector-size", sector, "show", path)


def table(path, sector=SECTOR):
    """number -> (start, size, label, type, guid, attributes)"""
    found = {}
    for line in shown(path, sector).splitlines():
        m = re.fullmatch(r"partition (\d+) (\d+) (\d+) '(.*)' (\S+) (\S+) (\S+)", line)
        if m:
            found[int(m[1])] = (int(m[2]), int(m[3]), m[4], m[5], m[6], int(m[7], 0))
    return found


def kind(path):
    return re.search(r"^table (.*)$", shown(path), re.M)[1]


def by_sfdisk(path):
    """The same by sfdisk."""
    bits = {"RequiredPartition": 0, "NoBlockIOProtocol": 1, "LegacyBIOSBootable": 2}
    found = {}
    for p in json.loads(run("sfdisk", "--json", path))["partitiontable"]["partitions"]:
        attributes = 0
        for word in p.get("attrs", "").split():
            for bit in [bits[word]] if word in bits else [int(b) for b in word.removeprefix("GUID:").split(",")]:
                attributes |= 1 << bit
        number = int(re.search(r"(\d+)$", p["node"])[1])
        found[number] = (p["start"], p["size"], p.get("name", ""), p["type"], p["uuid"], attributes)
    return found


def by_sgdisk(path, number):
    said = run("sgdisk", f"--info={number}", path)

    def one(form):
        return re.search(form, said)[1]
    start, end = int(one(r"First sector: (\d+)")), int(one(r"Last sector: (\d+)"))
    return (start, end - start + 1, one(r"Partition name: '(.*)'"), one(r"GUID code: (\S+)"),
            one(r"unique GUID: (\S+)"), int(one(r"Attribute flags: (\S+)"), 16))


class Tables(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="basalt-table-", dir=MEMORY))
        self.image = self.dir / "disk.img"
        self.loops = []

    def tearDown(self):
        for device in self.loops:
            run(DRIVER, "detach", device)
        shutil.rmtree(self.dir)

    def blank(self, mib=100):
        self.image.write_bytes(b"")
        os.truncate(self.image, mib * MIB)

    def some(self):
        """A disk that others made: three partitions, an attribute, names of all sorts."""
        self.blank()
        run("sgdisk", "--new=1:2048:+20480", "--change-name=1:größe mit 'Haken'", "--typecode=1:EF00",
            "--attributes=1:set:2", "--attributes=1:set:63", "--new=9:40960:+2047", "--change-name=9:😀 odd",
            "--new=3:61440:+40960", "--partition-guid=3:abcdefab-1111-4222-8333-123456789abc", self.image)

    def loop(self, sector=SECTOR):
        device = run(DRIVER, "--sector-size", sector, "attach", self.image).strip()
        self.loops.append(device)
        return device

    def config(self, disk, device=None):
        path = self.dir / "config.ign"
        path.write_text(json.dumps({"ignition": {"version": "3.3.0"},
                                    "storage": {"disks": [{"device": str(device or self.image), **disk}]}}))
        return path

    def apply(self, disk, device=None, code=0, options=()):
        return run(DRIVER, *options, "apply", self.config(disk, device), code=code)

    def poke(self, offset, data):
        with open(self.image, "r+b") as f:
            f.seek(offset if offset >= 0 else self.image.stat().st_size + offset)
            f.write(data)

    def peek(self, offset, n):
        with open(self.image, "rb") as f:
            f.seek(offset if offset >= 0 else self.image.stat().st_size + offset)
            return f.read(n)

    def sound(self, path=None):
        said = run("sgdisk", "--verify", path or self.image)
        self.assertIn("No problems found", said)
        self.assertNotIn("Caution: invalid", said)
        self.assertIn("No errors detected", run("sfdisk", "--verify", path or self.image))

    # ---- reading ----

    def test_reads_as_others_do(self):
        self.some()
        self.assertEqual(kind(self.image), "gpt")
        ours, theirs = table(self.image), by_sfdisk(self.image)
        self.assertEqual(ours, theirs)
        for number in (1, 3):
            self.assertEqual(ours[number], by_sgdisk(self.image, number))
        self.assertEqual(shown(self.dir / "not-there"), "absent\n")

    def test_reads_large_sectors(self):
        self.blank()
        device = self.loop(4096)
        run("sgdisk", "--new=1:256:+2560", "--change-name=1:one", "--new=2:0:0", device)
        self.assertEqual(table(device), by_sfdisk(device))
        self.assertEqual(table(device)[1][:3], (256, 2560, "one"))
        self.assertEqual(table(self.image, 4096), table(device))
        self.assertEqual(table(self.image), {})  # not what it is

    def test_damage(self):
        mend, zero = "gpt 'the table was damaged and is taken from its backup'", b"\0" * 512
        backup = "gpt 'the backup of the table was damaged or missing'"
        for name, pokes, expected in [
                ("sound", [], "gpt"),
                ("primary header", [(512 + 40, b"\xff")], mend),
                ("primary header is gone", [(512, zero)], mend),
                ("primary entries", [(1024 + 56, b"x")], mend),
                ("backup header", [(-512 + 16, b"x")], backup),
                ("backup header is gone", [(-512, zero)], backup),
                ("backup entries", [(-33 * 512 + 56, b"x")], backup),
                ("both headers", [(512 + 16, b"x"), (-512 + 16, b"x")], "damaged 'its checksum is wrong'"),
                ("both headers are gone", [(512, zero), (-512, zero)], "damaged"),
                ("primary header, backup entries", [(512 + 16, b"x"), (-33 * 512, b"x")], "damaged 'its checksum is wrong'"),
                ("no protective MBR", [(0, zero)], "gpt 'the protective MBR was missing'"),
                ("no protective MBR, primary damaged", [(0, zero), (1024, b"x")], mend),
                ("a backup that was left over", [(0, zero), (512, zero)], "none"),
                ("nothing but a damaged header", [(0, zero), (512 + 16, b"x"), (-512, zero)],
                 "damaged 'its checksum is wrong'"),
                ("a DOS table over it", [(446, b"\0\0\0\0\x83\0\0\0\0\x08\0\0\0\x08\0\0")], "dos"),
                ("a hybrid", [(462, b"\0\0\0\0\x83\0\0\0\0\x08\0\0\0\x08\0\0")], "gpt"),
        ]:
            with self.subTest(name):
                self.some()
                before = table(self.image)
                for offset, data in pokes:
                    self.poke(offset, data)
                self.assertEqual(kind(self.image), expected)
                if expected.startswith("gpt"):
                    self.assertEqual(table(self.image), before)
                    self.apply({"partitions": [{"number": 1}]})
                    self.assertEqual(kind(self.image), "gpt")
                    self.assertEqual(table(self.image), before)
                    if name != "a hybrid":
                        self.sound()
                elif expected != "none":
                    whole = self.image.read_bytes()
                    self.apply({"partitions": [{"number": 2, "sizeMiB": 1}]}, code=3)
                    self.assertEqual(self.image.read_bytes(), whole)
                self.apply({"wipeTable": True, "partitions": [{"number": 2, "sizeMiB": 1}]})
                self.assertEqual({n: p[:2] for n, p in table(self.image).items()}, {2: (2048, 2048)})
                self.sound()

    def test_backup_of_another_table(self):
        self.some()
        old = self.peek(-33 * 512, 33 * 512)
        self.apply({"partitions": [{"number": 9, "shouldExist": False, "wipePartitionEntry": True}]})
        before = table(self.image)
        self.poke(-33 * 512, old)
        self.assertEqual(kind(self.image), "gpt 'the backup of the table was that of another one'")
        self.apply({"partitions": [{"number": 1}]})
        self.assertEqual((kind(self.image), table(self.image)), ("gpt", before))
        self.sound()

    def test_disk_that_grew(self):
        self.some()
        before = table(self.image)
        os.truncate(self.image, 200 * MIB)
        self.assertEqual((kind(self.image), table(self.image)), ("gpt", before))
        self.apply({"partitions": [{"number": 3, "sizeMiB": 0, "resize": True}]})
        self.assertEqual(table(self.image)[3][:2], (61440, 200 * 2048 - 34 - 61440 + 1))
        self.sound()

    def header(self, **fields):
        """The primary header with other fields and a right checksum."""
        places = {"size": (12, "<I"), "entries": (72, "<Q"), "n": (80, "<I"), "entry_size": (84, "<I"), "first": (40, "<Q"),
                  "last": (48, "<Q"), "alternate": (32, "<Q"), "my": (24, "<Q")}
        h = bytearray(self.peek(512, 512))
        for name, value in fields.items():
            struct.pack_into(places[name][1], h, places[name][0], value)
        size = min(struct.unpack_from("<I", h, 12)[0], 512)
        h[16:20] = b"\0" * 4
        h[16:20] = struct.pack("<I", zlib.crc32(h[:size]))
        self.poke(512, bytes(h))

    def test_headers_that_lie(self):
        for fields in [{"n": 0xffffffff}, {"n": 0}, {"n": 1 << 25}, {"entry_size": 64}, {"entry_size": 1 << 31},
                       {"entries": 1 << 63}, {"entries": 204799}, {"entries": 0}, {"size": 91}, {"size": 513}, {"my": 2},
                       {"first": 204799, "last": 40}, {"last": 1 << 60}, {"first": 0}]:
            with self.subTest(**fields):
                self.some()
                before = table(self.image)
                self.header(**fields)
                self.assertEqual(kind(self.image), "gpt 'the table was damaged and is taken from its backup'")
                self.assertEqual(table(self.image), before)
                self.poke(-512, b"\0" * 512)
                self.assertTrue(kind(self.image).startswith("damaged"))

    # ---- writing ----

    def test_others_find_it_sound(self):
        self.blank()
        self.apply({"partitions": [{"number": 1, "label": "größe", "sizeMiB": 10, "typeGuid": "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"},
                                   {"number": 7, "label": "x" * 36, "sizeMiB": 20, "guid": "abcdefab-1111-4222-8333-123456789abc"},
                                   {"label": "rest"}]})
        self.sound()
        ours = table(self.image)
        self.assertEqual(ours, by_sfdisk(self.image))
        for number in (1, 2, 7):
            self.assertEqual(ours[number], by_sgdisk(self.image, number))
        self.assertRegex(ours[1][4], r"^[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB]")
        self.assertEqual(ours[2][3], LINUX)

    def test_the_rest_stays(self):
        self.some()
        self.poke(0, b"boot code")
        entries = self.peek(1024, 128 * 128)
        disk_guid = self.peek(512 + 56, 16)
        self.apply({"partitions": [{"number": 3, "sizeMiB": 30, "resize": True}, {"number": 4, "sizeMiB": 1}]})
        self.sound()
        now = self.peek(1024, 128 * 128)
        for i in range(128):
            if i not in (2, 3):
                self.assertEqual(now[i * 128:][:128], entries[i * 128:][:128], i)
        resized = bytearray(entries[256:384])
        struct.pack_into("<Q", resized, 40, 61440 + 30 * 2048 - 1)
        self.assertEqual(now[256:384], bytes(resized))
        self.assertEqual((self.peek(0, 9), self.peek(512 + 56, 16)), (b"boot code", disk_guid))

    def test_signatures_go_with_the_old(self):
        self.blank(200)
        run("mkfs.btrfs", "-q", self.image)
        self.assertEqual(self.peek(65536 + 64, 8), b"_BHRfS_M")
        self.apply({"wipeTable": True, "partitions": [{"number": 1}]})
        self.assertEqual(self.peek(65536 + 64, 8), b"\0" * 8)
        self.sound()
        self.poke(40960, b"a loader")  # what is no signature stays
        self.apply({"wipeTable": True, "partitions": [{"number": 2}]})
        self.assertEqual(self.peek(40960, 8), b"a loader")
        self.apply({"wipeTable": True})
        self.assertEqual((kind(self.image), self.peek(0, 512), self.peek(-512, 512)), ("none", b"\0" * 512, b"\0" * 512))

    # ---- the kernel ----

    def test_kernel_follows(self):
        self.some()
        device = self.loop()
        run(DRIVER, "kernel", device)
        size = pathlib.Path(f"/sys/class/block/{pathlib.Path(device).name}p3/size")
        self.assertEqual(size.read_text(), "40960\n")
        with open(f"{device}p9", "rb"):  # busy: it must not be touched
            self.apply({"partitions": [{"number": 1, "shouldExist": False, "wipePartitionEntry": True},
                                       {"number": 3, "sizeMiB": 30, "resize": True}, {"number": 2, "startMiB": 1, "sizeMiB": 2}]},
                       device)
        self.assertEqual(size.read_text(), "61440\n")
        kernel = re.findall(r"^kernel (\d+) (\d+) (\d+)$", shown(device), re.M)
        self.assertEqual(kernel, [("2", "2048", "4096"), ("3", "61440", "61440"), ("9", "40960", "2047")])

    def test_kernel_learns_of_a_table_that_is_as_declared(self):
        self.some()
        device = self.loop()
        self.assertIn("the kernel learns of them", self.apply({"partitions": [{"number": 1}]}, device))
        self.assertEqual(len(re.findall("^kernel", shown(device), re.M)), 3)
        self.assertNotIn("change", self.apply({"partitions": [{"number": 1}]}, device))

    def test_busy(self):
        self.some()
        device = self.loop()
        run(DRIVER, "kernel", device)
        run("mkfs.ext4", "-q", f"{device}p3")
        mount = self.dir / "a mount"
        mount.mkdir()
        run("mount", f"{device}p3", mount)
        try:
            before = self.image.read_bytes()
            said = self.apply({"partitions": [{"number": 3, "label": "new", "wipePartitionEntry": True}]}, device, 3)
            self.assertIn(f"is in use and cannot be changed: it is mounted at {mount}", said)
            self.assertIn(f"partition 3 is in use: it is mounted at {mount}", self.apply({"wipeTable": True}, device, 3))
            self.assertEqual(table(device), table(self.image))
            self.assertEqual(self.image.read_bytes()[:MIB], before[:MIB])
            self.apply({"partitions": [{"number": 4, "sizeMiB": 1}]}, device)
        finally:
            run("umount", mount)

    # ---- cut off ----

    SCENES = {
        "new": (None, {"partitions": [{"number": 1, "label": "a", "sizeMiB": 10}, {"label": "b", "sizeMiB": 5}, {"label": "c"}]}),
        "changed": ("some", {"partitions": [{"number": 1, "shouldExist": False, "wipePartitionEntry": True},
                                            {"number": 3, "sizeMiB": 30, "resize": True},
                                            {"number": 9, "label": "new", "sizeMiB": 2, "wipePartitionEntry": True},
                                            {"number": 2, "sizeMiB": 1}]}),
        "wiped": ("some", {"wipeTable": True, "partitions": [{"number": 1, "label": "a", "sizeMiB": 10}, {"number": 2}]}),
        "erased": ("some", {"wipeTable": True}),
        "DOS wiped": ("dos", {"wipeTable": True, "partitions": [{"number": 1, "label": "a", "sizeMiB": 10}]}),
        "damaged wiped": ("damaged", {"wipeTable": True, "partitions": [{"number": 1, "label": "a", "sizeMiB": 10}]}),
        "left over": ("left over", {"partitions": [{"number": 1, "label": "a", "sizeMiB": 10}]}),
    }

    def scene(self, name):
        before, disk = self.SCENES[name]
        self.some() if before in ("some", "damaged", "left over") else self.blank()
        if before == "dos":
            run("sfdisk", "-q", self.image, text="size=2048\n")
        if before == "damaged":
            self.poke(512 + 16, b"x")
            self.poke(-512 + 16, b"x")
        if before == "left over":  # a backup of an old table
            self.poke(0, b"\0" * 34 * 512)
        return disk

    @staticmethod
    def result(path):
        """Without GUIDs, which are new each time; and the kernel's."""
        said = shown(path)
        return ({n: p[:4] + p[5:] for n, p in table(path).items()}, re.findall(r"^kernel.*$", said, re.M),
                re.search(r"^table.*$", said, re.M)[0])

    def once(self, name, option):
        """The scene on a loop device, cut off at a step, then run again."""
        disk = self.scene(name)
        device = run(DRIVER, "attach", self.image).strip()
        try:
            code = self.apply(disk, device, code=None, options=["--steps", *option])
            again = self.apply(disk, device)
            self.assertNotRegex(self.apply(disk, device), "(?m)^  (create|change|recreate|delete)", again)
            return self.result(device), code.count("step ")
        finally:
            run(DRIVER, "detach", device)

    def test_each_step(self):
        for name in self.SCENES:
            whole, steps = self.once(name, [])
            self.assertGreater(steps, 3, name)
            for option in ("--fail-at", "--kill-at"):
                for n in range(1, steps + 1):
                    with self.subTest(name, option=option, step=n):
                        self.assertEqual(self.once(name, [option, str(n)])[0], whole)

    def ends(self):
        """Where tables are: the first and the last sectors, by their number."""
        n, most = self.image.stat().st_size // SECTOR, 256
        return {at + i: data[i * SECTOR:][:SECTOR] for at, data in ((0, self.peek(0, most * SECTOR)),
                                                                    (n - most, self.peek(-most * SECTOR, most * SECTOR)))
                for i in range(most)}

    def test_any_part_of_what_was_not_flushed(self):
        r = random.Random(1)
        for name in self.SCENES:
            disk = self.scene(name)
            states, half = [self.ends()], self.image.stat().st_size // SECTOR // 2
            self.apply(disk)
            whole = self.result(self.image)
            states.append(self.ends())
            # what test_each_step shows: all of the end comes, and is flushed, before all of the beginning
            states.insert(1, {i: states[i > half][i] for i in states[0]})
            for old, new in zip(states, states[1:]):
                different = [i for i in old if old[i] != new[i]]
                for copy in range(8):
                    with self.subTest(name, copy=copy):
                        self.scene(name)
                        for i, data in old.items():
                            self.poke(i * SECTOR, data)
                        for i in r.sample(different, r.randint(0, len(different))):
                            self.poke(i * SECTOR, new[i])
                        self.apply(disk)
                        self.assertEqual(self.result(self.image), whole)


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("only root has loop devices")
        sys.exit(77)
    unittest.main()
