#!/usr/bin/env python3
"""compare_test.py DRIVER NOSLEEP [SEED...]: generated disks, partitioned by the distribution's Ignition and by ours.

Both get the same disk (blank, garbage, GPT, DOS; 512 and 4096 byte sectors) and the same config. Where the peer is done,
ours is too and the tables are the same: numbers, starts, sizes, labels, types, attributes, GUIDs where the config has
them, and the kernel has those partitions. Where the peer fails ours refuses and the disk is as before, but for what
ours is meant to do better, which is told by name in better()."""
import concurrent.futures
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import peer_disks  # noqa: E402

CASES, WORKERS, MIB = 200, 8, 1 << 20
TYPES = ["C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
         "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F", "e6d6d379-f507-44c2-a23c-238f2a3df928"]
driver, nosleep = (str(pathlib.Path(a).resolve()) for a in sys.argv[1:3])
seeds = [int(a) for a in sys.argv[3:]] or range(CASES)


def run(*command, ok=True, **more):
    p = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                       errors="replace", env={**os.environ, "LD_PRELOAD": nosleep if command[0] == "sgdisk" else ""},
                       check=False, **more)
    if ok and p.returncode:
        raise RuntimeError(f"{command}: {p.stdout}")
    return p.stdout


def guid(r):
    return "-".join("".join(r.choice("0123456789abcdefABCDEF") for _ in range(n)) for n in (8, 4, 4, 4, 12))


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


def one(peer, seed):
    d = Disk(seed)
    work = pathlib.Path(tempfile.mkdtemp(dir=peer.dir))
    image = work / "peer.img"
    with open(image, "wb") as f:
        f.truncate(d.mib * MIB)
    devices = []
    try:
        devices.append(run(driver, "--sector-size", d.sector, "attach", image).strip())
        d.prepare(devices[0])
        run("cp", "--sparse=always", image, work / "ours.img")
        devices.append(run(driver, "--sector-size", d.sector, "attach", work / "ours.img").strip())
        guids = {p["guid"].lower() for p in d.config["partitions"] if "guid" in p} | {x[5].lower() for x in d.existing}
        before = facts(devices[1], guids)[0]
        configs = []
        for device in devices:
            path = work / f"{pathlib.Path(device).name}.ign"
            path.write_text(json.dumps({"ignition": {"version": "3.3.0"},
                                        "storage": {"disks": [{"device": device, **d.config}]}}))
            configs.append(path)
        code, said = peer.disks(configs[0])
        ours = subprocess.run([driver, "apply", str(configs[1])], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
        tables = [facts(x, guids) for x in devices]
        about = (f"\n{d.kind}, {d.mib} MiB, {d.sector}: {d.existing}\n{json.dumps(d.config)}\nbefore {before}\npeer {code}: "
                 f"{tables[0][0]}\nours {ours.returncode}: {tables[1][0]}\n{ours.stdout}\n{said[-1500:]}")
        if code == 0:
            if ours.returncode != 0:
                return seed, "refused what the peer does" + about
            if tables[0][0] != tables[1][0]:
                return seed, "the tables differ" + about
            if d.config["partitions"] and [x[:3] for x in tables[1][0][1:]] != tables[1][1] and d.kind != "dos":
                return seed, f"the kernel has {tables[1][1]}" + about
            return seed, None
        if "  invalid " in ours.stdout:
            return seed, ""
        if ours.returncode == 0:
            return seed, None if d.better() else "did what the peer does not" + about
        if ours.returncode != 3 or tables[1][0] != before:
            return seed, "not refused cleanly" + about
        return seed, ""
    finally:
        for device in devices:
            run(driver, "detach", device)
        for x in work.iterdir():
            x.unlink()


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
    print(f"{len(seeds) - bad} of {len(seeds)} as the peer, {refused} of them refused by both")
    if refused > len(seeds) // 2:
        print("too many are refused to show anything")
        return 1
    return 1 if bad else 0


peer_disks.enter_namespace()
sys.exit(main())
