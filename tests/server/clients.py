"""Real clients: the provisioner of this tree, and the distribution's Ignition where there is one, fetch their config
with a pointer config of spec 2.2 (token in the URL; this tree's only) and of 3.2 (token in a header).
Usage: clients.py MACHINE-CONFIG-SERVER BASALT-IGNITION"""
import base64
import json
import os
import pathlib
import subprocess
import sys

from server import FILES, TOKENS, Server, file_of, main

OURS = [pathlib.Path(sys.argv[2]).resolve()]
THEIRS = [p for p in [pathlib.Path('/usr/lib/dracut/modules.d/30ignition/ignition')] if p.exists()]


def pointer_of_2(s):
    return {'ignition': {'version': '2.2.0',
                         'config': {'append': [{'source': f'{address(s)}?token={TOKENS["worker"]}'}]},
                         'security': {'tls': {'certificateAuthorities': [{'source': ca_of(s)}]}}}}


def pointer_of_3(s, token=TOKENS['worker']):
    header = {'name': 'Authorization', 'value': f'Bearer {token}'}
    return {'ignition': {'version': '3.2.0',
                         'config': {'merge': [{'source': address(s), 'httpHeaders': [header]}]},
                         'timeouts': {'httpTotal': 20, 'httpResponseHeaders': 10},
                         'security': {'tls': {'certificateAuthorities': [{'source': ca_of(s)}]}}}}


def address(s):
    return f'https://127.0.0.1:{s.port}/config/worker'


def ca_of(s):
    return 'data:;base64,' + base64.b64encode(s.ca.read_bytes()).decode()


def fetch(s, program, pointer):
    """The config that the fetch stage leaves, or None when it fails."""
    (s.dir / 'pointer.ign').write_text(json.dumps(pointer))
    cache = s.dir / 'cache.json'
    cache.unlink(missing_ok=True)
    empty = s.dir / 'empty'
    empty.mkdir(exist_ok=True)
    (empty / 'cmdline').touch()
    environment = dict(os.environ, IGNITION_CONFIG_FILE=str(s.dir / 'pointer.ign'),
                       IGNITION_KERNEL_CMDLINE_PATH=str(empty / 'cmdline'),
                       **{f'IGNITION_SYSTEM{x}_CONFIG_DIR': str(empty) for x in ('', '_LOCAL', '_RUNTIME')})
    run = subprocess.run([program, '-platform', 'file', '-stage', 'fetch', '-root', s.dir / 'empty', '-log-to-stdout',
                          '-config-cache', cache, '-state-file', s.dir / 'state', '-neednet', s.dir / 'neednet'],
                         env=environment, capture_output=True, text=True, timeout=60)
    (s.dir / 'state').unlink(missing_ok=True)
    if run.returncode:
        print(program.name, run.stdout[-300:].strip().splitlines()[-1:])
        return None
    return json.loads(cache.read_text())


def expect_config(config, who):
    assert config, who
    assert file_of(config, '/etc/motd')['contents']['source'] == 'data:,hello', who
    paths = [f['path'] for f in config['storage']['files']]
    assert all(f in paths for f in FILES), (who, paths)


def test_token_in_the_url():
    for program in OURS:
        with Server() as s:
            expect_config(fetch(s, program, pointer_of_2(s)), program)


def test_token_in_a_header():
    for program in OURS + THEIRS:
        with Server() as s:
            expect_config(fetch(s, program, pointer_of_3(s)), program)
            assert 'spec 3.' in s.log(), s.log()  # it said which version it reads


def test_wrong_token():
    for program in OURS + THEIRS:
        with Server() as s:
            assert fetch(s, program, pointer_of_3(s, 'wrong')) is None, program
            assert 'unknown token' in s.log()


main(dict(globals()))
