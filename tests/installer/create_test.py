#!/usr/bin/env python3
"""basalt create, as its users meet it: files and their shapes, what is consumed and kept, permissions, the same
bytes from the same seed, certificates in the eyes of openssl(1), and what a killed run leaves.
Usage: create_test.py BASALT"""
import base64, json, os, pathlib, random, re, shutil, signal, stat, subprocess, sys, tempfile, time, unittest

BASALT = os.path.abspath(sys.argv.pop(1))
NOW = '2026-01-02T03:04:05Z'
SECRET = 'dXNlcjpodW50ZXIyc2VjcmV0'
CONFIG = f'''apiVersion: v1
baseDomain: example.com
metadata:
  name: test
compute:
- name: worker
  replicas: 0
controlPlane:
  name: master
  replicas: 3
platform:
  none: {{}}
pullSecret: '{{"auths":{{"registry.example.com":{{"auth":"{SECRET}"}}}}}}'
sshKey: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJW7kq2Gq1C3uGm0c1x0S6Pj0lFqk2bYV5mY0nN0o8rT me'
'''
RICH = CONFIG.replace('metadata:', '''fips: true
additionalTrustBundle: |
  @CERT@
proxy:
  httpProxy: http://user:pa%20ss@proxy.example.com:3128
  httpsProxy: http://proxy.example.com:3129
  noProxy: extra.example.com
imageContentSources:
- source: quay.io/a/b
  mirrors: [mirror.example.com:5000/a/b]
- source: quay.io/c/d
  mirrors: [mirror.example.com/c]
metadata:''').replace('name: master\n', 'name: master\n  hyperthreading: Disabled\n')


def run(*args, check=True, env=None, **kw):
    p = subprocess.run([BASALT, *args], capture_output=True, text=True, env={**os.environ, **(env or {})},
                       stdin=subprocess.DEVNULL, timeout=120, **kw)
    if check and p.returncode:
        raise AssertionError(f'{args}: exit {p.returncode}\n{p.stderr}')
    return p


class Create(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix='basalt-create-'))
        self.addCleanup(shutil.rmtree, self.dir)
        self.d = self.dir / 'd'
        self.d.mkdir()

    def config(self, text=CONFIG):
        (self.d / 'install-config.yaml').write_text(text)

    def create(self, what, *args, check=True, seed='s', now=NOW):
        return run('create', what, '--dir', str(self.d), '--seed', seed, '--now', now, *args, check=check)

    def files(self):
        return sorted(str(p.relative_to(self.d)) for p in self.d.rglob('*') if p.is_file())

    def bootstrap(self):
        config = json.loads((self.d / 'bootstrap.ign').read_text())
        files = {}
        for f in config['storage']['files']:
            head, _, data = f['contents']['source'].partition(',')
            self.assertEqual(head, 'data:text/plain;charset=utf-8;base64')
            self.assertNotIn(f['path'], files)
            files[f['path']] = (base64.b64decode(data).decode(), f)
        return config, files

    # ---- shapes ----

    def test_manifests(self):
        self.config()
        p = self.create('manifests')
        self.assertEqual(p.stderr.splitlines(), [
            'WARNING Making control-plane schedulable by setting MastersSchedulable to true for Scheduler cluster '
            'settings', 'INFO Consuming Install Config from target directory',
            f'INFO Manifests created in: {self.d}/manifests and {self.d}/openshift'])
        visible = [f for f in self.files() if not f.startswith('.')]
        self.assertEqual(visible, [
            'manifests/cluster-config.yaml', 'manifests/cluster-dns-02-config.yml',
            'manifests/cluster-infrastructure-02-config.yml', 'manifests/cluster-network-02-config.yml',
            'manifests/cluster-proxy-01-config.yaml', 'manifests/cluster-scheduler-02-config.yml',
            'manifests/kube-system-configmap-root-ca.yaml', 'manifests/machine-config-pool-master.yaml',
            'manifests/machine-config-pool-worker.yaml', 'manifests/machine-config-server-tls-secret.yaml',
            'manifests/openshift-config-secret-pull-secret.yaml', 'openshift/99_kubeadmin-password-secret.yaml',
            'openshift/99_openshift-cluster-api_master-user-data-secret.yaml',
            'openshift/99_openshift-cluster-api_worker-user-data-secret.yaml',
            'openshift/99_openshift-machineconfig_99-master-ssh.yaml',
            'openshift/99_openshift-machineconfig_99-worker-ssh.yaml'])
        self.assertIn('mastersSchedulable: true', (self.d / 'manifests/cluster-scheduler-02-config.yml').read_text())
        self.assertIn('pullSecret: ""', (self.d / 'manifests/cluster-config.yaml').read_text())
        self.assertIn('- name: core', (self.d / 'openshift/99_openshift-machineconfig_99-master-ssh.yaml').read_text())
        run('validate', '--strict', *[str(f) for f in self.d.glob('[mo]*/*.y*ml')])

    def test_pointer_configs(self):
        self.config()
        self.create('ignition-configs')
        for role in 'master', 'worker':
            text = (self.d / f'{role}.ign').read_text()
            m = re.fullmatch(
                r'\{"ignition":\{"config":\{"append":\[\{"source":"https://api-int\.test\.example\.com:22623/config/' +
                role + r'\?token=([0-9a-f]{64})","verification":\{\}\}\]\},"security":\{"tls":'
                r'\{"certificateAuthorities":\[\{"source":"data:text/plain;charset=utf-8;base64,([A-Za-z0-9+/=]+)",'
                r'"verification":\{\}\}\]\}\},"timeouts":\{\},"version":"2\.2\.0"\},"networkd":\{\},"passwd":\{\},'
                r'"storage":\{\},"systemd":\{\}\}', text)
            self.assertTrue(m, text)
            self.assertTrue(base64.b64decode(m[2]).startswith(b'-----BEGIN CERTIFICATE-----'))
        meta = json.loads((self.d / 'metadata.json').read_text())
        self.assertEqual(list(meta), ['clusterName', 'clusterID', 'infraID'])
        self.assertRegex(meta['clusterID'], r'^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$')
        self.assertRegex(meta['infraID'], r'^test-[bcdfghjklmnpqrstvwxz2456789]{5}$')
        password = (self.d / 'auth/kubeadmin-password').read_text()
        part = '[a-km-zA-NP-Z2-9]{5}'
        self.assertRegex(password, f'^{part}-{part}-{part}-{part}$')

    def test_bootstrap(self):
        self.config()
        self.create('ignition-configs')
        config, files = self.bootstrap()
        self.assertEqual(list(config), ['ignition', 'networkd', 'passwd', 'storage', 'systemd'])
        self.assertEqual(config['ignition'], {'config': {}, 'security': {'tls': {}}, 'timeouts': {}, 'version': '2.2.0'})
        self.assertEqual(config['passwd']['users'][0]['name'], 'core')
        motd = files['/etc/motd'][1]
        self.assertEqual(list(motd), ['filesystem', 'path', 'user', 'append', 'contents', 'mode'])
        self.assertEqual([motd[k] for k in ('filesystem', 'user', 'append', 'mode')], ['root', {'name': 'root'}, True, 420])
        self.assertIn('journalctl -b -f -u bootkube.service', files['/etc/motd'][0])
        modes = {'/usr/local/bin/bootkube.sh': 0o555, '/root/.docker/config.json': 0o600,
                 '/opt/openshift/tls/root-ca.crt': 0o644, '/opt/openshift/tls/kubelet-signer.key': 0o600,
                 '/opt/openshift/auth/kubeconfig-loopback': 0o600, '/opt/openshift/tokens.json': 0o600,
                 '/opt/openshift/manifests/cluster-config.yaml': 0o644}
        for path, mode in modes.items():
            self.assertEqual(files[path][1]['mode'], mode, path)
        self.assertNotIn('/opt/openshift/tls/root-ca.key', files)
        self.assertIn('https://localhost:6443', files['/opt/openshift/auth/kubeconfig-loopback'][0])
        self.assertIn('https://api-int.test.example.com:6443', files['/opt/openshift/auth/kubeconfig'][0])
        units = {u['name']: u for u in config['systemd']['units']}
        self.assertTrue(units['bootkube.service']['enabled'])
        subprocess.run(['sh', '-n'], input=files['/usr/local/bin/bootkube.sh'][0], text=True, check=True)
        import hashlib
        tokens = json.loads(files['/opt/openshift/tokens.json'][0])['tokens']
        self.assertEqual([t['role'] for t in tokens], ['master', 'worker'])
        for t in tokens:
            self.assertEqual(t['expires'], '2026-01-03T03:04:05Z')
            pointer = (self.d / f'{t["role"]}.ign').read_text()
            token = re.search(r'token=([0-9a-f]+)', pointer)[1]
            self.assertEqual(hashlib.sha256(token.encode()).hexdigest(), t['sha256'])
            self.assertNotIn(token, json.dumps([f for p, (f, _) in files.items() if 'user-data' not in p]))
        run('validate', str(self.d / 'bootstrap.ign'))

    def test_everything_that_can_be_said(self):
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                        '-keyout', str(self.dir / 'k'), '-out', str(self.dir / 'c'), '-subj', '/CN=mirror'],
                       check=True, capture_output=True)
        self.config(RICH.replace('@CERT@', (self.dir / 'c').read_text().strip().replace('\n', '\n  ')))
        self.create('manifests')
        made = self.files()
        for name in ('manifests/image-content-source-policy-0.yaml', 'manifests/image-content-source-policy-1.yaml',
                     'manifests/user-ca-bundle-config.yaml', 'openshift/99_openshift-machineconfig_99-master-fips.yaml',
                     'openshift/99_openshift-machineconfig_99-worker-fips.yaml',
                     'openshift/99_openshift-machineconfig_99-master-disable-hyperthreading.yaml'):
            self.assertIn(name, made)
        self.assertNotIn('openshift/99_openshift-machineconfig_99-worker-disable-hyperthreading.yaml', made)
        run('validate', '--strict', *[str(f) for f in self.d.glob('[mo]*/*.y*ml')])
        self.create('ignition-configs')
        _, files = self.bootstrap()
        self.assertIn('NO_PROXY=', files['/etc/profile.d/proxy.sh'][0])
        self.assertIn('extra.example.com', files['/etc/profile.d/proxy.sh'][0])
        self.assertIn('HTTP_PROXY=http://user:pa%%20ss@', files['/etc/systemd/system.conf.d/10-default-env.conf'][0])
        self.assertTrue(json.loads(files['/etc/ignition-machine-config-encapsulated.json'][0])['spec']['fips'])
        self.assertIn('location = "mirror.example.com:5000/a/b"', files['/etc/containers/registries.conf'][0])
        self.assertIn('BEGIN CERTIFICATE', files['/etc/pki/ca-trust/source/anchors/ca.crt'][0])
        out = self.render(files)
        self.assertIn('fips: true', out['master'])
        self.assertIn('nosmt', out['master'])
        self.assertNotIn('nosmt', out['worker'])

    def render(self, files):
        """What the bootstrap machine would make of its files, per pool."""
        top, args, out = self.dir / 'boot', [], {}
        for path, (text, _) in files.items():
            if path.startswith(('/opt/openshift/machine-configs/', '/opt/openshift/manifests/', '/opt/openshift/openshift/')):
                file = top / path.split('/')[3] / path.split('/')[4]
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
        for role in 'master', 'worker':
            out[role] = run('render', '--pool', role, *sorted(map(str, top.iterdir()))).stdout
        return out

    def test_base_configs(self):
        self.config()
        self.create('ignition-configs')
        out = self.render(self.bootstrap()[1])
        for role in out:
            for path in ('/etc/containers/registries.conf', '/etc/containers/storage.conf', '/etc/crio/crio.conf'):
                self.assertIn(path, out[role])
            self.assertIn('kubelet.service', out[role])

    def test_baremetal_needs_no_names(self):
        self.config(CONFIG.replace('none: {}', 'baremetal: {apiVIP: 10.0.0.5}'))
        self.create('ignition-configs')
        self.assertIn('https://10.0.0.5:22623/config/master?token=', (self.d / 'master.ign').read_text())
        self.assertIn('https://10.0.0.5:6443', (self.d / 'auth/kubeconfig').read_text())
        cert = self.bootstrap()[1]['/opt/openshift/tls/machine-config-server.crt'][0]
        text = subprocess.run(['openssl', 'x509', '-noout', '-text'], input=cert, capture_output=True, text=True).stdout
        self.assertIn('IP Address:10.0.0.5', text)

    def test_newer_spec(self):
        self.config()
        self.create('ignition-configs', '--ignition-version', '3.2.0')
        master = json.loads((self.d / 'master.ign').read_text())
        self.assertEqual(master['ignition']['version'], '3.2.0')
        self.assertTrue(master['ignition']['config']['merge'][0]['source'].startswith('https://api-int.'))
        self.assertEqual(json.loads((self.d / 'bootstrap.ign').read_text())['ignition']['version'], '3.2.0')
        for f in 'master.ign', 'bootstrap.ign':
            run('validate', str(self.d / f))

    # ---- certificates ----

    def test_certificates(self):
        self.config()
        self.create('ignition-configs', now=time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()))
        _, files = self.bootstrap()
        tls = self.dir / 'tls'
        tls.mkdir()
        for path, (text, _) in files.items():
            if path.startswith('/opt/openshift/tls/'):
                (tls / os.path.basename(path)).write_text(text)
        chains = {'machine-config-server': 'root-ca', 'journal-gatewayd': 'root-ca',
                  'admin-kubeconfig-client': 'admin-kubeconfig-ca-bundle',
                  'kubelet-client': 'kubelet-bootstrap-kubeconfig-ca-bundle',
                  'kube-apiserver-lb-server': 'kube-apiserver-complete-server-ca-bundle',
                  'kube-apiserver-internal-lb-server': 'kube-apiserver-lb-ca-bundle',
                  'kube-apiserver-localhost-server': 'kube-apiserver-complete-server-ca-bundle',
                  'kube-apiserver-service-network-server': 'kube-apiserver-complete-server-ca-bundle',
                  'kube-apiserver-to-kubelet-client': 'kube-apiserver-complete-client-ca-bundle',
                  'kube-control-plane-kube-scheduler-client': 'kube-apiserver-complete-client-ca-bundle',
                  'aggregator-client': 'aggregator-ca-bundle', 'apiserver-proxy': 'aggregator-ca',
                  'etcd-client': 'etcd-ca-bundle', 'etcd-metric-signer-client': 'etcd-metric-ca-bundle'}
        for leaf, bundle in chains.items():
            p = subprocess.run(['openssl', 'verify', '-x509_strict', '-CAfile', str(tls / f'{bundle}.crt'),
                                str(tls / f'{leaf}.crt')], capture_output=True, text=True)
            self.assertEqual(p.returncode, 0, leaf + p.stdout + p.stderr)
            self.assertNotEqual(subprocess.run(
                ['openssl', 'verify', '-no-CApath', '-no-CAstore', '-CAfile', str(tls / 'etcd-signer.crt'),
                 str(tls / f'{leaf}.crt')], capture_output=True).returncode == 0, not leaf.startswith('etcd-client'))
            public = [subprocess.run(c, capture_output=True, text=True, check=True).stdout for c in (
                ['openssl', 'x509', '-in', str(tls / f'{leaf}.crt'), '-pubkey', '-noout'],
                ['openssl', 'pkey', '-in', str(tls / f'{leaf}.key'), '-pubout'])]
            self.assertEqual(public[0], public[1], leaf)

        def show(name):
            return subprocess.run(['openssl', 'x509', '-in', str(tls / f'{name}.crt'), '-noout', '-text', '-nameopt',
                                   'RFC2253'], capture_output=True, text=True, check=True).stdout
        def hours(name):
            out = subprocess.run(['openssl', 'x509', '-in', str(tls / f'{name}.crt'), '-noout', '-startdate',
                                  '-enddate', '-dateopt', 'iso_8601'], capture_output=True, text=True).stdout
            a, b = [time.mktime(time.strptime(l.split('=')[1], '%Y-%m-%d %H:%M:%SZ')) for l in out.split('\n')[:2]]
            return (b - a) / 3600
        for name in ('kubelet-client', 'kubelet-signer', 'kube-apiserver-lb-server', 'aggregator-signer'):
            self.assertAlmostEqual(hours(name), 24 + 5 / 60, places=2, msg=name)
        self.assertAlmostEqual(hours('root-ca'), 87600 + 5 / 60, places=1)
        self.assertAlmostEqual(hours('kube-control-plane-signer'), 8760 + 5 / 60, places=1)
        self.assertIn('CN=system:serviceaccount:openshift-machine-config-operator:node-bootstrapper',
                      show('kubelet-client'))
        self.assertIn('O=system:serviceaccounts:openshift-machine-config-operator', show('kubelet-client'))
        self.assertIn('CN=system:admin,O=system:masters', show('admin-kubeconfig-client'))
        self.assertIn('DNS:api-int.test.example.com', show('machine-config-server'))
        self.assertIn('IP Address:172.30.0.1', show('kube-apiserver-service-network-server'))
        self.assertIn('IP Address:127.0.0.1', show('kube-apiserver-localhost-server'))
        self.assertIn('CA:TRUE', show('root-ca'))
        self.assertNotIn('Key Encipherment', show('kube-apiserver-lb-server'))
        kubeconfig = (self.d / 'auth/kubeconfig').read_text()
        for key, name in (('client-certificate-data', 'admin-kubeconfig-client.crt'),
                          ('client-key-data', 'admin-kubeconfig-client.key'),
                          ('certificate-authority-data', 'kube-apiserver-complete-server-ca-bundle.crt')):
            data = base64.b64decode(re.search(key + r': (\S+)', kubeconfig)[1]).decode()
            self.assertEqual(data, (tls / name).read_text())

    def test_rsa_on_request(self):
        self.config()
        self.create('manifests', '--key-type', 'rsa2048')
        text = (self.d / 'manifests/machine-config-server-tls-secret.yaml').read_text()
        key = base64.b64decode(re.search(r'tls.key: (\S+)', text)[1])
        self.assertTrue(key.startswith(b'-----BEGIN RSA PRIVATE KEY-----'))

    # ---- the store ----

    def test_nothing_is_deleted(self):
        self.config()
        self.create('manifests')
        self.assertEqual((self.d / '.consumed/20260102T030405Z/install-config.yaml').read_text(), CONFIG)
        before = {f: (self.d / f).read_bytes() for f in self.files() if f.startswith(('manifests/', 'openshift/'))}
        p = self.create('ignition-configs')
        self.assertEqual([l for l in p.stderr.splitlines() if l.startswith('INFO')], [
            f'INFO Consuming {n} from target directory' for n in
            ('Master Machines', 'Worker Machines', 'Common Manifests', 'Openshift Manifests')] + [
            f'INFO Ignition-Configs created in: {self.d} and {self.d}/auth'])
        for f, data in before.items():
            self.assertEqual((self.d / '.consumed/20260102T030405Z-2' / f).read_bytes(), data)
            self.assertFalse((self.d / f).exists())
        self.assertFalse((self.d / 'manifests').exists())

    def test_a_second_run_changes_nothing(self):
        self.config()
        self.create('ignition-configs')
        names = ['auth/kubeconfig', 'auth/kubeadmin-password', 'bootstrap.ign', 'master.ign', 'worker.ign', 'metadata.json']
        before = [(self.d / n).read_bytes() for n in names]
        (self.d / 'worker.ign').unlink()
        self.create('ignition-configs', seed='other')
        self.assertEqual(before, [(self.d / n).read_bytes() for n in names])

    def test_edited_install_config_makes_all_that_depends_anew(self):
        self.config()
        self.create('manifests')
        self.config(CONFIG.replace('name: test\n', 'name: other\n'))
        p = self.create('ignition-configs', seed='t')
        self.assertIn('WARNING Discarding the Common Manifests that was provided in the target directory because its '
                      'dependencies are dirty and it needs to be regenerated', p.stderr)
        _, files = self.bootstrap()
        self.assertIn('other.example.com', files['/opt/openshift/manifests/cluster-dns-02-config.yml'][0])
        self.assertIn('api-int.other.example.com', (self.d / 'master.ign').read_text())
        aside = list(self.d.glob('.consumed/*/manifests/cluster-dns-02-config.yml'))
        self.assertEqual(len(aside), 1) # the discarded one is kept as well

    def test_old_state_is_refused(self):
        self.config()
        self.create('manifests')
        p = self.create('ignition-configs', check=False, now='2026-01-02T16:00:00Z')
        self.assertEqual(p.returncode, 1)
        self.assertRegex(p.stderr, r'FATAL \d+ of the certificates and tokens in .* are past half of their life: .* '
                                   r'is 1[23]h\d\dm old and expires in 1[01]h\d\dm\. Run again with --reuse-state=never')
        self.assertFalse((self.d / 'bootstrap.ign').exists())
        p = self.create('ignition-configs', check=False, now='2026-01-05T16:00:00Z')
        self.assertIn('expired', p.stderr)
        old = (self.d / 'manifests/machine-config-server-tls-secret.yaml').read_text()
        self.create('ignition-configs', '--reuse-state', 'never', now='2026-01-02T16:00:00Z', seed='u')
        new = self.bootstrap()[1]['/opt/openshift/manifests/machine-config-server-tls-secret.yaml'][0]
        self.assertNotEqual(old, new)
        self.create('ignition-configs', now='2026-01-02T17:00:00Z')

    def test_files_that_were_added_are_not_forgotten_unseen(self):
        self.config()
        self.create('manifests')
        (self.d / 'openshift/99-mine.yaml').write_text('kind: ConfigMap\napiVersion: v1\n')
        self.create('ignition-configs')
        p = self.create('ignition-configs', '--reuse-state=never', seed='t')
        self.assertEqual([l.split()[1] for l in p.stderr.splitlines() if 'is not taken over' in l], ['openshift/99-mine.yaml'])
        self.assertTrue(list(self.d.glob('.consumed/*/openshift/99-mine.yaml')))
        shutil.rmtree(self.d)
        self.d.mkdir()
        self.config()
        self.create('manifests')
        (self.d / 'openshift/99-mine.yaml').write_text('kind: ConfigMap\napiVersion: v1\n')
        self.create('ignition-configs')
        self.config(CONFIG.replace('example.com', 'example.org'))
        p = self.create('ignition-configs')
        self.assertIn('WARNING openshift/99-mine.yaml of a former run is not taken over', p.stderr)

    def test_lifetimes_scale(self):
        self.config()
        self.create('manifests', '--lifetime-scale', '3600')
        p = self.create('ignition-configs', '--lifetime-scale', '3600', check=False, now='2026-01-02T03:04:20Z')
        self.assertEqual(p.returncode, 1)
        self.assertIn('past half of their life', p.stderr)

    def test_permissions(self):
        self.config()
        os.umask(0)
        self.addCleanup(os.umask, 0o22)
        self.create('manifests')
        for name in ('manifests', 'openshift'):
            self.assertEqual(stat.S_IMODE((self.d / name).stat().st_mode), 0o750, name)
        self.create('ignition-configs')
        for f in self.files():
            mode = stat.S_IMODE((self.d / f).stat().st_mode)
            if f == 'metadata.json':
                self.assertEqual(mode, 0o640)
            elif not f.endswith('install-config.yaml'): # the user's own
                self.assertEqual(mode, 0o600, f)
        for name, mode in (('auth', 0o700), ('.consumed', 0o700)):
            self.assertEqual(stat.S_IMODE((self.d / name).stat().st_mode), mode, name)

    def test_secrets_stay_out_of_the_log(self):
        self.config()
        p = self.create('manifests', '--log-level', 'debug')
        q = self.create('ignition-configs', '--log-level', 'debug')
        said = p.stderr + q.stderr + (self.d / '.openshift_install.log').read_text()
        password = (self.d / 'auth/kubeadmin-password').read_text()
        token = re.search(r'token=([0-9a-f]+)', (self.d / 'master.ign').read_text())[1]
        for secret in (SECRET, password, token, 'PRIVATE KEY', 'hunter'):
            self.assertNotIn(secret, said)
        self.assertIn('DEBUG Generating Root CA', said)

    def test_same_seed_same_bytes(self):
        def everything():
            self.config()
            self.create('manifests')
            self.create('ignition-configs')
            made = {f: (self.d / f).read_bytes() for f in self.files() if not f.endswith('.log')}
            shutil.rmtree(self.d)
            self.d.mkdir()
            return made
        first, second = everything(), everything()
        self.assertEqual(first.keys(), second.keys())
        for f in first:
            self.assertEqual(first[f], second[f], f)
        self.config()
        self.create('ignition-configs', seed='another')
        self.assertNotEqual(first['master.ign'], (self.d / 'master.ign').read_bytes())

    def test_source_date_epoch(self):
        self.config()
        run('create', 'manifests', '--dir', str(self.d), '--seed', 's', env={'SOURCE_DATE_EPOCH': '1767323045'})
        self.assertTrue((self.d / '.consumed/20260102T030405Z').exists())

    def test_two_at_once(self):
        import fcntl
        fd = os.open(self.d, os.O_RDONLY)
        self.addCleanup(os.close, fd)
        fcntl.flock(fd, fcntl.LOCK_EX)
        self.config()
        p = self.create('manifests', check=False)
        self.assertEqual(p.returncode, 1)
        self.assertIn('another basalt is at work', p.stderr)

    def test_killed_at_any_moment(self):
        """Whatever a killed run leaves, the next one ends with one consistent set."""
        kills, rng = 0, random.Random(1)
        self.config()
        start = time.monotonic()
        self.create('ignition-configs')
        usual = time.monotonic() - start
        for i in range(15):
            shutil.rmtree(self.d)
            self.d.mkdir()
            self.config()
            p = subprocess.Popen([BASALT, 'create', 'ignition-configs', '--dir', str(self.d)], stderr=subprocess.DEVNULL)
            time.sleep(rng.uniform(0, usual))
            p.kill()
            kills += p.wait() == -signal.SIGKILL
            run('create', 'ignition-configs', '--dir', str(self.d))
            self.assert_consistent()
            self.assertFalse((self.d / '.openshift_install_pending.json').exists())
        self.assertGreater(kills, 3)

    def test_interrupted_after_the_decision(self):
        """The pending file of a run that died at once is completed, from any point of it."""
        self.config()
        self.create('manifests')
        # A change written down by hand, as a run would leave it.
        state = json.loads((self.d / '.openshift_install_state.json').read_text())
        pending = {'state': state, 'writes': [{'path': 'auth/x', 'mode': 0o600, 'data': 'aGk='}],
                   'moves': ['manifests/cluster-dns-02-config.yml'], 'aside': '.consumed/later'}
        for _ in range(2): # the second time everything but the removal has been done already
            (self.d / '.openshift_install_pending.json').write_text(json.dumps(pending))
            p = self.create('manifests')
            self.assertIn('INFO Completed the change of a run that was interrupted', p.stderr)
            self.assertEqual((self.d / 'auth/x').read_text(), 'hi')
            self.assertTrue((self.d / '.consumed/later/manifests/cluster-dns-02-config.yml').exists())
        for bad in ('../x', '/etc/x', 'a/../../x'):
            pending['writes'][0]['path'] = bad
            (self.d / '.openshift_install_pending.json').write_text(json.dumps(pending))
            p = self.create('manifests', check=False)
            self.assertEqual(p.returncode, 1)
            self.assertIn('damaged', p.stderr)
        self.assertFalse((self.dir / 'x').exists())

    def assert_consistent(self):
        """One root signs the server, and the admin's kubeconfig belongs to the bootstrap's."""
        _, files = self.bootstrap()
        pointer = json.loads((self.d / 'master.ign').read_text())
        ca = pointer['ignition']['security']['tls']['certificateAuthorities'][0]['source'].split(',')[1]
        self.assertEqual(base64.b64decode(ca).decode(), files['/opt/openshift/tls/root-ca.crt'][0])
        inner = files['/opt/openshift/auth/kubeconfig'][0]
        self.assertEqual(inner.replace('api-int.', 'api.'), (self.d / 'auth/kubeconfig').read_text())

    def test_damaged_state(self):
        self.config()
        self.create('manifests')
        (self.d / '.openshift_install_state.json').write_text('{"assets": ')
        p = self.create('manifests', check=False)
        self.assertEqual(p.returncode, 1)
        self.assertIn('.openshift_install_state.json is damaged: move it away to start afresh', p.stderr)

    # ---- the command line ----

    def test_new_install_config(self):
        (self.dir / 'ps').write_text('{"auths":{"a.example":{"auth":"eA=="}}}\n')
        p = self.create('install-config', '--name', 'new', check=False)
        self.assertEqual(p.returncode, 3)
        self.assertIn('these options are missing to make one: --base-domain', p.stderr)
        self.create('install-config', '--name', 'new', '--base-domain', 'b.example', '--pull-secret-file',
                    str(self.dir / 'ps'), '--workers', '0', '--masters', '1')
        text = (self.d / 'install-config.yaml').read_text()
        for line in ('apiVersion: v1', 'baseDomain: b.example', '  name: new', '  replicas: 0', '  replicas: 1'):
            self.assertIn(line, text)
        run('validate', '--strict', str(self.d / 'install-config.yaml'))
        self.create('ignition-configs')
        self.assertIn('api-int.new.b.example', (self.d / 'master.ign').read_text())

    def test_bad_install_config(self):
        self.config(CONFIG.replace('name: test', 'name: Test').replace('none: {}', 'aws: {}') + 'fibs: true\n')
        p = self.create('manifests', check=False)
        self.assertEqual(p.returncode, 3)
        self.assertIn(f'{self.d}/install-config.yaml:4:9: error: metadata.name: Invalid value: "Test"', p.stderr)
        self.assertIn('platform: Invalid value: "aws": must specify one of the platforms (baremetal, none)', p.stderr)
        self.assertIn('warning: fibs: unknown field "fibs"; did you mean "fips"?', p.stderr)
        self.assertIn('FATAL failed to load asset "Install Config": invalid "install-config.yaml" file: [metadata.name: '
                      'Invalid value: "Test": a DNS-1123', p.stderr)
        self.assertIn(', platform: Invalid value: "aws": must specify one of the platforms (baremetal, none)]', p.stderr)
        self.assertNotIn(SECRET, p.stderr)
        self.assertEqual(self.files(), ['.openshift_install.log', 'install-config.yaml'])

    def test_what_is_no_file(self):
        for path in ('install-config.yaml', 'openshift/below'):
            shutil.rmtree(self.d, ignore_errors=True)
            (self.d / path).mkdir(parents=True)
            p = self.create('manifests', check=False)
            self.assertEqual(p.returncode, 1)
            self.assertIn(f'{path} in {self.d} is no regular file', p.stderr)
        shutil.rmtree(self.d)
        key = self.dir / 'key'
        for bad in (b'\xff\xfe', b'ssh-rsa A\0A'):
            key.write_bytes(bad)
            p = self.create('install-config', '--name', 'a', '--base-domain', 'b.c', '--ssh-key-file', str(key), check=False)
            self.assertEqual(p.returncode, 1)
            self.assertIn(f"--ssh-key-file: '{key}' is not text", p.stderr)

    def test_usage(self):
        for args in (['create', 'manifests', '--log-level', 'loud'], ['create', 'manifests', '--now', 'later'],
                     ['create', 'nothing'], ['create', 'manifests', '--key-type', 'dsa'], ['frobnicate'],
                     ['create', 'manifests', '--ignition-version', '2.0.0'], ['completion', 'fish']):
            self.assertEqual(run(*args, check=False, cwd=self.d).returncode, 2, args)
        self.assertEqual(self.files(), [])

    def test_log_levels(self):
        self.config()
        p = self.create('manifests', '--log-level', 'error')
        self.assertEqual(p.stderr, '')
        self.assertIn('INFO Consuming Install Config from target directory',
                      (self.d / '.openshift_install.log').read_text())

    def test_printing_verbs(self):
        self.assertRegex(run('version').stdout, r'^basalt \d')
        graph = run('graph').stdout
        self.assertIn('"Bootstrap Ignition Config" -> "Certificate (kubelet-signer)";', graph)
        self.assertIn('"Target manifests" -> "Common Manifests";', graph)
        subprocess.run(['bash', '-n'], input=run('completion', 'bash').stdout, text=True, check=True)
        text = run('explain', 'installconfig.compute.replicas').stdout
        self.assertIn('FIELD:    replicas <integer>', text)
        self.assertIn('Default: 3', text)
        self.assertIn('cidr <string> -required-', run('explain', 'installconfig.networking.machineNetwork').stdout)
        self.assertEqual(run('explain', 'installconfig.nothing', check=False).returncode, 1)

    def test_output_that_nobody_takes(self):
        """What cannot be written is a failure; a closed descriptor is never given to a file of ours."""
        for verb in (['version'], ['graph'], ['explain', 'installconfig'], ['--help'], ['completion', 'bash']):
            with open('/dev/full', 'w') as full:
                p = subprocess.run([BASALT, *verb], stdout=full, stderr=subprocess.PIPE, text=True)
            self.assertEqual(p.returncode, 1, verb)
            self.assertIn('standard output', p.stderr)
            p = subprocess.run(['sh', '-c', '"$@" >&-', 'sh', BASALT, *verb], stderr=subprocess.PIPE, text=True)
            self.assertEqual((p.returncode, p.stderr.count('\n')), (1, 1), verb)
        subprocess.run(['sh', '-c', '"$@" >&- 2>&-', 'sh', BASALT, 'create', 'install-config', '--dir', str(self.dir),
                        '--name', 'a', '--base-domain', 'b.c'], check=True)
        self.assertIn('baseDomain: b.c', (self.dir / 'install-config.yaml').read_text())

    def test_graph_is_one(self):
        """Every name has a row, nothing depends on itself, every row is needed."""
        parents = {}
        for a, b in re.findall(r'^  "(.*)" -> "(.*)";$', run('graph').stdout, re.M):
            parents.setdefault(a, []).append(b)
        done, path = set(), []

        def visit(name):
            self.assertNotIn(name, path)
            if name not in done:
                path.append(name)
                for parent in parents.get(name, []):
                    visit(parent)
                done.add(path.pop())
        for target in ('Target install-config', 'Target manifests', 'Target ignition-configs'):
            visit(target)
        self.assertEqual(set(parents) - done, set())
        self.assertGreater(len(done), 60)

    def test_asked_at_a_terminal(self):
        import pty
        pid, fd = pty.fork()
        if pid == 0:
            os.environ['HOME'] = str(self.dir)
            os.execv(BASALT, [BASALT, 'create', 'install-config', '--dir', str(self.d)])
        said = b''
        for prompt, answer in ((b'Base Domain', b'asked.example'), (b'Cluster Name', b'tty'),
                               (b'Pull Secret', b'{"auths":{"h":{"auth":"U0VDUkVU"}}}')):
            while prompt not in said:
                said += os.read(fd, 4096)
            os.write(fd, answer + b'\n')
        try:
            while chunk := os.read(fd, 4096):
                said += chunk
        except OSError:
            pass # the terminal is gone
        self.assertEqual(os.waitpid(pid, 0)[1], 0, said)
        text = (self.d / 'install-config.yaml').read_text()
        self.assertIn('baseDomain: asked.example', text)
        self.assertIn('U0VDUkVU', text)
        self.assertNotIn(b'U0VDUkVU', said)

    def test_completion(self):
        script = run('completion', 'bash').stdout
        for words, wanted in ((['basalt', 'cre'], ['create']), (['basalt', 'create', 'man'], ['manifests']),
                              (['basalt', 'create', 'manifests', '--re'], ['--reuse-state']),
                              (['basalt', 'completion', "''"], ['bash']), (['basalt', 'explain', 'in'], ['installconfig']),
                              (['basalt', 'up', 'm'], []),
                              (['basalt', 'validate', '/proc/self/mounti'], ['/proc/self/mountinfo']),
                              (['basalt', 'machine', 'l'], ['list', 'log'])):
            ask = f'COMP_WORDS=({" ".join(words)}); COMP_CWORD={len(words) - 1}; _basalt_complete; echo "${{COMPREPLY[@]}}"'
            p = subprocess.run(['bash', '-c', script + ask], capture_output=True, text=True,
                               env={'PATH': os.path.dirname(BASALT) + ':/usr/bin:/bin'})
            self.assertEqual(p.stdout.split(), wanted, p.stderr)

    def test_validate(self):
        cases = {
            'empty.ign': ('', 1, 'not a config \\(empty\\)'),
            'version.ign': ('{"ignition":{"version":"9.9.9"}}', 1, ':1:24: error: .*unsupported config version'),
            'nothing.yaml': ('foo: 1\n', 1, 'neither an install config nor'),
            'broken.yaml': ('a: [\n', 1, 'broken.yaml:2:1: error: '),
            'secret.yaml': ('kind: Secret\ndata: {a: HIDDEN, a: HIDDEN}\n', 1, ':2:19: error: duplicate key'),
            'other.yaml': ('kind: ConfigMap\n', 0, '^$'),
            'ic.yaml': (CONFIG + 'pullSecret: HIDDEN\n', 1, 'duplicate key'),
            'ic2.yaml': (CONFIG.replace(SECRET, 'HIDDEN').replace('"auth"', '"other"'), 1, 'requires either auth'),
            'mc.yaml': ('kind: MachineConfig\napiVersion: machineconfiguration.openshift.io/v1\nspec: {}\n', 1, 'name'),
        }
        for name, (text, code, said) in cases.items():
            f = self.dir / name
            f.write_text(text)
            p = run('validate', str(f), check=False)
            self.assertEqual(p.returncode, code, name + p.stdout)
            self.assertRegex(p.stdout, said)
            self.assertNotIn('HIDDEN', p.stdout + p.stderr)
            self.assertLess(p.stdout.count('error:'), 3, p.stdout)
        out = run('validate', '--format', 'json', str(self.dir / 'version.ign'), check=False).stdout
        self.assertEqual(json.loads(out)['errors'], 1)
        self.assertEqual(run('validate', str(self.dir / 'missing'), check=False).returncode, 1)

    def test_convert(self):
        f = self.dir / 'c.ign'
        f.write_text('{"ignition":{"version":"2.2.0"},"storage":{"files":[{"filesystem":"root","path":"/a","mode":420,'
                     '"contents":{"source":"data:,x"}}]}}')
        out = json.loads(run('convert', '--to', '3.4.0', str(f)).stdout)
        self.assertEqual(out['ignition']['version'], '3.4.0')
        self.assertEqual(out['storage']['files'][0]['path'], '/a')
        f.write_text(json.dumps(out))
        back = json.loads(run('convert', '--to', '2.2.0', str(f)).stdout)
        self.assertEqual(back['storage']['files'][0]['filesystem'], 'root')
        f.write_text('{"ignition":{"version":"3.4.0"},"kernelArguments":{"shouldExist":["a"]}}')
        p = run('convert', '--to', '3.2.0', str(f), check=False)
        self.assertEqual((p.returncode, p.stdout), (1, ''))
        self.assertIn('kernelArguments', p.stderr)


if __name__ == '__main__':
    unittest.main(verbosity=1)
