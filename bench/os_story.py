"""The life of a system, from a registry with TLS and a password: the first version, a new one in which 1 % of the files
changed, nothing new, the way back. basalt-os beside what one does by hand with the distribution's programs: skopeo, tar,
`ostree commit`, `ostree admin deploy`. On disk, in /var/tmp: what is written is the point of it."""
import ctypes
import dataclasses
import gzip
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile

import image_import
import os_update
import process
from image_import import images

USER, PASSWORD = "bench", "secret"
# $1: directory, $2: image, $3: what only a new version does
PEER = r"""set -eu
cd "$1"
skopeo copy -q --authfile=auth.json --src-cert-dir=ca --policy=policy.json "docker://$2" oci:pulled:os
manifest=$(jq -r '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == "os").digest' pulled/index.json)
[ "$manifest" != "$(cat deployed)" ] || exit 0
rm -rf tree
mkdir tree
jq -r '.layers[].digest' "pulled/blobs/sha256/${manifest#*:}" | while IFS=: read -r _ layer; do
    tar -C tree -xzf "pulled/blobs/sha256/$layer"
done
mv tree/etc tree/usr/etc
mkdir -p tree/sysroot tree/boot
ostree commit --repo=peer/ostree/repo --branch=os --tree=dir=tree > commit
ostree admin deploy --sysroot=peer --os=basalt --karg=quiet os > /dev/null
echo "$manifest" > deployed
"""
BACK = 'set -eu; cd "$1"; ostree admin deploy --sysroot=peer --os=basalt "$(ostree rev-parse --repo=peer/ostree/repo os^)" > /dev/null'


def password_hash():
    """bcrypt is all that the registry takes."""
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    return crypt(PASSWORD.encode(), b"$2y$05$" + b"abcdefghijklmnopqrstuu").decode()


class Registry:
    """The distribution's, on the loopback."""

    def __init__(self, path):
        path.mkdir()
        key, certificate = path / "key.pem", path / "cert.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                        "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                       check=True, capture_output=True)
        (path / "htpasswd").write_text(f"{USER}:{password_hash()}\n")
        (path / "config.yml").write_text(json.dumps({
            "version": 0.1, "log": {"level": "info"}, "storage": {"filesystem": {"rootdirectory": str(path / "data")}},
            "http": {"addr": "127.0.0.1:0", "secret": "x", "tls": {"certificate": str(certificate), "key": str(key)}},
            "auth": {"htpasswd": {"realm": "bench", "path": str(path / "htpasswd")}}}))
        self.log = open(path / "log", "w+")
        self.process = subprocess.Popen(["docker-registry", "serve", path / "config.yml"], stderr=self.log,
                                        stdout=subprocess.DEVNULL)
        for _ in range(500):
            found = re.search(r"listening on (127\.0\.0\.1:\d+)", (path / "log").read_text())
            if found or self.process.poll() is not None:
                break
            subprocess.run(["sleep", "0.02"], check=True)
        self.host, self.certificate = found[1], certificate

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Story:
    def __init__(self, build, path):
        self.path, self.program = path, build / "src/update/basalt-os"
        self.registry = Registry(path / "registry")
        host = self.registry.host
        certificates = path / "config/etc/containers/certs.d" / host
        for directory in (certificates, path / "ca"):
            directory.mkdir(parents=True)
            shutil.copy(self.registry.certificate, directory / "ca.crt")
        policy = '{"default":[{"type":"insecureAcceptAnything"}]}'
        (path / "policy.json").write_text(policy)
        (path / "config/etc/containers/policy.json").write_text(policy)
        self.name = f"{host}/project/os:stable"
        subprocess.run(["skopeo", "login", f"--authfile={path}/auth.json", f"--cert-dir={path}/ca", f"--username={USER}",
                        "--password-stdin", host], input=PASSWORD.encode(), check=True, stdout=subprocess.DEVNULL)
        shutil.copy(path / "auth.json", path / "config")
        paths = image_import.files_choose()
        for version in (1, 2):
            archive, _ = image_import.archive_make(paths, version == 2)
            base = images.Layer(archive, blob=gzip.compress(archive, 6, mtime=0), suffix="+gzip")
            rest = os_update.boot_layer(1)  # the kernel stays
            images.layout_write(path / f"layout-{version}", images.Image(base, rest, labels={"containers.bootc": "1"}), "os")
        self.n = 0

    def push(self, version):
        subprocess.run(["skopeo", "copy", "-q", f"--authfile={self.path}/auth.json", f"--dest-cert-dir={self.path}/ca",
                        f"--policy={self.path}/policy.json", f"oci:{self.path}/layout-{version}:os", f"docker://{self.name}"],
                       check=True)
        subprocess.run(["sync", "-f", self.path], check=True)

    def begin(self):
        """Always new directories: ext4 is slow to use inodes again that were freed a moment ago."""
        self.n += 1
        for side in ("ours", "peer"):
            root = self.path / f"{side}-{self.n}"
            root.mkdir()
            link = self.path / side
            link.unlink(missing_ok=True)
            link.symlink_to(root.name)
            subprocess.run([self.program, "-q", "--sysroot", root, "init"], check=True)
        for name in ("pulled", "tree"):
            shutil.rmtree(self.path / name, ignore_errors=True)
        (self.path / "deployed").write_text("")

    def ours(self, verb, *words):
        more = ["--authfile", "/auth.json", "--config-root", self.path / "config"]  # a file of that root
        return process.Side([self.program, "-q", "--sysroot", self.path / f"ours-{self.n}", *more, verb, *words])

    def peer(self, script=PEER):
        return process.Side(["sh", "-c", script, "sh", self.path, self.name])

    def tell(self):
        """One life of each, chapter by chapter."""
        self.begin()
        self.push(1)
        chapters = [("first version", 1, self.ours("switch", self.name, "--karg=quiet"), self.peer()),
                    ("1 % changed", 2, self.ours("upgrade"), self.peer()),
                    ("nothing new", 2, self.ours("upgrade"), self.peer()),
                    ("the way back", 2, self.ours("rollback"), self.peer(BACK))]
        told, last = [], 1
        for work, version, ours, peer in chapters:
            if version != last:
                self.push(version)
                last = version
            told.append((work, process.side_run(ours, self.path), process.side_run(peer, self.path)))
        return told

    def end(self):
        self.registry.close()
        for root in self.path.glob("*-*/ostree/deploy"):
            subprocess.run(["chattr", "-R", "-f", "-i", root], check=False, stderr=subprocess.DEVNULL)


def median(samples):
    return process.Sample(*(statistics.median(getattr(s, field.name) for s in samples)
                            for field in dataclasses.fields(process.Sample)))


def ratio(a, b):
    return f"{b / a:.1f}×" if a > 0.05 else ""


def run_os_story(build, runs, _):
    subprocess.run(["ninja", "-C", build, "--quiet", "src/update/basalt-os"], check=True)
    path = pathlib.Path(tempfile.mkdtemp(prefix="basalt-bench-", dir="/var/tmp"))
    story = None
    try:
        story = Story(build, path)
        story.tell()  # does not count
        told = [story.tell() for _ in range(runs)]
        rows = []
        for chapter in zip(*told):
            work, a, b = chapter[0][0], median([c[1] for c in chapter]), median([c[2] for c in chapter])
            rows += [image_import.row(work, "basalt-os", a), image_import.row("", "by hand", b),
                     ["", "by hand / basalt-os", ratio(a.cpu_ms, b.cpu_ms), ratio(a.wall_ms, b.wall_ms),
                      ratio(a.peak_mib, b.peak_mib), ratio(a.written_mib, b.written_mib)]]
        process.table_print(image_import.HEADER, rows)
    finally:
        if story:
            story.end()
        shutil.rmtree(path, ignore_errors=True)
