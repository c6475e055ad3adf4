#!/usr/bin/env python3
"""An unmodified kubectl against basalt-apiserver: the commands of kubectl/commands.txt, one after the other, and
what each of them printed and returned. Ages, times, uids and revisions are made the same. The golden file was
written with one version of kubectl; with another one only what the commands return is compared.

usage: kubectl_test.py BASALT-APISERVER [--update]"""
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

from api_server import ApiServer

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, 'kubectl', 'golden.txt')

SAME = (
    (r'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}', 'UID'),
    (r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z', 'TIME'),
    (r'\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}', 'TIME'),
    (r'(resourceVersion"?: )"\d+"', r'\1"N"'),
    (r'\b\d+m?\d*s\b', 'AGE'),
    (r'127\.0\.0\.1:\d+', 'SERVER'),
    (r'/tmp/[\w./-]+', 'FILE'),
    (r'[+-]{3} FILE.*', 'FILE'),
    (r'\t\d{4}-\d\d-\d\d.*', ''),
)


def same(text):
    for pattern, to in SAME:
        text = re.sub(pattern, to, text)
    # columns are as wide as what is in them
    return '\n'.join(re.sub(r' {2,}', '  ', line).rstrip() for line in text.splitlines())


def commands():
    with open(os.path.join(HERE, 'kubectl', 'commands.txt'), encoding='utf-8') as f:
        return [line.strip() for line in f if line.strip() and not line.startswith('#')]


def run(server, words):
    env = server.kubectl_env() | {'KUBE_EDITOR': 'sed -i s/green/yellow/', 'TZ': 'UTC'}
    done = subprocess.run(['kubectl', *words], capture_output=True, text=True, env=env, timeout=60, check=False,
                          cwd=os.path.join(HERE, 'kubectl'))
    text = same(done.stdout + done.stderr)
    if words[0] in ('describe', 'drain'):  # maps in any order; several at once, and again until the time is over
        lines = {re.sub(r'\[error when.*', '[…]', line) for line in text.splitlines()}
        text = '\n'.join(sorted(lines))
    return done.returncode, text


def read_golden():
    with open(GOLDEN, encoding='utf-8') as f:
        parts = f.read().split('\n$ kubectl ')
    out = {'version': parts[0].strip(), 'list': []}
    for part in parts[1:]:
        head, _, rest = part.partition('\n')
        code, _, text = rest.partition('\n')
        out['list'].append((head, int(code[1:-1]), text.rstrip('\n')))
    return out


def client_version():
    text = subprocess.run(['kubectl', 'version', '--client', '-o', 'json'], capture_output=True, text=True,
                          check=True).stdout
    return 'kubectl ' + re.search(r'"gitVersion": "v(\d+\.\d+)', text).group(1)


def main():
    if not shutil.which('kubectl'):
        print('there is no kubectl here')
        sys.exit(77)
    update, version = '--update' in sys.argv, client_version()
    golden = None if update else read_golden()
    bad = 0
    with tempfile.TemporaryDirectory(prefix='basalt-api-') as directory, ApiServer(sys.argv[1], directory) as server:
        text = version + '\n'
        for i, line in enumerate(commands()):
            code, output = run(server, shlex.split(line))
            text += f'\n$ kubectl {line}\n[{code}]\n{output}\n'
            if update:
                continue
            wanted = golden['list'][i]
            exact = golden['version'] == version
            if wanted[0] != line or wanted[1] != code or (exact and wanted[2] != output.rstrip('\n')):
                bad += 1
                print(f'$ kubectl {line}\n--- [{wanted[1]}] wanted\n{wanted[2]}\n--- [{code}] got\n{output}\n')
        if update:
            with open(GOLDEN, 'w', encoding='utf-8') as f:
                f.write(text)
    print(f'{len(commands())} commands, {bad} wrong')
    sys.exit(1 if bad else 0)


if __name__ == '__main__':
    main()
