#!/usr/bin/env python3
"""Trials of new deployments, with GRUB's part played here as data/grub.cfg has it (the real one: tests/vm/os_test.py).
boot_counting_test.py DRIVER"""
import re
import shutil
import sys
import unittest

import sysroot_test
from sysroot_test import Base

sysroot_test.DRIVER = sys.argv.pop(1)
HEAD = "# GRUB Environment Block\n"


class Grub:
    """From power on to the kernel."""

    def __init__(self, sysroot):
        self.sysroot, self.path = sysroot, sysroot.path / "boot/grub/grubenv"
        self.path.parent.mkdir()
        self.write({})

    def read(self):
        return dict(line.split("=", 1) for line in self.path.read_text().splitlines() if line[0] != "#")

    def write(self, values):
        text = HEAD + "".join(f"{k}={v}\n" for k, v in values.items())
        self.path.write_text(text + "#" * (1024 - len(text)))

    def trial(self):
        path = self.sysroot.path / "boot/loader/trial.cfg"
        return dict(re.findall(r'^set (\w+)="(.*)"$', path.read_text(), re.M)) if path.exists() else {}

    def start(self):
        """The deployment that is started, as BASALT_BOOTED wants it."""
        names, trial, chosen = self.sysroot.boot_view(), self.trial(), 0
        if trial and self.path.exists():
            env = self.read()
            left = int(env["basalt_left"] if env.get("basalt_trial") == trial["trial"] else trial["trial_tries"])
            if left == 0:
                chosen = 1
            else:
                self.write({**env, "basalt_trial": trial["trial"], "basalt_left": left - 1})
        return f"os/{names[chosen]}"


class Counting(Base):
    def two(self, kernel="k2", grub=True, options="root=LABEL=root"):
        """c1 runs; c2 has just been deployed."""
        s = self.sysroot()
        g = Grub(s) if grub else None
        c1, c2 = s.commit("1"), s.commit("2", kernel)
        s.driver("deploy", c1, "stateroot=os", f"options={options}")
        self.assertFalse((s.path / "boot/loader/trial.cfg").exists())  # there is nothing to go back to
        s.driver("deploy", c2, BASALT_BOOTED=f"os/{c1}.0")
        return s, g, f"os/{c1}.0", f"os/{c2}.0"

    def state(self, s, booted):
        out = s.driver("list", BASALT_BOOTED=booted)
        return re.findall(r"^(?:trial|fallback) .*$", out, re.M)

    def order(self, s):
        return [f"os/{name}" for name in s.boot_view()]

    def test_good(self):
        s, g, old, new = self.two()
        self.assertEqual(self.state(s, old), [f"trial {new} 3/3"])
        self.assertEqual(g.start(), new)
        self.assertEqual(self.state(s, new), [f"trial {new} 2/3 counted"])
        self.assertIn("result 1", s.driver("complete", BASALT_BOOTED=new))
        self.assertEqual(self.state(s, new), [])
        self.assertIn("result 0", s.driver("complete", BASALT_BOOTED=new))
        for _ in range(5):
            self.assertEqual(g.start(), new)
        self.assert_agree(s, [name[3:] for name in (new, old)])

    def test_falls_back(self):
        for kernel in ("k2", "k1"):
            with self.subTest(kernel=kernel):
                s, g, old, new = self.two(kernel)
                self.assertEqual([g.start() for _ in range(5)], [new, new, new, old, old])
                self.assertEqual(self.state(s, old), [f"trial {new} 0/3 counted", f"fallback {new} {old} 3"])
                self.assertIn("result 2", s.driver("complete", BASALT_BOOTED=old))
                self.assertEqual(self.order(s), [old, new])
                self.assertEqual(self.state(s, old), [f"fallback {new} {old} 3"])
                self.assertIn("result 0", s.driver("complete", BASALT_BOOTED=old))
                self.assertEqual(g.start(), old)
                # Asked for by a person it has its tries again, and may be good then.
                s.driver("rollback", BASALT_BOOTED=old)
                self.assertEqual(self.state(s, old), [f"trial {new} 3/3", f"fallback {new} {old} 3"])
                self.assertEqual(g.start(), new)
                self.assertIn("result 1", s.driver("complete", BASALT_BOOTED=new))
                self.assertEqual(self.state(s, new), [])
                self.assertEqual((s.path / "ostree/failed-boots").read_text(), "")
                shutil.rmtree(s.top)

    def test_without_grubenv(self):
        s, _, old, new = self.two(grub=False)
        self.assertFalse((s.path / "boot/loader/trial.cfg").exists())
        self.assertIn("result 0", s.driver("complete", BASALT_BOOTED=new))
        # It goes away, is broken, or grows while a trial is on.
        s2 = self.sysroot(name="second")
        g = Grub(s2)
        c1, c2 = s2.commit("1"), s2.commit("2")
        s2.driver("deploy", c1, "stateroot=os")
        s2.driver("deploy", c2)
        for damage in (lambda: g.path.write_text("#" * 1024), lambda: g.path.write_bytes(bytes(1 << 20)), g.path.unlink):
            damage()
            self.assertEqual(self.state(s2, f"os/{c2}.0"), [f"trial os/{c2}.0 3/3"])
        self.assertEqual(g.start(), f"os/{c2}.0")
        self.assertIn("result 1", s2.driver("complete", BASALT_BOOTED=f"os/{c2}.0"))
        self.assertEqual(self.order(s2), [f"os/{c2}.0", f"os/{c1}.0"])

    def test_tries(self):
        for words, tries in (("basalt.tries=1", 1), ("a basalt.tries=9 b", 9), ("basalt.tries=0", 0), ("basalt.tries=10", 3),
                             ("basalt.tries=", 3), ("basalt.tries=-1", 3)):
            s, g, old, new = self.two(options=words)
            self.assertEqual([g.start() for _ in range(tries)], [new] * tries, words)
            self.assertEqual(g.start(), old if tries else new, words)
            shutil.rmtree(s.top)

    def test_trials_go_on_and_begin_anew(self):
        s, g, old, new = self.two()
        token = g.trial()["trial"]
        g.start()
        s.driver("kargs", "0", "root=LABEL=other", BASALT_BOOTED=new)  # entries are written anew: the same trial
        self.assertEqual(g.trial()["trial"], token)
        self.assertEqual([g.start() for _ in range(3)], [new, new, old])
        # The next version is another one, whatever is left of the last.
        c3 = s.commit("3", "k3")
        s.driver("deploy", c3, BASALT_BOOTED=old)
        self.assertNotEqual(g.trial()["trial"], token)
        self.assertEqual([g.start() for _ in range(4)], [f"os/{c3}.0"] * 3 + [old])
        # A damaged trial is none.
        (s.path / "boot/loader/trial.cfg").write_text('set trial="x"\nset trial_tries="99"\n')
        self.assertEqual(self.state(s, old), [])

    def test_chosen_by_hand(self):
        s, g, old, new = self.two()
        g.start()
        self.assertIn("result 0", s.driver("complete", BASALT_BOOTED=old))
        self.assertEqual(self.state(s, old), [f"trial {new} 2/3 counted"])
        self.assertEqual(s.driver("complete", check=False).returncode, 1)  # nothing of it runs

    # ---- cut off ----

    def each_step(self, s, verb, look, **env):
        """Before each step killed; `look` each time. The number of steps."""
        saved = s.top / "saved"
        shutil.copytree(s.path, saved, symlinks=True)
        for n in range(1, 200):
            p = s.driver(*verb, check=False, BASALT_STEP=n, BASALT_KILL=1, **env)
            if p.returncode == 0:
                break
            look()
            shutil.rmtree(s.path)
            shutil.copytree(saved, s.path, symlinks=True)
        shutil.rmtree(saved)
        self.assertLess(n, 199)
        return n - 1

    def test_deploying_cut(self):
        s = self.sysroot()
        g = Grub(s)
        c1, c2 = s.commit("1"), s.commit("2", "k2")
        s.driver("deploy", c1, "stateroot=os")
        old, new = f"os/{c1}.0", f"os/{c2}.0"

        def look():
            first = self.order(s)[0]
            self.assertEqual(g.trial().get("trial_of"), new if first == new else None)

        self.assertGreater(self.each_step(s, ["deploy", c2], look, BASALT_BOOTED=old), 8)

    def test_completing_cut(self):
        s, g, old, new = self.two()
        g.start()

        def look():
            self.assertEqual(g.start(), new)
            self.assertNotIn("result 2", s.driver("complete", BASALT_BOOTED=new))
            self.assertEqual([g.start() for _ in range(4)], [new] * 4)

        self.assertGreater(self.each_step(s, ["complete"], look, BASALT_BOOTED=new), 1)

    def test_falling_back_cut(self):
        s, g, old, new = self.two()
        for _ in range(4):
            g.start()

        def look():
            self.assertEqual(g.start(), old)
            s.driver("complete", BASALT_BOOTED=old)
            self.assertEqual(self.order(s), [old, new])
            self.assertEqual(self.state(s, old), [f"fallback {new} {old} 3"])
            self.assertEqual(len((s.path / "ostree/failed-boots").read_text().splitlines()), 1)

        self.assertGreater(self.each_step(s, ["complete"], look, BASALT_BOOTED=old), 5)


if __name__ == "__main__":
    unittest.main()
