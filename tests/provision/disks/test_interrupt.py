#!/usr/bin/env python3
"""A run that is interrupted before any of its changes, by an error or by SIGKILL, and then done again ends with
what was declared, and sound. The driver is the first argument."""
import os
import subprocess
import sys
import time

import loop

DRIVER = os.path.abspath(sys.argv.pop(1))
FORMATS = ("ext4", "xfs", "vfat")
LABEL = "DECLARED"


class Interrupt(loop.DisksTest):
    def run_driver(self, *args):
        return subprocess.run([DRIVER, *map(str, args), self.path], text=True, capture_output=True)

    def prepare(self, wipe):
        self.devices = getattr(self, "devices", None) or {f: self.loop() for f in FORMATS}
        self.path = self.config_write(self.config(filesystems=[
            {"device": d, "format": f, "label": LABEL, "wipeFilesystem": wipe} for f, d in self.devices.items()]))
        for device in self.devices.values():
            loop.output("wipefs", "--all", device)
            if wipe:
                loop.output("mkfs.ext4", "-q", "-L", "old", device)

    def wait_until_free(self):
        """What a killed driver had started may still be at work."""
        for device in self.devices.values():
            while True:
                try:
                    os.close(os.open(device, os.O_RDWR | os.O_EXCL))
                    break
                except OSError:
                    time.sleep(0.01)

    def check(self):
        for format, device in self.devices.items():
            found = self.probe(device)
            self.assertEqual((found.get("TYPE"), found.get("LABEL")), (format, LABEL), found)
            self.assertIsNone(loop.check_filesystem(format, device))

    def interrupted(self, option, wipe):
        self.prepare(wipe)
        p = self.run_driver("--count")
        self.assertEqual(p.returncode, 0, p.stderr)
        steps = int(p.stdout)
        self.assertGreaterEqual(steps, 8)  # two a format, and one for each mark
        self.check()
        for n in range(1, steps + 1):
            with self.subTest(option=option, n=n):
                self.prepare(wipe)
                p = self.run_driver(option, n)
                self.assertEqual(p.returncode, 3 if option == "--fail-at" else -9, p.stderr)
                self.wait_until_free()
                p = self.run_driver()
                self.assertEqual(p.returncode, 0, p.stderr)
                self.check()

    def test_fail(self):
        self.interrupted("--fail-at", False)

    def test_kill(self):
        self.interrupted("--kill-at", False)

    def test_kill_while_replacing(self):
        self.interrupted("--kill-at", True)


loop.skip_unless_possible()
loop.unittest.main(verbosity=1)
