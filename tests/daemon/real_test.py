#!/usr/bin/env python3
"""real_test.py PROGRAM SOURCE-ROOT: a node's program against a real API server (see tests/kube/real_test.py): first
boot, a change, drift, an Event, and how much memory it takes with TLS. Skipped where no such server was built."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

program, source = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
tool = source / "tools/kube-apiserver"
PREFIX = "machineconfiguration.openshift.io/"

if not shutil.which("kubectl") or os.geteuid() != 0 or subprocess.run([tool, "path"], capture_output=True).returncode:
    print("no kubectl, no real API server, or not root")
    sys.exit(77)

scratch = pathlib.Path(tempfile.mkdtemp(prefix="basalt-node-"))
kubeconfig = scratch / "admin.kubeconfig"
os.chmod(scratch, 0o755)


def kubectl(*arguments, text=None):
    return subprocess.run(["kubectl", "--kubeconfig", str(kubeconfig), *arguments], input=text, text=True, check=True,
                          stdout=subprocess.PIPE).stdout


def put(o):
    kubectl("apply", "-f", "-", text=json.dumps(o))


def config(name, text):
    return {"apiVersion": PREFIX + "v1", "kind": "MachineConfig", "metadata": {"name": name}, "spec": {
        "config": {"ignition": {"version": "3.4.0"}, "storage": {"files": [
            {"path": "/etc/chrony.conf", "contents": {"source": "data:," + text}}]}}}}


def state():
    a = json.loads(kubectl("get", "node", "n1", "-o", "json"))["metadata"].get("annotations", {})
    return a.get(PREFIX + "currentConfig"), a.get(PREFIX + "state")


def until(wanted, seconds=15):
    end = time.monotonic() + seconds
    while state() != wanted:
        assert time.monotonic() < end, (state(), wanted)


root = scratch / "root"
for name, text in {"etc/passwd": "core:x:1000:1000::/home/core:/bin/sh\n", "proc/cmdline": "ro\n", "etc/chrony.conf": "a",
                   "etc/machine-config-daemon/node-annotations.json": json.dumps({PREFIX + "currentConfig": "rendered-a"})}.items():
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)
child = None
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers end with the test
try:
    subprocess.run([tool, "start", scratch], check=True)
    kubectl("apply", "-f", str(source / "deploy/crds"), "-f", str(source / "deploy/rbac.yaml"))
    kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    for o in (config("rendered-a", "a"), config("rendered-b", "b"), {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}):
        put(o)
    child = subprocess.Popen([program, "--root", root, "start", "--kubeconfig", kubeconfig, "--node-name", "n1"])
    until(("rendered-a", "Done"))
    kubectl("annotate", "node", "n1", PREFIX + "desiredConfig=rendered-b", "--overwrite")
    until(("rendered-b", "Done"))
    assert (root / "etc/chrony.conf").read_text() == "b"
    (root / "etc/chrony.conf").write_text("drift")
    until(("rendered-b", "Degraded"))
    (root / "etc/chrony.conf").write_text("b")
    until(("rendered-b", "Done"))
    assert "ConfigDriftDetected" in kubectl("get", "events", "-A")
    time.sleep(1)
    status = pathlib.Path(f"/proc/{child.pid}/status").read_text()
    print("idle, with TLS:", *[" ".join(line.split()) for line in status.splitlines() if line.startswith(("VmRSS", "RssAnon"))])
    child.terminate()
    assert child.wait(10) == 0
    child = None
finally:
    if child:
        child.kill()
        child.wait()
    subprocess.run([tool, "stop", scratch])
    shutil.rmtree(scratch)
