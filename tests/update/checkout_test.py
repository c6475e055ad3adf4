#!/usr/bin/env python3
"""checkout_test.py DRIVER: a commit's tree comes out of the repository as `ostree checkout` makes it."""
import os
import sys

import trees
from trees import describe, object_inodes, run, write


def sample(top):
    write(top / "usr/bin/tool", "#!/bin/sh\n", 0o755)
    write(top / "usr/bin/su", "su", 0o4755)
    write(top / "usr/lib/empty")
    write(top / "usr/lib/also-empty")
    write(top / "usr/lib/large", "x" * 3_000_000)
    write(top / "usr/lib/secret", "s", 0o600)
    (top / "usr/lib/link").symlink_to("../bin/tool")
    (top / "usr/lib/dangling").symlink_to("/nowhere")
    write(top / "usr/etc/conf", "a=1\n")
    write(top / "usr/etc/conf.d/one", "1\n")
    write(top / "usr/etc/.hidden", "h\n")
    (top / "usr/etc/alias").symlink_to("conf")
    (top / "usr/etc/empty.d").mkdir()
    (top / "var").mkdir()
    (top / "bin").symlink_to("usr/bin")
    os.chown(top / "usr/lib/secret", 12, 34)
    os.chown(top / "usr/lib/link", 5, 6, follow_symlinks=False)
    os.chmod(top / "usr/etc/conf.d", 0o2750)
    os.chown(top / "usr/etc/conf.d", 0, 77)
    os.chmod(top / "var", 0o1777)
    os.setxattr(top / "usr/bin/tool", "user.note", b"binary\0value")
    os.setxattr(top / "usr/etc/conf", "user.large", b"v" * 1000)
    os.setxattr(top / "usr/etc/conf.d", "user.dir", b"d")
    os.setxattr(top / "usr/etc/conf.d", "trusted.dir", b"t")
    return top


class Checkout(trees.Case):
    def setUp(self):
        super().setUp()
        self.commit_id = self.commit(sample(self.fresh("tree")))

    def test_as_ostree(self):
        theirs = self.top / "theirs"
        self.ostree("checkout", "-H", self.commit_id, theirs)
        ours = self.fresh("ours")
        self.call("checkout", self.repo, self.commit_id, ours)
        mine, wanted = describe(ours, times=True), describe(theirs, times=True)
        for name in ("usr/lib/empty", "usr/lib/also-empty"):  # theirs are copies, of now
            self.assertEqual(mine[name].pop(), 0)
            wanted[name].pop()
        self.assertEqual(mine, wanted)
        self.assertEqual(self.commit(ours), self.commit(theirs))

    def test_all_files_are_the_objects(self):
        ours = self.fresh("ours")
        self.call("checkout", self.repo, self.commit_id, ours)
        inodes = object_inodes(self.repo)
        for directory, names, files in os.walk(ours):
            for name in files:
                self.assertIn(os.lstat(os.path.join(directory, name)).st_ino, inodes, name)

    def test_subpath(self):
        for subpath in ("usr/etc", "/usr/etc/", "usr//etc"):
            theirs, ours = self.top / "theirs", self.fresh("ours")
            self.ostree("checkout", "-H", "--subpath=/usr/etc", self.commit_id, theirs)
            self.call("checkout", self.repo, self.commit_id, ours, subpath)
            self.assertEqual(describe(ours, times=True), describe(theirs, times=True))
            run("rm", "-r", theirs, ours)

    def test_copy(self):
        theirs, ours = self.top / "theirs", self.fresh("ours")
        self.ostree("checkout", "-C", "--subpath=/usr/etc", self.commit_id, theirs)
        self.call("checkout", self.repo, self.commit_id, ours, "usr/etc", "copy")
        inodes = object_inodes(self.repo)
        self.assertEqual(describe(ours, inodes=inodes), describe(theirs, inodes=inodes))
        self.assertGreater((ours / "conf").stat().st_mtime, 1e9)
        (ours / "conf").write_text("changed")
        self.ostree("fsck")

    def test_refusals(self):
        ours = self.fresh("ours")
        for subpath, number in (("nothing", 2), ("usr/bin/tool", 20), ("usr/bin/tool/x", 20), ("usr/../usr", 22),
                                ("bin", 20)):
            self.assertIn(f"error {number}:", self.call("checkout", self.repo, self.commit_id, ours, subpath, code=1))
        self.assertIn("error 2:", self.call("checkout", self.repo, "0" * 64, ours, code=1))
        self.assertEqual(os.listdir(ours), [])
        (ours / "x").mkdir()
        self.assertIn("error 39:", self.call("checkout", self.repo, self.commit_id, ours, code=1))
        other = self.fresh("other")
        run("mount", "-t", "tmpfs", "none", other)
        self.addCleanup(run, "umount", other)
        self.assertIn("error 18:", self.call("checkout", self.repo, self.commit_id, other, code=1))
        self.call("checkout", self.repo, self.commit_id, other, "usr/bin", "copy")

    def test_damaged(self):
        tree = next(p for p in self.repo.glob("objects/*/*.dirtree"))
        text = bytearray(tree.read_bytes())
        text[0] ^= 1
        tree.write_bytes(text)
        error = self.call("checkout", self.repo, self.commit_id, self.fresh("ours"), code=1)
        self.assertIn("error 74:", error)
        self.assertIn(tree.name, error)

    def test_missing_file(self):
        checksum = self.ostree("ls", "-C", self.commit_id, "/usr/lib/large").split()[4]
        (self.repo / "objects" / checksum[:2] / (checksum[2:] + ".file")).unlink()
        error = self.call("checkout", self.repo, self.commit_id, self.fresh("ours"), code=1)
        self.assertIn("error 2: checking out /usr/lib/large", error)

    def test_no_more_links(self):
        """As many links as the file system gives, then copies that are the same."""
        checksum = self.ostree("ls", "-C", self.commit_id, "/usr/lib/empty").split()[4]
        place = self.repo / "objects" / checksum[:2] / (checksum[2:] + ".file")
        many = self.fresh("many")
        for i in range(70_000):
            try:
                os.link(place, many / str(i))
            except OSError as e:
                self.assertEqual(e.errno, 31)
                break
        else:
            self.skipTest("this file system has no limit of links")
        ours = self.fresh("ours")
        self.call("checkout", self.repo, self.commit_id, ours)
        self.assertEqual((ours / "usr/lib/empty").stat().st_nlink, 1)
        self.assertEqual((ours / "usr/lib/empty").stat().st_mtime, 0)
        self.assertEqual(self.commit(ours), self.commit(self.top / "tree"))


class Deployment(trees.Case):
    def made(self, tree):
        ours = self.fresh("ours")
        self.call("checkout-deployment", self.repo, self.commit(tree), ours)
        return ours

    def test_usr_etc(self):
        ours = self.made(sample(self.fresh("tree")))
        self.assertEqual(describe(ours / "etc"), describe(ours / "usr/etc"))
        self.assertNotEqual((ours / "etc/conf").stat().st_ino, (ours / "usr/etc/conf").stat().st_ino)

    def test_etc_becomes_usr_etc(self):
        tree = sample(self.fresh("tree"))
        wanted = describe(tree / "usr/etc")
        os.rename(tree / "usr/etc", tree / "etc")
        ours = self.made(tree)
        self.assertEqual(describe(ours / "etc"), wanted)
        self.assertEqual(describe(ours / "usr/etc"), wanted)
        self.assertEqual((ours / "usr").stat().st_mtime, 0)

    def test_empty_etc(self):
        tree = sample(self.fresh("tree"))
        (tree / "etc").mkdir()
        ours = self.made(tree)
        self.assertEqual(describe(ours / "etc"), describe(tree / "usr/etc"))

    def test_both(self):
        tree = sample(self.fresh("tree"))
        write(tree / "etc/x")
        ours, commit = self.fresh("ours"), self.commit(tree)
        self.assertIn("error 17:", self.call("checkout-deployment", self.repo, commit, ours, code=1))
        self.assertEqual(os.listdir(ours), [])

    def test_neither(self):
        tree = self.fresh("tree")
        write(tree / "usr/x")
        self.assertEqual(sorted(os.listdir(self.made(tree))), ["usr"])

    def test_odd_etc(self):
        tree = self.fresh("tree")
        write(tree / "usr/x")
        (tree / "etc").symlink_to("/etc")
        ours, commit = self.fresh("ours"), self.commit(tree)
        self.assertIn("error 20:", self.call("checkout-deployment", self.repo, commit, ours, code=1))

    def test_stopped(self):
        """Stopped anywhere it says so, and what is there goes away with the directory."""
        commit = self.commit(sample(self.fresh("tree")))
        _, steps = self.call("checkout-deployment", self.repo, commit, self.fresh("whole"))
        self.assertGreater(steps, 20)
        for n in range(1, steps + 1, 3):
            ours = self.fresh(f"ours-{n}")
            self.assertIn("error 4:", self.call("checkout-deployment", self.repo, commit, ours, stop=n, code=1))
        self.ostree("fsck")


if __name__ == "__main__":
    trees.main("__main__", sys.argv)
