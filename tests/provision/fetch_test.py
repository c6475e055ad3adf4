"""tftp, s3, arn, gs and Azure's blobs against fakes on the loopback interface: signatures are computed here a second
time, from what came in."""
import base64
import hashlib
import hmac
import json
import os
import re
import socket
import struct
import threading
import time
import unittest
import urllib.parse

from harness import ProvisionTest, config, file_entry, gz, main, merge, sha512
from platform_fake import Cloud, Rule

LINK_LOCAL = "169.254.169.254"
TEXT = json.dumps(config(storage={"files": [file_entry("/child", "data:,x")]}))


class TftpServer:
    """RFC 1350 with RFC 2347–2349, one reader at a time. `options`: answer them, "ignore" or "refuse"."""

    def __init__(self, files, options="answer", lose=(), repeat=False, stranger=False, errors=(), silent=0, tsize=None,
                 cut=0, address="127.0.0.1"):
        self.address, self.family = address, socket.AF_INET6 if ":" in address else socket.AF_INET
        self.files, self.options, self.lose, self.repeat = files, options, set(lose), repeat
        self.stranger, self.errors, self.silent, self.tsize, self.cut = stranger, list(errors), silent, tsize, cut
        self.requests, self.sent = [], 0
        self.socket = socket.socket(self.family, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.url = f"tftp://{f'[{address}]' if ':' in address else address}:{self.socket.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                packet, client = self.socket.recvfrom(2048)
            except OSError:
                return
            words = packet[2:].split(b"\0")
            self.requests.append([w.decode() for w in words[:-1]])
            if self.silent > 0:
                self.silent -= 1
                continue
            with socket.socket(self.family, socket.SOCK_DGRAM) as own:
                own.bind((self.address, 0))
                own.settimeout(5)
                try:
                    self.transfer(own, client, words)
                except TimeoutError:
                    pass

    def send(self, own, client, packet):
        self.sent += 1
        if self.stranger:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.bind(("127.0.0.2", 0))
                other.sendto(struct.pack("!HH", 3, struct.unpack("!H", packet[2:4])[0]) + b"evil", client)
        if self.sent not in self.lose:
            for _ in range(2 if self.repeat else 1):
                own.sendto(packet, client)

    def acked(self, own, client, packet, block):
        """Sends until it is acknowledged, or the reader is gone."""
        for _ in range(5):
            self.send(own, client, packet)
            late = time.monotonic() + 1.2
            while (left := late - time.monotonic()) > 0:
                own.settimeout(left)
                try:
                    if own.recvfrom(2048)[0] == struct.pack("!HH", 4, block):
                        return
                except TimeoutError:
                    break
        raise TimeoutError

    def transfer(self, own, client, words):
        if self.errors:
            code, text = self.errors.pop(0)
            own.sendto(struct.pack("!HH", 5, code) + text + b"\0", client)
            return
        asked = dict(zip(words[2:-1:2], words[3::2]))
        if asked and self.options == "refuse":
            own.sendto(struct.pack("!HH", 5, 8) + b"no options\0", client)
            return
        data = self.files.get(words[0].decode())
        if data is None:
            own.sendto(struct.pack("!HH", 5, 1) + b"File not found\0", client)
            return
        size = 512
        if asked and self.options == "answer":
            size = int(asked[b"blksize"])
            total = self.tsize if self.tsize is not None else len(data)
            self.acked(own, client, b"\0\6blksize\0%d\0tsize\0%d\0" % (size, total), 0)
        for i in range(len(data) // size + 1):
            block = (i + 1) & 0xffff
            if self.cut and i + 1 == self.cut:
                self.cut = 0
                return
            self.acked(own, client, struct.pack("!HH", 3, block) + data[i * size:(i + 1) * size], block)

    def close(self):
        self.socket.close()


class Tftp(ProvisionTest):
    BIG = os.urandom(300000)

    def server(self, files=None, **kw):
        s = TftpServer(files if files is not None else {"/child.ign": TEXT.encode()}, **kw)
        self.addCleanup(s.close)
        return s

    def fetch(self, source, code=0, args=()):
        self.cache.unlink(missing_ok=True)
        out = self.stage("fetch", merge(source if isinstance(source, dict) else {"source": source}), code=code, args=args)
        if code == 0:
            self.assertEqual(list(self.cached_files()), ["/child"])
        return out

    def test_ways(self):
        for kw in ({}, {"options": "ignore"}, {"options": "refuse"}, {"repeat": True}, {"lose": (1, 2, 4)},
                   {"silent": 1}, {"stranger": True}, {"tsize": 0}, {"address": "::1"}):
            with self.subTest(**kw):
                s = self.server(**kw)
                self.fetch(s.url + "/child.ign")
                self.assertEqual(s.requests[0], ["/child.ign", "octet", "blksize", "1428", "tsize", "0"])
                if kw.get("options") == "refuse":
                    self.assertEqual(s.requests[1], ["/child.ign", "octet"])

    def test_url(self):
        s = self.server({"/a b/child.ign": TEXT.encode()})
        out = self.fetch(s.url.replace("//", "//user:s3cr3t@") + "/a%20b/child.ign?t0ken")
        self.assertNotIn("s3cr3t", out)
        self.assertNotIn("t0ken", out)

    def big(self, sizes, **kw):
        for n in sizes:
            body = (self.BIG * (n // len(self.BIG) + 1))[:n]
            s = self.server({"/big": body}, **kw)
            entry = {"path": "/big", "contents": {"source": s.url + "/big", "verification": {"hash": sha512(body)}}}
            self.stage("fetch", config(storage={"files": [entry]}))
            self.stage("files")
            self.assertEqual((self.root / "big").read_bytes(), body)
            (self.root / "big").unlink()

    def test_sizes(self):
        self.big([0, 1, 1427, 1428, 1429, 2856, 200000])
        self.big([0, 511, 512, 513, 1024], options="ignore")

    def test_more_blocks_than_numbers(self):
        self.big([512 * 65540 + 7], options="ignore")

    def test_compressed(self):
        s = self.server({"/child.gz": gz(TEXT.encode())})
        self.fetch({"source": s.url + "/child.gz", "compression": "gzip", "verification": {"hash": sha512(TEXT.encode())}})

    def test_errors(self):
        self.assertIn("resource not found", self.fetch(self.server().url + "/other", code=1))
        for code, text, words in ((1, b"", "not found"), (2, b"Access violation", "error 2: Access violation"),
                                  (0, b"\x1b[31mred\xff", "error 0: ?[31mred?"), (4, b"Illegal", "error 4")):
            s = self.server(errors=[(code, text)])
            self.assertIn(words, self.fetch(s.url + "/child.ign", code=1))
            self.assertEqual(len(s.requests), 1)

    def test_options_refused_twice(self):
        s = self.server(errors=[(8, b"no"), (8, b"no")])
        self.assertIn("error 8", self.fetch(s.url + "/child.ign", code=1))
        self.assertEqual(len(s.requests), 2)

    def test_starts_anew(self):
        """The server goes away in the middle; what came before is not kept."""
        body = self.BIG[:5000]
        s = self.server({"/big": body}, cut=3)
        entry = {"path": "/big", "contents": {"source": s.url + "/big"}}
        self.stage("fetch", config(ignition={"timeouts": {"httpResponseHeaders": 1}}, storage={"files": [entry]}))
        self.assertIn("attempt #2", self.stage("files"))
        self.assertEqual((self.root / "big").read_bytes(), body)
        self.assertEqual(len(s.requests), 2)

    def test_wrong_size(self):
        s = self.server(tsize=5)
        url = s.url + "/child.ign"
        self.stage("fetch", config(ignition={"timeouts": {"httpTotal": 1}, "config": {"merge": [{"source": url}]}}), code=1)
        self.assertGreater(len(s.requests), 1)

    def test_nobody(self):
        s = self.server(silent=100)
        self.cmdline.write_text(f"ignition.config.url={s.url}/child.ign")
        self.assertIn("in time", self.stage("fetch", config(), code=1, args=("-fetch-timeout", "1500ms")))
        self.assertGreater(len(s.requests), 1, "silence repeats the request")

    def test_not_a_file(self):
        for url in ("tftp://127.0.0.1", "tftp:///x", "tftp://127.0.0.1:/" + "x" * 600):
            self.fetch(url, code=1)

    def test_offline(self):
        self.stage("fetch-offline", merge("tftp://127.0.0.1/x"))
        self.assertTrue(self.neednet.exists())


KEYS = {"Code": "Success", "AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "s3cr3t/of+role", "Token": "s3cr3t=token"}


def signature_faults(region):
    """A check of a Rule: is the request signed by KEYS for this region?"""

    def check(request):
        m = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request,\s*"
                         r"SignedHeaders=([a-z0-9;-]+),\s*Signature=([0-9a-f]{64})", request.headers.get("Authorization", ""))
        if not m:
            yield "no signature"
            return
        key, date, where, names, signature = m.groups()
        if key != KEYS["AccessKeyId"] or where != region or not request.headers["X-Amz-Date"].startswith(date):
            yield "scope " + m[0]
        if not {"host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"} <= set(names.split(";")):
            yield "signed headers " + names
        url = urllib.parse.urlsplit(request.path)
        query = sorted((urllib.parse.quote(k, safe="-_.~"), urllib.parse.quote(v, safe="-_.~"))
                       for k, v in urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        canonical = "\n".join([request.method, urllib.parse.quote(urllib.parse.unquote(url.path), safe="/-_.~"),
                               "&".join(f"{k}={v}" for k, v in query),
                               *[f"{n}:{request.headers[n].strip()}" for n in names.split(";")], "", names,
                               request.headers["X-Amz-Content-Sha256"]])
        text = "\n".join(["AWS4-HMAC-SHA256", request.headers["X-Amz-Date"], f"{date}/{region}/s3/aws4_request",
                          hashlib.sha256(canonical.encode()).hexdigest()])
        k = ("AWS4" + KEYS["SecretAccessKey"]).encode()
        for part in (date, region, "s3", "aws4_request"):
            k = hmac.new(k, part.encode(), "sha256").digest()
        if hmac.new(k, text.encode(), "sha256").hexdigest() != signature:
            yield "the signature is wrong"
        if request.headers["X-Amz-Security-Token"] != KEYS["Token"]:
            yield "the token is wrong"

    return check


class CloudTest(ProvisionTest):
    def serve(self, *rules):
        self.cloud = Cloud(*rules)
        self.addCleanup(self.cloud.close)
        self.env["BASALT_METADATA"] = self.cloud.url
        self.cache.unlink(missing_ok=True)

    def fetch(self, source, platform="metal", code=0, cfg=None):
        source = source if isinstance(source, dict) else {"source": source}
        body = json.dumps(cfg or merge(source))
        self.cmdline.write_text("ignition.config.url=data:;base64," + base64.b64encode(body.encode()).decode())
        out = self.stage("fetch", platform=platform, code=code)
        self.assertEqual(self.cloud.faults, [])
        self.assertNotIn("s3cr3t", out)
        self.assertNotIn("Signature", out)
        if code == 0 and cfg is None:
            self.assertEqual(list(self.cached_files()), ["/child"])
        return out


class S3(CloudTest):
    def region_rule(self, bucket, region, ask="us-east-1", status=403):
        suffix = "amazonaws.com.cn" if ask.startswith("cn-") else "amazonaws.com"
        dotted = "." in bucket
        return Rule("HEAD", f"s3.{ask}.{suffix}" if dotted else f"{bucket}.s3.{ask}.{suffix}",
                    f"/{bucket}" if dotted else "/", (status, {"x-amz-bucket-region": region}, ""), absent=("Authorization",))

    def role_rules(self, keys=KEYS, role="a-role"):
        token = {"X-aws-ec2-metadata-token": "s3cr3t-t0ken"}
        path = "/latest/meta-data/iam/security-credentials/"
        return [Rule("PUT", LINK_LOCAL, "/latest/api/token", (200, {}, "s3cr3t-t0ken"),
                     headers={"X-aws-ec2-metadata-token-ttl-seconds": "300"}),
                Rule("GET", LINK_LOCAL, path, (200, {}, role + "\n") if role else (404, {}, ""), headers=token),
                Rule("GET", LINK_LOCAL, path + str(role), (200, {}, json.dumps(keys)), headers=token),
                Rule("GET", LINK_LOCAL, "/latest/dynamic/instance-identity/document",
                     (200, {}, json.dumps({"region": "eu-west-1"})), headers=token)]

    def test_anonymous(self):
        for url, host, path in [
            ("s3://bucket/a/child.ign", "bucket.s3.dualstack.eu-central-1.amazonaws.com", "/a/child.ign"),
            ("s3://bucket//a%20b+c?versionId=v%2F1", "bucket.s3.dualstack.eu-central-1.amazonaws.com",
             "/a%20b%2Bc?versionId=v%2F1"),
            ("s3://my.bucket/key", "s3.dualstack.eu-central-1.amazonaws.com", "/my.bucket/key"),
            ("arn:aws:s3:::bucket/k/e/y?versionId=1", "bucket.s3.dualstack.eu-central-1.amazonaws.com", "/k/e/y?versionId=1"),
        ]:
            with self.subTest(url=url):
                bucket = "my.bucket" if "my.bucket" in url else "bucket"
                self.serve(self.region_rule(bucket, "eu-central-1"),
                           Rule("GET", host, path, (503, {}, ""), (200, {}, TEXT), absent=("Authorization",)))
                self.fetch(url)

    def test_access_point(self):
        for partition, region, suffix in (("aws", "us-west-2", "amazonaws.com"),
                                          ("aws-cn", "cn-north-1", "amazonaws.com.cn")):
            host = f"ap-123456789012.s3-accesspoint.dualstack.{region}.{suffix}"
            self.serve(Rule("GET", host, "/k/e/y", (200, {}, TEXT)))
            self.fetch(f"arn:{partition}:s3:{region}:123456789012:accesspoint/ap/object/k/e/y")

    def test_partitions(self):
        for partition, ask in (("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")):
            suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
            self.serve(self.region_rule("bucket", ask, ask=ask, status=200),
                       Rule("GET", f"bucket.s3.dualstack.{ask}.{suffix}", "/k", (200, {}, TEXT)))
            self.fetch(f"arn:{partition}:s3:::bucket/k")

    def test_signed(self):
        host = "bucket.s3.dualstack.eu-central-1.amazonaws.com"
        for path, url in (("/child.ign", "s3://bucket/child.ign"),
                          ("/a%20b/%C3%A9~?versionId=x%2Fy%20z", "s3://bucket/a%20b/%C3%A9~?versionId=x%2Fy%20z")):
            self.serve(*self.role_rules(), self.region_rule("bucket", "eu-central-1", ask="eu-west-1", status=301),
                       Rule("GET", host, path, (503, {}, ""), (200, {}, TEXT), check=signature_faults("eu-central-1")))
            self.fetch(url, platform="aws")

    def test_credentials_are_asked_for_once(self):
        host = "bucket.s3.dualstack.eu-central-1.amazonaws.com"
        self.serve(*self.role_rules(), self.region_rule("bucket", "eu-central-1", ask="eu-west-1"),
                   *[Rule("GET", host, f"/{i}", (200, {}, TEXT), check=signature_faults("eu-central-1")) for i in range(4)])
        self.fetch(None, platform="aws", cfg=merge(*[f"s3://bucket/{i}" for i in range(4)]))
        paths = [path for method, path in self.cloud.asked() if method in ("GET", "HEAD")]
        self.assertEqual(paths.count("/latest/meta-data/iam/security-credentials/a-role"), 1)

    def test_no_role(self):
        host = "bucket.s3.dualstack.eu-central-1.amazonaws.com"
        for rules in (self.role_rules(role=None), self.role_rules(keys={"Code": "AssumeRoleUnauthorizedAccess"}),
                      self.role_rules(keys={**KEYS, "Token": "a\r\nb"}), self.role_rules(role="../../x y")):
            self.serve(*rules, self.region_rule("bucket", "eu-central-1", ask="eu-west-1"),
                       Rule("GET", host, "/k", (200, {}, TEXT), absent=("Authorization",)))
            self.fetch("s3://bucket/k", platform="aws")

    def test_other_clouds_have_no_role(self):
        self.serve(self.region_rule("bucket", "us-east-1"),
                   Rule("GET", "bucket.s3.dualstack.us-east-1.amazonaws.com", "/k", (200, {}, TEXT)))
        self.fetch("s3://bucket/k", platform="gcp")

    def test_failures(self):
        self.serve(self.region_rule("bucket", "us-east-1", status=404))
        self.assertIn('could not find bucket "bucket"', self.fetch("s3://bucket/k", code=1))
        self.serve(self.region_rule("bucket", "evil.invalid/"))
        self.assertIn("couldn't determine the region", self.fetch("s3://bucket/k", code=1))
        for status, words in ((404, "resource not found"), (403, "answered 403")):
            self.serve(self.region_rule("bucket", "us-east-1"),
                       Rule("GET", "bucket.s3.dualstack.us-east-1.amazonaws.com", "/k", (status, {}, "s3cr3t")))
            self.assertIn(words, self.fetch("s3://bucket/k", code=1))

    def test_secret_is_not_redirected(self):
        host = "bucket.s3.dualstack.eu-central-1.amazonaws.com"
        self.serve(*self.role_rules(), self.region_rule("bucket", "eu-central-1", ask="eu-west-1"),
                   Rule("GET", host, "/k", (307, {"Location": "/elsewhere"}, "")))
        self.cloud.rules.append(Rule("GET", self.cloud.url[7:], "/elsewhere", (200, {}, TEXT),
                                     absent=("Authorization", "X-Amz-Security-Token")))
        self.fetch("s3://bucket/k", platform="aws")

    def test_hash(self):
        rules = [self.region_rule("bucket", "us-east-1"),
                 Rule("GET", "bucket.s3.dualstack.us-east-1.amazonaws.com", "/k", (200, {}, TEXT))]
        self.serve(*rules)
        self.fetch({"source": "s3://bucket/k", "verification": {"hash": sha512(TEXT.encode())}})
        self.serve(*rules)
        self.fetch({"source": "s3://bucket/k", "verification": {"hash": sha512(b"other")}}, code=1)


class Gcs(CloudTest):
    TOKEN = ("/computeMetadata/v1/instance/service-accounts/default/token"
             "?scopes=https://www.googleapis.com/auth/devstorage.read_only")
    OBJECT = "/storage/v1/b/bucket/o/a%20b%2Fchild.ign?alt=media"

    def test_anonymous(self):
        self.serve(Rule("GET", "storage.googleapis.com", self.OBJECT, (503, {}, ""), (200, {}, TEXT),
                        absent=("Authorization",)))
        self.fetch("gs://bucket/a%20b/child.ign")

    def test_service_account(self):
        self.serve(Rule("GET", LINK_LOCAL, self.TOKEN,
                        (200, {}, json.dumps({"access_token": "s3cr3t", "expires_in": 3599, "token_type": "Bearer"})),
                        headers={"Metadata-Flavor": "Google"}),
                   *[Rule("GET", "storage.googleapis.com", f"/storage/v1/b/bucket/o/{i}?alt=media", (200, {}, TEXT),
                          headers={"Authorization": "Bearer s3cr3t"}) for i in range(3)])
        self.fetch(None, platform="gcp", cfg=merge(*[f"gs://bucket/{i}" for i in range(3)]))
        self.assertEqual([path for _, path in self.cloud.asked()].count(self.TOKEN), 1)

    def test_no_service_account(self):
        self.serve(Rule("GET", LINK_LOCAL, self.TOKEN, (404, {}, "")),
                   Rule("GET", "storage.googleapis.com", self.OBJECT, (200, {}, TEXT), absent=("Authorization",)))
        self.fetch("gs://bucket/a%20b/child.ign", platform="gcp")

    def test_failures(self):
        for token in ((403, {}, ""), (200, {}, "{}"), (200, {}, json.dumps({"access_token": "a\nb"}))):
            self.serve(Rule("GET", LINK_LOCAL, self.TOKEN, token))
            self.fetch("gs://bucket/a%20b/child.ign", platform="gcp", code=1)
        self.serve(Rule("GET", "storage.googleapis.com", self.OBJECT, (404, {}, "")))
        self.assertIn("resource not found", self.fetch("gs://bucket/a%20b/child.ign", code=1))


class Azure(CloudTest):
    TOKEN = ("/metadata/identity/oauth2/token?api-version=2018-02-01"
             "&resource=https%3A%2F%2Fstorage.azure.com%2F")
    HOST = "account.blob.core.windows.net"
    URL = f"https://{HOST}/container/child.ign"

    def token(self, *answers):
        return Rule("GET", LINK_LOCAL, self.TOKEN,
                    *(answers or [(200, {}, json.dumps({"access_token": "s3cr3t", "expires_in": "86399"}))]),
                    headers={"Metadata": "true"})

    def test_identity(self):
        self.serve(self.token(), Rule("GET", self.HOST, "/container/child.ign", (503, {}, ""), (200, {}, TEXT),
                                      headers={"Authorization": "Bearer s3cr3t", "x-ms-version": "2021-12-02"}))
        self.fetch(self.URL, platform="azure")

    def test_falls_back(self):
        """To the URL as everybody would fetch it, which here is a name that nobody has."""
        for rules in ([self.token((400, {}, "s3cr3t"))],
                      [self.token(), Rule("GET", self.HOST, "/container/child.ign", (403, {}, "s3cr3t"))]):
            self.serve(*rules)
            cfg = config(ignition={"timeouts": {"httpTotal": 1}, "proxy": {"httpsProxy": "http://127.0.0.1:9"},
                                   "config": {"merge": [{"source": self.URL}]}})
            out = self.fetch(None, platform="azure", code=1, cfg=cfg)
            self.assertIn("falling back to HTTP", out)
            self.assertIn("GET https://account.blob.core.windows.net/container/child.ign", out)

    def test_not_for_others(self):
        """The token goes to no other host, over no plain connection, and not beside a key that is in the URL."""
        for platform, url in (("metal", self.URL), ("azure", self.URL + "?sig=x"), ("azure", self.URL[:4] + self.URL[5:]),
                              ("azure", "https://account.blob.core.windows.net.evil.invalid/container/child.ign"),
                              ("azure", "https://account.blob.core.windows.net/a/b/c")):
            self.serve()
            proxies = {"httpProxy": "http://127.0.0.1:9", "httpsProxy": "http://127.0.0.1:9"}
            self.fetch(None, platform=platform, code=1,
                       cfg=config(ignition={"timeouts": {"httpTotal": 1}, "proxy": proxies,
                                            "config": {"merge": [{"source": url}]}}))
            self.assertEqual(self.cloud.requests, [])


if __name__ == "__main__":
    main()
