"""plan and inspect of the built program against image files and this machine: nothing is changed, no rights are
needed, and what was planned for an image is what a far machine's facts give."""
import json
import os
import pathlib
import subprocess

from harness import ProvisionTest, config, main

PARTITIONED = {"disks": [{"device": "/dev/vda", "partitions": [
    {"number": 1, "label": "boot"}, {"number": 2, "label": "data", "sizeMiB": 16}, {"label": "more"}]}],
    "filesystems": [{"device": "/dev/disk/by-label/BOOT", "format": "ext4", "path": "/boot"},
                    {"device": "/dev/vda2", "format": "ext4", "path": "/var"}]}


class PlanTest(ProvisionTest):
    def image(self, sector=512, name="disk.img"):
        """Two partitions, an ext4 in the first."""
        path = self.dir / name
        with open(path, "wb") as f:
            f.truncate(64 << 20)
        start, size = 2048 * 512 // sector, (16 << 20) // sector
        target = str(path)
        if sector != 512:
            target = subprocess.run(["losetup", "--sector-size", str(sector), "--find", "--show", path], check=True,
                                    capture_output=True, text=True).stdout.strip()
        try:
            subprocess.run(["sfdisk", "-q", "--no-reread", "--no-tell-kernel", target], check=True, text=True,
                           capture_output=True, input=f"label: gpt\nstart={start}, size={size}, name=boot\n"
                           f"start={start + size}, size={size}, name=data\n")
        finally:
            if sector != 512:
                subprocess.run(["losetup", "-d", target], check=True)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-L", "BOOT", "-E", f"offset={2048 * 512}", path, "16m"], check=True,
                       capture_output=True)
        return path

    def plan(self, cfg, *args, code=0):
        self.config.write_text(json.dumps(cfg))
        p = self.call("plan", "--format", "json", *args, self.config, name="basalt-ignition")
        self.assertEqual(p.returncode, code, p.stdout + p.stderr)
        return json.loads(p.stdout)

    def disks(self, plan):
        stage, = [s for s in plan["stages"] if s["stage"] == "disks"]
        return [(c["verb"], c["object"]) for c in stage["changes"]]

    def test_image(self):
        for name, args in (("disk.img", ["--disk"]), ("other.img", ["--disk", "/dev/vda="])):
            image = self.image(name=name)
            before = (image.read_bytes(), image.stat().st_mtime_ns)
            option = args[:-1] + [args[-1] + str(image)] if len(args) > 1 else args + [str(image)]
            plan = self.plan(config(storage=PARTITIONED), *option)
            self.assertEqual(self.disks(plan), [
                ("keep", "partition 1 of /dev/vda"), ("keep", "partition 2 of /dev/vda"),
                ("create", "partition 3 of /dev/vda"), ("keep", "ext4 filesystem on /dev/disk/by-label/BOOT"),
                ("create", "ext4 filesystem on /dev/vda2")])
            self.assertEqual((image.read_bytes(), image.stat().st_mtime_ns), before)

    def test_large_sectors(self):
        plan = self.plan(config(storage=PARTITIONED), "--disk", self.image(sector=4096))
        self.assertEqual(self.disks(plan)[:2], [("keep", "partition 1 of /dev/vda"), ("keep", "partition 2 of /dev/vda")])

    def test_facts_of_an_image_give_the_same_plan(self):
        image = self.image()
        facts = self.call("inspect", f"/dev/vda={image}", name="basalt-ignition")
        self.assertEqual(facts.returncode, 0, facts.stderr)
        (self.dir / "facts.json").write_text(facts.stdout)
        storage = config(storage=PARTITIONED)
        self.assertEqual(self.plan(storage, "--inspect", self.dir / "facts.json"), self.plan(storage, "--disk", image))

    def test_without_rights(self):
        """As nobody, from a directory that it may read."""
        if os.geteuid() != 0:
            self.skipTest("needs another user to become")
        image = self.image()
        self.config.write_text(json.dumps(config(storage=PARTITIONED)))
        for path in (self.dir, image, self.config, self.root):
            path.chmod(0o755 if path.is_dir() else 0o444)
        program = pathlib.Path(os.environ["BASALT_IGNITION"])
        (self.dir / "program").write_bytes(program.read_bytes())
        (self.dir / "program").chmod(0o755)
        p = subprocess.run([self.dir / "program", "plan", "--disk", image, "--root", self.root, self.config],
                           env=self.env | {"ASAN_OPTIONS": "detect_leaks=0"}, text=True, capture_output=True,
                           user=65534, group=65534, extra_groups=[])
        self.assertEqual((p.returncode, p.stderr), (0, ""), p.stdout)
        self.assertIn("Nothing is destroyed.", p.stdout)

    def test_root_is_not_changed(self):
        (self.root / "etc/motd").write_text("old")
        files = {"files": [{"path": "/etc/motd", "overwrite": True, "contents": {"source": "data:,new"}},
                           {"path": "/new/x", "contents": {"source": "data:,x"}}]}
        plan = self.plan(config(storage=files), "--root", self.root)
        self.assertEqual(plan["summary"]["destroys"], 1)
        self.assertEqual(sorted(os.listdir(self.root)), ["etc"])
        self.assertEqual((self.root / "etc/motd").read_text(), "old")

    def test_config_from_stdin(self):
        p = self.call("plan", "--root", self.root, "-", name="basalt-ignition", input=json.dumps(config()))
        self.assertEqual(p.returncode, 0, p.stderr)
        p = self.call("plan", "--root", self.root, "-", name="basalt-ignition", input='{\n "ignition": {}}')
        self.assertEqual(p.returncode, 1)
        self.assertIn("-:2:", p.stdout)

    def test_referenced_configs(self):
        s = self.server()
        s.put("/c", config(storage={"files": [{"path": "/x", "contents": {"source": "data:,x"}}]}))
        cfg = config(ignition={"config": {"merge": [{"source": s.url + "/c?token=s3cr3t"}]}})
        plan = self.plan(cfg, "--root", self.root)
        self.assertNotIn("s3cr3t", json.dumps(plan))
        self.assertIn("file /x", [c["object"][:7] for c in plan["stages"][4]["changes"]])
        p = self.call("plan", "--offline", self.config, name="basalt-ignition")
        self.assertEqual(p.returncode, 1)
        self.assertIn("requires networking", p.stderr)


if __name__ == "__main__":
    main()
