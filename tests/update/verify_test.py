#!/usr/bin/env python3
"""verify_test.py DRIVER: what is damaged in a repository or a deployment is found, with `ostree fsck` as the referee."""
import os
import shutil
import sys

import trees
from trees import run, write


class Sample(trees.Case):
    def setUp(self):
        super().setUp()
        tree = self.tree = self.fresh("tree")
        for i in range(30):
            write(tree / f"usr/lib/d{i % 4}/f{i}", f"{i}\n" * 50)
        for name in ("one", "two", "three"):
            write(tree / f"usr/share/same/{name}", "same")
            (tree / f"usr/share/links/{name}").parent.mkdir(exist_ok=True)
            (tree / f"usr/share/links/{name}").symlink_to(f"../same/{name}")
        write(tree / "usr/bin/tool", "tool", 0o4755)
        os.setxattr(tree / "usr/bin/tool", "user.note", b"1")
        os.setxattr(tree / "usr/bin/tool", "user.empty", b"")
        (tree / "usr/bin").chmod(0o711)
        write(tree / "usr/etc/conf", "conf")
        self.id = self.commit(tree)

    def object_of(self, path, kind="file"):
        """Of a file, or of a directory: its tree or metadata."""
        row = self.ostree("ls", "-d", "-C", self.id, path).split()
        checksum = row[5 if kind == "dirmeta" else 4]
        return self.repo / "objects" / checksum[:2] / f"{checksum[2:]}.{kind}", f"{checksum}.{kind}"


class Verify(Sample):
    def verify(self, *commits):
        return self.call("verify", self.repo, *commits)[0].splitlines()

    def found(self, *commits):
        return sorted(self.verify(*commits)[:-1])

    def test_good(self):
        everything = len(list(self.repo.glob("objects/*/*")))
        for rows in (self.verify(self.id), self.verify()):
            self.assertRegex(rows.pop(), rf"^{everything} objects \d+ bytes 1 commits 0 partial$")
            self.assertEqual(rows, [])

    def test_ended_by_its_caller(self):
        self.assertIn("error 4:", self.call("verify", self.repo, stop=1, code=1))

    def damage(self, path, how):
        place, name = self.object_of(path)
        how(place)
        return name

    def test_damaged_files(self):
        def flip(place):
            with open(place, "r+b") as f:
                f.write(b"X")

        def retarget(place):
            place.unlink()
            place.symlink_to("elsewhere")

        def of_pipe(place):
            place.unlink()
            os.mkfifo(place)

        damages = {
            "/usr/lib/d0/f0": flip,
            "/usr/lib/d0/f4": lambda p: os.truncate(p, 3),
            "/usr/lib/d1/f1": lambda p: p.write_text(p.read_text() + "more"),
            "/usr/lib/d1/f5": lambda p: p.chmod(0o600),
            "/usr/lib/d1/f9": lambda p: os.chown(p, 3, 0),
            "/usr/lib/d2/f2": lambda p: os.setxattr(p, "user.more", b"1"),
            "/usr/bin/tool": lambda p: os.removexattr(p, "user.note"),
            "/usr/share/links/one": retarget,
        }
        wanted = sorted(f"damaged {self.damage(path, how)} {path}" for path, how in damages.items())
        self.assertEqual(self.found(), wanted)
        theirs = run("ostree", f"--repo={self.repo}", "fsck", "--all", check=False)
        self.assertNotEqual(theirs.returncode, 0)
        for row in wanted:
            self.assertIn(row.split()[1].split(".")[0], theirs.stdout + theirs.stderr)
        wanted += [f"missing {self.damage('/usr/lib/d2/f6', os.unlink)} /usr/lib/d2/f6",
                   f"unreadable {self.damage('/usr/lib/d2/f10', of_pipe)} /usr/lib/d2/f10"]
        self.assertEqual(self.found(), sorted(wanted))
        self.assertEqual(self.found(self.id), sorted(wanted))

    def test_all_its_places(self):
        place, name = self.object_of("/usr/share/same/one")
        place.write_text("emas")
        self.assertEqual(self.found(), [f"damaged {name} /usr/share/same/one /usr/share/same/three /usr/share/same/two"])

    def test_damaged_metadata(self):
        for path, kind in (("/usr/share/same", "dirtree"), ("/usr/bin", "dirmeta")):
            place, name = self.object_of(path, kind)
            text = place.read_bytes()
            place.write_bytes(bytes([text[0] ^ 1]) + text[1:])
            self.assertEqual(self.found(self.id), [f"damaged {name} {path}"])
            place.unlink()
            self.assertEqual(self.found(), [f"missing {name} {path}"])
            place.write_bytes(text)
        place = self.repo / "objects" / self.id[:2] / (self.id[2:] + ".commit")
        place.write_bytes(b"x")
        self.assertEqual(self.found(), [f"damaged {self.id}.commit"])
        place.unlink()
        self.assertEqual(self.found(self.id), [f"missing {self.id}.commit"])
        self.assertEqual(self.found(), [])

    def test_pulled_in_part(self):
        place, _ = self.object_of("/usr/share/same", "dirtree")
        place.unlink()
        write(self.repo / "state" / (self.id + ".commitpartial"))
        rows = self.verify()
        self.assertRegex(rows.pop(), "1 commits 1 partial")
        self.assertEqual(rows, [])

    def test_what_no_commit_needs(self):
        """Is hashed, too, but need not have what it names."""
        self.ostree("refs", "--delete", "os")
        (self.repo / "objects" / self.id[:2] / (self.id[2:] + ".commit")).unlink()
        self.assertEqual(self.found(), [])
        row = next(self.repo.glob("objects/*/*.file"))
        row.unlink()
        self.assertEqual(self.found(), [])
        row = next(p for p in self.repo.glob("objects/*/*.file") if not p.is_symlink())
        row.write_text("x")
        self.assertEqual(self.found(), [f"damaged {row.parent.name}{row.name}"])

    def test_repair(self):
        """As the header has it: what is bad goes, its commit is marked, then it is fetched again."""
        good = self.top / "good"
        run("ostree", f"--repo={good}", "init", "--mode=bare")
        run("ostree", f"--repo={good}", "pull-local", "--disable-fsync", self.repo, self.id)
        place, _ = self.object_of("/usr/lib/d0/f0")
        place.unlink()
        place.write_text("bad")
        self.assertEqual(len(self.found()), 1)
        place.unlink()
        write(self.repo / "state" / (self.id + ".commitpartial"))
        self.ostree("pull-local", good, self.id, "--disable-fsync")
        self.assertEqual(self.found(), [])


class Deployment(Sample):
    def setUp(self):
        super().setUp()
        self.deployment = self.fresh("deployment")
        self.call("checkout-deployment", self.repo, self.id, self.deployment)

    def rows(self):
        return self.call("verify-deployment", self.repo, self.id, self.deployment)[0].splitlines()

    def test_good(self):
        self.assertEqual(self.rows(), [])
        write(self.deployment / "etc/conf", "mine")
        write(self.deployment / "var/x", "mine")
        self.assertEqual(self.rows(), [])

    def test_a_copy_is_as_good(self):
        path = self.deployment / "usr/bin/tool"
        run("cp", "-a", path, self.top / "copy")
        path.unlink()
        os.rename(self.top / "copy", path)
        self.assertEqual(self.rows(), [])

    def test_everything(self):
        usr = self.deployment / "usr"
        write(usr / "lib/d0/f0", "through the link")
        (usr / "lib/d0/f4").unlink()
        (usr / "lib/d0/f8").unlink()
        write(usr / "lib/d0/f8", "another")
        (usr / "lib/d0/f12").unlink()
        (usr / "lib/d0/f12").mkdir()
        shutil.rmtree(usr / "lib/d1")
        shutil.rmtree(usr / "lib/d2")
        (usr / "lib/d2").symlink_to("d0")
        write(usr / "added/x")
        write(usr / "lib/added")
        (usr / "share").chmod(0o700)
        write(usr / "share/same/two", "SAME")
        self.assertEqual(self.rows(), [
            "replaced usr/lib/d0/f12", "missing usr/lib/d0/f4", "replaced usr/lib/d0/f8", "missing usr/lib/d1/", "replaced usr/lib/d2/",
            "added usr/lib/added", "replaced usr/share/", "added usr/added/", "changed usr/lib/d0/f0",
            "changed usr/share/same/one", "changed usr/share/same/three", "changed usr/share/same/two"])

    def test_etc_of_the_commit(self):
        os.rename(self.tree / "usr/etc", self.tree / "etc")
        self.id = self.commit(self.tree)
        shutil.rmtree(self.deployment)
        self.deployment.mkdir()
        self.call("checkout-deployment", self.repo, self.id, self.deployment)
        self.assertEqual(self.rows(), [])
        (self.deployment / "usr/etc/conf").unlink()
        self.assertEqual(self.rows(), ["missing usr/etc/conf"])

    def test_damaged_tree(self):
        place, _ = self.object_of("/usr/share/same", "dirtree")
        place.unlink()
        self.assertIn("error 2:", self.call("verify-deployment", self.repo, self.id, self.deployment, code=1))


if __name__ == "__main__":
    trees.main("__main__", sys.argv)
