#!/usr/bin/env python3
"""Filesystems by the built program (first argument) and the driver (second): made, kept, refused, wiped, on
busy devices, by names that appear only later, and all refusals before the first change."""
import os
import re
import struct
import subprocess
import sys
import uuid

import loop

PROGRAM, DRIVER = (os.path.abspath(sys.argv.pop(1)) for _ in range(2))
UUID = str(uuid.uuid4())[:-1] + "0"


class Filesystems(loop.DisksTest):
    def stage(self, *filesystems, code=0, args=(), **storage):
        path = self.config_write(self.config(filesystems=list(filesystems), **storage))
        p = subprocess.run([DRIVER, "--wait", "3", *args, path], text=True, capture_output=True)
        self.assertEqual(p.returncode, code, p.stdout + p.stderr)
        self.assertNotIn("Sanitizer", p.stderr)
        return p.stdout + p.stderr

    def program(self, config, stage):
        names = {n: self.dir / n for n in ("root", "cache", "state", "neednet")}
        names["root"].mkdir(exist_ok=True)
        link = self.dir / "ignition"
        if not link.exists():
            link.symlink_to(PROGRAM)
        return subprocess.run([link, "-platform", "file", "-stage", stage, "-root", names["root"], "-config-cache",
                               names["cache"], "-state-file", names["state"], "-neednet", names["neednet"],
                               "-log-to-stdout"], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=dict(os.environ, IGNITION_CONFIG_FILE=str(self.config_write(config)),
                                       IGNITION_SYSTEM_CONFIG_DIR=str(self.dir / "none")))

    def test_every_format_by_the_program(self):
        formats = ["ext4", "xfs", "btrfs", "vfat", "swap"]
        devices = {f: self.loop() for f in formats}
        uuids = {f: "A1B2-C3D4" if f == "vfat" else UUID[:-1] + str(i) for i, f in enumerate(formats)}
        config = self.config(filesystems=[
            {"device": devices[f], "format": f, "label": f"l-{f}".upper(), "uuid": uuids[f]} for f in formats])
        for stage in ("fetch", "disks"):
            p = self.program(config, stage)
            self.assertEqual(p.returncode, 0, p.stdout)
        for f in formats:
            found = self.probe(devices[f])
            self.assertEqual((found["TYPE"], found["LABEL"], found["UUID"]), (f, f"L-{f.upper()}", uuids[f]))
            self.assertIsNone(loop.check_filesystem(f, devices[f]))
        for f in ("ext4", "xfs", "btrfs"):
            place = self.mounted(devices[f], f)
            (place / "there").write_text("x")
            loop.output("umount", place)
        again = self.program(config, "disks").stdout
        self.assertNotIn("creating", again)
        place = self.mounted(devices["xfs"], "xfs")
        self.assertEqual((place / "there").read_text(), "x")

    def test_no_storage_loads_nothing(self):
        config = {"ignition": {"version": "3.4.0"}}
        self.program(config, "fetch")
        p = self.program(config, "disks")
        self.assertEqual(p.returncode, 0, p.stdout)
        self.assertIn("disks passed", p.stdout)

    def test_kept_when_type_label_and_uuid_are_the_declared(self):
        device = self.loop()
        loop.output("mkfs.ext4", "-q", "-L", "have", "-U", UUID, device)
        for declared in ({}, {"label": "have"}, {"uuid": UUID.upper()}, {"label": "have", "uuid": UUID}):
            said = self.stage({"device": device, "format": "ext4", **declared}, args=["--plan"])
            self.assertEqual(said.split()[0], "keep", said)

    def test_another_is_refused_with_what_is_there(self):
        device = self.loop()
        loop.output("mkfs.ext4", "-q", "-L", "have", "-U", UUID, device)
        before = self.image_of(device).read_bytes()
        for declared, field in (({"format": "xfs"}, "format"), ({"format": "ext4", "label": "want"}, "label"),
                                ({"format": "ext4", "uuid": UUID[:-1] + "2"}, "uuid"), ({"format": "none"}, "format"),
                                ({"format": "ext4", "label": ""}, "label")):
            said = self.stage({"device": device, **declared}, code=1)
            self.assertIn(f"$.storage.filesystems.0.{field}", said)
            for word in ("ext4", "have", UUID, "wipeFilesystem"):
                self.assertIn(word, said)
        self.assertEqual(self.image_of(device).read_bytes(), before)

    def test_every_refusal_is_told_before_anything_is_touched(self):
        fine, one, two = self.loop(), self.loop(), self.loop()
        loop.output("mkfs.ext4", "-q", one)
        loop.output("mkswap", two)
        said = self.stage({"device": fine, "format": "ext4"}, {"device": one, "format": "btrfs"},
                          {"device": two, "format": "xfs"}, code=1)
        self.assertIn("filesystems.1.format", said)
        self.assertIn("filesystems.2.format", said)
        self.assertIn("1 more refusals; nothing was changed", said)
        self.assertEqual(self.probe(fine), {})

    def test_wiped_when_asked(self):
        device = self.loop()
        loop.output("mkfs.btrfs", "-q", device)
        self.stage({"device": device, "format": "ext4", "label": "new", "wipeFilesystem": True})
        self.assertEqual(self.probe(device)["LABEL"], "new")
        first = self.probe(device)["UUID"]
        self.stage({"device": device, "format": "ext4", "label": "new", "wipeFilesystem": True})
        self.assertNotEqual(self.probe(device)["UUID"], first)
        said = self.stage({"device": device, "format": "none", "wipeFilesystem": True})
        self.assertEqual(self.probe(device), {})
        self.assertIn("wiped", said)
        self.stage({"device": device, "format": "none"})

    def test_several_signatures(self):
        """The one that a tolerant look finds counts; all of them go when it is wiped."""
        device = self.loop()
        loop.output("mkfs.ext4", "-q", device)
        image = self.image_of(device)
        other = self.dir / "other"
        with open(other, "wb") as f:
            f.truncate(320 * loop.MIB)
        loop.output("mkswap", other)
        with open(other, "rb") as f, open(device, "r+b") as to:
            f.seek(4086)
            to.seek(4086)
            to.write(f.read(10))
            f.seek(1024)
        loop.output("mkfs.xfs", "-q", "-f", other)
        with open(other, "rb") as f, open(device, "r+b") as to:
            to.write(f.read(512))
        self.assertIn("ambivalent", loop.output("blkid", "-p", device, check=False))
        said = self.stage({"device": device, "format": "btrfs"}, code=1)
        self.assertIn("wipeFilesystem", said)
        said = self.stage({"device": device, "format": "btrfs", "wipeFilesystem": True})
        self.assertIn("contradict", said)
        self.assertEqual(self.probe(device)["TYPE"], "btrfs")
        self.assertTrue(image.exists())

    def test_what_is_no_filesystem_goes_too(self):
        """A partition table, its copy at the end included, and a signature that is damaged."""
        device = self.loop()
        loop.output("sgdisk", "--new=1:0:0", device)
        self.stage({"device": device, "format": "none", "wipeFilesystem": True})
        self.assertEqual(loop.output("wipefs", device), "")
        with open(device, "r+b") as f:  # the label of a physical volume, with a checksum that is none
            f.seek(512)
            f.write(b"LABELONE" + struct.pack("<QII", 1, 0, 32) + b"LVM2 001" + b"x" * 32)
        self.assertIn("LVM2_member", loop.output("wipefs", device))
        self.assertEqual(self.probe(device), {})
        self.stage({"device": device, "format": "ext4"})
        self.assertEqual(self.probe(device)["TYPE"], "ext4")
        self.assertEqual(len(loop.output("wipefs", "--noheadings", device).splitlines()), 1)

    def test_a_pool_of_zfs(self):
        """Found, though libblkid is not asked for pools where no label looks like one."""
        device = self.loop()
        size, label = 320 * loop.MIB, 256 << 10
        settings = bytes([1, 1, 0, 0]) + struct.pack(">6I", 0, 1, 36, 32, 7, 0)[:20] + b"version\0"
        with open(device, "r+b") as f:
            for at in (0, label, size - 2 * label, size - label):
                f.seek(at + (16 << 10))
                f.write(settings)
                for n in range(8):
                    f.seek(at + (128 << 10) + n * 1024)
                    f.write(struct.pack("<QQ", 0x00bab10c, 5000))
        self.assertEqual(self.probe(device)["TYPE"], "zfs_member")
        said = self.stage({"device": device, "format": "ext4"}, code=1)
        self.assertIn("zfs_member", said)
        self.stage({"device": device, "format": "ext4", "wipeFilesystem": True})
        self.assertEqual(self.probe(device)["TYPE"], "ext4")

    def test_in_use(self):
        device = self.loop()
        loop.output("mkfs.ext4", "-q", device)
        self.mounted(device, "ext4")
        self.stage({"device": device, "format": "ext4"})  # as declared: nothing to do
        said = self.stage({"device": device, "format": "ext4", "wipeFilesystem": True}, code=1)
        self.assertRegex(said, f"{device} is (in use|mounted)")
        self.assertEqual(self.probe(device)["TYPE"], "ext4")

    def test_in_use_as_swap(self):
        device = self.loop()
        loop.output("mkswap", device)
        p = subprocess.run(["swapon", device], text=True, capture_output=True)
        if p.returncode:
            self.skipTest(p.stderr.strip())
        self.addCleanup(subprocess.run, ["swapoff", device], capture_output=True)
        said = self.stage({"device": device, "format": "ext4", "wipeFilesystem": True}, code=1)
        self.assertRegex(said, f"{device} is in use")

    def test_options_come_first(self):
        device = self.loop()
        self.stage({"device": device, "format": "ext4", "options": ["-b", "4096", "-N", "1024"], "label": "o"})
        said = loop.output("dumpe2fs", "-h", device)
        self.assertRegex(said, r"Block size: +4096")
        self.assertEqual(self.probe(device)["LABEL"], "o")

    def test_a_label_in_the_options_stays(self):
        for format, options, name, value in (("xfs", ["-L", "mine"], "LABEL", "mine"),
                                             ("vfat", ["-i", "12345678"], "UUID", "1234-5678")):
            device = self.loop()
            self.stage({"device": device, "format": format, "options": options})
            self.assertEqual(self.probe(device)[name], value)

    def test_what_is_not_declared_is_not_marked(self):
        xfs, fat = self.loop(), self.loop()
        self.stage({"device": xfs, "format": "xfs"}, {"device": fat, "format": "vfat"})
        self.assertNotIn("LABEL", self.probe(xfs))
        self.assertNotIn(self.probe(fat)["UUID"], ("BA5A-17F5", ""))
        for format, device in (("xfs", xfs), ("vfat", fat)):
            self.assertIsNone(loop.check_filesystem(format, device))

    def test_the_program_fails(self):
        device = self.loop()
        said = self.stage({"device": device, "format": "ext4", "options": ["-b", "77"]}, code=1)
        self.assertIn(f"filesystem on {device}: mkfs.ext4: ", said)

    def test_by_label_of_another(self):
        """The label comes only with the first filesystem; nothing makes links here."""
        device = self.loop()
        label = f"late-{os.getpid()}"
        second = {"device": f"/dev/disk/by-label/{label}", "format": "ext4"}
        first = {"device": device, "format": "ext4", "label": label}
        for _ in range(2):
            self.stage(second, first)
        self.assertEqual(self.probe(device)["LABEL"], label)
        said = self.stage(dict(second, format="xfs"), first, code=1)
        self.assertIn("holds something else", said)

    def stage_with_udev(self, makes_links):
        """As where udevd runs: its socket is there, and `udevadm` makes the links, or has no rules for them. In a
        mount namespace with a /run and a /dev of its own. Returns what udevadm was asked, and what was said."""
        device, label, asked = self.loop(), f"udev-{os.getpid()}", self.dir / "asked"
        tools, dev = self.dir / "bin", self.dir / "dev"
        for place in (tools, dev):
            place.mkdir()
        link = 'ln -sf "$3" "/dev/disk/by-label/$(blkid -p -o value -s LABEL "$3")"' if makes_links else ":"
        (tools / "udevadm").write_text(f'#!/bin/sh\necho "$@" >> {asked}\n[ "$1" = settle ] || {link}\n')
        (tools / "udevadm").chmod(0o755)
        path = self.config_write(self.config(filesystems=[
            {"device": f"/dev/disk/by-label/{label}", "format": "ext4"},
            {"device": device, "format": "ext4", "label": label}]))
        script = (f"mount -t tmpfs tmpfs /run && mkdir /run/udev && : > /run/udev/control && "
                  f"mount -t tmpfs tmpfs {dev} && cp -a /dev/null /dev/zero /dev/urandom {device} {dev} && "
                  f"mkdir -p {dev}/disk/by-label && mount --move {dev} /dev && exec {DRIVER} --wait 20 {path}")
        p = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script], text=True,
                           capture_output=True, env=dict(os.environ, PATH=f"{tools}:{os.environ['PATH']}"))
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        self.assertEqual(self.probe(device)["LABEL"], label)
        return device, asked.read_text().splitlines(), p.stderr

    def test_udev_makes_the_links(self):
        device, asked, said = self.stage_with_udev(True)
        self.assertEqual(asked, [f"trigger --settle {device}", "settle"])
        self.assertNotIn("waiting", said)

    def test_udev_makes_no_links(self):
        """After two seconds the device is looked for all the same."""
        self.assertIn("waiting for /dev/disk/by-label/", self.stage_with_udev(False)[2])

    def test_by_uuid(self):
        device = self.loop()
        loop.output("mkfs.ext4", "-q", "-U", UUID, device)
        said = self.stage({"device": f"/dev/disk/by-uuid/{UUID}", "format": "ext4"}, args=["--plan"])
        self.assertIn("keep", said)

    def test_partitions_by_their_names(self):
        """No udev here, and no nodes: what the names mean is read from the disk's table."""
        label, guid = f"part-{os.getpid()}", str(uuid.uuid4())
        disk = self.loop(400)
        partition = self.partition(disk, label, guid)
        self.stage({"device": f"/dev/disk/by-partlabel/{label}", "format": "ext4", "label": "a b"})
        self.assertEqual(self.probe(partition)["TYPE"], "ext4")
        for name in (f"by-partuuid/{guid}", f"by-partlabel/{label}"):
            said = self.stage({"device": f"/dev/disk/{name}", "format": "ext4"}, args=["--plan"])
            self.assertIn("keep", said)
        said = self.stage({"device": partition, "format": "xfs"}, {"device": f"/dev/disk/by-partuuid/{guid}",
                                                                   "format": "xfs"}, code=1)
        self.assertIn(f"{partition} is used by", said)

    def test_on_partitions_that_are_made(self):
        """The whole chain; then nothing is left to do; then what can be known to be refused is refused while the
        partition beside it still is as it was."""
        disk = self.loop(700)
        self.addCleanup(loop.partitions_forget, disk)
        label = f"chain-{os.getpid()}"
        disks = [{"device": disk, "wipeTable": False, "partitions": [
            {"number": 1, "label": label, "startMiB": 1, "sizeMiB": 320},
            {"number": 2, "startMiB": 321, "sizeMiB": 32}]}]
        one = {"device": f"/dev/disk/by-partlabel/{label}", "format": "xfs", "label": "one"}
        two = {"device": f"{disk}p2", "format": "ext4"}
        said = self.stage(two, one, disks=disks)
        self.assertEqual(len(re.findall("creating (xfs|ext4) filesystem", said)), 2, said)
        self.assertEqual(self.probe(f"{disk}p1")["LABEL"], "one")
        self.assertNotIn("creating", self.stage(two, one, disks=disks))
        verbs = [line.split()[0] for line in self.stage(two, one, disks=disks, args=["--plan"]).splitlines()]
        self.assertEqual(set(verbs), {"keep"})
        table = loop.output("sgdisk", "--print", disk)
        disks[0]["partitions"][1].update(sizeMiB=64, wipePartitionEntry=True)
        said = self.stage(two, dict(one, format="btrfs"), disks=disks, code=1)
        self.assertIn("holds something else (xfs", said)
        self.assertEqual(loop.output("sgdisk", "--print", disk), table)
        said = self.stage(two, one, disks=disks)
        self.assertNotIn("creating xfs", said)
        self.assertEqual(self.probe(f"{disk}p1")["LABEL"], "one")

    def test_a_device_that_never_comes(self):
        device = self.loop()
        said = self.stage({"device": device, "format": "ext4"}, {"device": "/dev/disk/by-id/none", "format": "xfs"},
                          code=1)
        self.assertIn("/dev/disk/by-id/none did not appear within 3 seconds", said)
        self.assertIn("waiting for /dev/disk/by-id/none", said)
        self.assertEqual(self.probe(device), {})

    def test_one_device_under_two_names(self):
        device = self.loop()
        link = self.dir / "link"
        link.symlink_to(device)
        said = self.stage({"device": device, "format": "ext4"}, {"device": str(link), "format": "xfs"}, code=1)
        self.assertIn(f"{device} is used by", said)
        self.assertEqual(self.probe(device), {})

    def test_not_a_device(self):
        said = self.stage({"device": "/dev/null", "format": "ext4"}, code=1)
        self.assertIn("/dev/null is not a block device", said)

    def test_read_only(self):
        device = self.loop(320, "--read-only")
        said = self.stage({"device": device, "format": "ext4"}, code=1)
        self.assertIn(f"{device} is read-only", said)

    def test_plan_touches_nothing(self):
        device = self.loop()
        said = self.stage({"device": device, "format": "xfs", "label": "x"}, args=["--plan"])
        self.assertEqual(said.strip(), f"create xfs filesystem on {device} (label 'x')")
        self.assertEqual(self.probe(device), {})


loop.skip_unless_possible()
loop.unittest.main(verbosity=1)
