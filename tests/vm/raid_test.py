#!/usr/bin/env python3
"""Arrays: every level, spares, nested ones, what is kept, what is made again, what is refused."""
import re

import vm

SETTLE = "udevadm settle; "


def config(*arrays, **storage):
    return {"ignition": {"version": "3.4.0"}, "storage": {"raid": list(arrays), **storage}}


def array(name, level, devices, **more):
    return {"name": name, "level": level, "devices": [getattr(d, "device", d) for d in devices], **more}


def superblocks(m, disks):
    """What of the members tells a second making from a first."""
    text = m.run("".join(f"mdadm --examine {getattr(d, 'device', d)} | grep -E 'Array UUID|Device UUID|Creation'; " for d in disks))
    assert len(text.splitlines()) == 3 * len(disks), text
    return text


# What the kernel says of arrays; an array that is synchronised goes on with that.
STARTED = "dmesg | grep 'md/\\|md[0-9]*:' | grep -cv resync || true"


def kept(m, settings, disks):
    """A second run changes nothing: same superblocks, the array was not even started again."""
    m.run(SETTLE + "for s in /sys/block/md*/md/sync_action; do echo idle > $s; done; true")
    before, up = superblocks(m, disks), m.run(STARTED)
    log = m.stages(settings, "disks")
    assert superblocks(m, disks) == before
    assert m.run(STARTED) == up, m.run("dmesg | tail -5")
    assert "creating array" not in log and "starting array" not in log, log


def test_levels():
    levels = {"linear": 2, "raid0": 2, "stripe": 2, "raid1": 2, "mirror": 2, "4": 3, "raid5": 3, "6": 4, "raid10": 4}
    kinds = ["linear", "raid0", "raid0", "raid1", "raid1", "raid4", "raid5", "raid6", "raid10"]
    with vm.idle() as m:
        m.put_ignition()
        disks, members = [m.add_disk(str(n), "512M") for n in range(4)], []
        for n in range(sum(levels.values())):  # partitions, in turn on each disk
            members.append(f"{disks[n % 4].device}-part{n // 4 + 1}")
        tables = [{"device": d.device, "partitions": [{"number": n, "sizeMiB": 64} for n in range(1, 7)]} for d in disks]
        rest, arrays = list(members), []
        for n, (level, count) in enumerate(levels.items()):
            arrays.append(array(f"a{n}-{level}", level, rest[:count]))
            del rest[:count]
        settings = config(*arrays, disks=tables)
        m.stages(settings, "disks")
        stat = m.run("cat /proc/mdstat")
        for n, level in enumerate(kinds):
            name = arrays[n]["name"]
            device = m.run(f"readlink -f /dev/md/{name}; test -b /dev/disk/by-id/md-name-any:{name}").strip().split("/")[-1]
            assert re.search(rf"^{device} : active {level} ", stat, re.M), (name, stat)
        kept(m, settings, members)


def test_spare_and_options():
    with vm.idle() as m:
        m.put_ignition()
        disks = [m.add_disk(c, "64M") for c in "abc"]
        settings = config(array("data", "raid1", disks, spares=1, options=["--metadata=1.0", "--uuid=01234567:89abcdef:01234567:89abcdef"]))
        m.stages(settings, "disks")
        detail = m.run("mdadm --detail /dev/disk/by-id/md-uuid-01234567:89abcdef:01234567:89abcdef")
        assert "Spare Devices : 1" in detail and "Version : 1.0" in detail, detail
        kept(m, settings, disks)


def test_nested_in_reverse_order_with_a_filesystem():
    with vm.idle() as m:
        m.put_ignition()
        disks = [m.add_disk(c, "64M") for c in "abcd"]
        settings = config(array("top", "raid1", ["/dev/md/right", "/dev/disk/by-id/md-name-any:left"]),
                          array("left", "raid0", disks[:2]), array("right", "linear", disks[2:]),
                          filesystems=[{"device": "/dev/md/top", "format": "ext4", "label": "top"}])
        m.stages(settings, "disks")
        assert m.run("lsblk -nro LABEL /dev/md/top") == "top\n"
        kept(m, settings, disks)
        m.cut()
    with vm.idle() as m:  # the next boot: whoever started what, it is all there again, with what was in it
        m.put_ignition()
        for d in disks:
            m.add_disk(d)
        m.run(SETTLE)
        m.stages(settings, "disks")
        assert m.run("lsblk -nro LABEL /dev/md/top") == "top\n"


def test_on_partitions():
    with vm.idle() as m:
        m.put_ignition()
        a, b = (m.add_disk(c, "128M", sector=s) for c, s in (("a", 512), ("b", 4096)))
        parts = [{"device": d.device, "wipeTable": True, "partitions": [{"label": f"m-{d.name}", "number": 1, "sizeMiB": 64}]} for d in (a, b)]
        settings = config(array("data", "raid1", ["/dev/disk/by-partlabel/m-a", b.device + "-part1"]), disks=parts)
        m.stages(settings, "disks")
        uuid = m.run("mdadm --detail /dev/md/data | grep UUID")
        m.run("mdadm --stop /dev/md/data; " + SETTLE)
        m.stages(settings, "disks")  # the tables are written anew; the array is whole and stays
        assert m.run("mdadm --detail /dev/md/data | grep UUID") == uuid
        # What others left at the same places shows again in the new partitions, and is given up.
        settings["storage"]["raid"][0].update(name="other", level="raid0")
        m.run("mdadm --stop /dev/md/data; " + SETTLE)
        m.stages(settings, "disks")
        assert "raid0" in m.run("mdadm --detail /dev/md/other")


def test_stopped_array_is_started():
    with vm.idle() as m:
        m.put_ignition()
        disks = [m.add_disk(c, "64M") for c in "ab"]
        settings = config(array("data", "raid1", disks))
        m.stages(settings, "disks")
        before = superblocks(m, disks)
        m.run("mdadm --wait /dev/md/data; mdadm --stop /dev/md/data; " + SETTLE)
        log = m.stages(settings, "disks")
        assert superblocks(m, disks) == before
        assert m.run("test -b /dev/md/data && cat /proc/mdstat").count("active raid1") == 1, log


def test_half_created():
    """mdadm cannot write its second superblock; what it leaves is made again."""
    for level in ("raid1", "raid0"):
        with vm.idle() as m:
            m.put_ignition()
            a, b = m.add_disk("a", "64M"), m.add_disk("b", "64M")
            # the first MiB of b reads, but does not take writes
            m.run("modprobe -a dm_mod dm_flakey; s=$(blockdev --getsz " + b.device + "); "
                  f"dmsetup create bad --table \"0 $s flakey {b.device} 0 0 3600 1 error_writes\"; " + SETTLE)
            made = m.run(f"mdadm --create data --force --run --homehost any --level {level} --raid-devices 2 "
                         f"{a.device} /dev/mapper/bad 2>&1", check=False)
            assert made.status != 0, made.output
            m.run(SETTLE + "dmsetup remove --retry bad; " + SETTLE)
            examined = m.run(f"mdadm --examine {a.device}; mdadm --examine {b.device} 2>&1; cat /proc/mdstat", check=False).output
            assert "any:data" in examined and "No md superblock" in examined, examined
            settings = config(array("data", level, [a, b]))
            log = m.stages(settings, "disks")
            assert m.run("cat /proc/mdstat").count(f"active {level}") == 1, log
            kept(m, settings, [a, b])


def test_pieces_that_udev_put_together():
    """A member of a half-created array, held by an array that does not run."""
    with vm.idle() as m:
        m.put_ignition()
        a, b = m.add_disk("a", "64M"), m.add_disk("b", "64M")
        m.run("modprobe -a dm_mod dm_flakey; s=$(blockdev --getsz " + b.device + "); "
              f"dmsetup create bad --table \"0 $s flakey {b.device} 0 0 3600 1 error_writes\"; " + SETTLE +
              f"mdadm --create data --force --run --homehost any --level raid1 --raid-devices 2 {a.device} /dev/mapper/bad; "
              "dmsetup remove --retry bad; " + SETTLE + f"mdadm --incremental {a.device} || true; " + SETTLE)
        assert "inactive" in m.run("cat /proc/mdstat"), m.run("cat /proc/mdstat")
        m.stages(config(array("data", "raid1", [a, b])), "disks")
        assert m.run("cat /proc/mdstat").count("active raid1") == 1
        assert "inactive" not in m.run("cat /proc/mdstat")


def test_refusals():
    with vm.idle() as m:
        m.put_ignition()
        disks = [m.add_disk(c, "64M") for c in "abc"]
        settings = config(array("data", "raid1", disks[:2]))
        m.stages(settings, "disks")
        before = superblocks(m, disks[:2])
        for other, words in (
                (array("other", "raid1", disks[:2]), "running array 'data'"),
                (array("data", "raid0", disks[:2]), "raid1 of 2 devices"),
                (array("data", "raid1", disks), "of 3 devices"),
        ):
            status, log = m.stages(config(other), "disks", check=False)
            assert status != 0 and words in log and "--zero-superblock" in log, log
            assert superblocks(m, disks[:2]) == before
        m.run("mdadm --wait /dev/md/data; mdadm --stop /dev/md/data; " + SETTLE + f"mdadm --zero-superblock {disks[1].device}; " + SETTLE)
        status, log = m.stages(settings, "disks", check=False)
        assert status != 0 and "was in use" in log and "--add" in log, log
        m.run(f"mkfs.ext4 -q {disks[2].device}; mkdir /m; mount {disks[2].device} /m")
        status, log = m.stages(config(array("x", "raid0", [disks[2]])), "disks", check=False)
        assert status != 0 and "in use: it is mounted at /m" in log, log


if __name__ == "__main__":
    vm.main()
