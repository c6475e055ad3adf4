#!/usr/bin/env python3
"""`basalt plan` of a cluster that answers: the same plan as of its manifests, and nothing of it is changed.
usage: plan_live_test.py BASALT BASALT-APISERVER SOURCE-ROOT"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

basalt, apiserver, source = (pathlib.Path(a).resolve() for a in sys.argv[1:4])
sys.path.insert(0, str(source / 'tests/apiserver'))
from api_server import ApiServer, temporary  # noqa: E402

CASES = source / 'tests/installer/golden-plan'
GROUP = '/apis/machineconfiguration.openshift.io/v1'
PLACES = {'MachineConfig': f'{GROUP}/machineconfigs', 'MachineConfigPool': f'{GROUP}/machineconfigpools',
          'Node': '/api/v1/nodes'}
# Ages are the server's: of nodes without a zone that were made in the same second the names decide.
RUN = ['nothing-changes', 'file-with-reload', 'refused-disks', 'conflict', 'order-by-percent', 'paused-pool',
       'node-in-two-pools', 'custom-pool', 'container-runtime-config', 'refused-bad-config']


def fill(server, path):
    for text in path.read_text().split('---\n'):
        kind = re.search(r'^kind: (.*)', text, re.M).group(1)
        status, answer = server.call('POST', PLACES[kind], text, headers={'Content-Type': 'application/yaml'})
        if status != 201:
            raise AssertionError(f'{path}: {status} {answer}')
        if kind == 'Node':
            ready = re.search(r'type: Ready\n    status: "(.*)"', text).group(1)
            answer['status'] = {'conditions': [{'type': 'Ready', 'status': ready}]}
            status, answer = server.call('PUT', f'/api/v1/nodes/{answer["metadata"]["name"]}/status', answer)
            if status != 200:
                raise AssertionError(f'{path}: {status} {answer}')


def stored(server):
    out = {}
    for place in PLACES.values():
        out |= {i['metadata']['uid']: i['metadata']['resourceVersion'] for i in server.call('GET', place)[1]['items']}
    return out


def plan(case, env, *options):
    wanted = 'new' if (case / 'new').is_dir() else 'new.yaml'
    run = subprocess.run([basalt, 'plan', '--json', *options, wanted], cwd=case, env=env, capture_output=True,
                         text=True, timeout=60)
    return run.returncode, run.stdout, run.stderr


def without_places(text):
    """What the cluster holds has no file and no line."""
    if not text:
        return text
    tree = json.loads(text)
    for pool in tree['pools']:
        for conflict in pool['conflicts']:
            for config in conflict['configs']:
                if config.get('file', '').startswith('current/'):
                    del config['file'], config['line']
    return tree


def check(name, server):
    fill(server, CASES / name / 'current/state.yaml')
    before, env = stored(server), server.kubectl_env()
    live = plan(CASES / name, env)
    told = plan(CASES / name, env, '--kubeconfig', env['KUBECONFIG'])
    plain = {k: v for k, v in os.environ.items() if k != 'KUBECONFIG'}
    files = plan(CASES / name, plain, '--current', 'current')
    if stored(server) != before:
        raise AssertionError(f'{name}: the cluster has changed')
    if live != told:
        raise AssertionError(f'{name}: {live} by $KUBECONFIG, {told} by --kubeconfig')
    if live[0] != files[0] or without_places(live[1]) != without_places(files[1]) or live[2] != files[2]:
        raise AssertionError(f'{name}: of the cluster\n{live[0]} {live[1]}{live[2]}\nof its manifests\n'
                             f'{files[0]} {files[1]}{files[2]}')


def check_refusals(server):
    case = CASES / 'nothing-changes'
    for env, words in ((server.kubectl_env('user'), 'forbidden'),
                       (server.kubectl_env() | {'KUBECONFIG': server.path('none')}, 'cannot be used')):
        code, out, said = plan(case, env)
        if code != 1 or out or words not in said:
            raise AssertionError(f'{words}: {code} {out} {said}')


with temporary() as directory:
    for name in RUN:
        with ApiServer(apiserver, directory) as server:
            check(name, server)
        shutil.rmtree(server.path('data'))
    with ApiServer(apiserver, directory) as server:
        check_refusals(server)
print(f'{len(RUN)} plans of a cluster are those of its manifests')
