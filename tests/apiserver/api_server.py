"""A basalt-apiserver of a test's own: certificates, a directory, a port of the loopback."""
import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import tempfile
import time


def make_certificates(directory):
    def openssl(*words, **more):
        subprocess.run(['openssl', *words], check=True, capture_output=True, cwd=directory, **more)

    key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
    openssl('req', '-x509', *key, '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=ca', '-days', '2')
    openssl('req', '-x509', *key, '-keyout', 'other.key', '-out', 'other.crt', '-subj',
            '/O=system:masters/CN=other', '-days', '2')
    for name, subject, extension in (
            ('server', '/CN=server', 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth'),
            ('admin', '/O=system:masters/CN=admin', 'extendedKeyUsage=clientAuth'),
            ('user', '/O=people/CN=rita', 'extendedKeyUsage=clientAuth'),
            ('node', '/O=system:nodes/CN=system:node:worker-0', 'extendedKeyUsage=clientAuth')):
        openssl('req', *key, '-keyout', f'{name}.key', '-out', f'{name}.csr', '-subj', subject)
        with open(os.path.join(directory, 'ext'), 'w', encoding='utf-8') as f:
            f.write(extension)
        openssl('x509', '-req', '-in', f'{name}.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial',
                '-days', '2', '-extfile', 'ext', '-out', f'{name}.crt')


class ApiServer:
    def __init__(self, program, directory, quiet=True):
        self.program, self.directory, self.quiet = program, directory, quiet
        self.process, self.port = None, 0
        if not os.path.exists(self.path('ca.crt')):
            make_certificates(directory)
        with open(self.path('tokens'), 'w', encoding='utf-8') as f:
            f.write('sesame,ali,7,"thieves,system:masters"\nplain,bo,8\n')

    def path(self, name):
        return os.path.join(self.directory, name)

    def start(self):
        with open(self.path('log'), 'w', encoding='utf-8') as log:
            self.process = subprocess.Popen(
                [self.program, 'serve', '--data', self.path('data'), '--listen', f'127.0.0.1:{self.port}',
                 '--tls-cert', self.path('server.crt'), '--tls-key', self.path('server.key'), '--client-ca',
                 self.path('ca.crt'), '--token-file', self.path('tokens')], stderr=log,
                env=os.environ | {'ASAN_OPTIONS': 'detect_leaks=0'})  # needs files of /proc
        for _ in range(1000):
            with open(self.path('log'), encoding='utf-8') as log:
                found = re.search(r'listening on .*port (\d+)', log.read())
            if found:
                self.port = int(found.group(1))
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        with open(self.path('log'), encoding='utf-8') as log:
            raise RuntimeError('the server does not start: ' + log.read())

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(20)
        return self.process.returncode

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()
        with open(self.path('log'), encoding='utf-8') as log:
            text = log.read()
        if 'Sanitizer' in text or 'runtime error' in text:
            raise RuntimeError(text)

    def kubectl_env(self, who='admin'):
        path = self.path(f'kubeconfig-{who}')
        config = {
            'apiVersion': 'v1', 'kind': 'Config', 'current-context': 'test',
            'clusters': [{'name': 'test', 'cluster': {'server': f'https://127.0.0.1:{self.port}',
                                                      'certificate-authority': self.path('ca.crt')}}],
            'users': [{'name': who, 'user': {'client-certificate': self.path(f'{who}.crt'),
                                             'client-key': self.path(f'{who}.key')}}],
            'contexts': [{'name': 'test', 'context': {'cluster': 'test', 'user': who}}]}
        with open(path, 'w', encoding='utf-8') as f:
            json.dump(config, f)
        return {'PATH': os.environ['PATH'], 'HOME': self.directory, 'KUBECONFIG': path}

    def context(self, who):
        context = ssl.create_default_context(cafile=self.path('ca.crt'))
        if who:
            context.load_cert_chain(self.path(f'{who}.crt'), self.path(f'{who}.key'))
        return context

    def connect(self, who='admin', timeout=30):
        return http.client.HTTPSConnection('127.0.0.1', self.port, context=self.context(who), timeout=timeout)

    def call(self, method, path, body=None, who='admin', headers=None, connection=None):
        c = connection or self.connect(who)
        headers = {'Content-Type': 'application/json'} | (headers or {})
        c.request(method, path, json.dumps(body) if isinstance(body, (dict, list)) else body, headers)
        answer = c.getresponse()
        data = answer.read()
        if not connection:
            c.close()
        try:
            return answer.status, json.loads(data)
        except ValueError:
            return answer.status, data


def temporary():
    return tempfile.TemporaryDirectory(prefix='basalt-api-')
