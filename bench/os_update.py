"""basalt-os on a system below a directory, beside `ostree admin` on the same one: a tree of about 170 MB out of this
machine's /usr with a kernel of 8 MB and an initramfs of 22 MB, in two versions."""
import gzip
import pathlib
import random
import shutil
import subprocess
import tempfile

import image_import
import process
from image_import import images

HEADER = ["work", "program", "CPU ms", "wall ms", "peak MiB", "written MiB"]
KERNEL = "usr/lib/modules/6.1.0"


def boot_layer(version):
    some = random.Random(version)
    return images.layer(images.directory(KERNEL), images.file(f"{KERNEL}/vmlinuz", some.randbytes(8 << 20)),
                        images.file(f"{KERNEL}/initramfs.img", some.randbytes(22 << 20)),
                        images.file("usr/lib/os-release", f'PRETTY_NAME="Bench {version}"\n'), images.directory("etc"),
                        images.directory("var"), images.file("etc/motd", f"{version}\n"))


class System:
    def __init__(self, build, path):
        self.path, self.root, self.program = path, path / "root", build / "src/update/basalt-os"
        self.root.mkdir()
        (path / "config/etc/containers").mkdir(parents=True)
        (path / "config/etc/containers/policy.json").write_text('{"default":[{"type":"insecureAcceptAnything"}]}')
        archive, _ = image_import.archive_make(image_import.files_choose(), False)
        base = images.Layer(archive, blob=gzip.compress(archive, 6, mtime=0), suffix="+gzip")
        self.layout = path / "layout"
        self.os("init")
        for version in (1, 2):
            images.layout_write(self.layout, images.Image(base, boot_layer(version), labels={"containers.bootc": "1"}), "1")
            self.os("switch", f"oci:{self.layout}:1", "--karg=quiet")
        repo = f"--repo={self.root}/ostree/repo"
        self.commits = [line.split()[1].split(".")[0] for line in
                        images.run("ostree", "admin", "status", f"--sysroot={self.root}").decode().splitlines()
                        if len(line.split()) == 2 and len(line.split()[1]) > 64]
        images.run("ostree", "refs", repo, "--create=bench", self.commits[0])

    def argv(self, verb, *words):
        return [self.program, "--sysroot", self.root, "--config-root", self.path / "config", "-q", verb, *words]

    def os(self, verb, *words):
        subprocess.run(self.argv(verb, *words), check=True, stdout=subprocess.DEVNULL)

    def one(self):
        """Only the first deployment is left."""
        self.os("cleanup", "--rollback")
        subprocess.run(["sync", "-f", self.path], check=True)


def run_os(build, runs, _):
    subprocess.run(["ninja", "-C", build, "--quiet", "src/update/basalt-os"], check=True)
    path = pathlib.Path(tempfile.mkdtemp(prefix="basalt-bench-", dir="/var/tmp"))
    try:
        s = System(build, path)
        admin = ["ostree", "admin", f"--sysroot={s.root}"]
        works = [
            ("status", process.Side(s.argv("status")), process.Side([*admin[:2], "status", admin[2]])),
            ("rollback", process.Side(s.argv("rollback")), None),
            ("upgrade, nothing new", process.Side(s.argv("upgrade")), None),
            ("upgrade --check", process.Side(s.argv("upgrade", "--check")), None),
            ("deploy", process.Side(s.argv("deploy", "--no-merge", s.commits[0]), s.one),
             process.Side([*admin[:2], "deploy", admin[2], "--os=basalt", "bench"], s.one)),
            ("verify", process.Side(s.argv("verify")), process.Side(["ostree", "fsck", "--quiet", f"--repo={s.root}/ostree/repo"])),
        ]
        rows = []
        for work, ours, peer in works:
            sides = [ours] + ([peer] if peer else [])
            samples = process.sides_compare(sides, runs, path)
            rows += [image_import.row(work, name, sample) for name, sample in zip(("basalt-os", "ostree"), samples)]
            if peer:
                a, b = samples
                rows.append(["", "ostree / basalt-os", f"{b.cpu_ms / a.cpu_ms:.1f}×", f"{b.wall_ms / a.wall_ms:.1f}×",
                             f"{b.peak_mib / a.peak_mib:.1f}×", ""])
        process.table_print(HEADER, rows)
    finally:
        subprocess.run(["chattr", "-R", "-f", "-i", path / "root/ostree/deploy"], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(path, ignore_errors=True)
