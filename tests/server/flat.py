"""Nothing grows. A hundred thousand requests, of every kind, over connections that stay and ones that do not: the listening
process has as many descriptors as before, and as much memory, or nearly so. The same for new certificates and configs."""
import os
import pathlib
import signal
import threading
import time

from server import PROGRAM, TOKENS, Server, make_certificate, put

REQUESTS, THREADS, BATCH, RELOADS = 100_000, 4, 50, 200
KINDS = [f'/config/worker?token={TOKENS["worker"]}', '/healthz', '/config/worker?token=wrong', '/config/nobody',
         f'/config/master?token={TOKENS["master"]}']


def memory(pid):
    status = pathlib.Path(f'/proc/{pid}/status').read_text()
    return int(status.split('VmRSS:')[1].split()[0])


def descriptors(pid):
    return len(os.listdir(f'/proc/{pid}/fd'))


def batch():
    """Requests sent together; the answers come in their order."""
    return b''.join(f'GET {KINDS[i % len(KINDS)]} HTTP/1.1\r\nHost: a\r\n\r\n'.encode() for i in range(BATCH))


def take_answers(connection):
    left, data = BATCH, b''
    while left:
        head, found, data_after = data.partition(b'\r\n\r\n')
        if not found:
            piece = connection.recv(1 << 18)
            assert piece, 'the connection ended'
            data += piece
            continue
        length = int(head.lower().split(b'content-length:')[1].split(b'\r\n')[0])
        while len(data_after) < length:
            piece = connection.recv(1 << 18)
            assert piece, 'the connection ended'
            data_after += piece
        data, left = data_after[length:], left - 1
    assert not data


def client(s, count, failures):
    try:
        text = batch()
        while count > 0:
            connection = s.connect().sock
            for _ in range(min(count // BATCH, 100)):  # 5000 requests, then a new connection
                connection.sendall(text)
                take_answers(connection)
                count -= BATCH
            connection.close()
    except Exception as failure:  # told by the main thread
        failures.append(failure)


def run(s, requests):
    failures = []
    threads = [threading.Thread(target=client, args=(s, requests // THREADS, failures)) for _ in range(THREADS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if failures:
        raise failures[0]


def settle(s, pid, before):
    """Connections that ended are cleared away a moment later."""
    end = time.monotonic() + 10
    while descriptors(pid) > before and time.monotonic() < end:
        s.ask('/healthz')
        time.sleep(0.1)


def measure(s, pid, before, kib, what):
    settle(s, pid, before)
    after, kib_after = descriptors(pid), memory(pid)
    print(f'{what}; descriptors {before} to {after}; {kib} to {kib_after} KiB', flush=True)
    assert after <= before, (before, after)
    # A sanitizer keeps what was freed for a while.
    assert kib_after <= kib + 1024 or b'__asan_init' in pathlib.Path(PROGRAM).read_bytes(), (kib, kib_after)


def many_requests(s, pid):
    before = descriptors(pid)
    run(s, 4000)  # warm
    settle(s, pid, before)
    kib, start = memory(pid), time.monotonic()
    run(s, REQUESTS)
    measure(s, pid, before, kib, f'{REQUESTS} requests in {time.monotonic() - start:.1f} s')


def reload(s, pairs, count):
    for i in range(count):
        cert, key = pairs[i % 2]
        done = s.log().count('with a new certificate')
        put(s.dir / 'tls.key', key.read_text())
        put(s.dir / 'tls.crt', cert.read_text())
        s.put_config('worker', 'rendered-worker', f'data:,{i}')
        os.kill(s.process.pid, signal.SIGHUP)
        s.wait_log('with a new certificate', done + 1)
        s.ca = cert
        s.config()


def many_certificates(s, pid):
    pairs, before = [make_certificate(s.dir, name) for name in ('even', 'odd')], descriptors(pid)
    reload(s, pairs, 10)
    settle(s, pid, before)
    kib = memory(pid)
    reload(s, pairs, RELOADS)
    measure(s, pid, before, kib, f'{RELOADS} certificates')


with Server() as s:
    many_requests(s, s.child())
    many_certificates(s, s.child())
