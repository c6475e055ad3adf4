#!/usr/bin/env python3
"""policy.py DECIDE: which images a policy takes. Signatures of sigstore are made by openssl and kept in the
distribution's registry, those of OpenPGP by gpg and kept in files and on servers; then all of it is done wrongly."""
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

DECIDE = sys.argv.pop(1)
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import registry  # noqa: E402
from registry import OCI_MANIFEST, False_, Image, Root, here, run, sha256  # noqa: E402

SIGNATURE = "application/vnd.dev.cosign.simplesigning.v1+json"
ANNOTATION = "dev.cosignproject.cosign/signature"
ACCEPT, REJECT = {"type": "insecureAcceptAnything"}, {"type": "reject"}
COSIGN, ATOMIC = "cosign container image signature", "atomic container signature"


def payload(digest, reference, kind=COSIGN, optional=None, **more):
    return json.dumps({"critical": {"type": kind, "image": {"docker-manifest-digest": digest},
                                    "identity": {"docker-reference": reference}, **more}, "optional": optional}).encode()


class Key:
    """A private key and its public one."""

    def __init__(self, name, *how):
        self.private, self.public = here / f"{name}.pem", here / f"{name}.pub"
        run("openssl", "genpkey", *(how or ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")), "-out", self.private)
        run("openssl", "pkey", "-in", self.private, "-pubout", "-out", self.public)
        self.raw = "ed25519" in how

    def sign(self, text):
        if not self.raw:
            return run("openssl", "dgst", "-sha256", "-sign", self.private, input=text)
        path = here / "to-sign"
        path.write_bytes(text)
        return run("openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self.private, "-in", path)


class Attachments(Image):
    """What cosign attaches to a manifest: its blobs and a manifest of their own."""

    def __init__(self, *signatures):
        """(payload, signature in bytes or as annotation)"""
        self.config = json.dumps({"os": "", "architecture": "", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
        layers = []
        for text, signature in signatures:
            note = base64.b64encode(signature).decode() if isinstance(signature, bytes) else signature
            layers.append({"mediaType": SIGNATURE, "digest": sha256(text), "size": len(text),
                           "annotations": {ANNOTATION: note} if note is not None else {}})
        self.document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST,
                         "config": {"mediaType": registry.CONFIG, "digest": sha256(self.config), "size": len(self.config)},
                         "layers": layers}
        self.blobs = {sha256(b): b for b in [self.config, *(text for text, _ in signatures)]}

    @property
    def bytes(self):
        return json.dumps(self.document).encode()


class Server(False_):
    """A registry with an image and what is attached to it by tag; or with whatever a test puts into `files`."""

    def __init__(self, image=None):
        super().__init__(image)
        self.tags, self.files, self.more = {}, {}, {}
        self.answer = self.find

    def find(self, h):
        tag = h.path.rsplit("/", 1)[1]
        if h.path in self.files:
            status, body = self.files[h.path]
            h.say(status, body)
        elif "/manifests/" in h.path and tag in self.tags:
            h.say(200, self.tags[tag], Content_Type=OCI_MANIFEST)
        elif tag in self.more:
            h.say(200, self.more[tag])
        else:
            return False
        return True

    def attach(self, digest, attachments):
        self.tags[digest.replace(":", "-") + ".sig"] = attachments.bytes
        self.more.update(attachments.blobs)


class Case(registry.Case):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.close)
        self.image = self.server.image
        self.repository = f"{self.server.host}/a/os"
        self.name = f"{self.repository}:1"
        self.index, self.manifest = sha256(self.image.index), sha256(self.image.manifest)
        self.root = Root(self.server.host)
        self.settings({"use-sigstore-attachments": True, "lookaside": "file:///lookaside"})

    def settings(self, section, scope=None):
        directory = self.root.path / "etc/containers/registries.d"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "test.yaml").write_text(json.dumps({"docker": {scope or self.server.host: section}}))

    def policy(self, *requirements, scope=None, **more):
        text = json.dumps({"default": [REJECT], "transports": {"docker": {scope or self.repository: requirements}}, **more})
        (self.root.path / "etc/containers/policy.json").write_text(text)

    def decide(self, image=None, **env):
        return subprocess.run([DECIDE, self.root.path, image or self.name], capture_output=True, text=True, timeout=60,
                              env={**os.environ, **env}, stdin=subprocess.DEVNULL)

    def good(self, *lines, image=None, **env):
        done = self.decide(image, **env)
        self.assertEqual((done.returncode, done.stdout.splitlines()[:len(lines)]), (0, list(lines)), done.stderr)
        return done.stdout

    def bad(self, *said, image=None, code=1, **env):
        done = self.decide(image, **env)
        self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
        for text in said:
            self.assertIn(text, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)

    def key_file(self, key, name="key.pub"):
        shutil.copy(key.public, self.root.path / name)
        return f"/{name}"


class Rules(Case):
    def test_accept_and_reject(self):
        self.policy(ACCEPT)
        self.good(f"taken docker {self.repository}", "insecureAcceptAnything")
        self.policy(ACCEPT, REJECT)
        self.bad("reject: nothing is accepted", "/etc/containers/policy.json")
        self.policy(ACCEPT, scope=f"{self.repository}:2")
        self.bad("(default)")
        self.policy(ACCEPT, scope="*.0.0.1")
        self.good("taken docker *.0.0.1")
        self.assertEqual(self.server.asked(".sig"), [])

    def test_files(self):
        self.bad("there is no policy for images", code=2)
        self.policy(ACCEPT)
        (self.root.path / "usr/share/containers").mkdir(parents=True)
        (self.root.path / "usr/share/containers/policy.json").write_text(json.dumps({"default": [REJECT]}))
        self.good("taken docker " + self.repository)
        (self.root.path / "etc/containers/policy.json").unlink()
        self.bad("/usr/share/containers/policy.json")
        (self.root.path / "root/.config/containers").mkdir(parents=True)
        (self.root.path / "root/.config/containers/policy.json").write_text(json.dumps({"default": [ACCEPT]}))
        self.good("taken default ")
        self.bad("(default)", TEST_POLICY="/usr/share/containers/policy.json")
        self.bad("there is no policy for images: /none", TEST_POLICY="/none", code=2)

    def test_a_broken_policy_is_none(self):
        (self.root.path / "etc/containers/policy.json").write_text('{"default":[{"type":"insecureAcceptAnything","x":1}]}')
        done = self.decide()
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("/etc/containers/policy.json:1:46: error: $.default.0.x: unknown key", done.stderr)

    def test_signed_scheme(self):
        self.policy(ACCEPT)
        self.good("taken docker " + self.repository, image=f"ostree-unverified-registry:{self.name}")
        self.bad("accepts it without one", image=f"ostree-image-signed:docker://{self.name}")
        self.policy(REJECT)
        self.bad("nothing is accepted", image=f"ostree-image-signed:docker://{self.name}")

    def test_what_is_not_supported(self):
        for more, said in (({"fulcio": {"caPath": "/x", "oidcIssuer": "https://x", "subjectEmail": "a@b"},
                             "rekorPublicKeyPath": "/r"}, "fulcio: certificates of Fulcio"),
                           ({"pki": {"caRootsPath": "/x", "subjectEmail": "a@b"}}, "pki: certificates cannot"),
                           ({"keyPath": "/k", "rekorPublicKeyPath": "/r"}, "rekorPublicKeyPath: entries of a Rekor log")):
            self.policy({"type": "sigstoreSigned", **more})
            self.bad(said)
        self.policy({"type": "signedBy", "keyType": "X509Certificates", "keyPath": "/x"})
        self.bad("X509Certificates is implemented by nobody")
        self.policy({"type": "signedBaseLayer", "baseLayerIdentity": {"type": "matchExact"}})
        self.bad("signedBaseLayer is implemented by nobody")
        self.assertEqual(self.server.asked(".sig"), [])

    def test_other_transports(self):
        """They have no signatures, so that a rule that wants one lets nothing through."""
        layout = pathlib.Path(tempfile.mkdtemp(dir=here))
        blobs = layout / "blobs/sha256"
        blobs.mkdir(parents=True)
        for blob in [self.image.manifest, *self.image.blobs.values()]:
            (blobs / sha256(blob)[7:]).write_bytes(blob)
        (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [
            {"mediaType": OCI_MANIFEST, "digest": self.manifest, "size": len(self.image.manifest)}]}))
        real, policy = os.path.realpath(layout), {"default": [REJECT], "transports": {"oci": {}}}
        path = self.root.path / "etc/containers/policy.json"
        for scope in (real, os.path.dirname(real), ""):
            policy["transports"]["oci"] = {scope: [ACCEPT]}
            path.write_text(json.dumps(policy))
            self.good(f"taken oci {scope}", image=f"oci:{layout}")
        policy["transports"]["oci"] = {real: [{"type": "sigstoreSigned", "keyPath": self.key_file(KEYS["p256"])}], "": [ACCEPT]}
        path.write_text(json.dumps(policy))
        self.bad("a signature is wanted, and images of oci: have none", image=f"oci:{layout}")


class Sigstore(Case):
    def sign(self, key=None, digest=None, reference=None, of=None, **more):
        text = payload(digest or of or self.index, self.name if reference is None else reference, **more)
        self.server.attach(of or self.index, Attachments((text, (key or KEYS["p256"]).sign(text))))

    def require(self, *keys, identity=None, **more):
        paths = [self.key_file(k, f"key{i}.pub") for i, k in enumerate(keys or [KEYS["p256"]])]
        self.policy({"type": "sigstoreSigned", **({"keyPath": paths[0]} if len(paths) == 1 else {"keyPaths": paths}),
                     **({"signedIdentity": identity} if identity else {}), **more})

    def verified(self, path="/key0.pub", identity=None, digest=None, **more):
        said = self.good(f"verified docker {self.repository}", **more).splitlines()[1].split()
        self.assertEqual(said[:2] + said[3:], ["sigstoreSigned", path, identity or self.name, digest or self.index])
        self.assertRegex(said[2], "^SHA256:[0-9a-f]{64}$")

    def test_real_registry(self):
        """The distribution's registry, a signature of each kind of key."""
        real = self.real("policy")
        real.push("a/os", self.image)
        self.server.host = real.host
        self.root = Root(real.host)
        self.repository = f"{real.host}/a/os"
        self.name = f"{self.repository}:1"
        self.settings({"use-sigstore-attachments": True})
        for key in [k for name, k in KEYS.items() if name != "other"]:
            text = payload(self.index, self.name)
            attached = Attachments((text, key.sign(text)))
            attached.manifest = attached.index = attached.bytes
            attached.tag = self.index.replace(":", "-") + ".sig"
            push_tagged(real, "a/os", attached)
            self.require(key)
            self.verified()
            self.verified(image=f"ostree-image-signed:docker://{self.name}")
            self.require(KEYS["other"])
            self.bad("none of the keys has made it")
        by_digest = f"{self.repository}@{self.index}"
        self.require(key)
        self.verified(image=by_digest)

    def test_key_data(self):
        self.sign()
        data = [base64.b64encode(KEYS[k].public.read_bytes()).decode() for k in ("other", "p256")]
        self.policy({"type": "sigstoreSigned", "keyData": data[1]})
        self.assertIn(" key 1 in the policy SHA256:", self.good(f"verified docker {self.repository}").replace("sigstoreSigned", ""))
        self.policy({"type": "sigstoreSigned", "keyDatas": data})
        self.assertIn(" key 2 in the policy ", self.good(f"verified docker {self.repository}"))
        self.policy({"type": "sigstoreSigned", "keyData": data[0]})
        self.bad("none of the keys has made it")

    def test_several_keys(self):
        self.sign()
        self.require(KEYS["other"], KEYS["p256"])
        self.verified("/key1.pub")

    def test_a_key_that_is_none_fails_all(self):
        self.sign()
        for text, said in ((b"", "not in PEM"), (KEYS["p256"].private.read_bytes(), "no PUBLIC KEY"),
                           (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "libcrypto can read"),
                           (run("openssl", "pkey", "-in", weak().private, "-pubout"), "has 1024 bits"),
                           (run("openssl", "pkey", "-in", curve().private, "-pubout"), "none of the curves"),
                           (b"x" * 70_000, "more than")):
            self.require(KEYS["p256"], KEYS["other"])
            (self.root.path / "key1.pub").write_bytes(text)
            self.bad("/key1.pub", said, code=3)
        (self.root.path / "key1.pub").unlink()
        self.bad("reading the key /key1.pub", code=3)

    def test_nothing_is_signed(self):
        self.require()
        self.bad("a signature is wanted, and there is none")
        self.assertEqual(len(self.server.asked(".sig")), 2)  # of the index and of the image

    def test_only_where_registries_d_says_so(self):
        self.sign()
        self.require()
        self.settings({"use-sigstore-attachments": True}, "elsewhere.example")
        self.bad("there is none")
        self.assertEqual(self.server.asked(".sig"), [])
        self.settings({"use-sigstore-attachments": True}, self.repository)
        self.verified()
        directory = self.root.path / "etc/containers/registries.d"
        (directory / "a.yaml").write_text(f"default-docker:\n  use-sigstore-attachments: true\ndocker:\n  {self.name}:\n"
                                          "    use-sigstore-attachments: false\n")
        self.bad("there is none")

    def test_the_image_of_an_index(self):
        """Some tools sign the index, some what it holds."""
        self.sign(of=self.manifest)
        self.require()
        self.verified(digest=self.manifest)

    def test_other_digest(self):
        self.require()
        self.sign(digest=sha256(b"another"))
        self.bad("it is of another manifest, sha256:")

    def test_sha512_of_the_manifest(self):
        import hashlib
        self.require()
        digest = "sha512:" + hashlib.sha512(self.image.index).hexdigest()
        self.sign(digest=digest)
        self.verified(digest=digest)

    def test_identities(self):
        other = "example.com/b/os"
        for reference, identity, taken in (
                (self.name, None, True), (f"{self.repository}:2", None, False), (self.repository, None, False),
                (f"{self.repository}-evil:1", None, False), (f"{other}:1", None, False),
                (f"{self.repository}:2", {"type": "matchRepository"}, True),
                (self.repository, {"type": "matchRepository"}, True),
                (self.repository, {"type": "matchExact"}, False),
                (f"{other}:7", {"type": "exactReference", "dockerReference": f"{other}:7"}, True),
                (f"{other}:7", {"type": "exactReference", "dockerReference": f"{other}:8"}, False),
                (other, {"type": "exactRepository", "dockerRepository": other}, True),
                (self.name, {"type": "exactRepository", "dockerRepository": other}, False),
                ("example.com/os:1", {"type": "remapIdentity", "prefix": f"{self.server.host}/a",
                                      "signedPrefix": "example.com"}, True)):
            self.sign(reference=reference)
            self.require(identity=identity)
            if taken:
                self.verified(identity=reference)
            else:
                self.bad(f"it is of an image that it calls '{reference}'")

    def test_names_that_are_no_names(self):
        self.require(identity={"type": "matchRepository"})
        for reference in ("x\n\u001b[31mRED", "../" + self.repository, ""):
            self.sign(reference=reference)
            self.bad("it is of an image that it calls '")

    def test_tampered(self):
        key, text = KEYS["p256"], payload(self.index, self.name)
        good, self.server.more = key.sign(text), {}
        for changed, signature, said in (
                (text.replace(b":1\"", b":2\""), good, "none of the keys"), (text + b" ", good, "none of the keys"),
                (text, good[:-1], "none of the keys"), (text, b"", "none of the keys"),
                (text, good + b"\0", "none of the keys"), (text, bytes(len(good)), "none of the keys"),
                (text, b"\x30\x06\x02\x01\x00\x02\x01\x00", "none of the keys"),
                (text, "!" + base64.b64encode(good).decode(), "no signature in base64"),
                (text, None, "no signature in base64"), (text, "A" * 8000, "none of the keys")):
            self.server.attach(self.index, Attachments((changed, signature)))
            self.require()
            self.bad(said)
        # The blob is another than the manifest of the attachments says.
        self.sign()
        self.server.more[sha256(text)] = text.replace(b"optional", b"Optional")
        self.bad("came as sha256:", code=3)

    def test_what_is_signed_must_be_all_of_it(self):
        self.require()
        other = sha256(b"x")
        bad = [payload(self.index, self.name, kind=ATOMIC), payload(self.index, self.name, more=1),
               payload(self.index, self.name).replace(b'"optional"', b'"Optional"'),
               b'{"critical":{},' + payload(self.index, self.name)[1:],
               payload(self.index, self.name).replace(b'{"docker-manifest-digest"',
                                                      f'{{"docker-manifest-digest":"{other}","docker-manifest-digest"'.encode()),
               payload(self.index, self.name).replace(b"docker-reference", b"Docker-reference"),
               payload("sha256:../../x", self.name), payload(self.index.upper(), self.name),
               payload(self.index, self.name) + b"{}", b"[]", b"", b"null", b"\xff",
               payload(self.index, self.name, optional={"timestamp": 1.5}), payload(self.index, self.name, optional=[]),
               payload(self.index, [self.name]), b"[" * 100_000]
        for text in bad:
            self.server.attach(self.index, Attachments((text, KEYS["p256"].sign(text))))
            self.bad("signed text")
        self.sign(optional={"creator": "x", "timestamp": 17, "anything": {"else": [1]}})
        self.verified()

    def test_one_good_one_among_bad_ones(self):
        text, other = payload(self.index, self.name), payload(sha256(b"x"), self.name)
        key = KEYS["p256"]
        attached = Attachments((other, key.sign(other)), (text, b"no"), (b"rubbish", b"no"), (text + b" ", key.sign(text + b" ")))
        attached.document["layers"].insert(0, {"mediaType": "application/vnd.dsse.envelope.v1+json", "digest": sha256(b"not there"),
                                               "size": 9})
        self.server.attach(self.index, attached)
        self.require()
        self.verified()

    def test_all_requirements(self):
        text = payload(self.index, self.name)
        files = [self.key_file(KEYS[k], k) for k in ("p256", "rsa", "other")]
        self.server.attach(self.index, Attachments(*((text + b" " * i, KEYS[k].sign(text + b" " * i))
                                                     for i, k in enumerate(("p256", "rsa")))))
        self.policy(*({"type": "sigstoreSigned", "keyPath": f} for f in files[:2]), ACCEPT)
        said = self.good(f"verified docker {self.repository}").splitlines()
        self.assertEqual([line.split()[0] for line in said[1:]], ["sigstoreSigned", "sigstoreSigned", "insecureAcceptAnything"])
        self.policy(*({"type": "sigstoreSigned", "keyPath": f} for f in files))
        self.bad("none of the signatures is accepted")

    def test_too_many_and_too_large(self):
        text = payload(self.index, self.name)
        attached = Attachments(*((text + b" " * i, b"no") for i in range(129)))
        self.server.attach(self.index, attached)
        self.require()
        self.bad("more than 128 signatures", code=3)
        text += b" " * (1 << 20)
        self.server.attach(self.index, Attachments((text, KEYS["p256"].sign(text))))
        self.bad("more than 1048576", code=3)
        self.assertEqual(self.server.asked(sha256(text)), [])
        half = [payload(self.index, self.name) + b" " * (1_000_000 + i) for i in range(18)]
        self.server.attach(self.index, Attachments(*((t, b"no") for t in half)))
        self.bad("the signatures have more than 16777216 bytes", code=3)

    def test_attachments_that_are_none(self):
        self.require()
        tag = self.index.replace(":", "-") + ".sig"
        for manifest, said in ((self.image.index, "came as"), (b"{}", "schemaVersion"), (b"x" * (5 << 20), "more than"),
                               (json.dumps({"schemaVersion": 2, "config": {}, "layers": []}).encode(), "mediaType")):
            self.server.tags[tag] = manifest
            self.bad(said, code=3)
        for status in (401, 403, 500):
            self.server.tags.clear()
            self.server.files[f"/v2/a/os/manifests/{tag}"] = (status, b"")
            self.bad("sha256-", code=3)

    def test_of_mirrors(self):
        """Signatures come from where the image does, and the policy is that of the name that was written."""
        mirror = Server(self.image)
        self.addCleanup(mirror.close)
        text = payload(self.index, self.name)
        mirror.attach(self.index, Attachments((text, KEYS["p256"].sign(text))))
        self.root = Root(self.server.host, mirror.host,
                         registries=f'[[registry]]\nlocation = "{self.server.host}"\nmirror = [{{location = "{mirror.host}"}}]\n')
        self.settings({"use-sigstore-attachments": True}, mirror.host)
        self.require()
        self.verified()
        self.assertEqual(len(self.server.log), len(self.server.asked(".sig")))  # what the mirror has not


class Gpg:
    """A home of gpg below the test's directory, with keys; its agent is ended by its home."""

    def __init__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="basalt-gpg-"))  # a socket's path is short
        self.home.chmod(0o700)

    def run(self, *arguments, **more):
        return run("gpg", "--homedir", self.home, "--batch", "--yes", "--quiet", "--no-tty", "--pinentry-mode", "loopback",
                   "--passphrase", "", *arguments, **more)

    def make(self, name, expires="0"):
        self.run("--quick-gen-key", f"{name}@example.com", "ed25519", "sign", expires)
        listed = self.run("--with-colons", "--list-keys", f"{name}@example.com").decode()
        return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))

    def public(self, *names, armor=False):
        return self.run(*(["--armor"] if armor else []), "--export", *(f"{n}@example.com" for n in names))

    def sign(self, text, name="one", *how):
        return self.run("--local-user", f"{name}@example.com", *(how or ("--sign",)), input=text)

    def close(self):
        subprocess.run(["gpgconf", "--homedir", self.home, "--kill", "gpg-agent"], check=False)
        shutil.rmtree(self.home, ignore_errors=True)


def literal(text):
    """A packet of OpenPGP that holds a text and no signature."""
    body = b"b\0\0\0\0\0" + text
    return bytes([0xcb, 0xff]) + len(body).to_bytes(4, "big") + body


class Simple(Case):
    @classmethod
    def setUpClass(cls):
        cls.gpg = Gpg()
        cls.addClassCleanup(cls.gpg.close)
        cls.keys = {n: cls.gpg.make(n) for n in ("one", "two")}

    def setUp(self):
        super().setUp()
        self.lookaside("file:///lookaside")
        self.require()

    def lookaside(self, url, word="lookaside"):
        self.settings({word: url})

    def path(self, digest=None):
        return f"/a/os@{(digest or self.index).replace(':', '=')}"

    def place(self, *signatures, digest=None):
        directory = self.root.path / ("lookaside" + self.path(digest))
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        for i, signature in enumerate(signatures):
            (directory / f"signature-{i + 1}").write_bytes(signature)

    def text(self, digest=None, reference=None, **more):
        more = {"optional": {}, **more}
        return payload(digest or self.index, reference or self.name, kind=ATOMIC, **more)

    def require(self, *names, armor=False, data=None, **more):
        data = self.gpg.public(*(names or ["one"]), armor=armor) if data is None else data
        (self.root.path / "key.gpg").write_bytes(data)
        self.policy({"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/key.gpg", **more})

    def verified(self, name="one", **more):
        said = self.good(f"verified docker {self.repository}", **more).splitlines()[1].split()
        self.assertEqual(said, ["signedBy", "/key.gpg", self.keys[name], self.name, self.index])
        self.assertEqual([p for p in pathlib.Path("/tmp").glob("basalt-gpgv-*")], [])

    def test_file(self):
        self.place(self.gpg.sign(self.text()))
        self.verified()
        self.verified(image=f"ostree-image-signed:docker://{self.name}")
        self.require(armor=True)
        self.verified()
        self.lookaside("file:///lookaside", "sigstore")
        self.verified()
        self.require("two")
        self.bad("by a key that is not named")
        self.assertEqual(self.server.asked(".sig"), [])

    def test_compressed_or_not(self):
        for how in (("--sign",), ("--compress-algo", "none", "--sign"), ("--compress-algo", "zlib", "--sign"),
                    ("--compress-algo", "bzip2", "--sign")):
            self.place(self.gpg.sign(self.text(), "one", *how))
            self.verified()
        self.place(b"\0simple-signing\n" + self.gpg.sign(self.text()))
        self.verified()

    def test_several_keys(self):
        self.require("one", "two")
        self.place(self.gpg.sign(self.text(), "two"))
        self.verified("two")
        files = []
        for name in self.keys:
            (self.root.path / name).write_bytes(self.gpg.public(name, armor=name == "two"))
            files.append(f"/{name}")
        self.policy({"type": "signedBy", "keyType": "GPGKeys", "keyPaths": files})
        self.assertIn(self.keys["two"], self.good(f"verified docker {self.repository}"))
        self.policy({"type": "signedBy", "keyType": "GPGKeys", "keyData": base64.b64encode(self.gpg.public("two")).decode()})
        self.assertIn("key 1 in the policy " + self.keys["two"], self.good(f"verified docker {self.repository}"))
        self.policy(*({"type": "signedBy", "keyType": "GPGKeys", "keyPath": f} for f in files))
        self.bad("by a key that is not named")
        self.place(self.gpg.sign(self.text(), "two"), self.gpg.sign(self.text(), "one"))
        self.good(f"verified docker {self.repository}")

    def test_keys_that_are_none(self):
        self.place(self.gpg.sign(self.text()))
        for data in (b"", b"x", b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAAAA\n-----END PGP PRIVATE KEY BLOCK-----\n",
                     b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!\n-----END PGP PUBLIC KEY BLOCK-----\n",
                     self.gpg.public("one", armor=True)[:-20], b"\x99\x00\x01\x04" * 100):
            self.require(data=data)
            self.bad()
        (self.root.path / "key.gpg").unlink()
        self.bad("reading the key /key.gpg", code=3)

    def test_without_gpgv(self):
        self.place(self.gpg.sign(self.text()))
        self.bad("install the package gpgv", code=3, PATH="/nonexistent")

    def test_servers(self):
        server = Server()
        self.addCleanup(server.close)
        server.files[f"/sig{self.path()}/signature-1"] = (200, self.gpg.sign(self.text()))
        self.lookaside(f"https://{server.host}/sig")
        self.verified(TEST_AUTHORITIES=(here / "ca.crt").read_text())
        self.bad("signed by no authority", code=3)
        plain = False_(tls=False)
        self.addCleanup(plain.close)
        plain.answer = lambda h: server.find(h) or (h.say(404) or True)
        self.lookaside(f"http://{plain.host}/sig")
        self.verified()
        self.assertNotIn("Authorization", plain.log[0][2])

    def test_servers_that_fail(self):
        """Only a 404 says that there is no more."""
        server = False_(tls=False)
        self.addCleanup(server.close)
        self.lookaside(f"http://{server.host}")
        good = self.gpg.sign(self.text())
        for answer, said in ((lambda h: h.say(403), "403"), (lambda h: h.say(500), "500"), (lambda h: h.say(200, b"<html>"), "in a form"),
                             (lambda h: h.say(200), "in a form"), (lambda h: h.say(200, good + bytes(2 << 20)), "more than"),
                             (lambda h: h.say(302, Location="file:///etc/passwd"), "")):
            server.answer = lambda h: answer(h) or True
            self.bad("the signature http://", said, code=3)
        server.answer = lambda h: h.say(200, good) or True  # without end
        self.bad("more than 128 signatures", code=3)
        self.assertEqual([r for r in server.log if r[1].endswith("signature-130")], [])
        server.answer = lambda h: h.say(404) or True
        self.bad("a signature is wanted, and there is none")

    def test_others(self):
        sign = self.gpg.sign
        for text, said in ((self.text(digest=sha256(b"x")), "it is of another manifest"),
                           (self.text(reference=f"{self.repository}:2"), "that it calls"),
                           (self.text(reference=f"{self.server.host}/b/os:1"), "that it calls"),
                           (payload(self.index, self.name, optional={}), "it is 'cosign container image signature'"),
                           (self.text(optional=None), "'optional' is missing"), (self.text(more=1), "unknown key 'more'"),
                           (b"", "signed text"), (b"{}", "'optional' is missing")):
            self.place(sign(text))
            self.bad(said)

    def test_tampered(self):
        good, other = self.gpg.sign(self.text(), "one", "--compress-algo", "none", "--sign"), self.gpg.sign(self.text(), "two")
        detached = self.gpg.sign(self.text(), "one", "--detach-sign")
        evil = self.text(reference=f"{self.repository}:2")
        for signature in (good.replace(b":1\"", b":2\""), good[:-1], good[:-40], good + good, good + literal(evil),
                          other + good, good + other, detached, detached + literal(evil), good[:1], b"\xa3" + bytes(1000)):
            self.place(signature)
            self.bad()
        for signature in (self.gpg.sign(self.text(), "one", "--clearsign"), self.gpg.sign(self.text(), "one", "--armor", "--sign"),
                          b"\0other\n" + good, b"\0simple-signing\n", literal(self.text()), literal(evil) + good):
            self.place(signature)
            self.bad("no signature in a form that is known", code=3)
        self.place(detached + literal(self.text()))  # the old way to write a signed message
        self.verified()

    def test_one_among_bad_ones(self):
        self.place(self.gpg.sign(self.text(), "two"), self.gpg.sign(b"x"), self.gpg.sign(self.text()))
        self.verified()

    def test_two_signatures_in_one_message(self):
        self.place(self.gpg.run("--local-user", "one@example.com", "--local-user", "two@example.com", "--sign", input=self.text()))
        self.require("one", "two")
        self.bad("more than one signature or text")
        self.require("one")
        self.bad()

    def test_expired_and_revoked(self):
        key = self.gpg.make("old", "seconds=1")
        signature = self.gpg.sign(self.text(), "old")
        self.place(signature)
        self.require("old")
        registry.time.sleep(2)
        self.bad("the key has expired")
        self.gpg.make("gone")
        self.place(self.gpg.sign(self.text(), "gone"))
        self.require("gone")
        self.assertIn("verified", self.good(f"verified docker {self.repository}"))
        fingerprint = next(line.split(":")[9] for line in self.gpg.run("--with-colons", "--list-keys", "gone@example.com").decode().splitlines()
                           if line.startswith("fpr"))
        text = (self.gpg.home / f"openpgp-revocs.d/{fingerprint}.rev").read_text().replace(":-----BEGIN", "-----BEGIN")
        self.gpg.run("--import", input=text.encode())
        self.require("gone")
        self.bad("the key is revoked")
        self.place(self.gpg.sign(self.text(), "one", "--default-sig-expire", "seconds=1", "--sign"))
        self.require()
        registry.time.sleep(2)
        self.bad("the signature has expired")
        self.assertTrue(key)

    def test_broken_digest(self):
        self.gpg.run("--quick-gen-key", "rsa@example.com", "rsa2048", "sign", "0")
        self.place(self.gpg.sign(self.text(), "rsa", "--digest-algo", "SHA1", "--sign"))
        self.require("rsa")
        self.bad("a digest that is broken")

    def test_grows(self):
        """A few bytes that come to a gigabyte."""
        self.place(self.gpg.sign(bytes(64 << 20), "one", "--compress-algo", "bzip2", "--sign"))
        started = registry.time.monotonic()
        self.bad()
        self.assertLess(registry.time.monotonic() - started, 20)

    def test_sigstore_in_a_file(self):
        key, text = KEYS["p256"], payload(self.index, self.name)

        def blob(mime=SIGNATURE, body=text, note=None, **more):
            return b"\0sigstore-json\n" + json.dumps({
                "mimeType": mime, "payload": base64.b64encode(body).decode(),
                "annotations": {ANNOTATION: note or base64.b64encode(key.sign(text)).decode()}, **more}).encode()

        self.place(blob())
        self.policy({"type": "sigstoreSigned", "keyPath": self.key_file(key)})
        self.good(f"verified docker {self.repository}")
        self.place(blob(body=text + b" "))
        self.bad("none of the keys has made it")
        for bad in (blob(mime="x"), blob()[:-1], blob(annotations=[]), blob(payload="!"), blob(payload=1)):
            self.place(bad)
            self.bad("signature", code=3)
        self.require()
        self.place(blob())
        self.bad("there is none of that kind")


def push_tagged(server, repository, attached):
    """Real.push() with another tag than 1."""
    import http.client
    import ssl
    import urllib.parse
    c = http.client.HTTPSConnection(server.host, context=ssl.create_default_context(cafile=here / "ca.crt"))

    def ask(method, url, body=b"", **headers):
        c.request(method, url, body, headers)
        answer = c.getresponse()
        answer.read()
        assert answer.status < 300, f"{method} {url}: {answer.status}"
        return answer

    for digest, blob in attached.blobs.items():
        where = urllib.parse.urlsplit(ask("POST", f"/v2/{repository}/blobs/uploads/").headers["Location"])
        ask("PUT", f"{where.path}?{where.query}&digest={digest}", blob, **{"Content-Type": "application/octet-stream"})
    ask("PUT", f"/v2/{repository}/manifests/{attached.tag}", attached.bytes, **{"Content-Type": OCI_MANIFEST})
    c.close()


def weak():
    return KEYS_OF_NO_USE.setdefault("weak", Key("weak", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"))


def curve():
    return KEYS_OF_NO_USE.setdefault("curve", Key("curve", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"))


KEYS, KEYS_OF_NO_USE = {}, {}
if not shutil.which("docker-registry"):
    print("the package docker-registry is missing")
    sys.exit(77)
try:
    registry.make_certificates()
    KEYS.update(p256=Key("p256"), p384=Key("p384", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
                rsa=Key("rsa", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"), ed=Key("ed", "-algorithm", "ed25519"),
                other=Key("other"))
    registry.unittest.main(verbosity=1, exit=False).result.wasSuccessful() or os._exit(1)
finally:
    shutil.rmtree(here, ignore_errors=True)
