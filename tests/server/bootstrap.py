"""From an install config to a machine's config, with nothing made by hand: what `basalt create ignition-configs`
wrote is taken out of bootstrap.ign as the bootstrap machine does it, and a machine asks with what stands in
its pointer config: the address, the token, the one certificate that it believes.
Usage: bootstrap.py MACHINE-CONFIG-SERVER BASALT BASALT-IGNITION"""
import base64
import json
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.parse

from server import FILES, Server, file_of, main

BASALT, IGNITION = sys.argv[2:4]
INSTALL_CONFIG = '''apiVersion: v1
baseDomain: example.com
metadata: {name: test}
compute: [{name: worker, replicas: 2}]
platform: {none: {}}
sshKey: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJW7kq2Gq1C3uGm0c1x0S6Pj0lFqk2bYV5mY0nN0o8rT me'
'''
VERSIONS = ['2.2.0', '3.1.0', '3.2.0', '3.3.0', '3.4.0', '3.5.0', '3.6.0']


def run(*args, **how):
    return subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=120, check=True, **how)


def data_of(url):
    assert url.startswith('data:'), url[:40]
    head, _, data = url.partition(',')
    return base64.b64decode(data) if head.endswith(';base64') else urllib.parse.unquote_to_bytes(data)


def unpack(s, ignition):
    """/opt/openshift of the bootstrap machine, in the scratch directory."""
    top = s.dir / 'opt'
    for f in ignition['storage']['files']:
        path = top / f['path'].removeprefix('/opt/openshift/')
        if f['path'].startswith('/opt/openshift/'):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data_of(f['contents']['source']))
    return top


def prepare(s):
    cluster = s.dir / 'cluster'
    cluster.mkdir()
    (cluster / 'install-config.yaml').write_text(INSTALL_CONFIG)
    run(BASALT, 'create', 'ignition-configs', '--dir', cluster)
    top = unpack(s, json.loads((cluster / 'bootstrap.ign').read_text()))
    shutil.rmtree(s.base)
    run(BASALT, 'render', '--bootstrap', '--dest-dir', s.base, top / 'machine-configs', top / 'manifests',
        top / 'openshift')
    shutil.copy(top / 'tls/machine-config-server.crt', s.dir / 'tls.crt')
    shutil.copy(top / 'tls/machine-config-server.key', s.dir / 'tls.key')
    shutil.copy(top / 'auth/kubeconfig-kubelet', s.dir / 'kubeconfig')
    shutil.copy(top / 'tokens.json', s.dir / 'tokens.json')
    return cluster


def ask(s, pointer, host=None, accept=None):
    """What a machine does with its pointer config, but that the name is found at 127.0.0.1."""
    url = urllib.parse.urlsplit(pointer['ignition']['config']['append'][0]['source'])
    assert (url.scheme, url.port) == ('https', 22623)
    ca = data_of(pointer['ignition']['security']['tls']['certificateAuthorities'][0]['source']).decode()
    context = ssl.create_default_context(cadata=ca)
    with socket.create_connection(('127.0.0.1', s.port), timeout=20) as tcp, \
            context.wrap_socket(tcp, server_hostname=host or url.hostname) as c:
        extra = f'Accept: {accept}\r\n' if accept else ''
        c.sendall(f'GET {url.path}?{url.query} HTTP/1.1\r\nHost: {url.hostname}\r\n{extra}'
                  'Connection: close\r\n\r\n'.encode())
        data = b''
        while piece := c.recv(1 << 16):
            data += piece
    head, _, body = data.partition(b'\r\n\r\n')
    return int(head.split()[1]), body


def test_pointer_configs(s, cluster):
    names = {}
    for role in ('master', 'worker'):
        pointer = json.loads((cluster / f'{role}.ign').read_text())
        status, body = ask(s, pointer)
        assert status == 200, status
        config = json.loads(body)
        assert config['ignition']['version'] == '2.2.0'
        node = json.loads(data_of(file_of(config, FILES[0])['contents']['source']))
        names[role] = node['machineconfiguration.openshift.io/currentConfig']
        assert names[role].startswith(f'rendered-{role}-')
        kubeconfig = data_of(file_of(config, FILES[1])['contents']['source']).decode()
        assert kubeconfig == (s.dir / 'kubeconfig').read_text()
        assert 'client-key-data' in kubeconfig
        assert config['passwd']['users'][0]['sshAuthorizedKeys'][0].startswith('ssh-ed25519')
    assert names['master'] != names['worker']


def test_tokens_are_of_their_role(s, cluster):
    master, worker = (json.loads((cluster / f'{r}.ign').read_text()) for r in ('master', 'worker'))
    source = master['ignition']['config']['append'][0]['source']
    worker['ignition']['config']['append'][0]['source'] = source.replace('/config/master', '/config/worker')
    assert ask(s, worker)[0] == 403
    worker['ignition']['config']['append'][0]['source'] = source.partition('?')[0]
    assert ask(s, worker)[0] == 401


def test_certificate_is_of_the_name(s, cluster):
    pointer = json.loads((cluster / 'worker.ign').read_text())
    try:
        ask(s, pointer, host='api.elsewhere.example.com')
        raise AssertionError('any name is good')
    except ssl.SSLCertVerificationError:
        pass


def test_every_version_is_valid(s, cluster):
    """By the provisioner of this tree; by that of the distribution, where there is one that reads the version."""
    pointer = json.loads((cluster / 'worker.ign').read_text())
    other = shutil.which('ignition-validate')
    for version in VERSIONS:
        status, body = ask(s, pointer, accept=f'application/vnd.coreos.ignition+json;version={version}, */*;q=0.1')
        assert status == 200, (version, status)
        assert json.loads(body)['ignition']['version'] == version
        path = s.dir / 'served.ign'
        path.write_bytes(body)
        run(IGNITION, 'validate', path)
        if other and version in ('3.1.0', '3.2.0', '3.3.0'):
            run(other, path)


def test_secrets_stay_out_of_the_log(s, cluster):
    log = s.log()
    assert 'got pool' in log
    for role in ('master', 'worker'):
        pointer = json.loads((cluster / f'{role}.ign').read_text())
        token = pointer['ignition']['config']['append'][0]['source'].partition('token=')[2]
        assert len(token) > 20 and token not in log


server = Server()
try:
    cluster = prepare(server)
    with server:
        main({name: (lambda test=test: test(server, cluster)) for name, test in list(globals().items())
              if name.startswith('test_')})
except BaseException:
    if server.process is None:
        server.__exit__(None, None, None)
    raise
