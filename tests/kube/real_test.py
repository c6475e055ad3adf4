#!/usr/bin/env python3
"""real_test.py DRIVER SOURCE-ROOT: the client against a real API server: objects, parts of lists, watches, patches,
conflicts, elections, informers; and deploy/ with kubectl.

The server is the one that `tools/kube-apiserver build` has put into the cache; without it the test is skipped, unless
BASALT_KUBE=1 asks for it to be built."""
import errno
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

from driver import Driver

program, root = sys.argv[1], pathlib.Path(sys.argv[2])
tool = root / "tools/kube-apiserver"
MAP = {"apiVersion": "v1", "kind": "ConfigMap"}


def expect(answer, error=0, *words):
    assert answer["result"] == -error, answer
    for word in words:
        assert word in answer.get("error", ""), answer
    return answer.get("object")


def named(name, **more):
    return {**MAP, "metadata": {"name": name, **more.pop("metadata", {})}, **more}


def objects(d):
    put = lambda verb, name, body=None, **more: d.call(verb, "ConfigMap", namespace="default", name=name, body=body, **more)
    first = expect(put("create", "a", named("a", data={"x": "1"})))
    assert first["metadata"]["namespace"] == "default" and first["kind"] == "ConfigMap"
    expect(put("create", "a", named("a")), errno.EEXIST, "creating configmaps 'default/a'", "already exists")
    assert expect(put("get", "a"))["data"] == {"x": "1"}
    expect(put("get", "b"), errno.ENOENT, "not found")
    second = expect(put("update", "a", {**first, "data": {"x": "2"}}))
    expect(put("update", "a", {**first, "data": {"x": "3"}}), errno.ESTALE, "modified")
    assert expect(put("patch", "a", {"data": {"y": "4"}}, patch="merge"))["data"] == {"x": "2", "y": "4"}
    assert expect(put("patch", "a", [{"op": "remove", "path": "/data/x"}], patch="json"))["data"] == {"y": "4"}
    assert expect(put("patch", "a", {"data": {"z": "5"}}, patch="strategic"))["data"] == {"y": "4", "z": "5"}
    applied = expect(put("patch", "a", named("a", data={"w": "6"}), patch="apply", field_manager="me"))
    assert applied["data"] == {"w": "6", "y": "4", "z": "5"}
    expect(put("patch", "a", named("a", data={"w": "7"}), patch="apply", field_manager="you"), errno.ESTALE, "conflict")
    expect(put("patch", "a", named("a", data={"w": "7"}), patch="apply", field_manager="you", force=True))
    expect(put("patch", "a", {"data": 7}, patch="merge"), errno.EINVAL)
    assert any(f["manager"] == "basalt-test" for f in applied["metadata"]["managedFields"])
    expect(put("create", "dry", named("dry"), dry_run=True))
    expect(put("get", "dry"), errno.ENOENT)
    expect(put("delete", "a", {"preconditions": {"uid": "wrong"}}), errno.ESTALE)
    expect(put("delete", "a", {"preconditions": {"uid": second["metadata"]["uid"]}}, propagation="Background", dry_run=True))
    expect(put("delete", "a", propagation="Background"))
    expect(put("delete", "a"), errno.ENOENT)
    made = expect(d.call("create", "ConfigMap", namespace="default", body={**MAP, "metadata": {"generateName": "made-"}}))
    assert made["metadata"]["name"].startswith("made-")
    expect(put("delete", made["metadata"]["name"]))
    assert not expect(d.call("list", "Pod"))["items"]


def lists(d):
    for i in range(25):
        expect(d.call("create", "ConfigMap", namespace="default", body=named(f"m{i:02}", metadata={"labels": {"odd": str(i % 2)}})))
    names, token, parts = [], None, 0
    while parts == 0 or token:
        part = expect(d.call("list", "ConfigMap", namespace="default", limit=10, continue_token=token, label_selector="odd"))
        names += [i["metadata"]["name"] for i in part["items"]]
        assert all(i["kind"] == "ConfigMap" and i["apiVersion"] == "v1" for i in part["items"])
        token, parts = part["metadata"].get("continue"), parts + 1
    assert names == [f"m{i:02}" for i in range(25)] and parts == 3, (names, parts)
    odd = expect(d.call("list", "ConfigMap", label_selector="odd=1,odd!=0"))
    assert len(odd["items"]) == 12
    one = expect(d.call("list", "ConfigMap", field_selector="metadata.name=m03"))
    assert [i["metadata"]["name"] for i in one["items"]] == ["m03"]
    expect(d.call("list", "ConfigMap", label_selector="=="), errno.EINVAL)
    part = expect(d.call("list", "ConfigMap", namespace="default", limit=1))
    return part["metadata"]["resourceVersion"], part["metadata"]["continue"]


def compact(version):
    url = (scratch / "etcd.url").read_text().strip() + "/v3/kv/compaction"
    with urllib.request.urlopen(url, json.dumps({"revision": version, "physical": True}).encode()) as answer:
        answer.read()


def watches(d, version, token):
    d.watch("ConfigMap", namespace="default", label_selector="odd=1", resource_version=version)
    for i in (1, 2):
        expect(d.call("patch", "ConfigMap", namespace="default", name=f"m0{i}", patch="merge", body={"data": {"x": "ö\n\"\u2028"}}))
    event = d.next()
    assert (event["type"], event["object"]["metadata"]["name"]) == ("MODIFIED", "m01"), event
    assert event["object"]["data"] == {"x": "ö\n\"\u2028"}, event
    expect(d.call("patch", "ConfigMap", namespace="default", name="m03", patch="merge", body={"metadata": {"labels": {"odd": None}}}))
    assert d.next()["type"] == "DELETED"
    expect(d.call("create", "ConfigMap", namespace="default", body=named("new", metadata={"labels": {"odd": "1"}})))
    assert d.next()["type"] == "ADDED"
    assert d.next(100)["result"] == 0
    compact(expect(d.call("get", "ConfigMap", namespace="default", name="new"))["metadata"]["resourceVersion"])
    d.watch("Event", resource_version="1")  # of which the server keeps no copy
    expect(d.next(), errno.ESTALE)
    expect(d.call("list", "ConfigMap", namespace="default", limit=1, continue_token=token), errno.ESTALE)
    d.watch("ConfigMap", namespace="default", resource_version=version, timeout_ms=1000)
    answers = [d.next() for _ in range(6)]
    assert answers[-1]["result"] == -errno.EPIPE and answers[0]["type"] == "MODIFIED", answers


def kubectl(*arguments, code=0, text=None):
    done = subprocess.run(["kubectl", "--kubeconfig", str(config), *arguments], input=text, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out = "\n".join(line for line in done.stdout.splitlines() if not line.startswith("WARNING: version"))
    assert (done.returncode == 0) == (code == 0), out
    return out


MACHINE_CONFIG = """
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfig
metadata:
  name: 50-x
  labels: {machineconfiguration.openshift.io/role: worker}
  annotations: {machineconfiguration.openshift.io/generated-by-controller-version: v7}
spec:
  config: {ignition: {version: 3.4.0}, storage: {files: [{path: /etc/x, contents: {source: "data:,x"}}]}, anything: [1]}
  kernelArguments: [quiet]
"""


def deployed(d):
    kubectl("apply", "-f", str(root / "deploy/crds"), "-f", str(root / "deploy/rbac.yaml"))
    kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    kubectl("apply", "-f", "-", text=MACHINE_CONFIG)
    kubectl("apply", "-f", "-", code=1, text=MACHINE_CONFIG.replace("[quiet]", "quiet"))
    lines = [line.split() for line in kubectl("get", "mc").splitlines()]
    assert lines[0] == ["NAME", "GENERATEDBYCONTROLLER", "IGNITIONVERSION", "AGE"] and lines[1][:3] == ["50-x", "v7", "3.4.0"]
    kept = expect(d.call("get", "MachineConfig", name="50-x"))
    assert kept["spec"]["config"]["anything"] == [1]

    for value, good in [(1, True), ("10%", True), ("100%", True), ("101%", False), ("1", False), (-1, False), (1.5, False)]:
        pool = {"apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool", "metadata": {"name": "worker"},
                "spec": {"maxUnavailable": value, "machineConfigSelector": {"matchLabels": {"a": "b"}},
                         "nodeSelector": {"matchLabels": {"node-role.kubernetes.io/worker": ""}}}}
        answer = d.call("patch", "MachineConfigPool", name="worker", patch="apply", body=pool, force=True)
        assert (answer["result"] == 0) == good, (value, answer)
    assert "status" not in expect(d.call("patch", "MachineConfigPool", name="worker", patch="merge", body={"status": {"machineCount": 9}}))
    status = {"machineCount": 3, "readyMachineCount": 2, "updatedMachineCount": 1, "degradedMachineCount": 0,
              "configuration": {"name": "rendered-worker-1", "source": [{"name": "50-x"}]},
              "conditions": [{"type": "Updated", "status": "False"}, {"type": "Updating", "status": "True"},
                             {"type": "Degraded", "status": "False", "reason": "", "message": "", "lastTransitionTime": None}]}
    kept = expect(d.call("patch", "MachineConfigPool", name="worker", subresource="status", patch="merge", body={"status": status}))
    assert kept["status"]["configuration"]["source"] == [{"name": "50-x"}]
    lines = [line.split() for line in kubectl("get", "mcp").splitlines()]
    assert lines[0] == ["NAME", "CONFIG", "UPDATED", "UPDATING", "DEGRADED", "MACHINECOUNT", "READYMACHINECOUNT",
                        "UPDATEDMACHINECOUNT", "DEGRADEDMACHINECOUNT", "AGE"], lines
    assert lines[1][:-1] == ["worker", "rendered-worker-1", "False", "True", "False", "3", "2", "1", "0"], lines

    body = {"apiVersion": "machineconfiguration.openshift.io/v1", "metadata": {"name": "x"}}
    expect(d.call("create", "KubeletConfig", body={**body, "kind": "KubeletConfig", "spec": {"kubeletConfig": {"maxPods": 9}}}))
    for size, good in [("8192", True), ("10Mi", True), ("1.5Gi", True), ("ten", False), (9000, True)]:
        answer = d.call("create", "ContainerRuntimeConfig", body={**body, "kind": "ContainerRuntimeConfig",
            "metadata": {"generateName": "c-"}, "spec": {"containerRuntimeConfig": {"logSizeMax": size}}})
        assert (answer["result"] == 0) == good, (size, answer)
    expect(d.call("create", "ControllerConfig", body={**body, "kind": "ControllerConfig", "spec": {"clusterDNSIP": "10.3.0.10", "other": 1}}))

    def may(who, verb, what):
        resource, _, sub = what.partition("/")
        said = kubectl("auth", "can-i", verb, resource, "--as", who, *(["--subresource", sub] if sub else []),
                       code=0 if (who, verb, what) in allowed else 1)
        return said.split()[-1] == "yes"
    of = "system:serviceaccount:openshift-machine-config-operator:"
    allowed = {(of + "machine-config-controller", "patch", "machineconfigpools/status"),
               (of + "machine-config-controller", "create", "pods/eviction"),
               (of + "machine-config-daemon", "patch", "nodes"), (of + "machine-config-daemon", "get", "machineconfigs"),
               (of + "node-bootstrapper", "create", "certificatesigningrequests")}
    for who, verb, what in allowed | {(of + "machine-config-daemon", "update", "machineconfigs"),
                                      (of + "node-bootstrapper", "get", "machineconfigs"), (of + "machine-config-controller", "get", "secrets"),
                                      (of + "machine-config-server", "get", "secrets")}:
        assert may(who, verb, what) == ((who, verb, what) in allowed), (who, verb, what)


def election():
    ours = dict(namespace="default", name="leader", duration_sec=3, renew_ms=2000, retry_ms=300)
    one, two = Driver(program, config), Driver(program, config)
    one.ask(do="lease", identity="one", **ours)
    two.ask(do="lease", identity="two", **ours)
    assert one.ask(do="elect", ms=2000)["held"]
    assert two.ask(do="elect", ms=500)["holder"] == "one"
    for _ in range(5):
        assert one.ask(do="elect", ms=300)["held"] and not two.ask(do="elect", ms=300)["held"]
    one.ask(do="release")
    start = time.monotonic()
    assert two.ask(do="elect", ms=2500)["held"] and time.monotonic() - start < 2
    # The holder is stopped for longer than its Lease lasts: the other leads, and it knows that it does not.
    one.ask(do="elect", ms=10)
    start = time.monotonic()
    while not (got := one.ask(do="elect", ms=1000))["held"]:
        assert time.monotonic() - start < 8, got
    assert time.monotonic() - start >= 2.5
    assert not two.ask(do="elect", ms=10)["held"]
    lease = expect(one.call("get", "Lease", namespace="default", name="leader"))["spec"]
    assert lease["holderIdentity"] == "one" and lease["leaseTransitions"] == 2, lease
    one.close()
    two.close()


def informer(d):
    i = Driver(program, config)
    i.ask(do="inform", kind="ConfigMap", namespace="default", page=7)
    got = i.ask(do="informed", ms=500)
    there = len(expect(d.call("list", "ConfigMap", namespace="default"))["items"])
    assert got["seen"] == got["count"] == there and got["synced"] == 1, (got, there)
    expect(d.call("delete", "ConfigMap", namespace="default", name="m05"))
    expect(d.call("create", "ConfigMap", namespace="default", body=named("late")))
    got = i.ask(do="informed", ms=500)
    assert (got["seen"], got["gone"], got["synced"], got["count"]) == (there + 1, 1, 1, there), got
    i.close()


def refused(d):
    """A certificate that is good, of somebody who may do nothing."""
    run = lambda *a: subprocess.run(["openssl", *a], cwd=scratch, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "nobody.key", "-out", "csr", "-subj", "/CN=nobody")
    run("x509", "-req", "-in", "csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-out", "nobody.crt")
    path = scratch / "nobody.kubeconfig"
    path.write_text(config.read_text().replace("client.", "nobody."))
    n = Driver(program, path)
    expect(n.call("get", "Secret", namespace="default", name="x"), errno.EACCES, "forbidden")
    n.watch("Node")
    expect(n.next(), errno.EACCES)
    n.close()
    path.write_text(config.read_text().replace("{client-certificate: client.crt, client-key: client.key}", "{token: hush}"))
    n = Driver(program, path)
    answer = n.call("get", "Node", name="x")
    expect(answer, errno.EACCES, "401")
    assert "hush" not in str(answer)
    n.close()


def measured(d):
    d.watch("Node")
    assert d.next(1000)["result"] == 0
    m = d.memory()
    n = 500
    us = d.ask(do="gets", n=n, kind="Namespace", name="default")["us"]
    print(f"an idle watch: {m['rss']} kB resident, {m['anonymous']} kB of them its own; {n * 1000000 // us} GETs a second")


if not shutil.which("kubectl"):
    print("kubectl is not installed")
    sys.exit(77)
if os.environ.get("BASALT_KUBE") == "1":
    subprocess.run([tool, "build"], check=True)
if subprocess.run([tool, "path"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
    print("there is no kube-apiserver in the cache; BASALT_KUBE=1 builds it (9 minutes of a processor)")
    sys.exit(77)
scratch = pathlib.Path(tempfile.mkdtemp(prefix="basalt-kube-"))
config = scratch / "admin.kubeconfig"
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the servers end with the test
try:
    subprocess.run([tool, "start", scratch], check=True)
    driver = Driver(program, config)
    objects(driver)
    watches(driver, *lists(driver))
    informer(driver)
    refused(driver)
    deployed(driver)
    election()
    measured(driver)
    driver.close()
except BaseException:
    log = scratch / "apiserver.log"
    print("".join(log.read_text().splitlines(True)[-20:]) if log.exists() else "no server ran")
    raise
finally:
    subprocess.run([tool, "stop", scratch], check=False)
    shutil.rmtree(scratch)
