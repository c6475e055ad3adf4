"""units_test SOURCE: systemd reads every unit of the initramfs and of the first boot's end without a complaint, with the
programs where module-setup.sh puts them. Exit 77 where there is no systemd-analyze that can look into another root."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(sys.argv[1]) / 'dracut'
SYSTEM = pathlib.Path('/usr/lib/systemd/system')
OS_UNITS = pathlib.Path(sys.argv[1]) / 'systemd'
PROGRAMS = ['/usr/bin/ignition', '/usr/bin/basalt-ignition', '/usr/bin/ignition-rmcfg', '/bin/sh', '/usr/bin/systemctl',
            '/usr/bin/basalt-os', '/usr/bin/sleep']


def skip(why):
    print(why)
    sys.exit(77)


def verify(root, units):
    done = subprocess.run(['systemd-analyze', 'verify', f'--root={root}', '--man=no', '--generators=no', *map(str, units)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if 'unrecognized option' in done.stdout or 'not supported' in done.stdout:
        skip(done.stdout.strip())
    return done.returncode, done.stdout


def make_root(root):
    units = root / 'usr/lib/systemd/system'
    shutil.copytree(SYSTEM, units, symlinks=True)
    for path in PROGRAMS:
        program = root / path[1:]
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text('#!/bin/sh\n')
        program.chmod(0o755)
    scripts = root / 'usr/lib/basalt-ignition'
    scripts.mkdir()
    mine = []
    for file in sorted([*SOURCE.glob('*/*'), *OS_UNITS.iterdir()]):
        if file.suffix in ('.service', '.socket', '.target', '.timer'):
            shutil.copy(file, units)
            mine.append(units / file.name)
        elif not file.suffix and file.parent != OS_UNITS:
            shutil.copy(file, scripts)
    return mine, scripts


def main():
    if not shutil.which('systemd-analyze') or not SYSTEM.is_dir():
        skip('there is no systemd-analyze')
    with tempfile.TemporaryDirectory(prefix='basalt-units.') as top:
        root = pathlib.Path(top)
        mine, scripts = make_root(root)
        units = root / 'usr/lib/systemd/system'
        assert len(mine) > 15, mine
        _, said = verify(root, mine)
        ours = [line for line in said.splitlines() if line.startswith(tuple(f'{start}{name}' for name in ('ignition-', 'basalt-os') for start in ('', f'{units}/')))]
        assert not ours, '\n'.join(ours)
        (scripts / 'guard').unlink()  # it would be seen
        _, said = verify(root, mine)
        assert 'ignition-guard.service' in said, said


main()
