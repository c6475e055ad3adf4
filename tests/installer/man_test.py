#!/usr/bin/env python3
"""The man pages are without fault and name every field, verb and option.
Usage: man_test.py BASALT MAN_DIRECTORY"""
import pathlib, re, shutil, subprocess, sys

basalt, man = sys.argv[1], pathlib.Path(sys.argv[2])
fields = (man / 'install-config.yaml.5').read_text()
verbs = (man / 'basalt.1').read_text()
bad = []


def said(*args):
    return subprocess.run([basalt, *args], capture_output=True, text=True, check=True).stdout


def explain(path):
    for name in re.findall(r'^    (\w+) <', said('explain', path), re.M):
        child = f'{path}.{name}'
        shown = child.removeprefix('installconfig.')
        if not re.search(r'^\.It Va ' + re.escape(shown).replace(r'\.', r'(\[\])?\.') + ' ', fields, re.M):
            bad.append(f'install-config.yaml.5 has no field {shown}')
        explain(child)


def options(*verb):
    text = said(*verb, '--help')
    for option in re.findall(r'--([a-z][a-z-]+)', text):
        if option not in ('help', 'version') and f'Fl -{option}' not in verbs:
            bad.append(f'basalt.1 has no --{option} of basalt {" ".join(verb)}')
    for name in re.findall(r'^  ([a-z][a-z-]+) ', text.partition('\nverbs:')[2].partition('\noptions:')[0], re.M):
        if name not in verbs:
            bad.append(f'basalt.1 has no verb {name}')
        options(*verb, name)


explain('installconfig')
options()
if shutil.which('mandoc'):
    for page in 'basalt.1', 'install-config.yaml.5':
        out = subprocess.run(['mandoc', '-Tlint', str(man / page)], capture_output=True, text=True).stdout
        bad += [line for line in out.splitlines() if 'referenced manual not found' not in line]
print('\n'.join(bad))
sys.exit(bool(bad))
