#!/usr/bin/env python3
"""The power fails while a filesystem is made. The writes of the whole run, the format's own program included, are
recorded in their order with the barriers between them; then devices are put together as a cut can leave them:
all that was before some barrier, and of what came after it any part, sector by sector, over old garbage. On each
the stage must see that it has to make the filesystem again, or find one that its own checker calls sound. It
must never refuse what it left itself, and in the end everything must have been seen to be made.

The driver is the first argument; CUT_TRIALS says how many devices for each format (24)."""
import codecs
import os
import random
import re
import subprocess
import sys

import loop

DRIVER = os.path.abspath(sys.argv.pop(1))
TRIALS = int(os.environ.get("CUT_TRIALS", "24"))
SECTOR = 512
CALL = re.compile(r'^(\d+) +(\w+)\((\d+)<([^>]*)>(.*)$')
RESULT = re.compile(r'= (-?\d+)(?: .*)?$')


def record_read(text, device):
    """Epochs between barriers: lists of (offset, data). Discarding and zeroing by the kernel is left out: nothing
    says that a disk forgets what it is told to forget, and the garbage lies only where something is written."""
    epochs, at, pending = [[]], {}, {}
    for line in text:
        unfinished = re.match(r"^(\d+) +(.*) <unfinished \.\.\.>$", line)
        if unfinished:
            pending[unfinished[1]] = unfinished[2]
            continue
        resumed = re.match(r"^(\d+) +<\.\.\. \w+ resumed>(.*)$", line)
        if resumed:
            line = f"{resumed[1]} {pending.pop(resumed[1])}{resumed[2]}\n"
        call, result = CALL.match(line), RESULT.search(line)
        if not call or not result or call[4] != device or int(result[1]) < 0:
            continue
        pid, name, fd, rest, value = call[1], call[2], call[3], call[5], int(result[1])
        if name == "lseek":
            at[pid, fd] = value
        elif name in ("fsync", "fdatasync"):
            if epochs[-1]:
                epochs.append([])
        elif name in ("write", "pwrite64"):
            data = codecs.escape_decode(rest[rest.index('"') + 1:rest.rindex('"')])[0]
            assert len(data) >= value, "strace cut a string"
            offset = int(re.search(r", (\d+)\) += ", rest)[1]) if name == "pwrite64" else at.get((pid, fd), 0)
            if name == "write":
                at[pid, fd] = offset + value
            epochs[-1].append((offset, data[:value]))
        elif name == "openat":
            at[pid, str(value)] = 0
    return [e for e in epochs if e]


class Cut(loop.DisksTest):
    def record(self, format, device, path):
        log = self.dir / "log"
        subprocess.run(["strace", "-f", "-y", "-s", str(64 * loop.MIB), "-o", log, "-e", "signal=none", "-e",
                        "trace=write,pwrite64,pwritev,pwritev2,writev,lseek,fsync,fdatasync,openat", DRIVER, path], check=True,
                       stderr=subprocess.DEVNULL)
        with open(log, errors="surrogateescape") as f:
            text = f.readlines()
        opened = re.compile(r'^(\d+) +openat\(.*= (\d+)<')
        for i, line in enumerate(text):  # a descriptor that is new starts at 0
            m = opened.match(line)
            if m and m[1] and device in line:
                text[i] = f"{m[1]} openat({m[2]}<{device}>, x) = {m[2]}\n"
        self.assertFalse([line for line in text if re.match(r"^\d+ +p?writev", line) and device in line])
        return record_read(text, device)

    def leave(self, device, epochs, whole, part):
        """Old garbage wherever anything was ever written, then what the cut let through."""
        sectors = {}
        for epoch in epochs:
            for offset, data in epoch:
                for k in range(offset // SECTOR, (offset + len(data) + SECTOR - 1) // SECTOR):
                    sectors[k] = self.garbage
        for number, epoch in enumerate(epochs[:whole + 1]):
            for offset, data in epoch:
                for k in range(0, len(data), SECTOR):
                    place = (offset + k) // SECTOR
                    if number == whole and not part():
                        continue
                    piece, within = data[k:k + SECTOR], (offset + k) % SECTOR
                    old = sectors[place]
                    sectors[place] = old[:within] + piece[:SECTOR - within] + old[within + len(piece):]
                    if len(piece) > SECTOR - within:
                        rest = piece[SECTOR - within:]
                        sectors[place + 1] = rest + sectors[place + 1][len(rest):]
        fd = os.open(device, os.O_RDWR)
        for place in sorted(sectors):
            os.pwrite(fd, sectors[place], place * SECTOR)
        os.fsync(fd)
        os.close(fd)

    def try_format(self, format, **declared):
        device = self.loop()
        path = self.config_write(self.config(filesystems=[{"device": device, "format": format, **declared}]))
        self.garbage = random.Random(1).randbytes(SECTOR)
        epochs = self.record(format, device, path)
        self.assertIsNone(loop.check_filesystem(format, device))
        chance, outcomes = random.Random(2), {"create": 0, "recreate": 0, "keep": 0}
        for trial in range(TRIALS):
            last = len(epochs) - 1
            whole = last - trial % min(len(epochs), 4) if trial % 2 else chance.randrange(len(epochs))
            share = (0.5, 0.9, 0.99, 0.1)[trial // 2 % 4]
            self.leave(device, epochs, whole, (lambda: True) if trial == 0 and whole == last else
                       lambda: chance.random() < share)
            p = subprocess.run([DRIVER, "--plan", path], text=True, capture_output=True)
            self.assertEqual(p.returncode, 0, f"trial {trial}: {p.stdout}{p.stderr}")
            outcome = p.stdout.split()[0]
            outcomes[outcome] += 1
            if outcome == "keep":
                self.assertIsNone(loop.check_filesystem(format, device), f"trial {trial}: kept, but not sound")
        self.leave(device, epochs, len(epochs) - 1, lambda: True)
        said = subprocess.run([DRIVER, "--plan", path], text=True, capture_output=True).stdout
        self.assertEqual(said.split()[0], "keep", said)
        self.assertGreater(outcomes["create"] + outcomes["recreate"], 0)
        return outcomes

    def test_ext4(self):
        self.try_format("ext4", label="l")

    def test_xfs(self):
        self.assertGreater(self.try_format("xfs", label="l")["recreate"], 0)

    def test_xfs_without_a_label(self):
        self.try_format("xfs")

    def test_btrfs(self):
        self.try_format("btrfs", label="l")

    def test_vfat(self):
        self.assertGreater(self.try_format("vfat", label="L", uuid="A1B2-C3D4")["recreate"], 0)

    def test_vfat_32(self):
        self.try_format("vfat", options=["-F", "32"])

    def test_swap(self):
        self.try_format("swap", label="l")


loop.skip_unless_possible()
loop.unittest.main(verbosity=1)
