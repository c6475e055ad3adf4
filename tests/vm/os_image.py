"""An operating system to boot: Debian's as an image of two layers, a disk with it as basalt-os makes it, GRUB in front.

The large layer is made once and kept; a version is a layer of its own on top, with this build's programs and units."""
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile

import initramfs
import vm

sys.path.append(str(initramfs.TOP / "tests/update"))
from images import CONFIG, CREATED, LAYER, OCI_MANIFEST, Layer, directory, file, sha256, symlink, tar  # noqa: E402

MODULES = f"{initramfs.LEAN} shutdown ostree"
DRIVERS = "virtio_blk virtio_scsi virtio_pci virtio_net virtio_rng virtio_console sd_mod ext4"
GRUB = pathlib.Path("/usr/lib/grub/x86_64-efi")
GRUB_BUILT_IN = """part_gpt part_msdos fat ext2 normal configfile search search_label test echo loadenv regexp serial terminal
                   minicmd""".split()
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
    vm.require(vm.QEMU, "unshare", "mkfs.ext4", "mkfs.vfat", "sfdisk", "mcopy", "grub-mkimage", "grub-editenv", "docker-registry")
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


def base_layer():
    """The path of an archive, about 190 MB."""
    where = initramfs.base("os")
    version = (where / "kernel-version").read_text()
    image = initramfs.build("os", MODULES, DRIVERS, tree="os")
    path = initramfs.cache() / f"os-layer-{initramfs.digest(where.name, image.name, pathlib.Path(__file__))}.tar"
    with open(initramfs.cache() / "os-layer.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            with tarfile.open(path.with_suffix(".part"), "w", format=tarfile.PAX_FORMAT) as archive:
                for name in ["./", *EMPTY]:
                    archive.addfile(entry(name, tarfile.DIRTYPE))
                for name, link in LINKS.items():
                    archive.addfile(entry(name, tarfile.SYMTYPE, link, 0o777))
                add_tree(archive, where / "tree")
                for name, source in (("vmlinuz", where / "vmlinuz"), ("initramfs.img", image)):
                    info = entry(f"usr/lib/modules/{version}/{name}", tarfile.REGTYPE, mode=0o644)
                    info.size = source.stat().st_size
                    with open(source, "rb") as data:
                        archive.addfile(info, data)
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
# What takes seconds by emulation and has nothing to do here; of ostree's own what basalt-os does.
MASKED = """apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
            systemd-pstore.service systemd-hwdb-update.service ldconfig.service systemd-journal-catalog-update.service
            systemd-networkd-wait-online.service getty.target systemd-rfkill.service systemd-sysusers.service
            sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount
            dev-hugepages.mount dev-mqueue.mount systemd-modules-load.service systemd-logind.service
            proc-sys-fs-binfmt_misc.automount systemd-update-utmp.service systemd-update-utmp-runlevel.service
            ostree-finalize-staged.path ostree-finalize-staged.service ostree-finalize-staged-hold.service""".split()


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


# ---- the disk ----

MIB = 1 << 20
ESP_AT, ESP_SIZE = MIB, 16 * MIB
ROOT_AT = ESP_AT + ESP_SIZE


def esp_make(disk):
    """A file system that the firmware reads, with GRUB in it."""
    early = vm.work / "early.cfg"
    early.write_text("search --label root --set=root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n")
    image = vm.work / "BOOTX64.EFI"
    subprocess.run(["grub-mkimage", "-O", "x86_64-efi", "-p", "/boot/grub", "-c", str(early), "-o", str(image), *GRUB_BUILT_IN],
                   check=True)
    subprocess.run(["mkfs.vfat", "-F", "16", "-n", "ESP", f"--offset={ESP_AT // 512}", str(disk.path), str(ESP_SIZE // 1024)], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    at, environment = f"{disk.path}@@{ESP_AT}", dict(os.environ, MTOOLS_SKIP_CHECK="1")
    subprocess.run(["mmd", "-i", at, "::/EFI", "::/EFI/BOOT"], check=True, env=environment)
    subprocess.run(["mcopy", "-i", at, str(image), "::/EFI/BOOT/BOOTX64.EFI"], check=True, env=environment)


def grub_install(boot):
    """boot/grub of a sysroot: the configuration, the environment, and the module linux with what it needs."""
    modules = boot / "grub/x86_64-efi"
    modules.mkdir(parents=True)
    needs = dict(line.split(":") for line in (GRUB / "moddep.lst").read_text().splitlines())
    wanted = ["linux"]
    for name in wanted:
        wanted += [need for need in needs.get(name, "").split() if need not in wanted]
        shutil.copy(GRUB / f"{name}.mod", modules)
    shutil.copy(initramfs.TOP / "data/grub.cfg", boot / "grub")
    (boot / "grub/custom.cfg").write_text("set timeout=0\nserial --unit=0 --speed=115200\nterminal_output serial\n")
    subprocess.run(["grub-editenv", str(boot / "grub/grubenv"), "create"], check=True)


def disk_make(sysroot, size=1200 * MIB):
    """GRUB in one partition, the sysroot in the other; its links stay links."""
    disk = vm.Disk("system", str(size))
    table = f"label: gpt\nstart={ESP_AT // 512}, size={ESP_SIZE // 512}, type=uefi\nstart={ROOT_AT // 512}, type=linux\n"
    subprocess.run(["sfdisk", "-q", str(disk.path)], input=table.encode(), check=True)
    esp_make(disk)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-L", "root", "-E", f"offset={ROOT_AT}", "-d", str(sysroot), str(disk.path),
                    f"{(size - ROOT_AT - MIB) // 1024}k"], check=True)
    return disk


def sysroot_remove(path):
    """Deployments are immutable."""
    subprocess.run(["chattr", "-R", "-f", "-i", str(path / "ostree/deploy")], capture_output=True)
    shutil.rmtree(path)
