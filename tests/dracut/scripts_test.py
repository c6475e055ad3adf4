#!/usr/bin/env python3
"""The boot's scripts on this machine: what the generator makes of a kernel command line, and how the first boot ends.
argv[1]: the source tree. What needs a machine is in tests/vm/boot_test.py."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

TOP = pathlib.Path(sys.argv.pop(1)).resolve()
MODULE = TOP / "dracut/90basalt-ignition"


class Scratch(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.top)

    def write(self, name, text=""):
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run_script(self, *command, **env):
        return subprocess.run([str(c) for c in command], env=dict(os.environ, **{k: str(v) for k, v in env.items()}),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


class Generator(Scratch):
    def generate(self, cmdline, live=None):
        """(the environment file, the links that were made, the drop-ins)."""
        units, programs = self.top / "units", self.top / "bin"
        shutil.rmtree(units, ignore_errors=True)
        programs.mkdir(exist_ok=True)
        if live is not None:
            self.write("bin/is-live-image", f"#!/bin/sh\nexit {0 if live else 1}\n").chmod(0o755)
        (self.top / "run").mkdir(exist_ok=True)
        done = self.run_script("sh", MODULE / "ignition-generator", units, BASALT_CMDLINE=self.write("cmdline", cmdline + "\n"),
                               BASALT_RUN=self.top / "run", BASALT_ETC=self.top / "etc", BASALT_BOOT_SH=MODULE / "boot.sh",
                               PATH=f"{programs}:{os.environ['PATH']}")
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        links = sorted(p.relative_to(units).as_posix() for p in units.rglob("*") if p.is_symlink())
        drop_ins = sorted(p.relative_to(units).as_posix() for p in units.rglob("*.conf"))
        return (self.top / "run/ignition.env").read_text(), links, drop_ins

    FIRST = ["ignition-complete.target.requires/ignition-diskful.target", "initrd.target.requires/ignition-complete.target"]
    LATER = ["ignition-subsequent.target.requires/ignition-diskful-subsequent.target",
             "initrd.target.requires/ignition-subsequent.target"]

    def test_first_boot(self):
        for word in ("ignition.firstboot", "ignition.firstboot=1", "ignition.firstboot=force", "ignition.firstboot=0 ignition.firstboot=yes"):
            environment, links, _ = self.generate(f"quiet {word} ignition.platform.id=aws ignition.platform.id=qemu")
            self.assertEqual((environment, links), ("PLATFORM_ID=qemu\nIGNITION_ARGS=\n", self.FIRST), word)

    def test_later_boot(self):
        for word in ("", "ignition.firstboot=0", "ignition.firstboot=off", "xignition.firstboot", "ignition.firstboot ignition.firstboot=no"):
            environment, links, drop_ins = self.generate(f"root=LABEL=root {word}")
            self.assertEqual((environment, links, drop_ins), ("PLATFORM_ID=\nIGNITION_ARGS=\n", self.LATER, []), word)

    def test_live(self):
        self.assertEqual(self.generate("ignition.firstboot", live=True)[1], self.FIRST[1:])
        self.assertEqual(self.generate("", live=True)[1], self.LATER[1:])
        self.assertEqual(self.generate("ignition.firstboot", live=False)[1], self.FIRST)

    def test_root_that_is_not_there_yet(self):
        self.assertEqual(self.generate("ignition.firstboot root=LABEL=my/root")[2],
                         ["dev-disk-by\\x2dlabel-my\\x5cx2froot.device.d/zz-ignition.conf"])
        self.assertTrue((self.top / "etc/cmdline.d/90-ignition.conf").read_text().startswith("rd.retry="))
        for root in ("root=/dev/nfs", "root=live:x", ""):
            self.assertEqual(self.generate(f"ignition.firstboot {root}")[2], [], root)


class Tags(Scratch):
    def tag(self, word):
        done = self.run_script("sh", "-c", ". \"$1\"; tag_device \"$2\"", "sh", MODULE / "boot.sh", word)
        return done.stdout.strip() if done.returncode == 0 else None

    def test_all(self):
        for word, path in (("LABEL=root", "/dev/disk/by-label/root"), ('PARTLABEL="a b"', "/dev/disk/by-partlabel/a\\x20b"),
                           ("UUID=AB-cd", "/dev/disk/by-uuid/AB-cd"), ("PARTUUID=1-2", "/dev/disk/by-partuuid/1-2"),
                           ("/dev/mapper/root", "/dev/mapper/root"), ("/dev/nfs", None), ("nfs:a:/b", None), ("", None)):
            self.assertEqual(self.tag(word), path, word)


class Complete(Scratch):
    def complete(self):
        return self.run_script("sh", TOP / "dracut/system/firstboot-complete", BASALT_BOOT=self.top / "boot")

    def test_everything_goes(self):
        self.write("boot/ignition.firstboot", "set ignition_network_kcmdline='ip=dhcp'\n")
        self.write("boot/ignition/config.ign", "secret")
        words = {"a": "ignition.firstboot rw", "b": "rw ignition.firstboot", "c": "a ignition.firstboot=1 b", "d": "rw quiet",
                 "e": "xignition.firstboot rw ignition.firstbootx"}
        for name, options in words.items():
            self.write(f"boot/loader/entries/{name}.conf", f"title ignition.firstboot\noptions {options}\nlinux /l\n")
        done = self.complete()
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        left = {p.name[0]: p.read_text().splitlines()[1] for p in (self.top / "boot/loader/entries").iterdir()}
        self.assertEqual(left, {"a": "options rw", "b": "options rw", "c": "options a b", "d": "options rw quiet",
                                "e": "options xignition.firstboot rw ignition.firstbootx"})
        self.assertEqual(sorted(os.listdir(self.top / "boot")), ["loader"])
        self.assertEqual(self.complete().returncode, 0)

    def test_nothing_to_do(self):
        (self.top / "boot").mkdir()
        self.assertEqual(self.complete().returncode, 0)


if __name__ == "__main__":
    unittest.main()
