#!/usr/bin/env python3
"""diff_validate.py GOLDEN DIR…: compare what `GOLDEN --print FILE` and ignition-validate say about each config.

The exit code must be the same. For configs that ignition-validate reads (it stops at a wrong type), the sets of
findings must be the same too: severity, path, line, column and text. The known differences stand in the tables
below, each with its reason; a rule of a table that nothing in the corpus needs is a failure as well.
"""
import pathlib
import re
import shutil
import subprocess
import sys

PEER = shutil.which('ignition-validate')

# Texts that differ in words only: pattern, replacement, reason; applied to both sides.
WORDS = [
    (r': Unused key ', ': unused key ', 'the installed version writes a capital letter'),
    (r'(: unused key \S+) \((?:in|only in) spec .*\)$', r'\1', 'we say which versions have the key'),
    (r'(: unused key \S+) \(taken as .*\)$', r'\1', 'we say which field the key is taken for'),
    (r' not supported in spec versions older than 3\.4\.0$',
     ' not supported or functional in spec versions older than 3.6.0', 'the version was corrected later'),
    (r' at input byte \d+$', '', 'we name the field; an offset into the URL adds nothing'),
]
# Findings of ours that the installed version does not have: the rule came with a later one.
OURS = [
    'device matches disk with wipeTable enabled; filesystem will be wiped',
    'filesystem overwrites partitioned device',
    "template unit \"echo@.service\" for \"echo@a.service\" doesn't have Install section",
    'user/group ignored for hard link',
]
# Findings of theirs that we do not have.
THEIRS = [
    (r'context tree does not match content tree', 'null is as good as nothing: there is nothing to warn of'),
]
# Configs for which only the exit codes are compared, or not even these: name, reason.
ONLY_EXIT_CODE = {
    'types': 'the peer stops at the first wrong type', 'types-and-rules': 'the peer stops at the first wrong type',
    'volume-groups': 'volume groups are ours alone; the peer warns of an unused key',
    'warn-key-case': 'the peer knows no positions below a key that is written otherwise',
}
NOT_COMPARED = {
    'nul-in-string': 'we refuse NUL characters; the peer lets them through to the file system',
    'conflict-with-unit': 'the rule came with a later version',
    'partition-delete-beside-new': 'the peer has a rule against it that later versions took back',
    'data-past-ascii': 'the peer wants every character past ASCII in a data URL escaped',
}
used = set()


def findings(text, drop):
    """The set of findings of a report; drop: patterns of those to leave out."""
    out = set()
    for line in text.splitlines():
        if not re.match(r'(error|warning|info)( at |:)', line):
            continue
        for pattern, replacement, _ in WORDS:
            line, n = re.subn(pattern, replacement, line)
            if n:
                used.add(pattern)
        hit = next((d for d in drop if re.search(d, line)), None)
        used.add(hit)
        if not hit:
            out.add(line)
    return out


def compare(golden, path):
    ours = subprocess.run([golden, '--print', path], capture_output=True, text=True, check=False)
    theirs = subprocess.run([PEER, path], capture_output=True, text=True, check=False)
    name = path.stem
    used.update(n for n in (name,) if n in ONLY_EXIT_CODE or n in NOT_COMPARED)
    if name in NOT_COMPARED:
        return True
    if ours.returncode != (1 if theirs.returncode else 0):
        print(f'{path}: exit {ours.returncode}, the peer {theirs.returncode}\n{ours.stdout}---\n{theirs.stdout}')
        return False
    if name in ONLY_EXIT_CODE:
        return True
    a = findings(ours.stdout, [re.escape(o) for o in OURS])
    b = findings(theirs.stdout, [t for t, _ in THEIRS])
    for line in sorted(a - b):
        print(f'{path}: only ours: {line}')
    for line in sorted(b - a):
        print(f'{path}: only the peer: {line}')
    return a == b


def main():
    if not PEER:
        print('no ignition-validate here')
        return 77
    golden, ok, n = sys.argv[1], True, 0
    for directory in sys.argv[2:]:
        for path in sorted(pathlib.Path(directory).glob('*.ign')):
            ok = compare(golden, path) and ok
            n += 1
    rules = [w[0] for w in WORDS] + [re.escape(o) for o in OURS] + [t[0] for t in THEIRS]
    for rule in rules + list(ONLY_EXIT_CODE) + list(NOT_COMPARED):
        if rule not in used:
            print(f'no config needs this exception: {rule}')
            ok = False
    print(f'{n} configs compared')
    return 0 if ok and n else 1


sys.exit(main())
