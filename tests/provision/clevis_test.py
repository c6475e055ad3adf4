#!/usr/bin/env python3
"""Volumes bound by Clevis, on image files, with a real Tang server on the loopback interface and a software TPM."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

from tang_server import Tang

DRIVER = os.environ["LUKS_DRIVER"]


def tpm(directory):
    """A software TPM; the process and what the tools are told of it. It wants two ports, one after the other."""
    for _ in range(50):
        with socket.create_server(("127.0.0.1", 0)) as one:
            port = one.getsockname()[1]
            try:
                socket.create_server(("127.0.0.1", port + 1)).close()
            except (OSError, OverflowError):
                continue
        process = subprocess.Popen(["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={directory}", "--flags",
                                    "not-need-init,startup-clear", "--server", f"type=tcp,port={port},bindaddr=127.0.0.1",
                                    "--ctrl", f"type=tcp,port={port + 1},bindaddr=127.0.0.1"],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port + 1)).close()
                return process, f"swtpm:host=127.0.0.1,port={port}"
            except OSError:
                time.sleep(0.02)
        process.kill()
        process.wait()
    raise AssertionError("swtpm does not start")


class Clevis(unittest.TestCase):
    def setUp(self):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="basalt-clevis."))
        self.addCleanup(shutil.rmtree, self.work)
        self.environment = {k: v for k, v in os.environ.items() if k != "TPM2TOOLS_TCTI"}
        self.image = self.work / "image"
        with open(self.image, "wb") as file:
            file.truncate(20 << 20)

    def tang(self, name="tang"):
        server = Tang(self.work / name)
        self.addCleanup(server.close)
        return server

    def with_tpm(self):
        (self.work / "tpm").mkdir()
        process, self.environment["TPM2TOOLS_TCTI"] = tpm(self.work / "tpm")
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

    def drive(self, verb, clevis, **ignition):
        config = {"ignition": {"version": "3.5.0", **ignition},
                  "storage": {"luks": [{"name": "root", "device": "/dev/x", "clevis": clevis}]}}
        (self.work / "config").write_text(json.dumps(config))
        done = subprocess.run([DRIVER, verb, str(self.work / "config"), str(self.image)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, env=self.environment)
        self.log = done.stderr
        return done.returncode, done.stdout

    def bound(self, clevis, policy):
        self.assertEqual(self.drive("check", clevis), (0, ""))
        self.assertEqual(self.drive("bind", clevis), (0, ""))
        self.assertEqual(self.drive("unlock", clevis), (0, f"{policy}\n{policy}\n"))

    def passphrase(self):
        """As Clevis' own tool reads the header; it needs no device."""
        done = subprocess.run(["clevis", "luks", "pass", "-d", str(self.image), "-s", "1"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=self.environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_tang(self):
        server = self.tang()
        self.bound({"tang": [{"url": server.url, "thumbprint": server.thumbprint()}]}, f"sss(1: tang({server.url}))")
        self.assertIn("asking the pins", self.log + self.drive("bind", {"tang": [{"url": server.url + "/", "thumbprint":
                                                                                  server.thumbprint("S1")}]})[1] + self.log)
        key = self.passphrase()
        opens = subprocess.run(["cryptsetup", "open", "--test-passphrase", "--key-file", "-", str(self.image)], input=key)
        self.assertEqual(opens.returncode, 0)
        listed = subprocess.run(["clevis", "luks", "list", "-d", str(self.image)], stdout=subprocess.PIPE, text=True)
        self.assertIn("sss '{\"t\":1,\"pins\":{\"tang\"", listed.stdout)

    def test_tpm(self):
        self.with_tpm()
        self.bound({"tpm2": True}, "sss(1: tpm2(sha256 ecc))")
        self.bound({"custom": {"pin": "tpm2", "config": '{"pcr_bank":"sha256","pcr_ids":"7"}'}},
                   "tpm2(sha256 ecc sha256:7)")
        self.passphrase()

    def test_threshold(self):
        self.with_tpm()
        server = self.tang()
        self.bound({"tpm2": True, "threshold": 2, "tang": [{"url": server.url, "thumbprint": server.thumbprint()}]},
                   f"sss(2: tang({server.url}), tpm2(sha256 ecc))")
        self.passphrase()

    def test_advertisement_of_a_server_that_is_not_there_yet(self):
        server = self.tang()
        given = {"tang": [{"url": "http://127.0.0.1:1", "thumbprint": server.thumbprint(),
                           "advertisement": server.advertisement()}]}
        self.assertEqual(self.drive("check", given), (0, ""))
        self.assertEqual(self.drive("bind", given), (0, ""))
        code, said = self.drive("unlock", given)
        self.assertEqual(code, 1)
        self.assertIn("Clevis cannot give the key back", said)

    def test_another_thumbprint(self):
        server = self.tang()
        for more in ({}, {"advertisement": server.advertisement()}):
            code, said = self.drive("check", {"tang": [{"url": server.url, "thumbprint": "trusted", **more}]})
            self.assertEqual(code, 1)
            self.assertRegex(said, rf"error at \$\.storage\.luks\.0\.clevis.*: encrypted volume 'root': the Tang server {server.url} "
                                   f"signs with the key {server.thumbprint()}.*the config trusts the thumbprint trusted: if")
        code, said = self.drive("bind", {"tang": [{"url": server.url, "thumbprint": "trusted"}]})
        self.assertEqual(code, 1)
        self.assertIn("trusts the thumbprint trusted", said)

    def test_a_server_that_is_down(self):
        server = self.tang()
        server.close()
        code, said = self.drive("check", {"tang": [{"url": "http://user:word@" + server.url[7:], "thumbprint": "x"}]},
                                timeouts={"httpTotal": 1})
        self.assertEqual(code, 1)
        self.assertRegex(said, rf"the Tang server {server.url} cannot be reached \(.+\): check its address and the network of "
                               "this machine, or give the server's advertisement in the config")
        self.assertNotIn("word", said + self.log)

    def test_not_a_tang_server(self):
        code, said = self.drive("check", {"tang": [{"url": "http://t", "thumbprint": "x", "advertisement": "{}"}]})
        self.assertEqual(code, 1)
        self.assertIn("the advertisement in the config for the Tang server http://t: this is not the advertisement", said)

    @unittest.skipIf(os.path.exists("/dev/tpmrm0"), "this machine has a TPM")
    def test_no_tpm(self):
        code, said = self.drive("check", {"tpm2": True})
        self.assertEqual(code, 1)
        self.assertIn("this machine has no TPM 2.0 device (/dev/tpmrm0): enable it in the firmware's setup", said)

    def test_no_such_pin(self):
        code, said = self.drive("check", {"custom": {"pin": "tang2", "config": "{}"}})
        self.assertEqual(code, 2)  # not in this spec
        config = {"ignition": {"version": "3.6.0"}, "storage": {"luks": [
            {"name": "root", "device": "/dev/x", "clevis": {"custom": {"pin": "nosuch", "config": "{}"}}}]}}
        (self.work / "config").write_text(json.dumps(config))
        done = subprocess.run([DRIVER, "check", str(self.work / "config")], stdout=subprocess.PIPE, text=True)
        self.assertIn("Clevis with its pin nosuch is not here", done.stdout)


if __name__ == "__main__":
    unittest.main()
