"""The same call to the distribution's Ignition and to ours: same exit codes, same files left behind. Skipped where
there is no Ignition. Its spec ends at 3.3.0, so the configs do too."""
import json
import os
import pathlib
import shutil
import unittest

import harness
from harness import ProvisionTest, config, data, file_entry, gz, main, merge, sha512

PEER = pathlib.Path("/usr/lib/dracut/modules.d/30ignition/ignition")


def normal(value):
    """Without what is empty: the peer writes out objects that say nothing."""
    if isinstance(value, dict):
        members = {k: normal(v) for k, v in value.items() if k != "version"}
        return {k: v for k, v in members.items() if v not in ({}, [], None)}
    if isinstance(value, list):
        return [normal(v) for v in value]
    return value


@unittest.skipUnless(PEER.exists(), "no Ignition here")
class Compare(ProvisionTest):
    def one(self, program, stages, text, platform, extra):
        work = self.dir / program.name.replace("/", "_") / str(len(os.listdir(self.dir)))
        work.mkdir(parents=True)
        (work / "config.ign").write_text(text)
        (work / "root/etc/selinux").mkdir(parents=True)
        paths = {"-config-cache": work / "cache", "-state-file": work / "state", "-neednet": work / "nn/net",
                 "-root": work / "root"}
        result = []
        env = {**self.env, "PATH": os.environ["PATH"]}
        for stage in stages:
            args = [str(x) for pair in paths.items() for x in pair]
            p = harness.subprocess.run([program, "-platform", platform, "-stage", stage, "-log-to-stdout", *args, *extra],
                                       cwd=work, env=env, capture_output=True, text=True, timeout=60)
            result.append((stage, p.returncode, "CRITICAL" in p.stdout))
        result.append(("neednet", paths["-neednet"].exists()))
        cache = paths["-config-cache"]
        result.append(normal(json.loads(cache.read_text())) if cache.exists() else None)
        state = paths["-state-file"]
        result.append(json.loads(state.read_text())["fetchedConfigs"] if state.exists() else None)
        shutil.rmtree(work)
        return result

    def same(self, cfg, stages=("fetch-offline", "fetch"), platform="file", extra=()):
        text = cfg if isinstance(cfg, str) else json.dumps(cfg)
        ours = self.one(pathlib.Path(harness.PROGRAM), stages, text, platform, extra)
        peer = self.one(PEER, stages, text, platform, extra)
        with self.subTest(config=text[:200]):
            self.assertEqual(ours, peer)

    def test_configs(self):
        url = "http://127.0.0.1:1/x"
        one = config("3.3.0", storage={"files": [file_entry("/b", "data:,x", mode=0o644)]},
                     systemd={"units": [{"name": "a.service", "enabled": True, "contents": "[Install]\nWantedBy=x\n"}]})
        parent = {"files": [file_entry("/a", "data:,y"), file_entry("/b", "data:,y", overwrite=True)],
                  "directories": [{"path": "/d"}], "links": [{"path": "/l", "target": "/a"}]}
        tls = {"security": {"tls": {"certificateAuthorities": [
            {"source": data((harness.TLS / "ca.pem").read_bytes())}]}}}
        for cfg in ("", "{", "[]", "null", "#cloud-config\n", config("3.3.0"), config("3.9.0"), one,
                    merge(data(one), version="3.3.0", storage=parent),
                    merge(data(config("3.0.0")), data(one), version="3.1.0", storage=parent),
                    merge(data(merge(data(one), version="3.2.0")), version="3.3.0"),
                    config("3.3.0", ignition={"config": {"replace": {"source": data(one)}}}, storage=parent),
                    merge({"source": data(json.dumps(one)), "verification": {"hash": sha512(json.dumps(one).encode())}},
                          version="3.3.0"),
                    merge({"source": data(one), "verification": {"hash": sha512(b"x")}}, version="3.3.0"),
                    merge({"source": data(gz(json.dumps(one).encode())), "compression": "gzip"}, version="3.3.0"),
                    merge(data("{"), version="3.3.0"),
                    config("3.3.0", storage={"files": [{"path": "a"}]}),
                    config("3.3.0", unknown=1),
                    config("3.3.0", ignition={"timeouts": {"httpTotal": 5}, "proxy": {"httpProxy": "http://p", "noProxy": ["a"]}}),
                    config("3.3.0", kernelArguments={"shouldExist": ["a"], "shouldNotExist": ["b"]}),
                    config("3.3.0", passwd={"users": [{"name": "core", "sshAuthorizedKeys": ["k"]}]})):
            self.same(cfg)
        self.same(config("3.3.0", ignition=tls), stages=("fetch-offline",))
        for cfg in (merge(url, version="3.3.0"), config("3.3.0", storage={"files": [file_entry("/a", url)]}),
                    config("3.3.0", storage={"luks": [{"name": "a", "device": "/dev/a", "clevis": {
                        "tang": [{"url": "http://t", "thumbprint": "x"}]}}]})):
            self.same(cfg, stages=("fetch-offline",))

    def test_stages_without_work(self):
        self.same(config("3.3.0"), stages=("fetch-offline", "fetch", "kargs", "disks", "mount", "umount"))
        self.same("", stages=("fetch", "kargs"), platform="metal")
        self.same("", stages=("kargs",), platform="metal")
        self.same("", stages=("fetch",), extra=("-fetch-timeout", "1s"))

    def test_usage(self):
        for extra in (("-nonsense",), ("-root",), ("-fetch-timeout", "1x"), ("-log-to-stdout=x",), ("-version=x",)):
            self.same(config("3.3.0"), stages=("fetch",), extra=extra)
        self.same(config("3.3.0"), stages=("nonsense",))

    def test_over_http(self):
        s = self.server()
        child = s.put("/dir/child", config("3.3.0", storage={"files": [file_entry("/b", "data:,x")]}))
        for cfg in (merge(child, version="3.3.0"), merge(s.url + "/none", version="3.3.0"),
                    merge({"source": child, "verification": {"hash": sha512(b"x")}}, version="3.3.0"),
                    merge(s.put("/forbidden", b"", status=403), version="3.3.0")):
            self.same(cfg, stages=("fetch",))
        requests = [(p, {k: v for k, v in h.items() if k not in ("Accept", "User-Agent")}) for p, h in s.requests[:2]]
        self.assertEqual({k.lower() for k in requests[0][1]}, {k.lower() for k in requests[1][1]})


if __name__ == "__main__":
    main()
