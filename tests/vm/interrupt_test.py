#!/usr/bin/env python3
"""Arrays, encrypted volumes, volume groups and filesystems on partitions, interrupted: before every change of a device,
at any moment by SIGKILL, and by the power. What comes next converges to what was declared, and then changes nothing.

BASALT_VM_CUTS says how many moments are tried of each kind (the check: 3 kills, 1 cut), BASALT_VM_SEED which ones; with
BASALT_VM_STEPS=all each step is a run of its own, where the check tries several in one machine."""
import json
import os
import pathlib
import random

import initramfs
import vm

KEY = "the key\n"
CHEAP = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
LVM = "LVM_SUPPRESS_FD_WARNINGS=1 lvm "


def driver():
    path = pathlib.Path(os.environ.get("BASALT_DISKS_DRIVER") or initramfs.TOP / "build/tests/provision/disks/disks-driver")
    if not path.exists():
        raise initramfs.Unavailable(f"{path} is not built")
    return path


def config(a, b):
    """Two disks with a partition for each of an array and a volume group; a container on the array, filesystems on it and
    on a volume."""
    parts = [{"number": 1, "label": "{}-array", "sizeMiB": 48}, {"number": 2, "label": "{}-group"}]
    return {"ignition": {"version": "3.4.0"}, "storage": {
        "disks": [{"device": d.device, "partitions": [{**p, "label": p["label"].format(d.name)} for p in parts]}
                  for d in (a, b)],
        "raid": [{"name": "pair", "level": "raid1", "devices": [f"{a.device}-part1", f"{b.device}-part1"]}],
        "volumeGroups": [{"name": "vg", "devices": [f"{a.device}-part2", f"{b.device}-part2"],
                          "volumes": [{"name": "log", "sizeMiB": 24}, {"name": "rest"}]}],
        "luks": [{"name": "secret", "device": "/dev/md/pair", "options": CHEAP, "label": "outer",
                  "keyFile": {"source": "data:,the%20key%0A"}}],
        "filesystems": [{"device": "/dev/mapper/secret", "format": "ext4", "label": "inside"},
                        {"device": "/dev/vg/log", "format": "ext4", "label": "log"}]}}


CHECK = r"""
set -e
exec 2>&1
udevadm settle
mdadm --detail /dev/md/pair > /run/detail
test "$(grep -cE 'active sync|spare rebuilding' /run/detail)" = 2 && grep -q 'Raid Level : raid1' /run/detail ||
    { cat /run/detail; exit 1; }
test "$(cat /proc/mdstat | grep -c ^md)" = 1 || { cat /proc/mdstat; exit 1; }
cryptsetup luksDump /dev/md/pair | grep -q 'Subsystem:[[:space:]]*(no subsystem)' || { cryptsetup luksDump /dev/md/pair; exit 1; }
cryptsetup open --test-passphrase --key-file - /dev/md/pair
test "$(blkid -p -o value -s LABEL /dev/mapper/secret /dev/vg/log | tr '\n' ' ')" = "inside log "
e2fsck -fn /dev/mapper/secret >/run/fsck 2>&1 && e2fsck -fn /dev/vg/log >>/run/fsck 2>&1 || { cat /run/fsck; exit 1; }
test "$(LVM_SUPPRESS_FD_WARNINGS=1 lvm lvs --noheadings --nosuffix --units m -o lv_name,lv_size,lv_tags --separator : vg | tr -d ' \n')" = \
    log:24.00:rest:160.00: || { lvm lvs -o +tags; exit 1; }
"""
# Whatever tells a second making from a first.
PRINT = r"""
for d in {0} {1}; do blkid -p -o export $d | grep PTUUID; for n in 1 2; do blkid -p -o export $d-part$n | grep UUID; done; done
blkid -p -o export /dev/md/pair /dev/mapper/secret /dev/vg/log | grep UUID
mdadm --examine {0}-part1 | grep 'Creation Time'
LVM_SUPPRESS_FD_WARNINGS=1 lvm vgs --noheadings -o vg_uuid,vg_seqno vg
"""
BLANK = r"""
exec 2>&1
udevadm settle
if [ -e /dev/mapper/secret ]; then cryptsetup close secret; fi
if [ -e /dev/vg ]; then LVM_SUPPRESS_FD_WARNINGS=1 lvm vgchange -an vg; fi
for a in $(sed -n 's/^\(md[^ ]*\) .*/\1/p' /proc/mdstat); do mdadm --stop /dev/$a; done
dmsetup remove_all
udevadm settle
for d in {0} {1}; do
    blkdiscard -f $d
    blockdev --rereadpt $d
done
udevadm settle
test -z "$(ls /sys/block | grep -E '^(dm|md)')"
! ls {0}-part* {1}-part* 2>/dev/null
"""


def prepare(m, *disks):
    m.run("modprobe -a raid1 dm_crypt")
    m.put("/usr/bin/disks-driver", vm.stripped(driver()), 0o755)
    m.put("/run/test.ign", json.dumps(config(*disks)), 0o600)


def driven(m, *arguments):
    return m.run(f"exec 2>&1; disks-driver {' '.join(map(str, arguments))} /run/test.ign", check=False)


def check(m, a, b, what):
    """Runs again: as declared now, and a further run changes nothing."""
    done = driven(m, "--trace")
    assert done.status == 0, (what, done.output)
    found = m.run(CHECK, check=False, data=KEY.encode())
    assert found.status == 0, (what, found.output, done.output)
    ask = PRINT.format(a.device, b.device)
    before = m.run(ask)
    again = driven(m, "--trace")
    assert again.status == 0 and m.run(ask) == before, (what, again.output, before)
    return done.output


def test_every_step():
    import time
    with vm.idle() as m:
        a, b = m.add_disk("a", "150M"), m.add_disk("b", "150M")
        prepare(m, a, b)
        t = time.time()
        done = driven(m, "--trace", "--count")
        assert done.status == 0, done.output
        print(done.output)
        print("first", time.time() - t)
        steps = int(done.output.split()[-1])
        check(m, a, b, "not interrupted")
        for n in range(1, steps + 1):
            t = time.time()
            m.run(BLANK.format(a.device, b.device))
            print("blank", time.time() - t)
            killed = driven(m, "--trace", "--kill-at", n)
            assert killed.status == 137, killed
            print(killed.output)
            print("killed", time.time() - t)
            m.run("while pgrep -x 'mdadm|lvm|mkfs.ext4' >/dev/null; do sleep 0.05; done")
            print(check(m, a, b, f"step {n}"))
            print("checked", n, time.time() - t, flush=True)


if __name__ == "__main__":
    vm.main()
