"""Who listens and what it may do; what is left when it ends; what it refuses to start with."""
import os
import pathlib
import signal
import socket
import subprocess
import time

from server import PROGRAM, Server, main, put


def status_of(pid):
    lines = pathlib.Path(f'/proc/{pid}/status').read_text().splitlines()
    return {key: value.split() for key, value in (line.split(':', 1) for line in lines)}


def test_listener_has_no_rights():
    with Server() as s:
        status = status_of(s.child())
        for kind in ('CapInh', 'CapPrm', 'CapEff', 'CapAmb'):
            assert int(status[kind][0], 16) == 0, (kind, status[kind])
        assert status['NoNewPrivs'] == ['1']
        if os.geteuid() == 0:
            import pwd
            nobody = pwd.getpwnam('nobody')
            assert status['Uid'] == [str(nobody.pw_uid)] * 4, status['Uid']
            assert status['Gid'] == [str(nobody.pw_gid)] * 4, status['Gid']
            assert status['Groups'] == [], status['Groups']
            assert int(status['CapBnd'][0], 16) == 0, status['CapBnd']
            check_root(s.child())
        check_descriptors(s.child())
        # The other process does not listen.
        mine = [os.readlink(f'/proc/{s.process.pid}/fd/{n}') for n in os.listdir(f'/proc/{s.process.pid}/fd')]
        listening = pathlib.Path('/proc/net/tcp').read_text().splitlines()[1:]
        inodes = {l.split()[9] for l in listening if l.split()[3] == '0A'}
        assert not [f for f in mine if f.startswith('socket:[') and f[8:-1] in inodes], mine


def check_root(pid):
    try:
        names = os.listdir(f'/proc/{pid}/root')
    except (FileNotFoundError, ProcessLookupError):
        names = []  # the directory is of a process that has ended
    assert names == [], names
    for path in ('etc', 'proc', '0', '1', '..', '../etc/passwd'):
        try:
            found = os.stat(f'/proc/{pid}/root/{path}/')
            assert path == '..', (path, found)
        except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
            pass
    try:
        open(f'/proc/{pid}/root/made-by-test', 'w')
        raise AssertionError('a file can be made in its root')
    except OSError:
        pass


def check_descriptors(pid):
    """Sockets, its events, the log; no file that holds a key, and nothing to open one with."""
    for n in os.listdir(f'/proc/{pid}/fd'):
        to = os.readlink(f'/proc/{pid}/fd/{n}')
        ok = to.startswith(('socket:', 'anon_inode:[eventpoll]', 'anon_inode:[eventfd]', 'pipe:')) or \
            to == '/dev/null' or int(n) <= 2
        assert ok and 'kmsg' not in to, (n, to)


def test_ends_and_leaves_nothing():
    for number in (signal.SIGTERM, signal.SIGINT):
        with Server() as s:
            child, connection = s.child(), s.connect()
            os.kill(s.process.pid, number)
            assert s.process.wait(10) == 0
            assert not os.path.exists(f'/proc/{child}')
            try:
                socket.create_connection(('127.0.0.1', s.port), timeout=1)
                raise AssertionError('somebody still listens')
            except OSError:
                pass
            connection.close()


def test_one_does_not_outlive_the_other():
    with Server() as s:
        child = s.child()
        os.kill(child, signal.SIGKILL)
        assert s.process.wait(10) == 1
        assert 'the listening process has ended' in s.log()
    with Server() as s:
        child = s.child()
        s.process.kill()
        s.process.wait(10)
        end = time.monotonic() + 10
        while os.path.exists(f'/proc/{child}') and status_of(child)['State'][0] != 'Z':
            assert time.monotonic() < end
            time.sleep(0.05)


def test_starts_again_on_its_port():
    """Connections that ended a moment ago do not keep it from listening."""
    s = Server()
    with s:
        connection = s.connect()
        s.ask('/healthz', connection=connection)
        s.process.terminate()
        s.process.wait(10)
        s.start()
        assert s.ask('/healthz')[0] == 200
        connection.close()


def refused(s, wanted, code):
    run = subprocess.run(s.arguments, capture_output=True, text=True, timeout=20)
    assert (run.returncode, wanted in run.stderr) == (code, True), (run.returncode, run.stderr)


def refuse(change, wanted, code=3):
    s = Server()
    try:
        change(s)
        refused(s, wanted, code)
    finally:
        s.__exit__(None, None, None)


def test_refuses_to_start():
    for name in ('tls.crt', 'tls.key', 'tokens.json', 'kubeconfig'):
        refuse(lambda s, name=name: (s.dir / name).unlink(), name)
    refuse(lambda s: put(s.dir / 'tls.key', 'none'), 'the certificate and its key cannot be used', 1)
    refuse(lambda s: put(s.base / 'machine-configs/rendered-worker.yaml', '{}'), 'without a name', 1)
    refuse(lambda s: [p.unlink() for p in (s.base / 'machine-pools').iterdir()], 'has no pools')
    refuse(lambda s: s.arguments.extend(['--listen', 'nowhere']), "'nowhere' is not an address", 1)
    refuse(lambda s: s.arguments.extend(['--secure-port', '0']), 'a port is a number', 2)
    refuse(lambda s: s.arguments.extend(['--secure-port', '65536']), 'a port is a number', 2)
    refuse(lambda s: s.arguments.extend(['--no-such']), '--no-such', 2)
    if os.geteuid() == 0:
        refuse(lambda s: s.arguments.extend(['--user', 'no-such-user']), "there is no user 'no-such-user'")
        refuse(lambda s: s.arguments.extend(['--user', 'root']), 'may not be root')
    with Server() as first:
        refuse(lambda s: s.arguments.extend(['--secure-port', str(first.port)]), 'Address already in use', 1)


def test_runs_without_root():
    """Whoever starts it; all that it needs is to read its files."""
    if os.geteuid() != 0:
        return
    import pwd
    nobody = pwd.getpwnam('nobody')
    s = Server()
    for path in [s.dir, *s.dir.rglob('*')]:
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    inside = pathlib.Path(PROGRAM).resolve()
    reachable = all(p.stat().st_mode & 0o001 for p in [inside, *inside.parents])
    if reachable:
        s.arguments = ['setpriv', f'--reuid={nobody.pw_uid}', f'--regid={nobody.pw_gid}', '--clear-groups',
                       *s.arguments]
        with s:
            assert s.ask('/healthz')[0] == 200
            assert s.config()['ignition']['version'] == '2.2.0'
            assert status_of(s.child())['Uid'] == [str(nobody.pw_uid)] * 4
    else:
        s.__exit__(None, None, None)


main(dict(globals()))
