#!/usr/bin/env python3
"""etc_merge_test.py DRIVER: /etc comes into the next deployment as with `ostree admin deploy`, and where that is
not so, as the header says."""
import os
import shutil
import struct
import sys

import trees
from trees import describe, run, write


def defaults(etc):
    for name in ("same", "edited", "edited-both", "removed", "removed-new", "removed-both", "mode", "owner", "equal",
                 "became-link", "gone-new", "edited-gone", "removed-edited-new"):
        write(etc / name, f"{name} 1\n")
    (etc / "link").symlink_to("same")
    (etc / "link-edited").symlink_to("same")
    write(etc / "d/inner", "1\n")
    write(etc / "d/other", "1\n")
    write(etc / "removed.d/x", "1\n")
    write(etc / "removed.d/sub/y", "1\n")
    write(etc / "deep/er/still/z", "1\n")
    write(etc / "gone.d/kept", "1\n")
    write(etc / "gone.d/left", "1\n")
    write(etc / "attributes.d/x", "1\n")


def next_defaults(etc):
    """What the second version makes of it."""
    write(etc / "edited-both", "edited-both 2\n")
    write(etc / "removed-edited-new", "2\n")
    write(etc / "removed.d/new", "2\n")
    write(etc / "equal", "equal local\n")
    write(etc / "new", "2\n")
    write(etc / "added-both", "2\n")
    write(etc / "d/other", "2\n")
    for name in ("gone-new", "edited-gone", "removed-both"):
        (etc / name).unlink()
    shutil.rmtree(etc / "gone.d")


def local(etc):
    """What an administrator did, in what ostree and we agree on."""
    write(etc / "edited", "edited local\n")
    write(etc / "edited-both", "edited-both local\n")
    write(etc / "edited-gone", "edited-gone local\n")
    write(etc / "equal", "equal local\n")
    for name in ("removed", "removed-edited-new", "removed-both", "became-link", "link-edited"):
        (etc / name).unlink()
    (etc / "became-link").symlink_to("same")
    (etc / "link-edited").symlink_to("edited")
    (etc / "mode").chmod(0o600)
    os.chown(etc / "owner", 1, 2)
    write(etc / "added", "local\n", 0o640)
    os.setxattr(etc / "added", "user.note", b"n")
    write(etc / "added-both", "local\n")
    write(etc / "added.d/sub/x", "local\n")
    os.chmod(etc / "added.d", 0o700)
    (etc / "added.d/empty").mkdir()
    (etc / "added.d/l").symlink_to("/x")
    write(etc / "d/inner", "local\n")
    write(etc / "deep/er/still/z", "local\n")
    write(etc / "gone.d/kept", "local\n")
    shutil.rmtree(etc / "removed.d")
    os.mkfifo(etc / "pipe")


class Merge(trees.Case):
    def setUp(self):
        super().setUp()
        self.old, self.etc, self.new, self.to = (self.top / n for n in ("old", "etc", "new", "to"))

    def three(self, old, new, here):
        """Defaults by function, /etc a copy of the old ones, edited."""
        for path in (self.old, self.new, self.etc, self.to):
            shutil.rmtree(path, ignore_errors=True)
        self.old.mkdir()
        old(self.old)
        shutil.copytree(self.old, self.new, symlinks=True)
        run("cp", "-a", self.old, self.etc)
        new(self.new)
        here(self.etc)
        run("cp", "-a", self.new, self.to)

    def plan(self, code=0):
        got = self.call("etc-plan", self.old, self.etc, self.new, code=code)
        return got if code else got[0].splitlines()

    def merge(self, stop=None, code=0):
        return self.call("etc-merge", self.old, self.etc, self.new, self.to, stop=stop, code=code)


class Referee(Merge):
    def sysroot(self):
        """Two deployments of a tiny tree in a sysroot of ostree, the first one's /etc edited between them."""
        root, tree = self.fresh("sysroot"), self.fresh("tree")
        for name in ("bin", "lib/modules/1", "lib"):
            (tree / "usr" / name).mkdir(parents=True, exist_ok=True)
        write(tree / "usr/lib/modules/1/vmlinuz", "kernel")
        write(tree / "usr/lib/modules/1/initramfs.img", "initramfs")
        write(tree / "usr/lib/os-release", "NAME=Test\nVERSION=1\nPRETTY_NAME=Test\n")
        write(tree / "usr/etc/os-release", "NAME=Test\nVERSION=1\nPRETTY_NAME=Test\n")
        for name in ("boot", "dev", "proc", "run", "sys", "sysroot", "tmp", "var"):
            (tree / name).mkdir()
        (tree / "ostree").symlink_to("sysroot/ostree")
        defaults(tree / "usr/etc")
        run("ostree", "admin", f"--sysroot={root}", "init-fs", root)
        run("ostree", "admin", f"--sysroot={root}", "os-init", "test")
        self.repo = root / "ostree/repo"
        run("ostree", f"--repo={self.repo}", "config", "set", "sysroot.bootloader", "none")
        return root, tree

    def deploy(self, root, tree):
        self.commit(tree)
        run("ostree", "admin", f"--sysroot={root}", "deploy", "--os=test", "os")
        commit = self.ostree("rev-parse", "os")
        return next((root / "ostree/deploy/test/deploy").glob(commit + ".?"))

    def test_as_admin_deploy(self):
        root, tree = self.sysroot()
        first = self.deploy(root, tree)
        local(first / "etc")
        next_defaults(tree / "usr/etc")
        theirs = run("ostree", "admin", f"--sysroot={root}", "config-diff", "--os=test").stdout
        ours, _ = self.call("etc-changes", first / "usr/etc", first / "etc")
        self.assertEqual(sorted((line.split()[0], line.split()[1]) for line in ours.splitlines()),
                         sorted(tuple(line.split(maxsplit=1)) for line in theirs.splitlines()))
        second = self.deploy(root, tree)
        run("cp", "-a", second / "usr/etc", self.to)
        self.call("etc-merge", first / "usr/etc", first / "etc", second / "usr/etc", self.to)
        mine, wanted = describe(self.to), describe(second / "etc")
        mine.pop(".updated", None)
        self.assertEqual(mine, wanted)
        self.assertNotIn("pipe", mine)
        # the whole way: checked out by us, merged by us
        whole = self.fresh("sysroot/whole")
        self.call("checkout-deployment", self.repo, self.ostree("rev-parse", "os"), whole)
        self.call("etc-merge", first / "usr/etc", first / "etc", whole / "usr/etc", whole / "etc")
        self.assertEqual(describe(whole / "etc"), wanted)
        self.assertEqual(describe(whole / "usr"), describe(second / "usr"))
        run("chattr", "-i", *(root / "ostree/deploy/test/deploy").glob("*.?"))


class Plan(Merge):
    def test_rows(self):
        self.three(defaults, next_defaults, local)
        self.assertEqual(self.plan(), [
            "A added", "A added-both CONFLICT", "A added.d", "A added.d/empty", "A added.d/l", "A added.d/sub",
            "A added.d/sub/x", "M became-link type", "M d/inner contents", "M deep/er/still/z contents",
            "M edited contents", "M edited-both contents CONFLICT", "M edited-gone contents CONFLICT",
            "M equal contents", "M gone.d/kept contents CONFLICT", "M link-edited contents", "M mode mode",
            "M owner owner", "A pipe", "D removed", "D removed-both", "D removed-edited-new CONFLICT",
            "D removed.d CONFLICT"])

    def test_no_change(self):
        self.three(defaults, next_defaults, lambda etc: None)
        self.assertEqual(self.plan(), [])
        before = describe(self.to)
        self.merge()
        self.assertEqual(describe(self.to), before)

    def check_row(self, old, new, here, *rows):
        self.three(old, new, here)
        self.assertEqual(self.plan(), list(rows))
        self.merge()
        return self.to

    def test_attributes_of_directories(self):
        def chmod(etc):
            os.chmod(etc / "attributes.d", 0o700)
            os.setxattr(etc / "attributes.d", "user.mine", b"1")

        def chmod_new(etc):
            os.setxattr(etc / "attributes.d", "user.theirs", b"1")

        to = self.check_row(defaults, chmod_new, chmod, "M attributes.d mode xattrs CONFLICT")
        self.assertEqual(describe(to)["attributes.d"], ["drwx------", 0, 0, {"user.mine": b"1"}])
        # not changed here: as the new default has it, whatever was changed in it
        to = self.check_row(defaults, lambda etc: os.chmod(etc / "d", 0o750), lambda etc: write(etc / "d/added"),
                            "A d/added")
        self.assertEqual(describe(to)["d"][0], "drwxr-x---")

    def test_xattrs_of_files(self):
        to = self.check_row(defaults, lambda etc: None, lambda etc: os.setxattr(etc / "same", "user.a", b"1"),
                            "M same xattrs")
        self.assertEqual(describe(to)["same"][3], {"user.a": b"1"})
        def labelled(etc):
            os.setxattr(etc / "same", "security.selinux", b"label")
        self.check_row(defaults, lambda etc: None, labelled)

    def test_replaced_directory(self):
        def link(etc):
            shutil.rmtree(etc / "d")
            (etc / "d").symlink_to("deep")
        to = self.check_row(defaults, lambda etc: None, link, "M d type")
        self.assertEqual(os.readlink(to / "d"), "deep")
        to = self.check_row(defaults, lambda etc: write(etc / "d/new"), link, "M d type CONFLICT")
        self.assertEqual(os.readlink(to / "d"), "deep")

    def test_file_that_became_a_directory_here(self):
        def directory(etc):
            (etc / "same").unlink()
            write(etc / "same/x")
        to = self.check_row(defaults, lambda etc: write(etc / "same", "2"), directory, "M same type CONFLICT",
                            "A same/x")
        self.assertTrue((to / "same/x").exists())

    def test_added_directory_over_a_new_file(self):
        to = self.check_row(defaults, lambda etc: write(etc / "x", "2"), lambda etc: write(etc / "x/y/z"),
                            "A x CONFLICT", "A x/y", "A x/y/z")
        self.assertTrue((to / "x/y/z").exists())

    def test_added_into_a_new_directory(self):
        to = self.check_row(defaults, lambda etc: write(etc / "x/new"), lambda etc: write(etc / "x/mine"), "A x",
                            "A x/mine")
        self.assertEqual(sorted(os.listdir(to / "x")), ["mine", "new"])

    def test_removed_where_it_is_no_directory_any_more(self):
        def link(etc):
            shutil.rmtree(etc / "d")
            (etc / "d").symlink_to("/usr/d")
        self.check_row(defaults, link, lambda etc: (etc / "d/inner").unlink(), "D d/inner")

    def test_special_instead_of_a_default(self):
        def pipe(etc):
            (etc / "same").unlink()
            os.mkfifo(etc / "same")
        to = self.check_row(defaults, lambda etc: None, pipe, "M same type")
        self.assertFalse((to / "same").exists())

    def refuse(self, number, path, new, here):
        self.three(defaults, new, here)
        before = describe(self.to)
        for error in (self.plan(code=1), self.merge(code=1)):
            self.assertIn(f"error {number}:", error)
            self.assertIn(f"/etc/{path} ", error)
        self.assertEqual(describe(self.to), before)

    def test_refusals(self):
        def into_directory(etc):
            (etc / "same").unlink()
            write(etc / "same/x")

        def into_file(etc):
            shutil.rmtree(etc / "d")
            write(etc / "d")

        def into_link(etc):
            shutil.rmtree(etc / "d")
            (etc / "d").symlink_to("deep")

        self.refuse(21, "same", into_directory, lambda etc: write(etc / "same", "local"))
        self.refuse(21, "x", lambda etc: write(etc / "x/y"), lambda etc: write(etc / "x"))
        self.refuse(20, "d/added", into_file, lambda etc: write(etc / "d/added"))
        self.refuse(20, "d/inner", into_link, lambda etc: write(etc / "d/inner", "local"))
        self.refuse(20, "d", into_file, lambda etc: os.chmod(etc / "d", 0o700))

    def test_links_lead_nowhere(self):
        """A link of the new defaults on the way to a changed file: nothing is written through it."""
        outside = self.fresh("outside")
        def link(etc):
            shutil.rmtree(etc / "deep")
            (etc / "deep").symlink_to(outside)
        self.refuse(20, "deep/er/still/z", link, lambda etc: write(etc / "deep/er/still/z", "local"))
        self.assertEqual(os.listdir(outside), [])

    def test_default_acl(self):
        """What a directory gives to new files is not given to what is copied into it."""
        nobody = 0xffffffff
        entries = [(1, 7, nobody), (2, 7, 7), (4, 5, nobody), (0x10, 7, nobody), (0x20, 5, nobody)]
        value = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)

        def acl(etc):
            os.setxattr(etc / "d", "system.posix_acl_default", value)

        def here(etc):
            write(etc / "d/added", "x", 0o600)
            write(etc / "d/sub/x", "x", 0o600)

        to = self.check_row(defaults, acl, here, "A d/added", "A d/sub", "A d/sub/x")
        for path, mode in (("d/added", "-rw-------"), ("d/sub/x", "-rw-------"), ("d/sub", "drwxr-xr-x")):
            self.assertEqual(describe(to)[path][:4], [mode, 0, 0, {}], path)

    def test_stopped_at_every_step(self):
        """By an error or by its end: each path has what it had or is to have, and doing it again completes it."""
        self.three(defaults, next_defaults, local)
        before = describe(self.to, times=True)
        _, steps = self.merge()
        wanted = describe(self.to, times=True)
        self.assertGreater(steps, 25)
        for n in range(1, steps + 1):
            for stop, code in ((n, 1), (-n, 9)):
                shutil.rmtree(self.to)
                run("cp", "-a", self.new, self.to)
                self.merge(stop=stop, code=code)
                for path, row in describe(self.to, times=True).items():
                    if row[0][0] == "d" or path == ".basalt-etc-merge":
                        continue
                    self.assertIn(row, (before.get(path), wanted.get(path)), path)
                self.merge()
                now = describe(self.to, times=True)
                for told in (now, wanted):
                    for path, row in told.items():
                        if row[0][0] == "d":
                            row[-1] = None
                self.assertEqual(now, wanted)


if __name__ == "__main__":
    trees.main("__main__", sys.argv)
