#!/usr/bin/env python3
"""http_test.py DRIVER: the client over HTTP against a server that answers whatever a case needs: cut connections,
refusals, slow and endless answers, watches in odd pieces; and over TLS with certificates that change."""
import errno
import json
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

from driver import Driver

program = sys.argv[1]
scratch = pathlib.Path(tempfile.mkdtemp(prefix="basalt-kube-"))
NODE = {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "w1", "resourceVersion": "5"}}


class Server:
    """Each connection is a thread; `answer(connection, request)` of the case does the rest. True: keep it open."""

    def __init__(self, context=None):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.context = context
        self.requests, self.connections, self.answer = [], 0, None
        self.peers = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            if self.context:
                connection = self.context.wrap_socket(connection, server_side=True)
                self.peers.append(connection.getpeercert())
            self.connections += 1
            with connection:
                while (request := self.read(connection)) is not None:
                    self.requests.append(request)
                    if not self.answer(connection, request):
                        return
        except OSError:
            pass

    @staticmethod
    def read(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return None
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
        while len(body) < int(headers.get("content-length", 0)):
            body += connection.recv(65536)
        method, target, _ = lines[0].split(" ")
        return {"method": method, "target": target, "headers": headers, "body": body}


def reply(connection, body, code=200, headers="", keep=True):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    if not keep:
        headers += "Connection: close\r\n"
    connection.sendall(f"HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n"
                       f"{headers}\r\n".encode() + data)
    return keep


def chunks(connection, *pieces):
    for piece in pieces:
        connection.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")


def stream(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")


def event(kind, name, version):
    return json.dumps({"type": kind, "object": {"kind": "Node", "apiVersion": "v1", "metadata": {
        "name": name, "resourceVersion": version}}}).encode() + b"\n"


def kubeconfig(name, server, cluster="", user="token: hush"):
    path = scratch / name
    path.write_text(f"""clusters: [{{name: c, cluster: {{server: "{server}"{cluster}}}}}]
users: [{{name: u, user: {{{user}}}}}]
contexts: [{{name: x, context: {{cluster: c, user: u}}}}]
current-context: x
""")
    return path


def expect(answer, error, *words):
    assert answer["result"] == (-error if error else 0), answer
    for word in words:
        assert word in answer.get("error", ""), answer
    assert "hush" not in json.dumps(answer), answer


cases = []


def case(f):
    cases.append(f)
    return f


# ---- calls ----

@case
def kept_connection(s, d):
    s.answer = lambda c, r: reply(c, NODE)
    for _ in range(5):
        expect(d.call("get", "Node", name="w1"), 0)
    expect(d.call("patch", "Node", name="w1", patch="merge", body={"metadata": {"labels": {"a": "b"}}}), 0)
    assert s.connections == 1, s.connections
    get, patch = s.requests[0], s.requests[-1]
    assert get["target"] == "/api/v1/nodes/w1" and get["headers"]["authorization"] == "Bearer hush"
    assert get["headers"]["user-agent"] == "basalt-test" and "content-type" not in get["headers"]
    assert patch["method"] == "PATCH" and patch["headers"]["content-type"] == "application/merge-patch+json"
    assert json.loads(patch["body"]) == {"metadata": {"labels": {"a": "b"}}} and "expect" not in patch["headers"]


@case
def deletion(s, d):
    s.answer = lambda c, r: reply(c, {"kind": "Status", "apiVersion": "v1", "status": "Success"})
    expect(d.call("delete", "Node", name="w1", propagation="Background"), 0)
    expect(d.call("delete", "Node", name="w1", propagation="Orphan", dry_run=True, body={"preconditions": {"uid": "7"}}), 0)
    assert s.requests[0]["target"].endswith("?propagationPolicy=Background") and not s.requests[0]["body"]
    assert json.loads(s.requests[1]["body"]) == {"preconditions": {"uid": "7"}, "apiVersion": "v1",
        "kind": "DeleteOptions", "propagationPolicy": "Orphan", "dryRun": ["All"]}


@case
def refusals(s, d):
    for code, reason, error in [(404, "NotFound", errno.ENOENT), (409, "AlreadyExists", errno.EEXIST),
                                (409, "Conflict", errno.ESTALE), (401, "Unauthorized", errno.EACCES),
                                (422, "Invalid", errno.EINVAL), (410, "Expired", errno.ESTALE),
                                (500, "InternalError", errno.EREMOTEIO), (503, "", errno.EREMOTEIO)]:
        s.answer = lambda c, r: reply(c, {"kind": "Status", "apiVersion": "v1", "reason": reason, "message": "why",
                                          "code": code}, code)
        answer = d.call("get", "Node", name="w1")
        expect(answer, error, "getting nodes 'w1'", "why")
        assert (answer["code"], answer["reason"], answer["message"]) == (code, reason, "why"), answer
    s.answer = lambda c, r: reply(c, b"<h1>Bad gateway</h1>", 502)
    expect(d.call("get", "Node", name="w1"), errno.EREMOTEIO, "502")
    s.answer = lambda c, r: reply(c, b"[1,2]")
    expect(d.call("get", "Node", name="w1"), errno.EBADMSG)


@case
def retry_after(s, d):
    s.answer = lambda c, r: reply(c, {"kind": "Status", "apiVersion": "v1", "code": 429}, 429, "Retry-After: 7\r\n")
    answer = d.call("get", "Node", name="w1")
    expect(answer, errno.EBUSY)
    assert answer["retry_after"] == 7 and len(s.requests) == 1, answer


def cut(times, then):
    left = [times]

    def answer(c, r):
        left[0] -= 1
        return False if left[0] >= 0 else then(c, r)
    return answer


@case
def reads_again(s, d):
    s.answer = cut(2, lambda c, r: reply(c, NODE))
    expect(d.call("get", "Node", name="w1"), 0)
    assert len(s.requests) == 3, len(s.requests)
    s.answer = cut(1, lambda c, r: reply(c, NODE))
    expect(d.call("list", "Node"), 0)


@case
def writes_once(s, d):
    """Also over a kept connection, which libcurl would try again by itself."""
    s.answer = lambda c, r: reply(c, NODE)
    expect(d.call("get", "Node", name="w1"), 0)
    for verb, body in [("create", NODE), ("update", NODE), ("patch", {}), ("delete", None)]:
        s.answer = lambda c, r: reply(c, NODE)
        expect(d.call("get", "Node", name="w1"), 0)
        before = len(s.requests)
        s.answer = lambda c, r: False
        expect(d.call(verb, "Node", name="w1", body=body), errno.ECONNRESET, "may have been carried out")
        assert len(s.requests) == before + 1, (verb, s.requests[before:])
    s.answer = lambda c, r: False
    expect(d.call("delete", "Node", name="w1"), errno.ECONNRESET)


@case
def half_an_answer(s, d):
    def answer(c, r):
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"kind\":")
        return False
    s.answer = answer
    expect(d.call("update", "Node", name="w1", body=NODE), errno.ECONNRESET)
    assert len(s.requests) == 1


@case
def slow(s, d):
    def answer(c, r):
        time.sleep(1)
        return False
    s.answer = answer
    start = time.monotonic()
    expect(d.call("get", "Node", name="w1", timeout_ms=300), errno.ETIMEDOUT, "no answer came in time")
    assert time.monotonic() - start < 0.9
    assert len(s.requests) == 1


@case
def endless(s, d):
    def answer(c, r):
        c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        for _ in range(1000):
            c.sendall(b" " * (1 << 20))
    s.answer = answer
    expect(d.call("list", "Node"), errno.EFBIG)
    assert d.memory()["anonymous"] < 400000  # of a gigabyte; a sanitizer needs more than the rest


@case
def nobody(s, d):
    s.socket.shutdown(socket.SHUT_RDWR)
    s.socket.close()
    expect(d.call("update", "Node", name="w1", body=NODE, timeout_ms=1000), errno.ECONNREFUSED)


# ---- watches ----

@case
def pieces(s, d):
    """Lines cut anywhere, several in a piece, empty ones."""
    lines = event("ADDED", "a", "1") + b"\n" + event("MODIFIED", "ä", "2") + event("DELETED", "c", "3")

    def answer(c, r):
        stream(c)
        for i in range(0, len(lines), 7):
            chunks(c, lines[i:i + 7])
        chunks(c, event("BOOKMARK", "", "9") + event("ADDED", "d", "10"))
        time.sleep(3)
    s.answer = answer
    d.watch("Node", resource_version="0", timeout_ms=60000)
    got = [d.next() for _ in range(5)]
    assert [e["type"] for e in got] == ["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ADDED"], got
    assert got[1]["object"]["metadata"]["name"] == "ä"
    assert d.next(50)["result"] == 0
    assert s.requests[0]["target"] == ("/api/v1/nodes?watch=true&allowWatchBookmarks=true&resourceVersion=0&timeoutSeconds=60")


@case
def ends(s, d):
    def answer(c, r):
        stream(c)
        chunks(c, event("ADDED", "a", "1"))
        c.sendall(b"0\r\n\r\n")
        return True
    s.answer = answer
    for _ in range(3):
        d.watch("Node")
        assert d.next()["type"] == "ADDED"
        expect(d.next(), errno.EPIPE, "the server has ended it")
    assert s.connections == 1, s.connections


@case
def breaks(s, d):
    def answer(c, r):
        stream(c)
        chunks(c, event("ADDED", "a", "1") + b'{"type":"ADD')
        return False
    s.answer = answer
    d.watch("Node")
    assert d.next()["type"] == "ADDED"
    expect(d.next(), errno.ECONNRESET)


@case
def too_old(s, d):
    def answer(c, r):
        stream(c)
        chunks(c, b'{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","code":410,"reason":"Expired","message":"too old"}}\n')
        c.sendall(b"0\r\n\r\n")
    s.answer = answer
    d.watch("Node")
    expect(d.next(), errno.ESTALE, "too old")
    s.answer = lambda c, r: reply(c, {"kind": "Status", "apiVersion": "v1", "code": 410, "reason": "Expired"}, 410)
    d.watch("Node")
    expect(d.next(), errno.ESTALE)
    s.answer = lambda c, r: reply(c, b"no", 403)
    d.watch("Node")
    expect(d.next(), errno.EACCES)


@case
def long_line(s, d):
    def answer(c, r):
        stream(c)
        for _ in range(20):
            chunks(c, b"x" * (1 << 20))
    s.answer = answer
    d.watch("Node")
    expect(d.next(), errno.EFBIG)


@case
def slow_reader(s, d):
    """Who does not ask gets no memory filled, and nothing is lost."""
    total, sent = 20000, [0]

    def answer(c, r):
        stream(c)
        for i in range(total):
            chunks(c, event("ADDED", f"n{i}", str(i)))
            sent[0] = i
        c.sendall(b"0\r\n\r\n")
    s.answer = answer
    d.watch("Node")
    assert d.next()["object"]["metadata"]["name"] == "n0"
    before = d.memory()["anonymous"]
    time.sleep(0.3)
    assert d.memory()["anonymous"] < before + 4000, (before, d.memory())
    for i in range(1, total):
        got = d.next()
        assert got["result"] == 1 and got["object"]["metadata"]["name"] == f"n{i}", (i, got)
    expect(d.next(), errno.EPIPE)


@case
def call_within(s, d):
    def answer(c, r):
        if "watch" not in r["target"]:
            return reply(c, NODE)
        stream(c)
        for i in range(20):
            chunks(c, event("ADDED", f"n{i}", str(i)))
            time.sleep(0.01)
        time.sleep(2)
    s.answer = answer
    d.watch("Node")
    for i in range(20):
        expect(d.call("get", "Node", name="w1"), 0)
        assert d.next()["object"]["metadata"]["name"] == f"n{i}"
    before = d.memory()["fds"]
    for _ in range(10):
        d.watch("Node")
        assert d.next()["result"] == 1
    assert d.memory()["fds"] <= before + 1, (before, d.memory())


# ---- credentials ----

def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=scratch)


def certificate(name, subject, ca, extension):
    (scratch / "ext").write_text(extension)
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key",
            "-out", "csr", "-subj", subject)
    openssl("x509", "-req", "-in", "csr", "-CA", f"{ca}.crt", "-CAkey", f"{ca}.key", "-CAcreateserial", "-days", "2",
            "-extfile", "ext", "-out", f"{name}.crt")


def authority(name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key",
            "-out", f"{name}.crt", "-days", "2", "-subj", f"/CN={name}")


def over_tls():
    authority("ca")
    authority("other")
    certificate("server", "/CN=api", "ca", "subjectAltName=DNS:api.example")
    certificate("one", "/CN=one", "ca", "extendedKeyUsage=clientAuth")
    certificate("two", "/CN=two", "ca", "extendedKeyUsage=clientAuth")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(scratch / "server.crt", scratch / "server.key")
    context.load_verify_locations(scratch / "ca.crt")
    context.verify_mode = ssl.CERT_OPTIONAL
    s = Server(context)
    s.answer = lambda c, r: reply(c, NODE)
    url = f"https://127.0.0.1:{s.port}"

    def one(name, cluster, user, error, *words):
        d = Driver(program, kubeconfig(name, url, cluster, user))
        expect(d.call("get", "Node", name="w1", timeout_ms=3000), error, *words)
        d.close()
    named = ", certificate-authority: ca.crt, tls-server-name: api.example"
    one("a", named, "token: hush", 0)
    assert s.requests[-1]["headers"]["host"] == f"127.0.0.1:{s.port}", s.requests[-1]
    one("b", ", certificate-authority: ca.crt", "token: hush", errno.EKEYREJECTED, "not for")
    one("c", ", certificate-authority: other.crt, tls-server-name: api.example", "", errno.EKEYREJECTED, "signed by no authority")
    one("d", ", tls-server-name: api.example", "", errno.EKEYREJECTED)
    one("e", ", insecure-skip-tls-verify: true", "", 0)
    one("f", named, "client-certificate: one.crt, client-key: two.key", errno.EKEYREJECTED, "no pair")
    one("g", named, "tokenFile: nothing", errno.ENOENT, "the token", "nothing")

    # Certificates and tokens that change under a running client.
    for kind in ("crt", "key"):
        (scratch / f"mine.{kind}").write_bytes((scratch / f"one.{kind}").read_bytes())
    (scratch / "token").write_text("first\n")
    d = Driver(program, kubeconfig("h", url, named, "client-certificate: mine.crt, client-key: mine.key, tokenFile: token"))

    def as_whom():
        expect(d.call("get", "Node", name="w1"), 0)
        name = dict(x[0] for x in s.peers[-1]["subject"])["commonName"] if s.peers[-1] else None
        return name, s.requests[-1]["headers"]["authorization"]
    assert as_whom() == ("one", "Bearer first")
    before = s.connections
    (scratch / "token").write_text("second\n")
    assert as_whom() == ("one", "Bearer second") and s.connections == before
    for kind in ("crt", "key"):
        (scratch / "new").write_bytes((scratch / f"two.{kind}").read_bytes())
        os.rename(scratch / "new", scratch / f"mine.{kind}")
    assert as_whom() == ("two", "Bearer second") and s.connections == before + 1
    (scratch / "token").unlink()
    assert as_whom() == ("two", "Bearer second")
    d.close()
    print("ok over_tls")


for f in cases:
    server = Server()
    driver = Driver(program, kubeconfig("plain", f"http://127.0.0.1:{server.port}"))
    f(server, driver)
    driver.close()
    print("ok", f.__name__, flush=True)
over_tls()
subprocess.run(["rm", "-r", str(scratch)], check=True)
