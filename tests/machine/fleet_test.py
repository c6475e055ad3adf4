#!/usr/bin/env python3
"""fleet_test.py BASALT: a local cluster as its user has it: a change that arrives on every machine of its pool and
on no other, one that needs a reboot, a paused pool, drift that is told and mended, a config that cannot be, and the
way back. The user's kubectl does it; there is nothing of the test's own in between. Needs root and namespaces."""
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

BASALT = os.path.abspath(sys.argv.pop(1))
ROLE = "machineconfiguration.openshift.io/role"
ANNOTATION = "machineconfiguration.openshift.io/"
CONF = "/etc/crio/crio.conf"


def config(name, path, text, **more):
    files = [{"path": path, "mode": 0o644, "overwrite": True, "contents": {"source": "data:," + urllib.parse.quote(text)}}]
    return {"apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfig",
            "metadata": {"name": name, "labels": {ROLE: "worker"}},
            "spec": {"config": {"ignition": {"version": "3.2.0"}, "storage": {"files": files}}, **more}}


class Fleet(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.top = tempfile.mkdtemp(prefix="basalt-fleet-test-")
        cls.state = os.path.join(cls.top, "state")
        run = subprocess.run([BASALT, "up", "--state", cls.state], capture_output=True, text=True, timeout=180)
        assert run.returncode == 0, run.stdout + run.stderr
        assert "worker     rendered-worker-" in run.stdout, run.stdout

    @classmethod
    def tearDownClass(cls):
        subprocess.run([BASALT, "down", "--state", cls.state], capture_output=True, timeout=60)
        shutil.rmtree(cls.top, ignore_errors=True)

    def inside(self, machine, *command, text=None):
        return subprocess.run([BASALT, "machine", "shell", "--state", self.state, machine, "--", *command],
                              capture_output=True, text=True, timeout=90, input=text)

    def kubectl(self, *arguments, text=None):
        run = self.inside("master-0", "kubectl", *arguments, text=text)
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout

    def get(self, *arguments):
        return json.loads(self.kubectl("get", "-o", "json", *arguments))

    def apply(self, *objects):
        return self.inside("master-0", "kubectl", "apply", "-f", "-", text="\n---\n".join(map(json.dumps, objects)))

    def until(self, what, ok, seconds=60):
        """The value that is as it should be; what it was last when it never is."""
        end = time.monotonic() + seconds
        while True:
            value = what()
            if ok(value):
                return value
            if time.monotonic() > end:
                logs = {m: self.log(m)[-2000:] for m in ("master-0", "worker-0", "worker-1")}
                self.fail(f"still {value}\n{json.dumps(logs, indent=1)}")
            time.sleep(0.1)

    def pool(self, name="worker"):
        pool = self.get("machineconfigpool", name)
        conditions = {c["type"]: c["status"] == "True" for c in pool["status"]["conditions"]}
        return {"target": pool["spec"]["configuration"]["name"], "has": pool["status"]["configuration"].get("name"),
                **conditions, "messages": {c["type"]: c["message"] for c in pool["status"]["conditions"]}}

    def change(self, *objects):
        """Applied, rendered anew, and on every node."""
        before = self.pool()["target"]
        done = self.apply(*objects)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.until(self.pool, lambda p: p["target"] != before and p["has"] == p["target"] and p["Updated"])

    def file(self, machine, path=CONF):
        return (pathlib.Path(self.state) / "machines" / machine / "root" / path[1:]).read_text()

    def log(self, machine):
        return (pathlib.Path(self.state) / "machines" / machine / "log").read_text(errors="replace")

    def annotations(self, node):
        return {k[len(ANNOTATION):]: v for k, v in self.get("node", node)["metadata"]["annotations"].items() if k.startswith(ANNOTATION)}

    def test_columns(self):
        head, *rows = self.kubectl("get", "machineconfigpools").splitlines()
        self.assertEqual(head.split()[:5], ["NAME", "CONFIG", "UPDATED", "UPDATING", "DEGRADED"])
        self.assertEqual([r.split()[0] for r in rows], ["master", "worker"])
        rows = [r.split() for r in self.kubectl("get", "machineconfigs").splitlines()[1:]]
        names = [r[0] for r in rows]
        made_by = {r[0]: r[1] for r in rows if len(r) == 4}
        self.assertEqual(len({made_by[n] for n in ("00-master", "00-worker", "01-worker-kubelet")}), 1, rows)
        self.assertNotIn("99-worker-ssh", made_by)
        for role in ("master", "worker"):
            for name in (f"00-{role}", f"01-{role}-container-runtime", f"01-{role}-kubelet", f"99-{role}-ssh"):
                self.assertIn(name, names)
        paths = [l.split()[1] for l in self.kubectl("describe", "machineconfigs", "01-worker-container-runtime").splitlines() if "Path:" in l]
        self.assertEqual(sorted(paths), ["/etc/containers/registries.conf", "/etc/containers/storage.conf", CONF])

    def test_nodes_joined_with_certificates_of_their_own(self):
        nodes = {n["metadata"]["name"]: n for n in self.get("nodes")["items"]}
        self.assertEqual(sorted(nodes), ["master-0", "worker-0", "worker-1"])
        subject = self.inside("worker-0", "openssl", "x509", "-noout", "-subject", "-in", "/var/lib/kubelet/pki/kubelet-client-current.pem")
        self.assertIn("system:node:worker-0", subject.stdout)
        # as a node: itself, and no other
        own = self.inside("worker-0", "kubectl", "--kubeconfig", "/var/lib/kubelet/kubeconfig", "get", "node", "worker-0")
        other = self.inside("worker-0", "kubectl", "--kubeconfig", "/var/lib/kubelet/kubeconfig", "label", "node", "worker-1", "x=y")
        secrets = self.inside("worker-0", "kubectl", "--kubeconfig", "/var/lib/kubelet/kubeconfig", "get", "secrets", "-A")
        self.assertEqual((own.returncode, other.returncode != 0, secrets.returncode != 0), (0, True, True), own.stderr)

    def test_keys_of_the_control_plane_are_in_no_config(self):
        self.assertNotIn("control-plane", self.kubectl("get", "machineconfigs", "-o", "yaml"))
        self.assertTrue((pathlib.Path(self.state) / "machines/master-0/root/etc/basalt/control-plane/tls").is_dir())

    def test_certificates_are_renewed(self):
        plane = pathlib.Path(self.state) / "machines/master-0/root/etc/basalt/control-plane"
        before = (plane / "tls/basalt-apiserver.crt").read_text()
        given = self.file("master-0", "/etc/mcs/kubeconfig")
        self.assertEqual(self.inside("master-0", "basalt-certs-renew").returncode, 0)
        self.assertEqual((plane / "tls/basalt-apiserver.crt").read_text(), before)  # nothing was due
        # no systemd runs here: the API is ended, and its service starts it anew
        script = "systemctl() { pkill -x basalt-apiserve; }; set -- --all; . /usr/local/bin/basalt-certs-renew"
        run = self.inside("master-0", "bash", "-c", script)
        self.assertEqual(run.returncode, 1, run.stderr)  # the root's key is not in the cluster
        self.assertNotEqual((plane / "tls/basalt-apiserver.crt").read_text(), before)
        self.assertNotEqual(self.file("master-0", "/etc/mcs/kubeconfig"), given)
        served = "openssl s_client -connect localhost:6443 </dev/null 2>/dev/null | openssl x509 -noout -fingerprint"
        of_file = "openssl x509 -noout -fingerprint -in /etc/basalt/control-plane/tls/basalt-apiserver.crt"
        new = self.inside("master-0", "sh", "-c", of_file).stdout
        self.until(lambda: self.inside("master-0", "sh", "-c", served).stdout, lambda t: t == new)
        self.change(config("52-after", CONF + ".d/52", "# renewed\n"))  # and the fleet goes on
        self.assertEqual(self.file("worker-0", CONF + ".d/52"), "# renewed\n")

    def test_killed_at_random(self):
        """API, controller, config server and daemons are killed while the pool changes; all of it arrives."""
        rng = random.Random(5)
        programs = {"master-0": ["basalt-apiserve", "machine-config-", "machine-config-"], "worker-0": ["machine-config-"],
                    "worker-1": ["machine-config-"]}
        for number in range(2):
            path = "/etc/killed.conf" if number % 2 else CONF + ".d/57"  # with a reboot, and without
            text = f"# {number}\n"
            end = time.monotonic() + 120
            while self.apply(config("57-killed", path, text)).returncode != 0 and time.monotonic() < end:
                time.sleep(0.2)  # the API was killed a moment ago
            for _ in range(6):
                machine = rng.choice(list(programs))
                self.inside(machine, "pkill", "-9", "-x", rng.choice(programs[machine]))
                time.sleep(rng.uniform(0, 0.6))

            def state():
                try:
                    pool = self.pool()
                    there = [self.file(w, path) == text for w in ("worker-0", "worker-1")]
                except (AssertionError, OSError):
                    return None
                return pool if all(there) else None
            self.until(state, lambda p: p and p["Updated"] and p["has"] == p["target"], 120)
        cordoned = [n["metadata"]["name"] for n in self.get("nodes")["items"] if n.get("spec", {}).get("unschedulable")]
        self.assertEqual(cordoned, [])

    def test_pids_limit(self):
        master = self.file("master-0")
        self.change(config("10-worker-container-runtime", CONF, "[crio.runtime]\npids_limit = 1500\n"))
        for worker in ("worker-0", "worker-1"):
            self.assertEqual(self.file(worker), "[crio.runtime]\npids_limit = 1500\n")
            self.assertNotIn("starts anew", self.log(worker).split("state Working")[-1])
        self.assertEqual(self.file("master-0"), master)
        self.kubectl("delete", "machineconfig", "10-worker-container-runtime")  # the way back
        self.until(lambda: [self.file(w) for w in ("worker-0", "worker-1")], lambda f: f == [master] * 2)
        self.until(self.pool, lambda p: p["Updated"])

    def test_reboot(self):
        before = [self.log(w).count("starts anew") for w in ("worker-0", "worker-1")]
        self.change(config("50-unknown", "/etc/unknown.conf", "x\n"))
        after = [self.log(w).count("starts anew") for w in ("worker-0", "worker-1")]
        self.assertEqual(after, [n + 1 for n in before])
        self.assertEqual(self.file("worker-1", "/etc/unknown.conf"), "x\n")

    def test_paused(self):
        self.kubectl("patch", "mcp", "worker", "--type=merge", "-p", '{"spec":{"paused":true}}')
        before = self.pool()["target"]
        self.assertEqual(self.apply(config("55-paused", CONF + ".d/55", "# x\n")).returncode, 0)
        pool = self.until(self.pool, lambda p: p["target"] != before and not p["Updating"] and not p["Updated"])
        self.assertIn("Pool is paused", pool["messages"]["Updating"])
        self.assertEqual(self.annotations("worker-0")["desiredConfig"], before)
        self.kubectl("patch", "mcp", "worker", "--type=merge", "-p", '{"spec":{"paused":false}}')
        self.until(self.pool, lambda p: p["Updated"] and p["has"] == p["target"] != before)
        self.assertEqual(self.file("worker-0", CONF + ".d/55"), "# x\n")

    def test_drift(self):
        path = pathlib.Path(self.state) / "machines/worker-1/root/etc/containers/storage.conf"
        declared = path.read_text()
        path.write_text("changed\n")
        state = self.until(lambda: self.annotations("worker-1"), lambda a: a["state"] == "Degraded", 10)
        self.assertIn("/etc/containers/storage.conf", state["reason"])
        pool = self.until(self.pool, lambda p: p["Degraded"])
        self.assertIn("Node worker-1 is reporting", pool["messages"]["NodeDegraded"])
        self.kubectl("annotate", "mcp", "worker", ANNOTATION + "driftRepair=true")
        self.until(lambda: path.read_text(), lambda t: t == declared)
        self.until(self.pool, lambda p: p["Updated"] and not p["Degraded"])
        self.kubectl("annotate", "mcp", "worker", ANNOTATION + "driftRepair-")

    def test_what_cannot_be(self):
        bad = config("60-bad", "relative", "x")
        done = self.apply(bad)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("spec.config.storage.files.0.path", done.stderr)
        before = self.pool()["target"]
        disks = {"apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfig",
                 "metadata": {"name": "60-disks", "labels": {ROLE: "worker"}},
                 "spec": {"config": {"ignition": {"version": "3.2.0"}, "storage": {"disks": [{"device": "/dev/sdx", "wipeTable": True}]}}}}
        self.assertEqual(self.apply(disks).returncode, 0)
        pool = self.until(self.pool, lambda p: p["RenderDegraded"])
        self.assertIn("disks", pool["messages"]["RenderDegraded"])
        self.assertEqual(pool["target"], before)
        self.kubectl("delete", "machineconfig", "60-disks")
        self.until(self.pool, lambda p: not p["RenderDegraded"] and p["Updated"])

    def test_container_runtime_config(self):
        self.kubectl("label", "mcp", "worker", "custom=small")
        self.change({"apiVersion": "machineconfiguration.openshift.io/v1", "kind": "ContainerRuntimeConfig", "metadata": {"name": "pids"},
                     "spec": {"machineConfigPoolSelector": {"matchLabels": {"custom": "small"}}, "containerRuntimeConfig": {"pidsLimit": 2048}}})
        self.assertIn("pids_limit = 2048\n", self.file("worker-0"))
        self.kubectl("delete", "containerruntimeconfig", "pids")
        self.until(lambda: self.file("worker-1"), lambda t: "2048" not in t)
        self.until(self.pool, lambda p: p["Updated"])


if __name__ == "__main__":
    if os.geteuid() != 0 or not shutil.which("kubectl"):
        print("no kubectl, or not root")
        sys.exit(77)
    unittest.main(verbosity=2)
