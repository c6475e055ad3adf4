#!/usr/bin/env python3
"""Volume groups: made, kept, changed, made again after a power cut, refused; on arrays and below them."""
import vm

SETTLE = "udevadm settle; "
LVM = "LVM_SUPPRESS_FD_WARNINGS=1 lvm "


def config(*groups, **storage):
    return {"ignition": {"version": "3.4.0"}, "storage": {"volumeGroups": list(groups), **storage}}


def group(name, devices, *volumes, **more):
    return {"name": name, "devices": [getattr(d, "device", d) for d in devices], "volumes": list(volumes), **more}


def volumes(m, name):
    return m.run(f"{LVM}lvs --noheadings --nosuffix --units m -o lv_name,lv_size,lv_tags --separator : {name}").split()


def metadata(m, name):
    """Changes with every commit."""
    return m.run(f"{LVM}vgs --noheadings -o vg_uuid,vg_seqno {name}").strip()


def kept(m, settings, name):
    before = metadata(m, name)
    log = m.stages(settings, "disks")
    assert metadata(m, name) == before
    assert "creating volume" not in log and "activating" not in log, log


def test_made_kept_changed():
    with vm.idle() as m:
        m.put_ignition()
        disks = [m.add_disk(c, "128M") for c in "ab"]
        settings = config(
            group("vg-1", disks, {"name": "rest"}, {"name": "log-s", "sizeMiB": 30},
                  {"name": "mirror", "sizeMiB": 20, "options": ["--type", "raid1", "--mirrors", "1"]}),
            filesystems=[{"device": "/dev/vg-1/log-s", "format": "ext4", "label": "log"},
                         {"device": "/dev/mapper/vg--1-mirror", "format": "ext4", "label": "mirror"}])
        m.stages(settings, "disks")
        assert volumes(m, "vg-1") == ["log-s:32.00:", "mirror:20.00:", "rest:168.00:"], volumes(m, "vg-1")
        assert m.run("lsblk -nro LABEL /dev/vg-1/log-s /dev/vg-1/mirror | sort -u").split() == ["log", "mirror"]
        assert "raid1" in m.run(f"{LVM}lvs --noheadings -o segtype vg-1/mirror")
        kept(m, settings, "vg-1")
        m.run(f"{LVM}vgchange -an vg-1; " + SETTLE)  # as after a boot
        m.stages(settings, "disks")
        assert m.run("lsblk -nro LABEL /dev/vg-1/log-s") == "log\n"

        all_volumes = settings["storage"]["volumeGroups"][0]["volumes"]
        all_volumes[0] = {"name": "rest", "shouldExist": False}
        all_volumes[1]["sizeMiB"] = 60
        for words in ("resize",):
            status, log = m.stages(settings, "disks", check=False)
            assert status != 0 and words in log, log
        all_volumes[1]["resize"] = True
        all_volumes.append({"name": "new"})
        m.stages(settings, "disks")
        assert volumes(m, "vg-1") == ["log-s:60.00:", "mirror:20.00:", "new:140.00:"], volumes(m, "vg-1")
        assert m.run("lsblk -nro LABEL /dev/vg-1/log-s") == "log\n"


def test_on_an_array_and_an_array_on_volumes():
    with vm.idle() as m:
        m.put_ignition()
        disks = [m.add_disk(c, "128M") for c in "ab"]
        settings = config(group("vg", ["/dev/md/below"], {"name": "x", "sizeMiB": 40}, {"name": "y", "sizeMiB": 40}),
                          raid=[{"name": "above", "level": "raid1", "devices": ["/dev/vg/y", "/dev/mapper/vg-x"]},
                                {"name": "below", "level": "raid1", "devices": [d.device for d in disks]}])
        m.stages(settings, "disks")
        assert m.run("lsblk -nro NAME,TYPE /dev/md/below").count("raid1") >= 2
        kept(m, settings, "vg")


def test_interrupted():
    with vm.idle() as m:
        m.put_ignition()
        disks = [m.add_disk(c, "128M") for c in "ab"]
        names = " ".join(d.device for d in disks)
        settings = config(group("vg", disks, {"name": "x", "sizeMiB": 40}))
        # a group that one of its devices does not know of yet
        m.run(f"{LVM}vgcreate vg {names}; dd if=/dev/zero of={disks[1].device} bs=4096 count=256 conv=fsync status=none; " + SETTLE)
        m.stages(settings, "disks")
        assert volumes(m, "vg") == ["x:40.00:"]
        # a volume that was not done: what stood at its place must not come back
        m.run(f"mkfs.ext4 -q -L old /dev/vg/x; {LVM}lvchange --addtag basalt_unfinished vg/x; " + SETTLE)
        settings["storage"]["filesystems"] = [{"device": "/dev/vg/x", "format": "ext4", "label": "new"}]
        m.stages(settings, "disks")
        assert volumes(m, "vg") == ["x:40.00:"]
        assert m.run("lsblk -nro LABEL /dev/vg/x") == "new\n"


def test_refused_and_wiped():
    with vm.idle() as m:
        m.put_ignition()
        a, b = m.add_disk("a", "128M"), m.add_disk("b", "128M")
        m.run(f"{LVM}vgcreate old {a.device}; {LVM}lvcreate -y -an -Zn -n data -L 8m old; mkfs.ext4 -q {b.device}; " + SETTLE)
        settings = config(group("vg", [a, b], {"name": "x"}))
        status, log = m.stages(settings, "disks", check=False)
        assert status != 0 and "belongs to volume group old" in log and "holds ext4" in log and "wipeVolumeGroup" in log, log
        assert "data" in m.run(f"{LVM}lvs old")
        settings["storage"]["volumeGroups"][0]["wipeVolumeGroup"] = True
        m.stages(settings, "disks")
        assert volumes(m, "vg") == ["x:248.00:"], volumes(m, "vg")
        first = metadata(m, "vg")
        m.stages(settings, "disks")  # wiping is done each time
        assert metadata(m, "vg") != first


if __name__ == "__main__":
    vm.main()
