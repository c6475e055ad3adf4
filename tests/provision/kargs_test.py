"""The kargs stage of the built program: entries of the root and of boot partitions (on loop devices that a fake
sysfs lists, so that none of this machine's is looked at), a reboot that does not help, and a kill at every step."""
import os
import pathlib
import subprocess

from harness import PROGRAM, ProvisionTest, config, main

ENTRY = "title A\nlinux /vmlinuz\noptions root=/dev/sda quiet splash\n"
EDITED = "title A\nlinux /vmlinuz\noptions root=/dev/sda quiet console=ttyS0\n"
WANTED = {"shouldExist": ["console=ttyS0", "quiet"], "shouldNotExist": ["splash"]}
SYSCALLS = "rename,renameat,renameat2,linkat,unlinkat,fsync,fsmount,execve"


class KargsTest(ProvisionTest):
    def setUp(self):
        super().setUp()
        self.marker, self.sysfs = self.dir / "reboot", self.dir / "sys/class/block"
        self.sysfs.mkdir(parents=True)
        self.env |= {"BASALT_REBOOT_MARKER": str(self.marker), "BASALT_SYSFS": str(self.dir / "sys")}
        self.stage("fetch", config(kernelArguments=WANTED))
        self.loops = []
        self.addCleanup(lambda: [subprocess.run(["losetup", "-d", d], check=True) for d in self.loops])

    def entries(self, root):
        (root / "boot/loader.0/entries").mkdir(parents=True)
        (root / "boot/loader").symlink_to("loader.0")
        (root / "boot/loader/entries/a.conf").write_text(ENTRY)
        return root / "boot/loader/entries/a.conf"

    def partition(self, label="boot", tree=True, name="boot.img"):
        """An ext4 image with entries as a loop device."""
        image, content = self.dir / name, self.dir / (name + ".tree")
        if tree:
            self.entries(content)
        (content / "boot").mkdir(parents=True, exist_ok=True)
        with open(image, "wb") as f:
            f.truncate(16 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-L", label, "-d", content / "boot", image], check=True)
        loop = subprocess.run(["losetup", "--find", "--show", image], check=True, capture_output=True,
                              text=True).stdout.strip()
        self.loops.append(loop)
        st = os.stat(loop)
        (self.sysfs / loop[5:]).mkdir()
        (self.sysfs / loop[5:] / "dev").write_text(f"{os.major(st.st_rdev)}:{os.minor(st.st_rdev)}\n")
        return loop

    def inside(self, loop, path):
        return subprocess.run(["debugfs", "-R", f"cat {path}", loop], capture_output=True, text=True).stdout

    def rebooted(self):
        found = self.marker.exists()
        self.marker.unlink(missing_ok=True)
        return found


class InTheRoot(KargsTest):
    def test_without_any(self):
        out = self.stage("kargs", code=1)
        self.assertIn("no boot entries in /boot/loader/entries of the root, on a filesystem labelled 'boot'", out)
        self.assertNotIn("GRUB", out)
        (self.root / "boot/grub").mkdir(parents=True)
        (self.root / "boot/grub/grub.cfg").write_text("")
        self.assertIn("configured by a generated file", self.stage("kargs", code=1))
        self.assertFalse(self.rebooted())

    def test_through_the_link_of_ostree(self):
        entry = self.entries(self.root)
        self.stage("kargs")
        self.assertEqual((entry.read_text(), self.rebooted()), (EDITED, True))
        self.assertEqual(sorted(os.listdir(self.root / "boot")), ["loader", "loader.0"])

    def another_boot(self):
        """The marker that the boot before left."""
        path = self.root / "boot/.ignition-kargs"
        path.write_text("edited 00000000-0000-0000-0000-000000000000\n+console=ttyS0\n+quiet\n-splash\n")
        return path

    def test_a_reboot_that_helped(self):
        self.entries(self.root).write_text(EDITED)
        left = self.another_boot()
        self.cmdline.write_text("BOOT_IMAGE=/vmlinuz root=/dev/sda quiet console=ttyS0\n")
        self.assertIn("was started with the kernel arguments", self.stage("kargs"))
        self.assertEqual((left.exists(), self.rebooted()), (False, False))

    def test_a_boot_loader_that_reads_something_else(self):
        self.entries(self.root).write_text(EDITED)
        self.another_boot()
        for cmdline in ("root=/dev/sda quiet", "quiet console=ttyS0 splash"):
            self.cmdline.write_text(cmdline + "\n")
            self.assertIn("was started without", self.stage("kargs", code=1))
            self.assertFalse(self.rebooted())

    def test_entries_that_are_written_anew(self):
        self.entries(self.root)
        self.another_boot()
        self.assertIn("something writes them anew", self.stage("kargs", code=1))
        self.assertFalse(self.rebooted())

    def test_power_cut_in_the_edit(self):
        """The next boot may have been started with the old arguments, or with the new ones."""
        self.entries(self.root).write_text(EDITED)
        for cmdline, again in (("quiet", True), ("quiet console=ttyS0", False)):
            left = self.another_boot()
            left.write_text(left.read_text().replace("edited", "begun"))
            self.cmdline.write_text(cmdline + "\n")
            self.stage("kargs")
            self.assertEqual((self.rebooted(), left.exists()), (again, False))

    def test_the_reboot_of_another_config(self):
        entry = self.entries(self.root)
        self.another_boot().write_text("edited 00000000-0000-0000-0000-000000000000\n+other\n")
        self.stage("kargs")
        self.assertEqual((entry.read_text(), self.rebooted()), (EDITED, True))

    def test_killed_at_every_step(self):
        """The entry is the old or the new one; the next run in the same boot finishes, and asks for the reboot."""
        entry, n, killed = self.entries(self.root), 0, True
        while killed:
            n += 1
            p = subprocess.run(
                ["strace", "-f", "-qq", "-e", f"trace={SYSCALLS}", "-e", f"inject={SYSCALLS}:signal=KILL:when={n}",
                 "-o", self.dir / "trace", PROGRAM, "-platform", "file", "-stage", "kargs", "-root", self.root,
                 "-config-cache", self.cache, "-state-file", self.state, "-neednet", self.neednet, "-log-to-stdout"],
                env=self.env | {"ASAN_OPTIONS": "detect_leaks=0"}, cwd=self.dir, capture_output=True, text=True)
            killed = p.returncode != 0
            if killed:
                self.assertIn(p.returncode, (-9, 137), p.stdout + p.stderr)
            self.assertIn(entry.read_text(), (ENTRY, EDITED))
            asked = self.rebooted()
            self.stage("kargs")
            self.assertEqual(entry.read_text(), EDITED)
            self.assertTrue(asked or self.rebooted(), f"killed at {n}")
            self.marker.unlink(missing_ok=True)
            (self.root / "boot/.ignition-kargs").unlink(missing_ok=True)
            entry.write_text(ENTRY)
        self.assertGreater(n, 6)


class OnAPartition(KargsTest):
    def test_labelled_boot(self):
        self.partition(label="other", name="other.img")
        loop = self.partition()
        self.assertIn(f"the boot entries are on {loop}, labelled boot", self.stage("kargs"))
        self.assertEqual((self.inside(loop, "/loader/entries/a.conf"), self.rebooted()), (EDITED, True))
        self.assertIn("already", self.stage("kargs"))
        self.assertFalse(self.rebooted())
        self.assertNotIn(loop, pathlib.Path("/proc/self/mounts").read_text())
        self.assertEqual(subprocess.run(["e2fsck", "-fn", loop], capture_output=True).returncode, 0)

    def test_labelled_boot_without_entries(self):
        self.partition(tree=False)
        self.assertIn("no boot entries", self.stage("kargs", code=1))

    def test_two_of_them(self):
        """Nothing is guessed."""
        loops = [self.partition(name="1.img"), self.partition(name="2.img")]
        self.assertIn("several filesystems have boot entries and are labelled boot", self.stage("kargs", code=1))
        self.assertEqual([self.inside(d, "/loader/entries/a.conf") for d in loops], [ENTRY, ENTRY])

    def test_entries_of_the_root_come_first(self):
        loop, entry = self.partition(), self.entries(self.root)
        self.stage("kargs")
        self.assertEqual((entry.read_text(), self.inside(loop, "/loader/entries/a.conf")), (EDITED, ENTRY))

    def test_mounted_for_reading_only(self):
        loop, point = self.partition(), self.dir / "point"
        point.mkdir()
        subprocess.run(["mount", "-o", "ro", loop, point], check=True)
        try:
            self.assertIn(f"{loop} (labelled boot) is mounted on {point}", self.stage("kargs", code=1))
        finally:
            subprocess.run(["umount", point], check=True)

    def test_by_type(self):
        """An extended boot loader partition, in a table, before an EFI system partition on another disk."""
        found = {}
        for name, kind in (("esp", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"),
                           ("xbootldr", "bc13c2ff-59e6-4262-a352-b275fd6f7172")):
            content, image = self.dir / name, self.dir / (name + ".img")
            self.entries(content)
            with open(image, "wb") as f:
                f.truncate(24 << 20)
            subprocess.run(["sfdisk", "-q", image], input=f"label: gpt\nstart=2048, size=32768, type={kind}\n",
                           text=True, check=True, capture_output=True)
            subprocess.run(["mkfs.ext4", "-q", "-F", "-E", f"offset={2048 * 512}", "-d", content / "boot", image,
                            "16m"], check=True, capture_output=True)
            loop = subprocess.run(["losetup", "--find", "--show", image], check=True, capture_output=True,
                                  text=True).stdout.strip()
            self.loops.append(loop)
            if subprocess.run(["addpart", loop, "1", "2048", "32768"], capture_output=True).returncode:
                self.skipTest("this kernel adds no partitions")
            self.addCleanup(subprocess.run, ["delpart", loop, "1"], capture_output=True)
            part = pathlib.Path(f"/sys/class/block/{loop[5:]}p1")
            number = (part / "dev").read_text()
            node = pathlib.Path(f"/dev/{part.name}")
            if not node.exists():
                os.mknod(node, 0o600 | 0o60000, os.makedev(*map(int, number.split(":"))))
                self.addCleanup(node.unlink)
            (self.sysfs / part.name).mkdir()
            (self.sysfs / part.name / "dev").write_text(number)
            found[name] = str(node)
        self.assertIn(f"the boot entries are on {found['xbootldr']}, an extended boot loader", self.stage("kargs"))
        self.assertEqual(self.inside(found["xbootldr"], "/loader/entries/a.conf"), EDITED)
        self.assertEqual(self.inside(found["esp"], "/loader/entries/a.conf"), ENTRY)


if __name__ == "__main__":
    main()
