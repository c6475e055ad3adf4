#!/usr/bin/env python3
"""How a test in a virtual machine looks; and that what the others stand on is there."""
import http.server
import threading

import vm


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"from the host")

    def log_message(self, *_):
        pass


def test_disks_tools_and_clock():
    with vm.idle() as m:
        one, big = m.add_disk("one", "1G"), m.add_disk("big", "2G", sector=4096)
        m.run(f"mkfs.ext4 -q -L hello {one.device}; udevadm settle")
        assert "hello" in m.run("lsblk -no LABEL /dev/disk/by-label/hello")
        assert m.run(f"blockdev --getss {big.device}") == "4096\n"
        m.run("modprobe -a raid1 dm_crypt dm_raid xfs btrfs vfat")
        assert m.run("true && false", check=False).status == 1


def test_files_stage():
    config = {"ignition": {"version": "3.4.0"},
              "storage": {"files": [{"path": "/etc/motd", "contents": {"source": "data:,hello"}}]}}
    with vm.idle() as m:
        m.put_ignition()
        m.stages(config, "files", root="/sysroot")
        assert m.read("/sysroot/etc/motd") == b"hello"


def test_tpm_and_network():
    pages = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    with vm.idle(tpm=True) as m:
        m.run("tpm2_pcrread sha256:7")
        sealed = m.run("echo secret | clevis encrypt tpm2 '{}'", check=False)
        assert sealed.status == 0, sealed.output
        m.network()
        assert m.run(f"curl -fsS http://10.0.2.2:{pages.server_port}/") == "from the host"
    pages.shutdown()


if __name__ == "__main__":
    vm.main()
