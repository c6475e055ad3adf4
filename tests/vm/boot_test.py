#!/usr/bin/env python3
"""Whole boots: through all units into a root, once and again; and what happens when a step fails."""
import subprocess

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
CONFIG = {"ignition": {"version": "3.4.0"},
          "storage": {"files": [{"path": "/etc/motd", "mode": 0o600, "contents": {"source": "data:,hello"}}]},
          "systemd": {"units": [{"name": "says.service", "enabled": True, "contents": SAYS}]}}


def root_disk():
    disk = vm.Disk("root", "1G")
    subprocess.run(["mkfs.ext4", "-q", "-L", "root", str(disk.path)], check=True)
    return disk


def test_first_and_second_boot():
    disk = root_disk()
    with vm.boot([disk], CONFIG) as m:
        m.wait_for("this is the real root")
        assert m.run("stat -c %a /etc/motd; cat /etc/motd") == "600\nhello"
        m.run("systemctl poweroff --no-block")
        assert m.wait_for_end() == "guest-shutdown"


if __name__ == "__main__":
    vm.main()
