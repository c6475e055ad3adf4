"""Every platform against a fake of what it asks: the requests are right in all that the service looks at, what is
served is what comes out, and "no config", a failure and a reason to try again are told from each other."""
import base64
import json
import os
import pathlib
import socket
import struct
import subprocess
import threading
import unittest

from harness import ProvisionTest, config, file_entry, gz, main, merge
from platform_fake import Cloud, Rule

LINK_LOCAL = "169.254.169.254"
TEXT = json.dumps(config(storage={"files": [file_entry("/from-the-platform", "data:,x")]}))
B64 = base64.b64encode(TEXT.encode()).decode()
OK, NONE, BUSY = (200, {}, TEXT), (404, {}, "s3cr3t"), (503, {}, "")


class Service:
    """A row: where the user data are, what has to be sent, what 404 means, what is tried again."""

    def __init__(self, path, host=LINK_LOCAL, headers=None, token=None, ok=OK, required=False, retry=(), low_port=False):
        self.path, self.host, self.headers, self.token = path, host, headers or {}, token
        self.ok, self.required, self.retry, self.low_port = ok, required, retry, low_port

    def rules(self, *answers):
        rules = []
        headers = dict(self.headers)
        if self.token:
            path, sent, back = self.token
            rules.append(Rule("PUT", self.host, path, (200, {}, "t0ken\n"), headers=sent))
            headers[back] = "t0ken"
        return rules + [Rule("GET", self.host, self.path, *answers, headers=headers, low_port=self.low_port)]


SERVICES = {
    "akamai": Service("/v1/user-data", headers={"Accept": "*/*"}, ok=(200, {}, B64), required=True,
                      token=("/v1/token", {"Metadata-Token-Expiry-Seconds": "300", "Accept": "text/plain"},
                             "Metadata-Token")),
    "aliyun": Service("/latest/user-data", host="100.100.100.200"),
    "aws": Service("/2019-10-01/user-data",
                   token=("/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "21600"},
                          "X-aws-ec2-metadata-token")),
    "azure": Service("/metadata/instance/compute/userData?api-version=2021-01-01&format=text",
                     headers={"Metadata": "true"}, ok=(200, {}, B64), retry=(404, 410, 429)),
    "digitalocean": Service("/metadata/v1/user-data", required=True),
    "exoscale": Service("/1.0/user-data"),
    "gcp": Service("/computeMetadata/v1/instance/attributes/user-data", headers={"Metadata-Flavor": "Google"}),
    "hetzner": Service("/hetzner/v1/userdata"),
    "oraclecloud": Service("/opc/v2/instance/metadata/user_data", headers={"Authorization": "Bearer Oracle"},
                           ok=(200, {}, B64), retry=(429,)),
    "packet": Service("/userdata", host="metadata.packet.net", headers={"Accept": "*/*"}, required=True),
    "scaleway": Service("/user_data/cloud-init", host="169.254.42.42", low_port=True),
    "upcloud": Service("/metadata/v1/user_data"),
    "vultr": Service("/user-data/user-data", required=True),
}
PACKET_METADATA = (200, {}, json.dumps({"phone_home_url": "http://tinkerbell.invalid/phone-home"}))


class PlatformTest(ProvisionTest):
    def setUp(self):
        super().setUp()
        self.dev, self.sys, self.run_dir = self.dir / "dev", self.dir / "sys", self.dir / "host-run"
        for d in (self.dev / "disk/by-label", self.sys / "class/block", self.run_dir):
            d.mkdir(parents=True)
        self.env |= {"BASALT_DEV": str(self.dev), "BASALT_SYSFS": str(self.sys), "BASALT_RUN": str(self.run_dir)}
        self.cloud = None

    def serve(self, *rules):
        if self.cloud:
            self.cloud.close()
        else:
            self.addCleanup(lambda: self.cloud.close())
        self.cloud = Cloud(*rules)
        self.env["BASALT_METADATA"] = self.cloud.url
        self.cache.unlink(missing_ok=True)

    def fetch(self, platform, code=0, stage="fetch", timeout=None):
        out = self.stage(stage, platform=platform, code=code, args=("-fetch-timeout", timeout) if timeout else ())
        self.assertNotIn("t0ken", out)
        self.assertNotIn("s3cr3t", out)
        if self.cloud:
            self.assertEqual(self.cloud.faults, [])
        return out

    def assert_config(self):
        self.assertEqual(list(self.cached_files()), ["/from-the-platform"])

    def assert_no_config(self):
        self.assertEqual(list(self.cached()), ["ignition"])

    def drive(self, label, **files):
        root = self.dev / "disk/by-label" / label
        for path, text in files.items():
            file = root / path.replace("__", "/").replace("_DOT_", ".")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        root.mkdir(exist_ok=True)
        return root

    def fake_program(self, name, script):
        self.calls = self.dir / "calls"
        path = self.dir / "fakes" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.calls}\n{script}\n')
        path.chmod(0o755)
        self.env["PATH"] = f"{path.parent}:{os.environ['PATH']}"


class MetadataServices(PlatformTest):
    def packet_rules(self, platform):
        if platform != "packet":
            return []
        return [Rule("GET", "metadata.packet.net", "/metadata", PACKET_METADATA),
                Rule("POST", "tinkerbell.invalid", "/events", (200, {}, ""))]

    def test_served(self):
        for platform, service in SERVICES.items():
            with self.subTest(platform=platform):
                self.serve(*service.rules(BUSY, service.ok), *self.packet_rules(platform))
                self.fetch(platform)
                self.assert_config()
                self.assertEqual(self.cloud.asked().count(("GET", service.path)), 2, "503 is tried again")

    def test_absent(self):
        for platform, service in SERVICES.items():
            if 404 in service.retry:
                continue
            with self.subTest(platform=platform):
                self.serve(*service.rules(NONE), *self.packet_rules(platform))
                self.fetch(platform, code=1 if service.required else 0)
                self.assertEqual(self.cloud.asked().count(("GET", service.path)), 1)
                if not service.required:
                    self.assert_no_config()

    def test_refused(self):
        for platform, service in SERVICES.items():
            with self.subTest(platform=platform):
                self.serve(*service.rules((403, {}, "s3cr3t")), *self.packet_rules(platform))
                self.fetch(platform, code=1)
                self.assertFalse(self.cache.exists())
                self.assertEqual(self.cloud.asked().count(("GET", service.path)), 1)

    def test_statuses_that_pass(self):
        for platform, service in SERVICES.items():
            if not service.retry:
                continue
            with self.subTest(platform=platform):
                passing = [(status, {}, "s3cr3t") for status in service.retry]
                self.serve(*service.rules(*passing, service.ok))
                self.fetch(platform)
                self.assert_config()
        self.serve(*SERVICES["hetzner"].rules((429, {}, "")))
        self.fetch("hetzner", code=1)

    def test_fetch_timeout(self):
        for platform, service in SERVICES.items():
            with self.subTest(platform=platform):
                self.serve(*service.rules(BUSY), *self.packet_rules(platform))
                self.fetch(platform, code=1, timeout="300ms")

    def test_offline(self):
        for platform in [*SERVICES, "openstack", "brightbox", "cloudstack"]:
            with self.subTest(platform=platform):
                self.serve()
                self.fetch(platform, stage="fetch-offline")
                self.assertTrue(self.neednet.exists())
                self.assertEqual(self.cloud.requests, [])
                self.neednet.unlink()

    def test_redirect(self):
        self.serve(*SERVICES["hetzner"].rules((302, {"Location": "/else"}, "")))
        self.cloud.rules.append(Rule("GET", self.cloud.url[7:], "/else", OK, absent=("Accept",)))
        self.fetch("hetzner")
        self.assert_config()

    def test_no_tokens(self):
        token = Rule("PUT", LINK_LOCAL, "/latest/api/token", (404, {}, ""))
        self.serve(token, Rule("GET", LINK_LOCAL, "/2019-10-01/user-data", OK, absent=("X-aws-ec2-metadata-token",)))
        self.fetch("aws")
        self.assert_config()
        self.serve(Rule("PUT", LINK_LOCAL, "/v1/token", (404, {}, "")))
        self.fetch("akamai", code=1)
        for bad in ("", " \n", "two words", "a\r\nX-Evil: 1"):
            self.serve(Rule("PUT", LINK_LOCAL, "/v1/token", (200, {}, bad)))
            self.assertIn("token", self.fetch("akamai", code=1))

    def test_not_base64(self):
        for platform in ("akamai", "azure", "oraclecloud"):
            self.serve(*SERVICES[platform].rules((200, {}, "{}")))
            self.assertIn("base64", self.fetch(platform, code=1))

    def test_base64_in_lines(self):
        self.serve(*SERVICES["oraclecloud"].rules((200, {}, B64[:40] + "\r\n" + B64[40:] + "\n")))
        self.fetch("oraclecloud")
        self.assert_config()

    def test_packed(self):
        packed = gz(TEXT.encode())
        service = SERVICES["hetzner"]
        for body in (packed, base64.b64encode(packed), base64.encodebytes(TEXT.encode()), gz(B64.encode())):
            self.serve(*service.rules((200, {}, body)))
            self.assertRegex(self.fetch("hetzner"), "decompressing|decoding")
            self.assert_config()
        for body in (packed[:-9], b"\x1f\x8b\x08", base64.b64encode(b"#!/bin/sh"), b"#cloud-config\n"):
            self.serve(*service.rules((200, {}, body)))
            self.fetch("hetzner", code=1)

    def test_empty(self):
        for answer in ((200, {}, ""), (204, {}, "")):
            self.serve(*SERVICES["gcp"].rules(answer))
            self.fetch("gcp")
            self.assert_no_config()

    def test_packet_is_told(self):
        def told(request):
            message = json.loads(request.body)
            if message != {"state": "running", "message": "[fetch] Ignition status: finished successfully"}:
                yield str(message)

        rules = SERVICES["packet"].rules(OK)
        self.serve(*rules, Rule("GET", "metadata.packet.net", "/metadata", PACKET_METADATA),
                   Rule("POST", "tinkerbell.invalid", "/events", (201, {}, ""), check=told,
                        headers={"Content-Type": "application/json"}))
        self.fetch("packet")
        self.assertIn(("POST", "/events"), self.cloud.asked())

    def test_packet_is_told_of_a_failure(self):
        bodies = []
        self.serve(*SERVICES["packet"].rules(NONE), Rule("GET", "metadata.packet.net", "/metadata", PACKET_METADATA),
                   Rule("POST", "tinkerbell.invalid", "/events", check=lambda r: bodies.append(r.body) or ()))
        self.fetch("packet", code=1)
        message = json.loads(bodies[0])
        self.assertEqual(message["state"], "failed")
        self.assertTrue(message["message"].startswith("[fetch] Ignition error: failed to acquire config"))

    def test_packet_cannot_be_told(self):
        self.serve(*SERVICES["packet"].rules(OK), Rule("GET", "metadata.packet.net", "/metadata", (200, {}, "{}")))
        self.assertIn("phone_home_url", self.fetch("packet"))
        self.assert_config()


OPENSTACK = "openstack__latest__user_data"
CLOUDSTACK = "cloudstack__userdata__user_data_DOT_txt"
DRIVES = [("ibmcloud", "cidata", "user-data"), ("kubevirt", "cidata", "user-data"),
          ("kubevirt", "config-2", OPENSTACK), ("nutanix", "config-2", OPENSTACK),
          ("powervs", "config-2", OPENSTACK), ("proxmoxve", "cidata", "user-data"),
          ("proxmoxve", "cidata", "vendor-data"), ("metal", "boot", "ignition__config_DOT_ign")]
RACING = [(platform, label, OPENSTACK) for platform in ("openstack", "brightbox") for label in ("config-2", "CONFIG-2")]
RACING += [("cloudstack", label, CLOUDSTACK) for label in ("config-2", "CONFIG-2")]


class Drives(PlatformTest):
    def test_served(self):
        for platform, label, path in DRIVES:
            with self.subTest(platform=platform, path=path):
                self.cache.unlink(missing_ok=True)
                root = self.drive(label, **{path: TEXT})
                self.fetch(platform, stage="fetch-offline")
                self.assert_config()
                subprocess.run(["rm", "-r", root], check=True)

    def test_without_user_data(self):
        for platform, label, path in DRIVES:
            for files in ({}, {path: ""}, {"other": TEXT}):
                with self.subTest(platform=platform, files=files):
                    self.cache.unlink(missing_ok=True)
                    root = self.drive(label, **files)
                    self.fetch(platform)
                    self.assert_no_config()
                    subprocess.run(["rm", "-r", root], check=True)

    def test_unreadable(self):
        (self.drive("config-2") / "openstack/latest/user_data").mkdir(parents=True)
        self.fetch("nutanix", code=1)

    def test_links_stay_on_the_drive(self):
        outside = self.dir / "outside"
        outside.write_text(TEXT)
        (self.drive("cidata") / "user-data").symlink_to(outside)
        self.fetch("ibmcloud")
        self.assert_no_config()

    def test_not_there(self):
        for platform in ("nutanix", "powervs", "kubevirt"):
            self.assertIn("in time", self.fetch(platform, code=1, timeout="200ms"))
        for platform in ("ibmcloud", "proxmoxve", "metal"):
            self.cache.unlink(missing_ok=True)
            self.fetch(platform, timeout="200ms")
            self.assert_no_config()

    def test_appears_later(self):
        for platform, label, path in [("powervs", "config-2", OPENSTACK), ("metal", "boot", "ignition__config_DOT_ign")]:
            self.cache.unlink(missing_ok=True)
            self.cmdline.write_text("ostree=/ostree/boot.1/x/y/0\n")
            root = self.dir / "not-yet" / label
            (root / path.replace("__", "/").replace("_DOT_", ".")).parent.mkdir(parents=True)
            (root / path.replace("__", "/").replace("_DOT_", ".")).write_text(TEXT)
            p = subprocess.Popen([os.environ["BASALT_IGNITION"], "-platform", platform, "-stage", "fetch", "-root", "",
                                  "-config-cache", self.cache, "-state-file", self.state, "-neednet", self.neednet,
                                  "-log-to-stdout"], env=self.env, stdout=subprocess.PIPE, text=True)
            for line in p.stdout:
                if "waiting for" in line:
                    root.rename(self.dev / "disk/by-label" / label)
            p.stdout.close()
            self.assertEqual(p.wait(), 0)
            self.assert_config()

    def test_cloud_config_is_passed_over(self):
        self.drive("cidata", **{"user-data": "#cloud-config\n{}", "vendor-data": TEXT})
        self.fetch("proxmoxve")
        self.assert_config()
        self.cache.unlink()
        self.drive("cidata", **{"user-data": "#cloud-config\n{}", "vendor-data": "#cloud-config\n{}"})
        self.fetch("proxmoxve")
        self.assert_no_config()
        self.fetch("ibmcloud", code=1)

    def test_packed(self):
        (self.drive("config-2", **{OPENSTACK: ""}) / "openstack/latest/user_data").write_bytes(gz(TEXT.encode()))
        self.fetch("nutanix")
        self.assert_config()

    def test_azure_custom_data(self):
        empty = SERVICES["azure"].rules((200, {}, ""))
        cd = self.dev / "sr0"
        (self.sys / "class/block/sr0").mkdir()
        cd.mkdir()
        (cd / "ovf-env.xml").write_text("<x/>")
        (cd / "CustomData.bin").write_text(TEXT)
        self.serve(*empty)
        self.fetch("azure")
        self.assert_config()
        self.cache.unlink()
        self.serve()
        self.fetch("azurestack", stage="fetch-offline")
        self.assert_config()
        self.cache.unlink()
        (cd / "CustomData.bin").unlink()
        self.fetch("azurestack")
        self.assert_no_config()
        (cd / "ovf-env.xml").unlink()
        self.assertIn("in time", self.fetch("azurestack", code=1, timeout="200ms"))


class Races(PlatformTest):
    METADATA = {"openstack": (LINK_LOCAL, "/openstack/latest/user_data"),
                "brightbox": (LINK_LOCAL, "/openstack/latest/user_data"),
                "cloudstack": ("192.0.2.7", "/latest/user-data")}

    def metadata(self, platform, *answers):
        host, path = self.METADATA[platform]
        self.serve(Rule("GET", host, path, *answers))
        # The machine's own interfaces are asked over IPv6 as well, each by its name.
        self.cloud.rules += [Rule("GET", f"[fe80::a9fe:a9fe%25{name}]", path, *answers[-1:])
                             for name in os.listdir("/sys/class/net")]

    def lease(self):
        leases = self.run_dir / "systemd/netif/leases"
        leases.mkdir(parents=True, exist_ok=True)
        (leases / "1").write_text("# a lease\nADDRESS=192.0.2.9\nSERVER_ADDRESS=192.0.2.7\n")

    def test_metadata(self):
        self.lease()
        for platform in self.METADATA:
            self.metadata(platform, BUSY, OK)
            self.fetch(platform)
            self.assert_config()

    def test_no_user_data(self):
        self.lease()
        for platform in self.METADATA:
            self.metadata(platform, NONE)
            self.fetch(platform)
            self.assert_no_config()

    def test_drive_first(self):
        self.lease()
        for platform, label, path in RACING:
            self.metadata(platform, BUSY)
            root = self.drive(label, **{path: TEXT})
            self.fetch(platform)
            self.assert_config()
            subprocess.run(["rm", "-r", root], check=True)

    def test_drive_without_a_lease(self):
        self.drive("config-2", **{CLOUDSTACK: TEXT})
        self.fetch("cloudstack")
        self.assert_config()

    def test_a_refusal_is_not_the_end(self):
        """The service fails for good; the drive comes after that."""
        self.metadata("openstack", (403, {}, ""))
        root = self.dir / "not-yet"
        (root / "openstack/latest").mkdir(parents=True)
        (root / "openstack/latest/user_data").write_text(TEXT)
        p = subprocess.Popen([os.environ["BASALT_IGNITION"], "-platform", "openstack", "-stage", "fetch", "-root", "",
                              "-config-cache", self.cache, "-state-file", self.state, "-neednet", self.neednet,
                              "-log-to-stdout"], env=self.env, stdout=subprocess.PIPE, text=True)
        for line in p.stdout:
            if "failed to fetch the config from the metadata service:" in line:
                root.rename(self.dev / "disk/by-label/config-2")
        p.stdout.close()
        self.assertEqual(p.wait(), 0)
        self.assert_config()

    def test_nobody_answers(self):
        self.metadata("openstack", BUSY)
        self.fetch("openstack", code=1, timeout="300ms")
        self.fetch("cloudstack", code=1, timeout="300ms")
        self.assertFalse(self.cache.exists())


@unittest.skipIf(os.geteuid() != 0, "needs root")
class RealDrive(PlatformTest):
    """A filesystem on a loop device, found by udev's link and without it."""

    def setUp(self):
        super().setUp()
        content = self.dir / "content"
        (content / "openstack/latest").mkdir(parents=True)
        (content / "openstack/latest/user_data").write_text(TEXT)
        (content / "ignition").mkdir()
        (content / "ignition/config.ign").write_text(TEXT)
        self.image = self.dir / "image"
        self.content = content

    def attach(self, label):
        with open(self.image, "wb") as f:
            f.truncate(4 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-L", label, "-d", self.content, self.image], check=True)
        loop = subprocess.run(["losetup", "--find", "--show", self.image], check=True, capture_output=True,
                              text=True).stdout.strip()
        self.addCleanup(subprocess.run, ["losetup", "--detach", loop], check=True)
        return loop

    def test_by_link(self):
        (self.dev / "disk/by-label/config-2").symlink_to(self.attach("config-2"))
        (self.run_dir / "udev").mkdir()
        (self.run_dir / "udev/control").touch()
        mounts = pathlib.Path("/proc/self/mounts").read_text()
        self.fetch("nutanix")
        self.assert_config()
        self.assertEqual(pathlib.Path("/proc/self/mounts").read_text(), mounts)

    def test_without_udev(self):
        for label, platform in (("config-2", "powervs"), ("boot", "metal")):
            loop = self.attach(label)
            name = os.path.basename(loop)
            (self.sys / "class/block" / name).mkdir(exist_ok=True)
            (self.dev / name).unlink(missing_ok=True)
            (self.dev / name).symlink_to(loop)
            self.cache.unlink(missing_ok=True)
            self.fetch(platform)
            self.assert_config()
            self.doCleanups_of_loop(loop)

    def doCleanups_of_loop(self, loop):
        """The next image goes to the same file; nothing may hold the device any more."""
        p = subprocess.run(["losetup", "--noheadings", "--output", "BACK-FILE", loop], capture_output=True, text=True)
        self.assertIn("image", p.stdout)
        self.image = self.image.with_name(self.image.name + "x")

    def test_with_udev_only_links_count(self):
        loop = self.attach("config-2")
        name = os.path.basename(loop)
        (self.sys / "class/block" / name).mkdir()
        (self.dev / name).symlink_to(loop)
        (self.run_dir / "udev").mkdir()
        (self.run_dir / "udev/control").touch()
        self.fetch("powervs", code=1, timeout="200ms")

    def test_not_a_filesystem(self):
        (self.dev / "disk/by-label/config-2").write_bytes(bytes(1 << 20))
        self.assertIn("no filesystem is recognised", self.fetch("nutanix", code=1))


class Firmware(PlatformTest):
    def test_qemu_disk(self):
        (self.sys / "firmware/qemu_fw_cfg").mkdir(parents=True)
        (self.dev / "disk/by-id").mkdir()
        (self.dev / "disk/by-id/virtio-ignition").write_bytes(TEXT.encode() + bytes(512))
        self.fetch("qemu")
        self.assert_config()

    def test_bluefield(self):
        self.fake_program("modprobe", "")
        self.fetch("nvidiabluefield")
        self.assert_no_config()
        fifo = self.sys / "bus/platform/devices/MLNXBF04:00/bootfifo"
        fifo.parent.mkdir(parents=True)
        for text, found in ((bytes(8) + TEXT.encode() + bytes(100), True), (bytes(9), False), (b"", False)):
            self.cache.unlink()
            fifo.write_bytes(text)
            self.fetch("nvidiabluefield")
            (self.assert_config if found else self.assert_no_config)()
        self.assertEqual(self.calls.read_text().splitlines()[0], "modprobe mlxbf_bootctl")

    def zvm(self, listing, online="exit 0"):
        (self.dir / "config.spool").write_bytes(TEXT.encode() + bytes(80))
        self.fake_program("modprobe", "")
        self.fake_program("chccwdev", online)
        self.fake_program("cio_ignore", f"touch {self.dir}/shown")
        self.fake_program("udevadm", "")
        self.fake_program("vmur", f'case $1 in li) cat {self.dir}/listing;; re) cp {self.dir}/config.spool "$4";; esac')
        (self.dir / "listing").write_text(listing)
        self.calls.unlink(missing_ok=True)

    LIST = ("ORIGINID FILE CLASSA CLASSB RECORDS CPY HOLD DATE TIME NAME TYPE DIST\n"
            "USER1 0007 A PUN 00000012 001 NONE 06/01 10:00:00 kernel img LINUX\n"
            "USER1 0008 A PUN 00000012 001 NONE 06/01 10:00:00 config ign LINUX\n")

    def test_zvm(self):
        self.zvm(self.LIST)
        self.fetch("zvm")
        self.assert_config()
        calls = self.calls.read_text().splitlines()
        self.assertEqual(calls[:4], ["modprobe vmur", "chccwdev -e 000c", "udevadm settle", "vmur li"])
        self.assertTrue(calls[4].startswith("vmur re -f 0008 "))

    def test_zvm_reader_hidden(self):
        self.zvm(self.LIST, online=f"test -e {self.dir}/shown")
        self.fetch("zvm")
        self.assert_config()
        self.assertEqual([c.split()[0] for c in self.calls.read_text().splitlines()[1:4]],
                         ["chccwdev", "cio_ignore", "chccwdev"])
        (self.dir / "shown").unlink()
        self.zvm(self.LIST, online="exit 1")
        self.fetch("zvm", code=1)

    def test_zvm_without_file(self):
        for listing in ("", "\n", self.LIST.replace("ign", "img"), "a b\nc d e\n"):
            self.zvm(listing)
            self.cache.unlink(missing_ok=True)
            self.fetch("zvm")
            self.assert_no_config()

    def test_zvm_lost_file(self):
        self.zvm(self.LIST)
        (self.dir / "config.spool").unlink()
        self.fetch("zvm", code=1)

    def test_applehv(self):
        path = str(self.dir / "vsock")
        self.env["BASALT_VSOCK"] = path
        (self.sys / "devices/virtual/misc/vsock").mkdir(parents=True)
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(path)
        listener.listen(4)
        asked = []

        def serve():
            head = b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(TEXT)
            for answer in (b"HTTP/1.0 503 Wait\r\n\r\n", b"", head + TEXT.encode()[:-1], head + TEXT.encode()):
                c, _ = listener.accept()
                asked.append(c.recv(4096))
                c.sendall(answer)
                c.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        self.fetch("applehv")
        thread.join(10)
        self.assert_config()
        self.assertEqual(len(asked), 4)
        self.assertTrue(asked[1].startswith(b"GET / HTTP/1.0\r\n"))
        self.assertIn(b"Accept: application/json\r\n", asked[1])

    def test_applehv_silent_host(self):
        path = str(self.dir / "vsock")
        self.env["BASALT_VSOCK"] = path
        (self.sys / "devices/virtual/misc/vsock").mkdir(parents=True)
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(path)
        listener.listen(8)
        self.assertIn("broke off", self.fetch("applehv", code=1, timeout="300ms"))

    def test_applehv_without_host(self):
        self.env["BASALT_VSOCK"] = str(self.dir / "nobody")
        (self.sys / "devices/virtual/misc/vsock").mkdir(parents=True)
        self.assertIn("connecting to port 1024 of the host", self.fetch("applehv", code=1, timeout="300ms"))


class HyperV(PlatformTest):
    SIZE = 4 + 4856 + 12 + 512 + 2048

    def message(self, operation, pool=0, key="", value=""):
        k, v = key.encode() + b"\0" if key else b"", value.encode() + b"\0" if value else b""
        m = struct.pack("=BBHIII512s2048s", operation, pool, 0, 1, len(k), len(v), k, v)
        return m

    def host(self, messages, size):
        path = self.dev / "vmbus/hv_kvp"
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        (self.sys / "bus/vmbus/drivers/hv_utils").mkdir(parents=True, exist_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(listener.close)
        listener.bind(str(path))
        listener.listen(1)
        self.answers = []

        def serve():
            c, _ = listener.accept()
            hello = c.recv(65536)
            self.answers.append(hello[0])
            for m in messages:
                c.send(m.ljust(size or len(hello), b"\0"))
                if m[0] != 100:
                    answer = c.recv(65536)
                    if not answer:
                        break
                    self.answers.append(struct.unpack("=I", answer[:4])[0])
            c.close()

        self.thread = threading.Thread(target=serve, daemon=True)
        self.thread.start()

    def run_with(self, *messages, code=0, size=0):
        self.cache.unlink(missing_ok=True)
        self.host(messages, size)
        out = self.fetch("hyperv", code=code)
        self.thread.join(10)
        return out

    def test_one_key(self):
        self.run_with(self.message(100), self.message(0), self.message(1, 0, "other", "x"),
                      self.message(1, 0, "ignition.config", TEXT))
        self.assert_config()
        self.assertEqual(self.answers, [100, 0x80004005, 0, 0])
        files = {f["path"]: f for f in self.saved_state()["providerOutputFiles"]}
        self.assertEqual(sorted(files), [f"/var/lib/hyperv/.kvp_pool_{i}" for i in range(5)])
        pool = files["/var/lib/hyperv/.kvp_pool_0"]
        self.assertEqual(pool["mode"], 0o600)
        self.assertTrue(pool["overwrite"])
        content = base64.b64decode(pool["contents"]["source"].split(",")[1])
        self.assertEqual(len(content), 2 * (512 + 2048))
        self.assertEqual(content[:512].rstrip(b"\0"), b"other")
        self.assertEqual(content[2560 + 512:].rstrip(b"\0"), TEXT.encode())

    def test_written_by_the_files_stage(self):
        self.run_with(self.message(1, 0, "ignition.config", json.dumps(config())))
        self.stage("files", platform="hyperv")
        pool = self.root / "var/lib/hyperv/.kvp_pool_0"
        self.assertEqual(pool.stat().st_mode & 0o7777, 0o600)
        self.assertEqual(pool.read_bytes()[:512].rstrip(b"\0"), b"ignition.config")

    def test_the_host_speaks_once(self):
        s = self.server()
        child = config(storage={"files": [file_entry("/from-the-platform", "data:,x")]})
        self.host([self.message(1, 0, "ignition.config", json.dumps(merge(s.put("/child", child))))], 0)
        self.fetch("hyperv", stage="fetch-offline")
        self.assertTrue(self.neednet.exists())
        self.run_with()
        self.assert_config()

    def test_split(self):
        self.run_with(*[self.message(1, 0, f"ignition.config.{i}", TEXT[i * 40:i * 40 + 40])
                        for i in reversed(range((len(TEXT) + 39) // 40))])
        self.assert_config()

    def test_other_pool_and_none(self):
        self.run_with(self.message(1, 1, "ignition.config", TEXT))
        self.assert_no_config()
        self.run_with(self.message(1, 0, "ignition.config.1", TEXT))
        self.assert_no_config()

    def test_bad_messages(self):
        m = bytearray(self.message(1, 0, "ignition.config", TEXT))
        for offset, size in ((8, 513), (8, 0), (12, 2049), (12, 0), (12, 0xffffffff)):
            bad = bytearray(m)
            bad[offset:offset + 4] = struct.pack("=I", size)
            self.run_with(bytes(bad), code=1)
        self.run_with(bytes(m), code=1, size=3000)


OVF = """<?xml version="1.0" encoding="UTF-8"?>
<!-- <Property oe:key="guestinfo.ignition.config.data" oe:value="comment"/> -->
<Environment xmlns="http://schemas.dmtf.org/ovf/environment/1" xmlns:oe="http://schemas.dmtf.org/ovf/environment/1">
  <PlatformSection><Kind>VMware ESXi</Kind></PlatformSection>
  <PropertySection>
    <Property oe:key="guestinfo.ignition.config.data" oe:value="{data}"/>
    <Property oe:key="guestinfo.ignition.config.data.encoding" oe:value="{encoding}"></Property>
    <Property oe:key="hostname" oe:value="a&amp;b"/>
  </PropertySection>
</Environment>
"""


class Guests(PlatformTest):
    def setUp(self):
        super().setUp()
        self.info = self.dir / "guestinfo"
        self.info.mkdir()
        self.env["BASALT_GUESTINFO"] = str(self.info)

    def put(self, **values):
        for file in self.info.iterdir():
            file.unlink()
        for name, value in values.items():
            (self.info / name.replace("__", ".")).write_bytes(value if isinstance(value, bytes) else value.encode())
        self.cache.unlink(missing_ok=True)

    def test_vmware_encodings(self):
        packed = gz(TEXT.encode())
        for name, data in [("", TEXT), ("b64", B64), ("base64", B64), ("gz", packed), ("gzip", packed),
                           *[(n, base64.b64encode(packed).decode())
                             for n in ("gz+base64", "gzip+base64", "gz+b64", "gzip+b64")]]:
            with self.subTest(encoding=name):
                self.put(ignition__config__data=data, ignition__config__data__encoding=name)
                self.fetch("vmware")
                self.assert_config()
        for name, data in (("rot13", TEXT), ("base64", TEXT), ("gzip", B64), ("gzip+base64", packed)):
            self.put(ignition__config__data=data, ignition__config__data__encoding=name)
            self.fetch("vmware", code=1)

    def test_vmware_none(self):
        self.put()
        self.fetch("vmware")
        self.assert_no_config()

    def test_vmware_ovf(self):
        self.put(ovfenv=OVF.format(data=B64, encoding="base64"))
        self.fetch("vmware")
        self.assert_config()
        escaped = "".join(f"&#{ord(c)};" if i % 2 else f"&#x{ord(c):X};" for i, c in enumerate(TEXT))
        self.put(ovfenv=OVF.format(data=escaped, encoding=""))
        self.fetch("vmware")
        self.assert_config()
        self.put(ovfenv=OVF.format(data="e30K", encoding=""), ignition__config__data=TEXT)
        self.fetch("vmware")
        self.assert_config()

    def test_vmware_ovf_broken(self):
        for text in ("<a", "<!DOCTYPE x><a/>", "<a></b>", OVF.format(data="&nope;", encoding="")):
            self.put(ovfenv=text, ignition__config__data=TEXT)
            self.assertIn("OVF environment", self.fetch("vmware"))
            self.assert_config()

    def rmcfg(self, platform, code=0):
        p = self.call("--platform", platform, "--log-to-stdout", name="ignition-rmcfg")
        self.assertEqual(p.returncode, code, p.stdout + p.stderr)

    def test_vmware_remove(self):
        document = OVF.format(data=B64, encoding="base64")
        self.put(ovfenv=document, ignition__config__data=TEXT, ignition__config__data__encoding="gz")
        self.rmcfg("vmware")
        self.assertEqual((self.info / "ignition.config.data").read_text(), "e30K")
        self.assertEqual((self.info / "ignition.config.data.encoding").read_text(), "base64")
        lines = document.splitlines(keepends=True)
        pruned = (self.info / "ovfenv").read_text()
        self.assertEqual([line.strip() for line in pruned.splitlines() if line.strip()],
                         [line.strip() for line in lines if "=\"guestinfo.ignition" not in line or "<!--" in line])
        self.fetch("vmware", code=1)  # what is left is "{}", which names no version
        before = sorted((f.name, f.stat().st_mtime_ns, f.stat().st_ino) for f in self.info.iterdir())
        self.rmcfg("vmware")
        self.assertEqual(sorted((f.name, f.stat().st_mtime_ns, f.stat().st_ino) for f in self.info.iterdir()), before)

    def test_vmware_remove_nothing(self):
        self.put()
        self.rmcfg("vmware")
        self.assertEqual(list(self.info.iterdir()), [])
        self.put(ovfenv="<a")
        self.rmcfg("vmware", code=1)

    def test_virtualbox(self):
        self.put()
        self.fetch("virtualbox")
        self.assert_no_config()
        self.put(_Ignition_Config=TEXT)
        self.fetch("virtualbox")
        self.assert_config()
        self.put(_Ignition_Config=TEXT, _Ignition_Config_Encoding="")
        self.fetch("virtualbox")
        self.assert_config()
        self.put(_Ignition_Config=TEXT, _Ignition_Config_Encoding="base64")
        self.assertIn("unsupported", self.fetch("virtualbox", code=1))
        self.rmcfg("virtualbox")
        self.assertEqual(list(self.info.iterdir()), [])
        self.rmcfg("virtualbox")

    def test_not_on_these(self):
        """A machine that is neither says so; other platforms cannot forget."""
        del self.env["BASALT_GUESTINFO"]
        for platform in ("vmware", "virtualbox"):
            self.fetch(platform, code=1)
        self.rmcfg("aws", code=1)


if __name__ == "__main__":
    main()
