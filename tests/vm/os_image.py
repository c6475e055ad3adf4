"""An operating system to boot: Debian's as an image of two layers.

The large layer is made once and kept; a version is a layer of its own on top, with this build's programs and units."""
import fcntl
import hashlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile

import initramfs
import vm

sys.path.append(str(initramfs.TOP / "tests/update"))
from images import CONFIG, CREATED, LAYER, OCI_MANIFEST, Layer, directory, file, sha256, symlink, tar  # noqa: E402

MODULES = "virtio_pci virtio_scsi sd_mod virtio_console virtio_net virtio_rng".split()
PREPARE_ROOT = "usr/lib/ostree/ostree-prepare-root"
GRUB = pathlib.Path("/usr/lib/grub/x86_64-efi")
LINKS = {"ostree": "sysroot/ostree", "home": "var/home", "root": "var/roothome", "opt": "var/opt", "srv": "var/srv",
         "mnt": "var/mnt", "media": "run/media"}
EMPTY = ["boot", "sysroot", "proc", "sys", "dev", "run", "tmp", "var"]
LEFT_OUT = re.compile(r"""^(?:
    vmlinuz.* | initrd.* | etc/(machine-id|hostname|resolv\.conf)
    | usr/share/(perl|gcc|doc|man|info|locale|lintian|bug|common-licenses|bash-completion|zsh|polkit-1|gnupg)
    | usr/lib/x86_64-linux-gnu/(perl|gconv) | usr/lib/(gnupg|dracut) | usr/lib/udev/hwdb.*
    | usr/lib/modules/[^/]+/kernel/(fs | net/(?!core$).* | drivers/(gpu|infiniband|scsi|md|usb|media|vfio|hid|iio|staging|target
        |nvme|mtd|crypto|ata|block) | drivers/net/(ethernet|hyperv|vmxnet3)))$""", re.X)


def require():
    vm.require(vm.QEMU, "mkfs.ext4", "mkfs.vfat", "mcopy", "strip", "grub-mkimage", "docker-registry")
    for path in (GRUB / "linux.mod", pathlib.Path(vm.FIRMWARE)):
        if not path.exists():
            raise initramfs.Unavailable(f"{path} is not there")


# ---- the layers ----

def entry(name, kind, link="", mode=0o755):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.mtime = kind, link, mode, 1
    return info


def add_tree(archive, tree):
    for top, directories, files in os.walk(tree):
        inside = "" if top == str(tree) else os.path.relpath(top, tree) + "/"
        for name in sorted(directories + files):
            path = inside + name
            if path in LINKS or path in EMPTY or LEFT_OUT.match(path):
                if name in directories:
                    directories.remove(name)
                continue
            info = archive.gettarinfo(os.path.join(top, name), path)
            info.mtime, info.uname, info.gname = 1, "", ""
            if info.isreg():
                with open(os.path.join(top, name), "rb") as data:
                    archive.addfile(info, data)
            else:
                archive.addfile(info)
        directories.sort()


def cpio(entries):
    """An archive in the form newc of (name, mode, contents)."""
    out = bytearray()
    for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        fields = [number, mode, 0, 0, 1, 1, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return bytes(out)


def initramfs_make(tree, version):
    """os_init.c, the drivers it needs, and OSTree's program with its libraries."""
    top = tree / "usr/lib/modules" / version
    needs = {}
    for line in (top / "modules.dep").read_text().splitlines():
        path, _, others = line.partition(":")
        needs[path] = others.split()
    by_name = {pathlib.Path(path).stem.replace("-", "_"): path for path in needs}
    drivers = []

    def want(path):
        for other in needs[path]:
            want(other)
        if path not in drivers:
            drivers.append(path)

    for name in MODULES:
        if name in by_name:  # else it is part of the kernel
            want(by_name[name])
    said = subprocess.run(["chroot", str(tree), "ldd", f"/{PREPARE_ROOT}"], stdout=subprocess.PIPE, text=True, check=True)
    files = [PREPARE_ROOT, *(path[1:] for path in re.findall(r"(/\S+) \(", said.stdout))]
    directories = {"dev", "proc", "sys", "run", "sysroot", "modules"}
    for path in files:
        directories |= {str(parent) for parent in pathlib.PurePath(path).parents if str(parent) != "."}
    init = pathlib.Path(os.environ.get("BASALT_VM_OS_INIT") or initramfs.TOP / "build/tests/vm/os-init")
    return cpio([*((name, 0o40755, b"") for name in sorted(directories)), ("init", 0o100755, init.read_bytes()),
                 *((path, 0o100755, (tree / path).read_bytes()) for path in files),
                 *((f"modules/{pathlib.Path(path).name}", 0o100644, (top / path).read_bytes()) for path in drivers),
                 ("modules/list", 0o100644, "".join(f"{pathlib.Path(path).name}\n" for path in drivers).encode())])


def base_layer():
    """The path of an archive, about 180 MB."""
    where = initramfs.base("os")
    version = (where / "kernel-version").read_text()
    here = pathlib.Path(__file__)
    made_of = initramfs.digest(where.name, here, here.with_name("os_init.c"))
    path = initramfs.cache() / f"os-layer-{made_of}.tar"
    with open(initramfs.cache() / "os-layer.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            with tarfile.open(path.with_suffix(".part"), "w", format=tarfile.PAX_FORMAT) as archive:
                for name in ["./", *EMPTY]:
                    archive.addfile(entry(name, tarfile.DIRTYPE))
                for name, link in LINKS.items():
                    archive.addfile(entry(name, tarfile.SYMTYPE, link, 0o777))
                add_tree(archive, where / "tree")
                for name, data in (("vmlinuz", (where / "vmlinuz").read_bytes()),
                                   ("initramfs.img", initramfs_make(where / "tree", version))):
                    info = entry(f"usr/lib/modules/{version}/{name}", tarfile.REGTYPE, mode=0o644)
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
            os.rename(path.with_suffix(".part"), path)
        os.utime(path)
        for other in sorted(initramfs.cache().glob("os-layer-*.tar"), key=lambda p: p.stat().st_mtime)[:-2]:
            other.unlink()
    return path


AGENT_UNIT = """[Unit]
DefaultDependencies=no
After=local-fs.target
Conflicts=shutdown.target
Before=shutdown.target
[Service]
ExecStart=/usr/lib/basalt-vm-agent
"""
READY_UNIT = """[Unit]
After=multi-user.target
[Service]
Type=oneshot
StandardOutput=tty
ExecStart=/bin/sh -c 'echo "up: $$(cat /usr/lib/version)"'
"""
TMPFILES = "d /var/roothome 0700\nd /var/home 0755\nd /var/opt 0755\nd /var/srv 0755\nd /var/mnt 0755\nd /run/media 0755\n"
UNITS = "usr/lib/systemd/system"
# Disks alone: /boot is found by its UUID.
TRIGGER = """[Service]
ExecStart=
ExecStart=udevadm trigger --action=add --subsystem-match=block
"""
# What takes seconds by emulation and has nothing to do here; of ostree's own what basalt-os does.
MASKED = """apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service
            fstrim.timer systemd-pstore.service systemd-hwdb-update.service ldconfig.service
            systemd-journal-catalog-update.service systemd-networkd-wait-online.service getty.target
            systemd-rfkill.service systemd-sysusers.service sys-kernel-debug.mount sys-kernel-tracing.mount
            sys-kernel-config.mount sys-fs-fuse-connections.mount dev-hugepages.mount dev-mqueue.mount
            systemd-modules-load.service systemd-logind.service proc-sys-fs-binfmt_misc.automount
            systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-udev-settle.service dbus.service dbus.socket kmod-static-nodes.service modprobe@.service
            systemd-random-seed.service systemd-sysctl.service systemd-user-sessions.service
            systemd-ask-password-console.path systemd-ask-password-wall.path ostree-finalize-staged.path
            ostree-finalize-staged.service ostree-finalize-staged-hold.service""".split()


def version_layer(version, *more):
    """This build's programs and units, and what makes a version this one."""
    program = pathlib.Path(os.environ.get("BASALT_OS") or initramfs.TOP / "build/src/update/basalt-os")
    units = [path for path in sorted((initramfs.TOP / "systemd").iterdir()) if path.suffix in (".service", ".timer")]
    return Layer(tar(
        file("usr/bin/basalt-os", vm.stripped(program).read_bytes(), mode=0o755),
        file("usr/lib/basalt-vm-agent", initramfs.agent().read_bytes(), mode=0o755),
        *(file(f"{UNITS}/{path.name}", path.read_bytes()) for path in units),
        symlink(f"{UNITS}/multi-user.target.wants/basalt-os-finalize.service", "../basalt-os-finalize.service"),
        symlink(f"{UNITS}/basic.target.wants/basalt-os-boot-complete.service", "../basalt-os-boot-complete.service"),
        file(f"{UNITS}/agent.service", AGENT_UNIT),
        symlink(f"{UNITS}/sysinit.target.wants/agent.service", "../agent.service"),
        file(f"{UNITS}/ready.service", READY_UNIT),
        symlink(f"{UNITS}/multi-user.target.wants/ready.service", "../ready.service"),
        *(symlink(f"etc/systemd/system/{name}", "/dev/null") for name in MASKED),
        symlink("etc/systemd/system/default.target", f"/{UNITS}/multi-user.target"),
        directory("etc/systemd/system/systemd-udev-trigger.service.d"),
        file("etc/systemd/system/systemd-udev-trigger.service.d/block.conf", TRIGGER),
        file("usr/share/basalt-os/grub.cfg", (initramfs.TOP / "data/grub.cfg").read_bytes()),
        file("usr/lib/tmpfiles.d/os.conf", TMPFILES),
        file("etc/machine-id"), file("etc/hostname", "os\n"),
        file("etc/containers/policy.json", '{"default":[{"type":"insecureAcceptAnything"}]}'),
        file("usr/lib/version", f"{version}\n"), *more))


class OsImage:
    """What images.Registry.push() wants, with the large layer in a file."""

    def __init__(self, base, layer, version):
        self.base, self.layer = base, layer
        digest = "sha256:" + hashlib.sha256(base.read_bytes()).hexdigest()
        self.base_digest = digest
        labels = {"containers.bootc": "1", "org.opencontainers.image.version": version}
        self.config = json.dumps({
            "os": "linux", "architecture": "amd64", "created": CREATED, "config": {"Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": [digest, layer.diff_id]}}).encode()
        self.manifest = json.dumps({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": {"mediaType": CONFIG, "digest": sha256(self.config), "size": len(self.config)},
            "layers": [{"mediaType": LAYER, "digest": digest, "size": base.stat().st_size},
                       {"mediaType": layer.media_type, "digest": layer.digest, "size": layer.size}]}).encode()
        self.index = b""

    def blobs(self):
        return {sha256(self.config): self.config, self.layer.digest: self.layer.blob,
                self.base_digest: self.base.read_bytes()}

