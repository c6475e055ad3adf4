"""Makes initramfs images in a chroot of the base tree, and keeps them by the hash of what goes in.

Nothing of the tree changes: an overlay in a mount namespace of its own takes what is installed and what dracut leaves
behind. Only root can do it; Unavailable says what is missing."""
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
LEAN = "base systemd systemd-initrd dracut-systemd udev-rules rootfs-block fs-lib usrmount"
STORAGE = "crypt dm lvm mdraid"
KEPT = 12  # images and saved states, the oldest go


class Unavailable(Exception):
    pass


def cache():
    path = pathlib.Path(os.environ.get("BASALT_CACHE") or pathlib.Path.home() / ".cache/basalt")
    path.mkdir(parents=True, exist_ok=True)
    return path


def base(name="tools"):
    """The directory with `tree` and `vmlinuz`; made when it is missing, which takes a minute or two."""
    done = subprocess.run([str(TOP / "tools/vm-base"), name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise Unavailable((done.stderr.strip().splitlines() or ["vm-base failed"])[-1])
    return pathlib.Path(done.stdout.strip())


def digest(*parts):
    """Of texts, files and directories (names and contents)."""
    sha = hashlib.sha256()
    for part in parts:
        if not isinstance(part, pathlib.Path):
            sha.update(str(part).encode())
            continue
        for path in sorted(part.rglob("*")) if part.is_dir() else [part]:
            if path.is_file():
                sha.update(path.relative_to(part).as_posix().encode() + b"\0" + path.read_bytes())
    return sha.hexdigest()[:16]


def keep_newest(pattern):
    found = [path for path in cache().glob(pattern) if path.suffix not in (".lock", ".part")]
    found.sort(key=lambda path: path.stat().st_mtime)
    for path in found[:-KEPT]:
        path.unlink(missing_ok=True)


def agent():
    path = pathlib.Path(os.environ.get("BASALT_VM_AGENT") or TOP / "build/tests/vm/agent")
    if not path.exists():
        raise Unavailable(f"{path} is not built")
    return path


SCRIPT = r"""
set -eu
tree=$1 work=$2 version=$3
shift 3
mkdir -p "$work/upper" "$work/work" "$work/root"
mount -t overlay overlay -o "lowerdir=$tree,upperdir=$work/upper,workdir=$work/work" "$work/root"
cp -a "$work/add/." "$work/root/"
for d in proc sys dev; do mount --rbind "/$d" "$work/root/$d"; done
mount -t tmpfs tmpfs "$work/root/tmp"
mount -t tmpfs tmpfs "$work/root/run"
mkdir "$work/root/tmp/none"
chroot "$work/root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TMPDIR=/tmp LC_ALL=C \
    dracut --conf /dev/null --confdir /tmp/none --force --quiet --no-hostonly --no-hostonly-cmdline --compress 'zstd -3 -T2' "$@" /tmp/image "$version"
cp "$work/root/tmp/image" "$work/image"
"""


def build(name, modules, drivers="", install=None, arguments=(), tree="tools"):
    """An image's path. `tree` is the base that it is made of. `install(root)` puts files below `root` before dracut runs; its results are part of the hash,
    as is the test's own dracut module whenever `basalt-vm` is among the modules."""
    where = base(tree)
    version = (where / "kernel-version").read_text()
    with tempfile.TemporaryDirectory(prefix="initramfs.", dir=cache()) as work:
        add = pathlib.Path(work) / "add"
        add.mkdir()
        if install:
            install(add)
        seen = [where.name, version, modules, drivers, arguments, SCRIPT, add]
        if "basalt-vm" in modules.split():
            to = add / "usr/lib/dracut/modules.d/95basalt-vm"
            shutil.copytree(HERE / "dracut", to)
            seen += [HERE / "dracut", HERE / "agent.c"]
        image = cache() / f"initramfs-{name}-{digest(*seen)}"
        if image.exists():
            os.utime(image)
            return image
        if "basalt-vm" in modules.split():
            shutil.copy(agent(), to / "basalt-vm-agent")
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", SCRIPT, "sh", str(where / "tree"),
                   work, version, "-m", modules, *arguments]
        if drivers:
            command += ["--add-drivers", drivers]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                              stdin=subprocess.DEVNULL)
        if done.returncode:
            raise RuntimeError(f"dracut failed:\n{done.stdout[-4000:]}")
        os.rename(f"{work}/image", image)
        keep_newest("initramfs-*")
        return image
