#!/usr/bin/env python3
"""layout.py SHOW: images on disk in the three forms, as tools write them and as nobody should."""
import copy
import hashlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import unittest

SHOW = sys.argv.pop(1)
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
NAME = "org.opencontainers.image.ref.name"


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def blob_path(data):
    return "blobs/" + sha256(data).replace(":", "/")


def config_of(layers):
    return json.dumps({"os": "linux", "architecture": "amd64", "config": {},
                       "rootfs": {"type": "layers", "diff_ids": [sha256(b) for b in layers]}}).encode()


def oci_files(*names, text=b"layer"):
    """A layout with an image for each name; as {path: bytes}."""
    files, entries = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}, []
    for name in names:
        layers = [text + (name or "").encode(), b"second"]
        config = config_of(layers)
        manifest = json.dumps({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": {"mediaType": CONFIG, "digest": sha256(config), "size": len(config)},
            "layers": [{"mediaType": LAYER, "digest": sha256(b), "size": len(b)} for b in layers]}).encode()
        files.update({blob_path(b): b for b in [config, manifest, *layers]})
        entries.append({"mediaType": OCI_MANIFEST, "digest": sha256(manifest), "size": len(manifest),
                        **({"annotations": {NAME: name}} if name is not None else {})})
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": entries}).encode()
    return files


def docker_files(*names):
    files, entries = {}, []
    for name in names:
        layers = [b"layer" + name.encode(), b"second"]
        config = config_of(layers)
        paths = [hashlib.sha256(b).hexdigest() + ".tar" for b in layers]
        files.update(zip(paths, layers))
        entries.append({"Config": hashlib.sha256(config).hexdigest() + ".json", "RepoTags": [name] if name else None,
                        "Layers": paths})
        files[entries[-1]["Config"]] = config
    files["manifest.json"] = json.dumps(entries).encode()
    return files


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="basalt-layout-")
        self.addCleanup(scratch.cleanup)
        self.path = pathlib.Path(scratch.name)

    def directory(self, files):
        path = self.path / "layout"
        for name, data in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
        return path

    def archive(self, files, form=tarfile.GNU_FORMAT, prefix="", links=()):
        path = self.path / "archive.tar"
        with tarfile.open(path, "w", format=form) as tar:
            for name, data in files.items():
                info = tarfile.TarInfo(prefix + name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            for name, target in links:
                info = tarfile.TarInfo(name)
                info.type, info.linkname = tarfile.SYMTYPE, target
                tar.addfile(info)
        return path

    def show(self, *arguments):
        return subprocess.run([SHOW, *map(str, arguments)], capture_output=True, text=True, timeout=60)

    def good(self, reference, layer):
        done = self.show("layout", reference)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = done.stdout.splitlines()
        self.assertEqual(lines[2:], [f"layer 1: {sha256(layer)}, {len(layer)} bytes",
                                     f"layer 2: {sha256(b'second')}, 6 bytes"])
        return lines[1]

    def bad(self, reference, *said):
        done = self.show("layout", reference)
        self.assertEqual(done.returncode, 1, done.stdout)
        for text in said:
            self.assertIn(text, done.stderr)


class Oci(Case):
    def test_directory(self):
        path = self.directory(oci_files("one", "quay.io/a/os:2"))
        self.good(f"oci:{path}:one", b"layerone")
        self.good(f"oci:{path}:quay.io/a/os:2", b"layerquay.io/a/os:2")
        self.good(f"oci:{path}:@1", b"layerquay.io/a/os:2")
        self.bad(f"oci:{path}", "which of the images is not said; there are 2 images: one, quay.io/a/os:2")
        self.bad(f"oci:{path}:three", "no image named three")
        self.bad(f"oci:{path}:@2", "there are 2 images")

    def test_only_one(self):
        self.good(f"oci:{self.directory(oci_files(None))}", b"layer")

    def test_archives(self):
        for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
            for prefix in ("", "./"):
                self.good(f"oci-archive:{self.archive(oci_files('x'), form, prefix)}:x", b"layerx")

    def test_long_names(self):
        """A name and a size that stand in an extension."""
        for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
            long = "/".join(["d" * 90] * 5)
            files = {long + "/ä": b"x", **oci_files("x")}
            self.good(f"oci-archive:{self.archive(files, form)}:x", b"layerx")

    def test_index_inside(self):
        files = oci_files("x")
        inner = json.loads(files["index.json"])
        inner["manifests"][0]["platform"] = {"os": "linux", "architecture": "amd64"}
        inner = json.dumps(inner).encode()
        files[blob_path(inner)] = inner
        files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [
            {"mediaType": OCI_INDEX, "digest": sha256(inner), "size": len(inner)}]}).encode()
        self.good(f"oci:{self.directory(files)}", b"layerx")

    def test_blob_is_another(self):
        files = oci_files("x")
        for name in [n for n in files if n.startswith("blobs/")]:
            swapped = copy.copy(files)
            swapped[name] = bytes(len(files[name]))
            self.bad(f"oci:{self.directory(swapped)}", "is in truth")
            swapped[name] = files[name] + b"x"
            self.bad(f"oci-archive:{self.archive(swapped)}", "and should have")
            del swapped[name]
            self.bad(f"oci-archive:{self.archive(swapped)}", "No such file")

    def test_links_stay_inside(self):
        secret = self.path / "secret"
        files = oci_files("x")
        layer = b"layerx"
        secret.write_bytes(layer)
        del files[blob_path(layer)]
        path = self.directory(files)
        for target in (secret, "../../../../secret"):
            os.symlink(target, path / blob_path(layer))
            self.bad(f"oci:{path}", "No such file")
            os.unlink(path / blob_path(layer))

    def test_no_regular_file(self):
        files = oci_files("x")
        path = self.directory(files)
        (path / "index.json").unlink()
        os.mkfifo(path / "index.json")  # nobody waits at it
        self.bad(f"oci:{path}", "index.json")
        self.bad(f"oci-archive:{path / 'index.json'}", "no regular file")
        self.bad(f"oci-archive:{path}", "")

    def test_bad_layouts(self):
        for name, data, said in (("oci-layout", b'{"imageLayoutVersion": "2.0.0"}', "not known"),
                                 ("oci-layout", b"{}", "missing"),
                                 ("oci-layout", b" " * 5000, "more than"),
                                 ("index.json", b" " * (5 << 20), "more than"),
                                 ("index.json", b"[]", "expected an object"),
                                 ("index.json", b'{"schemaVersion":2,"manifests":[],"layers":[]}', "no place"),
                                 ("index.json", b'{"schemaVersion":2,"manifests":[]}', "there are 0 images")):
            files = oci_files("x")
            files[name] = data
            self.bad(f"oci:{self.directory(files)}", said)

    def test_two_of_a_name(self):
        self.bad(f"oci:{self.directory(oci_files('x', 'x'))}:x", "two images")


class Archives(Case):
    def test_cut(self):
        path = self.archive(oci_files("x"))
        whole = path.read_bytes().rstrip(b"\0")
        for n in (0, 1, 511, 512, 513, len(whole) - 1):
            path.write_bytes(whole[:n])
            self.bad(f"oci-archive:{path}", "archive.tar")

    def test_compressed(self):
        path = self.path / "x.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            tar.add(__file__)
        self.bad(f"oci-archive:{path}", "compressed")

    def test_sparse(self):
        """CVE-2025-58183"""
        path = self.archive({**oci_files("x"), "z": b""})
        text = bytearray(path.read_bytes())
        at = text.rindex(b"z\0\0\0")
        text[at + 156] = ord("S")
        text[at + 148:at + 156] = b" " * 8
        text[at + 148:at + 156] = b"%06o\0 " % sum(text[at:at + 512])
        path.write_bytes(text)
        self.bad(f"oci-archive:{path}", "type 'S'")

    def test_sparse_by_pax(self):
        path = self.path / "x.tar"
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
            info = tarfile.TarInfo("a")
            info.pax_headers = {"GNU.sparse.size": "99999999999"}
            tar.addfile(info)
        self.bad(f"oci-archive:{path}", "sparse")

    def test_huge_extension(self):
        path = self.path / "x.tar"
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
            info = tarfile.TarInfo("a")
            info.pax_headers = {"comment": "x" * 2_000_000}
            tar.addfile(info)
        self.bad(f"oci-archive:{path}", "x.tar: tar")

    def test_many_members(self):
        """CVE-2023-25153: what an archive can make us keep is bounded."""
        self.bad(f"oci-archive:{self.archive({f'm{i}': b'' for i in range(16_385)})}", "more than 16384 members")

    def test_names_that_lead_out(self):
        files = oci_files("x")
        layer = files.pop(blob_path(b"layerx"))
        for name in ("../" + blob_path(layer), "x/../" + blob_path(layer)):
            self.bad(f"oci-archive:{self.archive({**files, name: layer})}", "No such file")


class Docker(Case):
    def test_saved(self):
        path = self.archive(docker_files("docker.io/library/debian:12", "a/b:1"))
        one = self.good(f"docker-archive:{path}:docker.io/debian:12", b"layerdocker.io/library/debian:12")
        self.assertEqual(one, self.good(f"docker-archive:{path}:@0", b"layerdocker.io/library/debian:12"))
        self.good(f"docker-archive:{path}:docker.io/a/b:1", b"layera/b:1")
        self.bad(f"docker-archive:{path}:docker.io/a/b:2", "no image named docker.io/a/b:2")
        self.bad(f"docker-archive:{path}", "there are 2 images")

    def test_links(self):
        """Old archives have a directory for each layer, and a link where one is the same."""
        files = docker_files("")
        entry = json.loads(files["manifest.json"])[0]
        files["one/layer.tar"] = files.pop(entry["Layers"][0])
        files["two/layer.tar"] = files.pop(entry["Layers"][1])
        entry["Layers"] = ["three/layer.tar", "two/layer.tar"]
        files["manifest.json"] = json.dumps([entry]).encode()
        path = self.archive(files, links=[("three/layer.tar", "../one/layer.tar")])
        self.good(f"docker-archive:{path}", b"layer")
        for target in ("../three/layer.tar", "/etc/passwd", "../../one/layer.tar", "../four"):
            self.bad(f"docker-archive:{self.archive(files, links=[('three/layer.tar', target)])}", "No such file")

    def test_bad(self):
        for change, said in ((lambda m: m[0].update(Layers=m[0]["Layers"][:1]), "has 1 layers"),
                             (lambda m: m[0]["Layers"].reverse(), "is in truth|and should have"),
                             (lambda m: m[0].update(Layers=["/etc/passwd", "../x"]), "No such file"),
                             (lambda m: m[0].update(Layers=[1, 2]), "named by a string"),
                             (lambda m: m[0].update(Config="../../etc/passwd"), "No such file"),
                             (lambda m: m[0].update(config="x"), "the same to some readers"),
                             (lambda m: m.clear(), "there are 0 images"),
                             (lambda m: m.append(1), "expected an object")):
            files = docker_files("")
            manifest = json.loads(files["manifest.json"])
            change(manifest)
            files["manifest.json"] = json.dumps(manifest).encode()
            done = self.show("layout", f"docker-archive:{self.archive(files)}")
            self.assertEqual(done.returncode, 1, said)
            self.assertRegex(done.stderr, said)

    def test_wrapped(self):
        """manifest.json is put into an object: it must not be able to leave it."""
        files = docker_files("")
        files["manifest.json"] = b'[],"images2":' + files["manifest.json"]
        self.bad(f"docker-archive:{self.archive(files)}", "expected a list of images")


unittest.main()
