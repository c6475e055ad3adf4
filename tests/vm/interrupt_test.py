#!/usr/bin/env python3
"""Arrays, encrypted volumes, volume groups and filesystems on partitions, interrupted: before every change of a device,
at any moment by SIGKILL, and by the power. What comes next converges to what was declared, and then changes nothing.

BASALT_VM_CUTS says how many moments are tried of each kind (the check: 2 kills, 1 cut), BASALT_VM_SEED which ones (a number
or `random`). With BASALT_VM_STEPS=some each step is tried from nothing too, with all those of the partitions as well."""
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
    log:24.00:rest:168.00: || { lvm lvs -o +tags; exit 1; }
"""
# Whatever tells a second making from a first.
PRINT = r"""
for d in {0} {1}; do blkid -p -o export $d | grep PTUUID; for n in 1 2; do blkid -p -o export $d-part$n | grep UUID; done; done
blkid -p -o export /dev/md/pair /dev/mapper/secret /dev/vg/log | grep UUID
mdadm --examine {0}-part1 | grep 'Creation Time'
LVM_SUPPRESS_FD_WARNINGS=1 lvm vgs --noheadings -o vg_uuid,vg_seqno vg
"""
BLANK = r"""
set -e
exec 2>&1
udevadm settle
if [ -e /dev/mapper/secret ]; then cryptsetup close secret; fi
if [ -e /dev/vg ]; then LVM_SUPPRESS_FD_WARNINGS=1 lvm vgchange -qq -an vg; fi
dmsetup remove_all
for a in $(sed -n 's/^\(md[^ ]*\) .*/\1/p' /proc/mdstat); do mdadm --stop /dev/$a; done
for d in $*; do fallocate --punch-hole --offset 0 --length $(blockdev --getsize64 $d) $d; done
udevadm settle
for d in $*; do blockdev --rereadpt $d 2>/dev/null || true; done
udevadm settle
left=$(ls /sys/block | grep -E '^(dm|md)' || true)$(wipefs -n $* || true)
test -z "$left" || { echo "left: $left"; exit 1; }
"""
FIRST_OF_ARRAYS = "creating array"  # the steps before are those of partitions: tests/provision/disks/test_interrupt.py


def number(name, default):
    return int(os.environ.get(name, default))


def chance():
    word = os.environ.get("BASALT_VM_SEED", "878886277")
    seed = random.randrange(1 << 32) if word == "random" else int(word)
    print(f"seed {seed}")
    return random.Random(seed)


def prepare(m, *disks):
    m.run("modprobe -a raid1 dm_crypt")
    m.put("/usr/bin/disks-driver", vm.stripped(driver()), 0o755)
    m.put("/run/test.ign", json.dumps(config(*disks)), 0o600)


def driven(m, *arguments):
    """The driver, until all that it started has ended too: a child that is not yet the program that it will run is left
    behind by a kill as well."""
    return m.run(f"""mkdir -p /sys/fs/cgroup/driver
                     (echo 0 > /sys/fs/cgroup/driver/cgroup.procs
                      exec disks-driver --trace {' '.join(map(str, arguments))} /run/test.ign 2>&1)
                     status=$?
                     for i in $(seq 3000); do grep -q . /sys/fs/cgroup/driver/cgroup.procs || exit $status; sleep 0.02; done
                     echo still running; cat /proc/$(head -n 1 /sys/fs/cgroup/driver/cgroup.procs)/comm; exit 99""", check=False)


def blank(m, *devices):
    m.run(f"set -- {' '.join(devices)}" + BLANK)


def partitions(*disks):
    return [f"{d.device}-part{n}" for d in disks for n in (1, 2)]


def check(m, a, b, *, again=True):
    """Runs once more: what was declared is there. With `again` a further run changes nothing."""
    done = driven(m)
    assert done.status == 0, done.output
    found = m.run(CHECK, check=False, data=KEY.encode())
    assert found.status == 0, f"{found.output}\n---- of:\n{done.output}"
    if again:
        ask = PRINT.format(a.device, b.device)
        before, second = m.run(ask), driven(m)
        after = m.run(ask)
        assert second.status == 0 and after == before, f"{second.output}\n{before}\n{after}"


def start_until(m, step, pause):
    """The driver, and all that it runs, in a control group of their own; comes back a moment after its step began."""
    m.run(f"""mkdir -p /sys/fs/cgroup/driver; : > /run/said
              (echo 0 > /sys/fs/cgroup/driver/cgroup.procs; exec disks-driver --trace /run/test.ign > /run/said 2>&1) &
              until grep -q '^step {step}:' /run/said || ! kill -0 $!; do sleep 0.01; done; sleep {pause:.3f}""")


def kill_all(m):
    m.run("echo 1 > /sys/fs/cgroup/driver/cgroup.kill; while grep -q . /sys/fs/cgroup/driver/cgroup.procs; do sleep 0.02; done")


class Faults(list):
    """What went wrong, told where it happens and again at the end, which is what a shortened log keeps."""
    def add(self, what, e):
        self.append(f"FAULT {what}\n{e}")
        print(self[-1], flush=True)

    def none(self):
        assert not self, "\n".join(self)[-6000:]


def steps_of(m):
    """How many there are, and the first that is not of the partitions, of an undisturbed run."""
    done = driven(m, "--count")
    assert done.status == 0, done.output
    steps = [line for line in done.output.splitlines() if line.startswith("step ")]
    first = next(i for i, line in enumerate(steps, 1) if FIRST_OF_ARRAYS in line)
    return len(steps), first


def killed_before(m, n):
    """None: the driver had come to its end before."""
    killed = driven(m, "--kill-at", n)
    if killed.status == 0:
        return None
    assert killed.status == 137, killed
    print("killed before", [l for l in killed.output.splitlines() if l.startswith("step ")][-1], flush=True)
    return killed


def test_steps_in_a_row():
    """Killed before its first step, then before the second of what was left to do, and so on to the end."""
    with vm.idle() as m:
        a, b = m.add_disk("a", "150M"), m.add_disk("b", "150M")
        prepare(m, a, b)
        last, first = steps_of(m)
        blank(m, *partitions(a, b))
        for n in range(1, last + 1):
            if not killed_before(m, n):
                break
        check(m, a, b)


def test_every_step():
    """Each step from nothing, and the run after it to its end. Minutes: only when it is asked for."""
    if not os.environ.get("BASALT_VM_STEPS"):
        return
    faults = Faults()
    with vm.idle() as m:
        a, b = m.add_disk("a", "150M"), m.add_disk("b", "150M")
        prepare(m, a, b)
        last, first = steps_of(m)
        check(m, a, b)
        # Without those of the partitions, which stay, each step has another number.
        everything = os.environ["BASALT_VM_STEPS"] == "all"
        devices = [a.device, b.device] if everything else partitions(a, b)
        for n in range(1, last + 1 if everything else last - first + 2):
            blank(m, *devices)
            killed = killed_before(m, n)
            try:
                check(m, a, b, again=everything or n % 3 == 0)
            except AssertionError as e:
                faults.add(killed and killed.output, e)
    faults.none()


def test_killed_at_any_moment():
    rng, faults = chance(), Faults()
    with vm.idle() as m:
        a, b = m.add_disk("a", "150M"), m.add_disk("b", "150M")
        prepare(m, a, b)
        last, first = steps_of(m)
        for _ in range(number("BASALT_VM_CUTS", 2)):
            blank(m, *partitions(a, b))
            step, pause = rng.randint(1, last - first + 1), rng.uniform(0, 0.6)
            start_until(m, step, pause)
            kill_all(m)
            where = m.run("grep -v ^filesystem /run/said | tail -n 4")
            try:
                check(m, a, b)
            except AssertionError as e:
                faults.add(f"killed {pause:.2f} s after step {step}:\n{where}", e)
    faults.none()


def test_power_cuts():
    rng, faults = chance(), Faults()
    for _ in range(number("BASALT_VM_CUTS", 1)):
        disks = [vm.Disk(name, "150M", format="qcow2") for name in "ab"]
        step, pause = rng.randint(1, 24), rng.uniform(0, 0.6)
        with vm.idle() as m:
            for d in disks:
                m.add_disk(d)
            prepare(m, *disks)
            start_until(m, step, pause)
            print(f"cut {pause:.2f} s after", m.run("grep ^step /run/said | tail -n 1").strip(), flush=True)
            m.cut()
        with vm.idle() as m:
            for d in disks:
                m.add_disk(d)
            prepare(m, *disks)
            try:
                check(m, *disks)
            except AssertionError as e:
                faults.add(f"cut {pause:.2f} s after step {step}", e)
    faults.none()


if __name__ == "__main__":
    vm.main()
