#!/usr/bin/env python3
"""A root that moves, on loop devices, in a mount namespace whose /run, /dev/disk and kernel command line are the
test's own. Containers of the same move are in tests/vm/luks_test.py."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

PROGRAM = os.environ["BASALT_IGNITION"]


def run(*words, check=True, text=True):
    done = subprocess.run([str(w) for w in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=text)
    if check and done.returncode:
        sys.exit(f"{words}: {done.stdout}")
    return done


def skip(why):
    print(why)
    sys.exit(77)


def attach(image):
    done = run("losetup", "--find", "--show", image, check=False)
    if done.returncode:
        skip(f"no loop devices: {done.stdout.strip()}")
    return done.stdout.strip()


def listing(top):
    return run("sh", "-c", f"cd {top}; find . -path ./lost+found -prune -o ! -type d ! -path './boot/*' "
                           "-printf '%p %y %m %U %G %n %l %T@ %s\\n' | sort; find . -path ./lost+found -prune -o -type d "
                           "! -path './boot/*' ! -name boot -printf '%p %m %U %G %T@\\n' | sort; md5sum usr/*").stdout


def fill(top):
    for name in ("boot/loader/entries", "etc", "usr", "deploy/keep"):
        (top / name).mkdir(parents=True)
    (top / "boot/loader/entries/one.conf").write_text("linux /vmlinuz\noptions root=LABEL=root rd.md.uuid=1 quiet\n")
    (top / "usr/suid").write_bytes(os.urandom(300000))
    os.chown(top / "usr/suid", 12, 34)
    os.chmod(top / "usr/suid", 0o4755)
    os.link(top / "usr/suid", top / "usr/same")
    os.symlink("../x", top / "etc/link")
    os.setxattr(top / "etc", "user.kept", b"value")
    with open(top / "sparse", "wb") as file:
        file.truncate(1 << 30)
    os.utime(top / "deploy/keep", (1, 2))
    run("chattr", "+i", top / "deploy/keep")


class Move:
    def __init__(self, work):
        self.work, self.mounted = work, work / "mnt"
        self.mounted.mkdir()
        self.loops = []
        for name in ("old", "new"):
            with open(work / name, "wb") as file:
                file.truncate(64 << 20)
            self.loops.append(attach(work / name))
        self.old, self.new = self.loops
        run("mkfs.ext4", "-q", "-L", "root", self.old)
        run("mount", self.old, self.mounted)
        fill(self.mounted)
        self.before = listing(self.mounted)
        run("umount", self.mounted)
        self.own("/run")
        os.makedirs("/dev/disk", exist_ok=True)
        self.own("/dev/disk")
        for name in ("by-label", "by-uuid"):
            os.mkdir(f"/dev/disk/{name}")
        os.symlink(self.old, "/dev/disk/by-label/root")
        (work / "cmdline").write_text("quiet root=LABEL=root\n")
        run("mount", "--bind", work / "cmdline", "/proc/cmdline")

    def own(self, path):
        run("mount", "-t", "tmpfs", "tmpfs", path)

    def config(self, **filesystem):
        value = {"ignition": {"version": "3.5.0"}, "storage": {"filesystems": [
            {"device": self.new, "format": "ext4", "label": "root", "path": "/", "wipeFilesystem": True, **filesystem}]}}
        (self.work / "config").write_text(json.dumps(value))

    def verb(self, name):
        return run(PROGRAM, "transposefs", name, "-config-cache", self.work / "config", "-log-to-stdout", check=False)

    def end(self):
        for loop in self.loops:
            run("losetup", "-d", loop, check=False)


def expect(condition, what):
    if not condition:
        sys.exit(f"failed: {what}")


def check(m):
    uuid = "a1a1a1a1-0000-4000-8000-000000000001"
    m.config(device=m.old, wipeFilesystem=False)
    done = m.verb("save")
    expect(done.returncode == 0 and not os.path.exists("/run/ignition-transposefs"), f"nothing moves: {done.stdout}")
    expect(m.verb("restore").returncode == 0, "nothing to restore")

    m.config()
    done = m.verb("save")
    expect(done.returncode == 0 and "moving the filesystem 'root'" in done.stdout, done.stdout)
    expect(os.stat("/run/ignition-transposefs").st_mode & 0o777 == 0o700, "the store is for root alone")
    # It failed after that, before anything was changed: once more.
    expect(m.verb("save").returncode == 0, "a second save")

    run("mkfs.ext4", "-q", "-L", "root", "-U", uuid, m.new)
    os.symlink(m.new, f"/dev/disk/by-uuid/{uuid}")
    done = m.verb("restore")
    expect(done.returncode == 0, done.stdout)
    expect(not os.path.exists("/run/ignition-transposefs"), "the store is gone")
    run("mount", "-o", "ro", m.new, m.mounted)
    after = listing(m.mounted)
    expect(after == m.before, f"the same files:\n{m.before}\n{after}")
    expect(os.getxattr(m.mounted / "etc", "user.kept") == b"value", "attributes of users")
    expect("-i-" in run("lsattr", "-d", m.mounted / "deploy/keep").stdout, "flags")
    expect(os.stat(m.mounted / "sparse").st_blocks < 100, "holes")
    entry = (m.mounted / "boot/loader/entries/one.conf").read_text()
    expect(entry == f"linux /vmlinuz\noptions quiet root=UUID={uuid} rw\n", entry)
    run("umount", m.mounted)

    # It is not put over what is there.
    expect(m.verb("save").returncode == 0, "saving again")
    done = m.verb("restore")
    expect(done.returncode == 1 and "is not empty" in done.stdout, done.stdout)
    expect(os.path.exists("/run/ignition-transposefs/root/usr/suid"), "what could not be put back is kept")

    # Asked before the root is touched, where the config keeps the filesystem.
    run("umount", "/run/ignition-transposefs")
    m.config(wipeFilesystem=False)
    done = m.verb("save")
    expect(done.returncode == 1 and f"is to move to {m.new}, which has files" in done.stdout, done.stdout)
    expect(not os.path.exists("/run/ignition-transposefs/root"), "nothing was saved")
    m.config()

    # Half filled when the power went: told by name.
    run("mount", m.old, m.mounted)
    (m.mounted / ".ignition-root-move-unfinished").write_text("")
    run("umount", m.mounted)
    done = m.verb("save")
    expect(done.returncode == 1 and "the machine has to be installed again" in done.stdout, done.stdout)

    # Encrypted by /etc/clevis.json: the stages that follow find a container in the config.
    run("mount", m.old, m.mounted)
    (m.mounted / ".ignition-root-move-unfinished").unlink()
    run("umount", m.mounted)
    text = {"ignition": {"version": "3.0.0"}, "storage": {"files": [
        {"path": "/etc/clevis.json", "contents": {"source": "data:,%7B%7D"}}, {"path": "/etc/x", "contents": {"source": "data:,x"}}]}}
    (m.work / "config").write_text(json.dumps(text))
    done = m.verb("save")
    expect(done.returncode == 0 and "to go to /dev/mapper/root" in done.stdout, done.stdout)
    cached = json.loads((m.work / "config").read_text())["storage"]
    uuid = run("blkid", "-p", "-s", "UUID", "-o", "value", m.old).stdout.strip()
    expect(cached["luks"] == [{"name": "root", "device": m.old, "clevis": {"tpm2": True}, "wipeVolume": True}], cached)
    expect(cached["filesystems"] == [{"device": "/dev/mapper/root", "format": "ext4", "label": "root", "uuid": uuid,
                                      "wipeFilesystem": True}], cached)
    expect([f["path"] for f in cached["files"]] == ["/etc/clevis.json", "/etc/x"], cached)
    expect((m.work / "config").stat().st_mode & 0o777 == 0o640, "the cache is as the fetch stage writes it")
    expect(m.verb("save").returncode == 0, "once more")
    text["storage"]["files"][0]["contents"]["source"] = "data:,%7B"
    (m.work / "config").write_text(json.dumps(text))
    done = m.verb("save")
    expect(done.returncode == 1 and "/etc/clevis.json:1:2" in done.stdout, done.stdout)


def main():
    if os.geteuid():
        skip("only root can mount")
    if "inside" not in sys.argv:
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, __file__, "inside"])
    work = pathlib.Path(tempfile.mkdtemp(prefix="basalt-root-move."))
    m = None
    try:
        m = Move(work)
        check(m)
    finally:
        if m:
            m.end()
        run("umount", work / "mnt", check=False)
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
