"""What the tests of the built provisioner share: a scratch directory for each test, the program run in it with
an environment of its own, and a loopback HTTP(S) server that answers from a table and keeps what it was asked.
The path of the program comes from BASALT_IGNITION. Nothing here leaves the loopback interface."""
import gzip
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import ssl
import subprocess
import tempfile
import threading
import unittest

HERE = pathlib.Path(__file__).resolve().parent
PROGRAM = os.environ.get("BASALT_IGNITION", "")
TLS = HERE / "tls"


class Answer:
    def __init__(self, body=b"", status=200, headers=None, fail_first=0, cut_at=None, delay=0):
        self.body = body.encode() if isinstance(body, str) else body
        self.status, self.headers = status, headers or {}
        self.fail_first = fail_first  # this many 503 before the answer
        self.cut_at, self.delay = cut_at, delay


class Server:
    """`answers`: path -> Answer. `requests`: (path, headers) in order."""

    def __init__(self, tls=False):
        self.answers, self.requests, self.lock = {}, [], threading.Lock()
        self.release = threading.Event()
        self.active = self.peak = 0  # answers at the same time, and the most that there were
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                path = self.path.split("?")[0]
                with outer.lock:
                    outer.requests.append((self.path, dict(self.headers.items())))
                    answer = outer.answers.get(path, Answer(b"", 404))
                    status = answer.status
                    if answer.fail_first > 0:
                        answer.fail_first -= 1
                        status = 503
                    outer.active += 1
                    outer.peak = max(outer.peak, outer.active)
                if answer.delay:
                    outer.release.wait(answer.delay)
                with outer.lock:
                    outer.active -= 1
                body = answer.body if status == answer.status else b""
                self.send_response(status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass

        class Listener(http.server.ThreadingHTTPServer):
            request_queue_size = 64

        self.httpd = Listener(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(TLS / "server.pem")
            self.httpd.socket = context.wrap_socket(self.httpd.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.httpd.server_address[1]}"
        self.thread = threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    def put(self, path, body, **kw):
        if isinstance(body, dict):
            body = json.dumps(body)
        self.answers[path] = Answer(body, **kw)
        return self.url + path

    def paths(self):
        return [r[0] for r in self.requests]

    def close(self):
        self.release.set()
        self.httpd.shutdown()
        self.httpd.server_close()


def data(text):
    """A data: URL of a text or of a config."""
    import base64

    if isinstance(text, dict):
        text = json.dumps(text)
    if isinstance(text, str):
        text = text.encode()
    return "data:;base64," + base64.b64encode(text).decode()


def sha512(body):
    return "sha512-" + hashlib.sha512(body).hexdigest()


def gz(body):
    return gzip.compress(body, mtime=0)


def config(version="3.4.0", **sections):
    ignition = sections.pop("ignition", {})
    return {"ignition": {"version": version, **ignition}, **sections}


def merge(*sources, version="3.4.0", **sections):
    refs = [s if isinstance(s, dict) else {"source": s} for s in sources]
    return config(version, ignition={"config": {"merge": refs}}, **sections)


def file_entry(path, contents, **more):
    return {"path": path, "contents": {"source": contents}, **more}


class ProvisionTest(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="basalt-provision."))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.root = self.dir / "root"
        self.system = self.dir / "system"
        (self.root / "etc").mkdir(parents=True)
        self.system.mkdir()
        self.cmdline = self.dir / "cmdline"
        self.cmdline.write_text("quiet root=/dev/sda\n")
        self.config, self.cache = self.dir / "config.ign", self.dir / "run" / "ignition.json"
        self.state, self.neednet = self.dir / "run" / "state", self.dir / "run" / "neednet"
        self.env = {
            "PATH": os.environ["PATH"],
            "IGNITION_KERNEL_CMDLINE_PATH": str(self.cmdline),
            "IGNITION_SYSTEM_RUNTIME_CONFIG_DIR": str(self.dir / "none"),
            "IGNITION_SYSTEM_LOCAL_CONFIG_DIR": str(self.dir / "none"),
            "IGNITION_SYSTEM_CONFIG_DIR": str(self.system),
            "BASALT_DEV": str(self.dir / "no-devices"),  # the host's own disks are nobody's business
            "BASALT_SYSFS": str(self.dir / "no-devices"),
        }
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LD_LIBRARY_PATH"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    def server(self, tls=False):
        s = Server(tls)
        self.addCleanup(s.close)
        return s

    def call(self, *args, name="ignition", input=None, timeout=60):
        """Runs the program under one of its names."""
        link = self.dir / "bin" / name
        if not link.exists():
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(PROGRAM)
        p = subprocess.run([link, *map(str, args)], env=self.env, cwd=self.dir, input=input, text=True,
                           capture_output=True, timeout=timeout)
        self.assertNotIn("panic", p.stdout + p.stderr)
        self.assertNotIn("Sanitizer", p.stdout + p.stderr)
        return p

    def stage(self, stage, cfg=None, platform="file", code=0, args=()):
        if cfg is not None:
            self.config.write_text(cfg if isinstance(cfg, str) else json.dumps(cfg))
        p = self.call("-platform", platform, "-stage", stage, "-root", self.root, "-config-cache", self.cache,
                      "-state-file", self.state, "-neednet", self.neednet, "-log-to-stdout", *args)
        self.assertEqual(p.returncode, code, p.stdout + p.stderr)
        self.assertEqual("CRITICAL" in p.stdout + p.stderr, code not in (0, 2), p.stdout + p.stderr)
        return p.stdout + p.stderr

    def cached(self):
        return json.loads(self.cache.read_text())

    def cached_files(self):
        return {f["path"]: f.get("contents", {}).get("source") for f in
                self.cached().get("storage", {}).get("files", [])}

    def saved_state(self):
        return json.loads(self.state.read_text())


def main():
    unittest.main(verbosity=1)
