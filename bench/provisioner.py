"""The provisioner against the distribution's Ignition: the same stages, configs, and fresh roots."""
import http.server
import os
import pathlib
import shutil
import subprocess
import threading

import process
import workload

PEER = pathlib.Path("/usr/lib/dracut/modules.d/30ignition/ignition")
PEER_VALIDATE = pathlib.Path("/usr/bin/ignition-validate")
HEADER = ["work", "CPU ms", "peer", "ratio", "asked", "peak MiB", "peer", "part", "wall ms", "peer"]


class Provisioner:
    """One of the two programs, with a place for its root, its state, and the tools that it calls."""

    def __init__(self, ignition, validate, scratch: pathlib.Path):
        self.ignition, self.validate = ignition, validate
        self.place = scratch
        (self.place / "tools").mkdir(parents=True)
        (self.place / "tools/setfiles").symlink_to("/bin/true")
        self.env = dict(os.environ, PATH=f"{self.place}/tools:{os.environ['PATH']}")

    def stage(self, name, cache):
        return [self.ignition, "-platform", "file", "-stage", name, "-root", self.place / "root", "-config-cache",
                cache, "-state-file", self.place / "state", "-neednet", self.place / "neednet", "-log-to-stdout"]

    def cache(self, config):
        return self.place / (config.name + ".cache")

    def root_make(self):
        """Empty but for a policy's name: Ignition fails in the files stage without one.
        Labels are set by a `setfiles` that does nothing."""
        shutil.rmtree(self.place / "root", ignore_errors=True)
        (self.place / "root/etc/selinux").mkdir(parents=True)
        (self.place / "root/etc/selinux/config").write_text("SELINUX=enforcing\nSELINUXTYPE=targeted\n")

    def version_side(self):
        return process.Side([self.ignition, "-version"])

    def validate_side(self, config):
        return process.Side([*self.validate, config])

    def fetch_side(self, config):
        def prepare():
            self.root_make()
            for path in (self.place / "state", self.cache(config)):
                path.unlink(missing_ok=True)
        return process.Side(self.stage("fetch", self.cache(config)), prepare,
                            self.env | {"IGNITION_CONFIG_FILE": str(config)})

    def files_side(self, config):
        """Works from the config and the state that this program's own fetch stage left."""
        fetch = self.fetch_side(config)
        fetch.prepare()
        subprocess.run([str(a) for a in fetch.argv], env=fetch.env, check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.STDOUT)
        fetched = self.place / "state-fetched"
        shutil.copy(self.place / "state", fetched)

        def prepare():
            self.root_make()
            shutil.copy(fetched, self.place / "state")
        return process.Side(self.stage("files", self.cache(config)), prepare, self.env)


class BlobHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        with open(self.server.directory / pathlib.Path(self.path).name, "rb") as f:
            size = os.fstat(f.fileno()).st_size
            self.send_response(200)
            self.send_header("Content-Length", str(size))
            self.end_headers()
            sent = 0
            while sent < size:
                sent += os.sendfile(self.connection.fileno(), f.fileno(), sent, size - sent)

    def log_message(self, *args):
        pass


class BlobServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, directory):
        super().__init__(("127.0.0.1", 0), BlobHandler)
        self.directory = directory
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


def sides_row(name, asked, sides, runs, scratch):
    ours, peer = process.sides_compare(sides, runs, scratch)
    return [name, f"{ours.cpu_ms:.1f}", f"{peer.cpu_ms:.1f}", f"{peer.cpu_ms / ours.cpu_ms:.1f}×",
            f"{asked}×" if asked else "", f"{ours.peak_mib:.1f}", f"{peer.peak_mib:.1f}",
            f"{ours.peak_mib / peer.peak_mib:.2f}", f"{ours.wall_ms:.1f}", f"{peer.wall_ms:.1f}"]


def both(build, scratch):
    program = build / "src/provision/basalt-ignition"
    return (Provisioner(program, [program, "validate"], scratch / "ours"),
            Provisioner(PEER, [PEER_VALIDATE], scratch / "peer"))


def run_stages(build, runs, scratch):
    """Start-up, validating, the fetch and the files stage."""
    programs = both(build, scratch)
    configs = workload.write_configs(scratch / "configs")
    rows = [sides_row("-version", 10, [p.version_side() for p in programs], runs, scratch)]
    for name, config in configs.items():
        rows.append(sides_row(f"validate, {name}", 20, [p.validate_side(config) for p in programs], runs, scratch))
    for name, config in configs.items():
        rows.append(sides_row(f"fetch, {name}", 20, [p.fetch_side(config) for p in programs], runs, scratch))
    for name, config in configs.items():
        asked = 8 if name in ("1,000 files", "10,000 files") else None
        rows.append(sides_row(f"files, {name}", asked, [p.files_side(config) for p in programs], runs, scratch))
    process.table_print(HEADER, rows)


def run_http(build, runs, scratch):
    """64 MiB over HTTP, and what inflating and hashing cost alone."""
    programs = both(build, scratch)
    digest = workload.write_blobs(scratch / "www")
    server = BlobServer(scratch / "www")
    try:
        rows = []
        for name in ("blob", "blob.gz"):
            config = workload.write_config(scratch / f"{name}.ign", workload.blob_config(server.url(), name, digest))
            sides = [p.files_side(config) for p in programs]
            rows.append(sides_row(f"64 MiB, sha512, {'gzip' if name.endswith('gz') else 'plain'}", None, sides, runs,
                                  scratch))
        process.table_print(HEADER, rows)
    finally:
        server.shutdown()
        server.server_close()
    inflate, blob = build / "bench/bench-inflate", scratch / "www/blob.gz"
    sides = [process.Side([inflate, blob]), process.Side([inflate, blob, "sha512"]), process.Side(["gzip", "-dc", blob])]
    alone, hashed, gzip = process.sides_compare(sides, runs, scratch)
    process.table_print(["the same 64 MiB from a file, output thrown away", "CPU ms", "wall ms"], [
        [name, f"{s.cpu_ms:.1f}", f"{s.wall_ms:.1f}"] for name, s in
        (("inflate alone, our inflater", alone), ("inflate and sha512 in one thread", hashed), ("gzip -dc", gzip))])


def run_size(build, _runs, scratch):
    """Of the programs on disk, stripped."""
    rows = []
    for path in (build / "src/provision/basalt-ignition", PEER, PEER_VALIDATE):
        stripped = scratch / "stripped"
        subprocess.run(["strip", "-o", stripped, path], check=True)
        rows.append([path.name if path.is_relative_to(build) else path, f"{stripped.stat().st_size / 1e6:.2f}"])
    process.table_print(["program, stripped", "MB"], rows)
