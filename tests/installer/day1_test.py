#!/usr/bin/env python3
"""The documented ways to change machines before their first boot: files dropped into openshift/, edited manifests,
edited pointer configs, fips. Each ends in bootstrap.ign and, for MachineConfigs, in what a pool gets.
Usage: day1_test.py BASALT"""
import base64, json, os, pathlib, re, shutil, subprocess, sys, tempfile, unittest

BASALT = os.path.abspath(sys.argv.pop(1))
DAY1 = pathlib.Path(__file__).resolve().parent / 'day1'
CONFIG = '''apiVersion: v1
baseDomain: example.com
metadata: {name: test}
compute: [{name: worker, replicas: 0}]
platform: {none: {}}
sshKey: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJW7kq2Gq1C3uGm0c1x0S6Pj0lFqk2bYV5mY0nN0o8rT me'
'''


def run(*args, check=True):
    p = subprocess.run([BASALT, *args], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
    if check and p.returncode:
        raise AssertionError(f'{args}: exit {p.returncode}\n{p.stderr}')
    return p


class Day1(unittest.TestCase):
    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix='basalt-day1-'))
        self.addCleanup(shutil.rmtree, self.top)
        self.d = self.top / 'd'
        self.d.mkdir()

    def create(self, what, *args, check=True):
        return run('create', what, '--dir', str(self.d), *args, check=check)

    def manifests(self, config=CONFIG):
        (self.d / 'install-config.yaml').write_text(config)
        self.create('manifests')

    def drop(self, *names):
        for name in names:
            shutil.copy(DAY1 / name, self.d / 'openshift' / name)

    def boot_files(self):
        config = json.loads((self.d / 'bootstrap.ign').read_text())
        return {f['path']: base64.b64decode(f['contents']['source'].split(',')[1]) for f in config['storage']['files']}

    def rendered(self):
        top = self.top / 'boot'
        for path, data in self.boot_files().items():
            parts = path.split('/')
            if path.startswith('/opt/openshift/') and parts[3] in ('machine-configs', 'manifests', 'openshift'):
                (top / parts[3]).mkdir(parents=True, exist_ok=True)
                (top / parts[3] / parts[4]).write_bytes(data)
        return {role: json.loads(run('render', '--pool', role, '--output', 'json', *map(str, sorted(top.iterdir()))).stdout)
                for role in ('master', 'worker')}

    def file_of(self, rendered, path):
        for f in rendered['spec']['config']['storage']['files']:
            if f['path'] == path:
                source = f['contents']['source']
                head, data = source.split(',', 1)
                return base64.b64decode(data) if head.endswith('base64') else data.encode()
        return None

    def test_a1_kernel_arguments(self):
        name = '99_openshift-machineconfig_master-kargs.yaml'
        self.manifests()
        self.drop(name)
        self.create('ignition-configs')
        self.assertEqual(self.boot_files()['/opt/openshift/openshift/' + name], (DAY1 / name).read_bytes())
        out = self.rendered()
        self.assertEqual(out['master']['spec']['kernelArguments'], ['loglevel=7'])
        self.assertFalse(out['worker']['spec'].get('kernelArguments'))

    def test_a2_chrony(self):
        self.manifests()
        self.drop('99_masters-chrony-configuration.yaml')
        self.create('ignition-configs')
        self.assertEqual(self.file_of(self.rendered()['master'], '/etc/chrony.conf'),
                         b'server clock.redhat.com iburst\ndriftfile /var/lib/chrony/drift\nmakestep 1.0 3\nrtcsync\n'
                         b'logdir /var/log/chrony\n')
        self.assertTrue(list(self.d.glob('.consumed/*/openshift/99_masters-chrony-configuration.yaml')))

    def test_a3_tpm(self):
        self.manifests()
        self.drop('99_openshift-worker-tpmv2-encryption.yaml', '99_openshift-master-tpmv2-encryption.yaml')
        self.create('ignition-configs')
        out = self.rendered()
        for role in out:
            self.assertEqual(self.file_of(out[role], '/etc/clevis.json'), b'{}\n')

    def test_a4_tang_says_source_twice(self):
        name = '99-openshift-worker-tang-encryption.yaml'
        self.manifests()
        self.drop(name)
        p = self.create('ignition-configs', check=False)
        self.assertEqual(p.returncode, 1)
        self.assertRegex(p.stderr, rf'openshift/{name}:15:11: error: duplicate key .source. \(first at line 14 column 11\)')
        self.assertFalse((self.d / 'bootstrap.ign').exists())
        self.assertTrue((self.d / 'openshift' / name).exists()) # nothing was consumed
        p = self.create('ignition-configs', '--lenient')
        self.assertRegex(p.stderr, rf'openshift/{name}:15:11: warning: ')

    def test_a4_tang(self):
        name = '99-openshift-worker-tang-encryption.yaml'
        self.manifests()
        text = (DAY1 / name).read_text().replace('          source: data:text/plain;base64,e30K\n', '')
        (self.d / 'openshift' / name).write_text(text)
        self.create('ignition-configs')
        worker = self.rendered()['worker']
        self.assertEqual(worker['spec']['kernelArguments'], ['rd.neednet=1'])
        self.assertEqual(json.loads(self.file_of(worker, '/etc/clevis.json'))['url'], 'https://tang.example.com')

    def test_a5_fips(self):
        self.manifests(CONFIG + 'fips: true\n')
        self.create('ignition-configs')
        self.assertTrue(json.loads(self.boot_files()['/etc/ignition-machine-config-encapsulated.json'])['spec']['fips'])
        out = self.rendered()
        self.assertTrue(out['master']['spec']['fips'] and out['worker']['spec']['fips'])

    def test_a7_kubelet_of_masters(self):
        self.manifests()
        self.drop('02-master-kubelet.yaml')
        self.create('ignition-configs')
        units = {u['name']: u for u in self.rendered()['master']['spec']['config']['systemd']['units']}
        self.assertIn('--register-node', units['kubelet.service']['contents'])
        self.assertNotIn('--register-with-taints', units['kubelet.service']['contents'])

    def test_a8_masters_schedulable(self):
        self.manifests()
        path = self.d / 'manifests/cluster-scheduler-02-config.yml'
        path.write_text(path.read_text().replace('mastersSchedulable: true', 'mastersSchedulable: false'))
        p = self.create('ignition-configs')
        self.assertIn('INFO Consuming Common Manifests from target directory', p.stderr)
        self.assertIn(b'mastersSchedulable: false',
                      self.boot_files()['/opt/openshift/manifests/cluster-scheduler-02-config.yml'])

    def test_a9_edited_pointer(self):
        self.manifests()
        self.create('ignition-configs')
        path = self.d / 'worker.ign'
        config = json.loads(path.read_text())
        config['ignition']['timeouts'] = {'httpResponseHeaders': 120}
        config['passwd'] = {'users': [{'name': 'core', 'sshAuthorizedKeys': ['ssh-rsa AAAA']}]}
        path.write_text(json.dumps(config))
        run('validate', str(path))
        edited = path.read_text()
        self.create('ignition-configs')
        self.assertEqual(path.read_text(), edited)
        secret = self.boot_files()['/opt/openshift/openshift/99_openshift-cluster-api_worker-user-data-secret.yaml']
        data = base64.b64decode(re.search(rb'userData: (\S+)', secret)[1]).decode()
        self.assertEqual(data, edited)

    def test_removed_manifest_stays_away(self):
        self.manifests()
        (self.d / 'openshift/99_openshift-machineconfig_99-worker-ssh.yaml').unlink()
        self.create('ignition-configs')
        self.assertNotIn('/opt/openshift/openshift/99_openshift-machineconfig_99-worker-ssh.yaml', self.boot_files())

    def test_anything_else_is_carried_as_it_is(self):
        self.manifests()
        (self.d / 'openshift/notes.txt').write_bytes(b'\x00\xffnot yaml: [')
        self.create('ignition-configs')
        self.assertEqual(self.boot_files()['/opt/openshift/openshift/notes.txt'], b'\x00\xffnot yaml: [')

    def test_bad_machine_config_is_found_here(self):
        self.manifests()
        self.drop('bad-path.yaml')
        p = self.create('ignition-configs', check=False)
        self.assertEqual(p.returncode, 1)
        self.assertRegex(p.stderr, r'openshift/bad-path\.yaml:14:\d+: error: ')
        self.assertIn('1 error in the manifests', p.stderr)
        self.assertIn('path: etc/relative', p.stderr) # the line itself, which the log does not get
        log = (self.d / '.openshift_install.log').read_text()
        self.assertIn('openshift/bad-path.yaml:14:', log)
        self.assertNotIn('path: etc/relative', log)
        self.assertFalse((self.d / 'bootstrap.ign').exists())


if __name__ == '__main__':
    unittest.main(verbosity=1)
