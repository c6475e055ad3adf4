"""What the tests of the running machine-config-server share: a scratch directory with certificates, tokens
and pools, the server over it, requests to it. Everything is gone when the `with` block ends."""
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

PROGRAM = sys.argv[1]
GOLDEN = pathlib.Path(__file__).parent / 'golden'
TOKENS = {'worker': 'worker-token-0123456789', 'master': 'master-token-0123456789'}
EXPIRED = 'worker-token-of-yesterday'
KEY_MARK = 'kubeconfig-key-never-logged'
FAR = '2999-01-01T00:00:00Z'
FILES = ['/etc/machine-config-daemon/node-annotations.json', '/etc/kubernetes/kubeconfig',
         '/etc/ignition-machine-config-encapsulated.json']


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def make_certificate(directory, name='one'):
    """A self-signed certificate for 127.0.0.1; returns the paths of the certificate and its key."""
    cert, key = directory / f'{name}.crt', directory / f'{name}.key'
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1',
                    '-nodes', '-keyout', key, '-out', cert, '-days', '2', '-subj', f'/CN={name}',
                    '-addext', 'subjectAltName=IP:127.0.0.1'], check=True, capture_output=True)
    return cert, key


def put(path, data):
    """As a careful admin does it: the file appears whole."""
    new = path.with_name('.' + path.name)
    new.write_text(data)
    new.rename(path)


def token(text, role, expires=FAR):
    return {'sha256': hashlib.sha256(text.encode()).hexdigest(), 'role': role, 'expires': expires}


class Server:
    def __init__(self, *extra, plain=False):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix='basalt-test-'))
        self.base = self.dir / 'bootstrap'
        (self.base / 'machine-pools').mkdir(parents=True)
        (self.base / 'machine-configs').mkdir()
        for pool in ('worker', 'master'):
            self.put_config(pool, 'rendered-' + pool)
        self.write_tokens()
        (self.dir / 'kubeconfig').write_text(f'users:\n- user: {{token: {KEY_MARK}}}\n')
        self.ca, key = make_certificate(self.dir)
        shutil.copy(self.ca, self.dir / 'tls.crt')
        shutil.copy(key, self.dir / 'tls.key')
        self.port, self.plain_port = free_port(), free_port() if plain else None
        self.arguments = [PROGRAM, 'bootstrap', '--server-basedir', self.base, '--bootstrap-kubeconfig',
                          self.dir / 'kubeconfig', '--cert', self.dir / 'tls.crt', '--key',
                          self.dir / 'tls.key', '--tokens', self.dir / 'tokens.json', '--listen',
                          '127.0.0.1', '--secure-port', str(self.port), *extra]
        if plain:
            self.arguments += ['--insecure-port', str(self.plain_port)]
        self.process = None

    def put_config(self, pool, name, motd='data:,hello'):
        text = (GOLDEN / 'served/rendered.yaml').read_text()
        put(self.base / f'machine-configs/{name}.yaml',
            text.replace('rendered-worker-golden', name).replace('data:,hello', motd))
        self.put_pool(pool, name)

    def put_pool(self, pool, name):
        put(self.base / f'machine-pools/{pool}.yaml',
            f'kind: MachineConfigPool\nmetadata:\n  name: {pool}\nstatus:\n  configuration:\n    name: {name}\n')

    def write_tokens(self, extra=()):
        tokens = [token(t, role) for role, t in TOKENS.items()]
        tokens.append(token(EXPIRED, 'worker', '2020-01-01T00:00:00Z'))
        put(self.dir / 'tokens.json', json.dumps({'tokens': tokens + list(extra)}))

    def start(self):
        self.log_file = open(self.dir / 'log', 'wb')
        self.process = subprocess.Popen(self.arguments, stderr=self.log_file, stdout=self.log_file)
        self.wait_log('listening on')
        return self

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __exit__(self, kind, value, trace):
        if kind:
            sys.stderr.write(self.log())
        if self.process:
            if self.process.poll() is None:
                self.process.terminate()
            self.process.wait(10)
            self.log_file.close()
        shutil.rmtree(self.dir)

    def log(self):
        log = self.dir / 'log'
        return log.read_text(errors='replace') if log.exists() else ''

    def wait_log(self, text, count=1, seconds=20):
        end = time.monotonic() + seconds
        while self.log().count(text) < count:
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f'never logged: {text}\n{self.log()}')
            time.sleep(0.02)

    def child(self):
        children = pathlib.Path(f'/proc/{self.process.pid}/task/{self.process.pid}/children').read_text()
        pids = [int(p) for p in children.split()]
        assert len(pids) == 1, pids
        return pids[0]

    def connect(self, ca=None, timeout=20, source=None):
        context = ssl.create_default_context(cafile=str(ca or self.ca))
        c = http.client.HTTPSConnection('127.0.0.1', self.port, timeout=timeout, context=context,
                                        source_address=source)
        c.connect()
        return c

    def ask(self, path, method='GET', connection=None, **headers):
        """(status, headers, body)"""
        c = connection or self.connect()
        c.request(method, path, headers={k.replace('_', '-'): v for k, v in headers.items()})
        r = c.getresponse()
        body = r.read()
        if not connection:
            c.close()
        return r.status, r.headers, body

    def config(self, pool='worker', **headers):
        status, _, body = self.ask(f'/config/{pool}?token={TOKENS[pool]}', **headers)
        assert status == 200, status
        return json.loads(body)


def file_of(config, path):
    return next(f for f in config['storage']['files'] if f['path'] == path)


def main(tests):
    """Every function that begins with `test_`, in the order of the text."""
    for name, test in list(tests.items()):
        if name.startswith('test_'):
            start = time.monotonic()
            test()
            print(f'{name} {time.monotonic() - start:.2f} s', flush=True)
