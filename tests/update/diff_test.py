#!/usr/bin/env python3
"""diff_test.py DRIVER: what is different between two commits, as `ostree diff` has it, and which packages."""
import os
import shutil
import sys

import trees
from trees import run, write


def package(name, version, architecture="all", status="install ok installed"):
    return f"Package: {name}\nStatus: {status}\nArchitecture: {architecture}\nVersion: {version}\n\n"


class Diff(trees.Case):
    def setUp(self):
        super().setUp()
        self.tree = self.fresh("tree")
        for name in ("same/a/b", "contents", "size", "mode", "owner", "attribute", "both", "to-link", "to-directory",
                     "gone", "gone.d/x/y", "gone.d/z", "from-directory/x", "a/sub/deep", "a-b", "a.b"):
            write(self.tree / "usr" / name, name)
        (self.tree / "usr/link").symlink_to("one")
        (self.tree / "usr/dir").mkdir()
        self.first = self.commit(self.tree)
        usr = self.tree / "usr"
        write(usr / "contents", "CONTENTS")
        write(usr / "size", "more")
        (usr / "mode").chmod(0o600)
        os.chown(usr / "owner", 1, 2)
        os.setxattr(usr / "attribute", "user.x", b"1")
        write(usr / "both", "BOTH", 0o755)
        for name in ("to-link", "to-directory", "gone", "link"):
            (usr / name).unlink()
        (usr / "to-link").symlink_to("x")
        (usr / "link").symlink_to("two")
        write(usr / "to-directory/new")
        shutil.rmtree(usr / "gone.d")
        shutil.rmtree(usr / "from-directory")
        write(usr / "from-directory")
        write(usr / "a/sub/deep", "DEEP")
        write(usr / "new.d/x/y")
        (usr / "new.d/empty").mkdir()
        (usr / "dir").chmod(0o700)
        self.second = self.commit(self.tree)

    def rows(self, one, other):
        return self.call("diff", self.repo, one, other)[0].splitlines()

    def test_rows(self):
        self.assertEqual(self.rows(self.first, self.second), [
            "M /usr/a/sub/deep contents", "M /usr/attribute meta", "M /usr/both contents meta", "M /usr/contents contents",
            "M /usr/dir meta", "M /usr/from-directory type", "D /usr/from-directory/x", "D /usr/gone", "D /usr/gone.d",
            "D /usr/gone.d/x", "D /usr/gone.d/x/y", "D /usr/gone.d/z", "M /usr/link contents", "M /usr/mode meta",
            "A /usr/new.d", "A /usr/new.d/empty", "A /usr/new.d/x", "A /usr/new.d/x/y", "M /usr/owner meta",
            "M /usr/size contents", "M /usr/to-directory type", "A /usr/to-directory/new", "M /usr/to-link type"])
        self.assertEqual(self.rows(self.second, self.second), [])

    def test_as_ostree(self):
        """It tells nothing of what was in a removed directory, nor in one that became a file or was one, nor that
        a directory's metadata changed."""
        for one, other in ((self.first, self.second), (self.second, self.first)):
            theirs = {tuple(line.split(maxsplit=1)) for line in self.ostree("diff", one, other).splitlines()}
            ours = {tuple(line.split()[:2]) for line in self.rows(one, other)}
            more = {path for _, path in ours - theirs}
            self.assertEqual(theirs - ours, set())
            self.assertLessEqual(more, {
                "/usr/dir", "/usr/from-directory/x", "/usr/to-directory/new", "/usr/gone.d/x", "/usr/gone.d/x/y",
                "/usr/gone.d/z", "/usr/new.d/x", "/usr/new.d/x/y", "/usr/new.d/empty"})

    def test_missing(self):
        self.assertIn("error 2:", self.call("diff", self.repo, self.first, "1" * 64, code=1))

    def packages(self, *texts, path="usr/share/dpkg/status"):
        commits = []
        for text in texts:
            if text is not None:
                write(self.tree / path, text)
            commits.append(self.commit(self.tree))
        return self.call("packages", self.repo, *commits)[0].splitlines()

    def test_packages(self):
        old = package("a", "1:1-1") + package("b", "2") + package("c", "1") + package("d", "1", "amd64")
        new = package("a", "1:1-1+b1") + package("b", "2~rc1") + package("d", "1", "amd64") + package("e", "1")
        wanted = ["upgraded a all 1:1-1 1:1-1+b1", "downgraded b all 2 2~rc1", "removed c all 1 -", "added e all - 1",
                  "known -"]
        for path in ("var/lib/dpkg/status", "usr/share/dpkg/status", "usr/lib/sysimage/dpkg/status"):
            self.assertEqual(self.packages(old, new, path=path), wanted)

    def test_other_databases(self):
        self.assertEqual(self.packages(None, None), ["known -"])
        self.assertEqual(self.packages(None, package("a", "1")), ["unknown -"])
        write(self.tree / "usr/share/rpm/rpmdb.sqlite", "x")
        self.assertEqual(self.packages(None, package("a", "2")), ["upgraded a all 1 2", "known rpm"])

    def test_bad_status(self):
        write(self.tree / "var/lib/dpkg/status", package("a", "1") + "nonsense\n")
        commit = self.commit(self.tree)
        error = self.call("packages", self.repo, commit, commit, code=1)
        self.assertIn("error 74: /var/lib/dpkg/status of the commit: dpkg's status, line 6: ", error)

    def test_this_machine(self):
        """A real one, as dpkg itself lists it."""
        status = "/var/lib/dpkg/status"
        if not shutil.which("dpkg-query") or not os.path.exists(status):
            self.skipTest("no dpkg")
        listed = run("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package} ${Architecture} ${Version}\n").stdout
        wanted = [f"added {line.split(maxsplit=1)[1].rsplit(' ', 1)[0]} - {line.split()[-1]}" for line in
                  listed.splitlines() if line.split()[0] not in ("not-installed", "config-files")]
        with open(status, encoding="utf-8") as f:
            self.assertEqual(sorted(self.packages("", f.read())[:-1]), sorted(wanted))


if __name__ == "__main__":
    trees.main("__main__", sys.argv)
