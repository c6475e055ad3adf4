"""Container images made by hand: layers of tar, manifests, layouts, what ostree-ext encapsulates."""
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import subprocess
import tarfile
import threading
import urllib.parse
import http.client

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
CREATED = "2024-05-06T07:08:09+02:00"


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def run(*command, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, **more)
    if done.returncode:
        raise RuntimeError(f"{command}: {done.stderr.decode(errors='replace')}")
    return done.stdout


# ---- entries of a layer ----

def entry(name, kind=tarfile.REGTYPE, data=b"", mode=0o644, uid=0, gid=0, link="", xattrs=None, mtime=1):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.uid, info.gid, info.linkname, info.mtime = kind, mode, uid, gid, link, mtime
    if kind == tarfile.REGTYPE:
        info.size = len(data)
    info.pax_headers = {f"SCHILY.xattr.{k}": v for k, v in (xattrs or {}).items()}
    return info, data


def file(name, data=b"", **more):
    return entry(name, data=data if isinstance(data, bytes) else data.encode(), **more)


def directory(name, mode=0o755, **more):
    return entry(name, tarfile.DIRTYPE, mode=mode, **more)


def symlink(name, target, **more):
    return entry(name, tarfile.SYMTYPE, link=target, mode=0o777, **more)


def hardlink(name, target):
    return entry(name, tarfile.LNKTYPE, link=target)


def tar(*entries, pax=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=pax) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


# ---- images ----

class Layer:
    def __init__(self, archive, level=1, blob=None, suffix=None, diff_id=None):
        self.archive = archive
        self.blob = blob if blob is not None else gzip.compress(archive, level, mtime=0) if level else archive
        self.media_type = LAYER + (suffix if suffix is not None else "+gzip" if level else "")
        self.diff_id = diff_id or sha256(archive)
        self.digest, self.size = sha256(self.blob), len(self.blob)


def layer(*entries, **more):
    return Layer(tar(*entries), **more)


class Image:
    def __init__(self, *layers, labels=None, created=CREATED, architecture="amd64", annotations=None):
        self.layers = layers
        self.config = json.dumps({
            "os": "linux", "architecture": architecture, "created": created, "config": {"Labels": labels or {}},
            "rootfs": {"type": "layers", "diff_ids": [one.diff_id for one in layers]}}).encode()
        manifest = {
            "schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": {"mediaType": CONFIG, "digest": sha256(self.config), "size": len(self.config)},
            "layers": [{"mediaType": one.media_type, "digest": one.digest, "size": one.size} for one in layers]}
        if annotations:
            manifest["annotations"] = annotations
        self.manifest = json.dumps(manifest).encode()
        self.index = json.dumps({
            "schemaVersion": 2, "mediaType": OCI_INDEX,
            "manifests": [{"mediaType": OCI_MANIFEST, "digest": sha256(self.manifest), "size": len(self.manifest),
                           "platform": {"os": "linux", "architecture": architecture}}]}).encode()

    def blobs(self):
        return {sha256(self.config): self.config, **{one.digest: one.blob for one in self.layers}}


def layout_write(path: pathlib.Path, image, ref="1", index=False):
    """Into the layout at path, which keeps its other images and blobs."""
    blobs = path / "blobs/sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    for digest, blob in {**image.blobs(), sha256(image.manifest): image.manifest,
                         sha256(image.index): image.index}.items():
        (blobs / digest.split(":")[1]).write_bytes(blob)
    (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    top, media_type = (image.index, OCI_INDEX) if index else (image.manifest, OCI_MANIFEST)
    was = json.loads((path / "index.json").read_text())["manifests"] if (path / "index.json").exists() else []
    kept = [m for m in was if m["annotations"]["org.opencontainers.image.ref.name"] != ref]
    kept.append({"mediaType": media_type, "digest": sha256(top), "size": len(top),
                 "annotations": {"org.opencontainers.image.ref.name": ref}})
    (path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": kept}))


# ---- what ostree-ext encapsulates ----

OBJECTS = "sysroot/ostree/repo/objects/"


def variant_xattrs(xattrs):
    """a(ayay) of GVariant: elements, then where each ends; in an element where the name ends."""
    def offsets(body, ends):
        width = next(w for w in (1, 2, 4, 8) if body + len(ends) * w < 1 << 8 * w)
        return b"".join(e.to_bytes(width, "little") for e in ends)

    out, ends = b"", []
    for name, value in sorted(xattrs.items()):
        element = name.encode() + b"\0" + value
        out += element + offsets(len(element), [len(name) + 1])
        ends.append(len(out))
    return out + (offsets(len(out), ends) if ends else b"")


class Encapsulated:
    """The objects of a commit as entries of layers."""

    def __init__(self, repo: pathlib.Path, commit):
        self.repo, self.commit, self.metadata, self.files, self.links = repo, commit, [], {}, []
        self.add("commit", commit)
        for line in run("ostree", f"--repo={repo}", "ls", "-R", "-C", commit).decode().splitlines():
            left, name = line.split(" /", 1)
            sums = left.split()[4:]
            if left[0] == "d":
                self.add("dirtree", sums[0])
                self.add("dirmeta", sums[1])
            else:
                self.files[sums[0]] = self.file(sums[0])
                self.links.append(hardlink(name.split(" -> ")[0].replace("usr/etc/", "etc/"), self.path("file", sums[0])))

    def path(self, kind, checksum):
        return f"{OBJECTS}{checksum[:2]}/{checksum[2:]}.{kind}"

    def on_disk(self, kind, checksum):
        return self.repo / "objects" / checksum[:2] / f"{checksum[2:]}.{kind}"

    def add(self, kind, checksum):
        one = file(self.path(kind, checksum), self.on_disk(kind, checksum).read_bytes(), mtime=0)
        if one[0].name not in [m[0].name for m in self.metadata]:
            self.metadata.append(one)

    def file(self, checksum):
        where = self.on_disk("file", checksum)
        st = where.lstat()
        xattrs = {a: os.getxattr(where, a, follow_symlinks=False) for a in os.listxattr(where, follow_symlinks=False)}
        more = {"uid": st.st_uid, "gid": st.st_gid, "mtime": 0}
        attributes = file(self.path("file-xattrs-link", checksum), variant_xattrs(xattrs), mtime=0)
        if where.is_symlink():
            return [attributes, symlink(self.path("file", checksum), os.readlink(where), **more)]
        return [attributes, file(self.path("file", checksum), where.read_bytes(), mode=st.st_mode & 0o7777, **more)]

    def skeleton(self):
        return [directory("./"), *[directory(d) for d in ("sysroot", "sysroot/ostree", "sysroot/ostree/repo", OBJECTS)],
                file("sysroot/ostree/repo/config", "[core]\nrepo_version=1\nmode=bare-split-xattrs\n")]

    def layers(self, chunks=2):
        """The one with the commit and what no chunk has, then chunks."""
        sums = sorted(self.files)
        parts = [sums[i::chunks + 1] for i in range(chunks + 1)]

        def objects(part):
            return [e for checksum in part for e in self.files[checksum]]
        return [layer(*self.skeleton(), *self.metadata, *objects(parts[0]), *self.links, directory("var/tmp", 0o1777)),
                *[layer(*self.skeleton(), *objects(part)) for part in parts[1:]]]


def native(layers, *derived, **labels):
    return Image(*layers, *derived, labels={"ostree.final-diffid": layers[-1].diff_id, "ostree.bootable": "true",
                                            "containers.bootc": "1", **labels})


class Registry:
    """The distribution's registry, on the loopback, without TLS."""

    def __init__(self, directory: pathlib.Path):
        directory.mkdir()
        (directory / "config.yml").write_text(json.dumps({
            "version": 0.1, "log": {"level": "info"}, "http": {"addr": "127.0.0.1:0"},
            "storage": {"filesystem": {"rootdirectory": str(directory / "data")}}}))
        self.log = []
        self.process = subprocess.Popen(["docker-registry", "serve", directory / "config.yml"],
                                        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        for line in self.process.stderr:
            found = re.search(r"listening on (127\.0\.0\.1:\d+)", line)
            if found:
                self.host = found[1]
                break
        else:
            raise RuntimeError("docker-registry does not start")
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stderr:
            self.log.append(line)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.thread.join()
        self.process.stderr.close()

    def asked(self, what):
        return [line for line in self.log if "response completed" in line and what in line]

    def push(self, repository, image, tag="1", index=False):
        c = http.client.HTTPConnection(self.host)

        def ask(method, url, body=b"", **headers):
            c.request(method, url, body, headers)
            answer = c.getresponse()
            answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{method} {url}: {answer.status}")
            return answer

        for digest, blob in image.blobs().items():
            where = urllib.parse.urlsplit(ask("POST", f"/v2/{repository}/blobs/uploads/").headers["Location"])
            ask("PUT", f"{where.path}?{where.query}&digest={digest}", blob,
                **{"Content-Type": "application/octet-stream"})
        if index:
            ask("PUT", f"/v2/{repository}/manifests/{sha256(image.manifest)}", image.manifest,
                **{"Content-Type": OCI_MANIFEST})
        ask("PUT", f"/v2/{repository}/manifests/{tag}", image.index if index else image.manifest,
            **{"Content-Type": OCI_INDEX if index else OCI_MANIFEST})
        c.close()
