#!/usr/bin/env python3
"""delta_test.py DRIVER BASALT BASALT-OS: deltas beside images, made by `basalt image delta`, pushed by skopeo to the distribution's
registry, found, fetched and applied. The referee is the same import without deltas, and ostree's fsck."""
import base64
import http.client
import http.server
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.dont_write_bytecode = True

from images import OCI_INDEX, OCI_MANIFEST, Image, Layer, Registry, directory, file, layer, layout_write, run, sha256, symlink

DRIVER, BASALT, BASALT_OS = sys.argv.pop(1), sys.argv.pop(1), sys.argv.pop(1)
here = pathlib.Path(tempfile.mkdtemp(prefix="basalt-delta-"))
TYPE = "application/vnd.basalt.delta.v1"
EMPTY = "application/vnd.oci.empty.v1+json"


def noise(n, seed):
    return random.Random(seed).randbytes(n)


def entries(version):
    large = bytearray(noise(700_000, 1))
    if version > 1:
        large[1000:1003] = b"new"
        large[350_000:350_000] = noise(50, version)
    return [directory("./"), directory("usr"), directory("usr/bin"), file("usr/bin/large", bytes(large), mode=0o755),
            *[file(f"usr/share/{i % 7}/{i}", f"file {i} {version if i == 5 else 0}\n" * 20) for i in range(200)],
            symlink("usr/bin/sh", f"sh{version}"), file("usr/suid", "s", mode=0o4755 if version > 1 else 0o755, uid=version),
            file("usr/capable", noise(3000, 3), xattrs={"user.version": str(version)}), file("etc/os", f"{version}\n"),
            file(f"usr/lib/lib.so.1.{version}", bytes(large[100:])), file("usr/empty", "" if version > 1 else "no")]


def image(version, *more):
    """One layer: nothing of it is kept."""
    return Image(layer(*entries(version), *more))


class Case(unittest.TestCase):
    maxDiff = None

    def run(self, result=None):
        started = time.monotonic()
        super().run(result)
        print(f"{time.monotonic() - started:6.2f} s {self.id()}", flush=True)

    def setUp(self):
        self.place = pathlib.Path(tempfile.mkdtemp(dir=here))
        self.addCleanup(shutil.rmtree, self.place)
        self.repo, self.layout, self.out = self.place / "repo", self.place / "layout", self.place / "out"
        self.root = self.place / "root"
        (self.root / "etc/containers").mkdir(parents=True)
        run("ostree", "init", f"--repo={self.repo}", "--mode=bare")

    def driver(self, *arguments, repo=None, verb="import"):
        *options, name = arguments
        done = subprocess.run([DRIVER, *map(str, options), verb, self.root, repo or self.repo, name], capture_output=True,
                              timeout=120, stdin=subprocess.DEVNULL, text=True)
        done.said = done.stderr
        return done

    def good(self, done, said=""):
        self.assertEqual(done.returncode, 0, done.said)
        self.assertRegex(done.said, f"^warning: layers are fetched instead: {said}" if said else "^$")
        return json.loads(done.stdout)

    def basalt(self, *words, code=0):
        done = subprocess.run([BASALT, "image", "delta", "--config-root", self.root, *map(str, words)], capture_output=True,
                              timeout=120, text=True, stdin=subprocess.DEVNULL, env={**os.environ, "TMPDIR": str(self.place)})
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout if code == 0 else done.stderr

    def make(self, first, second, out=None):
        """Between two names."""
        return json.loads(self.basalt("--json", "-o", out or self.out, first, second))

    def whole(self, name):
        """What an import of layers makes, in another repository."""
        other = self.place / "whole"
        shutil.rmtree(other, ignore_errors=True)
        run("ostree", "init", f"--repo={other}", "--mode=bare")
        return self.good(self.driver("--no-delta", name, repo=other))["commit"]

    def fsck(self):
        run("ostree", "fsck", "--quiet", f"--repo={self.repo}")
        self.assertFalse((self.repo / "tmp/basalt-import").exists())

    def refs(self):
        return run("ostree", f"--repo={self.repo}", "refs").decode().split()

    def objects(self):
        return sorted(str(p) for p in (self.repo / "objects").glob("*/*"))


class FromLayout(Case):
    """Image and delta in one layout."""

    def setUp(self):
        super().setUp()
        self.first, self.second = image(1), image(2)
        layout_write(self.layout, self.first, "1")
        layout_write(self.layout, self.second, "2")
        self.name = f"oci:{self.layout}:"
        self.imported = self.good(self.driver(self.name + "1"))

    def delta_blob(self, out=None):
        """The path of the only delta there is."""
        top = out or self.layout
        for path in (top / "blobs/sha256").iterdir():
            if path.read_bytes()[:8] == b"BSLTDLT1":
                return path
        return None

    def replace(self, change):
        """The delta is another one, and everything that names it follows."""
        index = json.loads((self.layout / "index.json").read_text())
        entry = next(m for m in index["manifests"]
                     if m["annotations"]["org.opencontainers.image.ref.name"] == sha256(self.second.manifest).replace(":", "-"))
        blobs = self.layout / "blobs/sha256"

        def put(data):
            (blobs / sha256(data)[7:]).write_bytes(data)
            return {"digest": sha256(data), "size": len(data)}

        referrers = json.loads((blobs / entry["digest"][7:]).read_text())
        manifest = json.loads((blobs / referrers["manifests"][0]["digest"][7:]).read_text())
        blob = put(change((blobs / manifest["layers"][0]["digest"][7:]).read_bytes()))
        manifest["layers"][0].update(blob)
        referrers["manifests"][0].update(put(json.dumps(manifest).encode()))
        referrers["manifests"][0]["annotations"]["basalt.delta.size"] = str(blob["size"])
        entry.update(put(json.dumps(referrers).encode()))
        (self.layout / "index.json").write_text(json.dumps(index))

    def test_applied(self):
        made = self.make(self.name + "1", self.name + "2", self.layout)
        self.assertEqual((made["from"], made["to"]), (sha256(self.first.manifest), sha256(self.second.manifest)))
        self.assertEqual(made["tag"], sha256(self.second.manifest).replace(":", "-"))
        self.assertLess(made["size"], 8000)
        self.assertEqual(made["size"], self.delta_blob().stat().st_size)
        check = self.good(self.driver(self.name + "2", verb="check"))
        self.assertEqual(check["delta_bytes"], made["size"])
        shutil.move(self.layout / "blobs/sha256" / self.second.layers[0].digest[7:], self.place / "layer")
        result = self.good(self.driver(self.name + "2"))
        self.assertEqual((result["delta"], result["fetched"], result["fetched_bytes"]), (True, 0, made["size"]))
        self.assertEqual(result["delta_instead"], self.second.layers[0].size)
        self.fsck()
        shutil.move(self.place / "layer", self.layout / "blobs/sha256" / self.second.layers[0].digest[7:])
        self.assertEqual(result["commit"], self.whole(self.name + "2"))
        again = self.good(self.driver(self.name + "2"))
        self.assertEqual((again["changed"], again["commit"]), (False, result["commit"]))

    def test_artifact(self):
        """What image-spec and distribution-spec 1.1 want of it."""
        made = self.make(self.name + "1", self.name + "2")
        blobs = self.out / "blobs/sha256"
        index = json.loads((self.out / "index.json").read_text())
        self.assertEqual(json.loads((self.out / "oci-layout").read_text()), {"imageLayoutVersion": "1.0.0"})
        entry, = index["manifests"]
        self.assertEqual((entry["mediaType"], entry["annotations"]),
                         (OCI_INDEX, {"org.opencontainers.image.ref.name": made["tag"]}))
        referrers = json.loads((blobs / entry["digest"][7:]).read_text())
        self.assertEqual((referrers["schemaVersion"], referrers["mediaType"]), (2, OCI_INDEX))
        one, = referrers["manifests"]
        self.assertEqual((one["mediaType"], one["artifactType"], one["digest"]), (OCI_MANIFEST, TYPE, made["digest"]))
        self.assertEqual(one["annotations"], {"basalt.delta.from": made["from"], "basalt.delta.to": made["to"],
                                              "basalt.delta.size": str(made["size"])})
        manifest = json.loads((blobs / one["digest"][7:]).read_text())
        self.assertEqual(manifest["annotations"], one["annotations"])
        self.assertEqual(manifest["artifactType"], TYPE)
        self.assertEqual(manifest["config"], {"mediaType": EMPTY, "digest": sha256(b"{}"), "size": 2})
        self.assertEqual((blobs / sha256(b"{}")[7:]).read_bytes(), b"{}")
        self.assertEqual(manifest["subject"], {"mediaType": OCI_MANIFEST, "digest": made["to"],
                                               "size": len(self.second.manifest)})
        self.assertEqual([blob["mediaType"] for blob in manifest["layers"]], [TYPE + "+zstd"])
        again = self.place / "again"
        self.assertEqual(self.make(self.name + "1", self.name + "2", again), made)
        self.assertEqual([p.name for p in self.place.glob("basalt-delta-*")], [])

    def test_said(self):
        said = self.basalt("-o", self.out, self.name + "1", self.name + "2")
        self.assertIn(f"From {sha256(self.first.manifest)}\n  to {sha256(self.second.manifest)}:\n", said)
        self.assertIn(" MB of layers, for ", said)
        self.assertIn(f"Next: skopeo copy --all oci:{self.out}:sha256-", said)
        self.assertIn("both are the same image", self.basalt("-o", self.out, self.name + "1", self.name + "1", code=1))
        self.assertIn("--output says", self.basalt(self.name + "1", self.name + "2", code=2))
        self.assertIn("FROM TO", self.basalt("-o", self.out, self.name + "1", code=2))
        self.assertIn("no image named 9", self.basalt("-o", self.out, self.name + "1", self.name + "9", code=1))

    def test_repository_kept(self):
        kept = self.place / "kept"
        self.basalt("-o", self.out, "--repo", kept, self.name + "1", self.name + "2")
        run("ostree", "fsck", "--quiet", f"--repo={kept}")
        size = self.delta_blob(self.out).read_bytes()
        shutil.rmtree(self.out)
        self.basalt("-o", self.out, "--repo", kept, self.name + "1", self.name + "2")
        self.assertEqual(self.delta_blob(self.out).read_bytes(), size)

    def falls_back(self, said):
        result = self.good(self.driver(self.name + "2"), said)
        self.assertEqual((result["delta"], result["fetched"]), (False, 1))
        self.fsck()
        self.assertEqual(result["commit"], self.whole(self.name + "2"))
        other = self.place / "clean"
        run("ostree", "init", f"--repo={other}", "--mode=bare")
        for version in "12":
            self.good(self.driver("--no-delta", self.name + version, repo=other))
        self.assertEqual([p.split("/objects/")[1] for p in self.objects()],
                         sorted(str(p).split("/objects/")[1] for p in (other / "objects").glob("*/*")))

    def test_truncated(self):
        self.make(self.name + "1", self.name + "2", self.layout)
        self.replace(lambda blob: blob[:-100])
        self.falls_back("the delta sha256:[0-9a-f]{64}: it is cut off\n$")

    def test_tampered(self):
        self.make(self.name + "1", self.name + "2", self.layout)
        self.replace(lambda blob: blob[:-300] + bytes([blob[-300] ^ 255]) + blob[-299:])
        self.falls_back("the delta sha256:[0-9a-f]{64}: [^\n]+\n$")

    def test_wrong_digest(self):
        self.make(self.name + "1", self.name + "2", self.layout)
        blob = self.delta_blob()
        data = blob.read_bytes()
        blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        self.falls_back("the delta sha256:[0-9a-f]{64}: [^\n]+\n$")

    def test_missing(self):
        self.make(self.name + "1", self.name + "2", self.layout)
        self.delta_blob().unlink()
        self.falls_back("the delta sha256:[0-9a-f]{64}: [^\n]+\n$")

    def test_another_source(self):
        """Passed over without a word."""
        layout_write(self.layout, image(3), "3")
        self.make(self.name + "3", self.name + "2", self.layout)
        self.falls_back("")

    def test_lies(self):
        """It says that it starts from what is here, and does not."""
        layout_write(self.layout, image(3), "3")
        self.make(self.name + "3", self.name + "2", self.layout)
        first, third = sha256(self.first.manifest).encode(), sha256(image(3).manifest).encode()
        index = json.loads((self.layout / "index.json").read_text())["manifests"][-1]
        path = self.layout / "blobs/sha256" / index["digest"][7:]
        changed = path.read_bytes().replace(third, first)
        entry = {"mediaType": OCI_INDEX, "digest": sha256(changed), "size": len(changed), "annotations": index["annotations"]}
        (self.layout / "blobs/sha256" / sha256(changed)[7:]).write_bytes(changed)
        whole = json.loads((self.layout / "index.json").read_text())
        whole["manifests"][-1] = entry
        (self.layout / "index.json").write_text(json.dumps(whole))
        self.falls_back("the delta sha256:[0-9a-f]{64}: it leads from [^\n]+\n$")

    def test_larger_than_layers(self):
        layout_write(self.layout, Image(*self.first.layers, layer(file("usr/one", "1"))), "2")
        self.make(self.name + "1", self.name + "2", self.layout)
        result = self.good(self.driver(self.name + "2"))
        self.assertEqual((result["delta"], result["kept"], result["fetched"]), (False, 1, 1))

    def test_damaged_here(self):
        """An old file is not what it should be."""
        self.make(self.name + "1", self.name + "2", self.layout)
        lines = run("ostree", f"--repo={self.repo}", "ls", "-C", self.imported["commit"], "/usr/bin/large").decode().split()
        path = self.repo / "objects" / lines[4][:2] / (lines[4][2:] + ".file")
        data = path.read_bytes()
        with path.open("r+b") as f:
            f.write(b"x" * 5000)
        result = self.good(self.driver(self.name + "2"), "the delta sha256:[0-9a-f]{64}: [^\n]+\n$")
        self.assertFalse(result["delta"])
        path.write_bytes(data)

    def interrupted(self, *options, code):
        self.make(self.name + "1", self.name + "2", self.layout)
        kept = self.place / "kept"
        shutil.copytree(self.repo, kept, symlinks=True)
        subprocess.run(["cp", "-a", "--no-target-directory", self.repo, kept], check=True)
        steps = self.good(self.driver(self.name + "2"))["steps"]
        expected = self.whole(self.name + "2")
        self.assertGreater(steps, 20)
        for step in range(1, steps + 1):
            shutil.rmtree(self.repo)
            subprocess.run(["cp", "-a", kept, self.repo], check=True)
            done = self.driver(f"--fail={step}", *options, self.name + "2")
            if done.returncode == 0:  # the delta failed, and the layers came
                self.assertIn("delta", done.said)
                self.assertEqual(json.loads(done.stdout)["commit"], expected)
            else:
                self.assertEqual(done.returncode, code, done.said)
                run("ostree", "fsck", "--quiet", f"--repo={self.repo}")
                self.assertEqual(self.good(self.driver(self.name + "1"))["changed"], False)
            self.assertEqual(self.good(self.driver(self.name + "2"))["commit"], expected)
            self.fsck()

    def test_failing_at_every_step(self):
        self.interrupted(code=1)

    def test_killed_at_every_step(self):
        self.interrupted("--kill", code=9)

    def test_cancelled(self):
        self.make(self.name + "1", self.name + "2", self.layout)
        before = self.objects()
        done = self.driver("--cancel=1", self.name + "2")
        self.assertEqual((done.returncode, done.said), (1, "cancelled\n"))
        self.assertEqual(self.objects(), before)
        self.fsck()

    def test_next_version(self):
        """After a delta the layers are not here; the next version has one of them again, by layers and by delta."""
        third = Image(*self.second.layers, layer(file("usr/third", noise(20_000, 8))))
        layout_write(self.layout, third, "3")
        self.make(self.name + "1", self.name + "2", self.layout)
        self.assertTrue(self.good(self.driver(self.name + "2"))["delta"])
        kept = self.place / "kept"
        subprocess.run(["cp", "-a", self.repo, kept], check=True)
        result = self.good(self.driver(self.name + "3"))
        self.assertEqual((result["delta"], result["fetched"]), (False, 2))
        self.fsck()
        self.assertEqual(result["commit"], self.whole(self.name + "3"))
        shutil.rmtree(self.repo)
        kept.rename(self.repo)
        made = self.make(self.name + "2", self.name + "3", self.layout)
        result = self.good(self.driver(self.name + "3"))
        self.assertEqual((result["delta"], result["fetched_bytes"]), (True, made["size"]))
        self.assertEqual(result["commit"], self.whole(self.name + "3"))
        self.fsck()

    def test_another_name(self):
        """The same image is not fetched again, though its layers are not here."""
        self.make(self.name + "1", self.name + "2", self.layout)
        first = self.good(self.driver(self.name + "2"))
        layout_write(self.layout, self.second, "stable")
        result = self.good(self.driver(self.name + "stable"))
        self.assertEqual((result["commit"], result["fetched"], result["fetched_bytes"], result["objects"]),
                         (first["commit"], 0, 0, 0))
        layout_write(self.layout, self.second, "index", index=True)
        result = self.good(self.driver(self.name + "index"))
        self.assertEqual((result["fetched"], result["objects"]), (0, 1))
        self.assertEqual(result["commit"], self.whole(self.name + "index"))

    def test_two_sources(self):
        """Both deltas stay beside the image; a new one from the same image replaces the old."""
        layout_write(self.layout, image(3), "3")
        self.make(self.name + "3", self.name + "2", self.layout)
        self.make(self.name + "1", self.name + "2", self.layout)
        self.make(self.name + "1", self.name + "2", self.layout)
        entry = json.loads((self.layout / "index.json").read_text())["manifests"][-1]
        listed = json.loads((self.layout / "blobs/sha256" / entry["digest"][7:]).read_text())["manifests"]
        self.assertEqual(sorted(m["annotations"]["basalt.delta.from"] for m in listed),
                         sorted([sha256(self.first.manifest), sha256(image(3).manifest)]))
        self.assertTrue(self.good(self.driver(self.name + "2"))["delta"])

    def test_no_time(self):
        """An image that does not say when it was made is the same commit each time."""
        layout_write(self.layout, Image(layer(*entries(1)), created=None), "none")
        first = self.good(self.driver(self.name + "none"))["commit"]
        time.sleep(1.1)
        self.assertEqual(self.whole(self.name + "none"), first)


class WithReferrers(http.server.BaseHTTPRequestHandler):
    """A registry that has the API for referrers, and no tag for them; the rest is that of the one behind it."""

    def do_GET(self):
        path, tag = self.path, self.server.tag
        answer = None
        if path.endswith(f"/manifests/{tag}"):
            answer = 404, "text/plain", b""
        elif "/referrers/" in path:
            path = path.replace("/referrers/" + tag.replace("-", ":"), f"/manifests/{tag}")
            self.server.asked.append(self.path)
        if not answer:
            c = http.client.HTTPConnection(self.server.behind)
            c.request(self.command, path, headers={"Accept": self.headers.get("Accept", "*/*")})
            got = c.getresponse()
            answer = got.status, got.headers.get("Content-Type", ""), got.read()
            c.close()
        self.send_response(answer[0])
        self.send_header("Content-Type", answer[1])
        self.send_header("Content-Length", str(len(answer[2])))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(answer[2])

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


class FromRegistry(Case):
    def setUp(self):
        super().setUp()
        self.registry = Registry(self.place / "registry")
        self.addCleanup(self.registry.close)
        (self.root / "etc/containers/registries.conf").write_text(
            f'[[registry]]\nlocation = "{self.registry.host}"\ninsecure = true\n')
        self.first, self.second = image(1), image(2)
        self.name = f"docker://{self.registry.host}/a/os"
        self.registry.push("a/os", self.first, "1")
        self.registry.push("a/os", self.second, "2", index=True)

    def push(self, made):
        run("skopeo", "copy", "--all", "--insecure-policy", "--dest-tls-verify=false", f"oci:{self.out}:{made['tag']}",
            f"{self.name}:{made['tag']}")

    def fetched(self):
        """Bytes of blobs that the registry gave since."""
        time.sleep(0.2)
        return sum(int(line.split("http.response.written=")[1].split()[0]) for line in self.registry.asked("/blobs/"))

    def test_all(self):
        self.registry.push("a/os", self.first, "stable", index=True)
        first = self.good(self.driver(f"{self.name}:stable"))
        made = self.make(f"{self.name}:1", f"{self.name}:2")
        self.push(made)
        self.registry.push("a/os", self.second, "stable", index=True)
        expected = self.whole(f"{self.name}:stable")
        del self.registry.log[:]
        result = self.good(self.driver(f"{self.name}:stable"))
        self.assertEqual((result["delta"], result["fetched"], result["commit"]), (True, 0, expected))
        self.assertEqual(self.fetched(), made["size"] + len(self.second.config))
        self.assertNotEqual(result["commit"], first["commit"])
        self.fsck()

    def test_api(self):
        made = self.make(f"{self.name}:1", f"{self.name}:2")
        self.push(made)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), WithReferrers)
        server.behind, server.tag, server.asked = self.registry.host, made["tag"], []
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"127.0.0.1:{server.server_address[1]}"
        with (self.root / "etc/containers/registries.conf").open("a") as f:
            f.write(f'[[registry]]\nlocation = "{host}"\ninsecure = true\n')
        self.good(self.driver(f"docker://{host}/a/os:1"))
        result = self.good(self.driver(f"docker://{host}/a/os:2"))
        self.assertEqual((result["delta"], result["fetched_bytes"]), (True, made["size"]))
        self.assertEqual(server.asked, [f"/v2/a/os/referrers/{sha256(self.second.manifest)}"])

    def test_pinned(self):
        """Who asks for a digest gets what the digest is of."""
        self.good(self.driver(f"{self.name}:1"))
        self.push(self.make(f"{self.name}:1", f"{self.name}:2"))
        result = self.good(self.driver(f"{self.name}@{sha256(self.second.manifest)}"), "[^\n]+nobody has signed the delta\n$")
        self.assertEqual((result["delta"], result["fetched"]), (False, 1))

    def test_others_stay(self):
        """What others have attached is still there when the index of the delta is pushed."""
        blob, config = b"some list of packages", b"{}"
        note = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "text/x-packages",
                           "config": {"mediaType": EMPTY, "digest": sha256(config), "size": 2},
                           "layers": [{"mediaType": "text/plain", "digest": sha256(blob), "size": len(blob)}]}).encode()
        entry = {"mediaType": OCI_MANIFEST, "digest": sha256(note), "size": len(note), "artifactType": "text/x-packages",
                 "annotations": {"some.key": "value"}}

        class Attached:
            manifest = note
            index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}).encode()

            @staticmethod
            def blobs():
                return {sha256(config): config, sha256(blob): blob}
        self.registry.push("a/os", Attached, sha256(self.second.manifest).replace(":", "-"), index=True)
        self.good(self.driver(f"{self.name}:1"))
        made = self.make(f"{self.name}:1", f"{self.name}:2")
        self.push(made)
        listed = json.loads(run("skopeo", "inspect", "--raw", "--tls-verify=false", f"{self.name}:{made['tag']}"))["manifests"]
        self.assertEqual([m["digest"] for m in listed], [made["digest"], entry["digest"]])
        self.assertEqual(listed[1]["annotations"], entry["annotations"])  # old versions of skopeo forget the artifactType
        self.assertTrue(self.good(self.driver(f"{self.name}:2"))["delta"])


class Program(Case):
    """As an administrator meets them."""

    def setUp(self):
        super().setUp()
        self.registry = Registry(self.place / "registry")
        self.addCleanup(self.registry.close)
        self.system, self.containers = self.place / "system", self.root / "etc/containers"
        self.system.mkdir()
        self.addCleanup(subprocess.run, ["chattr", "-R", "-f", "-i", self.system / "ostree/deploy"], capture_output=True)
        (self.containers / "registries.conf").write_text(
            f'[[registry]]\nlocation = "{self.registry.host}"\ninsecure = true\n')
        (self.containers / "policy.json").write_text('{"default":[{"type":"insecureAcceptAnything"}]}')
        self.name = f"{self.registry.host}/project/os"
        self.first, self.second = self.bootable(1), self.bootable(2)
        self.registry.push("project/os", self.first, "1")
        self.registry.push("project/os", self.second, "2")
        self.registry.push("project/os", self.first, "stable")
        self.os("init")

    def bootable(self, version):
        kernel = "usr/lib/modules/6.1.0"
        return Image(layer(*entries(version), directory("var"), directory("boot"), directory("sysroot"),
                           symlink("ostree", "sysroot/ostree"), file(f"{kernel}/vmlinuz", "k"),
                           file(f"{kernel}/initramfs.img", "i")), labels={"containers.bootc": "1"})

    def os(self, *words):
        done = subprocess.run([BASALT_OS, "--sysroot", self.system, "--config-root", self.root, *map(str, words)],
                              capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def publish(self):
        self.registry.push("project/os", self.second, "stable")
        made = self.make(f"docker://{self.name}:1", f"docker://{self.name}:2")
        run("skopeo", "copy", "--all", "--insecure-policy", "--dest-tls-verify=false", f"oci:{self.out}:{made['tag']}",
            f"docker://{self.name}:{made['tag']}")
        return made

    def test_upgrade(self):
        self.os("switch", f"{self.name}:stable")
        made = self.publish()
        self.assertRegex(self.os("upgrade", "--check"), r"1 of 1 layers to fetch, [\d.]+ .B \([\d.]+ .B as a delta\)")
        told = json.loads(self.os("--json", "upgrade"))
        self.assertEqual((told["delta-from"], told["bytes-fetched"], told["layers-fetched"]), (made["from"], made["size"], 0))
        commit = told["commit"]
        self.os("rollback")
        self.os("cleanup", "--rollback", "--objects")
        self.assertRegex(self.os("upgrade"), r"A delta from sha256:\w+ was fetched, [\d.]+ .B instead of [\d.]+ .B: ")
        run("ostree", "fsck", "--quiet", f"--repo={self.system}/ostree/repo")
        status = json.loads(self.os("--json", "status"))["deployments"]
        self.assertEqual([d["checksum"] for d in status][0], commit)
        self.os("cleanup", "--objects")  # layers that were never here are no harm
        run("ostree", "fsck", "--quiet", f"--repo={self.system}/ostree/repo")
        self.os("rollback")

    def test_not_wanted(self):
        self.os("switch", f"{self.name}:stable")
        self.publish()
        self.assertNotIn("delta", self.os("upgrade", "--no-delta"))

    def sign(self, digest):
        payload = json.dumps({"critical": {"type": "cosign container image signature", "image": {"docker-manifest-digest": digest},
                                           "identity": {"docker-reference": self.name}}, "optional": None}).encode()
        (self.place / "payload").write_bytes(payload)
        signature = run("openssl", "dgst", "-sha256", "-sign", self.place / "key.pem", self.place / "payload")
        one = Layer(payload, level=0)
        one.media_type = "application/vnd.dev.cosign.simplesigning.v1+json"
        attached = Image(one)
        manifest = json.loads(attached.manifest)
        manifest["layers"][0]["annotations"] = {"dev.cosignproject.cosign/signature": base64.b64encode(signature).decode()}
        attached.manifest = json.dumps(manifest).encode()
        self.registry.push("project/os", attached, digest.replace(":", "-") + ".sig")

    def test_signed(self):
        """Where images must be signed, so must deltas."""
        (self.containers / "registries.d").mkdir()
        (self.containers / "registries.d/os.yaml").write_text("default-docker:\n  use-sigstore-attachments: true\n")
        run("openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", self.place / "key.pem")
        (self.containers / "os.pub").write_bytes(run("openssl", "ec", "-in", self.place / "key.pem", "-pubout"))
        (self.containers / "policy.json").write_text(json.dumps({"default": [{"type": "reject"}], "transports": {"docker": {
            self.registry.host: [{"type": "sigstoreSigned", "keyPath": "/etc/containers/os.pub",
                                  "signedIdentity": {"type": "matchRepository"}}]}}}))
        for image_ in (self.first, self.second):
            self.sign(sha256(image_.manifest))
        self.os("switch", "--enforce-container-sigpolicy", f"{self.name}:stable")
        made = self.publish()
        said = self.os("upgrade")
        self.assertRegex(said, "warning: layers are fetched instead: the delta sha256:.*signature")
        self.assertIn("1 of 1 layers", said)
        self.os("rollback")
        self.os("cleanup", "--rollback", "--objects")
        self.sign(made["digest"])
        told = json.loads(self.os("--json", "upgrade"))
        self.assertEqual(told["delta-from"], made["from"])
        self.os("rollback")
        self.os("cleanup", "--rollback", "--objects")
        told = json.loads(self.os("--json", "deploy", sha256(self.second.manifest)))
        self.assertEqual(told["delta-from"], made["from"])  # signed is as good as a digest


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("only root can give files away")
        sys.exit(77)
    try:
        unittest.main()
    finally:
        shutil.rmtree(here, ignore_errors=True)
