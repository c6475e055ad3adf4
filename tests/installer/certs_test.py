#!/usr/bin/env python3
"""The certificate clock, and certificates that are issued again from their signers' keys: due ones, all of them,
expired ones, with parts missing, killed at each write, on a full disk. OpenSSL's program is the judge.
Usage: certs_test.py BASALT FAIL_CALLS"""
import base64, json, os, pathlib, re, shutil, subprocess, sys, tempfile, unittest

BASALT, FAIL_CALLS = (os.path.abspath(sys.argv.pop(1)) for _ in range(2))
MADE, SOON, LATE = '2026-01-01T00:00:00Z', '2026-01-01T20:00:00Z', '2026-01-04T00:00:00Z'
LATER, IN_TWO_YEARS, IN_TWELVE = '2026-01-04T01:00:00Z', '2028-01-01T00:00:00Z', '2038-06-01T00:00:00Z'
DAILY = 11  # certificates of the table that live a day, signers among them


def epoch(when):
    return subprocess.run(['date', '-d', when, '+%s'], capture_output=True, text=True, check=True).stdout.strip()


class Certs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.made = pathlib.Path(tempfile.mkdtemp(prefix='basalt-certs-'))
        cls.addClassCleanup(shutil.rmtree, cls.made)
        run = lambda *args: subprocess.run([BASALT, *args], check=True, capture_output=True)
        run('create', 'install-config', '--dir', str(cls.made / 'd'), '--name', 'c1', '--base-domain', 'example.com')
        run('create', 'ignition-configs', '--dir', str(cls.made / 'd'), '--now', MADE)
        (cls.made / 'node/tls').mkdir(parents=True)
        state = json.loads((cls.made / 'd/.openshift_install_state.json').read_text())
        for files in state['assets'].values():
            for path, data in files.items():
                if path.startswith('tls/'):
                    (cls.made / 'node' / path).write_bytes(base64.b64decode(data))

    def setUp(self):
        self.top = pathlib.Path(tempfile.mkdtemp(prefix='basalt-certs-'))
        self.addCleanup(shutil.rmtree, self.top)
        self.node = self.top / 'node'
        shutil.copytree(self.made / 'node', self.node)

    def certs(self, verb, *args, code=0, hit=None):
        command = [BASALT, 'certs', verb, *args]
        p = subprocess.run([FAIL_CALLS, *hit, *command] if hit else command, capture_output=True, text=True, timeout=60)
        if code is not None:
            self.assertEqual(p.returncode, code, p.stdout + p.stderr)
        return p

    def clock(self, when, code=0):
        out = self.certs('show', '--dir', str(self.node), '--json', '--now', when, code=code).stdout
        return {pathlib.Path(x['path']).stem: x for x in json.loads(out)['certificates']}

    def files(self):
        return {str(p.relative_to(self.node)): p.read_bytes() for p in self.node.rglob('*') if p.is_file()}

    def openssl(self, *args):
        p = subprocess.run(['openssl', *args], capture_output=True, text=True, cwd=self.node / 'tls')
        return p.stdout + p.stderr

    def all_good(self, when):
        """Every certificate is good by its signer, has its key, and every bundle holds what is in use."""
        self.assertEqual([x['warning'] for x in self.clock(when).values() if 'warning' in x], [])
        names = {x['name']: stem for stem, x in self.clock(when).items() if x['authority']}
        for stem, x in self.clock(when).items():
            signer = names[x['signer']]
            self.assertEqual(self.openssl('verify', '-x509_strict', '-attime', epoch(when), '-CAfile', f'{signer}.crt', f'{stem}.crt'),
                             f'{stem}.crt: OK\n')
            self.assertEqual(self.openssl('x509', '-noout', '-pubkey', '-in', f'{stem}.crt'),
                             self.openssl('pkey', '-pubout', '-in', f'{stem}.key'), stem)
        complete = (self.node / 'tls/kube-apiserver-complete-client-ca-bundle.crt').read_text()
        for stem in 'admin-kubeconfig-signer', 'kubelet-signer', 'kube-control-plane-signer':
            self.assertIn((self.node / f'tls/{stem}.crt').read_text(), complete)
        server = (self.node / 'tls/kube-apiserver-lb-server.crt').read_text()
        self.assertTrue(server.endswith((self.node / 'tls/kube-apiserver-lb-signer.crt').read_text()))

    def subjects(self):
        return {p.stem: self.openssl('x509', '-noout', '-subject', '-issuer', '-ext',
                                     'subjectAltName,keyUsage,extendedKeyUsage,basicConstraints', '-in', p.name)
                for p in sorted((self.node / 'tls').glob('*.crt'))}

    def test_show(self):
        text = self.certs('show', '--dir', str(self.made / 'd'), '--now', '2026-01-01T12:00:00Z').stdout
        self.assertRegex(text, r'tls/kubelet-client\.crt +2026-01-02T00:00:00Z +12h +50%  kubelet-bootstrap-kubeconfig-signer\n')
        text = self.certs('show', '--dir', str(self.made / 'd'), '--now', SOON).stdout
        self.assertRegex(text, r'tls/kubelet-signer\.crt .* 83%  kubelet-signer; is due to be renewed: renewed by basalt create')
        text = self.certs('show', '--dir', str(self.node), '--now', LATE, code=1).stdout
        self.assertEqual(len(re.findall(r'-2d  100%  .*; has expired: renewed by basalt certs renew\n', text)), DAILY)
        x = self.clock(LATE, code=1)
        self.assertEqual(len(x), 29)
        self.assertEqual(sum(c['expired'] for c in x.values()), DAILY)
        self.assertEqual(x['root-ca']['usedPercent'], 0)
        self.assertTrue(x['root-ca']['authority'])
        self.assertIn('is the clock right', self.clock('2020-01-01T00:00:00Z')['root-ca']['warning'])
        self.assertIn('no certificate in', self.certs('show', '--dir', str(self.top / 'node/..'), '--dir', '/proc/self/fd', code=1,
                                                      ).stderr)
        self.assertIn('opening', self.certs('show', '--dir', str(self.top / 'none'), code=1).stderr)

    def test_kubelet_files(self):
        pki = self.node / 'pki'
        pki.mkdir()
        shutil.copy(self.node / 'tls/kubelet-client.crt', pki / 'kubelet-client-2026-01-01-00-00-00.pem')
        os.symlink('kubelet-client-2026-01-01-00-00-00.pem', pki / 'kubelet-client-current.pem')
        os.symlink('..', pki / 'loop')
        os.symlink('nowhere', pki / 'broken.pem')
        os.mkfifo(pki / 'fifo.pem')
        (pki / 'rubbish.pem').write_text('-----BEGIN CERTIFICATE-----\n')
        x = self.clock('2026-01-01T12:00:00Z')
        self.assertEqual(len(x), 31)
        self.assertIn('nobody', x['kubelet-client-current']['renewedBy'])

    def test_nothing_due(self):
        before = self.files()
        self.assertEqual(self.certs('renew', '--dir', str(self.node), '--now', MADE).stdout, 'Nothing is due.\n')
        self.assertEqual(self.files(), before)

    def test_due(self):
        before, subjects = self.files(), self.subjects()
        out = self.certs('renew', '--dir', str(self.node), '--now', SOON).stdout
        self.assertIn('kubelet-client.key\nkubelet-client.crt\n', out)
        self.assertNotIn('kubelet-signer.key', out)
        self.all_good(SOON)
        self.all_good('2026-01-02T10:00:00Z')
        self.assertEqual(self.subjects(), subjects)  # the same names, other keys and times
        after = self.files()
        self.assertEqual(sum(after[p] != before[p] for p in before if p.endswith('.crt') and 'bundle' not in p), DAILY)
        for path in out.split('\nWhat')[0].split('\n'):
            self.assertEqual(after[f'tls/.former/2026-01-01T20-00-00Z/{path}'], before[f'tls/{path}'])
            self.assertNotEqual(after[f'tls/{path}'], before[f'tls/{path}'])
            mode = os.stat(self.node / 'tls' / path).st_mode & 0o777
            self.assertEqual(mode, 0o600 if path.endswith('.key') else 0o644)
        # who trusts the signer as it was trusts what is signed by the new one, and the other way round
        self.assertIn('OK', self.openssl('verify', '-attime', epoch('2026-01-01T21:00:00Z'), '-CAfile',
                                         '.former/2026-01-01T20-00-00Z/aggregator-signer.crt', 'aggregator-client.crt'))

    def test_recover(self):
        for when in LATE, IN_TWO_YEARS, IN_TWELVE:
            out = self.certs('recover', '--dir', str(self.node), '--now', when).stdout
            self.assertIn('kubelet-signer.crt', out)
            self.all_good(when)

    def test_all(self):
        out = self.certs('renew', '--all', '--dir', str(self.node / 'tls'), '--now', LATE).stdout
        self.assertIn('root-ca.crt\n', out)
        self.assertNotIn('root-ca.key\n', out)
        self.all_good(LATE)

    def test_scale(self):
        self.certs('recover', '--dir', str(self.node), '--now', LATE, '--lifetime-scale', '24')
        self.assertEqual(self.clock(LATE)['kubelet-client']['until'], '2026-01-04T01:00:00Z')

    def test_key_of_signer_missing(self):
        os.unlink(self.node / 'tls/kube-apiserver-lb-signer.key')
        before = self.files()
        p = self.certs('recover', '--dir', str(self.node), '--now', LATE, code=1)
        self.assertIn('kube-apiserver-lb-server: the key of its signer kube-apiserver-lb-signer is not here', p.stderr)
        self.assertIn('nothing was changed', p.stderr)
        self.assertEqual(self.files(), before)
        self.certs('renew', '--dir', str(self.node), '--now', LATE, code=1)  # what can be done is done
        x = self.clock(LATE, code=1)
        self.assertEqual({k for k in x if x[k]['expired']}, {'basalt-apiserver', 'kube-apiserver-lb-server', 'kube-apiserver-internal-lb-server'})

    def test_anothers(self):
        self.openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'kubelet-client.key', '-out',
                     'kubelet-client.crt', '-subj', '/CN=mine', '-days', '36500')
        when, mine = '2034-01-01T00:00:00Z', self.files()['tls/kubelet-client.crt']
        self.assertIn('is not signed by', self.clock(when, code=1)['kubelet-client']['warning'])
        p = self.certs('recover', '--dir', str(self.node), '--now', when, code=1)
        self.assertIn('kubelet-client: the certificate is not good', p.stderr)
        p = self.certs('renew', '--all', '--dir', str(self.node), '--now', when, code=1)
        self.assertIn('kubelet-client: kubelet-bootstrap-kubeconfig-signer has not signed it', p.stderr)
        self.assertEqual(self.files()['tls/kubelet-client.crt'], mine)

    def test_damaged(self):
        for what, content in ('kubelet-client.crt', 'x'), ('kubelet-client.key', 'x'), \
                             ('kubelet-client.key', (self.node / 'tls/root-ca.key').read_text()):
            with self.subTest(what):
                former = (self.node / 'tls' / what).read_text()
                (self.node / 'tls' / what).write_text(content)
                before = self.files()
                p = self.certs('recover', '--dir', str(self.node), '--now', LATE, code=1)
                self.assertIn('kubelet-client', p.stderr)
                self.assertEqual(self.files(), before)
                (self.node / 'tls' / what).write_text(former)
        self.assertIn('install directory', self.certs('renew', '--dir', str(self.made / 'd'), code=1).stderr)
        self.assertIn('no certificate of a cluster', self.certs('renew', '--dir', str(self.top), code=1).stderr)
        self.certs('renew', '--now', 'x', code=2)

    def hit(self, what, step):
        """Each call that could change the disk is the last one, or fails."""
        n = 1
        before = self.files()
        while True:
            report = self.top / 'report'
            p = self.certs('recover', '--dir', str(self.node), '--now', LATE, code=None, hit=[str(report), str(n), what])
            if int(report.read_text().split()[0]) < n:
                return n
            if what != 'KILL':
                self.assertEqual(p.returncode, 1, f'call {n}')
                self.assertRegex(p.stderr, r'^basalt certs recover: [^\n]+\n$')
            after = {k: v for k, v in self.files().items() if not pathlib.Path(k).name.startswith('.')}
            begun = (self.node / 'tls/.openshift_install_pending.json').exists()
            if not begun and '.former' not in str(list((self.node / 'tls').iterdir())):
                self.assertEqual(after, before, f'call {n}')
            self.certs('renew' if begun else 'recover', '--dir', str(self.node), '--now', LATE)
            self.assertFalse([p for p in (self.node / 'tls').iterdir() if p.name.startswith('.') and p.name != '.former'])
            if n % 4 == 1:
                self.all_good(LATER)
            else:
                self.assertEqual(self.clock(LATER)['kubelet-client']['usedPercent'], 4)
            shutil.rmtree(self.node)
            shutil.copytree(self.made / 'node', self.node)
            n += 1 if n < 10 else step  # the beginning decides; what comes then is the same for each file

    def test_killed(self):
        self.assertGreater(self.hit('KILL', 43), 100)

    def test_full(self):
        self.hit('ENOSPC', 67)


unittest.main()
