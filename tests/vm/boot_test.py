#!/usr/bin/env python3
"""Whole boots through the product's initramfs: from an empty disk into a real root, once and never again; what is told
when a step fails; the network only when it is needed; power cuts. BASALT_VM_CUTS is how many of them (2)."""
import http.server
import json
import os
import pathlib
import random
import subprocess
import threading

import vm

SAYS = """[Unit]
After=ignition-firstboot-complete.service
[Service]
Type=oneshot
StandardOutput=tty
ExecStart=/bin/echo this is the real root
[Install]
WantedBy=basic.target
"""
SAYS_UNIT = {"name": "says.service", "enabled": True, "contents": SAYS}
REAL = "this is the real root"
RESULT = "/etc/.ignition-result.json"


def config(disk, **more):
    """From nothing: a root and a second filesystem, files on both."""
    return {"ignition": {"version": "3.4.0"},
            "storage": {
                "disks": [{"device": disk, "wipeTable": True, "partitions": [
                    {"number": 1, "label": "root", "sizeMiB": 700}, {"number": 2, "label": "data"}]}],
                "filesystems": [
                    {"device": "/dev/disk/by-partlabel/root", "format": "ext4", "label": "root", "path": "/"},
                    {"device": "/dev/disk/by-partlabel/data", "format": "xfs", "label": "data", "path": "/srv/data"}],
                "files": [{"path": "/etc/motd", "mode": 0o600, "contents": {"source": "data:,hello"}},
                          {"path": "/srv/data/deep/file", "contents": {"source": "data:,on%20the%20second"}}]},
            "systemd": {"units": [SAYS_UNIT]}, **more}


def layered(disk):
    """The same, with the second filesystem in a container on an array."""
    value = config(disk)
    storage = value["storage"]
    storage["disks"][0]["partitions"][1:] = [{"number": n, "label": f"member-{n}", "sizeMiB": 100} for n in (2, 3)]
    storage["raid"] = [{"name": "pair", "level": "raid1", "devices": ["/dev/disk/by-partlabel/member-2",
                                                                      "/dev/disk/by-partlabel/member-3"]}]
    storage["luks"] = [{"name": "secret", "device": "/dev/md/pair", "keyFile": {"source": "data:,the%20key"},
                        "options": ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]}]
    storage["filesystems"][1].update(device="/dev/mapper/secret", format="ext4")
    return value


DEVICE = "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_system"


def check_provisioned(m):
    assert m.run("stat -c %a /etc/motd; cat /etc/motd") == "600\nhello"
    assert m.run("mkdir -p /tmp/d && mount -o ro LABEL=data /tmp/d && cat /tmp/d/deep/file; umount /tmp/d") == "on the second"
    assert m.run("test ! -e /etc/.ignition-files.journal && findmnt -no SOURCE /").strip()


def check_message(m, step, *words):
    """The emergency message names the step; nothing went on, and there is no shell."""
    m.wait_for("does not start", never=None)
    m.wait_for("command line[.]\n-{80}\n", since=m.console.index("does not start"), never=None)
    text = m.console[m.console.index("does not start"):]
    assert f"failed step   {step} " in text, text
    for word in words:
        assert word in text, (word, text)
    assert m.run("systemctl is-active initrd-switch-root.target; ps -e -o comm= | grep -c sulogin", check=False).output == \
        "inactive\n0\n"


def test_empty_disk_first_second_and_forged_first_boot():
    disk = vm.Disk("system", "1500M")
    # Of the devices themselves: udev may not have looked at all of them yet.
    asks = f"stat -c '%i %Y' {RESULT}; cat {RESULT}; blkid -p -o value -s UUID -s PART_ENTRY_UUID /dev/sda1 /dev/sda2"
    with vm.boot([disk], config(DEVICE)) as m:
        m.wait_for(REAL)
        check_provisioned(m)
        first = m.run(asks)
        m.run("echo changed > /etc/motd; systemctl poweroff --no-block")
        assert m.wait_for_end() == "guest-shutdown"
    with vm.boot([disk], config(DEVICE), first=False) as m:
        m.wait_for(REAL)
        second = m.run(asks)
        assert m.run("cat /etc/motd") == "changed\n"
        assert m.run("journalctl -q -b -t ignition; systemctl --failed -q --no-legend") == ""
        m.run("systemctl poweroff --no-block")
        m.wait_for_end()
    assert first == second, (first, second)
    # The boot loader's stamp is there again, by mistake.
    with vm.boot([disk], config(DEVICE)) as m:
        m.wait_for(REAL)
        third = m.run(asks)
        assert third == second, (third, second)
        assert m.run("cat /etc/motd") == "changed\n"
        assert "was provisioned before" in m.run("journalctl -q -b -u ignition-guard")


def test_failing_steps_are_named():
    disk = vm.Disk("system", "1500M")
    with vm.boot([disk], '{"ignition": {"version": "3.4.0"}, "storage": {"files": [{"path": "relative"}]}}') as m:
        check_message(m, "fetch-offline", "path not absolute")
    conflict = config(DEVICE)
    conflict["storage"]["files"].append({"path": "/usr", "contents": {"source": "data:,x"}})
    with vm.boot([disk], conflict) as m:
        check_message(m, "files", "/usr")
        assert m.run("findmnt -no TARGET /sysroot", check=False).status == 1


def test_root_that_never_comes():
    with vm.boot([], {"ignition": {"version": "3.4.0"}}, words="rd.timeout=2 rd.emergency=poweroff") as m:
        m.wait_for(r"failed step   root-wait (.|\n)*by-label/root \(root=LABEL=root\) did not appear within 2 s", never=None)
        assert m.wait_for_end() == "guest-shutdown"


def boot_disk(files):
    tree = pathlib.Path(vm.work / "boot-tree")
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    disk = vm.Disk("boot", "64M")
    subprocess.run(["mkfs.ext4", "-q", "-L", "boot", "-d", str(tree), str(disk.path)], check=True)
    return disk


def test_metal_config_from_the_boot_partition():
    unit = {"name": "boot.mount", "enabled": True,
            "contents": "[Mount]\nWhat=LABEL=boot\nWhere=/boot\nOptions=ro\n[Install]\nWantedBy=basic.target\n"}
    text = config(DEVICE)
    text["systemd"]["units"].append(unit)
    boot = boot_disk({"ignition.firstboot": "", "ignition/config.ign": json.dumps(text),
                      "loader/entries/a.conf": "title a\noptions quiet ignition.firstboot rw\n"})
    with vm.boot([vm.Disk("system", "1500M"), boot], words="ignition.platform.id=metal") as m:
        m.wait_for(REAL)
        check_provisioned(m)
        assert m.run("systemctl is-active ignition-firstboot-complete.service") == "active\n"
        assert m.run("findmnt -no OPTIONS /boot").startswith("ro")
        assert m.run("cd /boot; find . -type f | sort; cat loader/entries/a.conf") == \
            "./loader/entries/a.conf\ntitle a\noptions quiet rw\n"


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(config(DEVICE)).encode())

    def log_message(self, *_):
        pass


def test_made_by_dracut_with_network_for_the_config():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    parent = {"ignition": {"version": "3.4.0", "config": {"merge": [{"source": f"http://10.0.2.2:{server.server_port}/"}]}}}
    with vm.cold_boot([vm.Disk("system", "1500M")], parent, network=True,
                      words="ignition.firstboot ignition.platform.id=qemu") as m:
        m.wait_for(REAL)
        check_provisioned(m)
    server.shutdown()


def test_power_cuts():
    # One moment that once found a fault; by hand: BASALT_VM_CUTS=10 BASALT_VM_SEED=random for others.
    word = os.environ.get("BASALT_VM_SEED", "878886277")
    seed = random.randrange(1 << 32) if word == "random" else int(word)
    print(f"seed {seed}")
    chance = random.Random(seed)
    # The units after which the power goes; then a little later, anywhere in what follows.
    units = ["ignition-kargs", "ignition-disks", "ignition-mount", "ignition-files"]
    for _ in range(int(os.environ.get("BASALT_VM_CUTS", 1))):
        disk = vm.Disk("system", "1500M", format="qcow2")
        unit, pause = chance.choice(units), chance.uniform(0, 3)
        print(f"cut {pause:.2f} s after {unit}")
        with vm.boot([disk], layered(DEVICE)) as m:
            m.run(f"until systemctl is-active -q {unit}.service; do sleep 0.1; done; sleep {pause:.2f}", check=False)
            m.cut()
        with vm.boot([disk], layered(DEVICE)) as m:
            m.wait_for(REAL)
            check_provisioned(m)
            assert m.run("cryptsetup status secret | grep -c '/dev/md'; cat /etc/crypttab").split()[:2] == ["1", "secret"]
            assert not m.run("systemctl --failed -q --no-legend")


if __name__ == "__main__":
    vm.main()
