"""The other names of the program: validate, apply, rmcfg."""
import json
import subprocess

from harness import ProvisionTest, config, data, file_entry, main, merge


class Validate(ProvisionTest):
    def run_on(self, text, *args, name="ignition-validate"):
        text = text if isinstance(text, str) else json.dumps(text)
        return self.call(*args, "-", name=name, input=text)

    def test_clean(self):
        for version in ("2.0.0", "2.2.0", "3.0.0", "3.6.0"):
            p = self.run_on(config(version))
            self.assertEqual((p.returncode, p.stdout, p.stderr), (0, "", ""))

    def test_warning_is_0(self):
        p = self.run_on('{"ignition":{"version":"3.0.0"},"a":1}')
        self.assertEqual(p.returncode, 0)
        self.assertRegex(p.stdout, r"^warning at \$\.a, line 1 col 33: [Uu]nused key a\n$")

    def test_every_finding_in_order(self):
        p = self.run_on({"ignition": {"version": "3.4.0"}, "storage": {"files": [
            {"path": 5}, {"path": "relative"}, {"path": "/a"}, {"path": "/a"}]}})
        self.assertEqual(p.returncode, 1)
        lines = p.stdout.splitlines()
        self.assertEqual(sum(line.startswith("error at $.storage.files.") for line in lines), len(lines))
        self.assertGreaterEqual(len(lines), 3)
        self.assertEqual([line.split(",")[0].split(".")[3] for line in lines],
                         sorted(line.split(",")[0].split(".")[3] for line in lines))

    def test_no_config(self):
        p = self.run_on("")
        self.assertEqual((p.returncode, p.stdout), (1, ""))
        self.assertEqual(p.stderr, "couldn't parse config: not a config (empty)\n")
        p = self.run_on(config("9.0.0"))
        self.assertEqual(p.returncode, 1)
        self.assertIn("couldn't parse config: unsupported config version", p.stderr)
        self.assertIn("error at $.ignition.version, line 1 col ", p.stdout)

    def test_formats(self):
        bad = {"ignition": {"version": "3.4.0"}, "storage": {"files": [{"path": "relative"}]}}
        p = self.run_on(bad, "--format=json")
        self.assertEqual(p.returncode, 1)
        report = json.loads(p.stdout)
        self.assertEqual(report["errors"], len(report["entries"]))
        self.assertEqual(report["entries"][0]["path"], "$.storage.files.0.path")
        sarif = json.loads(self.run_on(bad, "-format", "sarif").stdout)
        self.assertEqual(sarif["version"], "2.1.0")
        self.assertEqual(self.run_on(bad, "-format", "xml").returncode, 2)

    def test_usage(self):
        self.assertEqual(self.call(name="ignition-validate").returncode, 1)
        self.assertEqual(self.call("-foo", "x", name="ignition-validate").returncode, 2)
        p = self.call("/nonexistent", name="ignition-validate")
        self.assertEqual(p.returncode, 1)
        self.assertIn("couldn't read config", p.stderr)
        self.assertEqual(self.call("-version", name="ignition-validate").returncode, 0)

    def test_as_a_verb(self):
        self.config.write_text(json.dumps(config()))
        self.assertEqual(self.call("validate", self.config, name="basalt-ignition").returncode, 0)
        self.assertEqual(self.call("-version", name="basalt-ignition").returncode, 0)
        self.assertEqual(self.call("validate", self.config, name="ignition").returncode, 2)


class Apply(ProvisionTest):
    def apply(self, cfg, *args, code=0, name="ignition-apply"):
        p = self.call("--root", self.root, *args, "-", name=name, input=json.dumps(cfg))
        self.assertEqual(p.returncode, code, p.stdout + p.stderr)
        return p.stdout + p.stderr

    def test_files_and_chain_and_again(self):
        child = data(config("2.2.0", systemd={"units": [{"name": "a.service", "contents": "[Unit]\n"}]}))
        cfg = merge(child, storage={"files": [file_entry("/etc/x", "data:,x", overwrite=True)]})
        for _ in range(2):
            self.apply(cfg)
            self.assertEqual((self.root / "etc/x").read_text(), "x")
            self.assertTrue((self.root / "etc/systemd/system/a.service").exists())
            self.assertFalse((self.root / "etc/.ignition-result.json").exists())

    def test_unsupported(self):
        files = {"files": [file_entry("/x", "data:,x")]}
        for cfg, word in (
            (config(kernelArguments={"shouldExist": ["a"]}, storage=files), "kargs"),
            (config(storage={**files, "disks": [{"device": "/dev/a", "wipeTable": True}]}), "disk"),
            (config(storage={**files, "filesystems": [{"device": "/dev/a", "path": "/v", "format": "xfs"}]}),
             "filesystems"),
            (config(passwd={"users": [{"name": "core"}]}, storage=files), "passwd"),
        ):
            self.assertIn(word, self.apply(cfg, code=1))
            self.assertFalse((self.root / "x").exists())
            self.apply(cfg, "--ignore-unsupported")
            (self.root / "x").unlink()

    def test_offline(self):
        cfg = config(storage={"files": [file_entry("/x", "http://127.0.0.1:1/x")]})
        self.assertIn("requires networking", self.apply(cfg, "--offline", code=1))
        self.assertIn("requires networking", self.apply(merge("http://127.0.0.1:1/x"), "--offline", code=1))

    def test_never_the_host(self):
        self.config.write_text(json.dumps(config()))
        p = self.call(self.config, name="ignition-apply")
        if p.returncode:
            self.assertIn("not designed to run on a host system", p.stdout + p.stderr)

    def test_usage(self):
        self.assertEqual(self.call(name="ignition-apply").returncode, 1)
        self.assertEqual(self.call("--nonsense", "x", name="ignition-apply").returncode, 2)
        self.assertIn("couldn't read config", self.call("--root", self.root, "/nonexistent", name="ignition-apply").stdout)
        p = self.call("--root", self.root, "-", name="ignition-apply", input="{")
        self.assertEqual(p.returncode, 1)
        self.assertIn("couldn't parse config", p.stdout)


class Rmcfg(ProvisionTest):
    def test_codes(self):
        for args, code in (([], 2), (["--platform", "nonsense"], 3), (["--platform", "metal", "extra"], 2),
                           (["--platform", "metal", "--log-to-stdout"], 1), (["--version"], 0)):
            p = self.call(*args, name="ignition-rmcfg")
            self.assertEqual(p.returncode, code, p.stdout + p.stderr)
        p = self.call("--platform", "metal", "--log-to-stdout", name="ignition-rmcfg")
        self.assertIn("does not support", p.stdout)


class Main(ProvisionTest):
    def test_unknown_part(self):
        p = self.call("aply", "x.ign", name="basalt-ignition")
        self.assertEqual(p.returncode, 2)
        self.assertIn("unknown part 'aply'; there are validate, plan, inspect, apply, rmcfg and transposefs", p.stderr)

    def test_full_output(self):
        for name in ("ignition", "ignition-apply", "ignition-rmcfg", "ignition-validate"):
            p = self.call("--version", name=name)
            self.assertEqual((p.returncode, p.stdout.startswith("basalt-ignition ")), (0, True))
            with open("/dev/full", "w") as full:
                self.assertEqual(subprocess.run([self.dir / "bin" / name, "--version"], stdout=full,
                                                stderr=subprocess.DEVNULL).returncode, 1)


if __name__ == "__main__":
    main()
