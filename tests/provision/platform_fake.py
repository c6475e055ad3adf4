"""A metadata service of many clouds on the loopback interface. A test says which requests are right and what they
are answered with; every request is kept with what was wrong about it. The program is sent here by BASALT_METADATA
and says in `Host:` whom it means."""
import http.server
import threading


class Rule:
    """One request that is expected. `answers`: (status, headers, body), the last one again and again."""

    def __init__(self, method, host, path, *answers, headers=None, absent=(), low_port=False, check=None):
        self.method, self.host, self.path = method, host, path
        self.answers = list(answers) or [(200, {}, b"")]
        self.headers, self.absent, self.low_port, self.check = headers or {}, absent, low_port, check

    def faults(self, request):
        if request.host != self.host:
            yield f"host {request.host}, not {self.host}"
        for name, value in self.headers.items():
            if request.headers.get(name) != value:
                yield f"{name}: {request.headers.get(name)}, not {value}"
        for name in self.absent:
            if name in request.headers:
                yield f"{name} is sent"
        if self.low_port and request.port >= 1024:
            yield f"port {request.port}"
        if self.check:
            yield from self.check(request)


class Request:
    def __init__(self, handler):
        length = int(handler.headers.get("Content-Length") or 0)
        self.method, self.path, self.headers = handler.command, handler.path, handler.headers
        self.host, self.port = handler.headers.get("Host"), handler.client_address[1]
        self.body = handler.rfile.read(length) if length else b""


class Cloud:
    def __init__(self, *rules):
        self.rules, self.requests, self.faults, self.lock = list(rules), [], [], threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def handle_any(self):
                request = Request(self)
                status, headers, body = outer.answer(request)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD" and status != 204:
                    self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_HEAD = handle_any

        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.httpd.server_address[1]}"
        threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def answer(self, request):
        with self.lock:
            self.requests.append(request)
            wrong = []
            for rule in self.rules:
                if (rule.method, rule.path) != (request.method, request.path):
                    continue
                if rule.host != request.host and any(
                        (r.method, r.host, r.path) == (request.method, request.host, request.path)
                        for r in self.rules):
                    continue
                wrong = list(rule.faults(request))
                if not wrong:
                    status, headers, body = rule.answers[0]
                    if len(rule.answers) > 1:
                        rule.answers.pop(0)
                    return status, headers, body.encode() if isinstance(body, str) else body
            self.faults.append(f"{request.method} {request.host} {request.path}: {wrong or 'nobody expects it'}")
            return 400, {}, b"s3cr3t of a page that is an error"

    def asked(self):
        return [(r.method, r.path) for r in self.requests]

    def close(self):
        self.httpd.shutdown()
        self.httpd.server_close()
