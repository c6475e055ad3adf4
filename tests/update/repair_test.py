#!/usr/bin/env python3
"""repair_test.py PROGRAM CLIENT FAIL_CALLS: what is damaged or missing of a system is fetched again, only the layers that have it, and is what
it was; ostree's fsck has the last word."""
import os
import random
import shutil
import subprocess
import sys
import unittest

import os_test
from images import Registry, file, run, sha256
from os_test import KERNEL, Case, image

FAIL_CALLS = sys.argv.pop(1)


class Repair(Case):
    def setUp(self):
        super().setUp()
        self.more = [file(f"usr/share/f{i}", f"{i}\n" * 99) for i in range(5)]
        self.publish("1.0", *self.more)
        self.os("switch", self.name)

    def object_of(self, path, kind="file"):
        """A directory has two; "/" of kind "commit" is the commit."""
        commit = self.deployments()[0]["checksum"]
        checksum = commit
        if kind != "commit":
            row = run("ostree", "ls", "-d", "-C", f"--repo={self.root}/ostree/repo", commit, path).decode().split()
            checksum = row[5 if kind == "dirmeta" else 4]
        return self.root / "ostree/repo/objects" / checksum[:2] / f"{checksum[2:]}.{kind}"

    def flip(self, path):
        with open(path, "r+b") as f:
            first = f.read(1)
            f.seek(0)
            f.write(bytes([first[0] ^ 0x55]))

    def repair(self, *words, code=0):
        return self.json("repair", "--objects", "--config-root", self.place / "config", *words, code=code)

    def sound(self):
        run("ostree", "fsck", "--quiet", f"--repo={self.root}/ostree/repo")
        self.os("verify")
        self.assertEqual(self.json("status")["problems"], [])
        self.assertEqual(list(self.root.glob("**/.basalt-repair")), [])
        self.assertIn("nothing to repair", self.os("repair", "--objects", "--config-root", self.place / "config"))

    def test_nothing(self):
        self.assertEqual(self.repair(), {"changed": False, "layers-fetched": 0, "objects": [], "files": [], "left": 0})
        self.assertIn("nothing to repair", self.os("repair"))

    def test_files(self):
        """One that was written to through its link, one that is gone, one whose link alone was replaced."""
        flipped, gone = self.object_of("/usr/share/f1"), self.object_of("/usr/share/f2")
        self.flip(self.path() / "usr/share/f1")
        gone.unlink()
        (self.path() / "usr/share/f3").unlink()
        (self.path() / "usr/share/f3").write_text("other\n")
        (self.path() / "usr/share/f4").unlink()
        self.os("verify", code=3)
        held = open(self.path() / "usr/share/f1", "rb")
        self.addCleanup(held.close)
        said = self.repair()
        self.assertEqual((said["changed"], said["layers-fetched"], said["left"]), (True, 1, 0))
        self.assertEqual(sorted((o["state"], o["paths"][0], o["repaired"]) for o in said["objects"]),
                         [("damaged", "/usr/share/f1", True), ("missing", "/usr/share/f2", True)])
        self.assertEqual(sorted(f.rsplit("/", 1)[1] for f in said["files"]), ["f1", "f3", "f4"])
        self.assertEqual(flipped.read_text(), "1\n" * 99)
        for i in range(5):
            self.assertEqual((self.path() / f"usr/share/f{i}").read_text(), f"{i}\n" * 99)
        self.assertEqual((self.path() / "usr/share/f1").stat().st_ino, flipped.stat().st_ino)
        self.assertNotEqual(os.fstat(held.fileno()).st_ino, flipped.stat().st_ino)
        self.sound()

    def test_only_the_layer(self):
        """The large layer stays as it is; another one that is damaged as well is fetched too."""
        registry = Registry(self.place / "registry")
        self.addCleanup(registry.close)
        (self.place / "config/etc/containers/registries.conf").write_text(f'[[registry]]\nlocation = "{registry.host}"\ninsecure = true\n')
        made = image("1.0", *self.more)
        registry.push("os", made, "stable")
        self.os("switch", f"{registry.host}/os:stable")
        registry.push("os", image("2.0"), "stable")  # the name leads elsewhere by now
        self.flip(self.object_of("/usr/share/f1"))
        asked = len(registry.log)
        self.assertEqual(self.repair()["layers-fetched"], 1)
        blobs = [line for line in registry.log[asked:] if "response completed" in line and "/blobs/" in line]
        self.assertFalse(any(made.layers[0].digest in line for line in blobs))
        self.sound()
        self.flip(self.object_of("/usr/bin/large"))
        self.flip(self.object_of("/usr/share/f1"))
        self.assertEqual(self.repair()["layers-fetched"], 2)
        self.sound()

    def test_metadata(self):
        for path, kind in (("/usr/share", "dirtree"), ("/usr/share", "dirmeta"), ("/", "dirtree"), ("/", "commit")):
            for how in (self.flip, os.unlink):
                with self.subTest(path=path, kind=kind, how=how):
                    place = self.object_of(path, kind)
                    before = place.read_bytes()
                    how(place)
                    said = self.repair()
                    self.assertEqual((said["left"], said["objects"][0]["repaired"]), (0, True))
                    self.assertEqual(place.read_bytes(), before)
                    self.sound()

    def test_layer_commit(self):
        """What only a layer has."""
        ref = next((self.root / "ostree/repo/refs/heads/ostree/container/blob").glob("*"))
        checksum = ref.read_text().strip()
        self.flip(self.root / "ostree/repo/objects" / checksum[:2] / f"{checksum[2:]}.commit")
        self.assertEqual(self.repair()["layers-fetched"], 1)
        self.sound()

    def test_kernel(self):
        kernel = next((self.root / "boot/ostree").glob("*/vmlinuz*"))
        self.assertEqual(kernel.stat().st_ino, self.object_of(f"/{KERNEL}/vmlinuz").stat().st_ino)
        self.flip(kernel)
        said = self.repair()
        self.assertTrue(any(f.startswith("/boot/ostree/") for f in said["files"]), said)
        self.assertEqual(kernel.read_text(), "kernel 1")
        self.sound()

    def test_what_it_leaves(self):
        """A directory, and what somebody added."""
        (self.path() / "usr/share").chmod(0o700)
        (self.path() / "usr/new").write_text("n")
        said = self.os("repair", "--objects", "--config-root", self.place / "config", code=3)
        self.assertEqual(said, "")
        self.assertTrue((self.path() / "usr/new").exists())

    def test_gone(self):
        """What cannot be fetched stays as it is, and is told."""
        place = self.object_of("/usr/share/f1")
        self.flip(place)
        damaged = place.read_bytes()
        self.publish("2.0")
        done = subprocess.run([os_test.PROGRAM, "--sysroot", self.root, "repair", "--objects", "--config-root", self.place / "config"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 3)
        self.assertIn("leads to sha256:", done.stderr)
        self.assertIn("still bad: damaged object", done.stdout)
        self.assertIn("Next: basalt-os upgrade", done.stdout)
        shutil.rmtree(self.layout)
        self.os("repair", "--objects", "--config-root", self.place / "config", code=3)
        self.assertEqual(place.read_bytes(), damaged)
        self.publish("1.0", *self.more)
        self.repair()
        self.sound()

    def test_calls(self):
        """Failed or killed anywhere: nothing is worse than before, and a second run does it."""
        report, words = self.place / "report", [os_test.PROGRAM, "--sysroot", self.root, "repair", "--objects", "--quiet",
                                                "--config-root", self.place / "config"]

        def run_at(number, way):
            self.flip(self.path() / "usr/share/f1")
            self.object_of("/usr/share", "dirtree").unlink()
            done = subprocess.run([FAIL_CALLS, report, str(number), way, *words], capture_output=True, text=True)
            self.assertIn(done.returncode, (0, 1, 3, 137), done.stderr)
            return done.returncode

        self.assertEqual(run_at(0, "EIO"), 0)
        count = int(report.read_text().split()[0])
        for number in random.Random(1).sample(range(1, count + 1), min(count, 16)):
            for way in ("KILL", "EIO"):
                with self.subTest(number=number, way=way):
                    run_at(number, way)
                    self.os("status")
                    self.repair()
                    self.sound()
        print(f"        {count} calls", flush=True)


if __name__ == "__main__":
    try:
        unittest.main()
    finally:
        shutil.rmtree(os_test.here, ignore_errors=True)
