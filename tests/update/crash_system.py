"""A small system for crash tests, what is known of it, and what must hold of it whatever happened: what the kernel
sees once it has replayed the journal, and what a boot loader sees that does not."""
import hashlib
import json
import os
import pathlib
import random
import re
import stat
import subprocess

from ext4_raw import Damaged
from images import Image, directory, file, layer, layout_write, symlink

KERNEL = "usr/lib/modules/6.1.0"
TIMEOUT = 120


class Broken(Exception):
    pass


def need(condition, text):
    if not condition:
        raise Broken(text)


def noise(name, n):
    return random.Random(name).randbytes(n)


BASE = layer(directory("./"), directory("usr"), directory("usr/bin"), directory("usr/lib"), directory("usr/lib/modules"),
             directory("usr/share"), directory("etc"), directory("var"), directory("boot"), directory("sysroot"),
             symlink("ostree", "sysroot/ostree"), symlink("bin", "usr/bin"), file("usr/bin/large", noise("large", 900_000)),
             *[file(f"usr/share/f{i}", noise(f"share{i}", 1000 * i)) for i in range(24)],
             *[file(f"etc/e{i}", f"{i}\n") for i in range(12)])


def image(version, size=180_000):
    """Kernel, initramfs, a program and a line of /etc are others in each version."""
    name = str(version)
    return Image(BASE, layer(directory(KERNEL), file(f"{KERNEL}/vmlinuz", noise("kernel" + name, size)),
                             file(f"{KERNEL}/initramfs.img", noise("initramfs" + name, 2 * size)),
                             file("usr/lib/os-release", f'PRETTY_NAME="Tiny {version}"\n'), file("etc/motd", name + "\n"),
                             file("usr/bin/program", noise("program" + name, 200_000)),
                             *[file(f"usr/share/n{i}", noise(f"{name}n{i}", 700 * i)) for i in range(12)]),
                 labels={"containers.bootc": "1", "org.opencontainers.image.version": name})


class Program:
    """basalt-os on one sysroot, with images of a layout and a configuration of its own."""

    def __init__(self, program, place, root):
        self.program, self.root, self.place = str(program), root, place
        self.layout = place / "layout"
        self.image = f"oci:{self.layout}:stable"
        (place / "config/etc/containers").mkdir(parents=True, exist_ok=True)
        (place / "config/etc/containers/policy.json").write_text('{"default":[{"type":"insecureAcceptAnything"}]}')

    def publish(self, version, **more):
        layout_write(self.layout, image(version, **more), "stable")

    def words(self, verb, *words):
        if verb in ("switch", "upgrade", "deploy"):
            words = ("--config-root", str(self.place / "config"), *words)
        return [self.program, "--sysroot", str(self.root), verb, *words]

    def tried(self, verb, *words, before=(), **more):
        return subprocess.run([*before, *self.words(verb, *words)], capture_output=True, text=True, errors="replace",
                              stdin=subprocess.DEVNULL, timeout=TIMEOUT, **more)

    def run(self, verb, *words):
        done = self.tried(verb, *words)
        need(done.returncode == 0, f"`{verb} {' '.join(words)}` exits with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def status(self):
        return json.loads(self.run("status", "--json"))

    def begin(self):
        """The first version, as an administrator left it."""
        self.publish(1)
        self.run("init")
        self.run("switch", self.image, "--karg", "root=LABEL=root")
        etc = self.root / self.status()["deployments"][0]["path"] / "etc"
        (etc / "mine").write_text("mine\n")
        (etc / "e3").write_text("changed\n")
        (etc / "e4").unlink()
        (self.root / "ostree/deploy/basalt/var/data").write_text("data\n")


# ---- what is there ----

def entry_read(text):
    out = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        out[key] = value.strip()
    return out


def in_order(entries):
    return sorted(entries, key=lambda e: int(e["version"]), reverse=True)


def file_hash(path, known):
    st = os.stat(path)
    key = (st.st_dev, st.st_ino)
    if key not in known:
        with open(path, "rb") as f:
            known[key] = hashlib.file_digest(f, "sha256").hexdigest()
    return known[key]


def tree_lines(top, known):
    """One line for each name below a directory: kind, mode, owner, contents."""
    out = []

    def walk(path, name):
        for e in os.scandir(path):
            st = e.stat(follow_symlinks=False)
            where = f"{name}/{e.name}"
            line = f"{where} {st.st_mode:o} {st.st_uid} {st.st_gid}"
            if stat.S_ISREG(st.st_mode):
                line += " " + file_hash(e.path, known)
            elif stat.S_ISLNK(st.st_mode):
                line += " " + os.readlink(e.path)
            out.append(line)
            if stat.S_ISDIR(st.st_mode):
                walk(e.path, where)
    walk(top, "")
    return "\n".join(sorted(out))


class Entry:
    def __init__(self, conf):
        self.conf = conf
        words = conf.get("options", "").split()
        links = [w for w in words if w.startswith("ostree=")]
        need(len(links) == 1, f"an entry with {len(links)} ostree= arguments: {conf}")
        self.link = links[0][len("ostree="):]
        self.options = " ".join(w for w in words if w not in links)
        self.kernel = self.initramfs = self.deployment = self.tree = None

    def __repr__(self):
        return f"<{self.deployment} '{self.options}'>"

    @property
    def what(self):
        """What it boots, whatever its links are called."""
        return self.deployment, self.options


def resolve(root, link):
    """The deployment's directory that an ostree= argument names, as the initramfs looks for it."""
    try:
        path = os.path.realpath(f"{root}{link}", strict=True)
    except OSError as e:
        raise Broken(f"{link} leads nowhere: {e.strerror}")
    need(path.startswith(f"{os.path.realpath(root)}/ostree/deploy/"), f"{link} leads to {path}")
    return os.path.relpath(path, os.path.realpath(root))


def kernel_view(root):
    """The entries in the order of boot, each with what it would boot."""
    boot, known, out = f"{root}/boot", {}, []
    try:
        names = os.listdir(f"{boot}/loader/entries")
    except OSError as e:
        raise Broken(f"boot/loader/entries: {e.strerror}")
    confs = []
    for name in names:
        if name.endswith(".conf"):
            with open(f"{boot}/loader/entries/{name}") as f:
                confs.append(entry_read(f.read()))
            need(confs[-1].get("version", "").isdigit(), f"{name} is not whole: {confs[-1]}")
    for conf in in_order(confs):
        e = Entry(conf)
        try:
            e.kernel, e.initramfs = file_hash(boot + conf["linux"], known), file_hash(boot + conf["initrd"], known)
        except (OSError, KeyError) as why:
            raise Broken(f"kernel of {conf}: {why}")
        e.deployment = resolve(root, e.link)
        e.tree = tree_lines(f"{root}/{e.deployment}", known)
        out.append(e)
    need(out, "there is no entry")
    return out


def grub_view(fs):
    """The same of a raw file system, without deployments: boot/ of it, or the whole when it is /boot's own."""
    try:
        top = "/boot" if "boot" in fs.list("/") and "loader" not in fs.list("/") else ""
        confs = [entry_read(fs.read(f"{top}/loader/entries/{n}").decode(errors="replace"))
                 for n in fs.list(f"{top}/loader/entries") if re.fullmatch(r"ostree-[0-9]+-.*\.conf", n)]
        for c in confs:
            need(c.get("version", "").isdigit() and "linux" in c and "initrd" in c, f"GRUB: an entry is not whole: {c}")
        out = [Entry(c) for c in in_order(confs)]
        need(out, "GRUB: there is no entry")
        for e in out:
            e.kernel = hashlib.sha256(fs.read(top + e.conf["linux"])).hexdigest()
            e.initramfs = hashlib.sha256(fs.read(top + e.conf["initrd"])).hexdigest()
    except Damaged as why:
        raise Broken(f"GRUB: {why}")
    return out


class Knowledge:
    """What whole systems look like: trees of deployments, kernels."""

    def __init__(self):
        self.trees, self.kernels = {}, {}

    def learn(self, entries):
        for e in entries:
            self.trees.setdefault(e.deployment, set()).add(e.tree)
            self.kernels[e.conf["linux"]] = (e.kernel, e.initramfs)

    def kernel_whole(self, e, eyes):
        need(self.kernels.get(e.conf["linux"]) == (e.kernel, e.initramfs), f"{eyes}: {e.conf['linux']} or its initramfs is damaged")

    def tree_whole(self, e):
        if e.tree in self.trees.get(e.deployment, ()):
            return
        best = next(iter(self.trees.get(e.deployment, [""])))
        difference = sorted(set(best.splitlines()) ^ set(e.tree.splitlines()))
        raise Broken(f"{e.deployment} is not whole: {difference[:4]}")

    def whole(self, entries, eyes="kernel"):
        for e in entries:
            self.kernel_whole(e, eyes)
            if e.tree is not None:
                self.tree_whole(e)
