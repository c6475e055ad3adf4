"""What the distribution's Ignition wants around it to run its disks stage where neither systemd nor udev runs.

    peer = PeerDisks(driver, nosleep)       # in a process that enter_namespace() has prepared
    code, output = peer.disks(config_path)

Ignition waits for devices by asking systemd for their units over its private socket, and tells udev to look at what it
changed. `enter_namespace()` starts this script anew in a mount namespace with a /run of its own; there a thread answers
on the socket as systemd would (every job is done at once), and PATH begins with a `udevadm` that has the kernel take
over the disk's partition table (`disk_driver kernel`, which makes the nodes too) and an `sgdisk` whose sleeping is left
out, and after which the kernel has the new table, as one has that reads tables itself. Nothing of it is seen outside of the namespace but the nodes in /dev, which disk_driver's detach takes away."""
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading

PEER = pathlib.Path("/usr/lib/dracut/modules.d/30ignition/ignition")
CACHE_VERSION = "3.4.0-experimental"  # what it writes its cache in
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # flushing costs nothing there
MARK = "BASALT_PEER_NAMESPACE"


def enter_namespace():
    """Returns in a process of its own mount namespace; the first process never returns."""
    if os.environ.get(MARK):
        return
    run = subprocess.run(["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv],
                         env={**os.environ, MARK: "1"}, check=False)
    sys.exit(run.returncode)


# ---- D-Bus, as much as a job takes ----

def padded(data, to):
    return data + b"\0" * (-len(data) % to)


def text(s):
    return struct.pack("<I", len(s)) + s.encode() + b"\0"


def message(kind, serial, fields, body=b""):
    """fields: (code, signature, value)"""
    array = b""
    for code, signature, value in fields:
        array = padded(array, 8) + bytes([code, 1]) + signature.encode() + b"\0"
        if signature == "g":
            array += bytes([len(value)]) + value.encode() + b"\0"
        elif signature == "u":
            array = padded(array, 4) + struct.pack("<I", value)
        else:
            array = padded(array, 4) + text(value)
    head = b"l" + bytes([kind, 0, 1]) + struct.pack("<III", len(body), serial, len(array)) + array
    return padded(head, 8) + body


def parse_fields(data):
    """The header fields of a message: code -> value."""
    end, at, fields = 16 + struct.unpack("<I", data[12:16])[0], 16, {}
    while at < end:
        at += -at % 8
        code, signature = data[at], chr(data[at + 2])
        at += 4
        if signature == "g":
            n = data[at]
            fields[code] = data[at + 1:at + 1 + n].decode()
            at += n + 2
        else:
            at += -at % 4
            n = struct.unpack("<I", data[at:at + 4])[0]
            at += 4
            if signature == "u":
                fields[code] = n
            else:
                fields[code] = data[at:at + n].decode()
                at += n + 1
    return fields


class FakeSystemd:
    """Every unit that is to be started is started at once, devices among them."""

    def __init__(self, path="/run/systemd/private"):
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(64)
        self.lock, self.peers, self.job = threading.Lock(), [], 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            peer, _ = self.listener.accept()
            threading.Thread(target=self.talk, args=(peer,), daemon=True).start()

    def talk(self, peer):
        try:
            self.converse(peer)
        except ConnectionResetError:  # it went away with something unread
            pass
        with self.lock:
            if peer in self.peers:
                self.peers.remove(peer)
        peer.close()

    def converse(self, peer):
        stream = peer.makefile("rb")
        stream.read(1)
        while line := stream.readline():
            words = line.split()
            if words[0] == b"BEGIN":
                break
            peer.sendall(b"REJECTED EXTERNAL\r\n" if words == [b"AUTH"]
                         else b"OK 0123456789abcdef0123456789abcdef\r\n" if words[0] == b"AUTH"
                         else b"ERROR\r\n")
        with self.lock:
            self.peers.append(peer)
        while len(head := stream.read(16)) == 16:
            body, serial, fields = struct.unpack("<I", head[4:8])[0], *struct.unpack("<II", head[8:16])
            rest = stream.read(fields + (-fields % 8) + body)
            self.answer(peer, serial, parse_fields(head + rest), rest[len(rest) - body:])

    def answer(self, peer, serial, fields, body):
        unit = None
        if fields.get(3) == "StartUnit":
            n = struct.unpack("<I", body[:4])[0]
            unit = body[4:4 + n].decode()
        with self.lock:
            self.job += 1
            job, path = self.job, f"/org/freedesktop/systemd1/job/{self.job}"
            reply = [(5, "u", serial)] + ([(8, "g", "o")] if unit else [])
            peer.sendall(message(2, 2 * job, reply, text(path) if unit else b""))
            if not unit:
                return
            done = struct.pack("<I", job) + text(path)
            done = padded(done, 4) + text(unit)
            done = padded(done, 4) + text("done")
            signal = message(4, 2 * job + 1, [(1, "o", "/org/freedesktop/systemd1"),
                                              (2, "s", "org.freedesktop.systemd1.Manager"),
                                              (3, "s", "JobRemoved"), (8, "g", "uoss")], done)
            for one in self.peers:
                try:
                    one.sendall(signal)
                except OSError:
                    pass


class PeerDisks:
    def __init__(self, driver, nosleep=None):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="basalt-peer-", dir=MEMORY))
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
        self.systemd = FakeSystemd()
        tools = self.dir / "bin"
        tools.mkdir()
        pathlib.Path("/run/ignition").mkdir()
        self.tool(tools / "udevadm", f'''find /run/ignition/dev_aliases -type l | while read -r alias; do
    case $(readlink -f "$alias") in
    /dev/loop*p*) ;;
    /dev/loop*) {driver} kernel "$(readlink -f "$alias")" ;;
    esac
done''')
        if nosleep:
            self.tool(tools / "sgdisk", f'''LD_PRELOAD={nosleep} /usr/sbin/sgdisk "$@" || exit
for disk; do :; done
case " $* " in
*" --pretend "*) ;;
*) {driver} kernel "$(readlink -f "$disk")" ;;
esac''')
        self.env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"}

    @staticmethod
    def tool(path, script):
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def disks(self, config, root=None, program=PEER):
        """Runs the disks stage on a config in spec 3.3.0 or older. Returns the exit code and what was said."""
        work = pathlib.Path(tempfile.mkdtemp(dir=self.dir))
        cache = json.loads(pathlib.Path(config).read_text())
        cache["ignition"]["version"] = CACHE_VERSION
        (work / "cache").write_text(json.dumps(cache))
        # its device aliases are its own, so that the tools know whose disks are meant
        command = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs tmpfs /run/ignition && exec "$@"', "sh",
                   program, "-platform", "file", "-stage", "disks", "-log-to-stdout", "-root", root or work,
                   "-config-cache", work / "cache", "-state-file", work / "state", "-neednet", work / "neednet"]
        run = subprocess.run(command, cwd=work, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
        return run.returncode, run.stdout

    def close(self):
        shutil.rmtree(self.dir)
