"""Virtual machines for tests: QEMU by emulation, started from a saved state where that can be.

    import vm

    def test_partitions():
        with vm.idle() as m:                          # an initramfs that waits, in about a second
            disk = m.add_disk("one", "2G")            # disk.device is its path in the guest
            m.put_ignition()                          # the program of this build
            m.stages({"ignition": {"version": "3.4.0"}, "storage": {...}}, "disks")
            assert "ext4" in m.run(f"blkid {disk.device}")

    if __name__ == "__main__":
        vm.main()

README.md has the rest. Nothing here is timed; every wait ends at a deadline that only a broken machine reaches."""
import collections
import ctypes
import fcntl
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import initramfs
from qmp import Qmp

PATIENCE = float(os.environ.get("BASALT_VM_PATIENCE", 600))  # seconds
QEMU = "qemu-system-x86_64"
FIRMWARE = "/usr/share/ovmf/OVMF.fd"
STATES = "vm-state-*"
CMDLINE = "console=ttyS0 panic=-1"
HARDWARE = """
    -nodefaults -no-user-config -display none -no-reboot -machine q35 -accel tcg,thread=multi -cpu max,la57=off -smp 2
    -chardev stdio,id=console,signal=off -serial chardev:console -device virtio-serial-pci
    -netdev user,id=net,ipv6=off -device virtio-net-pci,netdev=net,romfile=
    -device virtio-scsi-pci,id=scsi -device virtio-rng-pci
""".split()
BOOT_WORDS = "root=LABEL=root systemd.unit=basic.target basalt.vm.populate systemd.show_status=error"
Result = collections.namedtuple("Result", "status output")
work = pathlib.Path(tempfile.mkdtemp(prefix="basalt-vm."))
machines = []  # in the order they were started, for what is told of a failure
spares = []  # idle machines that a test is done with, made as they were
CLEAN = r"""
exec 2>&1
cd /
udevadm settle
swapoff -a
for round in 1 2 3 4 5; do
    findmnt -rno TARGET,SOURCE | sed -n 's,^\([^ ]*\) /dev/.*,\1,p' | sort -r | while read -r at; do umount "$at"; done
    ls /sys/block | grep -qE '^(dm-|md)' || break
    dmsetup remove_all
    for a in $(sed -n 's/^\(md[^ ]*\) .*/\1/p' /proc/mdstat 2>/dev/null); do mdadm --stop /dev/$a; done
    udevadm settle
done
rm -rf /run/ignition* /run/test.ign /sysroot/* /mnt /m
! ls /sys/block | grep -E '^(dm-|md)' && ! findmnt -rno TARGET /sysroot
"""


class Failed(Exception):
    pass


def ignition():
    return pathlib.Path(os.environ.get("BASALT_IGNITION") or initramfs.TOP / "build/src/provision/basalt-ignition")


class Disk:
    """A file on the host. raw: a write that the guest saw completed survives a power cut. qcow2: as on a disk
    with a volatile cache, what was not flushed may be lost, since its tables are written at a flush."""

    def __init__(self, name, size, *, sector=512, format="raw"):
        self.name, self.sector, self.format, self.device = name, sector, format, None
        self.path = work / f"{len(list(work.glob('*.disk')))}-{name}.disk"
        if format == "raw":
            with open(self.path, "wb") as file:
                file.truncate(parse_size(size))
        else:
            subprocess.run(["qemu-img", "create", "-q", "-f", format, str(self.path), str(parse_size(size))], check=True)


def parse_size(size):
    units = {"K": 10, "M": 20, "G": 30, "T": 40}
    return int(size) if str(size).isdigit() else int(size[:-1]) << units[size[-1]]


class Machine:
    """One QEMU. `disks` are there from the start; with `state` (a saved state) they are plugged in after it. Without a
    kernel the firmware starts what it finds on the disks, and goes on after the guest's reboots."""

    def __init__(self, *, kernel=None, initrd=None, append="", memory=1024, disks=(), tpm=False, fw_cfg=None, state=None):
        self.tpm = self.qmp = self.channel = None
        self.console, self.ended, self.changed = "", False, threading.Condition()
        self.has_ignition = False
        self.kind = None  # of an idle machine: who may use it after this test
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="m.", dir=work))
        self.disks = []
        machines.append(self)
        if kernel:
            boots = [*HARDWARE, "-kernel", str(kernel), "-initrd", str(initrd), "-append", f"{CMDLINE} {append}"]
        else:
            boots = [*(word for word in HARDWARE if word != "-no-reboot"), "-bios", FIRMWARE]
        command = [QEMU, *boots, "-m", str(memory), "-qmp", f"unix:{self.directory}/qmp,server=on,wait=off",
                   "-chardev", f"socket,id=agent,path={self.directory}/agent,server=on,wait=off",
                   "-device", "virtserialport,chardev=agent,name=basalt.agent"]
        if tpm:
            command += self.start_tpm()
        if fw_cfg is not None:
            (self.directory / "config").write_text(fw_cfg)
            command += ["-fw_cfg", f"name=opt/com.coreos/config,file={self.directory}/config"]
        for disk in disks if not state else ():
            command += self.disk_arguments(disk)
        if state:
            command += ["-incoming", f"exec:cat '{state}'"]
        self.stderr = open(self.directory / "stderr", "w+b")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.stderr,
                                        preexec_fn=die_with_parent)
        threading.Thread(target=self.read_console, daemon=True).start()
        try:
            self.start(state, disks)
        except BaseException:
            self.cut()
            raise

    def start(self, state, disks):
        deadline = time.monotonic() + PATIENCE
        self.qmp = Qmp(f"{self.directory}/qmp", self.alive, deadline)
        if state:
            if self.qmp.wait("query-status", "status", ("paused", "running", "internal-error", "postmigrate"), deadline) != "paused":
                raise Failed("the saved state does not load")
            self.qmp.run("cont")
            # The saved clock and random numbers are those of the machine that was saved.
            self.request("SEED", os.urandom(64), b"")
            self.run(f"date -s @{time.time():.0f} >/dev/null")
            for disk in disks:
                self.add_disk(disk)

    # ---- the parts of a machine ----

    def start_tpm(self):
        tpm = self.directory / "tpm"
        tpm.mkdir()
        self.tpm = subprocess.Popen(["swtpm", "socket", "--tpm2", "--tpmstate", f"dir={tpm}", "--ctrl",
                                     f"type=unixio,path={tpm}/socket"], stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        deadline = time.monotonic() + PATIENCE
        while not (tpm / "socket").exists():
            if self.tpm.poll() is not None or time.monotonic() > deadline:
                raise Failed("swtpm does not start")
            time.sleep(0.01)
        return ["-chardev", f"socket,id=tpm,path={tpm}/socket", "-tpmdev", "emulator,id=tpm,chardev=tpm",
                "-device", "tpm-crb,tpmdev=tpm"]

    def node(self, disk):
        self.disks.append(disk)
        return {"driver": disk.format, "node-name": f"disk{len(self.disks)}", "discard": "unmap",
                "file": {"driver": "file", "filename": str(disk.path), "discard": "unmap", "locking": "off"}}

    def device(self, disk, node):
        return {"driver": "scsi-hd", "drive": node["node-name"], "bus": "scsi.0", "id": f"scsi-{node['node-name']}",
                "serial": disk.name, "logical_block_size": disk.sector, "physical_block_size": disk.sector}

    def disk_arguments(self, disk):
        node = self.node(disk)
        disk.device = f"/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_{disk.name}"
        return ["-blockdev", json.dumps(node), "-device", json.dumps(self.device(disk, node))]

    def add_disk(self, disk, size=None, **options):
        """A Disk, or the name and size of a new one; plugged in and waited for."""
        if not isinstance(disk, Disk):
            disk = Disk(disk, size, **options)
        node = self.node(disk)
        self.qmp.run("blockdev-add", **node)
        self.qmp.run("device_add", **self.device(disk, node))
        disk.device = f"/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_{disk.name}"
        self.run(f"until [ -e {disk.device} ]; do sleep 0.05; done; udevadm settle")
        return disk

    # ---- the console ----

    def read_console(self):
        log = open(self.directory / "console", "wb", buffering=0)
        while True:
            data = os.read(self.process.stdout.fileno(), 65536)
            log.write(data)
            with self.changed:
                self.console += data.decode(errors="replace").replace("\r", "")
                self.ended = not data
                self.changed.notify_all()
            if not data:
                return

    def wait_for(self, pattern, since=0, never="does not start|Kernel panic"):
        """The match of a pattern on the console, at or after this place of it; what comes `never` is a failure."""
        deadline = time.monotonic() + PATIENCE
        with self.changed:
            while True:
                found = re.search(pattern, self.console[since:])
                if found:
                    return found
                if never and re.search(never, self.console[since:]):
                    raise Failed(f"{never!r} came before {pattern!r}")
                if self.ended:
                    raise Failed(f"the machine ended before {pattern!r}")
                if not self.changed.wait(deadline - time.monotonic()):
                    raise Failed(f"nothing like {pattern!r} on the console")

    def wait_for_end(self):
        """Off, or asked for a restart: the reason that QEMU gives, such as guest-reset."""
        try:
            self.process.wait(PATIENCE)
            while True:
                message = self.qmp.message()
                if "event" in message:
                    self.qmp.events.append(message)
        except subprocess.TimeoutExpired:
            raise Failed("the machine does not end") from None
        except (EOFError, OSError):
            pass
        return next((e["data"]["reason"] for e in self.qmp.events if e["event"] == "SHUTDOWN"), None)

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    # ---- the agent ----

    def connect(self):
        self.channel = socket.socket(socket.AF_UNIX)
        self.channel.settimeout(PATIENCE)
        self.channel.connect(f"{self.directory}/agent")
        self.answers = self.channel.makefile("rb")

    def request(self, verb, script, data):
        if not self.channel:
            self.connect()
        try:
            self.channel.sendall(f"{verb} {len(script)} {len(data)}\n".encode() + script + data)
            head = self.answers.readline().split()
            if len(head) != 3:
                raise EOFError
            output = self.answers.read(int(head[2]))
        except (OSError, EOFError) as e:
            raise Failed(f"the agent does not answer: {type(e).__name__}") from None
        return Result(int(head[1]), output)

    def run(self, script, *, check=True, data=b""):
        """What a shell script in the guest printed on both channels; with check=False, (status, output)."""
        status, output = self.request("RUN", script.encode(), data)
        text = output.decode(errors="replace")
        if check and status:
            raise Failed(f"exit {status} of: {script}\n{text}")
        return text if check else Result(status, text)

    def read(self, path):
        """The bytes of a file of the guest."""
        status, output = self.request("RUN", f"cat '{path}'".encode(), b"")
        if status:
            raise Failed(output.decode(errors="replace"))
        return output

    def put(self, path, data, mode=0o644):
        """A file in the guest, from bytes, text, or a file of the host."""
        data = data.read_bytes() if isinstance(data, pathlib.Path) else data.encode() if isinstance(data, str) else data
        self.run(f"mkdir -p \"$(dirname '{path}')\" && cat > '{path}' && chmod {mode:o} '{path}'", data=data)

    def network(self):
        """The guest reaches servers on the loopback of the host as 10.0.2.2."""
        self.run("set -e; n=$(basename /sys/bus/virtio/drivers/virtio_net/virtio*/net/*); ip addr replace 10.0.2.15/24 dev $n; "
                 "ip link set $n up; ip route replace default via 10.0.2.2; echo nameserver 10.0.2.3 > /etc/resolv.conf")

    # ---- the provisioner ----

    def put_ignition(self):
        if self.has_ignition:
            return
        self.put("/usr/bin/basalt-ignition", stripped(ignition()), 0o755)
        self.run("for n in ignition ignition-apply ignition-validate; do ln -sf basalt-ignition /usr/bin/$n; done")
        self.has_ignition = True

    def stages(self, config, *stages, root="/sysroot", check=True):
        """Runs stages of the config, behind a `fetch` when there is a config; returns the log of all of them."""
        log = ""
        flags = f"-platform file -log-to-stdout -root {root}"
        if config is not None:
            self.put("/run/test.ign", config if isinstance(config, str) else json.dumps(config), 0o600)
            self.run("rm -f /run/ignition.json")
        for stage in (*(("fetch",) if config is not None else ()), *stages):
            done = self.run(f"IGNITION_CONFIG_FILE=/run/test.ign ignition {flags} -stage {stage}", check=False)
            log += done.output
            if done.status:
                if check:
                    raise Failed(f"stage {stage}: exit {done.status}\n{log}")
                return Result(done.status, log)
        return log if check else Result(0, log)

    # ---- the end ----

    def alive(self):
        if self.process.poll() is not None:
            self.stderr.seek(0)
            raise Failed(f"QEMU ended with {self.process.returncode}: {self.stderr.read().decode(errors='replace')}")

    def save(self, path):
        self.run("sync; echo 3 > /proc/sys/vm/drop_caches")
        self.answers.close()
        self.channel.close()
        self.channel = None
        self.qmp.run("stop")
        self.qmp.run("migrate-set-parameters", **{"max-bandwidth": 1 << 34})
        self.qmp.run("migrate", uri=f"exec:cat > '{path}'")
        if self.qmp.wait("query-migrate", "status", ("completed", "failed"), time.monotonic() + PATIENCE) == "failed":
            raise Failed("QEMU cannot save its state")

    def clean(self):
        """As it was before the test: nothing mapped, mounted or plugged in. False: it cannot be had."""
        try:
            if self.process.poll() is not None or self.run(CLEAN, check=False).status:
                return False
            for n in range(1, len(self.disks) + 1):
                self.qmp.run("device_del", id=f"scsi-disk{n}")
            self.run("while ls /sys/block | grep -q '^sd'; do sleep 0.02; done; udevadm settle")
            for n in range(1, len(self.disks) + 1):
                self.qmp.run("blockdev-del", **{"node-name": f"disk{n}"})
        except (Failed, RuntimeError, EOFError, OSError):
            return False
        self.disks = []
        return True

    def cut(self):
        """The power goes."""
        self.process.kill()
        self.process.wait()
        if self.qmp:
            self.qmp.close()
        if self.channel:
            self.channel.close()
        if self.tpm:
            self.tpm.kill()
            self.tpm.wait()
        self.tpm = self.qmp = self.channel = None
        self.process.stdin.close()

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        if self.kind and not failure and self.clean():
            spares.append(self)
        else:
            self.cut()


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def stripped(program):
    to = work / f"{program.name}.stripped"
    subprocess.run(["strip", "-o", str(to), str(program)], check=True)
    return to


def require(*programs):
    for program in programs:
        if not shutil.which(program):
            raise initramfs.Unavailable(f"{program} is not installed")
    if os.geteuid():
        raise initramfs.Unavailable("only root can make the initramfs")


def saved(name, initrd, *, append="", memory=1024, tpm=False):
    """A state in which the agent waits, made when it is missing."""
    version = subprocess.run([QEMU, "--version"], stdout=subprocess.PIPE).stdout
    seen = (version, initrd.name, CMDLINE, append, HARDWARE, memory, tpm)
    path = initramfs.cache() / f"vm-state-{name}-{initramfs.digest(*seen)}"
    with open(initramfs.cache() / f"vm-state-{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            part = path.with_suffix(".part")
            with Machine(kernel=initramfs.base() / "vmlinuz", initrd=initrd, append=append, memory=memory, tpm=tpm) as m:
                m.run("udevadm settle")
                m.save(part)
            os.rename(part, path)
            initramfs.keep_newest(STATES)
        os.utime(path)
    return path


def idle(*, tpm=False, memory=1024, fw_cfg=None, new=False):
    """A machine in an initramfs with all storage tools, before anything was done to it; `new`: by nobody. Other tests
    may have used it, and plugged out their disks: the emulator need not translate all code once more."""
    kind = (tpm, memory, fw_cfg)
    for m in () if new else spares:
        if m.kind == kind:
            spares.remove(m)
            machines.append(m)
            return m
    require(QEMU, "unshare", *(("swtpm",) if tpm else ()))
    initrd = initramfs.build("idle", f"{initramfs.LEAN} {initramfs.STORAGE} basalt-vm")
    options = {"append": "rd.systemd.unit=basalt-vm-idle.target", "memory": memory, "tpm": tpm}
    state = saved("tpm" if tpm else "idle", initrd, **options)
    m = Machine(kernel=initramfs.base() / "vmlinuz", initrd=initrd, state=state, fw_cfg=fw_cfg, **options)
    m.kind = None if new else kind
    return m


def install_product(root):
    """What a package of the provisioner installs, as far as it takes part in a boot."""
    top = initramfs.TOP / "dracut"
    (root / "usr/bin").mkdir(parents=True)
    shutil.copy(stripped(ignition()), root / "usr/bin/basalt-ignition")
    for name in ("ignition", "ignition-apply", "ignition-rmcfg", "ignition-validate"):
        (root / "usr/bin" / name).symlink_to("basalt-ignition")
    for module in ("90basalt-ignition", "90basalt-ignition-network"):
        shutil.copytree(top / module, root / "usr/lib/dracut/modules.d" / module)
    units = root / "usr/lib/systemd/system"
    (units / "basic.target.wants").mkdir(parents=True)
    shutil.copy(top / "system/ignition-firstboot-complete.service", units)
    (units / "basic.target.wants/ignition-firstboot-complete.service").symlink_to("../ignition-firstboot-complete.service")
    (root / "usr/lib/basalt-ignition").mkdir(parents=True)
    shutil.copy(top / "system/firstboot-complete", root / "usr/lib/basalt-ignition")


def cold_boot(disks, config=None, *, network=False, words=""):
    """A machine from its first instruction on, with an initramfs that dracut made of the product's modules."""
    require(QEMU, "unshare")
    modules = "basalt-ignition-network systemd-networkd" if network else "basalt-ignition"
    initrd = initramfs.build("boot", f"{initramfs.LEAN} {initramfs.STORAGE} {modules} basalt-vm", install=install_product)
    return Machine(kernel=initramfs.base() / "vmlinuz", initrd=initrd, append=f"{BOOT_WORDS} {words}", disks=disks,
                   fw_cfg=json.dumps(config) if isinstance(config, dict) else config)


def staged():
    """The product as its module puts it into an image, packed."""
    tree = pathlib.Path(tempfile.mkdtemp(prefix="staged.", dir=work))
    install_product(tree)
    shutil.rmtree(tree / "usr/lib/dracut")
    subprocess.run([str(initramfs.HERE / "stage_module.sh"), str(initramfs.TOP / "dracut/90basalt-ignition"), str(tree)],
                   check=True)
    return subprocess.run(["tar", "-C", str(tree), "-c", "."], stdout=subprocess.PIPE, check=True).stdout


def boot(disks, config=None, *, first=True, words=""):
    """A machine on its way through all units into the root LABEL=root, which gets a small system when it is empty. It
    starts where udev has seen the devices, from the saved state, so any program and any kernel command line (`words`
    more of it) go without making an image."""
    if first and "ignition.platform.id" not in words:
        words += " ignition.platform.id=qemu"
    m = idle(fw_cfg=json.dumps(config) if isinstance(config, dict) else config, new=True)
    m.run("tar -C / -x --keep-directory-symlink", data=staged())
    for disk in disks:
        m.add_disk(disk)
    m.put("/run/cmdline", f"{CMDLINE} {BOOT_WORDS} {'ignition.firstboot' if first else ''} {words}\n")
    # The saved kernel knows the firmware's files of the machine that was saved.
    m.run("mount --bind /run/cmdline /proc/cmdline; modprobe -r qemu_fw_cfg; modprobe qemu_fw_cfg; systemctl daemon-reload;"
          "systemctl start --no-block initrd.target")
    return m


def report(e):
    traceback.print_exception(e)
    for m in machines[-1:]:
        print("---- the console of the last machine ----\n" + m.console[-8000:])


def cpu_used():
    """By everything that was run; of machines, also by those that wait for the next test."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    ticks = 0
    for m in spares:
        stat = pathlib.Path(f"/proc/{m.process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(stat[11]) + int(stat[12])
    return usage.ru_utime + usage.ru_stime + ticks / os.sysconf("SC_CLK_TCK")


def main():
    """Runs the functions test_* of the program, or those that its arguments name."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    functions = {k: v for k, v in vars(sys.modules["__main__"]).items() if k.startswith("test_")}
    failed = 0
    try:
        for name in sys.argv[1:] or functions:
            start, used = time.monotonic(), cpu_used()
            machines.clear()
            try:
                functions[name]()
                print(f"ok   {name}  {time.monotonic() - start:.1f} s, {cpu_used() - used:.1f} s CPU", flush=True)
            except initramfs.Unavailable:
                raise
            except Exception as e:
                failed += 1
                print(f"FAIL {name}  {time.monotonic() - start:.1f} s", flush=True)
                report(e)
    except initramfs.Unavailable as e:
        print(f"skipped: {e}")
        sys.exit(77)
    finally:
        for m in (*machines, *spares):
            m.cut()
        if os.environ.get("BASALT_VM_KEEP"):
            print(f"kept {work}")
        else:
            shutil.rmtree(work, ignore_errors=True)
    sys.exit(1 if failed else 0)
