#!/usr/bin/env python3
"""The ESP of systemd-boot, whose part is played here: what it lists, in which order, how it counts. Whenever a change is cut off,
every entry on the ESP boots. boot_esp_test.py DRIVER"""
import fnmatch
import os
import re
import shutil
import subprocess
import sys
import unittest

import sysroot_test
from sysroot_test import Base

sysroot_test.DRIVER = sys.argv.pop(1)


class SystemdBoot:
    def __init__(self, sysroot, place="boot/efi"):
        self.sysroot, self.esp = sysroot, sysroot.path / place
        (self.esp / "EFI/systemd").mkdir(parents=True)
        (self.esp / "loader/entries").mkdir(parents=True)
        (self.esp / "loader/loader.conf").write_text("timeout 3\ndefault other\n")

    def entries(self):
        """(name without counter, tries left or None, tries done, file), as it sorts them."""
        rows = []
        for path in (self.esp / "loader/entries").glob("*.conf"):
            m = re.fullmatch(r"(.*?)(?:\+(\d+)(?:-(\d+))?)?\.conf", path.name)
            rows.append((m[1], None if m[2] is None else int(m[2]), int(m[3] or 0), path))
        key = lambda row: [int(x) if x.isdigit() else x for x in re.split(r"(\d+)", row[0])]
        rows.sort(key=key, reverse=True)
        return sorted(rows, key=lambda row: row[1] == 0)

    def boots(self, path):
        """The deployment of an entry that is whole: its kernel is that of the deployment."""
        text = path.read_text()
        link = re.search(r"\bostree=/(\S+)", text)[1]
        tree = self.sysroot.path / link
        assert tree.is_dir(), f"{path.name}: {link} leads nowhere"
        modules = tree / "usr/lib/modules" / sysroot_test.KVER
        for key, name in (("linux", "vmlinuz"), ("initrd", "initramfs.img")):
            file = self.esp / re.search(rf"^{key} /(.*)$", text, re.M)[1]
            assert file.read_bytes() == (modules / name).read_bytes(), f"{path.name}: {file}"
        return "os/" + os.path.basename(os.path.realpath(tree))

    def list(self):
        return [self.boots(path) for *_, path in self.entries()]

    def start(self):
        rows = self.entries()
        default = re.search(r"^default\s+(\S+)", (self.esp / "loader/loader.conf").read_text(), re.M)
        chosen = next((row for row in rows if default and fnmatch.fnmatch(row[0] + ".conf", default[1])), rows[0])
        base, left, done, path = chosen
        if left:
            path = path.rename(path.with_name(f"{base}+{left - 1}-{done + 1}.conf"))
        return self.boots(path)


class Esp(Base):
    def two(self):
        s = self.sysroot()
        b = SystemdBoot(s)
        c1, c2 = s.commit("1"), s.commit("2", "k2")
        s.driver("deploy", c1, "stateroot=os", "options=root=LABEL=root")
        self.assertEqual(b.start(), f"os/{c1}.0")
        s.driver("deploy", c2, BASALT_BOOTED=f"os/{c1}.0")
        return s, b, f"os/{c1}.0", f"os/{c2}.0"

    def fat(self, b):
        """Nothing that FAT does not have, and nothing left over."""
        for path in b.esp.rglob("*"):
            st = path.lstat()
            self.assertFalse(path.is_symlink(), path)
            self.assertTrue(path.is_dir() or st.st_nlink == 1, path)
            self.assertFalse(path.name.startswith("."), path)

    def level(self, s, b, names):
        self.assertEqual(s.problems(), [])
        self.assertEqual(["os/" + n for n in s.boot_view()], names)
        self.assertEqual(b.list(), names)
        self.fat(b)

    def test_life(self):
        for place in ("boot/efi", "efi"):
            s = self.sysroot(name=place.replace("/", "-"))
            b = SystemdBoot(s, place)
            names = []
            for version, kernel in (("1", "k1"), ("2", "k2"), ("3", "k2")):
                s.driver("deploy", s.commit(version, kernel), "stateroot=os")
                names = [f"os/{n}" for n in s.names()]
                self.level(s, b, names)
                self.assertEqual(b.start(), names[0])
            s.driver("rollback")
            self.level(s, b, names[::-1])
            s.driver("kargs", "0", "other")
            self.assertIn("other", next((b.esp / "loader/entries").glob("*-2-*")).read_text())
            s.driver("remove", "1")
            self.level(s, b, names[1:])
            self.assertEqual(len(list((b.esp / "ostree").iterdir())), 1)
            self.assertIn("timeout 3\n", (b.esp / "loader/loader.conf").read_text())

    def test_of_others(self):
        s, b, old, new = self.two()
        other = b.esp / "loader/entries/debian.conf"
        other.write_text("title x\n")
        (b.esp / "ostree/mine").mkdir()
        s.driver("rollback", BASALT_BOOTED=old)
        self.assertEqual(other.read_text(), "title x\n")
        self.assertTrue((b.esp / "ostree/mine").is_dir())

    def test_mended(self):
        """What somebody did to it is told, and put right by the next change, or by repair."""
        s, b, old, new = self.two()
        for damage, text in ((lambda: next((b.esp / "ostree").glob("*/vmlinuz*")).unlink(), "other kernels"),
                             (lambda: next((b.esp / "loader/entries").glob("*-2-*")).unlink(), "other entries"),
                             (lambda: next((b.esp / "loader/entries").glob("*-1-*")).write_text("title x\n"), "other entries"),
                             (lambda: (b.esp / "loader/loader.conf").unlink(), "another default"),
                             (lambda: shutil.rmtree(b.esp / "ostree"), "other kernels")):
            damage()
            self.assertEqual([text in p for p in s.problems()], [True], s.problems())
            s.driver("repair")
            self.level(s, b, [new, old])

    def test_trials(self):
        s, b, old, new = self.two()
        self.assertEqual([b.start() for _ in range(5)], [new, new, new, old, old])
        out = s.driver("list", BASALT_BOOTED=old)
        self.assertIn(f"trial {new} 0/3 counted", out)
        self.assertIn("result 2", s.driver("complete", BASALT_BOOTED=old))
        self.level(s, b, [old, new])
        self.assertEqual([b.start() for _ in range(3)], [old] * 3)
        s.driver("rollback", BASALT_BOOTED=old)
        self.assertEqual(b.start(), new)
        # The same trial goes on when entries are written anew.
        s.driver("kargs", "0", "root=LABEL=other", BASALT_BOOTED=new)
        self.assertIn(f"trial {new} 2/3 counted", s.driver("list", BASALT_BOOTED=new))
        self.assertIn("result 1", s.driver("complete", BASALT_BOOTED=new))
        self.assertEqual([b.start() for _ in range(5)], [new] * 5)
        self.level(s, b, [new, old])

    def each_step(self, s, b, verb, allowed, **env):
        """Before each step failed, then killed; what the firmware would start each time, then the change once more."""
        saved = s.top / "saved"
        shutil.copytree(s.path, saved, symlinks=True)
        seen = set()
        for n in range(1, 300):
            for kill in ({}, {"BASALT_KILL": 1}):
                p = s.driver(*verb, check=False, BASALT_STEP=n, **kill, **env)
                if p.returncode == 0:
                    shutil.rmtree(saved)
                    return n - 1, seen
                for name in b.list():
                    self.assertIn(name, allowed, f"step {n}: {p.stdout}")
                seen.add(b.start())
                again = s.driver(*verb, check=False, **env)
                self.assertEqual(again.returncode, 0, again.stdout)
                self.assertEqual(s.problems(), [])
                self.assertEqual(b.list(), ["os/" + x for x in s.boot_view()])
                self.fat(b)
                shutil.rmtree(s.path)
                shutil.copytree(saved, s.path, symlinks=True)
        self.fail("no end")

    def test_cut(self):
        s, b, old, new = self.two()
        c3 = s.commit("3", "k3")
        steps, seen = self.each_step(s, b, ["deploy", c3], [old, new, f"os/{c3}.0", f"os/{c3}.1"], BASALT_BOOTED=old)
        self.assertEqual(seen, {new, f"os/{c3}.0"})
        print(steps, "steps of deploy")
        new = b.list()[0]  # the last run went through
        steps, seen = self.each_step(s, b, ["kargs", "0", "more"], [old, new], BASALT_BOOTED=old)
        self.assertEqual(seen, {new})
        print(steps, "steps of kargs")
        self.assertEqual(b.start(), new)
        steps, seen = self.each_step(s, b, ["complete"], [old, new], BASALT_BOOTED=new)
        self.assertEqual(seen, {new})
        print(steps, "steps of complete")

    def test_full(self):
        """Too little room is seen before anything is in force."""
        image = self.dir / "image"
        with open(image, "wb") as f:
            f.truncate(8 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
        s = self.sysroot()
        (s.path / "boot/efi").mkdir()
        if subprocess.run(["mount", "-o", "loop", image, s.path / "boot/efi"], capture_output=True).returncode:
            self.skipTest("nothing can be mounted")
        self.addCleanup(subprocess.run, ["umount", s.path / "boot/efi"], check=True)
        b = SystemdBoot(s)
        c1, c2 = s.commit("1", "k1", 100_000), s.commit("2", "k2", 400_000)
        s.driver("deploy", c1, "stateroot=os")
        p = s.driver("deploy", c2, check=False)
        self.assertRegex(p.stdout, r"the kernel needs \d+ MiB on the ESP, \d MiB are free")
        self.assertEqual(b.list(), [f"os/{c1}.0"])
        self.assertEqual(s.problems(), [])


if __name__ == "__main__":
    unittest.main()
