"""The config server under load, on one core; whoever asks runs on the other. A busy machine takes time away from
both, so what the server can do is told per second of its own CPU time too."""
import json
import hashlib
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

import process
import workload

TOKEN = "token-of-a-benchmark"
SECONDS = 5
ACCEPT = "application/vnd.coreos.ignition+json;version=3.3.0"


def port_free():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class ConfigServer:
    """`kubeconfig`: of a cluster whose pool worker it serves; None: it serves a directory."""

    def __init__(self, program, scratch: pathlib.Path, core, kubeconfig=None):
        workload.write_machine_config(scratch / "base")
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        (scratch / "tokens.json").write_text(json.dumps(
            {"tokens": [{"sha256": digest, "role": "worker", "expires": "2099-01-01T00:00:00Z"}]}))
        (scratch / "kubeconfig").write_text("apiVersion: v1\nkind: Config\n")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", scratch / "key", "-out", scratch / "certificate", "-subj", "/CN=localhost"],
                       check=True, stderr=subprocess.DEVNULL)
        self.port = port_free()
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), program, *(["start", "--kubeconfig", kubeconfig] if kubeconfig else ["bootstrap"]),
             "--server-basedir", scratch / "base",
             "--bootstrap-kubeconfig", scratch / "kubeconfig", "--cert", scratch / "certificate", "--key",
             scratch / "key", "--tokens", scratch / "tokens.json", "--listen", "127.0.0.1", "--secure-port",
             str(self.port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ready(self):
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
        sys.exit("bench: the config server does not start")

    def pids(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [self.process.pid, *map(int, children.split())]

    def cpu_seconds(self):
        total = 0
        for pid in self.pids():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def peak_mib(self):
        """Of its two processes together."""
        kib = [re.search(r"VmHWM:\s*(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)
               for pid in self.pids()]
        return sum(map(int, kib)) / 1024

    def end(self):
        self.process.terminate()
        self.process.wait()


def load_row(server, name, command, pattern):
    before = server.cpu_seconds()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    used = server.cpu_seconds() - before
    if "Non-2xx" in done.stdout:
        sys.exit(f"bench: the config server refuses:\n{done.stdout}")
    count, seconds = (float(v) for v in re.search(pattern, done.stdout).groups())
    return [name, f"{count / seconds:.0f}", f"{count / used:.0f}", f"{used / seconds * 100:.0f} %",
            f"{server.peak_mib():.1f}"]


def run_server(build, _runs, scratch):
    """Requests on connections that stay, new connections, full TLS handshakes."""
    run_modes(build, scratch)


def run_modes(build, scratch, kubeconfig=None):
    cores = sorted(os.sched_getaffinity(0))
    server = ConfigServer(build / "src/server/machine-config-server", scratch, cores[0], kubeconfig)
    client = ["taskset", "-c", str(cores[-1])]
    url = f"https://127.0.0.1:{server.port}/config/worker"
    wrk = [*client, "wrk", "-t1", f"-d{SECONDS}s", "-H", f"Authorization: Bearer {TOKEN}", "-H", f"Accept: {ACCEPT}"]
    wrk_pattern = r"(\d+) requests in ([\d.]+)s"
    s_time = [*client, "openssl", "s_time", "-connect", f"127.0.0.1:{server.port}", "-new", "-time", str(SECONDS)]
    s_time_pattern = r"(\d+) connections in (\d+) real seconds"
    try:
        server.ready()
        rows = [["idle", "", "", "", f"{server.peak_mib():.1f}"]]
        for n in (1, 20, 100):
            rows.append(load_row(server, f"GET /config/worker, {n} kept connections", [*wrk, f"-c{n}", url], wrk_pattern))
        rows.append(load_row(server, "GET, a connection each, 20 at once",
                             [*wrk, "-c20", "-H", "Connection: close", url], wrk_pattern))
        rows.append(load_row(server, "full TLS handshake (P-256), one after the other", s_time, s_time_pattern))
    finally:
        server.end()
    process.table_print(["work", "per second", "per CPU second", "of the core", "peak MiB"], rows)
