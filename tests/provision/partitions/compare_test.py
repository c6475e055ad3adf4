#!/usr/bin/env python3
"""compare_test.py DRIVER NOSLEEP PROGRAM [SEED...]: generated layouts, made by the distribution's Ignition and by ours.

Both get the same disk (blank, garbage, GPT with or without filesystems, DOS; 512 and 4096 byte sectors) and the same
config of partitions and filesystems. Where the peer is done, ours is too and both tables are the same: numbers, starts,
sizes, labels, types, attributes, GUIDs where the config or the old table has them, and the kernel has those partitions;
and so is what libblkid finds in each of them: type, version, block size, label, UUID where the config or the old
filesystem has it. Where the peer fails ours refuses and the disk is as before, but for what ours is meant to do better,
which is told by name in better(), and a program that fails for both (a device too small for it)."""
import collections
import concurrent.futures
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import peer_disks  # noqa: E402

CASES, WORKERS, MIB = 200, 8, 1 << 20
TYPES = ["C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
         "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F", "e6d6d379-f507-44c2-a23c-238f2a3df928"]
# The least MiB that its program takes, the longest label, options that can be seen in the result.
FORMATS = {"ext4": (2, 16, ["-b", "1024"]), "swap": (1, 15, ["-p", "8192"]), "vfat": (2, 11, ["-s", "1"]),
           "btrfs": (120, 100, ["--nodesize", "16384"]), "xfs": (310, 12, ["-b", "size=2048"])}
MAKE = {"ext4": ["mkfs.ext4", "-q", "-F", "-L", "-U"], "swap": ["mkswap", "-L", "-U"], "vfat": ["mkfs.fat", "-n", "-i"],
        "btrfs": ["mkfs.btrfs", "-q", "-L", "-U"], "xfs": ["mkfs.xfs", "-q", "-L", "-m"]}
driver, nosleep, program = (str(pathlib.Path(a).resolve()) for a in sys.argv[1:4])
seeds = [int(a) for a in sys.argv[4:]] or range(CASES)
made = collections.Counter()


def run(*command, ok=True, **more):
    p = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       errors="replace", env={**os.environ, "LD_PRELOAD": nosleep if command[0] in ("sgdisk", "sfdisk") else ""},
                       check=False, **more)
    if ok and p.returncode:
        raise RuntimeError(f"{command}: {p.stdout}")
    return p.stdout


def guid(r):
    return "-".join("".join(r.choice("0123456789abcdefABCDEF") for _ in range(n)) for n in (8, 4, 4, 4, 12))


def fs_uuid(r, kind):
    return f"{r.randrange(1 << 16):04X}-{r.randrange(1 << 16):04X}" if kind == "vfat" else guid(r).lower()


def fs_label(r, kind):
    letters = "ABCDEFGH" if kind == "vfat" else "abcdefgh"
    return "".join(r.choice(letters) for _ in range(r.randint(1, FORMATS[kind][1])))


def fitting(mib):
    return [kind for kind, row in FORMATS.items() if row[0] <= mib]


class Disk:
    """A case: what is on the disk before, and the config."""

    def __init__(self, seed):
        self.seed, self.r = seed, random.Random(seed)
        r = self.r
        self.sector = r.choice([512, 512, 4096])
        self.mib = r.choice([8, 40, 64, 100, 250, 1024])
        self.kind = r.choice(["blank", "blank", "garbage", "gpt", "gpt", "gpt", "gpt", "gpt", "dos"])
        self.existing = []  # number, start, size in MiB; label, type, guid
        if self.kind == "gpt":
            self.choose_existing()
        self.config = self.choose_config()
        self.r = random.Random(f"filesystems {seed}")
        self.present = {x[0]: self.choose_present(x[2]) for x in self.existing if self.r.random() < 0.6}
        self.filesystems = [self.choose_filesystem(p) for p in self.config["partitions"]
                            if p.get("number") and p.get("shouldExist", True) and self.r.random() < 0.7]

    def choose_existing(self):
        r, at = self.r, 1
        numbers = r.sample(range(1, r.choice([5, 9, 129])), 4)
        for number in sorted(numbers) if r.random() < 0.7 else numbers:
            at += r.choice([0, 0, 1, r.randint(0, max(1, self.mib // 6))])
            size = r.randint(1, max(2, self.mib // 5))
            if at + size >= self.mib:
                break
            self.existing.append((number, at, size, r.choice(["", f"old{number}", "größe"[:r.randint(1, 5)]]),
                                  r.choice(TYPES), guid(r)))
            at += size

    def choose_partition(self, used, zeros):
        r = self.r
        old = r.choice(self.existing) if self.existing and r.random() < 0.6 else None
        number = old[0] if old else r.choice([0, 0, 1, 2, 3, 4, 5, 9, 128, 129 if r.random() < 0.1 else 7])
        p = {}
        if number == 0 or number in used:
            if not zeros:
                return None
            p["label"] = f"n{self.seed}-{len(used)}"
        else:
            p["number"] = number
        used.append(number)
        if old and p.get("number") and r.random() < 0.15 and not zeros:
            return {**p, "shouldExist": False, "wipePartitionEntry": r.random() < 0.7}
        if p.get("number") and r.random() < 0.6:
            p["label"] = old[3] if old and r.random() < 0.7 else f"p{number}"
        if r.random() < 0.7:
            p["sizeMiB"] = old[2] if old and r.random() < 0.5 else r.choice([0, 1, 2, r.randint(1, self.mib)])
        if r.random() < 0.4:
            p["startMiB"] = old[1] if old and r.random() < 0.7 else r.choice([0, 1, r.randint(1, self.mib)])
        if r.random() < 0.4:
            p["typeGuid"] = old[4] if old and r.random() < 0.7 else r.choice(TYPES)
        if r.random() < 0.3:
            p["guid"] = old[5] if old and r.random() < 0.7 else guid(r)
        if r.random() < 0.35:
            p["wipePartitionEntry"] = r.random() < 0.8
        if r.random() < 0.25:
            p["resize"] = True
        return p

    def choose_config(self):
        r, used = self.r, []
        zeros = r.random() < 0.6  # else some may be declared away
        parts = [self.choose_partition(used, zeros) for _ in range(r.choice([0, 1, 1, 2, 2, 3, 4]))]
        labels, kept = set(), []
        for p in filter(None, parts):
            if p.get("label") in labels:
                del p["label"]
                if "number" not in p:
                    continue
            labels.add(p.get("label", ""))
            labels.discard("")
            kept.append(p)
        disk = {"partitions": self.without_zeros(kept)}
        if r.random() < (0.3 if self.kind != "dos" else 0.7):
            disk["wipeTable"] = True
        return disk

    def choose_present(self, mib):
        kind = self.r.choice(fitting(mib))
        return {"format": kind, "label": fs_label(self.r, kind), "uuid": fs_uuid(self.r, kind)}

    def choose_filesystem(self, partition):
        r, old = self.r, self.present.get(partition["number"], {})
        sizes = {x[0]: x[2] for x in self.existing}
        mib = partition.get("sizeMiB", sizes.get(partition["number"], 0)) or self.mib // 3
        kind = old["format"] if old and r.random() < 0.7 else r.choice(fitting(max(2, mib))[-3:])
        fs = {"number": partition["number"], "format": kind}
        if r.random() < 0.6:
            fs["label"] = old["label"] if old.get("format") == kind and r.random() < 0.8 else fs_label(r, kind)
        if r.random() < 0.4:
            fs["uuid"] = old["uuid"] if old.get("format") == kind and r.random() < 0.8 else fs_uuid(r, kind)
        if r.random() < 0.4:
            fs["wipeFilesystem"] = r.random() < 0.8
        if r.random() < 0.2:
            fs["options"] = FORMATS[kind][2]
        return fs

    def config_for(self, device):
        """In 3.3.0."""
        filesystems = [{"device": f"{device}p{f['number']}", **{k: v for k, v in f.items() if k != "number"}}
                       for f in self.filesystems]
        return {"ignition": {"version": "3.3.0"},
                "storage": {"disks": [{"device": device, **self.config}], "filesystems": filesystems}}

    def prepare_filesystems(self, device):
        for number, fs in self.present.items():
            program, *options = MAKE[fs["format"]]
            uuid = fs["uuid"].replace("-", "") if fs["format"] == "vfat" else fs["uuid"]
            label, uuid = fs["label"], f"uuid={uuid}" if fs["format"] == "xfs" else uuid
            run(program, *options[:-2], options[-2], label, options[-1], uuid, f"{device}p{number}")

    def without_zeros(self, partitions):
        """Not with a start or size of 0: the peer finds them as if a partition that stays had been made anew."""
        old = {x[0] for x in self.existing}
        if any(p.get("wipePartitionEntry") and p.get("number") in old and
               not ("startMiB" in p and "sizeMiB" in p) for p in partitions):
            for p in partitions:
                for key in ("startMiB", "sizeMiB"):
                    if p.get(key) == 0:
                        del p[key]
        return partitions

    def better(self):
        """Why ours may be done where the peer is not; None: it may not."""
        if not self.config["partitions"]:
            return "nothing is declared, so nothing is wrong"
        if any(p.get("wipePartitionEntry") and p.get("number") for p in self.config["partitions"]) and self.existing:
            return "a partition that stays is not in the way of itself"
        for p in self.config["partitions"]:
            if p.get("startMiB", 0) > 0 and p.get("sizeMiB", 0) == 0:
                return "all that is left from a start outside of the largest gap"
            if p.get("sizeMiB", 0) == 0 and self.existing and not p.get("wipePartitionEntry"):
                return "all that is left behind a partition that is there"
        return None

    def prepare(self, device):
        if self.kind == "garbage":
            with open(device, "r+b") as f:
                f.write(bytes(self.r.randbytes(400)) + b"\0" * 112 + self.r.randbytes(60000))
        elif self.kind == "dos":
            run("sfdisk", "-q", "--no-reread", "--no-tell-kernel", device, input=f"size={MIB // self.sector}\n")
        elif self.kind == "gpt":
            unit, command = MIB // self.sector, ["sgdisk"]
            for number, start, size, label, kind, uuid in self.existing:
                command += [f"--new={number}:{start * unit}:+{size * unit}", f"--typecode={number}:{kind}",
                            f"--change-name={number}:{label}", f"--partition-guid={number}:{uuid}"]
                if number % 3 == 0:
                    command += [f"--attributes={number}:set:2"]
            run(*command, device) if self.existing else run("sgdisk", "-o", device)


def facts(device, guids):
    """What is compared: without random GUIDs, in the order of numbers."""
    table, kernel = [], []
    for line in run(driver, "show", device).splitlines():
        words = line.split("'")
        if line.startswith("partition "):
            number, start, size = line.split()[1:4]
            kind, uuid, attributes = words[2].split()
            table.append((int(number), int(start), int(size), words[1], kind,
                          uuid if uuid.lower() in guids else "random", attributes))
        elif line.startswith("kernel "):
            kernel.append(tuple(int(w) for w in line.split()[1:]))
        elif line.startswith("table "):
            table.append(line)
    return table, kernel


def signatures(device, table, uuids):
    """What libblkid finds in each partition of the table."""
    found = {}
    for row in table:
        if isinstance(row, str):
            continue
        said = subprocess.run(["blkid", "-p", "-o", "export", f"{device}p{row[0]}"], stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT, check=False).stdout
        values = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        found[row[0]] = {k: values[k] for k in ("TYPE", "VERSION", "BLOCK_SIZE", "LABEL", "UUID") if k in values}
        if found[row[0]].get("UUID", "").lower() not in uuids | {""}:
            found[row[0]]["UUID"] = "random"
    return found


def undeclared(d, found):
    """The declared filesystem that is not there."""
    for f in d.filesystems:
        there = found.get(f["number"], {})
        if there.get("TYPE") != f["format"] or there.get("LABEL", "") != f.get("label", there.get("LABEL", "")) or \
                there.get("UUID", "").lower() != f.get("uuid", there.get("UUID", "")).lower():
            return f
    return None


def ours_run(work, config):
    return subprocess.run([program, "-platform", "file", "-stage", "disks", "-log-to-stdout", "-root", work, "-config-cache",
                           config, "-state-file", work / "state", "-neednet", work / "neednet"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)


def verdict(d, peer, ours, before):
    """Why the results are not as they should be; None: they are; "": both refused. A side: exit code, what was said,
    (table, kernel's partitions), signatures."""
    tables, found = (peer[2][0], ours[2][0]), (peer[3], ours[3])
    if peer[0] == 0:
        if ours[0] != 0:
            return "refused what the peer does"
        if tables[0] != tables[1]:
            return "the tables differ"
        if d.config["partitions"] and [x[:3] for x in tables[1][1:]] != ours[2][1] and d.kind != "dos":
            return f"the kernel has {ours[2][1]}"
        if found[0] != found[1]:
            return "the filesystems differ"
        made.update(f["format"] for f in d.filesystems)
        return f"{undeclared(d, found[1])} is not there" if undeclared(d, found[1]) else None
    if ours[0] == 0:
        if not d.better():
            return "did what the peer does not"
        return f"{undeclared(d, found[1])} is not there" if undeclared(d, found[1]) else None
    # A program that fails, or what comes to light in a partition where something else was: nobody knows before.
    late = any(f": {m[0]}: " in ours[1] for m in MAKE.values()) or (tables[0], found[0]) == (tables[1], found[1])
    if (tables[1], found[1]) != before and not late:
        return "not refused cleanly"
    return ""


class Attached:
    """An image file as a device, with a config for it."""

    def __init__(self, d, image, known=False):
        self.d, self.image = d, image
        self.device = run(driver, "--sector-size", d.sector, "attach", image).strip()
        if known:
            run(driver, "kernel", self.device)
        self.config = image.with_suffix(".ign")
        self.config.write_text(json.dumps(d.config_for(self.device)))

    def state(self):
        """(table, kernel's partitions), signatures"""
        d = self.d
        guids = {p["guid"].lower() for p in d.config["partitions"] if "guid" in p} | {x[5].lower() for x in d.existing}
        uuids = {f["uuid"].lower() for f in [*d.filesystems, *d.present.values()] if "uuid" in f}
        table = facts(self.device, guids)
        return table, signatures(self.device, table[0], uuids)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        run(driver, "detach", self.device)


def one(peer, seed):
    """One after the other: mkfs.btrfs refuses a UUID that another device of the machine has."""
    d = Disk(seed)
    work = pathlib.Path(tempfile.mkdtemp(dir=peer.dir))
    with open(work / "peer.img", "wb") as f:
        f.truncate(d.mib * MIB)
    with Attached(d, work / "peer.img") as disk:
        d.prepare(disk.device)
        if d.present:
            run(driver, "kernel", disk.device)
            d.prepare_filesystems(disk.device)
        run("cp", "--sparse=always", disk.image, work / "ours.img")
        code, said = peer.disks(disk.config)
        theirs = code, said, *disk.state()
    with Attached(d, work / "ours.img", known=d.present) as disk:
        table, found = disk.state()
        p = ours_run(work, disk.config)
        ours = p.returncode, p.stdout, *disk.state()
    shutil.rmtree(work)
    why = verdict(d, theirs, ours, (table[0], found))
    if why:
        why += (f"\n{d.kind}, {d.mib} MiB, {d.sector}: {d.existing} {d.present}\n{json.dumps(d.config)}\n{d.filesystems}\n"
                f"before {table[0]} {found}\npeer {code}: {theirs[2:]}\nours {p.returncode}: {ours[2:]}\n{p.stdout}\n{said[-700:]}")
    return seed, why


def main():
    if not peer_disks.PEER.exists() or os.geteuid() != 0:
        print("no Ignition here, or not root")
        return 77
    peer = peer_disks.PeerDisks(driver, nosleep)
    bad = refused = 0
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for seed, why in pool.map(lambda s: one(peer, s), seeds):
            refused += why == ""
            if why:
                bad += 1
                print(f"--- case {seed}: {why}")
    peer.close()
    print(f"{len(seeds) - bad} of {len(seeds)} as the peer, {refused} of them refused by both; "
          f"filesystems: {', '.join(f'{n} {kind}' for kind, n in sorted(made.items()))}")
    if refused > len(seeds) // 2:
        print("too many are refused to show anything")
        return 1
    return 1 if bad else 0


peer_disks.enter_namespace()
sys.exit(main())
