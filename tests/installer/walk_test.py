#!/usr/bin/env python3
"""The documented walk of an admin, with the tools that an admin has: install config to Ignition configs, a look into
them with jq and base64, a MachineConfig for the first boot, and one that changes a single file of another.
Usage: walk_test.py BASALT"""
import json, os, pathlib, re, shutil, subprocess, sys, tempfile, unittest

BASALT = os.path.abspath(sys.argv.pop(1))
DAY1 = pathlib.Path(__file__).resolve().parent / 'day1'


class Walk(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix='basalt-walk-'))
        self.addCleanup(shutil.rmtree, self.top)

    def sh(self, line, check=True):
        """A line as it is typed, with what was built on PATH."""
        built = pathlib.Path(BASALT).parent
        env = {**os.environ, 'PATH': f'{built}:{built.parent}/provision:{os.environ["PATH"]}'}
        p = subprocess.run(['bash', '-c', 'set -o pipefail\n' + line], cwd=self.top, env=env, capture_output=True, text=True,
                           stdin=subprocess.DEVNULL, timeout=60)
        if check and p.returncode:
            raise AssertionError(f'{line}: exit {p.returncode}\n{p.stderr}')
        return p.stdout if check else p

    def content(self, config, path):
        return self.sh(f"jq -r '.storage.files[] | select(.path == \"{path}\").contents.source' {config} | "
                       "cut -d, -f2 | base64 -d")

    def configs(self, *dropped):
        self.sh('basalt create install-config --dir d --name c1 --base-domain example.com')
        self.sh('basalt create manifests --dir d')
        for name in dropped:
            shutil.copy(DAY1 / name, self.top / 'd/openshift')
        self.sh('basalt create ignition-configs --dir d')

    def test_look(self):
        self.configs()
        for name in ('bootstrap', 'master', 'worker'):
            self.assertEqual(self.sh(f'jq -r .ignition.version d/{name}.ign'), '2.2.0\n')
            self.sh(f'basalt validate d/{name}.ign')
        self.assertIn('journalctl -b -f -u bootkube.service', self.content('d/bootstrap.ign', '/etc/motd'))
        for role in ('master', 'worker'):
            self.assertRegex(self.sh(f"jq -r '.ignition.config.append[].source' d/{role}.ign"),
                             rf'^https://api-int\.c1\.example\.com:22623/config/{role}\?token=[0-9a-f]{{64}}\n$')
        paths = self.sh("jq -r '.storage.files[].path' d/bootstrap.ign").split()
        self.assertIn('/opt/openshift/manifests/cluster-config.yaml', paths)
        self.assertEqual(len(paths), len(set(paths)))
        self.assertIn('bootkube.service', self.sh("jq -r '.systemd.units[].name' d/bootstrap.ign").split())

    def test_edited_install_config(self):
        self.sh('basalt create install-config --dir d --name c1 --base-domain example.com')
        self.sh("sed -i 's/^baseDomain: .*/baseDomain: other.example/' d/install-config.yaml")
        self.sh("printf \"sshKey: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJW7kq2Gq1C3uGm0c1x0S6Pj0lFqk2bYV5mY0nN0o8rT me'\\n\" "
                '>> d/install-config.yaml')
        self.sh('basalt validate d/install-config.yaml')
        self.sh('basalt create ignition-configs --dir d')
        self.assertIn('//api-int.c1.other.example:', self.sh('cat d/worker.ign'))
        self.assertEqual(self.sh("jq -r '.passwd.users[] | .name, .sshAuthorizedKeys[]' d/bootstrap.ign").split('\n')[0], 'core')

    def test_time_servers_on_day_one(self):
        name = '99_masters-chrony-configuration.yaml'
        self.configs(name)
        self.assertEqual(self.content('d/bootstrap.ign', '/opt/openshift/openshift/' + name), (DAY1 / name).read_text())
        self.assertRegex(self.sh('basalt render --pool master --explain /etc/chrony.conf d/bootstrap.ign'),
                         rf'^wins +masters-chrony-configuration +\(d/bootstrap\.ign:/opt/openshift/openshift/{name}:\d+\)\n$')
        self.sh('basalt render --pool master --output ignition d/bootstrap.ign > master.json')
        self.assertTrue(self.content('master.json', '/etc/chrony.conf').startswith('server clock.redhat.com iburst\n'))
        p = self.sh('basalt render --pool worker --explain /etc/chrony.conf d/bootstrap.ign', check=False)
        self.assertEqual(p.returncode, 1)
        self.assertIn("no MachineConfig of pool 'worker' says anything about it", p.stderr)

    def test_one_file_of_another_config(self):
        self.configs()
        self.sh('basalt render --pool worker --output ignition d/bootstrap.ign > before.json')
        before = self.content('before.json', '/etc/crio/crio.conf')
        self.assertNotIn('pids_limit = 1500', before)
        (self.top / 'tree/etc/crio').mkdir(parents=True)
        (self.top / 'tree/etc/crio/crio.conf').write_text(re.sub(r'pids_limit = \d+', 'pids_limit = 1500', before))
        self.sh('basalt create machine-config --name 10-worker-container-runtime --role worker --tree tree --output 10.yaml')
        self.sh('basalt validate 10.yaml')
        who = self.sh('basalt render --pool worker --explain /etc/crio/crio.conf d/bootstrap.ign 10.yaml').splitlines()
        self.assertEqual([line.split()[:2] for line in who],
                         [['wins', '10-worker-container-runtime'], ['covered', '01-worker-container-runtime']])
        told = json.loads(self.sh('basalt render --pool worker --explain /etc/crio/crio.conf --json 10.yaml d/bootstrap.ign'))
        self.assertEqual([(row['name'], row['wins']) for row in told],
                         [('01-worker-container-runtime', False), ('10-worker-container-runtime', True)])
        self.sh('basalt render --pool worker --output ignition 10.yaml d/bootstrap.ign > after.json')
        self.assertIn('pids_limit = 1500', self.content('after.json', '/etc/crio/crio.conf'))
        other = "jq -c '[.storage.files[] | select(.path != \"/etc/crio/crio.conf\")]' "
        self.assertEqual(self.sh(other + 'before.json'), self.sh(other + 'after.json'))
        names = [self.sh('basalt render --pool worker --output name ' + files)
                 for files in ('d/bootstrap.ign', 'd/bootstrap.ign 10.yaml', '10.yaml d/bootstrap.ign')]
        self.assertEqual(names[1], names[2])
        self.assertNotEqual(names[0], names[1])

    def test_day_one_is_the_same_as_later(self):
        """What the first boot of a worker renders is what is told before: the file dropped into openshift/ wins, too."""
        self.sh('basalt create install-config --dir d --name c1 --base-domain example.com; basalt create manifests --dir d')
        (self.top / 'tree/etc/crio').mkdir(parents=True)
        (self.top / 'tree/etc/crio/crio.conf').write_text('[crio.runtime]\npids_limit = 1500\n')
        self.sh('basalt create machine-config --name 10-worker-container-runtime --role worker --tree tree '
                '--output d/openshift/10-worker-container-runtime.yaml; basalt create ignition-configs --dir d')
        self.assertIn('wins      10-worker-container-runtime',
                      self.sh('basalt render --pool worker --explain /etc/crio/crio.conf d/bootstrap.ign'))

    def test_readme(self):
        text = (pathlib.Path(__file__).resolve().parents[2] / 'README.md').read_text()
        block = re.search(r"## From an install config to a node's files\n((?:    .*\n)+)", text)[1]
        lines = [line.strip() for line in block.splitlines()]
        self.assertLessEqual(len(lines), 10)
        out = self.sh('set -e\n' + '\n'.join(line for line in lines if not line.startswith('export PATH')))
        self.assertIn('bootkube.service', out)
        self.assertIn('wins      10-worker-container-runtime', out)
        self.assertIn('covered   01-worker-container-runtime', out)
        self.assertIn('create      file /etc/motd', out)

    def test_nothing_to_render(self):
        self.configs()
        p = self.sh('basalt render --pool worker d/worker.ign', check=False)
        self.assertEqual((p.returncode, p.stderr.count('\n')), (1, 1))
        self.assertIn('bootstrap.ign', p.stderr)
        for text in ('{"ignition": {}, "storage": {"files": "x"}}', '{"ignition": {}, "storage": {"files": [1, {"path": 2}]}}'):
            (self.top / 'odd.ign').write_text(text)
            self.assertEqual(self.sh('basalt render --pool worker odd.ign', check=False).returncode, 1)


if __name__ == '__main__':
    unittest.main(verbosity=1)
