#!/usr/bin/env python3
"""A system that updates itself: an image is put on a disk, started by GRUB, updated from a registry, taken back, and
comes back by itself from a version that does not boot."""
import json
import os
import subprocess
import sys

import initramfs
import os_image
import vm
from images import Registry, file, symlink

NAME = "os.example/basalt:stable"
WORDS = "root=LABEL=root rw console=ttyS0 quiet panic=5 systemd.show_status=error cryptomgr.notests mitigations=off basalt.tries=2"
FAILS = """[Unit]
DefaultDependencies=no
Before=boot-complete.target
[Service]
Type=oneshot
ExecStart=/bin/false
"""


def registries(host):
    return f'[[registry]]\nprefix = "os.example"\nlocation = "{host}"\ninsecure = true\n'


def program():
    return os.environ.get("BASALT_OS") or str(initramfs.TOP / "build/src/update/basalt-os")


def install(registry):
    """The disk of a machine that has the first version."""
    sysroot, config = vm.work / "sysroot", vm.work / "config/etc/containers"
    sysroot.mkdir()
    config.mkdir(parents=True)
    (config / "policy.json").write_text('{"default":[{"type":"insecureAcceptAnything"}]}')
    (config / "registries.conf").write_text(registries(registry.host))
    words = [f"--karg={word}" for word in WORDS.split()]
    for command in (["init"], ["--quiet", "switch", NAME, "--config-root", str(vm.work / "config"), *words]):
        subprocess.run([program(), "--sysroot", str(sysroot), *command], check=True, stdout=subprocess.DEVNULL)
    os_image.grub_install(sysroot / "boot")
    disk = os_image.disk_make(sysroot)
    os_image.sysroot_remove(sysroot)
    return disk


class System:
    """The machine, from boot to boot."""

    def __init__(self, machine):
        self.m, self.seen = machine, 0

    def up(self, version):
        """Waits for a boot to end, in this version."""
        found = self.m.wait_for(r"up: (\S+)", since=self.seen, never="emergency|Kernel panic")
        self.seen += found.end()
        assert found[1] == version, f"{found[1]} is up, not {version}"
        self.status = json.loads(self.m.run("basalt-os status --json"))
        return self.status

    def reboot(self):
        self.m.run("systemctl reboot --no-block")

    def versions(self):
        return [(d["version"], d["booted"]) for d in self.status["deployments"]]


def test_updates():
    os_image.require()
    base = os_image.base_layer()
    registry = Registry(vm.work / "registry")
    try:
        push = lambda version, *more: registry.push("basalt", os_image.OsImage(
            base, os_image.version_layer(version, *more), version), "stable")
        push("1")
        disk = install(registry)
        with vm.Machine(disks=[disk], memory=1024) as m:
            follow(System(m), registry, push)
    finally:
        registry.close()


def follow(s, registry, push):
    m = s.m
    # The first version.
    s.up("1")
    assert s.versions() == [("1", True)], s.versions()
    assert s.status["problems"] == [] and s.status["boot-trial"] is None, s.status
    assert "Read-only file system" in m.run("touch /usr/x", check=False).output
    m.run("echo mine > /etc/mine")
    m.network()
    m.put("/etc/containers/registries.conf", registries(registry.host.replace("127.0.0.1", "10.0.2.2")))
    # An update, which counts as good when it is up.
    push("2")
    said = m.run("basalt-os upgrade")
    assert "1 of 2 layers were new" in said, said
    s.reboot()
    s.up("2")
    assert s.versions() == [("2", True), ("1", False)], s.versions()
    assert m.run("cat /etc/mine") == "mine\n"
    m.run("until systemctl is-active -q basalt-os-boot-complete; do sleep 0.2; done")
    assert "its trial is over" in m.run("journalctl -q -b -u basalt-os-boot-complete")
    assert json.loads(m.run("basalt-os status --json"))["boot-trial"] is None
    # Back.
    m.run("basalt-os rollback")
    s.reboot()
    s.up("1")
    assert s.versions() == [("1", True), ("2", False)], s.versions()
    fall_back(s, push)


def fall_back(s, push):
    """A version whose boot is never complete is tried twice; then the former one is there again."""
    m = s.m
    m.network()
    m.run("until systemctl is-active -q basalt-os-boot-complete; do sleep 0.2; done")
    push("3", file(f"{os_image.UNITS}/fails.service", FAILS),
         symlink(f"{os_image.UNITS}/boot-complete.target.requires/fails.service", "../fails.service"))
    m.run("basalt-os upgrade")
    failed = json.loads(m.run("basalt-os status --json"))["deployments"][0]
    s.reboot()
    for left in (1, 0):
        found = m.wait_for(r"up: (\S+)", since=s.seen, never="emergency|Kernel panic")
        s.seen += found.end()
        assert found[1] == "3", (left, found[1])
    s.up("1")
    m.run("until systemctl is-active -q basalt-os-boot-complete; do sleep 0.2; done")
    status = json.loads(m.run("basalt-os status --json"))
    assert [(d["version"], d["booted"]) for d in status["deployments"]] == [("1", True), ("3", False)], status
    fell = status["boot-fallback"]
    assert (fell["checksum"], fell["tries"]) == (failed["checksum"], 2), fell
    assert "did not reach boot-complete.target in 2 tries" in fell["reason"]
    assert "went back to this system" in m.run("basalt-os status")
    assert status["boot-trial"] is None and status["problems"] == [], status
    said = m.run("basalt-os upgrade --unchanged-exit-77", check=False)
    assert said.status == 77 and "did not reach boot-complete.target" in said.output, said


if __name__ == "__main__":
    if not os.environ.get("BASALT_VM_OS"):
        print("six boots take minutes: BASALT_VM_OS=1 runs them")
        sys.exit(77)
    vm.main()
