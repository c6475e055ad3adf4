"""A container image into an OSTree repository, beside what ostree-ext runs for each layer: `ostree commit --tree=tar`
of the unpacked archive. The image is one gzip layer of about 170 MB out of this machine's /usr; its successor is a whole
new layer in which every hundredth file has changed. On disk, in /var/tmp: what is written is the point of it."""
import gzip
import io
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile

import process

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent.parent / "tests/update")]
import images

HEADER = ["work", "program", "CPU ms", "wall ms", "peak MiB", "written MiB"]
SIZE, LARGEST, FILES = 170_000_000, 6_000_000, 8000
TOPS = ("bin", "sbin", "lib", "share")
PEER = 'gzip -dc "$1" | ostree commit --repo="$2" --branch=image --tree=tar=/proc/self/fd/0 --tar-autocreate-parents'
SHUFFLE = 1


def files_choose():
    found = [pathlib.Path(top, name) for t in TOPS for top, _, names in os.walk(f"/usr/{t}") for name in names]
    random.Random(SHUFFLE).shuffle(found)
    chosen, size = [], 0
    for path in found:
        n = path.lstat().st_size
        if n <= LARGEST and size + n <= SIZE and len(chosen) < FILES and (path.is_symlink() or path.is_file()):
            chosen.append(path)
            size += n
    return sorted(chosen)


def archive_make(paths, changed):
    """And how many bytes the files have that are not as they were."""
    out, fresh = io.BytesIO(), 0
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for i, path in enumerate(paths):
            info = archive.gettarinfo(path)
            data = b"" if info.issym() else path.read_bytes()
            if info.islnk():
                info.type, info.size = tarfile.REGTYPE, len(data)
            if changed and i % 100 == 0 and data:
                data = data[:-1] + bytes([data[-1] ^ 1])
                fresh += len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue(), fresh


class Place:
    def __init__(self, build, path):
        self.path, self.driver, self.n = path, build / "tests/update/import-driver", 0
        (path / "root/etc/containers").mkdir(parents=True)
        paths = files_choose()
        self.files = len(paths)
        for version in (1, 2):
            archive, self.changed = archive_make(paths, version == 2)
            self.size = len(archive)
            blob = gzip.compress(archive, 6, mtime=0)
            (path / f"{version}.tar.gz").write_bytes(blob)
            images.layout_write(path / f"layout-{version}",
                                images.Image(images.Layer(archive, blob=blob, suffix="+gzip")))

    def repository(self, like=None):
        """Always a new one: ext4 is slow to use inodes again that were freed a moment ago."""
        self.n += 1
        repo = self.path / f"repo-{self.n}"
        if like:
            subprocess.run(["cp", "-al", like, repo], check=True)
        else:
            subprocess.run(["ostree", "init", f"--repo={repo}", "--mode=bare"], check=True)
        link = self.path / "repo"
        link.unlink(missing_ok=True)
        link.symlink_to(repo.name)
        subprocess.run(["sync", "-f", self.path], check=True)

    def layout(self, version):
        link = self.path / "layout"
        link.unlink(missing_ok=True)
        link.symlink_to(f"layout-{version}")

    def ours(self, version, like=None):
        def prepare():
            self.repository(like)
            self.layout(version)
        return process.Side([self.driver, "import", self.path / "root", self.path / "repo", f"oci:{self.path}/layout:1"],
                            prepare)

    def peer(self, version, like=None):
        return process.Side(["sh", "-c", PEER, "sh", self.path / f"{version}.tar.gz", self.path / "repo"],
                            lambda: self.repository(like))

    def filled(self, side):
        """The repository that it leaves."""
        process.side_run(side, self.path)
        return (self.path / "repo").resolve()


def row(work, program, sample):
    return [work, program, f"{sample.cpu_ms:.0f}", f"{sample.wall_ms:.0f}", f"{sample.peak_mib:.1f}",
            f"{sample.written_mib:.1f}"]


def run_import(build, runs, _):
    subprocess.run(["ninja", "-C", build, "--quiet", "tests/update/import-driver"], check=True)
    path = pathlib.Path(tempfile.mkdtemp(prefix="basalt-bench-", dir="/var/tmp"))
    try:
        place = Place(build, path)
        print(f"An image of one gzip layer, {place.size / 1e6:.0f} MB in {place.files} files; "
              f"the changed ones have {place.changed / 2**20:.1f} MiB.\n")
        ours, peer = place.filled(place.ours(1)), place.filled(place.peer(1))
        rows = []
        for work, sides in (("first import", [place.ours(1), place.peer(1)]),
                            ("1 % changed", [place.ours(2, ours), place.peer(2, peer)]),
                            ("nothing changed", [place.ours(1, ours), place.peer(1, peer)])):
            samples = process.sides_compare(sides, runs, path)
            rows += [row(work, name, sample) for name, sample in zip(("basalt", "ostree"), samples)]
            a, b = samples
            rows.append(["", "ostree / basalt", f"{b.cpu_ms / a.cpu_ms:.1f}×", f"{b.wall_ms / a.wall_ms:.1f}×",
                         f"{b.peak_mib / a.peak_mib:.1f}×", f"{b.written_mib / a.written_mib:.1f}×" if a.written_mib else ""])
        process.table_print(HEADER, rows)
    finally:
        shutil.rmtree(path, ignore_errors=True)
