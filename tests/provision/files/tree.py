"""Roots for the tests of the files stage: made from a table, listed so that two can be compared."""
import hashlib
import json
import os
import shutil
import stat
import subprocess
import tempfile

BASE = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class Work:
    """A directory that goes away at the end."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="basalt-files-", dir=BASE)
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.path)


def make(root, entries):
    """entries: path -> None (directory) | text (file) | ("->", target) | ("=", other path) | (text, mode, uid, gid)."""
    os.makedirs(root, exist_ok=True)
    os.chmod(root, 0o755)
    for path, what in entries.items():
        real = root + path
        os.makedirs(os.path.dirname(real), exist_ok=True)
        if what is None:
            os.makedirs(real, exist_ok=True)
        elif isinstance(what, tuple) and what[0] == "->":
            os.symlink(what[1], real)
        elif isinstance(what, tuple) and what[0] == "=":
            os.link(root + what[1], real)
        elif isinstance(what, tuple) and what[0] == "fifo":
            os.mkfifo(real)
        else:
            text, mode, uid, gid = what if isinstance(what, tuple) else (what, 0o644, 0, 0)
            with open(real, "w") as f:
                f.write(text)
            os.chown(real, uid, gid)
            os.chmod(real, mode)


def normal(path, data):
    """The result file has a time and a boot in it."""
    if path != "/etc/.ignition-result.json":
        return data

    def strip(report):
        report["provisioningDate"] = "then"
        if "previousReport" in report:
            strip(report["previousReport"])

    report = json.loads(data)
    strip(report)
    return json.dumps(report).encode()


def listing(root, skip=()):
    """path -> "type mode uid gid what". Hard links are named by the first path of their inode."""
    found, first = {}, {}
    for directory, dirs, files in os.walk(root):
        for name in [""] + sorted(dirs + files) if directory == root else sorted(dirs + files):
            real = os.path.join(directory, name) if name else root
            path = real[len(root):] or "/"
            if path in skip:
                continue
            st = os.lstat(real)
            kind = stat.S_IFMT(st.st_mode)
            mode = "%04o %d %d" % (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid)
            if kind == stat.S_IFLNK:
                text = "l %d %d -> %s" % (st.st_uid, st.st_gid, os.readlink(real))
            elif kind == stat.S_IFDIR:
                text = "d " + mode
            elif kind == stat.S_IFREG:
                with open(real, "rb") as f:
                    text = "f %s %s" % (mode, hashlib.sha256(normal(path, f.read())).hexdigest()[:16])
            else:
                text = "o " + mode
            if st.st_nlink > 1 and kind != stat.S_IFDIR:
                first.setdefault(st.st_ino, []).append(path)
            found[path] = text
    for names in first.values():
        for path in names:
            found[path] += " = " + min(names)
    return found


def difference(a, b):
    """Lines that say where two listings differ; empty: nowhere."""
    return ["%s: %s | %s" % (p, a.get(p, "absent"), b.get(p, "absent"))
            for p in sorted(set(a) | set(b)) if a.get(p) != b.get(p)]


def config(version="3.3.0", **sections):
    return dict({"ignition": {"version": version}}, **sections)


def run(driver, root, value, *arguments, env=None, path=None):
    """Writes the config beside the root and runs the driver on it."""
    name = root + ".ign"
    with open(name, "w") as f:
        json.dump(value, f, indent=1)
    environment = dict(os.environ, **(env or {}))
    if path:
        environment["PATH"] = path + ":" + environment["PATH"]
    return subprocess.run([driver, "--root", root, *arguments, name], env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
