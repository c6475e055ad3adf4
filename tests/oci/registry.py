#!/usr/bin/env python3
"""registry.py FETCH: the registry client against the distribution's registry (with TLS, a password, a token server) and
against servers that lie, break off, redirect and stall. All on the loopback, all ended by their own handle."""
import base64
import gzip
import hashlib
import http.client
import http.server
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

FETCH = sys.argv.pop(1) if __name__ == "__main__" else None  # policy.py has its servers from here
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
# What `htpasswd -nbB admin s3cret` says.
HTPASSWD = "admin:$2y$05$O6FgJCarWi0MsZ30gW5REOyBUHV1OX1H2aQs7kJwgoGXeCXObVhDu\n"

here = pathlib.Path(tempfile.mkdtemp(prefix="basalt-registry-"))


def run(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, **more).stdout


def make_certificates():
    config = here / "openssl.cnf"
    config.write_text("[v3]\nsubjectAltName=IP:127.0.0.1,IP:127.0.0.2,DNS:localhost\n")
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=authority",
        "-keyout", here / "ca.key", "-out", here / "ca.crt")
    for name in ("server", "client"):
        run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", here / f"{name}.key",
            "-out", here / f"{name}.csr")
        run("openssl", "x509", "-req", "-days", "2", "-in", here / f"{name}.csr", "-CA", here / "ca.crt", "-CAkey",
            here / "ca.key", "-CAcreateserial", "-extfile", config, "-extensions", "v3", "-out", here / f"{name}.crt")


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Image:
    """Blobs by digest, and a manifest inside of an index."""

    def __init__(self, layers=2, size=200_000):
        plain = [os.urandom(size) for _ in range(layers)]
        self.layers = [gzip.compress(p, 1) for p in plain]
        self.config = json.dumps({"os": "linux", "architecture": "amd64", "config": {},
                                  "rootfs": {"type": "layers", "diff_ids": [sha256(p) for p in plain]}}).encode()
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": {"mediaType": CONFIG, "digest": sha256(self.config), "size": len(self.config)},
            "layers": [{"mediaType": LAYER, "digest": sha256(b), "size": len(b)} for b in self.layers]}).encode()
        self.index = json.dumps({
            "schemaVersion": 2, "mediaType": OCI_INDEX,
            "manifests": [{"mediaType": OCI_MANIFEST, "digest": sha256(self.manifest), "size": len(self.manifest),
                           "platform": {"os": "linux", "architecture": "amd64"}}]}).encode()
        self.blobs = {sha256(b): b for b in [self.config, *self.layers]}

    def said(self, place, layers=True):
        return "".join([f"{sha256(self.index)}\n{sha256(self.manifest)}\nfrom {place}\n"] +
                       [f"layer {i + 1}: {len(b)} bytes\n" for i, b in enumerate(self.layers) if layers])


class False_(http.server.ThreadingHTTPServer):
    """A registry that answers as a test wants: `answer(handler)` returns True when it has."""
    daemon_threads = True
    request_queue_size = 32

    def __init__(self, image=None, tls=True, address="127.0.0.1", client_ca=False):
        self.image, self.log, self.connections, self.answer = image or Image(), [], 0, lambda h: False
        self.shown = []  # by clients, of certificates
        self.context = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(here / "server.crt", here / "server.key")
            if client_ca:
                self.context.load_verify_locations(here / "ca.crt")
                self.context.verify_mode = ssl.CERT_OPTIONAL
        super().__init__((address, 0), Handler)
        self.host = f"{address}:{self.server_address[1]}"
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def finish_request(self, request, client_address):
        self.connections += 1
        try:
            if self.context:
                request = self.context.wrap_socket(request, server_side=True)
                self.shown.append(request.getpeercert() or None)
            self.RequestHandlerClass(request, client_address, self)
            if self.context:
                request.close()
        except OSError:
            pass

    def handle_error(self, request, client_address):
        pass

    def close(self):
        self.shutdown()
        self.server_close()

    def asked(self, what):
        return [r for r in self.log if what in f"{r[0]} {r[1]}"]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *ignored):
        pass

    def say(self, status, body=b"", length=None, **headers):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def cut(self):
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def handle_any(self):
        n = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(n).decode() if n else ""
        self.server.log.append((self.command, self.path, dict(self.headers), self.body))
        if not self.server.answer(self):
            self.good()

    def good(self):
        image, path = self.server.image, self.path.split("?")[0]
        if path.endswith(("/manifests/1", "/manifests/" + sha256(image.index))):
            return self.say(200, image.index, Content_Type=OCI_INDEX, Docker_Content_Digest=sha256(image.index))
        if path.endswith("/manifests/" + sha256(image.manifest)):
            return self.say(200, image.manifest, Content_Type=OCI_MANIFEST)
        blob = image.blobs.get(path.rsplit("/", 1)[1])
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if blob is not None and start:
            start = int(start[1])
            return self.say(206, blob[start:], Content_Range=f"bytes {start}-{len(blob) - 1}/{len(blob)}")
        return self.say(200, blob) if blob is not None else self.say(404)

    do_GET = do_HEAD = do_POST = handle_any


class Real:
    """The distribution's registry, with what a test wants in its config."""

    def __init__(self, name, auth=None):
        self.directory = here / name
        self.directory.mkdir()
        config = {"version": 0.1, "log": {"level": "info"},
                  "storage": {"filesystem": {"rootdirectory": str(self.directory / "data")}},
                  "http": {"addr": "127.0.0.1:0",
                           "tls": {"certificate": str(here / "server.crt"), "key": str(here / "server.key")}}}
        if auth:
            config["auth"] = auth
        (self.directory / "config.yml").write_text(json.dumps(config))
        self.process = subprocess.Popen(["docker-registry", "serve", self.directory / "config.yml"],
                                        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        for line in self.process.stderr:
            found = re.search(r"listening on (127\.0\.0\.1:\d+)", line)
            if found:
                self.host = found[1]
                break
        else:
            raise RuntimeError("docker-registry does not start")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def push(self, repository, image, authorization=None):
        context = ssl.create_default_context(cafile=here / "ca.crt")
        c = http.client.HTTPSConnection(self.host, context=context)
        more = {"Authorization": authorization} if authorization else {}

        def ask(method, url, body=b"", **headers):
            c.request(method, url, body, {**more, **headers})
            answer = c.getresponse()
            answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{method} {url}: {answer.status}")
            return answer

        for digest, blob in image.blobs.items():
            where = urllib.parse.urlsplit(ask("POST", f"/v2/{repository}/blobs/uploads/").headers["Location"])
            ask("PUT", f"{where.path}?{where.query}&digest={digest}", blob, **{"Content-Type": "application/octet-stream"})
        ask("PUT", f"/v2/{repository}/manifests/{sha256(image.manifest)}", image.manifest, **{"Content-Type": OCI_MANIFEST})
        ask("PUT", f"/v2/{repository}/manifests/1", image.index, **{"Content-Type": OCI_INDEX})
        c.close()


class Root:
    """The files that the client reads."""

    def __init__(self, *hosts, auth=None, registries="", client=False):
        self.path = pathlib.Path(tempfile.mkdtemp(dir=here))
        for host in hosts:
            directory = self.path / "etc/containers/certs.d" / host
            directory.mkdir(parents=True)
            shutil.copy(here / "ca.crt", directory / "ca.crt")
            if client:
                shutil.copy(here / "client.crt", directory / "client.cert")
                shutil.copy(here / "client.key", directory / "client.key")
        if auth:
            (self.path / "run/ostree").mkdir(parents=True)
            entries = {k: {"auth": base64.b64encode(v.encode()).decode()} if isinstance(v, str) else v for k, v in auth.items()}
            (self.path / "run/ostree/auth.json").write_text(json.dumps({"auths": entries}))
        if registries:
            (self.path / "etc/containers").mkdir(parents=True, exist_ok=True)
            (self.path / "etc/containers/registries.conf").write_text(registries)

    def fetch(self, verb, name, *more, env=None):
        done = subprocess.run([FETCH, verb, self.path, name, *map(str, more)], capture_output=True, timeout=60,
                              env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL)
        done.said = done.stderr.decode()
        for secret in ("s3cret", "t0ken", base64.b64encode(b"admin:s3cret").decode()):
            assert secret not in done.said, done.said
        return done


class Case(unittest.TestCase):
    maxDiff = None

    def run(self, result=None):
        started = time.monotonic()
        super().run(result)
        print(f"{time.monotonic() - started:6.2f} s {self.id()}", flush=True)

    def false(self, *a, **k):
        server = False_(*a, **k)
        self.addCleanup(server.close)
        return server

    def real(self, *a, **k):
        server = Real(*a, **k)
        self.addCleanup(server.close)
        return server

    def good(self, done, said):
        self.assertEqual((done.returncode, done.stdout.decode()), (0, said), done.said)

    def bad(self, done, *said):
        self.assertEqual(done.returncode, 1, done.said)
        for text in said:
            self.assertIn(text, done.said)


class RealRegistry(Case):
    def test_tls(self):
        server, image = self.real("tls"), Image()
        server.push("a/os", image)
        root, name = Root(server.host), f"{server.host}/a/os:1"
        self.good(root.fetch("image", name), image.said(name))
        self.good(root.fetch("manifest", name), sha256(image.index) + "\n")
        self.good(root.fetch("resolve", name), sha256(image.index) + "\n")
        by_digest = f"{server.host}/a/os@{sha256(image.index)}"
        self.good(root.fetch("image", by_digest), image.said(by_digest))
        self.good(root.fetch("has", name, sha256(image.layers[0])), "yes\n")
        self.good(root.fetch("has", name, sha256(b"x")), "no\n")
        blob = root.fetch("blob", name, sha256(image.layers[1]), len(image.layers[1]))
        self.assertEqual((blob.returncode, blob.stdout), (0, image.layers[1]))
        self.bad(root.fetch("image", f"{server.host}/a/os:2"), "there is no such image")
        self.bad(Root().fetch("image", name), "signed by no authority")

    def test_password(self):
        passwords = here / "htpasswd"
        passwords.write_text(HTPASSWD)
        server, image = self.real("password", {"htpasswd": {"realm": "x", "path": str(passwords)}}), Image()
        server.push("a/os", image, "Basic " + base64.b64encode(b"admin:s3cret").decode())
        name = f"{server.host}/a/os:1"
        self.good(Root(server.host, auth={server.host: "admin:s3cret"}).fetch("image", name), image.said(name))
        self.bad(Root(server.host, auth={server.host: "admin:wrong"}).fetch("image", name), "with the credentials")
        self.bad(Root(server.host).fetch("image", name), "wants a user and a password")

    def test_token(self):
        tokens = self.false()
        auth = {"token": {"realm": f"https://{tokens.host}/token?x=y", "service": "the service", "issuer": "test",
                          "rootcertbundle": str(here / "ca.crt")}}
        server, image = self.real("token", auth), Image()

        def b64(data):
            return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

        def token(actions):
            der = base64.b64encode(ssl.PEM_cert_to_DER_cert((here / "server.crt").read_text())).decode()
            now = int(time.time())
            text = ".".join(b64(json.dumps(part).encode()) for part in (
                {"typ": "JWT", "alg": "RS256", "x5c": [der]},
                {"iss": "test", "aud": "the service", "sub": "admin", "iat": now, "nbf": now - 10, "exp": now + 300,
                 "jti": "1", "access": [{"type": "repository", "name": "a/os", "actions": actions}]}))
            return text + "." + b64(run("openssl", "dgst", "-sha256", "-sign", here / "server.key", input=text.encode()))

        def answer(h):
            query = urllib.parse.parse_qs(urllib.parse.urlsplit(h.path).query)
            if h.headers.get("Authorization") != "Basic " + base64.b64encode(b"admin:s3cret").decode():
                h.say(401)
            elif query != {"x": ["y"], "account": ["admin"], "service": ["the service"],
                           "scope": ["repository:a/os:pull"]}:
                h.say(400)
            else:
                h.say(200, json.dumps({"token": token(["pull"]), "expires_in": 300}).encode())
            return True

        tokens.answer = answer
        server.push("a/os", image, "Bearer " + token(["pull", "push"]))
        name = f"{server.host}/a/os:1"
        root = Root(server.host, auth={f"{server.host}/a": "admin:s3cret"})
        trust = root.path / "etc/containers/certs.d" / server.host / "ca.crt"  # the realm is trusted by the same
        self.assertTrue(trust.exists())
        self.good(root.fetch("image", name), image.said(name))
        self.assertEqual(len(tokens.log), 1)  # one token for all of it
        self.bad(Root(server.host, auth={server.host: "admin:wrong"}).fetch("image", name), "the credentials are not accepted")


def bearer(realm, more=""):
    return f'Bearer realm="{realm}",service="s",scope="repository:a/os:pull,push"{more}'


class Tokens(Case):
    """One false server is registry and token server; `t0ken` opens it."""

    def setUp(self):
        self.server = self.false()
        self.name = f"{self.server.host}/a/os:1"
        self.realm = f"https://{self.server.host}/token"
        self.token = {"token": "t0ken", "expires_in": 300}
        self.server.answer = self.answer

    def answer(self, h):
        if h.path.startswith("/token"):
            h.say(200, json.dumps(self.token).encode())
        elif h.headers.get("Authorization") != "Bearer t0ken":
            h.say(401, WWW_Authenticate=bearer(self.realm))
        else:
            return False
        return True

    def fetch(self, auth=None, **more):
        return Root(self.server.host, auth=auth, **more).fetch("image", self.name)

    def test_nobody(self):
        self.good(self.fetch(), self.server.image.said(self.name))
        asked = self.server.asked("/token")
        self.assertEqual([a[1] for a in asked], ["/token?service=s&scope=repository%3Aa%2Fos%3Apull"])
        self.assertNotIn("Authorization", asked[0][2])
        self.assertEqual(self.server.connections, 1)  # of eight requests

    def test_access_token(self):
        self.token = {"access_token": "t0ken"}
        self.good(self.fetch(), self.server.image.said(self.name))

    def test_identity_token(self):
        self.good(self.fetch({self.server.host: {"auth": "PHRva2VuPjo=", "identitytoken": "s3cret+x"}}),
                  self.server.image.said(self.name))
        method, path, headers, body = self.server.asked("/token")[0]
        self.assertEqual((method, path), ("POST", "/token"))
        self.assertEqual(urllib.parse.parse_qs(body), {
            "grant_type": ["refresh_token"], "client_id": ["basalt"], "service": ["s"],
            "scope": ["repository:a/os:pull"], "refresh_token": ["s3cret+x"]})
        self.assertNotIn("Authorization", headers)

    def test_realm_without_tls(self):
        """CVE-2019-10214"""
        plain = self.false(tls=False)
        self.realm = f"http://{plain.host}/token"
        self.bad(self.fetch({self.server.host: "admin:s3cret"}), "token server without TLS")
        self.assertEqual(plain.log, [])

    def test_realm_redirects_without_tls(self):
        plain = self.false(tls=False)
        self.realm = f"https://{self.server.host}/away"
        answer = self.server.answer
        self.server.answer = lambda h: (h.say(302, Location=f"http://{plain.host}/token") or True) \
            if h.path.startswith("/away") else answer(h)
        self.bad(self.fetch({self.server.host: "admin:s3cret"}), "not a URL of https")
        self.assertEqual(plain.log, [])

    def test_realm_redirects(self):
        other = self.false(address="127.0.0.2")
        other.answer = lambda h: h.say(200, json.dumps(self.token).encode()) or True
        self.realm = f"https://{self.server.host}/away"
        answer = self.server.answer
        self.server.answer = lambda h: (h.say(302, Location=f"https://{other.host}/token") or True) \
            if h.path.startswith("/away") else answer(h)
        self.good(self.fetch({self.server.host: "admin:s3cret"}), self.server.image.said(self.name))
        self.assertNotIn("Authorization", other.log[0][2])

    def test_insecure_place(self):
        """What registries.conf calls insecure may have its tokens in the clear."""
        plain = self.false(tls=False)
        plain.answer = self.answer
        name = f"{plain.host}/a/os:1"
        self.realm = f"http://{plain.host}/token"
        root = Root(registries=f'[[registry]]\nlocation = "{plain.host}"\ninsecure = true\n', auth={plain.host: "admin:s3cret"})
        self.good(root.fetch("image", name), plain.image.said(name))
        self.assertTrue(plain.asked("/token")[0][2]["Authorization"].startswith("Basic "))

    def test_bad_realms(self):
        for realm in ("", "ftp://x/y", f"https://u:p@{self.server.host}/token", f"https://{self.server.host}/token#x", "/token",
                      "https:///token"):
            self.realm = realm
            self.bad(self.fetch({self.server.host: "admin:s3cret"}))
        self.assertEqual(self.server.asked("/token"), [])

    def test_bad_tokens(self):
        for token in ({}, {"token": ""}, {"token": "t0ken\r\nX-Evil: 1"}, {"token": 1}, [], {"token": "a", "Token": "b"},
                      {"token": "x" * 300_000}):
            self.token = token
            self.bad(self.fetch(), "token server")
        self.assertEqual([r for r in self.server.log if "X-Evil" in r[2]], [])

    def test_token_that_does_not_open(self):
        self.token = {"token": "other"}
        self.bad(self.fetch(), "access is denied")
        self.assertEqual(len(self.server.asked("/token")), 1)

    def test_token_runs_out_inside_of_a_blob(self):
        blob, state = self.server.image.layers[0], {"open": 2}

        def answer(h):
            if h.path.endswith(sha256(blob)) and state["open"] and h.headers.get("Authorization") == "Bearer t0ken":
                state["open"] -= 1
                if state["open"]:
                    h.say(200, blob[:1000], len(blob))
                    h.cut()
                else:
                    h.say(401, WWW_Authenticate=bearer(self.realm))
                return True
            return self.answer(h)

        self.server.answer = answer
        self.good(self.fetch(), self.server.image.said(self.name))
        self.assertEqual(len(self.server.asked("/token")), 2)
        self.assertEqual([r[2].get("Range") for r in self.server.asked(sha256(blob))], [None, "bytes=1000-", "bytes=1000-"])

    def test_challenges_in_one_header(self):
        realm = self.realm
        self.server.answer = lambda h: self.answer(h) if h.path.startswith("/token") or h.headers.get("Authorization") else \
            (h.say(401, WWW_Authenticate='Basic realm="x, y", ' + bearer(realm)) or True)
        self.good(self.fetch(), self.server.image.said(self.name))


class Liars(Case):
    def setUp(self):
        self.server = self.false()
        self.image = self.server.image
        self.name = f"{self.server.host}/a/os:1"
        self.blob = self.image.layers[0]
        self.root = Root(self.server.host, auth={self.server.host: "admin:s3cret"})

    def answers(self, what, answer):
        self.server.answer = lambda h: (answer(h) or True) if what in h.path else False

    def test_manifest_by_digest_is_another(self):
        other = Image()
        self.answers(sha256(self.image.manifest), lambda h: h.say(200, other.manifest, Content_Type=OCI_MANIFEST))
        self.bad(self.root.fetch("image", self.name), "the manifest should be", "by its name")

    def test_claimed_digest(self):
        for claim in (sha256(b"x"), "sha256:../../x", "x"):
            self.answers("/manifests/1", lambda h: h.say(200, self.image.index, Content_Type=OCI_INDEX,
                                                         Docker_Content_Digest=claim))
            self.bad(self.root.fetch("image", self.name), "server")
        self.answers("/manifests/1", lambda h: h.say(200, self.image.index, Content_Type=OCI_INDEX))  # none is no lie
        self.good(self.root.fetch("image", self.name), self.image.said(self.name))

    def test_manifest_without_end(self):
        """CVE-2020-1702"""
        self.answers("/manifests/1", lambda h: h.say(200, b" " * (5 << 20), Content_Type=OCI_INDEX))
        self.bad(self.root.fetch("image", self.name), "more than 4194304 bytes")

    def test_manifest_came_as_another(self):
        self.answers("/manifests/1", lambda h: h.say(200, self.image.index, Content_Type=OCI_MANIFEST))
        self.bad(self.root.fetch("image", self.name), "and came as")

    def test_index_of_indexes(self):
        index = json.loads(self.image.index)
        chain = [self.image.index]
        for _ in range(4):
            index["manifests"][0].update(mediaType=OCI_INDEX, digest=sha256(chain[-1]), size=len(chain[-1]))
            chain.append(json.dumps(index).encode())
        by = {sha256(c): c for c in chain}
        by["1"] = chain[-1]
        self.answers("/manifests/", lambda h: h.say(200, by[h.path.rsplit("/", 1)[1]], Content_Type=OCI_INDEX)
                     if h.path.rsplit("/", 1)[1] in by else h.good())
        self.bad(self.root.fetch("image", self.name), "ever another index")

    def test_blob_is_another(self):
        self.answers(sha256(self.blob), lambda h: h.say(200, bytes(len(self.blob))))
        self.bad(self.root.fetch("image", self.name), "came as sha256:")

    def test_blob_is_longer(self):
        self.answers(sha256(self.blob), lambda h: h.say(200, self.blob + b"x"))
        self.bad(self.root.fetch("image", self.name), "has more than the")

    def test_blob_is_shorter(self):
        self.answers(sha256(self.blob), lambda h: h.say(200, self.blob[:-1]))
        self.bad(self.root.fetch("image", self.name), "the blob ends after")

    def test_config_is_another(self):
        self.answers(sha256(self.image.config), lambda h: h.say(200, self.image.config[:-1] + b" "))
        self.bad(self.root.fetch("image", self.name), "came as sha256:")

    def test_redirects_get_no_credentials(self):
        """CVE-2020-15157"""
        other = self.false(self.image, address="127.0.0.2")
        basic = "Basic " + base64.b64encode(b"admin:s3cret").decode()

        def answer(h):
            if h.headers.get("Authorization") != basic:
                return h.say(401, WWW_Authenticate='Basic realm="x"') or True
            if "/blobs/" in h.path:
                return h.say(307, Location=f"https://{other.host}{h.path}?signature=s3cret") or True
            return False

        self.server.answer = answer
        self.good(self.root.fetch("image", self.name), self.image.said(self.name))
        self.assertEqual(len(other.log), 3)
        self.assertEqual(len([r for r in self.server.log if "Authorization" in r[2]]), len(self.server.log) - 1)
        for request in other.log:
            self.assertNotIn("Authorization", request[2])

    def test_redirects_that_ask(self):
        """A 401 of a host that a redirect names is answered by nobody."""
        other = self.false(address="127.0.0.2")
        other.answer = lambda h: h.say(401, WWW_Authenticate=bearer(f"https://{other.host}/token")) or True
        self.answers("/blobs/", lambda h: h.say(307, Location=f"https://{other.host}{h.path}"))
        self.bad(self.root.fetch("image", self.name), "denied where it redirects to")
        self.assertEqual(other.asked("/token"), [])

    def test_redirect_without_tls(self):
        plain = self.false(self.image, tls=False)
        self.answers("/blobs/", lambda h: h.say(307, Location=f"http://{plain.host}{h.path}"))
        self.bad(self.root.fetch("image", self.name), "not a URL of https")
        self.assertEqual(plain.log, [])

    def test_urls_of_descriptors(self):
        other = self.false(self.image)
        manifest = json.loads(self.image.manifest)
        manifest["layers"][0]["urls"] = [f"https://{other.host}/x"]
        manifest = json.dumps(manifest).encode()
        self.answers("/manifests/1", lambda h: h.say(200, manifest, Content_Type=OCI_MANIFEST))
        self.assertEqual(self.root.fetch("image", self.name).returncode, 0)
        self.assertEqual(other.log, [])


class Networks(Case):
    def setUp(self):
        self.server = self.false(Image(1, 3_000_000))
        self.image = self.server.image
        self.name = f"{self.server.host}/a/os:1"
        self.blob = self.image.layers[0]

    def breaks(self, server, times, ranges=True, piece=400_000):
        left = [times]

        def answer(h):
            if not h.path.endswith(sha256(self.blob)) or not left[0]:
                if not ranges:
                    del h.headers["Range"]
                return False
            left[0] -= 1
            start = int((h.headers.get("Range") or "bytes=0-")[6:-1]) if ranges else 0
            more = {"Content_Range": f"bytes {start}-{len(self.blob) - 1}/{len(self.blob)}"} if start else {}
            h.say(206 if start else 200, self.blob[start:start + piece], len(self.blob) - start, **more)
            h.cut()
            return True

        server.answer = answer

    def test_goes_on(self):
        self.breaks(self.server, 6)  # more often than there are attempts without progress
        self.good(Root(self.server.host).fetch("image", self.name), self.image.said(self.name))
        ranges = [r[2].get("Range") for r in self.server.asked(sha256(self.blob))]
        self.assertEqual(ranges, [None] + [f"bytes={400_000 * i}-" for i in range(1, 7)])

    def test_goes_on_without_ranges(self):
        self.breaks(self.server, 2, ranges=False)
        done = Root(self.server.host).fetch("blob", self.name, sha256(self.blob), len(self.blob))
        self.assertEqual((done.returncode, done.stdout), (0, self.blob), done.said)

    def test_gives_up_without_progress(self):
        self.breaks(self.server, 99, piece=0)
        self.bad(Root(self.server.host).fetch("image", self.name), "a blob of")
        self.assertEqual(len(self.server.asked(sha256(self.blob))), 3)

    def test_goes_on_at_another_place(self):
        mirror = self.false(self.image)

        def answer(h):
            if not h.path.endswith(sha256(self.blob)):
                return False
            h.say(200, self.blob[:400_000], len(self.blob)) if not h.headers.get("Range") else None
            h.cut()
            return True

        mirror.answer = answer
        root = Root(self.server.host, mirror.host, registries=f'[[registry]]\nlocation = "{self.server.host}"\n'
                    f'mirror = [{{location = "{mirror.host}"}}]\n')
        done = root.fetch("blob", self.name, sha256(self.blob), len(self.blob))
        self.assertEqual((done.returncode, done.stdout), (0, self.blob), done.said)
        self.assertEqual([r[2].get("Range") for r in self.server.asked("blobs")], ["bytes=400000-"])

    def test_stalls(self):
        stalled = threading.Event()
        self.addCleanup(stalled.set)

        def answer(h):
            if not h.path.endswith(sha256(self.blob)) or h.headers.get("Range"):
                return False
            h.say(200, self.blob[:100_000], len(self.blob))
            h.wfile.flush()
            stalled.wait()
            return True

        self.server.answer = answer
        self.good(Root(self.server.host).fetch("image", self.name), self.image.said(self.name))

    def test_busy(self):
        left = [2, 1]

        def answer(h):
            for i, status in enumerate((429, 503)):
                if left[i]:
                    left[i] -= 1
                    h.say(status)
                    return True
            return False

        self.server.answer = answer
        root = Root(self.server.host)
        self.bad(root.fetch("manifest", self.name), "answered 503")
        self.good(root.fetch("manifest", self.name), sha256(self.image.index) + "\n")

    def test_mirrors(self):
        empty, mirror = self.false(), self.false(self.image)
        empty.answer = lambda h: h.say(404) or True
        conf = f'[[registry]]\nlocation = "{self.server.host}/a"\n'
        conf += f'mirror = [{{location = "{empty.host}/x"}}, {{location = "{mirror.host}/y/z"}}]\n'
        root = Root(self.server.host, empty.host, mirror.host, registries=conf)
        self.good(root.fetch("image", self.name), self.image.said(f"{mirror.host}/y/z/os:1"))
        self.assertEqual(self.server.log, [])
        self.assertEqual(len(empty.log), 1)  # asked once, not for each blob
        mirror.answer = empty.answer
        self.good(root.fetch("image", self.name), self.image.said(self.name))
        self.server.answer = lambda h: h.say(403) or True
        self.bad(root.fetch("image", self.name), f"{empty.host}: there is no such image",
                 f"{mirror.host}: there is no such image", f"{self.server.host}: access is denied")

    def test_mirror_lies(self):
        mirror = self.false()
        conf = f'[[registry]]\nlocation = "{self.server.host}"\nmirror = [{{location = "{mirror.host}"}}]\n'
        name = f"{self.server.host}/a/os@{sha256(self.image.index)}"
        mirror.answer = lambda h: h.say(200, mirror.image.index, Content_Type=OCI_INDEX) or True
        self.good(Root(self.server.host, mirror.host, registries=conf).fetch("image", name), self.image.said(name))

    def test_blocked(self):
        root = Root(self.server.host, registries=f'[[registry]]\nlocation = "{self.server.host}"\nblocked = true\n')
        self.bad(root.fetch("image", self.name), "blocks")
        self.assertEqual(self.server.log, [])

    def test_insecure(self):
        plain = self.false(self.image, tls=False)
        for server in (self.server, plain):  # a certificate of nobody; none
            name = f"{server.host}/a/os:1"
            self.assertEqual(Root().fetch("image", name).returncode, 1)
            self.assertEqual(server.log, [])
            root = Root(registries=f'[[registry]]\nlocation = "{server.host}"\ninsecure = true\n')
            self.good(root.fetch("image", name), self.image.said(name))

    def test_client_certificate(self):
        """It is shown to the registry, and to no host that it redirects to."""
        server, other = self.false(self.image, client_ca=True), self.false(self.image, address="127.0.0.2", client_ca=True)
        server.answer = lambda h: "/blobs/" in h.path and (h.say(307, Location=f"https://{other.host}{h.path}") or True)
        name = f"{server.host}/a/os:1"
        self.good(Root(server.host, client=True).fetch("image", name), self.image.said(name))
        self.assertTrue(server.shown and all(server.shown))
        self.assertEqual(set(other.shown), {None})
        server.shown.clear()
        self.good(Root(server.host).fetch("image", name), self.image.said(name))
        self.assertEqual(set(server.shown), {None})

    def test_proxy(self):
        proxy = self.false(self.image, tls=False)
        name = "registry.invalid/a/os:1"
        root = Root(registries='[[registry]]\nlocation = "registry.invalid"\ninsecure = true\n')
        self.good(root.fetch("manifest", name, env={"TEST_PROXY": f"http://{proxy.host}"}), sha256(self.image.index) + "\n")
        self.assertEqual([r[1] for r in proxy.log], ["http://registry.invalid/v2/a/os/manifests/1"])


def main():
    if not shutil.which("docker-registry"):
        print("the package docker-registry is missing")
        sys.exit(77)
    try:
        make_certificates()
        unittest.main(verbosity=1, exit=False).result.wasSuccessful() or os._exit(1)
    finally:
        shutil.rmtree(here, ignore_errors=True)


if __name__ == "__main__":
    main()
