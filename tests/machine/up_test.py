#!/usr/bin/env python3
"""up_test.py BASALT: the main job as a user sees it, and what is left of it afterwards: nothing.

Needs root and namespaces; each test has a state directory of its own."""
import ctypes
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

BASALT = os.path.abspath(sys.argv.pop(1))
RUNNING = {"bootstrap": "stopped", "master-0": "running", "worker-0": "running", "worker-1": "running"}
CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000


def processes_naming(text):
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if text in (entry / "cmdline").read_bytes().decode(errors="replace") and int(entry.name) != os.getpid():
                found.append(int(entry.name))
        except OSError:
            pass
    return found


class Up(unittest.TestCase):
    def setUp(self):
        self.top = tempfile.mkdtemp(prefix="basalt-up-test-")
        self.state = os.path.join(self.top, "state")

    def tearDown(self):
        self.basalt("down", "--state", self.state)
        shutil.rmtree(self.top, ignore_errors=True)

    def basalt(self, *arguments):
        return subprocess.run([BASALT, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)

    def up(self, *arguments):
        return self.basalt("up", "--state", self.state, *arguments)

    def inside(self, machine, *command):
        return self.basalt("machine", "shell", "--state", self.state, machine, "--", *command)

    def assert_nothing_left(self):
        self.assertFalse(os.path.exists(self.state))
        self.assertEqual(processes_naming(self.state), [])
        self.assertNotIn(self.state, pathlib.Path("/proc/self/mountinfo").read_text())

    def test_chain(self):
        run = self.up()
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertEqual(run.stdout.count("✓"), 10, run.stdout)
        self.assertIn(f"basalt machine shell --state {self.state} worker-0", run.stdout)
        machines = {m["name"]: m for m in json.loads(self.basalt("machine", "list", "--json", "--state", self.state).stdout)}
        self.assertEqual(sorted(machines), ["bootstrap", "master-0", "worker-0", "worker-1"])
        self.assertEqual({n: m["state"] for n, m in machines.items()}, RUNNING) # the bootstrap has left
        self.assertTrue(machines["master-0"]["config"].startswith("rendered-master-"))
        self.assertEqual(machines["worker-0"]["config"], machines["worker-1"]["config"])
        self.check_where_configs_came_from()
        self.check_inside()
        self.check_secrets()
        nobody = subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", BASALT, "down", "--state", self.state],
                                capture_output=True, text=True)
        if "setpriv:" not in nobody.stderr: # it can run the program
            self.assertEqual((nobody.returncode, "Permission denied" in nobody.stderr), (1, True), nobody.stderr)
        unknown = self.inside("worker-9", "true")
        self.assertEqual(unknown.returncode, 1)
        self.assertIn(f"basalt machine list --state {self.state}", unknown.stderr)
        again = self.up()
        self.assertEqual(again.returncode, 1)
        self.assertIn("basalt down", again.stderr)
        listed = json.loads(self.basalt("machine", "list", "--json", "--state", self.state).stdout)
        self.assertEqual({m["name"]: m["state"] for m in listed}, RUNNING) # the refused one did not end them
        self.assertEqual(self.basalt("down", "--state", self.state).returncode, 0)
        self.assert_nothing_left()

    def check_where_configs_came_from(self):
        logs = {m: self.basalt("machine", "log", m, "--state", self.state).stdout for m in ("bootstrap", "master-0")}
        self.assertIn("got pool 'master'", logs["bootstrap"])
        self.assertNotIn("got pool 'worker'", logs["bootstrap"])
        self.assertEqual(logs["master-0"].count("got pool 'worker'"), 2)
        token = json.loads((pathlib.Path(self.state) / "install/worker.ign").read_text())
        source = token["ignition"]["config"]["append"][0]["source"]
        self.assertNotIn(source.split("token=")[1], "".join(logs.values()))

    def check_inside(self):
        self.assertEqual(self.inside("worker-1", "hostname").stdout, "worker-1\n")
        self.assertNotEqual(self.inside("worker-0", "touch", "/usr/x").returncode, 0)
        self.assertEqual(self.inside("worker-0", "sh", "-c", "exit 7").returncode, 7)
        motd = pathlib.Path(self.state) / "machines/bootstrap/root/etc/motd"
        self.assertIn("bootkube.service", motd.read_text())
        paths = self.inside("worker-0", "ls", "/etc/crio/crio.conf", "/etc/containers/storage.conf")
        self.assertEqual(paths.returncode, 0, paths.stderr)
        self.assertEqual(self.inside("worker-0", "ls", "/").stdout.split()[:3], ["bin", "boot", "dev"])
        no_way_out = self.inside("worker-0", "sh", "-c", "ip route show default")
        self.assertEqual(no_way_out.stdout, "")
        self.assertEqual(self.basalt("machine", "shell", "nobody-0", "--state", self.state).returncode, 1)

    def check_secrets(self):
        self.assertEqual(os.stat(self.state).st_mode & 0o077, 0)
        for path, mode in (("etc/kubernetes/kubeconfig", 0o600), ("etc/.ignition-result.json", 0o600)):
            found = os.stat(os.path.join(self.state, "machines/worker-0/root", path)).st_mode & 0o777
            self.assertEqual(found, mode, path)

    def test_killed_in_the_middle(self):
        for delay in sorted(random.Random(7).uniform(0.05, 2.5) for _ in range(6)):
            run = subprocess.Popen([BASALT, "up", "--state", self.state], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(delay)
            run.send_signal(signal.SIGKILL)
            run.wait()
            down = self.basalt("down", "--state", self.state)
            self.assertEqual(down.returncode, 0, down.stderr)
            self.assert_nothing_left()

    def test_interrupted(self):
        for number, after in ((signal.SIGINT, 0), (signal.SIGTERM, 2), (signal.SIGHUP, 4)):
            # Whoever runs the tests under nohup has SIGHUP ignored, and so would have what it starts.
            run = subprocess.Popen([BASALT, "up", "--state", self.state, "--json"], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True,
                                   preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
            for _ in range(after): # so many steps are done
                run.stdout.readline()
            time.sleep(0.05)
            run.send_signal(number)
            _, errors = run.communicate(timeout=60)
            self.assertEqual(run.returncode, 128 + number, errors)
            if after:
                self.assertIn(f"basalt down --state {self.state}", errors)
            listed = json.loads(self.basalt("machine", "list", "--json", "--state", self.state).stdout)
            self.assertNotIn("running", {m["state"] for m in listed})
            self.assertEqual(processes_naming(self.state), [])
            self.assertEqual(self.basalt("down", "--state", self.state).returncode, 0)
            self.assert_nothing_left()

    def test_two_at_once(self):
        runs = [subprocess.Popen([BASALT, "up", "--state", self.state, "--workers", "0"], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True) for _ in range(2)]
        said = [run.communicate() for run in runs]
        self.assertEqual(sorted(run.returncode for run in runs), [0, 1], said)
        machines = json.loads(self.basalt("machine", "list", "--json", "--state", self.state).stdout)
        self.assertEqual([m["state"] for m in machines], ["stopped", "running"])

    def test_failed_config_leaves_no_machine(self):
        bad = os.path.join(self.top, "bad.yaml")
        pathlib.Path(bad).write_text("apiVersion: v1\nbaseDomain: example.com\nmetadata: {name: x}\nplatform: {none: {}}\n"
                                     "networking: {serviceNetwork: [172.30.0.1/16]}\n")
        run = self.up("--config", bad)
        self.assertEqual(run.returncode, 1)
        self.assertIn("serviceNetwork", run.stderr)
        self.assertEqual(self.basalt("machine", "list", "--json", "--state", self.state).stdout.strip(), "[]")

    def test_down_removes_only_what_up_made(self):
        os.mkdir(self.state)
        pathlib.Path(self.state, "mine").write_text("x")
        down = self.basalt("down", "--state", self.state)
        self.assertEqual(down.returncode, 1)
        self.assertTrue(os.path.exists(os.path.join(self.state, "mine")))
        self.assertEqual(self.up().returncode, 1)
        os.unlink(os.path.join(self.state, "mine"))

    def test_without_network_namespaces(self):
        """In a user namespace that allows none, all share one loopback."""
        ready, go = os.pipe(), os.pipe()
        out = os.path.join(self.top, "out")
        pid = os.fork()
        if pid == 0:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0:
                os._exit(77)
            os.write(ready[1], b"x")
            os.read(go[0], 1)
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
            pathlib.Path("/proc/sys/user/max_net_namespaces").write_text("0")
            fd = os.open(out, os.O_WRONLY | os.O_CREAT)
            os.dup2(fd, 1)
            os.dup2(fd, 2)
            code = subprocess.run([BASALT, "up", "--state", self.state, "--workers", "1"]).returncode
            code = code or subprocess.run([BASALT, "down", "--state", self.state]).returncode
            os._exit(code)
        os.close(ready[1])
        if not os.read(ready[0], 1):
            os.waitpid(pid, 0)
            self.skipTest("user namespaces are refused")
        for name in ("uid_map", "gid_map"):
            pathlib.Path(f"/proc/{pid}/{name}").write_text("0 0 65536")
        os.write(go[1], b"x")
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        text = pathlib.Path(out).read_text()
        self.assertEqual(code, 0, text)
        self.assertIn("namespaces are refused here", text)
        self.assertIn("worker-0 provisioned", text)
        self.assert_nothing_left()


if os.geteuid() != 0:
    print("machines need root")
    sys.exit(77)
unittest.main(verbosity=2)
