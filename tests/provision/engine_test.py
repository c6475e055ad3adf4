"""From where the config comes, what is made of it, what the stages leave for each other, and how they fail."""
import json
import os
import pathlib
import re
import stat
import subprocess
import time
import unittest

from harness import ProvisionTest, config, data, file_entry, main, merge


class Usage(ProvisionTest):
    def test_codes(self):
        full = ["-platform", "metal", "-stage", "fetch"]
        for args, code, words in [
            ([], 2, "'--platform' must be provided"),
            (["-platform", "metal"], 2, "'--stage' must be provided"),
            (["-stage", "fetch"], 2, "'--platform' must be provided"),
            (["-platform", "metal", "-stage", "nonsense"], 2, "nonsense is not a valid stage"),
            (["-platform", "nonsense", "-stage", "fetch"], 3, "nonsense is not a valid platform"),
            (full + ["-nonsense"], 2, "flag provided but not defined: -nonsense"),
            (full + ["-root"], 2, "flag needs an argument: -root"),
            (full + ["-fetch-timeout", "bad"], 2, 'invalid value "bad" for flag -fetch-timeout'),
            (full + ["-fetch-timeout", "10"], 2, "parse error"),
            (full + ["-log-to-stdout=maybe"], 2, "-log-to-stdout"),
            (full + ["---root", "/"], 2, "bad flag syntax"),
        ]:
            with self.subTest(args=args):
                p = self.call(*args)
                self.assertEqual(p.returncode, code, p.stderr)
                self.assertIn(words, p.stderr)
                self.assertNotIn("CRITICAL", p.stdout + p.stderr)

    def test_version_and_help(self):
        for flag in ("-version", "--version", "-version=true"):
            p = self.call(flag)
            self.assertEqual(p.returncode, 0)
            self.assertIn("Ignition", p.stdout)
        self.assertEqual(self.call("-help").returncode, 0)

    def test_dashes_and_equals(self):
        self.config.write_text(json.dumps(config()))
        p = self.call("--platform=file", "--stage", "fetch", f"-config-cache={self.cache}", "--state-file", self.state,
                      "-fetch-timeout=1m30.5s", "--root=", "--log-to-stdout=true", "--neednet", self.neednet, "extra",
                      "-not-looked-at")
        self.assertEqual(p.returncode, 0, p.stdout + p.stderr)
        self.assertTrue(self.cache.exists())

    def test_bad_state_is_3(self):
        self.state.parent.mkdir()
        for text in ("{", "[]", '{"fetchedConfigs": 5}', '{"luksPersistKeyFiles": {"a": 5}}'):
            self.state.write_text(text)
            self.stage("fetch", config(), code=3)
            self.assertFalse(self.cache.exists())

    def test_state_that_cannot_be_written_is_1(self):
        self.config.write_text(json.dumps(config()))
        p = self.call("-platform", "file", "-stage", "fetch", "-root", "", "-config-cache", self.cache, "-neednet",
                      self.neednet, "-state-file", self.config / "below-a-file", "-log-to-stdout")
        self.assertIn(p.returncode, (1, 3))
        self.assertIn("CRITICAL : ", p.stdout)


class Acquisition(ProvisionTest):
    def sources(self):
        return [(c["kind"], c["source"], c["referenced"]) for c in self.saved_state()["fetchedConfigs"]]

    def test_order(self):
        named = {name: config(storage={"files": [file_entry("/" + name, "data:,x")]})
                 for name in ("cmdline", "system", "file")}
        (self.system / "user.ign").write_text(json.dumps(named["system"]))
        self.cmdline.write_text(f"a ignition.config.url=data:,bad ignition.config.url= "
                                f"ignition.config.url={data(named['cmdline'])} b=c\n")
        for want, remove in (("cmdline", self.cmdline), ("system", self.system / "user.ign"), ("file", None)):
            self.stage("fetch", named["file"])
            self.assertEqual(list(self.cached_files()), ["/" + want])
            self.assertEqual(self.sources(), [("base", "system", False), ("user", want, False)])
            self.state.unlink()
            if remove == self.cmdline:
                remove.write_text("quiet\n")
            elif remove:
                remove.unlink()

    def test_metal_is_empty(self):
        out = self.stage("fetch", platform="metal")
        self.assertIn("continuing with empty cache config", out)
        self.assertEqual(self.sources(), [("base", "system", False)])
        self.assertEqual(list(self.cached()), ["ignition"])

    def test_empty_file_is_no_config(self):
        self.stage("fetch", "")
        self.assertEqual(self.cached_files(), {})

    def test_config_file_variable(self):
        other = self.dir / "other.ign"
        other.write_text(json.dumps(config(storage={"files": [file_entry("/other", "data:,x")]})))
        self.env["IGNITION_CONFIG_FILE"] = str(other)
        self.stage("fetch", config())
        self.assertEqual(list(self.cached_files()), ["/other"])

    def test_no_file(self):
        self.assertIn("config.ign", self.stage("fetch", code=1))

    def qemu(self, raw, size):
        sys = self.dir / "sys"
        self.env["BASALT_SYSFS"] = str(sys)
        d = sys / "firmware/qemu_fw_cfg/by_name/opt/com.coreos/config"
        d.mkdir(parents=True, exist_ok=True)
        (d / "raw").write_text(raw)
        (d / "size").write_text(f"{size}\n")

    def test_qemu(self):
        text = json.dumps(config(storage={"files": [file_entry("/fw", "data:,x")]}))
        self.qemu(text, len(text))
        self.stage("fetch", platform="qemu")
        self.assertEqual(list(self.cached_files()), ["/fw"])
        for size in (len(text) - 1, len(text) + 1, "x"):
            self.cache.unlink(missing_ok=True)
            self.qemu(text, size)
            self.stage("fetch", platform="qemu", code=1)
            self.assertFalse(self.cache.exists())

    def test_qemu_without_config_and_without_module(self):
        (self.dir / "sys/firmware/qemu_fw_cfg").mkdir(parents=True)
        self.env["BASALT_SYSFS"] = str(self.dir / "sys")
        self.stage("fetch", platform="qemu")
        tools = self.dir / "tools"
        tools.mkdir()
        (tools / "modprobe").write_text(f"#!/bin/sh\necho \"$@\" > {self.dir}/modprobed\nexit 1\n")
        (tools / "modprobe").chmod(0o755)
        self.env["PATH"] = f"{tools}:{self.env['PATH']}"
        self.env["BASALT_SYSFS"] = str(self.dir / "nosys")
        self.stage("fetch", platform="qemu", code=1)
        self.assertEqual((self.dir / "modprobed").read_text(), "qemu_fw_cfg\n")

    def test_base_configs(self):
        def put(where, name, path, source):
            d = self.dir / where / name
            d.parent.mkdir(parents=True, exist_ok=True)
            d.write_text(json.dumps(config(storage={"files": [file_entry(path, source)]})))

        put("system", "base.d/10.ign", "/a", "data:,base10")
        put("system", "base.d/20.ign", "/a", "data:,base20")
        put("system", "base.d/20.ign", "/a", "data:,base20")
        put("system", "base.d/30.ign", "/b", "data:,base30")
        put("system", "base.platform.d/file/10.ign", "/b", "data:,platform")
        put("system", "base.platform.d/metal/10.ign", "/never", "data:,platform")
        put("local", "base.d/20.ign", "/a", "data:,local20")
        self.env["IGNITION_SYSTEM_LOCAL_CONFIG_DIR"] = str(self.dir / "local")
        self.stage("fetch", config(storage={"files": [file_entry("/c", "data:,user")]}))
        self.assertEqual(self.cached_files(), {"/c": "data:,user"}, "the base is not in the cache")
        self.stage("files")
        self.assertEqual((self.root / "a").read_text(), "local20")
        self.assertEqual((self.root / "b").read_text(), "platform")
        self.assertEqual((self.root / "c").read_text(), "user")
        self.assertFalse((self.root / "never").exists())
        (self.system / "base.d/40.ign").write_text("{")
        self.stage("files", code=1)


class Chains(ProvisionTest):
    def test_merge_is_depth_first_and_in_order(self):
        def one(name, *refs):
            return merge(*refs, storage={"files": [file_entry("/same", "data:," + name), file_entry("/" + name, "data:,x")]})

        inner = data(one("inner"))
        self.stage("fetch", one("parent", data(one("first", inner)), data(one("second"))))
        files = self.cached_files()
        self.assertEqual(files["/same"], "data:,second")
        self.assertEqual(set(files), {"/same", "/parent", "/first", "/inner", "/second"})
        self.assertEqual([c["referenced"] for c in self.saved_state()["fetchedConfigs"]],
                         [False, False, True, True, True])

    def test_replace(self):
        last = data(config(storage={"files": [file_entry("/last", "data:,x")]}))
        middle = data(config(ignition={"config": {"replace": {"source": last}}},
                             storage={"files": [file_entry("/middle", "data:,x")]}))
        self.stage("fetch", config(ignition={"config": {"replace": {"source": middle}}},
                                   storage={"files": [file_entry("/first", "data:,x")]}))
        self.assertEqual(list(self.cached_files()), ["/last"])

    def test_old_parent_new_child_and_back(self):
        unit = {"name": "a.service", "contents": "[Unit]\n"}
        for parent_version, key, child_version in (("2.2.0", "append", "3.4.0"), ("2.0.0", "append", "3.6.0"),
                                                   ("3.0.0", "merge", "2.2.0"), ("2.4.0", "append", "2.1.0"),
                                                   ("3.6.0", "merge", "3.0.0")):
            with self.subTest(parent=parent_version, child=child_version):
                child = data(config(child_version, systemd={"units": [unit]}))
                self.stage("fetch", config(parent_version, ignition={"config": {key: [{"source": child}]}},
                                           systemd={"units": [{**unit, "name": "b.service"}]}))
                names = {u["name"] for u in self.cached()["systemd"]["units"]}
                self.assertEqual(names, {"a.service", "b.service"})
                self.assertEqual(self.cached()["ignition"]["version"], "3.6.0")

    def test_experimental_versions(self):
        self.stage("fetch", config("3.7.0-experimental"))
        for version in ("2.5.0-experimental", "3.8.0-experimental", "4.0.0", "1", ""):
            self.stage("fetch", config(version), code=1)

    def test_bad_children(self):
        for child, words in ((data("{"), "data URL"), (data(""), "empty"), (data(config("9.9.9")), "version"),
                             ("data:;base64,%%", "at $.ignition.config.merge.0.source"), ("ftp://x/y", "scheme"), ("tftp://127.0.0.1", "no URL of a file")):
            with self.subTest(child=child):
                self.assertIn(words, self.stage("fetch", merge(child), code=1))
                self.assertFalse(self.cache.exists())

    def test_findings_name_their_config(self):
        """Which config, which line of it; how bad it is is said once."""
        s = self.server()
        bad = '{"ignition": {"version": "3.4.0"},\n "storage": {"files": [{"path": "x"}]}, "odd": 1}'
        out = self.stage("fetch", merge(s.put("/child.ign", bad) + "?token=s3cr3t"), code=1)
        self.assertIn(f"config {s.url}/child.ign: at $.storage.files.0.path, line 2 col 33: path not absolute", out)
        self.assertIn(f"config {s.url}/child.ign: at $.odd, line 2 col ", out)
        self.assertIn(f"config {s.url}/child.ign is not valid: at $.storage.files.0.path, line 2 col 33:", out)
        out += self.stage("fetch", merge(data(config()), data(bad)), code=1)
        self.assertRegex(out, r"config data URL at file:1:\d+: at \$.storage.files.0.path, line 2 col 33:")
        self.assertNotRegex(out, "error:? error|warning:? warning|error at|warning at")
        self.assertNotIn("s3cr3t", out)

    def test_keys_that_stand_twice(self):
        """The last one wins, and it is a warning; in the first config, in a child, in a base config."""
        twice = '{"ignition": {"version": "3.4.0"}, "storage": {"files": [{"path": "/a", "path": "/%s"}]}}'
        (self.system / "base.d").mkdir()
        (self.system / "base.d" / "1.ign").write_text(twice % "of-base")
        for cfg in (twice % "last", merge(data(twice % "last"))):
            out = self.stage("fetch", cfg)
            self.assertEqual(list(self.cached_files()), ["/last"])
            self.assertRegex(out, r"warning: config .*line 1 col \d+: duplicate key 'path'")
        self.stage("files")
        self.assertEqual(sorted(os.listdir(self.root))[-2:], ["last", "of-base"])

    def test_depth(self):
        source = data(config())
        for _ in range(8):
            source = data(merge(source))
        self.stage("fetch", merge(source))

    def test_invalid_after_merge(self):
        child = data(config(storage={"links": [{"path": "/d", "target": "/x"}]}))
        parent = merge(child, storage={"files": [file_entry("/d/f", "data:,x")]})
        out = self.stage("fetch", parent, code=1)
        self.assertIn("merging configs resulted in an invalid config", out)
        self.assertFalse(self.cache.exists())


class Leftovers(ProvisionTest):
    def test_modes_and_content(self):
        old = os.umask(0o077)
        self.addCleanup(os.umask, old)
        self.stage("fetch", config(storage={"files": [file_entry("/a", "data:,x", mode=0o600)]}))
        self.assertEqual(stat.S_IMODE(self.cache.stat().st_mode), 0o640)
        self.assertEqual(stat.S_IMODE(self.state.stat().st_mode), 0o600)
        self.assertEqual(self.cached(), {"ignition": {"version": "3.6.0"}, "storage": {"files": [
            {"path": "/a", "contents": {"source": "data:,x"}, "mode": 0o600}]}})
        self.assertEqual(list(self.saved_state()), ["fetchedConfigs", "luksPersistKeyFiles", "notatedDirectories",
                                                    "providerOutputFiles", "luksPersistVolumeKeyFiles"])
        self.assertEqual(sorted(os.listdir(self.cache.parent)), ["ignition.json", "ignition.json.positions", "state"],
                         "nothing temporary stays")

    def test_later_stages_name_the_place_in_the_text(self):
        """Of the config that said it: the user's, or a child of it; not of the cache."""
        s = self.server()
        child = '{"ignition": {"version": "3.0.0"},\n "storage": {"files": [\n  {"path": "/there/b",\n   "overwrite": false}]}}'
        url = s.put("/child.ign", child)
        self.stage("fetch", '{"ignition": {"version": "3.4.0", "config": {"merge": [{"source": "%s?token=s3cr3t"}]}},\n'
                   ' "storage": {"files": [\n    {"path": "/there/a", "contents": {"source": "data:,x"}}]}}' % url)
        (self.root / "there").write_text("a file")
        out = self.stage("files", code=1)
        self.assertRegex(out, r"file:3:5: \$.storage.files.0: .*/there/a")
        self.assertRegex(out, re.escape(url) + r":3:3: \$.storage.files.1: .*/there/b")
        self.assertNotIn("s3cr3t", out)
        positions = self.cache.with_name("ignition.json.positions")
        whole = positions.read_text()
        self.assertNotIn("s3cr3t", whole)
        self.assertEqual(stat.S_IMODE(positions.stat().st_mode), 0o640)
        for other in ("", "positions 1 9 9 9\n", whole[:-4], whole.replace("0 3", "7 3"), whole + "0 1 1\n", "\0" * 9):
            positions.write_text(other)
            self.assertRegex(self.stage("files", code=1), r"ignition.json:1:\d+: \$.storage.files.0: .*/there/a")
        positions.unlink()
        self.stage("files", code=1)

    def test_later_stages_need_the_cache(self):
        for stage in ("kargs", "disks", "mount", "files", "umount"):
            self.assertIn("cached config", self.stage(stage, config(), code=1))

    def test_killed_at_any_time(self):
        """The cache is not there, or the old one, or the new one, never a part of one."""
        old = config(storage={"files": [file_entry("/old", "data:,x")]})
        new = config(storage={"files": [file_entry(f"/{i}", "data:,x") for i in range(2000)]})
        self.stage("fetch", old)
        self.config.write_text(json.dumps(new))
        for i in range(40):
            p = subprocess.Popen([self.dir / "bin/ignition", "-platform", "file", "-stage", "fetch", "-root", "",
                                  "-config-cache", self.cache, "-state-file", self.state, "-neednet", self.neednet,
                                  "-log-to-stdout"], env=self.env, cwd=self.dir, stdout=subprocess.DEVNULL)
            time.sleep(i * 0.0005)
            p.kill()
            p.wait()
            n = len(self.cached_files())
            self.assertIn(n, (1, 2000))
            self.saved_state()
        self.stage("fetch")
        self.assertEqual(len(self.cached_files()), 2000)

    def test_whole_run(self):
        self.stage("fetch-offline", config(storage={"files": [file_entry("/etc/motd", "data:,hello")]}))
        self.assertFalse(self.neednet.exists())
        for stage in ("fetch", "kargs", "disks", "mount", "files", "umount"):
            self.stage(stage)
        self.assertEqual((self.root / "etc/motd").read_text(), "hello")

    def test_failure_keeps_an_old_cache_and_shows_no_secret(self):
        self.stage("fetch", config())
        before = self.cache.read_bytes()
        secret = "data:,s3cr3t-s3cr3t"
        users = {"users": [{"name": "core", "passwordHash": "s3cr3t-s3cr3t"}]}
        duplicate = config(storage={"files": [file_entry("/a", secret), file_entry("/a", secret)]}, passwd=users)
        broken = json.dumps(config(passwd=users))[:-3]
        child = merge(data(duplicate), passwd=users)
        unsupported = merge("tftp://127.0.0.1?token=s3cr3t", passwd=users)
        for bad in (duplicate, broken, child, unsupported):
            out = self.stage("fetch", bad, code=1)
            self.assertIn("CRITICAL : Ignition failed: ", out)
            self.assertNotIn("s3cr3t", out)
            self.assertEqual(self.cache.read_bytes(), before)

    def test_stage_failure_shows_no_config(self):
        (self.root / "blocked").write_text("")
        secret = file_entry("/blocked/a", "data:,s3cr3t")
        self.stage("fetch", config(storage={"files": [secret]}))
        out = self.stage("files", code=1)
        self.assertIn("CRITICAL : Ignition failed: ", out)
        self.assertNotIn("s3cr3t", out)

    def test_umount_of_what_is_not_mounted(self):
        fs = {"device": "/dev/nonexistent", "path": "/var/lib", "format": "ext4"}
        self.stage("fetch", config(storage={"filesystems": [fs, {**fs, "device": "/dev/b", "path": "/var"}]}))
        self.stage("umount")

    def test_umount(self):
        """Nested mounts, through a link of the root that a careless program would follow to the host."""
        (self.root / "real/deep").mkdir(parents=True)
        (self.root / "var").symlink_to("/real")
        (self.root / "real/other").mkdir()
        mounts = [self.root / "real/deep", self.root / "real/deep/er", self.root / "real/other"]
        done = []
        try:
            for m in mounts:
                m.mkdir(exist_ok=True)
                if subprocess.run(["mount", "-t", "tmpfs", "none", m], capture_output=True).returncode:
                    self.skipTest("cannot mount here")
                done.append(m)
            paths = [("/var/deep", "ext4"), ("/var/other", "none"), ("/var/deep/er", "xfs"), ("/var/never", "ext4")]
            self.stage("fetch", config(storage={"filesystems": [
                {"device": f"/dev/{i}", "path": p, "format": f} for i, (p, f) in enumerate(paths)]}))
            self.stage("umount")
            left = pathlib.Path("/proc/self/mounts").read_text()
            self.assertNotIn(str(mounts[0]), left)
            self.assertIn(str(mounts[2]), left, "the format none was never mounted by the mount stage")
        finally:
            for m in reversed(done):
                subprocess.run(["umount", m], capture_output=True)

    def test_a_root_that_is_not_there(self):
        self.stage("fetch", config())
        self.root = self.dir / "gone"
        for stage in ("kargs", "disks", "mount", "umount"):
            self.stage(stage)
        self.assertIn("gone", self.stage("files", code=1))
        self.root = ""
        for stage in ("fetch", "kargs", "disks", "umount"):
            self.stage(stage)
        self.assertIn("needs a root", self.stage("files", code=1))


class KernelArguments(ProvisionTest):
    def setUp(self):
        super().setUp()
        self.marker = self.dir / "reboot"
        self.env["BASALT_REBOOT_MARKER"] = str(self.marker)

    def test_edits_and_reboots_once(self):
        entries = self.root / "boot/loader/entries"
        entries.mkdir(parents=True)
        (entries / "a.conf").write_text("title A\nlinux /vmlinuz\noptions root=/dev/sda quiet splash\n")
        self.stage("fetch", config(kernelArguments={"shouldExist": ["console=ttyS0", "quiet"],
                                                    "shouldNotExist": ["splash"]}))
        self.stage("kargs")
        self.assertTrue(self.marker.exists())
        self.assertIn("options root=/dev/sda quiet console=ttyS0\n", (entries / "a.conf").read_text())
        self.marker.unlink()
        self.stage("kargs")
        self.assertFalse(self.marker.exists(), "the second boot has nothing to do")

    def test_without_entries(self):
        self.stage("fetch", config(kernelArguments={"shouldExist": ["a"]}))
        self.assertIn("no boot entries", self.stage("kargs", code=1))
        self.assertFalse(self.marker.exists())

    def test_without_arguments(self):
        self.stage("fetch", config())
        self.stage("kargs")
        self.assertFalse(self.marker.exists())


class Offline(ProvisionTest):
    def test_what_needs_the_network(self):
        url = "http://127.0.0.1:1/x"
        for cfg, cached in (
            (merge(url), False),
            (config(ignition={"config": {"replace": {"source": "tftp://127.0.0.1/x"}}}), False),
            (merge(data(merge(url))), False),
            (config(ignition={"security": {"tls": {"certificateAuthorities": [{"source": url}]}}}), False),
            (config(storage={"files": [file_entry("/a", url)]}), True),
            (config(storage={"files": [{"path": "/a", "append": [{"source": "s3://bucket/key"}]}]}), True),
            (config(storage={"luks": [{"name": "a", "device": "/dev/a", "keyFile": {"source": url}}]}), True),
            (config(storage={"luks": [{"name": "a", "device": "/dev/a", "clevis": {"tang": [
                {"url": "http://tang", "thumbprint": "x"}]}}]}), True),
            (config(storage={"luks": [{"name": "a", "device": "/dev/a", "clevis": {"custom": {
                "pin": "tpm2", "config": "{}", "needsNetwork": True}}}]}), True),
        ):
            with self.subTest(cfg=cfg):
                self.cache.unlink(missing_ok=True)
                self.neednet.unlink(missing_ok=True)
                self.stage("fetch-offline", cfg)
                self.assertTrue(self.neednet.exists())
                self.assertEqual(self.cache.exists(), cached)

    def test_the_command_line_too(self):
        self.cmdline.write_text("ignition.config.url=http://127.0.0.1:1/x")
        self.stage("fetch-offline", config())
        self.assertTrue(self.neednet.exists())

    def test_what_does_not(self):
        luks = {"name": "a", "device": "/dev/a"}
        for cfg in (
            config(),
            config(storage={"files": [file_entry("/a", "data:,x"), {"path": "/b"}, file_entry("/c", "")]}),
            config(storage={"luks": [{**luks, "clevis": {"custom": {"pin": "tpm2", "config": "{}"}}}]}),
            config(storage={"luks": [{**luks, "clevis": {"tang": [
                {"url": "http://tang", "thumbprint": "x", "advertisement": "{\"payload\": \"x\"}"}]}}]}),
        ):
            with self.subTest(cfg=cfg):
                self.stage("fetch-offline", cfg)
                self.assertFalse(self.neednet.exists())
                self.assertTrue(self.cache.exists())


if __name__ == "__main__":
    main()
