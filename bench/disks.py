"""The disks stage against the distribution's Ignition and against the same mkfs programs called from a shell, on loop
devices whose files are on the tmpfs. All of it happens in a mount namespace of its own, in a child process."""
import ctypes
import json
import os
import pathlib
import stat
import subprocess
import sys
import traceback

import process
import provisioner

TESTS = pathlib.Path(__file__).resolve().parent.parent / "tests/provision"
sys.path[:0] = [str(TESTS), str(TESTS / "disks")]
import loop

HEADER = ["work", "wall ms", "CPU ms", "own CPU ms", "peak MiB"]
FORMATS = ("ext4", "xfs", "btrfs", "swap")
FORCE = {"ext4": ["mkfs.ext4", "-F"], "xfs": ["mkfs.xfs", "-f"], "btrfs": ["mkfs.btrfs", "--force"],
         "swap": ["mkswap", "-f"]}
MIB_SECTORS = 2048
LAYOUT = ((1, 320), (321, 320), (641, 256), (897, 100))  # MiB: start and size


class Disk:
    def __init__(self, image: pathlib.Path, mib):
        with open(image, "wb") as f:
            f.truncate(mib * loop.MIB)
        self.device = subprocess.run(["losetup", "--find", "--show", image], check=True, text=True,
                                     stdout=subprocess.PIPE).stdout.strip()
        self.partitions = []

    def cut(self):
        """The four partitions, told to the kernel alone."""
        for number, (start, size) in enumerate(LAYOUT, 1):
            loop.partition_tell(self.device, loop.BLKPG_ADD_PARTITION, number, start * MIB_SECTORS, size * MIB_SECTORS)
            node = pathlib.Path(f"{self.device}p{number}")
            self.partitions.append(str(node))
            name = pathlib.Path(f"/sys/class/block/{node.name}/dev").read_text().split(":")
            node.unlink(missing_ok=True)
            os.mknod(node, 0o600 | stat.S_IFBLK, os.makedev(int(name[0]), int(name[1])))

    def forget(self):
        for number, node in enumerate(self.partitions, 1):
            loop.partition_tell(self.device, loop.BLKPG_DEL_PARTITION, number)
            os.unlink(node)
        self.partitions = []

    def close(self):
        self.forget()
        subprocess.run(["losetup", "--detach", self.device], check=True)


def wipe(devices):
    for device in devices:
        subprocess.run(["wipefs", "--all", "--quiet", device], check=True)


def stage_argv(program, place, config):
    """The stage alone, from a cache in the words that both programs read."""
    place.mkdir(exist_ok=True)
    (place / "cache").write_text(json.dumps(config))
    return [program, "-platform", "file", "-stage", "disks", "-log-to-stdout", "-root", place, "-config-cache",
            place / "cache", "-state-file", place / "state", "-neednet", place / "neednet"]


def filesystems(devices):
    return {"ignition": {"version": "3.3.0"},
            "storage": {"filesystems": [{"device": d, "format": f} for d, f in devices]}}


def peer_side(peer, place, config, prepare):
    config = dict(config, ignition={"version": peer.CACHE_VERSION})
    argv = stage_argv(provisioner.PEER, place, config)
    return process.Side(["sh", "-c", 'rm -rf /run/ignition/dev_aliases && exec "$@"', "sh", *argv], prepare,
                        peer.instance.env)


def peer_start(build):
    """Ignition needs a systemd and a udevadm to talk to; NULL where the tests do not bring them."""
    try:
        import peer_disks
    except ImportError:
        return None
    ctypes.CDLL(None).unshare(0x20000)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    peer_disks.instance = peer_disks.PeerDisks(build / "tests/provision/partitions/disk_driver")
    return peer_disks


def row(name, sample):
    return [name, *(f"{v:.1f}" for v in (sample.wall_ms, sample.cpu_ms, sample.own_ms, sample.peak_mib))]


def compare(build, runs, scratch, peer):
    program, rows = build / "src/provision/basalt-ignition", []
    disk = Disk(scratch / "disk", 1024)
    try:
        disk.cut()
        pairs = list(zip(disk.partitions, FORMATS))
        config, clean = filesystems(pairs), lambda: wipe(disk.partitions)
        script = "; ".join(" ".join([*FORCE[f], d]) for d, f in pairs)
        works = [("four filesystems", process.Side(stage_argv(program, scratch / "ours", config), clean)),
                 ("the programs from a shell", process.Side(["sh", "-c", f"set -e; {script}"], clean)),
                 ("nothing to do", process.Side(stage_argv(program, scratch / "ours", config)))]
        if peer:
            works.insert(1, ("four filesystems, peer", peer_side(peer, scratch / "peer", config, clean)))
        samples = process.sides_compare([side for _, side in works], runs, scratch)
        rows += [row(name, sample) for (name, _), sample in zip(works, samples)]
        disk.forget()
        if peer:
            rows += whole_disk(program, runs, scratch, peer, disk)
    finally:
        disk.close()
    process.table_print(HEADER, rows)


def whole_disk(program, runs, scratch, peer, disk):
    """Partitions too: the table is wiped each time."""
    config = filesystems((f"{disk.device}p{n}", f) for n, f in enumerate(FORMATS, 1))
    config["storage"]["disks"] = [{"device": disk.device, "wipeTable": True, "partitions": [
        {"number": n, "startMiB": start, "sizeMiB": size} for n, (start, size) in enumerate(LAYOUT, 1)]}]
    for f in config["storage"]["filesystems"]:
        f["wipeFilesystem"] = True
    sides = [process.Side(stage_argv(program, scratch / "ours", config)), peer_side(peer, scratch / "peer", config, None)]
    ours, theirs = process.sides_compare(sides, runs, scratch)
    return [row("table, partitions, four filesystems", ours), row("table, partitions, four filesystems, peer", theirs)]


def at_the_same_time(build, runs, scratch):
    program, disks, rows = build / "src/provision/basalt-ignition", [], []
    try:
        for i in range(8):
            disks.append(Disk(scratch / f"disk{i}", 320))
        for n in (1, 8):
            devices = [d.device for d in disks[:n]]
            config = filesystems((d, "ext4") for d in devices)
            side = process.Side(stage_argv(program, scratch / "ours", config), lambda: wipe(devices))
            rows.append(row(f"ext4 on {n} disk{'s' if n > 1 else ''}", process.sides_compare([side], runs, scratch)[0]))
    finally:
        for disk in disks:
            disk.close()
    process.table_print(HEADER, rows)


def run_disks(build, runs, scratch):
    """Partitions and filesystems on loop devices; needs to be root."""
    if os.geteuid() or not os.path.exists("/dev/loop-control"):
        print("disks: needs root and loop devices\n")
        return
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            compare(build, runs, scratch, peer_start(build))
            at_the_same_time(build, runs, scratch)
            status = 0
        except Exception:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)
    if os.waitpid(child, 0)[1]:
        sys.exit("bench: disks failed")
