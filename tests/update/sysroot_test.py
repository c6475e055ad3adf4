#!/usr/bin/env python3
"""Sysroots: what `ostree admin` wrote we read, what we wrote it reads and goes on from; every change is failed and
killed at each of its steps; a full disk. sysroot_test.py DRIVER"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

DRIVER = None
KVER = "6.1.0-test"


def run(*argv, check=True, env=None, **more):
    p = subprocess.run([str(a) for a in argv], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       env={**os.environ, "OSTREE_SYSROOT_DEBUG": "mutable-deployments", **(env or {})}, **more)
    if check and p.returncode:
        raise AssertionError(f"{' '.join(map(str, argv))}: {p.returncode}\n{p.stdout}")
    return p.stdout if check else p


def tree_make(path, version, kernel="k1"):
    modules = path / "usr/lib/modules" / KVER
    for d in (modules, path / "usr/etc", path / "sysroot", path / "usr/bin", path / "var", path / "boot"):
        d.mkdir(parents=True, exist_ok=True)
    (path / "ostree").symlink_to("sysroot/ostree")
    (path / "usr/lib/os-release").write_text(f'ID=test\nPRETTY_NAME="Test OS {version}"\nVERSION_ID={version}\n')
    (modules / "vmlinuz").write_bytes(f"kernel {kernel}\n".encode() * 1000)
    (modules / "initramfs.img").write_bytes(f"initramfs {kernel}\n".encode() * 1000)
    (path / "usr/bin/program").write_text(f"#!/bin/sh\necho {version}\n")
    (path / "usr/etc/both").write_text("default\n")
    (path / "usr/etc/new-default").write_text(f"{version}\n")
    return path


class Sysroot:
    """One sysroot and the trees that can be deployed in it."""

    def __init__(self, top, ours=True):
        self.top, self.path, self.trees = top, top / "root", top / "trees"
        self.path.mkdir()
        self.trees.mkdir()
        if ours:
            self.driver("init", "os")
        else:
            run("ostree", "admin", "init-fs", self.path)
            run("ostree", "admin", "os-init", "os", f"--sysroot={self.path}")

    def commit(self, version, kernel="k1"):
        """A tree, committed to the repository of the sysroot too, so that ostree knows it."""
        work = tree_make(self.top / f"tree-{version}", version, kernel)
        checksum = run("ostree", "commit", f"--repo={self.path}/ostree/repo", f"--tree=dir={work}", f"--branch=os/{version}",
                       f"--add-metadata-string=version={version}", "--owner-uid=0", "--owner-gid=0",
                       "--no-xattrs", "-s", version, "--timestamp=2024-01-02 03:04:05 +0000").strip()
        os.rename(work, self.trees / checksum)
        return checksum

    def driver(self, verb, *args, check=True, **env):
        p = run(DRIVER, verb, self.path, *args, check=False,
                env={"BASALT_TREES": str(self.trees), "BASALT_MUTABLE": "1", **{k: str(v) for k, v in env.items()}})
        if check and p.returncode:
            raise AssertionError(f"{verb} {args}: {p.returncode}\n{p.stdout}")
        return p.stdout if check else p

    def list(self, **env):
        """Rows of (checksum, serial, flags and fields as text)."""
        out = self.driver("list", **env)
        return [(m[1], int(m[2]), m[3]) for m in re.finditer(r"^\d+ \S+ ([0-9a-f]{64})\.(\d+) (.*)$", out, re.M)]

    def names(self, **env):
        return [f"{c}.{n}" for c, n, _ in self.list(**env)]

    def problems(self):
        return re.findall(r"^problem (.*)$", self.driver("list"), re.M)

    def admin(self, verb, *args, check=True):
        return run("ostree", "admin", verb, f"--sysroot={self.path}", *args, check=check)

    def ostree_names(self):
        return re.findall(r"([0-9a-f]{64}\.\d+)", self.admin("status"))

    def boot_view(self):
        """As a machine boots: loader -> entries by version -> kernel, initramfs, link -> deployment. The list of
        deployments that could be booted, and an exception for what could not."""
        boot, found = self.path / "boot", []
        entries = sorted((boot / "loader/entries").glob("*.conf"),
                         key=lambda p: -int(re.search(r"^version (\d+)$", p.read_text(), re.M)[1]))
        for entry in entries:
            text = entry.read_text()
            for key in ("linux", "initrd"):
                path = boot / re.search(rf"^{key} /(.*)$", text, re.M)[1]
                assert path.is_file() and path.stat().st_size > 0, f"{entry}: {path}"
            link = re.search(r"\bostree=/(\S+)", text)[1]
            tree = self.path / link
            assert tree.is_dir(), f"{entry}: {link} -> {os.path.realpath(tree)}"
            for part in ("usr/bin/program", "etc/both", "usr/lib/os-release"):
                assert (tree / part).is_file(), f"{tree}: {part}"
            found.append(os.path.basename(os.path.realpath(tree)))
        return found

    def trees_there(self):
        return sorted(p.name for p in (self.path / "ostree/deploy/os/deploy").iterdir() if p.is_dir())


class SysrootTest(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="basalt-sysroot-"))
        self.addCleanup(self.remove)

    def remove(self):
        subprocess.run(["chattr", "-R", "-f", "-i", str(self.dir)], capture_output=True)
        shutil.rmtree(self.dir, ignore_errors=True)

    def sysroot(self, ours=True, name="s"):
        (self.dir / name).mkdir()
        return Sysroot(self.dir / name, ours)

    def assert_agree(self, s, names):
        self.assertEqual(s.names(), names)
        self.assertEqual(s.ostree_names(), names)
        self.assertEqual(s.boot_view(), names)
        self.assertEqual(s.problems(), [])

    # ---- both directions ----

    def test_init(self):
        theirs, ours = self.sysroot(False, "theirs"), self.sysroot(True, "ours")
        find = ["find", ".", "-printf", "%M %p %l\n"]
        a = set(run(*find, cwd=theirs.path).splitlines())
        b = set(run(*find, cwd=ours.path).splitlines())
        optional = {"./dev", "./home", "./proc", "./root", "./run", "./sys", "./tmp"}
        self.assertEqual({l for l in a - b if l.split()[1] not in optional}, set())
        self.assertEqual({l.split()[1] for l in b - a},
                         {"./boot/boot", "./boot/loader", "./boot/loader.0", "./boot/loader.0/entries"})
        self.assertIn("result 0", ours.driver("init", "os"))
        self.assertIn("result 1", ours.driver("init", "second"))
        self.assertEqual(ours.driver("init", "a/b", check=False).returncode, 1)
        self.assertEqual(ours.list(), [])
        self.assertIn("No deployments", ours.admin("status"))

    def test_ours_then_theirs(self):
        s = self.sysroot()
        c1, c2, c3 = s.commit("1"), s.commit("2"), s.commit("3", "k2")
        s.driver("deploy", c1, "stateroot=os", "options=root=LABEL=root rw quiet", "refspec=os/1")
        self.assert_agree(s, [f"{c1}.0"])
        deployed = s.path / f"ostree/deploy/os/deploy/{c1}.0"
        (deployed / "etc/both").write_text("changed\n")
        (deployed / "etc/mine").write_text("mine\n")
        s.driver("deploy", c2)
        self.assert_agree(s, [f"{c2}.0", f"{c1}.0"])
        etc = s.path / f"ostree/deploy/os/deploy/{c2}.0/etc"
        self.assertEqual([(etc / n).read_text() for n in ("both", "mine", "new-default")], ["changed\n", "mine\n", "2\n"])
        row = s.list()[0][2]
        self.assertIn("options=[root=LABEL=root rw quiet]", row)
        self.assertIn("version=2 time=1704164645 kernel=6.1.0-test origin=os/1", row)
        self.assertIn("title=[Test OS 2 (ostree:0)]", row)
        self.assertIn("origin refspec: os/1", s.admin("status"))
        self.assertIn("Version: 2", s.admin("status"))
        s.driver("rollback")
        self.assert_agree(s, [f"{c1}.0", f"{c2}.0"])
        s.driver("rollback")
        self.assert_agree(s, [f"{c2}.0", f"{c1}.0"])
        s.driver("pin", "1", "1")
        self.assertIn("Pinned: yes", s.admin("status"))
        s.driver("kargs", "0", "root=LABEL=root rw debug")
        self.assertIn("rw debug ostree=", next((s.path / "boot/loader/entries").glob("ostree-2-*")).read_text())
        s.admin("deploy", "--os=os", c3)  # goes on from what we wrote
        self.assert_agree(s, [f"{c3}.0", f"{c2}.0", f"{c1}.0"])
        self.assertIn("options=[root=LABEL=root rw debug]", s.list()[0][2])
        s.admin("undeploy", "0")
        self.assert_agree(s, [f"{c2}.0", f"{c1}.0"])
        self.assertIn("is pinned", s.driver("remove", "1", check=False).stdout)
        s.driver("pin", "1", "0")
        s.driver("remove", "1")
        self.assert_agree(s, [f"{c2}.0"])
        self.assertEqual(s.trees_there(), [f"{c2}.0"])
        self.assertEqual(len(list((s.path / "boot/ostree").iterdir())), 1)
        s.driver("deploy", c2)
        self.assert_agree(s, [f"{c2}.1", f"{c2}.0"])
        run("ostree", "prune", "--refs-only", f"--repo={s.path}/ostree/repo")
        run("ostree", "fsck", "--quiet", f"--repo={s.path}/ostree/repo")

    def test_theirs_then_ours(self):
        s = self.sysroot(False)
        c1, c2, c3 = s.commit("1"), s.commit("2", "k2"), s.commit("3")
        s.admin("deploy", "--os=os", "--karg=root=LABEL=x", "--karg=quiet", "os/3")
        self.assert_agree(s, [f"{c3}.0"])
        s.admin("deploy", "--os=os", c2)
        self.assert_agree(s, [f"{c2}.0", f"{c3}.0"])
        s.admin("pin", "1")
        self.assertIn(" pinned", s.list()[1][2])
        s.admin("deploy", "--os=os", "--retain", c1)
        self.assert_agree(s, [f"{c1}.0", f"{c2}.0", f"{c3}.0"])
        self.assertIn("options=[root=LABEL=x quiet]", s.list()[0][2])
        s.driver("rollback")
        self.assert_agree(s, [f"{c2}.0", f"{c1}.0", f"{c3}.0"])
        s.driver("deploy", c1)
        self.assert_agree(s, [f"{c1}.1", f"{c2}.0", f"{c3}.0"])
        s.admin("cleanup")
        self.assert_agree(s, [f"{c1}.1", f"{c2}.0", f"{c3}.0"])
        # the same kernel, version and arguments: ostree swaps links only, and so do we
        loader = os.readlink(s.path / "boot/loader")
        s.driver("deploy", c1)
        self.assertEqual(os.readlink(s.path / "boot/loader") == loader, False)  # one more or other titles
        loader = os.readlink(s.path / "boot/loader")
        s.driver("rollback")
        s.driver("rollback")
        self.assertEqual(s.problems(), [])


if __name__ == "__main__":
    DRIVER = sys.argv.pop(1)
    if os.geteuid() or not shutil.which("ostree"):
        print("skipped: needs root and the program ostree")
        sys.exit(77)
    unittest.main()
