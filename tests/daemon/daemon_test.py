#!/usr/bin/env python3
"""daemon_test.py PROGRAM: the built program on machines below directories: without a cluster, against an API of a few
lines on the loopback, with a basalt-os of a few lines on a socket; killed at any time."""
import http.server
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

PROGRAM = pathlib.Path(sys.argv.pop(1)).resolve()
PREFIX = "machineconfiguration.openshift.io/"


def data(text):
    return "data:," + urllib.parse.quote(text)


def config(name, files, units=(), **spec):
    files = [{"path": p, "mode": 0o644, "contents": {"source": data(t)}} for p, t in files.items()]
    return {"apiVersion": PREFIX + "v1", "kind": "MachineConfig", "metadata": {"name": name}, "spec": {
        **spec, "config": {"ignition": {"version": "3.4.0"}, "storage": {"files": files}, "systemd": {"units": list(units)}}}}


def tree(root):
    """Names with kind, mode and contents; what the daemon keeps of itself while nothing is under way counts, too."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if name.startswith(("run", "proc")):
            continue
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file():
            found[name] = (path.stat().st_mode, path.read_bytes())
    return found


class Os:
    """basalt-os: what it was asked, what it has booted."""

    def __init__(self, root, image="quay.io/os", digest="sha256:1111"):
        self.image, self.digest, self.staged, self.asked = image, digest, False, []
        path = root / "run/basalt-os/socket"
        path.parent.mkdir(parents=True)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as f:
                request = json.loads(f.readline())
                if request["verb"] == "status":
                    f.write(json.dumps({"result": {"deployments": [{
                        "booted": True, "staged": False, "container-image-reference": self.image,
                        "container-image-reference-digest": self.digest}, {"booted": False, "staged": self.staged}]}}
                    ).encode() + b"\n")
                else:
                    self.asked.append((request["verb"], request.get("options"), request.get("arguments")))
                    self.staged = request["verb"] != "cleanup"
                f.write(b'{"exit": 0}\n')

    def close(self):
        self.socket.close()


class Api(http.server.ThreadingHTTPServer):
    """Nodes and MachineConfigs by name; one watch at a time."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.version, self.objects, self.changed, self.requests = 1, {}, threading.Condition(), []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def put(self, plural, o):
        with self.changed:
            self.version += 1
            o.setdefault("metadata", {})["resourceVersion"] = str(self.version)
            self.objects[plural, o["metadata"]["name"]] = o
            self.changed.notify_all()

    def annotate(self, name, values):
        node = self.objects["nodes", name]
        node["metadata"].setdefault("annotations", {}).update(values)
        self.put("nodes", node)

    def node(self, name):
        return self.objects["nodes", name]["metadata"].get("annotations", {})


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, code, body):
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def parts(self):
        url = urllib.parse.urlsplit(self.path)
        words = url.path.strip("/").split("/")
        plural = next(w for w in ("nodes", "machineconfigs", "machineconfigurations", "events") if w in words)
        rest = words[words.index(plural) + 1:]
        return plural, rest[0] if rest else None, urllib.parse.parse_qs(url.query)

    def do_GET(self):
        plural, name, query = self.parts()
        self.server.requests.append(("GET", plural, name))
        if name:
            o = self.server.objects.get((plural, name))
            return self.answer(200, o) if o else self.answer(404, {"kind": "Status", "code": 404, "reason": "NotFound"})
        field = query.get("fieldSelector", [""])[0].partition("metadata.name=")[2]
        if "watch" in query:
            return self.watch(plural, field, int(query["resourceVersion"][0]))
        items = [o for (p, n), o in self.server.objects.items() if p == plural and field in ("", n)]
        return self.answer(200, {"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": str(self.server.version)},
                                 "items": items})

    def watch(self, plural, field, seen):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while True:
            with self.server.changed:
                new = [o for (p, n), o in self.server.objects.items()
                       if p == plural and field in ("", n) and int(o["metadata"]["resourceVersion"]) > seen]
                if not new:
                    self.server.changed.wait(1)
                new = json.loads(json.dumps(new))
            for o in new:
                seen = max(seen, int(o["metadata"]["resourceVersion"]))
                line = json.dumps({"type": "MODIFIED", "object": o}).encode() + b"\n"
                try:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                    self.wfile.flush()
                except OSError:
                    return

    def do_PATCH(self):
        plural, name, _ = self.parts()
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(("PATCH", plural, name))
        self.server.annotate(name, body["metadata"]["annotations"])
        self.answer(200, self.server.objects[plural, name])

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body.setdefault("metadata", {}).setdefault("name", "e")
        self.answer(201, body)


class Case(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.root = pathlib.Path(self.directory.name) / "root"
        os.chmod(self.directory.name, 0o755)
        for name, text in {"etc/passwd": "root:x:0:0::/root:/bin/sh\ncore:x:1000:1000::/home/core:/bin/sh\n",
                           "etc/group": "root:x:0:\n", "proc/cmdline": "ro quiet\n",
                           "proc/sys/kernel/random/boot_id": "boot-1\n"}.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def file(self, o, name="config.json"):
        path = pathlib.Path(self.directory.name) / name
        path.write_text(json.dumps(o))
        return str(path)

    def run_it(self, *arguments, code=0):
        done = subprocess.run([PROGRAM, "--root", self.root, *arguments], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def test_once(self):
        a = config("rendered-a", {"/etc/chrony.conf": "a\n", "/etc/x/y": "1\n"},
                   [{"name": "u.service", "enabled": True, "contents": "[Service]\n[Install]\nWantedBy=multi-user.target\n"}])
        (self.root / "etc/chrony.conf").write_text("the admin's\n")
        said = self.run_it("start", "--once-from", self.file(a), "--skip-reboot")
        self.assertIn("add file /etc/x/y", said)
        self.assertEqual((self.root / "etc/x/y").read_text(), "1\n")
        self.assertTrue((self.root / "etc/systemd/system/multi-user.target.wants/u.service").is_symlink())
        status = json.loads(self.run_it("status", "--json"))
        self.assertEqual((status["currentConfig"], status["differences"], status["change"]["phase"]),
                         ("rendered-a", [], "reboot"))
        # A file and a unit that nobody has a rule for want a reboot: until then nothing else is begun.
        self.run_it("start", "--once-from", self.file(config("rendered-b", {})), "--skip-reboot", code=1)
        (self.root / "proc/sys/kernel/random/boot_id").write_text("boot-2\n")
        self.run_it("start", "--once-from", self.file(config("rendered-b", {})), "--skip-reboot")
        self.assertEqual((self.root / "etc/chrony.conf").read_text(), "the admin's\n")
        self.assertFalse((self.root / "etc/x/y").exists())

    def test_verify(self):
        self.run_it("verify", code=1)
        self.run_it("start", "--once-from", self.file(config("rendered-a", {"/etc/chrony.conf": "a\n"})))
        self.run_it("verify")
        (self.root / "etc/chrony.conf").write_text("b\n")
        self.assertEqual(self.run_it("verify", code=3), '/etc/chrony.conf: line 1 is "b", should be "a"\n')
        self.assertEqual(json.loads(self.run_it("verify", "--json", code=3))["errors"], 1)
        self.assertIn("differs  /etc/chrony.conf", self.run_it("status"))

    def test_refused(self):
        before = tree(self.root)
        self.run_it("start", "--once-from", self.file(config("rendered-a", {}, fips=True)), code=3)
        self.run_it("start", "--once-from", self.file(config("rendered-a", {}, kernelType="realtime")), code=3)
        self.run_it("start", "--once-from", self.file({"kind": "Pod"}), code=3)
        self.run_it("start", "--once-from", "missing", code=1)
        self.assertEqual(tree(self.root), before)

    def test_killed_at_any_time(self):
        """Sooner or later the change is there; at no time is there half of one."""
        chance = random.Random(7)
        names = [f"/etc/containers/registries.d/{i}.yaml" for i in range(40)]
        state = None
        for i in range(24):
            text = f"{i}\n"
            name = self.file(config(f"rendered-{i}", {n: text for n in names}))
            before = state
            child = subprocess.Popen([PROGRAM, "--root", self.root, "start", "--once-from", name],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(chance.random() * 0.12)
            child.kill()
            child.wait()
            self.run_it("start", "--once-from", self.file(config(f"rendered-{i}x", {n: text + "x" for n in names}), "x.json"))
            state = {n: (self.root / n[1:]).read_text() for n in names}
            self.assertEqual(set(state.values()), {text + "x"})
            self.assertFalse((self.root / "etc/machine-config-daemon/undo").exists())
            del before
        self.run_it("verify")

    def test_first_boot(self):
        fake = Os(self.root)
        self.addCleanup(fake.close)
        encapsulated = self.root / "etc/ignition-machine-config-encapsulated.json"
        c = config("rendered-a", {}, osImageURL="quay.io/os@sha256:2222", kernelArguments=["nosmt", "a=1 b=2"])
        c["spec"]["config"] = {"ignition": {"version": "2.2.0"}}
        encapsulated.write_text(json.dumps(c))
        self.run_it("firstboot-complete-machineconfig")
        self.assertEqual([(verb, arguments) for verb, _, arguments in fake.asked],
                         [("switch", ["quay.io/os@sha256:2222"]), ("kargs", [])])
        self.assertEqual(fake.asked[1][1]["append"], ["nosmt", "a=1", "b=2"])
        self.assertFalse(encapsulated.exists())
        # Now it is there: nothing to do.
        fake.asked, fake.digest, fake.staged = [], "sha256:2222", False
        (self.root / "proc/cmdline").write_text("ro nosmt a=1 b=2\n")
        encapsulated.write_text(json.dumps(c))
        self.run_it("firstboot-complete-machineconfig")
        self.assertEqual(fake.asked, [])
        self.assertFalse(encapsulated.exists())

    def until(self, what, seconds=8):
        end = time.monotonic() + seconds
        while not what():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)

    def test_fleet(self):
        api = Api()
        self.addCleanup(api.server_close)
        self.addCleanup(api.shutdown)
        fake = Os(self.root)
        self.addCleanup(fake.close)
        for o in (config("rendered-a", {"/etc/chrony.conf": "a\n"}), config("rendered-b", {"/etc/chrony.conf": "b\n"}),
                  config("rendered-c", {"/etc/chrony.conf": "c\n"}, kernelArguments=["nosmt"])):
            api.put("machineconfigs", o)
        api.put("nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "uid": "1"}})
        (self.root / "etc/chrony.conf").write_text("a\n")
        daemon = self.root / "etc/machine-config-daemon"
        daemon.mkdir()
        (daemon / "node-annotations.json").write_text(json.dumps({PREFIX + "currentConfig": "rendered-a"}))
        kubeconfig = self.file({"apiVersion": "v1", "kind": "Config", "current-context": "c",
                                "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:%d" % api.server_port}}],
                                "users": [{"name": "u", "user": {}}],
                                "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}]}, "kubeconfig")
        state = lambda: (api.node("n1").get(PREFIX + "currentConfig"), api.node("n1").get(PREFIX + "state"))

        def start():
            return subprocess.Popen([PROGRAM, "--root", self.root, "start", "--kubeconfig", kubeconfig, "--node-name", "n1",
                                     "--skip-reboot"])
        child = start()
        self.until(lambda: state() == ("rendered-a", "Done"))
        api.annotate("n1", {PREFIX + "desiredConfig": "rendered-b"})
        self.until(lambda: state() == ("rendered-b", "Done"))
        (self.root / "etc/chrony.conf").write_text("drift\n")
        self.until(lambda: state()[1] == "Degraded", 1.5)
        (self.root / "etc/chrony.conf").write_text("b\n")
        self.until(lambda: state()[1] == "Done")
        requests = len(api.requests)
        time.sleep(1.2)
        self.assertEqual(len(api.requests), requests)
        status = pathlib.Path(f"/proc/{child.pid}/status").read_text().splitlines()
        rights = {line.split()[0]: int(line.split()[1], 16) for line in status if line.startswith("Cap")}
        for what in ("CapEff:", "CapPrm:", "CapBnd:"): # files of others, and acting as a user
            self.assertEqual(rights[what] & ~0xdf, 0, what)
        self.assertIn("NoNewPrivs:\t1", status)
        rss = [line.split()[1] for line in status if line.startswith(("VmRSS", "RssAnon"))]
        switches = [line.split()[1] for line in status if line.startswith("voluntary")]
        print(f"idle: RSS {rss[0]} kB, of it anonymous {rss[1]} kB; {switches[0]} wake-ups since the start")
        api.annotate("n1", {PREFIX + "desiredConfig": "rendered-c"})
        self.until(lambda: api.node("n1").get(PREFIX + "desiredDrain") == "drain-rendered-c")
        child.kill()
        child.wait()
        self.assertEqual((self.root / "etc/chrony.conf").read_text(), "b\n")
        child = start()
        api.annotate("n1", {PREFIX + "lastAppliedDrain": "drain-rendered-c"})
        self.assertEqual(child.wait(10), 0) # a reboot is to follow
        self.assertEqual(fake.asked[-1][0], "kargs")
        (self.root / "proc/cmdline").write_text("ro quiet nosmt\n")
        (self.root / "proc/sys/kernel/random/boot_id").write_text("boot-2\n")
        child = start()
        self.until(lambda: api.node("n1").get(PREFIX + "desiredDrain") == "uncordon-rendered-c")
        api.annotate("n1", {PREFIX + "lastAppliedDrain": "uncordon-rendered-c"})
        self.until(lambda: state() == ("rendered-c", "Done"))
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.wait(10), 0)


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit(77)
    unittest.main(verbosity=2)
