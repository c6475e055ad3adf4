#!/usr/bin/env python3
"""storage.py SHOW: images out of a store of podman's kind, through the distribution's skopeo, and through programs of that
name that do not keep to what was agreed."""
import gzip
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

SHOW = sys.argv.pop(1)
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def tar_of(size):
    import io
    import tarfile
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("file")
        info.size = size
        tar.addfile(info, io.BytesIO(os.urandom(size)))
    return out.getvalue()


class Image:
    def __init__(self, sizes=(1000, 300_000), architecture="amd64"):
        self.plain = [tar_of(n) for n in sizes]
        self.layers = [gzip.compress(p, 1) for p in self.plain]
        self.config = json.dumps({"os": "linux", "architecture": architecture, "config": {},
                                  "rootfs": {"type": "layers", "diff_ids": [sha256(p) for p in self.plain]}}, indent=1).encode()
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": sha256(self.config), "size": len(self.config)},
            "layers": [{"mediaType": LAYER, "digest": sha256(b), "size": len(b)} for b in self.layers]}).encode()

    def write(self, path):
        (path / "blobs/sha256").mkdir(parents=True)
        for blob in [self.manifest, self.config, *self.layers]:
            (path / "blobs/sha256" / sha256(blob)[7:]).write_bytes(blob)
        (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        (path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [
            {"mediaType": MANIFEST, "digest": sha256(self.manifest), "size": len(self.manifest)}]}))

    def said(self):
        return [sha256(self.manifest)] * 2 + [f"layer {i + 1}: {sha256(p)}, {len(p)} bytes" for i, p in enumerate(self.plain)]


class Case(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="basalt-storage-")
        self.addCleanup(scratch.cleanup)
        self.path = pathlib.Path(scratch.name)
        (self.path / "tmp").mkdir()

    def show(self, name, **env):
        return subprocess.run([SHOW, "layout", f"containers-storage:{name}"], capture_output=True, text=True, timeout=120,
                              env={**os.environ, "TMPDIR": str(self.path / "tmp"), **env}, stdin=subprocess.DEVNULL)

    def bad(self, done, *said):
        self.assertEqual((done.returncode, done.stdout.count("layer")), (1, 0), done.stderr)
        for text in said:
            self.assertIn(text, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)


@unittest.skipUnless(shutil.which("skopeo"), "the package skopeo is missing")
class Store(Case):
    def fill(self, image, name, *options):
        self.store = f"[vfs@{self.path}/store+{self.path}/run]"
        layout = pathlib.Path(tempfile.mkdtemp(dir=self.path))
        image.write(layout)
        subprocess.run(["skopeo", "--insecure-policy", "copy", "--quiet", *options, f"oci:{layout}",
                        f"containers-storage:{self.store}{name}"], check=True, capture_output=True,
                       env={**os.environ, "TMPDIR": str(self.path / "tmp")})
        return self.store + name

    def test_image(self):
        image = Image()
        done = self.show(self.fill(image, "localhost/os:1"))
        self.assertEqual((done.returncode, done.stdout.splitlines()), (0, image.said()), done.stderr)
        self.assertEqual(list((self.path / "tmp").iterdir()), [])

    def test_missing(self):
        self.fill(Image(), "localhost/os:1")
        self.bad(self.show(self.store + "localhost/os:2"), "containers-storage:[vfs@", "skopeo: ")

    def test_of_docker(self):
        """What is kept in Docker's form is made one of OCI by skopeo, its config too."""
        image = Image()
        done = self.show(self.fill(image, "localhost/os:1", "--format", "v2s2"))
        self.assertEqual((done.returncode, done.stdout.splitlines()[2:]), (0, image.said()[2:]), done.stderr)

    def test_other_machine(self):
        self.bad(self.show(self.fill(Image(architecture="arm64"), "localhost/os:1")), "made for another machine than linux/amd64")

    def test_several_layers_and_the_same_twice(self):
        image = Image((10, 20, 30))
        image.plain[2], image.layers[2] = image.plain[0], image.layers[0]
        config, manifest = json.loads(image.config), json.loads(image.manifest)
        config["rootfs"]["diff_ids"][2] = config["rootfs"]["diff_ids"][0]
        image.config = json.dumps(config).encode()
        manifest["layers"][2] = manifest["layers"][0]
        manifest["config"].update(digest=sha256(image.config), size=len(image.config))
        image.manifest = json.dumps(manifest).encode()
        done = self.show(self.fill(image, "localhost/os:1"))
        self.assertEqual((done.returncode, done.stdout.splitlines()), (0, image.said()), done.stderr)

    def test_changed_in_the_store(self):
        """A store on a disk that has been changed behind its back."""
        name = self.fill(Image(), "localhost/os:1")
        for file in (self.path / "store/vfs/dir").glob("*/file"):
            file.write_bytes(bytes(file.stat().st_size))
        self.bad(self.show(name))


FAKE = '''#!/usr/bin/env python3
import array, base64, json, os, socket, sys, time
assert sys.argv[1:] == ["--insecure-policy", "experimental-image-proxy", "--sockfd", "0"], sys.argv
with open({log!r}, "a") as log:
    fds = sorted(int(f) for f in os.listdir("/proc/self/fd"))
    print(json.dumps([os.getpid(), dict(os.environ), fds]), file=log)
s = socket.socket(fileno=0)
data = {{k: base64.b64decode(v) for k, v in {data!r}.items()}}
pipes, methods = {{}}, []
def reply(value=None, payload=None, fds=(), **more):
    r = {{"success": True, "value": value, "pipeid": 0, "error": "", **more}}
    fds = list(fds)
    if payload is not None:
        a, b = os.pipe()
        pipes[b] = payload
        r["pipeid"], fds = b, fds + [a]
    raw = more.pop("raw", None) or json.dumps(r).encode()
    s.sendmsg([raw], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])
    for fd in fds:
        os.close(fd)
def finish(n, error=None):
    try:
        view = memoryview(pipes.pop(n))
        while view:
            view = view[os.write(n, view):]
    except BrokenPipeError:
        error = "broken pipe"
    os.close(n)
    return error
def usual(method, args):
    if method == "Initialize":
        reply("0.2.8")
    elif method == "OpenImage":
        reply(1)
    elif method == "GetManifest":
        reply("sha256:x", data["manifest"])
    elif method == "GetBlob":
        blob = data.get(args[1])
        reply(len(blob), blob) if blob is not None else reply(success=False, error="no such blob")
    elif method == "GetLayerInfoPiped":
        reply(None, data["info"])
    elif method == "FinishPipe":
        error = finish(args[0])
        reply(success=not error, error=error or "")
    else:
        reply(success=False, error="unknown method: " + method)
{change}
while True:
    packet = s.recv(1 << 16)
    if not packet:
        break
    request = json.loads(packet)
    methods.append(request["method"])
    if not change(request["method"], request["args"]):
        usual(request["method"], request["args"])
'''


class Fake(Case):
    """Written in Python, as the newer skopeo speaks unless a test says otherwise."""

    def setUp(self):
        super().setUp()
        self.image = Image()
        self.data = {"manifest": self.image.manifest, sha256(self.image.config): self.image.config,
                     "info": json.dumps([{"digest": sha256(p), "size": len(p), "media_type": "application/vnd.oci.image.layer.v1.tar"}
                                         for p in self.image.plain]).encode()}
        self.data.update({sha256(p): p for p in self.image.plain})

    def run_with(self, change="", **env):
        import base64
        program = self.path / "bin/skopeo"
        program.parent.mkdir(exist_ok=True)
        body = "\n".join("    " + line for line in change.splitlines())
        program.write_text(FAKE.format(log=str(self.path / "log"), data={k: base64.b64encode(v).decode() for k, v in self.data.items()},
                                       change=f"def change(method, args):\n    pass\n{body}"))
        program.chmod(0o755)
        return self.show("[vfs@/s]x/os:1", PATH=f"{program.parent}:{os.environ['PATH']}", **env)

    def good(self, change="", **env):
        done = self.run_with(change, **env)
        self.assertEqual((done.returncode, done.stdout.splitlines()), (0, self.image.said()), done.stderr)

    def test_good(self):
        self.good(SECRET="x", LD_PRELOAD="", CONTAINERS_STORAGE_CONF="/c")
        pid, env, fds = json.loads((self.path / "log").read_text())
        self.assertEqual(env.get("CONTAINERS_STORAGE_CONF"), "/c")
        self.assertNotIn("SECRET", env)
        self.assertNotIn("LD_PRELOAD", env)
        self.assertEqual([f for f in fds if f > 4], [])  # the three, the log and the listing of them
        self.assertFalse(pathlib.Path(f"/proc/{pid}").exists())  # and it is gone

    def test_older_ones(self):
        """Sizes are asked for by asking for the layers."""
        self.good('if method == "Initialize":\n    return reply("0.2.3") or 1\n'
                  'if method.startswith("GetLayerInfo"):\n    return reply(success=False, error="unknown method: " + method) or 1')

    def test_absent(self):
        empty = self.path / "empty"
        empty.mkdir()
        self.bad(self.show("[vfs@/s]x/os:1", PATH=str(empty)), "install the package skopeo")

    def test_versions(self):
        for version in ('"0.2.2"', '"0.3.0"', '"1.2.3"', "null", "7", '"0.2.x"', '"0.2."'):
            self.bad(self.run_with(f'if method == "Initialize":\n    return reply({version.replace("null", "None")}) or 1'), "0.2.3 is needed")

    def test_ends(self):
        for when in ("Initialize", "OpenImage", "GetManifest", "GetBlob", "FinishPipe"):
            self.bad(self.run_with(f'if method == "{when}":\n    print("level=fatal the \\033 disk is full", file=sys.stderr)\n    sys.exit(1)'),
                     "skopeo has ended: level=fatal the ? disk is full")

    def test_says_much(self):
        self.good('sys.stderr.write("x" * 300_000 + "\\n")\nsys.stderr.flush()')

    def test_replies(self):
        for text in ("", "x", "{}", "[]", '{"success": 1}', '{"success": null}', '{"success": true, "success": false}',
                     '{"success": true, "Success": false}', '{"success": true, "value": 1, "pipeid": -1}',
                     '{"success": true, "value": 1, "pipeid": 4294967296}', '{"success": true, "value": 1, "pipeid": 5}',
                     '{"success": true, "value": 0}', '{"success": true, "value": -1}', '{"success": true, "value": "1"}',
                     '{"success": true, "value": 1.5}', '{"success": true}', '{"success": true, "value": 99999999999}',
                     '{"success": false}', '{"success": false, "error": 1}', '{"success": false, "error": "a\\nb\\u001b"}',
                     '{"success": true, "value": 1}' + " " * 40_000, "[" * 30_000):
            self.bad(self.run_with(f'if method == "OpenImage":\n    s.send({text.encode()!r} or b" ")\n    return 1'))

    def test_descriptors(self):
        opened = 'import socket as k\nx = [os.open("/dev/null", 0) for _ in range(n)]\n'
        for n, more in ((1, ""), (2, ", pipeid=7"), (4, ", pipeid=7"), (50, ", pipeid=7")):
            done = self.run_with(f'if method == "OpenImage":\n    n = {n}\n' + "".join("    " + line + "\n" for line in opened.splitlines())
                                 + f'    return reply(1, fds=x{more}) or 1')
            if n in (2, 4):  # those past the first are closed, and a pipe of an image means nothing
                self.assertEqual(done.returncode, 0, done.stderr)
            else:
                self.bad(done, *(["without"] if n == 1 else []))

    def test_blobs(self):
        layer = sha256(self.image.plain[1])
        for change, said in (("data[args[1]] + b'x'", "has more than the"), ("data[args[1]][:-1]", "has less than the"),
                             ("bytes(len(data[args[1]]))", "is in truth"), ("b''", "has less than the")):
            done = self.run_with(f'if method == "GetBlob" and args[1] == "{layer}":\n    return reply(1, {change}) or 1')
            self.assertEqual(done.returncode, 1)
            self.assertIn(said, done.stderr)

    def test_blob_fails_at_its_end(self):
        done = self.run_with('if method == "FinishPipe" and "GetBlob" in methods:\n    finish(args[0])\n'
                             '    return reply(success=False, error="corrupted blob") or 1')
        self.bad(done, "corrupted blob")

    def test_texts_without_end(self):
        for name, most in (("manifest", 4 << 20), ("info", 1 << 20)):
            before, self.data[name] = self.data[name], b" " * (most + 1)
            self.bad(self.run_with(), f"more than {most} bytes")
            self.data[name] = before

    def test_layer_info(self):
        good = json.loads(self.data["info"])
        for change in (lambda i: i.pop(), lambda i: i.append(i[0]), lambda i: i.reverse(), lambda i: i[0].update(size=-1),
                       lambda i: i[0].update(size=1 << 41), lambda i: i[0].update(digest="sha256:../x"), lambda i: i.__setitem__(0, 1),
                       lambda i: i[0].pop("size")):
            info = json.loads(json.dumps(good))
            change(info)
            self.data["info"] = json.dumps(info).encode()
            self.bad(self.run_with())
        self.data["info"] = b'[],"layers2":' + json.dumps(good).encode()
        self.bad(self.run_with())

    def test_manifests(self):
        for text in (b"", b"{}", self.image.manifest.replace(b'"layers"', b'"manifests"'),
                     self.image.manifest.replace(b"sha256:", b"sha256:../", 1)):
            self.data["manifest"] = text
            self.bad(self.run_with())

    def test_config_is_another(self):
        self.data[sha256(self.image.config)] = self.image.config[:-1] + b" "
        self.bad(self.run_with(), "the config")

    def test_is_ended_when_it_does_not_end(self):
        started = time.monotonic()
        done = self.run_with('import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nif method == "OpenImage":\n'
                             '    reply(success=False, error="no")\n    time.sleep(60)')
        self.bad(done, "skopeo: no")
        self.assertLess(time.monotonic() - started, 20)
        pid = json.loads((self.path / "log").read_text())[0]
        self.assertFalse(pathlib.Path(f"/proc/{pid}").exists())


unittest.main()
