"""What must not take it down, or let others wait: bytes that are no TLS, clients that say nothing, slow
ones, long headers, files that break and change under it, signals."""
import os
import resource
import shutil
import signal
import socket
import ssl
import time

from server import TOKENS, Server, file_of, main, make_certificate, put, token

HELD, PLACES = 1000, 4096


def healthy(s, **how):
    assert s.ask('/healthz', **how)[0] == 200


def raw(s, data, seconds=5):
    """Sends bytes and reads until the server ends the connection or has nothing more to say."""
    with socket.create_connection(('127.0.0.1', s.port), timeout=seconds) as c:
        got = b''
        try:
            c.sendall(data)
            c.shutdown(socket.SHUT_WR)
            while piece := c.recv(4096):
                got += piece
        except OSError:
            pass
        return got


def test_no_tls(s):
    for data in (b'GET /healthz HTTP/1.1\r\n\r\n', b'\x16\x03\x01\xff\xff' + os.urandom(4096), b'\0' * 9000,
                 os.urandom(20000), b'', b'\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00', b'\x15\x03\x03\x00\x02\x02\x00'):
        assert b'200' not in raw(s, data)
        healthy(s)


def test_no_old_tls(s):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers('ALL:@SECLEVEL=0')
    try:
        with socket.create_connection(('127.0.0.1', s.port)) as c, context.wrap_socket(c):
            raise AssertionError('TLS 1.1 was accepted')
    except ssl.SSLError:
        pass
    healthy(s)


def test_bad_http(s):
    for data in (b'\r\n' * 5, b'GET\r\n\r\n', b'GET / HTTP/9.9\r\n\r\n', b'G\0T / HTTP/1.1\r\n\r\n',
                 b'GET /healthz HTTP/1.1\r\nHost\r\n\r\n', b'POST /config/worker HTTP/1.1\r\n'
                 b'Host: a\r\nContent-Length: 99999999999999999999\r\n\r\n', b'POST / HTTP/1.1\r\nHost: a\r\n'
                 b'Transfer-Encoding: chunked\r\n\r\nzz\r\n', os.urandom(3000)):
        c = s.connect().sock
        try:
            c.sendall(data)
            c.settimeout(2)
            answer = c.recv(4096)
            assert b'HTTP/1.1 200' not in answer, (data, answer)
        except (OSError, ssl.SSLError):
            pass
        c.close()
        healthy(s)


def refused_as_too_large(s, path, **headers):
    """An answer that says so, or the end of the connection while we still send."""
    c = s.connect()
    try:
        c.request('GET', path, headers=headers)
        status = c.getresponse().status
        assert status in (414, 431), status
    except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
        pass
    c.close()


def test_oversized_headers(s):
    refused_as_too_large(s, '/healthz', **{'X-Long': 'x' * 40000})
    refused_as_too_large(s, '/healthz', **{f'X-{i}': 'y' * 100 for i in range(400)})
    refused_as_too_large(s, '/config/worker?token=' + 'a' * 60000)
    c = s.connect()
    c.request('GET', '/healthz', headers={'X-Long': 'x' * 14000})
    assert c.getresponse().status in (200, 431)
    c.close()
    healthy(s)


def test_slow_clients(s):
    """A third of them says nothing, a third stops within the handshake, a third within the request; the others
    are served meanwhile, quickly."""
    context = ssl.create_default_context(cafile=str(s.ca))
    held = []
    for i in range(HELD):
        c = socket.create_connection(('127.0.0.1', s.port), timeout=20)
        if i % 3 == 1:
            c.sendall(b'\x16\x03\x01\x02\x00\x01')
        elif i % 3 == 2:
            c = context.wrap_socket(c, server_hostname='127.0.0.1')
            c.sendall(b'GET /healthz HTTP/1.1\r\nHost: a\r\nX-Sl')
        held.append(c)
    start = time.monotonic()
    for _ in range(20):
        assert s.config()['ignition']['version'] == '2.2.0'
    took = time.monotonic() - start
    assert took < 10, took
    last = held[HELD - HELD % 3 - 1]
    last.sendall(b'ow: yes\r\n\r\n')
    assert last.recv(100).startswith(b'HTTP/1.1 200')
    for c in held:
        c.close()
    healthy(s)


def test_one_address_does_not_take_all(s):
    """Whoever holds all the connections that it can get leaves half of the places to others."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 3 * PLACES:
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    held = [socket.create_connection(('127.0.0.1', s.port), timeout=20) for _ in range(PLACES + 100)]
    time.sleep(0.5)
    c = s.connect(source=('127.0.0.2', 0))
    healthy(s, connection=c)
    c.close()
    for c in held:
        c.close()
    end = time.monotonic() + 20
    while True:
        try:
            return healthy(s)
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.1)


def test_wrong_tokens(s):
    """Many guesses on one connection; then the right one."""
    c = s.connect()
    for i in range(500):
        assert s.ask(f'/config/worker?token=guess-{i}', connection=c)[0] == 401
    assert s.ask(f'/config/worker?token={TOKENS["worker"]}', connection=c)[0] == 200
    c.close()


def test_token_expires_while_it_runs(s):
    soon = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() + 4))
    changes = s.log().count('serving what changed')
    s.write_tokens([token('short-lived', 'worker', soon)])
    s.wait_log('serving what changed', changes + 1)
    assert s.ask('/config/worker?token=short-lived')[0] == 200
    end = time.monotonic() + 10
    while s.ask('/config/worker?token=short-lived')[0] == 200:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert s.ask('/config/worker?token=short-lived')[0] == 403


def test_certificate_replaced(s):
    """A connection that stands stays; new ones get the new certificate, at once after SIGHUP."""
    old = s.connect()
    healthy(s, connection=old)
    former = s.ca
    for name in ('two', 'three', 'four'):
        cert, key = make_certificate(s.dir, name)
        count = s.log().count('with a new certificate')
        shutil.copy(key, s.dir / 'tls.key')  # for a moment the two do not fit
        time.sleep(0.05)
        put(s.dir / 'tls.crt', cert.read_text())
        os.kill(s.process.pid, signal.SIGHUP)
        s.wait_log('with a new certificate', count + 1)
        healthy(s, connection=old)
        new = s.connect(ca=cert)
        assert ('commonName', name) in [x for rdn in new.sock.getpeercert()['subject'] for x in rdn]
        healthy(s, connection=new)
        new.close()
    s.ca = cert
    try:
        s.connect(ca=former)
        raise AssertionError('the former certificate is still served')
    except ssl.SSLError:
        pass
    healthy(s, connection=old)
    old.close()


def broken(s, change, wanted):
    """After the change the former files stay in use, and the log says why."""
    text, before = s.ask(f'/config/worker?token={TOKENS["worker"]}')[2], s.log().count('is not used')
    undo = change()
    os.kill(s.process.pid, signal.SIGHUP)  # it would look within a second, too
    s.wait_log('what changed is not used: ', before + 1)
    line = [l for l in s.log().splitlines() if 'is not used' in l][-1]
    assert wanted in line, line
    assert s.ask(f'/config/worker?token={TOKENS["worker"]}')[2] == text
    good = s.log().count('serving what changed')
    undo()
    os.kill(s.process.pid, signal.SIGHUP)
    s.wait_log('serving what changed', good + 1)


def test_broken_files(s):
    def rewrite(path, text):
        def change():
            former = path.read_text()
            put(path, text)
            return lambda: put(path, former)
        return change

    def rename(path):
        def change():
            path.rename(path.with_suffix('.away'))
            return lambda: path.with_suffix('.away').rename(path)
        return change
    config, pool = s.base / 'machine-configs/rendered-worker.yaml', s.base / 'machine-pools/worker.yaml'
    for path, text, wanted in [
            (config, 'metadata: [', 'rendered-worker.yaml:'),
            (config, '{}', 'without a name'),
            (config, config.read_text().replace('3.6.0', '9.9.9'), "pool 'worker'"),
            (config, config.read_text().replace('path: /etc/motd', 'path: motd'), "pool 'worker'"),
            (config, config.read_text().replace('kind: MachineConfig', 'kind: ConfigMap'), 'not a MachineConfig'),
            (config, config.read_text().split('spec:')[0] + 'spec: 1', 'needs a spec'),
            (config, '', 'rendered-worker.yaml'),
            (pool, 'status: {}', 'names no config'),
            (pool, 'status: {configuration: {name: ../tokens}}', 'names no config'),
            (pool, 'status: {configuration: {name: rendered-none}}', 'rendered-none.yaml'),
            (s.dir / 'tokens.json', '{"tokens":', 'tokens.json'),
            (s.dir / 'tokens.json', '{"tokens": {}}', "no list 'tokens'"),
            (s.dir / 'tokens.json', '{"tokens": [{"sha256": "ff", "role": "worker"}]}', 'tokens.0.sha256'),
            (s.dir / 'tokens.json', '{"tokens": [{"sha256": "%s", "role": "worker", "expires": "soon"}]}' %
             ('f' * 64), 'tokens.0.expires'),
            (s.dir / 'tls.crt', 'none', 'certificate'), (s.dir / 'tls.key', 'none', 'certificate')]:
        broken(s, rewrite(path, text), wanted)
    for path in (config, s.dir / 'kubeconfig', s.dir / 'tls.key', s.dir / 'tokens.json', s.base / 'machine-pools'):
        broken(s, rename(path), path.name)
    # And after all that a good change is taken.
    s.put_config('worker', 'rendered-worker-2', 'data:,good%20again')
    end = time.monotonic() + 10
    while file_of(s.config(), '/etc/motd')['contents']['source'] != 'data:,good%20again':
        assert time.monotonic() < end
        time.sleep(0.1)


def test_new_pool_and_no_pool(s):
    assert s.ask('/config/infra?token=i')[0] == 404
    s.put_config('infra', 'rendered-infra')
    end = time.monotonic() + 10
    while s.ask('/config/infra?token=i')[0] == 404:
        assert time.monotonic() < end
        time.sleep(0.1)
    assert s.ask('/config/infra?token=i')[0] == 401
    (s.base / 'machine-pools/infra.yaml').unlink()
    while s.ask('/config/infra?token=i')[0] != 404:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_child_stopped_and_continued(s):
    child = s.child()
    os.kill(child, signal.SIGSTOP)
    time.sleep(0.2)
    os.kill(child, signal.SIGCONT)
    healthy(s)
    assert s.child() == child and s.process.poll() is None


with Server() as server:
    main({name: (lambda test=test: test(server)) for name, test in list(globals().items())
          if name.startswith('test_')})
