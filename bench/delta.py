"""Deltas beside those of ostree (`ostree static-delta`): of the same two commits in the same repository, made and applied.
The image is one gzip layer of about 160 MB out of this machine's /usr; in its successor every hundredth file has
changed, in one of three ways. On disk, in /var/tmp."""
import json
import pathlib
import random
import shutil
import subprocess
import tempfile

import image_import
import process

import images

HEADER = ["work", "program", "moved bytes", "CPU ms", "wall ms", "peak MiB"]


def edit_parts(data, r):
    """A sixth of it is new."""
    out = bytearray(data)
    for _ in range(max(1, len(data) // 24_000)):
        at = r.randrange(len(out))
        n = min(len(out) - at, 4000)
        out[at:at + n] = r.randbytes(n)
    return bytes(out)


def edit_bytes(data, r):
    """Numbers here and there, as where addresses have moved."""
    out = bytearray(data)
    for _ in range(max(1, len(data) // 200)):
        out[r.randrange(len(out))] = r.randrange(256)
    return bytes(out)


def edit_shift(data, r):
    """Something is put in, something taken out."""
    at = r.randrange(len(data))
    return data[:at] + r.randbytes(len(data) // 50 + 20) + data[at + len(data) // 100:]


EDITS = {"a sixth is new": edit_parts, "a byte in 200": edit_bytes, "shifted": edit_shift}


class Place:
    def __init__(self, build, path):
        self.path, self.build = path, build
        self.basalt, self.driver = build / "src/installer/basalt", build / "tests/update/import-driver"
        (path / "root/etc/containers").mkdir(parents=True)
        image_import.SIZE = 160_000_000
        self.paths = image_import.files_choose()
        sizes = [0 if p.is_symlink() else p.stat().st_size for p in self.paths]
        self.first = max(range(100), key=lambda k: sum(sizes[k::100]))  # of the ways to take every hundredth the largest
        self.image("1", None)

    def image(self, ref, edit):
        r, self.changed, self.changed_files = random.Random(ref), 0, 0
        entries = []
        for i, path in enumerate(self.paths):
            name = str(path)[1:]
            if path.is_symlink():
                entries.append(images.symlink(name, str(path.readlink())))
                continue
            data = path.read_bytes()
            if edit and i % 100 == self.first and data:
                data = edit(data, r)
                self.changed += len(data)
                self.changed_files += 1
            entries.append(images.file(name, data, mode=path.stat().st_mode & 0o777))
        made = images.Image(images.layer(*entries, level=6))
        images.layout_write(self.path / "layout", made, ref)
        self.layer = made.layers[0].size

    def name(self, ref):
        return f"oci:{self.path}/layout:{ref}"

    def commit(self, repo, ref):
        done = subprocess.run([self.driver, "--no-delta", "import", self.path / "root", repo, self.name(ref)], check=True,
                              capture_output=True)
        return json.loads(done.stdout)["commit"]


def row(work, program, size, sample):
    return [work, program, f"{size:,}" if size else "", f"{sample.cpu_ms:.0f}", f"{sample.wall_ms:.0f}",
            f"{sample.peak_mib:.1f}"]


def ratio_row(size, sample):
    return ["", "basalt / ostree", f"{size:.3f}" if size else ""] + [f"{v:.2f}" for v in sample]


def compare(work, sides, sizes, runs, path):
    ours, theirs = process.sides_compare(sides, runs, path)
    return [row(work, "basalt", sizes[0], ours), row("", "ostree", sizes[1], theirs),
            ratio_row(sizes[0] / sizes[1] if sizes[0] else None,
                      (ours.cpu_ms / theirs.cpu_ms, ours.wall_ms / theirs.wall_ms, ours.peak_mib / theirs.peak_mib))]


def rows_of(place, kind, runs):
    path, both, one = place.path, place.path / "both", place.path / "one"
    for repo in (both, one):
        shutil.rmtree(repo, ignore_errors=True)
        subprocess.run(["ostree", "init", f"--repo={repo}", "--mode=bare"], check=True)
    place.commit(one, "1")
    first, second = place.commit(both, "1"), place.commit(both, "2")
    offline = path / "offline"

    def clean():
        shutil.rmtree(path / "out", ignore_errors=True)
        offline.unlink(missing_ok=True)
    made = process.Side([place.basalt, "image", "delta", "--json", "--config-root", path / "root", "--repo", both,
                         "-o", path / "out", place.name("1"), place.name("2")], clean)
    made.argv = ["sh", "-c", '"$@" >"$0"', path / "made.json", *made.argv]
    theirs = process.Side(["ostree", f"--repo={both}", "static-delta", "generate", "--inline", "--min-fallback-size=0",
                           f"--filename={offline}", f"--from={first}", f"--to={second}"])
    theirs.argv = ["sh", "-c", '"$@" >/dev/null', "sh", *theirs.argv]
    process.side_run(made, path)
    process.side_run(theirs, path)
    sizes = json.loads((path / "made.json").read_text())["size"], offline.stat().st_size
    found = compare(f"make, {kind}", [made, theirs], sizes, runs, path)

    subprocess.run([place.basalt, "image", "delta", "--config-root", path / "root", "--repo", both, "-o", path / "layout",
                    place.name("1"), place.name("2")], check=True, stdout=subprocess.DEVNULL)
    if not offline.exists():
        process.side_run(theirs, path)

    def fresh():
        shutil.rmtree(path / "repo", ignore_errors=True)
        subprocess.run(["cp", "-al", one, path / "repo"], check=True)
        subprocess.run(["sync", "-f", path], check=True)
    apply = process.Side(["sh", "-c", '"$@" >/dev/null', "sh", place.driver, "import", path / "root", path / "repo",
                          place.name("2")], fresh)
    offline_apply = process.Side(["ostree", f"--repo={path / 'repo'}", "static-delta", "apply-offline", offline], fresh)
    return found + compare(f"apply, {kind}", [apply, offline_apply], (None, None), runs, path)


def run_delta(build, runs, _):
    subprocess.run(["ninja", "-C", build, "--quiet", "tests/update/import-driver", "src/installer/basalt"], check=True)
    path = pathlib.Path(tempfile.mkdtemp(prefix="basalt-bench-", dir="/var/tmp"))
    try:
        place, rows = Place(build, path), []
        for kind, edit in EDITS.items():
            place.image("2", edit)
            print(f"{kind}: {place.changed_files} of {len(place.paths)} files, {place.changed / 1e6:.1f} MB; "
                  f"the layer has {place.layer:,} bytes", flush=True)
            rows += rows_of(place, kind, runs)
        print()
        process.table_print(HEADER, rows)
    finally:
        shutil.rmtree(path, ignore_errors=True)
