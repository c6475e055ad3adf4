#!/usr/bin/env python3
"""os_test.py PROGRAM CLIENT: basalt-os on systems below a directory, from an empty one to its third version and back. What it
leaves is shown to the distribution's ostree, which must see the same."""
import fcntl
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.dont_write_bytecode = True

import cases
from images import Image, Layer, Registry, directory, file, layer, layout_write, run, sha256, symlink

PROGRAM, CLIENT = sys.argv.pop(1), sys.argv.pop(1)
here = pathlib.Path(tempfile.mkdtemp(prefix="basalt-os-"))
KERNEL = "usr/lib/modules/6.1.0"
BASE = layer(directory("./"), directory("usr"), directory("usr/bin"), directory("usr/lib"), directory("usr/lib/modules"),
             directory("etc"), directory("var"), directory("boot"), directory("sysroot"), symlink("ostree", "sysroot/ostree"),
             file("usr/bin/large", os.urandom(300_000)), file("etc/same", "1\n"))
LABELS = {"containers.bootc": "1"}


def image(version, *more, labels=LABELS, kernel="kernel 1"):
    return Image(BASE, layer(directory(KERNEL), file(f"{KERNEL}/vmlinuz", kernel), file(f"{KERNEL}/initramfs.img", "initramfs"),
                             file("usr/lib/os-release", f'PRETTY_NAME="Tiny {version}"\n'), file("etc/motd", f"{version}\n"),
                             *more),
                 labels={**labels, "org.opencontainers.image.version": version})


class Case(cases.Case):
    def setUp(self):
        self.place = pathlib.Path(tempfile.mkdtemp(dir=here))
        self.root, self.layout = self.place / "root", self.place / "layout"
        (self.place / "config/etc/containers").mkdir(parents=True)
        (self.place / "config/etc/containers/policy.json").write_text('{"default":[{"type":"insecureAcceptAnything"}]}')
        self.root.mkdir()
        self.addCleanup(self.remove)
        self.name = f"oci:{self.layout}:stable"
        self.os("init")

    def remove(self):
        subprocess.run(["chattr", "-R", "-f", "-i", self.root / "ostree/deploy"], check=False, capture_output=True)
        shutil.rmtree(self.place)

    def os(self, verb, *words, code=0, **more):
        if verb in ("switch", "upgrade", "deploy"):
            words = ("--config-root", self.place / "config", *words)
        done = subprocess.run([PROGRAM, "--sysroot", self.root, verb, *words], capture_output=True, text=True, timeout=120,
                              stdin=subprocess.DEVNULL, **more)
        self.assertEqual(done.returncode, code, f"{verb} {words}: {done.stdout}{done.stderr}")
        return done.stdout if code == 0 else done.stderr

    def json(self, verb, *words, **more):
        return json.loads(self.os(verb, "--json", *words, **more))

    def deployments(self):
        return self.json("status")["deployments"]

    def publish(self, version, *more, **how):
        made = image(version, *more, **how)
        layout_write(self.layout, made, "stable")
        return made

    def versions(self):
        return [d["version"] for d in self.deployments()]

    def path(self, index=0):
        return self.root / self.deployments()[index]["path"]

    def agrees(self):
        """What `ostree admin` lists, and that its fsck finds nothing."""
        ours = [(d["osname"], f"{d['checksum']}.{d['serial']}", d["pinned"]) for d in self.deployments() if not d["staged"]]
        theirs = []
        for line in run("ostree", "admin", "status", f"--sysroot={self.root}").decode().splitlines():
            words = line.split()
            if len(words) >= 2 and len(words[1]) > 64:
                theirs.append([words[0], words[1], False])
            elif words[:2] == ["Pinned:", "yes"]:
                theirs[-1][2] = True
        self.assertEqual(ours, [tuple(t) for t in theirs])
        run("ostree", "fsck", "--quiet", f"--repo={self.root}/ostree/repo")


class Versions(Case):
    def test_life(self):
        first = self.publish("1.0")
        self.assertIn("Nothing is deployed yet", self.os("status"))
        made = self.json("switch", self.name, "--karg", "root=LABEL=root", "--karg", "quiet")
        self.assertEqual((made["changed"], made["layers"], made["layers-fetched"]), (True, 2, 2))
        self.assertEqual(made["digest"], sha256(first.manifest))
        self.agrees()
        self.assertEqual((self.path() / "etc/motd").read_text(), "1.0\n")
        self.assertEqual((self.path() / "usr/etc/motd").read_text(), "1.0\n")
        (self.path() / "etc/same").write_text("mine\n")
        (self.path() / "etc/motd").write_text("mine\n")

        self.assertFalse(self.json("upgrade", "--check")["changed"])
        self.os("upgrade", "--check", "--unchanged-exit-77", code=77)
        self.assertFalse(self.json("upgrade")["changed"])
        self.os("upgrade", "--unchanged-exit-77", code=77)

        self.publish("2.0", file("etc/new", "n\n"), kernel="kernel 2")
        news = self.json("upgrade", "--check")
        self.assertEqual((news["changed"], news["version"], news["layers-missing"]), (True, "2.0", 1))
        done = subprocess.run([PROGRAM, "--sysroot", self.root, "upgrade", "--config-root", self.place / "config"],
                              capture_output=True, text=True, check=True)
        self.assertIn("1 of 2 layers", done.stdout)
        self.assertIn("/etc/motd was changed here and in the new version; yours stays", done.stderr)
        self.assertNotIn("etc/same", done.stderr)
        self.assertEqual(self.versions(), ["2.0", "1.0"])
        self.assertEqual([(self.path() / f"etc/{name}").read_text() for name in ("same", "motd", "new")],
                         ["mine\n", "mine\n", "n\n"])
        self.assertEqual({d["kernel-arguments"] for d in self.deployments()}, {"root=LABEL=root quiet"})
        self.agrees()

        self.os("rollback")
        self.assertEqual(self.versions(), ["1.0", "2.0"])
        self.agrees()
        self.os("rollback")
        self.assertEqual(self.versions(), ["2.0", "1.0"])

        self.os("pin", "1")
        self.publish("3.0")
        self.os("upgrade")
        self.publish("4.0")
        self.os("upgrade")
        self.assertEqual(self.versions(), ["4.0", "3.0", "1.0"])
        self.agrees()
        self.os("pin", "--unpin", "1.0")
        self.publish("5.0")
        self.os("upgrade")
        self.assertEqual(self.versions(), ["5.0", "4.0"])
        objects = len(list((self.root / "ostree/repo/objects").glob("*/*")))
        self.os("cleanup", "--rollback", "--objects")
        self.assertEqual(self.versions(), ["5.0"])
        self.assertLess(len(list((self.root / "ostree/repo/objects").glob("*/*"))), objects)
        self.agrees()
        self.publish("6.0")
        self.assertEqual(self.json("upgrade")["layers-fetched"], 1)  # the base is here still

    def test_update_seen(self):
        """`status` knows what `upgrade --check` saw, as long as it is news."""
        self.publish("1.0")
        self.os("switch", self.name)
        seen = lambda: self.json("status")["cached-update"]
        self.os("upgrade", "--check")
        self.assertIsNone(seen())
        new = self.publish("2.0")
        self.os("upgrade", "--check")
        self.assertEqual((seen()["version"], seen()["digest"]), ("2.0", sha256(new.manifest)))
        self.assertAlmostEqual(seen()["seen"], time.time(), delta=60)
        self.assertRegex(self.os("status"), r"Update available: version 2\.0 \(sha256:\w{64}\), \d+ k?B to fetch, seen 20")
        place = self.root / "run/basalt-os/update"
        good = place.read_text()
        for bad in ("", "{}", "[", good.replace("sha256:", "sha0:"), '{"image":1}', good.replace('"bytes":', '"bytes":-'), "x" * 20000):
            place.write_text(bad)
            self.assertIsNone(seen())
        place.write_text(good)
        self.os("upgrade")
        self.assertIsNone(seen())
        self.assertFalse(place.exists())
        place.write_text(good)  # put there by somebody who was slower
        self.assertIsNone(seen())
        self.publish("3.0")
        self.os("upgrade", "--check")
        other = self.place / "other"
        layout_write(other, image("9"), "x")
        self.os("switch", f"oci:{other}:x")
        self.assertIsNone(seen())

    def test_another_image(self):
        self.publish("1.0")
        self.os("switch", self.name)
        other = self.place / "other"
        layout_write(other, image("9"), "x")
        self.os("switch", f"oci:{other}:x")
        self.assertEqual([d["container-image-reference"] for d in self.deployments()],
                         [f"ostree-unverified-image:oci:{other}:x", f"ostree-unverified-image:{self.name}"])
        self.assertEqual(self.json("switch", f"oci:{other}:x")["changed"], False)

    def test_a_version_of_a_registry(self):
        registry = Registry(self.place / "registry")
        self.addCleanup(registry.close)
        (self.place / "config/etc/containers/registries.conf").write_text(
            f'[[registry]]\nlocation = "{registry.host}"\ninsecure = true\n')
        first, second = image("1.0"), image("2.0")
        name = f"{registry.host}/project/os:stable"
        registry.push("project/os", first, "stable")
        self.os("switch", name)
        registry.push("project/os", second, "stable")
        self.os("upgrade")
        self.os("deploy", sha256(first.manifest))
        self.assertEqual(self.versions(), ["1.0", "2.0"])
        self.assertEqual(self.deployments()[0]["container-image-reference"], f"ostree-unverified-registry:{name}")
        self.os("upgrade")
        self.assertEqual(self.versions()[0], "2.0")
        asked = len(registry.log)
        self.os("upgrade", "--unchanged-exit-77", code=77)
        time.sleep(0.2)
        self.assertLessEqual(len([l for l in registry.log[asked:] if "response completed" in l]), 2)

    def test_commits(self):
        """What ostree made is deployed by ref and by checksum, and ostree deploys on top of ours."""
        tree = self.place / "tree"
        (tree / KERNEL).mkdir(parents=True)
        (tree / KERNEL / "vmlinuz").write_text("k")
        (tree / "usr/etc").mkdir()
        (tree / "usr/lib/os-release").write_text("PRETTY_NAME=Tree\n")
        commit = run("ostree", "commit", f"--repo={self.root}/ostree/repo", "-b", "os/tree", f"--tree=dir={tree}",
                     "--add-metadata-string=version=t1").decode().strip()
        self.os("deploy", "os/tree")
        self.assertEqual((self.deployments()[0]["checksum"], self.versions()), (commit, ["t1"]))
        self.publish("1.0")
        self.os("switch", self.name)
        self.os("deploy", commit)
        self.assertEqual(self.versions(), ["t1", "1.0"])
        run("ostree", "admin", "deploy", f"--sysroot={self.root}", "--os=basalt", "os/tree",
            env={**os.environ, "OSTREE_SYSROOT_DEBUG": "mutable-deployments"})
        self.agrees()


    def test_store_of_podman(self):
        if not shutil.which("skopeo"):
            self.skipTest("there is no skopeo")
        self.publish("1.0")
        store = f"containers-storage:[vfs@{self.place}/store+{self.place}/run]localhost/os:1"
        run("skopeo", "--policy", self.place / "config/etc/containers/policy.json", "copy", "-q", self.name, store)
        self.os("switch", store)
        self.assertEqual((self.versions(), self.json("upgrade")["changed"]), (["1.0"], False))
        self.agrees()


class Policies(Case):
    def test_rejected(self):
        self.publish("1.0")
        policy = self.place / "config/etc/containers/policy.json"
        policy.write_text('{"default":[{"type":"reject"}]}')
        self.assertIn("reject", self.os("switch", self.name, code=1))
        policy.write_text('{"default":[{"type":"insecureAcceptAnything"}]}')
        said = self.os("switch", "--enforce-container-sigpolicy", self.name, code=1)
        self.assertEqual(said.count("\n"), 1, said)
        policy.write_text('{"default":[{"type":"what"}]}')
        self.assertIn("policy.json:1:", self.os("switch", self.name, code=1))
        policy.unlink()
        self.os("switch", self.name, code=1)
        self.assertEqual(list((self.root / "ostree/repo/objects").glob("*/*")), [])

    def test_signed(self):
        """By a key that the policy names, in the registry beside the image; status says who."""
        import base64
        registry = Registry(self.place / "registry")
        self.addCleanup(registry.close)
        containers = self.place / "config/etc/containers"
        (containers / "registries.conf").write_text(f'[[registry]]\nlocation = "{registry.host}"\ninsecure = true\n')
        (containers / "registries.d").mkdir()
        (containers / "registries.d/os.yaml").write_text("default-docker:\n  use-sigstore-attachments: true\n")
        run("openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", self.place / "key.pem")
        (containers / "os.pub").write_bytes(run("openssl", "ec", "-in", self.place / "key.pem", "-pubout"))
        (containers / "policy.json").write_text(json.dumps({"default": [{"type": "reject"}], "transports": {"docker": {
            registry.host: [{"type": "sigstoreSigned", "keyPath": "/etc/containers/os.pub",
                             "signedIdentity": {"type": "matchRepository"}}]}}}))
        made, name = image("1.0"), f"{registry.host}/project/os:1"
        registry.push("project/os", made)
        self.os("switch", "--enforce-container-sigpolicy", name, code=1)
        digest = sha256(made.manifest)
        payload = json.dumps({"critical": {"type": "cosign container image signature", "image": {"docker-manifest-digest": digest},
                                           "identity": {"docker-reference": name}}, "optional": None}).encode()
        (self.place / "payload").write_bytes(payload)
        signature = run("openssl", "dgst", "-sha256", "-sign", self.place / "key.pem", self.place / "payload")
        one = Layer(payload, level=0)
        one.media_type = "application/vnd.dev.cosign.simplesigning.v1+json"
        attached = Image(one)
        manifest = json.loads(attached.manifest)
        manifest["layers"][0]["annotations"] = {"dev.cosignproject.cosign/signature": base64.b64encode(signature).decode()}
        attached.manifest = json.dumps(manifest).encode()
        registry.push("project/os", attached, digest.replace(":", "-") + ".sig")
        self.os("switch", "--enforce-container-sigpolicy", name)
        self.assertEqual(self.deployments()[0]["container-image-reference"], f"ostree-image-signed:docker://{name}")
        self.assertIn("sigstoreSigned /etc/containers/os.pub", self.deployments()[0]["signed-by"])
        self.assertIn("signed by", self.os("status"))


class Looking(Case):
    STATUS = "Package: {}\nStatus: install ok installed\nVersion: {}\nArchitecture: amd64\n\n"

    def setUp(self):
        super().setUp()
        self.publish("1.0", directory("usr/lib/sysimage"), directory("usr/lib/sysimage/dpkg"),
                     file("usr/lib/sysimage/dpkg/status", self.STATUS.format("a", "1:2.0-1") + self.STATUS.format("gone", "1")),
                     file("usr/old", "o"))
        self.os("switch", self.name)
        self.publish("2.0", directory("usr/lib/sysimage"), directory("usr/lib/sysimage/dpkg"),
                     file("usr/lib/sysimage/dpkg/status", self.STATUS.format("a", "1:2.1-1") + self.STATUS.format("new", "7")),
                     file("usr/fresh", "f"))

    def test_diff(self):
        self.assertIn("only one deployment", self.os("diff", code=1))
        self.os("upgrade")
        lines = self.os("diff", "--packages").splitlines()
        self.assertEqual([l.split() for l in lines], [["upgraded", "a", "1:2.0-1", "->", "1:2.1-1"], ["removed", "gone", "1"],
                                                      ["added", "new", "7"]])
        files = self.os("diff", "--files").splitlines()
        self.assertIn("A /usr/fresh", files)
        self.assertIn("D /usr/old", files)
        self.assertIn("M /usr/lib/os-release", files)
        back = self.json("diff", "0", "1")
        self.assertIn({"change": "downgraded", "name": "a", "from": "1:2.1-1", "to": "1:2.0-1"}, back["packages"])
        self.assertIn({"change": "added", "path": "/usr/old"}, back["files"])

    def test_etc(self):
        (self.path() / "etc/same").write_text("mine\n")
        (self.path() / "etc/more").write_text("m\n")
        (self.path() / "etc/motd").unlink()
        self.assertEqual(self.os("diff", "--etc").splitlines(), ["A /etc/more", "D /etc/motd", "M /etc/same"])

    def test_verify(self):
        self.assertIn("as it was made", self.os("verify"))
        self.assertIn("as it was made", self.os("verify", "--repository"))
        # Through the hard link: the object and all that use it are others now.
        with open(self.path() / "usr/bin/large", "r+b") as large:
            large.write(b"x")
        (self.path() / "usr/added").write_text("a")
        done = subprocess.run([PROGRAM, "--sysroot", self.root, "verify", "--json"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 3, done.stderr)
        said = json.loads(done.stdout)
        self.assertEqual([o["paths"] for o in said["objects"]], [["usr/bin/large"]])
        self.assertEqual({(f["change"], f["path"]) for f in said["files"]},
                         {("added", "/usr/added"), ("changed", "/usr/bin/large")})


class Served(Case):
    """As by systemd: a connection becomes the standard input of a program of its own."""

    def setUp(self):
        super().setUp()
        self.path_ = self.place / "socket"
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(self.path_))
        self.socket.listen()
        self.codes = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        self.addCleanup(self.stop)

    def stop(self):
        """Closed under a thread that accepts, its number could be the next test's socket."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                program = subprocess.Popen([PROGRAM, "--sysroot", self.root, "--config-root", self.place / "config", "serve"],
                                           stdin=connection)
            self.codes.append(program.wait())

    def ask(self, verb, options=None, *arguments, code=0, env=None):
        done = subprocess.run([CLIENT, self.path_, verb, json.dumps(options or {}), *arguments], capture_output=True, text=True,
                              timeout=60, env={**os.environ, **(env or {})})
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        lines = done.stdout.splitlines()
        result = [json.loads(l[7:]) for l in lines if l.startswith("result ")]
        events = [json.loads(l) for l in lines if not l.startswith("result ")]
        return (result[0] if result else None), events, done.stderr.strip()

    def test_life(self):
        self.publish("1.0")
        result, events, _ = self.ask("switch", {"karg": ["quiet", "nosmt"]}, self.name)
        self.assertTrue(result["changed"])
        self.assertEqual(events[-1]["progress"]["done"], events[-1]["progress"]["total"])
        status, _, _ = self.ask("status")
        self.assertEqual(status["deployments"][0]["kernel-arguments"], "quiet nosmt")
        (self.path() / "etc/motd").write_text("mine\n")
        self.publish("2.0")
        self.assertTrue(self.ask("upgrade", {"check": True})[0]["changed"])
        self.assertIn("/etc/motd", self.ask("upgrade")[1][-1]["warning"])
        self.ask("rollback")
        self.assertEqual(self.versions(), ["1.0", "2.0"])
        self.assertEqual(self.ask("upgrade", {"unchanged-exit-77": True, "check": False})[0]["changed"], True)
        self.ask("upgrade", {"unchanged-exit-77": True}, code=77)
        self.assertEqual(set(self.codes), {0})

    def test_refused(self):
        for verb, options, arguments, said in (
                ("init", {}, [], "EINVAL: a request names one of the verbs"), ("serve", {}, [], "EINVAL"),
                ("status", {"sysroot": "/"}, [], 'no option "sysroot"'), ("status", {"--json": True}, [], "no option"),
                ("status", {"what": True}, [], "unknown option"), ("switch", {}, [], ""),
                ("switch", {"config-root": "/"}, ["x"], "no option"), ("rollback", {}, [], "ENOENT: "),
                ("status", {"booted": {}}, [], "an object"), ("upgrade", {}, [], "`switch IMAGE` comes first")):
            _, _, error = self.ask(verb, options, *arguments, code=1)
            self.assertIn(said, error, (verb, options))
        for line in (b"{", b"[]", b'{"verb":"status"', b"x" * 70000):
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(str(self.path_))
                s.sendall(line + b"\n")
                answer = s.makefile().read().splitlines()
                self.assertEqual(json.loads(answer[-1]), {"exit": 1}, line[:20])
                self.assertIn("error", json.loads(answer[0]))

    def test_hung_up(self):
        quiet = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(quiet.close)
        host = "127.0.0.1:%d" % quiet.getsockname()[1]
        (self.place / "config/etc/containers/registries.conf").write_text(
            f'[[registry]]\nlocation = "{host}"\ninsecure = true\n')
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.path_))
            s.sendall(json.dumps({"verb": "switch", "arguments": [f"{host}/os:1"]}).encode() + b"\n")
            connection, _ = quiet.accept()
        for _ in range(100):
            if self.codes:
                break
            time.sleep(0.1)
        self.assertEqual(self.codes, [0])
        connection.close()
        self.os("rollback", "--no-wait", code=1)  # nobody holds the lock any more


class Staged(Case):
    def setUp(self):
        super().setUp()
        self.publish("1.0")
        self.os("switch", self.name)
        self.publish("2.0")

    def test_at_shutdown(self):
        self.os("upgrade", "--stage")
        self.assertEqual([(d["version"], d["staged"]) for d in self.deployments()], [("2.0", True), ("1.0", False)])
        (self.path(1) / "etc/late").write_text("l\n")
        self.os("finalize")
        self.assertEqual([(d["version"], d["staged"]) for d in self.deployments()], [("2.0", False), ("1.0", False)])
        self.assertEqual((self.path() / "etc/late").read_text(), "l\n")
        self.agrees()
        self.assertIn("Nothing is staged", self.os("finalize"))

    def test_locked(self):
        self.os("upgrade", "--lock")
        self.assertTrue(self.deployments()[0]["finalization-locked"])
        self.os("finalize")
        self.assertTrue(self.deployments()[0]["staged"])
        self.os("finalize", "--unlock")
        self.assertEqual(self.versions(), ["2.0", "1.0"])
        self.assertFalse(self.deployments()[0]["staged"])

    def test_given_up(self):
        self.os("upgrade", "--stage")
        self.os("cleanup", "--pending")
        self.assertEqual(self.versions(), ["1.0"])
        self.agrees()


class Trials(Case):
    def setUp(self):
        super().setUp()
        (self.root / "boot/grub").mkdir()
        text = "# GRUB Environment Block\n"
        (self.root / "boot/grub/grubenv").write_text(text + "#" * (1024 - len(text)))
        self.publish("1.0")
        self.os("switch", self.name)

    def name_of(self, index=0):
        d = self.deployments()[index]
        return f"{d['osname']}/{d['checksum']}.{d['serial']}"

    def test_trial(self):
        self.assertEqual((self.json("status")["boot-trial"], self.json("status")["boot-fallback"]), (None, None))
        self.publish("2.0")
        self.os("upgrade")
        self.assertEqual(self.json("status")["boot-trial"],
                         {"deployment": self.name_of(), "tries": 3, "tries-left": 3, "counted": False})
        self.assertIn("is on trial: 3 of 3 tries left", self.os("status"))
        self.assertIn("no deployment of this system runs", self.os("boot-complete", code=1))
        self.assertIn("not on trial", self.os("boot-complete", "--failed"))
        self.agrees()

    def test_what_failed_is_no_news(self):
        self.publish("2.0")
        self.os("upgrade")
        failed, name = self.deployments()[0]["checksum"], self.name_of()
        self.os("rollback")
        (self.root / "ostree/failed-boots").write_text(f"1700000000 3 {name} {self.name_of()}\n")
        why = f"deployment {name} did not reach boot-complete.target in 3 tries"
        status = self.json("status")["boot-fallback"]
        self.assertEqual(status, {"failed": name, "checksum": failed, "instead": self.name_of(), "tries": 3,
                                  "timestamp": 1700000000, "reason": why})
        self.assertIn(f"went back to this system on 2023-11-14 at 22:13:20Z: {why}.", self.os("status"))
        self.assertFalse(self.json("upgrade")["changed"])
        self.os("upgrade", "--unchanged-exit-77", code=77)
        self.assertEqual(self.versions(), ["1.0", "2.0"])
        for verb in (("switch", self.name), ("deploy", failed)):
            said = self.os(*verb, code=1)
            self.assertIn(f"{why}; --force tries it once more", said)
            self.assertEqual(said.count("\n"), 1)
        self.os("upgrade", "--force")
        self.assertEqual(self.versions(), ["2.0", "1.0"])
        self.publish("3.0")
        self.os("upgrade")
        self.assertIsNone(self.json("status")["boot-fallback"])


class Arguments(Case):
    def setUp(self):
        super().setUp()
        self.publish("1.0")
        self.os("switch", self.name, "--karg", "root=LABEL=root", "--karg", "console=tty0", "--karg", "console=ttyS0")

    def kargs(self, *words):
        self.os("kargs", *words)
        return self.os("kargs").strip()

    def test_change(self):
        self.assertEqual(self.kargs(), "root=LABEL=root console=tty0 console=ttyS0")
        self.assertEqual(self.os("kargs", "--append", "nosmt", "--delete=console=tty0", "--diff"), "-console=tty0\n+nosmt\n")
        self.assertEqual(len(self.deployments()), 1)
        self.assertEqual(self.kargs("--append=nosmt", "--delete=console=tty0", "--replace=root=UUID=1"),
                         "root=UUID=1 console=ttyS0 nosmt")
        self.assertEqual([d["version"] for d in self.deployments()], ["1.0", "1.0"])
        self.assertEqual(self.json("kargs")["kernel-arguments"], ["root=UUID=1", "console=ttyS0", "nosmt"])
        self.os("rollback")
        self.assertEqual(self.kargs("--append-if-missing=console=tty0"), "root=LABEL=root console=tty0 console=ttyS0")
        self.agrees()

    def test_of_the_image(self):
        """What an image brings comes and goes with it; what the administrator said stays."""
        def kargs(version, *lines):
            directories = [directory("usr/lib/bootc"), directory("usr/lib/bootc/kargs.d")]
            self.publish(version, *directories, *(file(f"usr/lib/bootc/kargs.d/{i}.toml", l) for i, l in enumerate(lines)))
            self.os("upgrade")
            return self.os("kargs").strip()
        mine = "root=LABEL=root console=tty0 console=ttyS0"
        machine = os.uname().machine
        self.assertEqual(kargs("2.0", 'kargs = ["mitigations=auto", "nosmt"]\n',
                               f'kargs = ["here"]\nmatch-architectures = ["{machine}"]\n',
                               'kargs = ["elsewhere"]\nmatch-architectures = ["pdp11"]\n'),
                         f"{mine} mitigations=auto nosmt here")
        self.os("kargs", "--delete=nosmt", "--append=debug")
        self.assertEqual(kargs("3.0", 'kargs = ["nosmt", "here", "quiet"]\n'), f"{mine} here debug quiet")
        self.assertEqual(kargs("4.0"), f"{mine} debug")
        before = self.deployments()
        self.publish("5.0", directory("usr/lib/bootc"), directory("usr/lib/bootc/kargs.d"),
                     file("usr/lib/bootc/kargs.d/1.toml", "kargs = 7\n"))
        self.assertIn("kargs.d/1.toml", self.os("upgrade", code=1))
        self.assertEqual(self.deployments(), before)

    def test_mistakes(self):
        before = self.deployments()
        for words, said in ((["--delete", "quiet"], 'there is no kernel argument "quiet"'),
                            (["--delete", "console"], "stands 2 times"), (["--append", "a b"], "is no kernel argument"),
                            (["--replace", "x=1"], 'there is no kernel argument "x" to replace'),
                            (["--deployment", "7", "--append", "q"], "7")):
            said_ = self.os("kargs", *words, code=1)
            self.assertIn(said, said_)
            self.assertEqual(said_.count("\n"), 1)
        self.assertEqual(self.deployments(), before)


class Ends(Case):
    def test_reset(self):
        self.publish("1.0")
        self.os("switch", self.name, "--karg", "quiet")
        (self.path() / "etc/mine").write_text("m\n")
        (self.root / "ostree/deploy/basalt/var/data").write_text("d\n")
        self.os("reset")
        self.assertEqual([d["osname"] for d in self.deployments()], ["basalt-2", "basalt"])
        self.assertFalse((self.path() / "etc/mine").exists())
        self.assertFalse((self.root / "ostree/deploy/basalt-2/var/data").exists())
        self.assertEqual(self.deployments()[0]["kernel-arguments"], "quiet")
        self.agrees()
        self.assertTrue((self.path(1) / "etc/mine").exists())

    def test_repair(self):
        self.publish("1.0")
        self.os("switch", self.name)
        self.assertIn("nothing to repair", self.os("repair"))
        for link in (self.root / "ostree").glob("boot.?.?/*/*/*"):
            link.unlink()
        self.assertTrue(self.json("status")["problems"])
        self.publish("2.0")
        self.os("upgrade", code=1)
        self.os("repair")
        self.assertEqual(self.json("status")["problems"], [])
        self.os("upgrade")
        self.assertEqual(self.versions(), ["2.0", "1.0"])
        self.agrees()

    def test_overlay(self):
        self.publish("1.0")
        self.os("switch", self.name)
        new = self.path() / "usr/tried"
        # In a mount namespace of its own, which takes the mount along when it ends.
        script = f'"{PROGRAM}" --sysroot "{self.root}" overlay && touch "{new}" && test -e "{new}" && ' \
                 f'"{PROGRAM}" --sysroot "{self.root}" status && "{PROGRAM}" --sysroot "{self.root}" overlay --read-only'
        out = run("unshare", "--mount", "sh", "-ec", script).decode()
        self.assertIn("writable (development)", out)
        self.assertFalse(new.exists())
        self.assertIsNone(next((d for d in self.deployments() if d["unlocked"] != "none"), None))
        self.agrees()

    def test_refused(self):
        self.assertIn("`switch IMAGE` comes first", self.os("upgrade", code=1))
        self.os("switch", "no name", code=2)
        self.assertIn("no operating system", self.refuse(image("1", labels={})))
        self.assertIn("vmlinuz", self.refuse(Image(BASE, labels=LABELS)))
        bad = image("bad")
        bad.layers[1].blob = bad.layers[1].blob[:-9] + b"\0" * 9
        self.assertIn("is in truth", self.refuse(bad))
        self.assertEqual(self.deployments(), [])
        self.assertEqual(list((self.root / "ostree/repo/objects").glob("*/*")), [])
        self.assertEqual(subprocess.run([PROGRAM, "--sysroot", self.place, "status"], capture_output=True).returncode, 1)
        self.assertEqual(subprocess.run([PROGRAM, "upgrad"], capture_output=True).returncode, 2)
        for words in (["switch", self.name], ["upgrade"], ["deploy", "x"], ["rollback"], ["kargs"], ["reset"]):
            self.assertIn("--reboot is for the running system", self.os(*words, "--reboot", code=2))

    def refuse(self, what):
        layout_write(self.layout, what, "bad")
        said = self.os("switch", f"oci:{self.layout}:bad", code=1)
        self.assertEqual(said.count("\n"), 1, said)
        return said

    def test_busy(self):
        self.publish("1.0")
        self.os("switch", self.name)
        with open(self.root / "ostree/lock", "r+") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            self.os("rollback", "--no-wait", code=75)
            self.os("status")
            waiting = subprocess.Popen([PROGRAM, "--sysroot", self.root, "pin", "0"], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE, text=True)
            self.assertIn("waiting for", waiting.stderr.readline())
            fcntl.lockf(lock, fcntl.LOCK_UN)
            self.assertEqual(waiting.wait(20), 0)
            waiting.stderr.close()
        self.assertTrue(self.deployments()[0]["pinned"])

    def test_interrupted(self):
        """By SIGINT while a registry does not answer: nothing is left."""
        quiet = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(quiet.close)
        host = "127.0.0.1:%d" % quiet.getsockname()[1]
        (self.place / "config/etc/containers/registries.conf").write_text(
            f'[[registry]]\nlocation = "{host}"\ninsecure = true\n')
        program = subprocess.Popen([PROGRAM, "--sysroot", self.root, "switch", "--config-root", self.place / "config",
                                    f"{host}/os:1"], stderr=subprocess.PIPE, text=True)
        connection, _ = quiet.accept()
        program.send_signal(signal.SIGINT)
        said = program.stderr.read()
        program.stderr.close()
        self.assertEqual(program.wait(30), 130, said)
        connection.close()
        self.assertEqual(self.deployments(), [])
        self.assertFalse((self.root / "ostree/repo/tmp/basalt-import").exists())


if __name__ == "__main__":
    try:
        unittest.main()
    finally:
        shutil.rmtree(here, ignore_errors=True)
