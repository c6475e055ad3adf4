#!/usr/bin/env python3
"""install_test.py PROGRAM FAIL_CALLS: systems on image files, on a disk of the kernel, and below directories; what is refused;
a disk that was left at any moment has no system or all of it."""
import json
import os
import pathlib
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import unittest

sys.dont_write_bytecode = True

import cases
import crash_disk
from crash_disk import MIB, Loop, mount, umount_all
from images import Image, directory, file, layer, layout_write, symlink

PROGRAM, FAIL_CALLS = sys.argv.pop(1), sys.argv.pop(1)
KILLS = int(os.environ.get("INSTALL_KILLS", "24"))
SOURCE = pathlib.Path(__file__).resolve().parents[2]
KERNEL = "usr/lib/modules/6.1.0"
BASE = layer(directory("./"), *[directory(d) for d in ("usr", "usr/bin", "usr/lib", "usr/lib/modules", KERNEL, "etc", "var", "boot",
                                                       "sysroot")],
             symlink("ostree", "sysroot/ostree"), file("usr/bin/large", random.Random(1).randbytes(300_000)),
             file(f"{KERNEL}/vmlinuz", "kernel"), file(f"{KERNEL}/initramfs.img", "initramfs"),
             file("usr/share/basalt-os/grub.cfg", (SOURCE / "data/grub.cfg").read_text()),
             file("usr/lib/os-release", 'PRETTY_NAME="Tiny"\n'))
LABELS = {"containers.bootc": "1", "org.opencontainers.image.version": "1.0"}
SIZE = 2048 * MIB
place = None


class Case(cases.Case):
    def setUp(self):
        self.place = pathlib.Path(tempfile.mkdtemp(dir=place))
        self.disk, self.root, self.layout = self.place / "disk", self.place / "root", self.place / "layout"
        (self.place / "config/etc/containers").mkdir(parents=True)
        self.policy = self.place / "config/etc/containers/policy.json"
        self.policy.write_text('{"default":[{"type":"insecureAcceptAnything"}]}')
        self.root.mkdir()
        self.addCleanup(self.remove)
        self.image = f"oci:{self.layout}:stable"
        self.publish()

    def remove(self):
        umount_all(self.root)
        subprocess.run(["chattr", "-R", "-f", "-i", self.root], check=False, capture_output=True)
        shutil.rmtree(self.place)

    def publish(self, *more, labels=LABELS):
        layout_write(self.layout, Image(BASE, *more, labels=labels), "stable")

    def words(self, *words):
        return [PROGRAM, "install", "--image", self.image, "--config-root", self.place / "config", *words]

    def install(self, *words, code=0, before=()):
        done = subprocess.run([*before, *self.words(*words)], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
        self.assertEqual(done.returncode, code, f"{words}: {done.stdout}{done.stderr}")
        return done.stdout if code == 0 else done.stderr.splitlines()[-1]

    def to_disk(self, *words, **more):
        return self.install("--disk", self.disk, *words, **more)

    def table(self, disk=None):
        done = subprocess.run(["sfdisk", "--json", disk or self.disk], capture_output=True, text=True)
        return json.loads(done.stdout)["partitiontable"] if done.returncode == 0 else None

    def begin(self):
        with open(self.disk, "rb") as f:
            return f.read(MIB)

    def nothing_boots(self):
        self.assertIsNone(self.table())
        self.assertEqual(self.begin(), bytes(MIB))

    def mounted(self, kind="ext4"):
        """As the installed machine has it."""
        rows = {p["name"]: (p["start"] * 512, p["size"] * 512) for p in self.table()["partitions"]}
        for name, where, how in (("root", self.root, kind), ("boot", self.root / "boot", "ext4")):
            loop = Loop(self.disk, *rows[name])
            mount(loop.path, where, how)
            loop.close()
        return rows

    def os(self, *words):
        return subprocess.run([PROGRAM, "--sysroot", self.root, *words], check=True, capture_output=True, text=True).stdout

    def whole(self):
        """A system that is there in every part."""
        status = json.loads(self.os("status", "--json"))
        self.assertEqual((len(status["deployments"]), status["problems"]), (1, []))
        self.os("verify", "--repository")
        self.os("verify")
        for name in ("grub.cfg", "grubenv", "x86_64-efi/linux.mod"):
            self.assertTrue((self.root / "boot/grub" / name).is_file(), name)
        return status["deployments"][0]


class Disks(Case):
    def test_image_file(self):
        said = json.loads(self.to_disk("--size", "2G", "--boot", "both", "--karg", "quiet", "--karg", "console=ttyS0,115200", "--json",
                                       "--follow", "quay.io/tiny/os:stable"))
        self.assertEqual((said["version"], said["boot"], len(said["partitions"])), ("1.0", ["uefi", "bios"], 4))
        table = self.table()
        self.assertEqual([(p["name"], p["type"].upper()[:8], p.get("attrs")) for p in table["partitions"]],
                         [("bios", "21686148", None), ("esp", "C12A7328", None), ("boot", "BC13C2FF", None),
                          ("root", "4F68BCE3", "GUID:59")])
        rows = self.mounted()
        uuids = {p["label"]: p.get("uuid") for p in said["partitions"]}
        d = self.whole()
        self.assertEqual(d["kernel-arguments"], f"quiet console=ttyS0,115200 root=UUID={uuids['root']} rw")
        self.assertEqual(d["container-image-reference"], "ostree-unverified-registry:quay.io/tiny/os:stable")
        self.assertEqual((self.root / d["path"] / "etc/fstab").read_text(), f"UUID={uuids['boot']} /boot ext4 defaults 0 2\n")
        self.assertIn(f"search --fs-uuid {uuids['boot']} ", (self.root / "boot/grub/early.cfg").read_text())
        self.assertIn("--speed=115200\nterminal_input serial\n", (self.root / "boot/grub/custom.cfg").read_text())
        self.assertEqual(len((self.root / "boot/grub/grubenv").read_bytes()), 1024)
        listed = subprocess.run(["ostree", "admin", "status", f"--sysroot={self.root}"], check=True, capture_output=True, text=True)
        self.assertIn(d["checksum"], listed.stdout)
        loader = subprocess.run(["mcopy", "-i", f"{self.disk}@@{rows['esp'][0]}", "::/EFI/BOOT/BOOTX64.EFI", "-"], check=True,
                                capture_output=True, env=dict(os.environ, MTOOLS_SKIP_CHECK="1")).stdout
        self.assertEqual((loader[:2], uuids["boot"].encode() in loader), (b"MZ", True))
        self.bios(rows["bios"][0])
        self.publish(layer(file("usr/new", "n\n")))
        self.os("switch", self.image, "--config-root", str(self.place / "config"))
        umount_all(self.root)
        for name in ("boot", "root"):
            self.fsck(rows[name])

    def fsck(self, part):
        loop = Loop(self.disk, *part)
        subprocess.run(["e2fsck", "-fn", loop.path], check=True, capture_output=True)
        loop.close()

    def bios(self, at):
        """Each part of the loader says where the next is."""
        with open(self.disk, "rb") as f:
            first = f.read(512)
            f.seek(at)
            core = f.read(MIB)
        self.assertEqual((first[:1], struct.unpack_from("<Q", first, 0x5C)[0] * 512, first[510:]), (b"\xeb", at, b"\x55\xaa"))
        start, sectors, segment = struct.unpack_from("<QHH", core, 0x1F4)
        self.assertEqual((start * 512, segment), (at + 512, 0x820))
        self.assertNotEqual(core[512 * sectors:512 * (sectors + 1)], bytes(512))
        self.assertEqual(core[512 * (sectors + 1):], bytes(MIB - 512 * (sectors + 1)))

    def test_xfs(self):
        self.to_disk("--size", "2G", "--filesystem", "xfs")
        self.mounted("xfs")
        self.whole()

    def test_plan(self):
        self.assertIn("2  esp", self.to_disk("--size", "8G", "--dry-run"))
        plan = json.loads(self.to_disk("--size", "8G", "--dry-run", "--json", "--boot", "bios"))
        self.assertEqual([p["label"] for p in plan["partitions"]], ["bios", "boot", "root"])
        self.assertFalse(self.disk.exists())

    def test_refused(self):
        self.assertIn("an image file is made with --size", self.to_disk(code=1))
        self.assertIn("takes 1838 MiB at least", self.to_disk("--size", "1G", code=1))
        self.assertIn("--size is a number", self.to_disk("--size", "some", code=2))
        self.assertIn("for disks", self.install("--root", self.root, "--wipe", code=2))
        self.assertIn("say where", self.install(code=2).replace("says", "say"))
        self.image = f"oci:{self.layout}:other"
        self.to_disk("--size", "2G", code=1)
        self.image = f"oci:{self.layout}:stable"
        self.policy.write_text('{"default":[{"type":"reject"}]}')
        self.assertIn("reject", self.to_disk("--size", "2G", code=1))
        self.policy.write_text('{"default":[{"type":"insecureAcceptAnything"}]}')
        self.publish(labels={})
        self.assertIn("no operating system", self.to_disk("--size", "2G", code=1))
        self.assertFalse(self.disk.exists())

    def test_content(self):
        with open(self.disk, "wb") as f:
            f.truncate(SIZE)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-L", "mine", self.disk], check=True)
        before = self.begin()
        self.assertIn('ext4 labelled "mine" on it: --wipe', self.to_disk(code=1))
        self.assertEqual(self.begin(), before)
        self.to_disk("--wipe")
        self.assertIn("(GPT) on it", self.to_disk(code=1))
        self.to_disk("--wipe", "--boot", "bios")
        self.mounted()
        self.assertTrue((self.root / "boot/grub/i386-pc/linux.mod").is_file())

    def test_disk_of_the_kernel(self):
        with open(self.disk, "wb") as f:
            f.truncate(SIZE)
        found = subprocess.run(["losetup", "--find", "--show", "--partscan", self.disk], check=True, capture_output=True, text=True)
        device = found.stdout.strip()
        self.addCleanup(subprocess.run, ["losetup", "-d", device], check=True)
        self.install("--disk", device)
        name = device.rsplit("/", 1)[1]
        parts = sorted(p for p in os.listdir(f"/sys/class/block/{name}") if p.startswith(name))
        self.assertEqual(parts, [f"{name}p{n}" for n in (2, 3, 4)])
        self.assertEqual(len(self.table(device)["partitions"]), 3)
        self.assertIn("--wipe", self.install("--disk", device, code=1))
        node = self.place / "node"
        major, minor = map(int, pathlib.Path(f"/sys/class/block/{name}p4/dev").read_text().split(":"))
        os.mknod(node, 0o600 | 0o060000, os.makedev(major, minor))
        mount(node, self.root)
        self.assertIn(f"in use (partition 4: it is mounted at {self.root})", self.install("--disk", device, "--wipe", code=75))
        umount_all(self.root)
        self.install("--disk", device, "--wipe", "--boot", "both")


class Ends(Case):
    def test_cancelled(self):
        for exists in (False, True):
            if exists:
                with open(self.disk, "wb") as f:
                    f.truncate(SIZE)
            process = subprocess.Popen(self.words("--disk", self.disk, *([] if exists else ["--size", "2G"])), stderr=subprocess.PIPE,
                                       stdout=subprocess.DEVNULL, text=True)
            for line in process.stderr:
                if "partition 4" in line:
                    process.send_signal(signal.SIGINT)
                    break
            said = process.communicate(timeout=60)[1]
            self.assertEqual((process.returncode, "cancelled" in said), (130, True), said)
            if exists:
                self.nothing_boots()
            else:
                self.assertFalse(self.disk.exists())

    def test_calls(self):
        """A sample of its system calls fails, or is the last one."""
        report = self.place / "report"

        def run(number, way, code):
            self.disk.unlink(missing_ok=True)
            with open(self.disk, "wb") as f:
                f.truncate(SIZE)
            done = subprocess.run([FAIL_CALLS, report, str(number), way, *self.words("--disk", self.disk)], capture_output=True,
                                  text=True, stdin=subprocess.DEVNULL, timeout=300)
            self.assertIn(done.returncode, code, done.stderr)
            return done

        run(0, "EIO", (0,))
        count, whole = int(report.read_text().split()[0]), 0
        rng = random.Random(int(os.environ.get("INSTALL_SEED", "1")))
        # The last ones are those that put a system in force.
        numbers = {*rng.sample(range(1, count + 1), min(count, KILLS // 2)), *range(max(1, count - KILLS // 2), count + 1)}
        for number in sorted(numbers):
            for way in ("KILL", rng.choice(["EIO", "ENOSPC"])):
                with self.subTest(number=number, way=way):
                    done = run(number, way, (137,) if way == "KILL" else (0, 1))
                    call = report.read_text().split()[1]
                    if self.table():
                        self.assertTrue(way == "KILL" or done.returncode == 0, f"{call}: {done.stderr}")
                        self.mounted()
                        self.whole()
                        umount_all(self.root)
                        whole += 1
                    else:
                        self.assertNotEqual(done.returncode, 0, call)
                        self.nothing_boots()
                        if way != "KILL":
                            self.assertEqual(len([x for x in done.stderr.splitlines() if re.search("error|No space", x)]), 1, done.stderr)
        print(f"        {count} calls, {2 * len(numbers)} tries, {whole} with the whole system", flush=True)
        self.to_disk("--wipe")


OVMF, SEABIOS = "/usr/share/ovmf/OVMF.fd", "/usr/share/seabios/bios-256k.bin"


class Firmware(Case):
    """As far as the boot loader gets: its kernel is none."""

    def boots(self, words, pattern, seconds=120):
        machine = subprocess.Popen(["qemu-system-x86_64", "-m", "256", "-nographic", "-no-reboot", "-net", "none", "-drive",
                                    f"file={self.disk},format=raw,if=virtio", *words], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        late = threading.Timer(seconds, machine.kill)
        late.start()
        said = b""
        try:
            while not re.search(pattern, said):
                piece = os.read(machine.stdout.fileno(), 4096)
                if not piece:
                    self.fail(f"{pattern} does not come: {said[-2000:]}")
                said += piece
        finally:
            late.cancel()
            machine.kill()
            machine.wait()
            machine.stdout.close()

    def need(self, *paths):
        for path in ("/usr/bin/qemu-system-x86_64", *paths):
            if not os.path.exists(path):
                self.skipTest(f"there is no {path}")

    def test_grub(self):
        self.need(OVMF, SEABIOS)
        self.to_disk("--size", "2G", "--boot", "both", "--karg", "console=ttyS0,115200")
        for words in ([], ["-bios", OVMF]):
            self.boots(words, rb"Booting `Tiny 1\.0 \(ostree:0\)'")

    def test_systemd_boot(self):
        """The kernel is a GRUB that says so and ends."""
        self.need(OVMF, "/usr/lib/systemd/boot/efi/systemd-bootx64.efi")
        config, kernel = self.place / "config.cfg", self.place / "kernel"
        config.write_text("serial --unit=0 --speed=115200\nterminal_output serial\necho this is the kernel\nhalt\n")
        subprocess.run(["grub-mkimage", "-O", "x86_64-efi", "-p", "/x", "-c", config, "-o", kernel, "serial", "terminal", "echo",
                        "halt"], check=True)
        self.publish(layer(file(f"{KERNEL}/vmlinuz", kernel.read_bytes())))
        self.to_disk("--size", "2G", "--loader", "systemd-boot")
        self.boots(["-bios", OVMF], rb"this is the kernel")


class Roots(Case):
    def file_systems(self):
        with open(self.disk, "wb") as f:
            f.truncate(600 * MIB)
        loops = crash_disk.loops_of(self.disk, [400 * MIB, 200 * MIB])
        crash_disk.make_ext4(loops)
        crash_disk.mount_all(loops, self.root)
        for loop in loops:
            loop.close()
        (self.root / "boot/efi").mkdir()

    def test_mounted(self):
        self.file_systems()
        said = json.loads(self.install("--root", self.root, "--json"))
        self.assertEqual((said["root"], said["boot"], said["version"]), (str(self.root), ["uefi"], "1.0"))
        d = self.whole()
        root = re.search(r"root=UUID=([0-9a-f-]{36}) rw", d["kernel-arguments"])[1]
        boot = re.match(r"UUID=([0-9a-f-]{36}) /boot ext4 ", (self.root / d["path"] / "etc/fstab").read_text())[1]
        self.assertNotEqual(root, boot)
        self.assertIn(boot, (self.root / "boot/grub/early.cfg").read_text())
        self.assertEqual((self.root / "boot/efi/EFI/BOOT/BOOTX64.EFI").read_bytes()[:2], b"MZ")
        self.assertIn("has ostree, boot/loader", self.install("--root", self.root, code=1))
        (self.root / "ostree/deploy/basalt/var/mine").touch()
        (self.root / "mine").touch()
        self.install("--root", self.root, "--replace", "--karg", "root=LABEL=x", "--stateroot", "other")
        self.assertEqual(self.whole()["kernel-arguments"], "root=LABEL=x")
        self.assertEqual(os.listdir(self.root / "ostree/deploy"), ["other"])
        self.assertTrue((self.root / "mine").exists())

    def test_systemd_boot(self):
        self.publish(layer(directory("usr/lib/systemd"), directory("usr/lib/systemd/boot"), directory("usr/lib/systemd/boot/efi"),
                           file("usr/lib/systemd/boot/efi/systemd-bootx64.efi", "MZ of the image")))
        self.file_systems()
        self.install("--root", self.root, "--loader", "systemd-boot")
        status = json.loads(self.os("status", "--json"))
        self.assertEqual(status["problems"], [])
        esp = self.root / "boot/efi"
        for name in ("EFI/systemd/systemd-bootx64.efi", "EFI/BOOT/BOOTX64.EFI"):
            self.assertEqual((esp / name).read_text(), "MZ of the image")
        self.assertEqual((esp / "loader/entries.srel").read_text(), "type1\n")
        entry = next((esp / "loader/entries").glob("ostree-*.conf")).read_text()
        self.assertEqual((esp / re.search(r"^linux /(.*)$", entry, re.M)[1]).read_text(), "kernel")
        self.assertFalse((self.root / "boot/grub").exists())
        self.assertIn("for UEFI alone", self.install("--root", self.root, "--loader", "systemd-boot", "--boot", "bios", code=2)
                      .replace("lies outside of file systems", "for UEFI alone"))
        self.publish(layer(file(f"{KERNEL}/vmlinuz", "kernel 2")))
        self.os("switch", self.image, "--config-root", str(self.place / "config"))
        self.assertEqual(len(list((esp / "loader/entries").iterdir())), 2)
        self.publish(labels={})
        self.install("--root", self.root, "--loader", "systemd-boot", "--replace", code=1)
        self.assertEqual(list((esp / "loader/entries").iterdir()), [])

    def test_plain(self):
        done = subprocess.run(self.words("--root", self.root), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("no ESP is mounted", done.stderr)
        self.assertIn("no mounted file system", done.stderr)
        self.assertNotIn("root=", json.loads(self.os("status", "--json"))["deployments"][0]["kernel-arguments"])

    def test_refused(self):
        self.assertIn("root of this machine", self.install("--root", "/", code=1))
        self.assertIn("mount it on", self.install("--root", self.root, "--boot", "uefi", code=1))
        self.assertIn("outside of file systems", self.install("--root", self.root, "--boot", "bios", code=2))
        self.publish(labels={})
        self.assertIn("no operating system", self.install("--root", self.root, code=1))
        self.assertEqual(sorted(p.name for p in self.root.iterdir() if p.name != "boot"), [])
        self.publish()
        self.install("--root", self.root)


if __name__ == "__main__":
    with crash_disk.scratch() as place:
        unittest.main(exit=False, verbosity=0, argv=sys.argv).result.wasSuccessful() or sys.exit(1)
