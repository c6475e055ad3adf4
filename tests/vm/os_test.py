#!/usr/bin/env python3
"""A system that updates itself: an image is put on a disk, started by GRUB, updated from a registry, taken back, and
comes back by itself from a version that does not boot."""
import json
import os
import subprocess
import sys
import time

import initramfs
import os_image
import vm
from images import Registry, file, symlink

NAME = "os.example/basalt:stable"
WORDS = "console=ttyS0 quiet panic=5 systemd.show_status=error cryptomgr.notests mitigations=off basalt.tries=2"
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
    disk, config = vm.Disk("system", "2G"), vm.work / "config/etc/containers"
    config.mkdir(parents=True)
    (config / "policy.json").write_text('{"default":[{"type":"insecureAcceptAnything"}]}')
    (config / "registries.conf").write_text(registries(registry.host))
    words = [f"--karg={word}" for word in WORDS.split()]
    subprocess.run([program(), "install", "--image", NAME, "--disk", str(disk.path), "--config-root", str(vm.work / "config"),
                    *words], check=True, stdout=subprocess.DEVNULL)
    return disk


class System:
    """The machine, from boot to boot: each is a QEMU of its own, since firmware is three times as slow after a reset."""

    def __init__(self, disk):
        self.disk, self.started = disk, time.monotonic()
        self.start()

    def start(self):
        self.m = vm.Machine(disks=[self.disk])

    def tell(self, what):
        print(f"{time.monotonic() - self.started:6.1f} s  {what}", flush=True)

    def up(self, version):
        """Waits for this boot to be complete, in this version."""
        found = self.m.wait_for(r"up: (\S+)\n", never="emergency|Kernel panic|init: ")
        assert found[1] == version, f"{found[1]} is up, not {version}"
        self.m.run("until systemctl is-active -q basalt-os-boot-complete; do sleep 0.2; done")
        self.status = json.loads(self.m.run("basalt-os status --json"))
        assert self.status["problems"] == [], self.status["problems"]
        self.tell(f"{version} is up")

    def ended(self):
        """The machine starts anew: in a machine of its own."""
        assert self.m.wait_for_end() == "guest-reset"
        self.m.cut()
        self.start()

    def reboot(self):
        """Asked for a little later: the agent has to answer before it is ended."""
        self.m.run("(sleep 1; exec systemctl reboot) > /dev/null 2>&1 &")
        self.ended()

    def upgrade(self, registry):
        """From the host's registry, as 10.0.2.2."""
        self.m.network()
        self.m.put("/etc/containers/registries.conf", registries(registry.host.replace("127.0.0.1", "10.0.2.2")))
        said = self.m.run("basalt-os upgrade")
        self.tell("fetched")
        return said

    def versions(self):
        return [(d["version"], d["booted"]) for d in self.status["deployments"]]


def test_updates():
    os_image.require()
    base = os_image.base_layer()
    registry = Registry(vm.work / "registry")

    def push(version, *more):
        registry.push("basalt", os_image.OsImage(base, os_image.version_layer(version, *more), version), "stable")

    try:
        push("1.0")
        s = System(install(registry))
        there_and_back(s, registry, push)
        fall_back(s, registry, push)
        s.m.cut()
    finally:
        registry.close()


def there_and_back(s, registry, push):
    s.up("1.0")
    assert s.versions() == [("1.0", True)], s.versions()
    assert s.status["boot-trial"] is None, s.status
    assert "Read-only file system" in s.m.run("touch /usr/x", check=False).output
    s.m.run("echo mine > /etc/mine")
    push("2.0")
    said = s.upgrade(registry)
    assert "1 of 2 layers were new" in said, said
    s.reboot()
    s.up("2.0")
    assert s.versions() == [("2.0", True), ("1.0", False)], s.versions()
    assert s.m.run("cat /etc/mine") == "mine\n"
    assert "its trial is over" in s.m.run("journalctl -q -b -u basalt-os-boot-complete")
    assert s.status["boot-trial"] is None and s.status["boot-fallback"] is None, s.status
    s.m.run("basalt-os rollback")
    s.reboot()
    s.up("1.0")
    assert s.versions() == [("1.0", True), ("2.0", False)], s.versions()


def fall_back(s, registry, push):
    """A version whose boot is never complete is tried twice; then the former one is there again."""
    push("3.0", file(f"{os_image.UNITS}/fails.service", FAILS),
         symlink(f"{os_image.UNITS}/boot-complete.target.requires/fails.service", "../fails.service"))
    s.upgrade(registry)
    failed = json.loads(s.m.run("basalt-os status --json"))["deployments"][0]
    s.reboot()
    for left in (1, 0):
        s.m.wait_for(r"Booting `.* 3\.0 \(ostree:0\)", never="did not")
        s.ended()
        s.tell(f"3.0 failed, {left} tries are left")
    s.m.wait_for(r"did\s+not\s+boot: starting the system before it")
    s.up("1.0")
    assert s.versions() == [("1.0", True), ("3.0", False)], s.versions()
    fell = s.status["boot-fallback"]
    assert (fell["checksum"], fell["tries"]) == (failed["checksum"], 2), fell
    assert "did not reach boot-complete.target in 2 tries" in fell["reason"]
    assert s.status["boot-trial"] is None, s.status
    assert "went back to this system" in s.m.run("basalt-os status")
    s.m.network()
    said = s.m.run("basalt-os upgrade --unchanged-exit-77", check=False)
    assert said.status == 77 and "did not reach boot-complete.target" in said.output, said


if __name__ == "__main__":
    if not os.environ.get("BASALT_VM_OS"):
        print("six boots take minutes: BASALT_VM_OS=1 runs them")
        sys.exit(77)
    vm.main()
