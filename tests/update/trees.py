"""What the tests of trees share: a repository that `ostree` made, the driver, and trees told as text."""
import os
import pathlib
import re
import shutil
import stat
import subprocess
import tempfile
import unittest


def run(*argv, check=True, **more):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, timeout=120, **more)
    if check and done.returncode != 0:
        raise AssertionError(f"{argv}: {done.stdout}{done.stderr}")
    return done


def write(path, text="", mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def describe(top, times=False, inodes=None):
    """Everything of a tree by path: type, mode, owner, attributes, contents; perhaps times and inodes."""
    told = {}
    for directory, names, files in os.walk(top):
        for name in [".", *names, *files]:
            path = os.path.join(directory, name)
            if name == "." and directory != str(top):
                continue
            st = os.lstat(path)
            row = [stat.filemode(st.st_mode), st.st_uid, st.st_gid,
                   {x: os.getxattr(path, x, follow_symlinks=False)
                    for x in sorted(os.listxattr(path, follow_symlinks=False))}]
            if stat.S_ISREG(st.st_mode):
                row.append(pathlib.Path(path).read_bytes())
            elif stat.S_ISLNK(st.st_mode):
                row.append(os.readlink(path))
            if times:
                row.append(int(st.st_mtime))
            if inodes and not stat.S_ISDIR(st.st_mode):
                row.append(st.st_ino if st.st_ino in inodes else "own")
            told[os.path.relpath(path, top)] = row
    return told


def object_inodes(repo):
    return {p.lstat().st_ino for p in (repo / "objects").glob("*/*.file")}


class Case(unittest.TestCase):
    maxDiff = None
    driver = None

    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix="basalt-trees-"))
        self.addCleanup(shutil.rmtree, self.top, ignore_errors=True)
        self.repo = self.top / "repo"
        run("ostree", f"--repo={self.repo}", "init", "--mode=bare")

    def ostree(self, *argv, **more):
        return run("ostree", f"--repo={self.repo}", *argv, **more).stdout.strip()

    def commit(self, tree, branch="os", *more):
        return self.ostree("commit", f"--branch={branch}", f"--tree=dir={tree}", "--timestamp=@1", "--parent=none", *more)

    def call(self, *argv, stop=None, code=0):
        """The driver; (stdout, steps), or with another code stderr."""
        environ = {**os.environ, **({"STOP": str(stop)} if stop is not None else {})}
        done = run(self.driver, *argv, check=False, env=environ)
        self.assertEqual(done.returncode, code, done.stderr)
        if code:
            return done.stderr
        return done.stdout, int(re.search(r"steps (\d+)", done.stderr)[1])

    def fresh(self, name):
        path = self.top / name
        path.mkdir()
        return path


def main(case_module, argv):
    Case.driver = argv.pop(1)
    if os.geteuid() != 0 or not shutil.which("ostree"):
        print("needs root, who gives files away, and ostree, which referees")
        raise SystemExit(77)
    unittest.main(module=case_module, argv=argv)
