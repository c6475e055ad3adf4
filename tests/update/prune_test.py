#!/usr/bin/env python3
"""prune_test.py DRIVER: what stays is what `ostree prune` leaves; stopped anywhere, nothing that is left lacks
anything."""
import fcntl
import os
import re
import shutil
import struct
import sys

import trees
from trees import run, write


def numbers(data, count):
    """The last `count` framing offsets of a GVariant container, first member first."""
    width = 1 if len(data) <= 0xff else 2 if len(data) <= 0xffff else 4
    ends = [int.from_bytes(data[len(data) - (i + 1) * width:len(data) - i * width or None], "little")
            for i in range(count)]
    return ends, len(data) - count * width


def elements(data):
    if not data:
        return []
    (last,), _ = numbers(data, 1)
    width = 1 if len(data) <= 0xff else 2 if len(data) <= 0xffff else 4
    ends = [int.from_bytes(data[i:i + width], "little") for i in range(last, len(data), width)]
    return [data[a:b] for a, b in zip([0, *ends], ends)]


def tree_references(data):
    """The objects that a tree names."""
    (split,), end = numbers(data, 1)
    found = set()
    for row in elements(data[:split]):
        (name,), stop = numbers(row, 1)
        found.add(row[name:stop].hex() + ".file")
    for row in elements(data[split:end]):
        (name, tree), stop = numbers(row, 2)
        found |= {row[name:tree].hex() + ".dirtree", row[tree:stop].hex() + ".dirmeta"}
    return found


def objects(repo):
    return {p.parent.name + p.name for p in (repo / "objects").glob("*/*")}


class Prune(trees.Case):
    def fill(self):
        """Three commits in a row, one of another branch, and one that only a ref of a remote has."""
        tree, self.ids = self.fresh("tree"), []
        for i in range(40):
            write(tree / f"usr/lib/d{i % 7}/e/f{i}", f"{i}\n" * 100)
        (tree / "usr/lib/same/a/b").mkdir(parents=True)
        write(tree / "usr/lib/same/a/b/x", "x")
        for n in range(3):
            write(tree / f"usr/lib/d{n}/e/changed", f"{n}\n" * 5000)
            write(tree / f"usr/lib/only-{n}/x/y/z", f"only {n}\n")
            (tree / f"usr/lib/only-{n}").chmod(0o700 + n)
            shutil.copytree(tree / "usr/lib/same", tree / f"usr/lib/only-{n}/x/y/again")
            self.ids.append(self.ostree("commit", "--branch=os", f"--tree=dir={tree}", f"--timestamp=@{n + 1}"))
            shutil.rmtree(tree / f"usr/lib/only-{n}")
        write(tree / "usr/other", "other")
        self.ids.append(self.commit(tree, "deep/er/branch"))
        write(tree / "usr/remote", "remote")
        remote = self.commit(tree, "tmp")
        self.ids.append(remote)
        self.ostree("refs", "--delete", "tmp")
        write(self.repo / "refs/remotes/origin/os", remote + "\n")

    def setUp(self):
        super().setUp()
        self.fill()

    def theirs(self, *commits):
        copy = self.top / "theirs"
        shutil.rmtree(copy, ignore_errors=True)
        run("cp", "-a", self.repo, copy)
        for i, commit in enumerate(commits):
            write(copy / f"refs/heads/keep/{i}", commit + "\n")
        run("ostree", f"--repo={copy}", "prune", "--refs-only", "--depth=0")
        return objects(copy)

    def test_as_ostree(self):
        before = objects(self.repo)
        wanted = self.theirs(self.ids[0])
        told, _ = self.call("prune", self.repo, "dry", self.ids[0])
        self.assertEqual(objects(self.repo), before)
        self.assertEqual(self.call("prune", self.repo, self.ids[0])[0], told)
        self.assertEqual(objects(self.repo), wanted)
        kept, removed, size = map(int, re.findall(r"\d+", told))
        self.assertEqual((kept, removed), (len(wanted), len(before) - len(wanted)))
        self.assertGreater(removed, 5)
        self.assertGreater(size, 4096)
        self.ostree("fsck", "--quiet")
        self.assertRegex(self.call("prune", self.repo, self.ids[0])[0], "removed 0 bytes 0")
        wanted = self.theirs()
        self.call("prune", self.repo)
        self.assertEqual(objects(self.repo), wanted)

    def test_nothing_is_referred_to(self):
        shutil.rmtree(self.repo / "refs")
        self.call("prune", self.repo)
        self.assertEqual(objects(self.repo), set())

    def test_linked_files_free_nothing(self):
        self.ostree("checkout", "-H", self.ids[1], self.top / "deployment")
        free = int(self.call("prune", self.repo, "dry")[0].split()[-1])
        shutil.rmtree(self.top / "deployment")
        self.assertGreater(int(self.call("prune", self.repo, "dry")[0].split()[-1]), free)

    def refused(self, number, *commits):
        before = objects(self.repo)
        error = self.call("prune", self.repo, *commits, code=1)
        self.assertIn(f"error {number}:", error)
        self.assertEqual(objects(self.repo), before)
        return error

    def test_refusals(self):
        self.assertIn("is to be kept", self.refused(2, "0" * 64))
        write(self.repo / "refs/heads/empty", "")
        self.assertIn("ref empty", self.refused(74))
        write(self.repo / "refs/heads/empty", "0" * 64 + "\n")  # a commit that is not there: keeps nothing
        self.call("prune", self.repo, "dry")
        (self.repo / "refs/heads/empty").unlink()
        (self.repo / "refs/heads/dangling").symlink_to("nothing")
        self.refused(2)
        (self.repo / "refs/heads/dangling").unlink()
        (self.repo / "refs/heads/alias").symlink_to("os")
        self.call("prune", self.repo, "dry")

    def place(self, name):
        return self.repo / "objects" / name[:2] / name[2:]

    def test_damage(self):
        needed = next(o for o in self.theirs() if o.endswith(".dirtree"))
        text = self.place(needed).read_bytes()
        self.place(needed).write_bytes(text[:-1])
        self.assertIn(needed[2:], self.refused(74))
        self.place(needed).unlink()
        self.assertIn("nothing was removed", self.refused(2))
        self.place(needed).write_bytes(text)
        unneeded = next(o for o in objects(self.repo) - self.theirs() if o.endswith(".dirtree"))
        self.place(unneeded).write_bytes(b"x")
        wanted = self.theirs()
        self.call("prune", self.repo)
        self.assertEqual(objects(self.repo), wanted)

    def test_pulled_in_part(self):
        """What is there of it stays, what is missing is forgiven; its mark goes with it."""
        data = self.place(self.ids[3] + ".commit").read_bytes()
        roots = [o for o in self.theirs() if o.endswith(".dirtree") and bytes.fromhex(o[:64]) in data]
        self.place(roots[0]).unlink()
        self.refused(2)
        mark = self.repo / "state" / (self.ids[3] + ".commitpartial")
        write(mark)
        self.call("prune", self.repo)
        self.assertTrue(self.place(self.ids[3] + ".commit").exists())
        self.assertTrue(mark.exists())
        self.ostree("refs", "--delete", "deep/er/branch")
        self.call("prune", self.repo)
        self.assertFalse(mark.exists())

    def test_companions(self):
        for commit in (self.ids[0], self.ids[2]):
            write(self.place(commit + ".commitmeta"), "x")
        needed = next(o for o in self.theirs() if o.endswith(".file"))
        unneeded = next(o for o in objects(self.repo) - self.theirs() if o.endswith(".file"))
        links = []
        for i, name in enumerate((needed, unneeded)):
            links.append(self.place(str(i) * 64 + ".payload-link"))
            links[i].parent.mkdir(exist_ok=True)
            links[i].symlink_to(f"../{name[:2]}/{name[2:]}")
        write(self.repo / "objects/00/strange", "x")
        write(self.repo / "objects" / self.ids[0][:2] / "strange", "x")
        self.call("prune", self.repo)
        self.assertFalse(self.place(self.ids[0] + ".commitmeta").exists())
        self.assertTrue(self.place(self.ids[2] + ".commitmeta").exists())
        self.assertEqual([os.path.lexists(link) for link in links], [True, False])
        self.assertTrue((self.repo / "objects/00/strange").exists())

    def test_lock(self):
        """The one that libostree takes."""
        with open(self.repo / ".lock", "w") as lock:
            fcntl.fcntl(lock, 37, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0))
            self.refused(16)
            run("ostree", f"--repo={self.repo}", "config", "set", "core.lock-timeout-secs", "1")
            theirs = run("ostree", f"--repo={self.repo}", "prune", "--refs-only", check=False)
            self.assertNotEqual(theirs.returncode, 0)
        self.call("prune", self.repo, "dry")

    def assert_closed(self, repo):
        """Every tree and commit has all that it names."""
        there = objects(repo)
        for name in there:
            if name.endswith(".dirtree"):
                data = (repo / "objects" / name[:2] / name[2:]).read_bytes()
                self.assertLessEqual(tree_references(data), there, name)
            elif name.endswith(".commit"):
                data = (repo / "objects" / name[:2] / name[2:]).read_bytes()
                (*_, tree), end = numbers(data, 6)
                self.assertIn(data[tree - 32:tree].hex() + ".dirtree", there)
                self.assertIn(data[tree:end].hex() + ".dirmeta", there)

    def test_stopped_at_every_step(self):
        self.assert_closed(self.repo)
        wanted, copy = self.theirs(), self.top / "copy"
        run("cp", "-a", self.repo, copy)
        _, steps = self.call("prune", copy)
        self.assertEqual(objects(copy), wanted)
        self.assertGreater(steps, 15)
        for n in range(1, steps + 1):
            for stop, code in ((n, 1), (-n, 9)):
                shutil.rmtree(copy)
                run("cp", "-a", self.repo, copy)
                self.call("prune", copy, stop=stop, code=code)
                self.assertEqual(len(objects(self.repo)) - len(objects(copy)), n - 1)
                self.assert_closed(copy)
                if n % 8 == 0:
                    run("ostree", f"--repo={copy}", "fsck", "--quiet")
                self.call("prune", copy)
                self.assertEqual(objects(copy), wanted)


if __name__ == "__main__":
    trees.main("__main__", sys.argv)
