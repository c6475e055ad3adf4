#!/usr/bin/env python3
"""Encrypted volumes in a machine with a device mapper: made, bound, opened, opened again, refused, interrupted."""
import contextlib
import json
import os
import pathlib
import sys
import tempfile

import vm

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "provision"))
from tang_server import Tang  # noqa: E402

CHEAP = ["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000"]
KEY = {"source": "data:,the%20key%0A"}
NAME = "secret"
OPENED = f"/dev/mapper/{NAME}"


@contextlib.contextmanager
def tang():
    with tempfile.TemporaryDirectory() as keys:
        server = Tang(keys)
        server.in_guest = f"http://10.0.2.2:{server.port}"
        try:
            yield server
        finally:
            server.close()


def pin(server, **more):
    return {"url": server.in_guest, "thumbprint": server.thumbprint(), **more}


def config(device, filesystem=None, **volume):
    volume = {"name": NAME, "device": device, "options": CHEAP, **volume}
    storage = {"luks": [volume]}
    if filesystem is not None:
        storage["filesystems"] = [{"device": OPENED, "format": "ext4", "path": "/data", "label": "inside", **filesystem}]
    return {"ignition": {"version": "3.5.0", "timeouts": {"httpTotal": 5}}, "storage": storage}


def flags(m, device):
    return json.loads(m.run(f"cryptsetup luksDump --dump-json-metadata {device}"))["config"].get("flags", [])


def subsystem(m, device):
    return m.run(f"cryptsetup luksDump {device} | sed -n 's/^Subsystem:[ \\t]*//p'").strip()


def label(m, device):
    """Of the device itself, past every cache."""
    return m.run(f"blkid -p -o value -s LABEL {device}").strip()


def state(m):
    return json.loads(m.read("/run/ignition/state"))


def opens(m, device, key="the key\n"):
    return m.run(f"cryptsetup open --test-passphrase --key-file - {device}", data=key.encode(), check=False).status == 0


def again(m):
    """As in the next boot, but for the machine: nothing is open, nothing is remembered."""
    m.run(f"if [ -e {OPENED} ]; then cryptsetup close {NAME}; fi; rm -f /run/ignition/state; udevadm settle")


def test_key_file():
    with vm.idle() as m:
        d = m.add_disk("one", "64M").device
        m.put_ignition()
        said = m.stages(config(d, {}, keyFile=KEY, label="outer", uuid="a1a1a1a1-0000-4000-8000-000000000001", discard=True,
                               openOptions=["--perf-no_read_workqueue", "--perf-no_write_workqueue"]), "disks")
        assert "the key" not in said, said
        assert "creating LUKS2 container 'secret'" in said, said
        assert opens(m, d) and not opens(m, d, "other")
        assert sorted(flags(m, d)) == ["allow-discards", "no-read-workqueue", "no-write-workqueue"]
        table = m.run(f"dmsetup table {NAME}")
        assert "allow_discards" in table and "no_read_workqueue" in table, table
        assert label(m, OPENED) == "inside" and label(m, d) == "outer", m.run("blkid; lsblk")
        assert m.run("readlink -f /dev/disk/by-label/outer") == m.run(f"readlink -f {d}")
        assert subsystem(m, d) == "(no subsystem)"
        assert state(m)["luksPersistKeyFiles"][NAME].startswith("data:")

        # A file in it stays, in the same boot and in the next one.
        m.run(f"mkdir -p /mnt && mount {OPENED} /mnt && echo kept > /mnt/file && umount /mnt")
        again(m)
        said = m.stages(None, "disks")
        assert "creating" not in said, said
        m.stages(None, "disks")
        assert m.run(f"mount {OPENED} /mnt && cat /mnt/file && umount /mnt") == "kept\n"


def test_generated_key():
    with vm.idle() as m:
        d = m.add_disk("one", "64M").device
        m.put_ignition()
        m.stages(config(d, {}), "disks")
        key = state(m)["luksPersistKeyFiles"][NAME]
        assert subsystem(m, d) == "ignition-unfinished"  # until the key is in the root
        # The power goes before that: nobody has the key, the container is made again.
        again(m)
        said = m.stages(None, "disks")
        assert "creating LUKS2 container" in said, said
        assert state(m)["luksPersistKeyFiles"][NAME] != key
        # The files stage writes it, and then it is finished.
        m.stages(None, "files")
        assert m.run(f"stat -c '%a %s' /sysroot/etc/luks/{NAME}") == "600 8192\n"
        assert opens(m, d, m.read(f"/sysroot/etc/luks/{NAME}").decode())
        uuid = m.run(f"cryptsetup luksUUID {d}").strip()
        assert m.read("/sysroot/etc/crypttab").decode() == f"{NAME} UUID={uuid} /etc/luks/{NAME} luks\n"
        assert subsystem(m, d) == "(no subsystem)"
        again(m)
        done = m.stages(None, "disks", check=False)
        assert done.status and "neither keyFile nor clevis" in done.output, done.output


def test_tang():
    with vm.idle() as m, tang() as server:
        d = m.add_disk("one", "64M").device
        m.network()
        m.put_ignition()
        m.stages(config(d, {}, clevis={"tang": [pin(server)]}), "disks")
        m.run(f"mount {OPENED} /sysroot/data 2>/dev/null || {{ mkdir -p /sysroot/data; mount {OPENED} /sysroot/data; }}; "
              "echo kept > /sysroot/data/file; umount /sysroot/data")
        assert "luksPersistKeyFiles" not in m.read("/run/ignition/state").decode() or not state(m)["luksPersistKeyFiles"]
        slots = json.loads(m.run(f"cryptsetup luksDump --dump-json-metadata {d}"))
        assert list(slots["keyslots"]) == ["1"] and slots["tokens"]["0"]["keyslots"] == ["1"]
        # Clevis' own tools open it.
        again(m)
        m.run(f"clevis luks unlock -d {d} -n {NAME}")
        again(m)
        said = m.stages(None, "disks")
        assert "opening the container" in said and "creating" not in said, said
        assert m.run(f"mount {OPENED} /sysroot/data; cat /sysroot/data/file; umount /sysroot/data") == "kept\n"
        m.stages(None, "files")
        assert m.read("/sysroot/etc/crypttab").decode().endswith(" none luks,_netdev\n")
        # Other pins than those declared.
        again(m)
        done = m.stages(config(d, {}, clevis={"tang": [{"url": "http://10.0.2.2:1", "thumbprint": "x", "advertisement":
                                                       server.advertisement()}]}), "disks", check=False)
        assert done.status and "trusts the thumbprint x" in done.output, done.output
        done = m.stages(config(d, {}, clevis={"tang": [{"url": "http://10.0.2.2:1", "thumbprint": server.thumbprint(),
                                                       "advertisement": server.advertisement()}]}), "disks", check=False)
        assert done.status and "declared is sss(1: tang(http://10.0.2.2:1))" in done.output, done.output


def test_tpm_and_threshold():
    with vm.idle(tpm=True) as m, tang() as server:
        d = m.add_disk("one", "64M").device
        m.network()
        m.put_ignition()
        m.stages(config(d, {}, clevis={"tpm2": True, "tang": [pin(server)], "threshold": 2}), "disks")
        again(m)
        m.run(f"clevis luks unlock -d {d} -n {NAME}")
        again(m)
        server.close()
        done = m.run(f"clevis luks unlock -d {d} -n {NAME}", check=False)
        assert done.status, done.output


def test_key_file_and_clevis():
    with vm.idle(tpm=True) as m:
        d = m.add_disk("one", "64M").device
        m.put_ignition()
        m.stages(config(d, keyFile=KEY, clevis={"tpm2": True}), "disks")
        assert opens(m, d)
        again(m)
        m.run(f"clevis luks unlock -d {d} -n {NAME}")
        again(m)
        m.stages(None, "disks", "files")
        assert m.read("/sysroot/etc/crypttab").decode().endswith(" none luks\n")


def test_missing_pins_change_nothing():
    with vm.idle() as m, tang() as server:
        d = m.add_disk("one", "64M").device
        m.put_ignition()
        m.run(f"mkfs.ext4 -q -L before {d}; udevadm settle")
        done = m.stages(config(d, wipeVolume=True, clevis={"tpm2": True}), "disks", check=False)
        assert done.status and "no TPM 2.0 device (/dev/tpmrm0): enable it" in done.output, done.output
        m.network()
        port = server.port
        server.close()
        done = m.stages(config(d, wipeVolume=True, clevis={"tang": [pin(server)]}), "disks", check=False)
        assert done.status and f"Tang server http://10.0.2.2:{port} cannot be reached" in done.output, done.output
        assert label(m, d) == "before"


def test_wrong_content():
    with vm.idle() as m:
        d = m.add_disk("one", "64M").device
        m.put_ignition()
        m.run(f"mkfs.ext4 -q -L before {d}; udevadm settle")
        done = m.stages(config(d, keyFile=KEY), "disks", check=False)
        assert done.status and "there is ext4, labelled 'before'" in done.output and "wipeVolume" in done.output, done.output
        m.run(f"wipefs -aq {d}; echo -n k | cryptsetup luksFormat -q --type luks1 {' '.join(CHEAP[2:])} --key-file - {d}")
        done = m.stages(None, "disks", check=False)
        assert done.status and "LUKS version 1" in done.output, done.output
        m.run(f"wipefs -aq {d}; echo -n k | cryptsetup luksFormat -q {' '.join(CHEAP)} --key-file - {d}")
        done = m.stages(None, "disks", check=False)
        assert done.status and "the key of keyFile does not open it" in done.output, done.output
        m.stages(config(d, keyFile=KEY, wipeVolume=True), "disks")
        assert opens(m, d)
        done = m.stages(config(d, keyFile=KEY, options=["--cypher", "x"], openOptions=["--fast"]), "disks", check=False)
        assert done.status and "--cypher is not known" in done.output and "--fast is not known" in done.output, done.output


def test_busy():
    with vm.idle() as m:
        d = m.add_disk("one", "64M").device
        m.put_ignition()
        m.run(f"mkfs.ext4 -q {d}; udevadm settle; mkdir -p /mnt; mount {d} /mnt")
        done = m.stages(config(d, keyFile=KEY, wipeVolume=True), "disks", check=False)
        assert done.status and "/mnt" in done.output, done.output


def test_options():
    with vm.idle() as m:
        d = m.add_disk("one", "64M").device
        m.put_ignition()
        m.stages(config(d, keyFile=KEY, options=[*CHEAP, "--cipher", "aes-cbc-essiv:sha256", "--key-size=256",
                                                 "--integrity", "hmac-sha256", "--sector-size", "4096"]), "disks")
        table = m.run(f"dmsetup table {NAME}")
        assert "hmac(sha256)" in table and "cbc" in table, table
        m.run(f"dd if={OPENED} of=/dev/null bs=1M")  # every sector can be read


DEEP = {"ignition": {"version": "3.5.0"}, "storage": {
    "disks": [{"device": None, "wipeTable": True, "partitions": [{"number": 1, "label": "a"}]},
              {"device": None, "wipeTable": True, "partitions": [{"number": 1, "label": "b"}]}],
    "raid": [{"name": "pair", "level": "raid1", "devices": ["/dev/disk/by-partlabel/a", "/dev/disk/by-partlabel/b"]}],
    "luks": [{"name": NAME, "device": "/dev/md/pair", "options": CHEAP, "keyFile": KEY}],
    "filesystems": [{"device": OPENED, "format": "xfs", "label": "deep", "path": "/deep"}]}}


def test_on_raid_on_partitions():
    with vm.idle() as m:
        value = json.loads(json.dumps(DEEP))
        for disk, name in zip(value["storage"]["disks"], "ab"):
            disk["device"] = m.add_disk(name, "512M").device
        m.put_ignition()
        m.stages(value, "disks")
        tree = m.run(f"lsblk -sno TYPE {OPENED}")
        assert tree.split()[:3] == ["crypt", "└─raid1", "├─part"] or "raid1" in tree, tree
        assert label(m, OPENED) == "deep"


def test_killed():
    """Ended when the container is bound, and when only its mark is left to be taken away: the next run converges."""
    with vm.idle() as m, tang() as server:
        d = m.add_disk("one", "64M").device
        m.put_ignition()
        m.network()
        m.stages(config(d, {}, clevis={"tang": [pin(server)]}))
        for said in ("binding", "asking the pins"):
            m.run(f""": > /run/said; IGNITION_CONFIG_FILE=/run/test.ign ignition -platform file -log-to-stdout -root /sysroot -stage disks >/run/said 2>&1 &
                      until grep -q '{said}' /run/said || ! kill -0 $!; do :; done
                      kill -9 $!; wait $!; true""")
            assert subsystem(m, d) == "ignition-unfinished", m.run(f"cat /run/said; cryptsetup luksDump {d}", check=False).output
        assert "creating LUKS2" in m.stages(None, "disks")
        assert subsystem(m, d) == "(no subsystem)"
        assert label(m, OPENED) == "inside"


def test_killed_while_opening():
    """Between the mapping's table and its start: it holds the device, and nobody but the device mapper knows of it."""
    with vm.idle() as m:
        d = m.add_disk("one", "64M").device
        m.put_ignition()
        m.stages(config(d, {}, keyFile=KEY), "disks")
        uuid = m.run(f"dmsetup info -c --noheadings -o uuid {NAME}").strip()
        for finished in (True, False):
            m.run(f"""cryptsetup close {NAME}; dmsetup create {NAME} --notable --uuid {uuid}
                      dmsetup load {NAME} --table '0 1000 linear {d} 0'
                      rm -f /run/ignition/state; udevadm settle; test ! -e {OPENED}; cat /sys/block/dm-0/dm/uuid""")
            if not finished:
                m.run(f"cryptsetup config --subsystem ignition-unfinished {d}")
            out = m.stages(None, "disks")
            assert ("creating LUKS2" in out) == (not finished), out
            assert subsystem(m, d) == "(no subsystem)" and label(m, OPENED) == "inside"
            uuid = m.run(f"dmsetup info -c --noheadings -o uuid {NAME}").strip()


def test_root_moves():
    """Into a container, with everything that the root has, and the boot entries find it."""
    with vm.idle() as m, tang() as server:
        d = m.add_disk("one", "160M").device
        m.network()
        m.put_ignition()
        m.run(f"""set -e; mkfs.ext4 -q -L root -I 256 {d}; udevadm settle; mkdir -p /mnt; mount {d} /mnt
                  mkdir -p /mnt/boot/loader/entries /mnt/etc /mnt/deploy/keep /mnt/usr
                  echo 'options root=LABEL=root quiet' > /mnt/boot/loader/entries/one.conf
                  echo 'linux /vmlinuz' >> /mnt/boot/loader/entries/one.conf
                  cp /bin/mount /mnt/usr/suid; chmod 4755 /mnt/usr/suid; ln /mnt/usr/suid /mnt/usr/same; ln -s ../x /mnt/etc/link
                  chown 12:34 /mnt/etc; truncate -s 1G /mnt/sparse; chmod 700 /mnt/deploy; touch -d @1000000 /mnt/deploy/keep/file
                  umount /mnt""")
        find = "cd /mnt; find . -path ./lost+found -prune -o ! -path ./boot/\\* -printf '%p %y %m %U %G %n %l %TY%Tj %s\\n' | grep -v ' d ' | sort; md5sum usr/*"
        before = m.run(f"mount -o ro {d} /mnt; {find}; cd /; umount /mnt")
        value = config(d, {"label": "root", "path": "/", "wipeFilesystem": True}, wipeVolume=True, clevis={"tang": [pin(server)]})
        m.stages(value)
        said = m.run("basalt-ignition transposefs save -log-to-stdout")
        assert "moving the filesystem 'root'" in said, said
        m.stages(None, "disks")
        m.run("basalt-ignition transposefs restore -log-to-stdout")
        assert m.run(f"mount -o ro {OPENED} /mnt; {find}; cd /; umount /mnt") == before
        entry = m.run(f"mount {OPENED} /mnt; cat /mnt/boot/loader/entries/one.conf; umount /mnt")
        container, inside = m.run(f"cryptsetup luksUUID {d}").strip(), m.run(f"blkid -p -o value -s UUID {OPENED}").strip()
        assert entry == (f"options quiet rd.luks.name={container}={NAME} rd.neednet=1 rd.luks.options=_netdev root=UUID={inside} "
                         "rw\nlinux /vmlinuz\n"), entry
        assert m.run("ls /run/ignition-transposefs", check=False).status
        # A second run of all of it moves nothing.
        again(m)
        done = m.run("basalt-ignition transposefs save -log-to-stdout; ls /run/ignition-transposefs", check=False)
        assert "moving" not in done.output, done.output


def test_root_does_not_fit():
    with vm.idle() as m:
        d = m.add_disk("one", "2G").device
        m.put_ignition()
        m.run(f"set -e; mkfs.ext4 -q -L root {d}; udevadm settle; mkdir -p /mnt; mount {d} /mnt; fallocate -l 1200M /mnt/big; umount /mnt")
        m.stages(config(d, {"label": "root", "wipeFilesystem": True}, wipeVolume=True, keyFile=KEY))
        done = m.run("basalt-ignition transposefs save -log-to-stdout", check=False)
        assert done.status and "give the machine at least" in done.output, done.output
        assert label(m, d) == "root"


if __name__ == "__main__":
    vm.main()
