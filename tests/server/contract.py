"""What a booting machine may rely on: paths, methods, tokens, versions, the files that come with a config."""
import json
import pathlib
import re
import subprocess
import urllib.parse

from server import EXPIRED, FILES, KEY_MARK, PROGRAM, TOKENS, Server, file_of, main

TYPE = 'application/vnd.coreos.ignition+json'
# Accept header, answered spec version (or status); the longer table is in test_accept_header.c.
ACCEPT = [
    (None, '2.2.0'), ('*/*', '2.2.0'), (f'{TYPE};version=1', '2.2.0'), (f'{TYPE};version=2.4.0', '2.2.0'),
    (f'{TYPE};version=3.1.0', '3.1.0'), (f'{TYPE};version=3.2.0, */*;q=0.1', '3.2.0'),
    (f'{TYPE};version=3.6.0', '3.6.0'), (f'{TYPE};version=3.9.0', '3.6.0'),
    (f'{TYPE};version=3.2.0;q=0.5, {TYPE};version=3.4.0', '3.4.0'),
    (f'{TYPE};version=3.0.0', 400), (f'{TYPE};version=2.1.0', 400), (f'{TYPE};version=4.0.0', 400),
]


def text_of(config, path):
    source = file_of(config, path)['contents']['source']
    assert source.startswith('data:,'), source
    return urllib.parse.unquote(source[len('data:,'):])


def test_paths(s):
    for path, status in [('/healthz', 200), ('/', 404), ('/healthz/x', 404), ('/config', 404),
                         ('/config/', 404), ('/config/nobody', 404), ('/config/../tokens.json', 404),
                         ('/config/worker', 401), ('/config/work', 404), ('/config/workers', 404),
                         ('/config/worker%00', 401), ('/etc/passwd', 404)]:
        got, headers, body = s.ask(path)
        assert got == status, (path, got)
        assert body == b'' and headers['Content-Length'] == '0', (path, body)
    for path in ('/config/worker', '/config/any/thing/worker', '/config/worker/'):
        status, headers, body = s.ask(f'{path}?token={TOKENS["worker"]}')
        assert status == 200 and headers['Content-Type'] == 'application/json', (path, status)
        assert int(headers['Content-Length']) == len(body)


def test_methods(s):
    path = f'/config/worker?token={TOKENS["worker"]}'
    length = s.ask(path)[1]['Content-Length']
    status, headers, body = s.ask(path, 'HEAD')
    assert (status, headers['Content-Length'], body) == (200, length, b'')
    assert s.ask('/healthz', 'HEAD')[0] == 200
    for method in ('POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND'):
        for where in (path, '/healthz', '/nowhere'):
            status, headers, body = s.ask(where, method)
            assert (status, headers['Allow'], body) == (405, 'GET, HEAD', b''), (method, where, status)


def test_tokens(s):
    def status(path, **headers):
        return s.ask(path, **headers)[0]
    good = TOKENS['worker']
    assert status(f'/config/worker?token={good}') == 200
    assert status(f'/config/worker?a=b&token={good}') == 200
    assert status('/config/worker', Authorization=f'Bearer {good}') == 200
    assert status('/config/worker', Authorization=f'bearer {good}') == 200
    assert status('/config/worker', Authorization=f'Basic {good}') == 401
    assert status('/config/worker') == 401
    assert status('/config/worker?token=') == 401
    assert s.ask('/config/worker')[1]['WWW-Authenticate'] == 'Bearer'
    assert status(f'/config/worker?token={good}x') == 401
    assert status(f'/config/worker?token={good[:-1]}') == 401
    assert status(f'/config/worker?token={TOKENS["master"]}') == 403
    assert status(f'/config/worker?token={EXPIRED}') == 403
    assert status('/config/worker', Authorization=f'Bearer {EXPIRED}') == 403
    assert status(f'/config/master?token={TOKENS["master"]}') == 200
    # A wrong one says nothing of what would have been served.
    assert s.ask('/config/worker', Accept=f'{TYPE};version=4.0.0')[0] == 401
    log = s.log()
    for wanted in ("127.0.0.1 refused for pool 'worker': no token", "pool 'worker': unknown token ",
                   "pool 'worker': token of another role ", "pool 'worker': token has expired ",
                   "127.0.0.1 got pool 'worker': rendered-worker, spec 2.2.0"):
        assert wanted in log, wanted


def test_versions(s):
    for accept, wanted in ACCEPT:
        headers = {'Accept': accept} if accept else {}
        status, _, body = s.ask(f'/config/worker?token={TOKENS["worker"]}', **headers)
        if isinstance(wanted, int):
            assert (status, body) == (wanted, b''), (accept, status)
            continue
        config = json.loads(body)
        assert config['ignition']['version'] == wanted, (accept, config['ignition'])
        assert [f['path'] for f in config['storage']['files']][-3:] == FILES, accept


def test_added_files(s):
    for accept, version in ((None, '2.2.0'), (f'{TYPE};version=3.4.0', '3.4.0')):
        config = s.config(**({'Accept': accept} if accept else {}))
        node = json.loads(text_of(config, FILES[0]))
        prefix = 'machineconfiguration.openshift.io/'
        assert node == {prefix + 'currentConfig': 'rendered-worker',
                        prefix + 'desiredConfig': 'rendered-worker', prefix + 'state': 'Done'}
        assert KEY_MARK in text_of(config, FILES[1])
        assert file_of(config, FILES[1])['mode'] == 0o600
        machine_config = json.loads(text_of(config, FILES[2]))
        assert machine_config['metadata']['name'] == 'rendered-worker'
        assert machine_config['spec']['kernelArguments'] == ['console=ttyS0', 'nosmt']
        assert machine_config['spec']['config']['ignition']['version'] == version
        assert 'files' not in machine_config['spec']['config'].get('storage', {})


def test_what_2x_cannot_say(s):
    """It is a 500 for those who ask for 2.2, with the field in the log, and no harm to the others."""
    path = s.base / 'machine-configs/rendered-master.yaml'
    text = path.read_text()
    path.write_text(text.replace("    passwd:\n", "    passwd:\n      groups:\n      - {name: g, shouldExist: false}\n"))
    s.wait_log('serving what changed')
    status, headers, body = s.ask(f'/config/master?token={TOKENS["master"]}')
    assert (status, body, headers['Content-Length']) == (500, b'', '0'), status
    assert "pool 'master' as spec 2.2.0: $.spec.config" in s.log() or 'shouldExist' in s.log(), s.log()
    assert s.config('master', Accept=f'{TYPE};version=3.2.0')['passwd']['groups'][0]['name'] == 'g'


def test_plain(s):
    import http.client
    c = http.client.HTTPConnection('127.0.0.1', s.plain_port, timeout=10)
    c.request('GET', '/healthz')
    assert c.getresponse().read() == b''
    c.request('GET', '/config/worker')
    r = c.getresponse()
    assert r.status == 401 and r.read() == b''
    c.close()


def test_man_page(s):
    page = (pathlib.Path(__file__).parents[2] / 'man/machine-config-server.8').read_text()
    usage = subprocess.run([PROGRAM, 'bootstrap', '--help'], capture_output=True, text=True, check=True).stdout
    options = set(re.findall(r'--([a-z][a-z-]+)', usage)) - {'help', 'version'}
    assert len(options) > 8, usage
    assert not [o for o in options if f'Fl -{o}' not in page], options


def test_nothing_secret_in_the_log(s):
    log = s.log()
    for secret in [*TOKENS.values(), EXPIRED, KEY_MARK, 'PRIVATE KEY', 'token=', 'hello']:
        assert secret not in log, secret
    key = ''.join((s.dir / 'tls.key').read_text().splitlines()[1:2])
    assert key not in log


with Server(plain=True) as server:
    main({name: (lambda test=test: test(server)) for name, test in list(globals().items())
          if name.startswith('test_')})
