"""The stages mount and umount of the built program, on loop devices, in a mount namespace of its own: order,
options, links, reruns, who is told when a mount is busy, and every place where the power may go."""
import json
import os
import pathlib
import stat
import subprocess
import sys

from harness import PROGRAM, ProvisionTest, config, file_entry, main

INSIDE = "BASALT_TEST_PRIVATE_MOUNTS"
MKFS = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"], "btrfs": ["mkfs.btrfs", "-q", "-f"]}
SIZE = {"ext4": 16 << 20, "xfs": 320 << 20, "btrfs": 160 << 20}
SYSCALLS = "mkdirat,mount,fchmod,fsync,rename,renameat,renameat2,linkat"


def mounts(below):
    """mount point -> (type, source, options), the topmost one."""
    found = {}
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        left, right = line.split(" - ")
        fields, (kind, source, _) = left.split(), right.split(" ", 2)
        if fields[4].startswith(str(below)):
            found[fields[4]] = (kind, source, fields[5])
    return found


class MountTest(ProvisionTest):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.sweep)
        self.loops = []

    def sweep(self):
        for point in sorted(mounts(self.dir), reverse=True):
            while point and subprocess.run(["umount", point], capture_output=True).returncode == 0:
                pass
        for loop in self.loops:
            subprocess.run(["losetup", "-d", loop], check=True)

    def device(self, kind="ext4"):
        image = self.dir / f"image{len(self.loops)}"
        with open(image, "wb") as f:
            f.truncate(SIZE[kind])
        subprocess.run([*MKFS[kind], image], check=True, capture_output=True)
        loop = subprocess.run(["losetup", "--find", "--show", image], check=True, capture_output=True,
                              text=True).stdout.strip()
        self.loops.append(loop)
        return loop

    def filesystem(self, path, kind="ext4", device=None, **more):
        return {"device": device or self.device(kind), "path": path, "format": kind, **more}

    def record_labels(self):
        """Gives the root a policy; the file has the paths that are labelled."""
        tools, said = self.dir / "tools", self.dir / "labelled"
        tools.mkdir()
        (tools / "setfiles").write_text(f'#!/bin/sh\ntr "\\0" "\\n" >> {said}\n')
        (tools / "setfiles").chmod(0o755)
        self.env["PATH"] = f"{tools}:{self.env['PATH']}"
        (self.root / "etc/selinux").mkdir()
        (self.root / "etc/selinux/config").write_text("SELINUXTYPE=targeted\n")
        return said

    def fetch(self, *filesystems, **sections):
        self.stage("fetch", config("3.6.0", storage={"filesystems": list(filesystems), **sections.pop("storage", {})},
                                   **sections))

    def points(self):
        return {p[len(str(self.root)):]: m for p, m in mounts(self.root).items()}


class Mount(MountTest):
    def test_order_and_back(self):
        """The deeper ones stand first in the config; the files stage then writes onto them."""
        deep, top = self.filesystem("/var/lib/data", "xfs"), self.filesystem("/var", "btrfs")
        other = self.filesystem("/srv")
        self.fetch(deep, other, top, storage={"files": [file_entry("/var/lib/data/f", "data:,x")]})
        out = self.stage("mount")
        order = [line.split(" on ")[1].split()[0] for line in out.splitlines() if "mounting " in line]
        self.assertEqual(order, [str(self.root) + p for p in ("/srv", "/var", "/var/lib/data")])
        self.assertEqual({p: m[:2] for p, m in self.points().items()},
                         {"/var": ("btrfs", top["device"]), "/var/lib/data": ("xfs", deep["device"]),
                          "/srv": ("ext4", other["device"])})
        self.assertEqual(self.saved_state()["notatedDirectories"], ["/srv", "/var", "/var/lib", "/var/lib/data"])
        for made in ("/srv", "/var", "/var/lib", "/var/lib/data"):
            self.assertEqual(stat.S_IMODE((self.root / made[1:]).stat().st_mode), 0o755)
        self.stage("files")
        self.assertEqual(os.listdir(self.root / "etc"), [".ignition-result.json"], "the journal is gone")
        self.stage("umount")
        self.assertEqual(self.points(), {})
        self.assertEqual(os.listdir(self.root / "var"), [], "all of it is on the filesystems")
        self.stage("mount")
        self.assertEqual((self.root / "var/lib/data/f").read_text(), "x")
        self.stage("umount")
        self.stage("umount")

    def test_umask_and_set_group_id(self):
        self.addCleanup(os.umask, os.umask(0o077))
        (self.root / "srv").mkdir()
        os.chown(self.root / "srv", 0, 77)
        (self.root / "srv").chmod(0o2777)
        self.fetch(self.filesystem("/srv/a/b"))
        self.stage("mount")
        made = (self.root / "srv/a").stat()
        self.assertEqual((stat.S_IMODE(made.st_mode), made.st_uid, made.st_gid), (0o755, 0, 0))

    def test_swap_and_none_are_not_mounted(self):
        self.fetch({"device": "/dev/nonexistent", "format": "none", "path": "/a"},
                   {"device": "/dev/nonexistent2", "format": "swap"}, {"device": "/dev/nonexistent3", "format": "ext4"})
        self.stage("mount")
        self.assertEqual(sorted(os.listdir(self.root)), ["etc"])

    def test_options(self):
        """Flags, the filesystem's own, one element with two, and those for userspace alone."""
        fs = self.filesystem("/data", mountOptions=["noatime,nodev", "data=journal", "x-systemd.growfs", "nofail",
                                                    "_netdev", "context=system_u:object_r:var_t:s0", "rslave"])
        self.fetch(fs)
        self.assertIn("with type ext4 and options noatime,nodev,data=journal", self.stage("mount"))
        (kind, _, options), = [m for p, m in self.points().items()]
        self.assertEqual(set(options.split(",")) & {"noatime", "nodev", "nosuid", "relatime"}, {"noatime", "nodev"})
        line, = [li for li in pathlib.Path("/proc/self/mounts").read_text().splitlines() if str(self.root) in li]
        self.assertIn("data=journal", line)

    def test_option_that_the_filesystem_refuses(self):
        self.fetch(self.filesystem("/a"), self.filesystem("/b", mountOptions=["nosuchoption=1"]))
        out = self.stage("mount", code=1)
        self.assertIn("nosuchoption=1", out)
        self.assertIn("Invalid argument", out)
        self.assertEqual(self.points(), {}, "what was mounted before is taken off again")

    def test_another_format_than_declared(self):
        self.fetch(self.filesystem("/a", device=self.device("ext4")) | {"format": "xfs"})
        self.assertIn(" as xfs", self.stage("mount", code=1))

    def test_links_are_refused(self):
        (self.root / "real/deep").mkdir(parents=True)
        (self.root / "var").symlink_to("real")
        (self.root / "real/link").symlink_to("/real/deep")
        (self.root / "file").write_text("x")
        ok, device = self.filesystem("/real/deep"), self.device()
        for path, words in (("/var/x", "'/var' is a link to 'real'"), ("/var", "'/var' is a link to 'real'"),
                            ("/real/link", "'/real/link' is a link to '/real/deep'"),
                            ("/file/x", "'/file' is no directory"), ("/file", "'/file' is no directory")):
            self.fetch(ok, self.filesystem(path, device=device))
            out = self.stage("mount", code=1)
            self.assertIn(words, out)
            self.assertEqual(self.points(), {})
        self.assertEqual(sorted(os.listdir(self.root / "real")), ["deep", "link"])

    def test_a_link_on_a_filesystem(self):
        """What is mounted first brings the link along."""
        fs = self.filesystem("/var")
        self.fetch(fs, self.filesystem("/var/lib/x"))
        (self.root / "var").mkdir()
        subprocess.run(["mount", fs["device"], self.root / "var"], check=True)
        (self.root / "var/lib").symlink_to("/etc")
        subprocess.run(["umount", self.root / "var"], check=True)
        self.assertIn("'/var/lib' is a link to '/etc'", self.stage("mount", code=1))
        self.assertEqual((self.points(), os.listdir(self.root / "etc")), ({}, []))

    def test_again(self):
        """A second run finds what the first mounted; on btrfs too, whose device numbers are its own."""
        self.fetch(self.filesystem("/a"), self.filesystem("/a/b", "btrfs"))
        self.stage("mount")
        before = mounts(self.root)
        out = self.stage("mount")
        self.assertEqual(out.count("already"), 2)
        self.assertEqual(pathlib.Path("/proc/self/mounts").read_text().count(str(self.root)), 2)
        self.assertEqual(mounts(self.root), before)

    def test_another_filesystem_is_there(self):
        (self.root / "a").mkdir()
        other = self.device()
        subprocess.run(["mount", other, self.root / "a"], check=True)
        self.fetch(self.filesystem("/a"))
        self.assertIn(f"has another filesystem on it: ext4 of {other}", self.stage("mount", code=1))
        self.assertEqual(self.points()["/a"][1], other)

    def test_two_on_one_place(self):
        first, second = self.filesystem("/a"), self.filesystem("/a")
        self.fetch(first, second)
        self.assertIn("has another filesystem on it", self.stage("mount", code=1))
        self.assertEqual(self.points(), {})

    def test_the_root_itself(self):
        """It covers the root, others are mounted on it; umount takes both off, once."""
        root, below = self.filesystem("/"), self.filesystem("/var")
        self.fetch(below, root)
        self.stage("mount")
        self.assertEqual({p: m[1] for p, m in self.points().items()}, {"": root["device"], "/var": below["device"]})
        self.assertTrue(self.saved_state()["rootCovered"])
        self.stage("mount")
        self.assertEqual(len(self.points()), 2)
        self.stage("umount")
        self.assertEqual((self.points(), "rootCovered" in self.saved_state()), ({}, False))
        self.assertEqual(sorted(os.listdir(self.root)), ["etc"])

    def test_the_root_that_the_machine_was_started_with(self):
        """It is that filesystem already, so nothing is mounted, and nothing is taken off."""
        root = self.filesystem("/")
        subprocess.run(["mount", root["device"], self.root], check=True)
        self.fetch(root)
        self.assertIn("already", self.stage("mount"))
        self.stage("umount")
        self.assertEqual(len(self.points()), 1)

    def test_device_that_does_not_come(self):
        self.fetch(self.filesystem("/a"), self.filesystem("/b", device=str(self.dir / "config.ign")))
        self.assertIn("config.ign", self.stage("mount", code=1))
        self.assertEqual(self.points(), {})


class Whole(MountTest):
    def test_all_stages(self):
        """A blank disk to a tree on filesystems on partitions, by names that no udev makes here; then the plan says
        that all is there, and a second run of all stages changes nothing."""
        image = self.dir / "disk.img"
        with open(image, "wb") as f:
            f.truncate(1 << 30)
        disk = subprocess.run(["losetup", "--find", "--show", image], check=True, capture_output=True,
                              text=True).stdout.strip()
        self.loops.append(disk)
        for n in (3, 2, 1):
            self.addCleanup(lambda n=n: (subprocess.run(["delpart", disk, str(n)], capture_output=True),
                                         pathlib.Path(f"{disk}p{n}").unlink(missing_ok=True)))
        tag = disk[5:]
        self.fetch({"device": f"/dev/disk/by-partlabel/{tag}-a", "format": "ext4", "path": "/var", "label": f"{tag}-v"},
                   {"device": f"/dev/disk/by-partlabel/{tag}-b", "format": "xfs", "path": "/var/lib/data"},
                   {"device": f"{disk}p3", "format": "swap"},
                   storage={"disks": [{"device": disk, "wipeTable": False, "partitions": [
                       {"label": f"{tag}-a", "number": 1, "sizeMiB": 256}, {"label": f"{tag}-b", "number": 2, "sizeMiB": 400},
                       {"label": f"{tag}-c", "number": 3}]}],
                       "files": [file_entry("/var/lib/data/f", "data:,x", overwrite=True)]})
        for _ in range(2):
            for stage in ("kargs", "disks", "mount", "files", "umount"):
                self.stage(stage)
                if stage == "mount":
                    self.assertEqual({p: m[0] for p, m in self.points().items()},
                                     {"/var": "ext4", "/var/lib/data": "xfs"})
            self.assertEqual(os.listdir(self.root / "var"), [])
        p = self.call("plan", "--format", "json", self.config, name="basalt-ignition")
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        plan = json.loads(p.stdout)
        self.assertEqual({c["verb"] for c in plan["stages"][2]["changes"]}, {"keep"}, plan)


class Labels(MountTest):
    def test_what_is_labelled(self):
        """What is made, and the top of fresh filesystems, where the root has a policy."""
        said = self.record_labels()
        used = self.filesystem("/used")
        self.fetch(used, self.filesystem("/new/fresh"))
        (self.root / "used").mkdir()
        subprocess.run(["mount", used["device"], self.root / "used"], check=True)
        (self.root / "used/something").mkdir()
        subprocess.run(["umount", self.root / "used"], check=True)
        self.stage("mount")
        self.assertEqual(said.read_text().split(), [f"{self.root}/new", f"{self.root}/new/fresh"])


class Busy(MountTest):
    def test_who_is_told(self):
        self.fetch(self.filesystem("/var"))
        self.stage("mount")
        (self.root / "var/open").write_text("x")
        (self.root / "var/in").mkdir()
        with open(self.root / "var/open", "a") as f:
            held = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=f)
        works = subprocess.Popen(["cat"], stdin=subprocess.PIPE, cwd=self.root / "var/in")
        (self.root / "var/sub").mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "forgotten", self.root / "var/sub"], check=True)
        out = self.stage("umount", code=1)
        self.assertIn("umount failed after 3 tries", out)
        self.assertIn(f"forgotten is mounted on {self.root}/var/sub", out)
        self.assertIn(f"process {held.pid} (cat) has {self.root}/var/open open", out)
        self.assertIn(f"process {works.pid} (cat) works in {self.root}/var/in", out)
        subprocess.run(["umount", self.root / "var/sub"], check=True)
        held.communicate()
        works.communicate()
        self.stage("umount")
        self.assertEqual(self.points(), {})


class Interrupted(MountTest):
    def killed_at(self, n):
        """The stage under strace, killed as it makes its n-th change; False: it made fewer."""
        p = subprocess.run(
            ["strace", "-f", "-qq", "-e", f"trace={SYSCALLS}", "-e", f"inject={SYSCALLS}:signal=KILL:when={n}", "-o",
             self.dir / "trace", PROGRAM, "-platform", "file", "-stage", "mount", "-root", self.root,
             "-config-cache", self.cache, "-state-file", self.state, "-neednet", self.neednet, "-log-to-stdout"],
            env=self.env | {"ASAN_OPTIONS": "detect_leaks=0"}, cwd=self.dir, capture_output=True, text=True)
        self.assertIn(p.returncode, (0, -9, 137), p.stdout + p.stderr)
        return p.returncode != 0

    def test_at_every_step(self):
        self.fetch(self.filesystem("/a"), self.filesystem("/a/home/core"))
        said = self.record_labels()
        expected, n = None, 0
        while True:
            n += 1
            killed = self.killed_at(n)
            self.stage("mount")
            points = {p: m[:2] for p, m in self.points().items()}
            expected = expected or points
            self.assertEqual((points, len(points)), (expected, 2), f"killed at {n}")
            self.stage("umount")
            self.assertEqual(self.points(), {}, f"killed at {n}")
            self.assertEqual(self.saved_state()["notatedDirectories"], ["/a", "/a/home", "/a/home/core"], f"killed at {n}")
            self.state.unlink()
            self.assertEqual(sorted(set(said.read_text().split())),
                             [f"{self.root}{p}" for p in ("/a", "/a/home", "/a/home/core")], f"killed at {n}")
            said.unlink()
            (self.root / "etc/.ignition-mount.journal").unlink()
            self.assertEqual(os.listdir(self.root / "etc"), ["selinux"])
            if not killed:
                break
            subprocess.run(["mount", self.loops[0], self.root / "a"], check=True)
            if (self.root / "a/home").exists():
                (self.root / "a/home/core").rmdir()
                (self.root / "a/home").rmdir()
            subprocess.run(["umount", self.root / "a"], check=True)
            (self.root / "a").rmdir()
        self.assertGreater(n, 8)


if __name__ == "__main__":
    if os.environ.get(INSIDE):
        main()
    enter = ["unshare", "--mount", "--propagation", "private"]
    if subprocess.run([*enter, "true"], capture_output=True).returncode:
        print("no private mounts here")
        sys.exit(77)
    os.environ[INSIDE] = "1"
    os.execvp("unshare", [*enter, sys.executable, *sys.argv])
