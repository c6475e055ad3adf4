#!/usr/bin/env python3
"""A new machine at the embedded API: with a bootstrap token it asks for a node's certificate, the controller approves
and signs, and with that certificate it asks for the next; who tries for more is denied or left to a person.
Then a node's own client, with lives of seconds: from the token to its second certificate.
Usage: csr_api_test.py BASALT_APISERVER MACHINE_CONFIG_CONTROLLER ROTATE_HTTP"""
import base64, json, os, pathlib, ssl, subprocess, sys, time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'apiserver'))
from api_server import ApiServer, temporary

APISERVER, CONTROLLER, ROTATE = (os.path.abspath(p) for p in sys.argv[1:4])
CSRS = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
CONFIGS = '/apis/machineconfiguration.openshift.io/v1/controllerconfigs'
TOKEN = {'Authorization': 'Bearer knock'}


def check(what, condition):
    if not condition:
        sys.exit(f'csr_api_test: {what}')


class Machine:
    def __init__(self, server):
        self.server = server

    def ask(self, name, subject, usage='client', names=None, who=None, headers=None):
        s = self.server
        extra = ['-addext', f'subjectAltName={names}'] if names else []
        subprocess.run(['openssl', 'req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout',
                        s.path(f'{name}.key'), '-out', s.path(f'{name}.csr'), '-subj', subject, *extra],
                       check=True, capture_output=True)
        signer = 'kube-apiserver-client-kubelet' if usage == 'client' else 'kubelet-serving'
        request = base64.b64encode(pathlib.Path(s.path(f'{name}.csr')).read_bytes()).decode()
        code, answer = s.call('POST', CSRS, {
            'apiVersion': 'certificates.k8s.io/v1', 'kind': 'CertificateSigningRequest', 'metadata': {'name': name},
            'spec': {'request': request, 'signerName': f'kubernetes.io/{signer}',
                     'usages': ['digital signature', 'key encipherment', f'{usage} auth']}}, who=who, headers=headers)
        check(f'asking for {name}: {answer}', code == 201)

    def wait(self, name, seconds=10):
        """Its condition, once there is one and, when approved, a certificate; None: nothing came."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            status = self.server.call('GET', f'{CSRS}/{name}')[1].get('status', {})
            kinds = [c['type'] for c in status.get('conditions', [])]
            if 'certificate' in status:
                pathlib.Path(self.server.path(f'{name}.crt')).write_bytes(base64.b64decode(status['certificate']))
            if kinds and (kinds != ['Approved'] or 'certificate' in status):
                return kinds[0]
            time.sleep(0.02)
        return None


def run(server):
    m, node = Machine(server), '/O=system:nodes/CN=system:node:n1'
    code, answer = server.call('POST', CONFIGS, {
        'apiVersion': 'machineconfiguration.openshift.io/v1', 'kind': 'ControllerConfig',
        'metadata': {'name': 'machine-config-controller'}, 'spec': {'clusterDNSIP': '172.30.0.10'}})
    check(f'ControllerConfig: {answer}', code == 201)
    m.ask('join', node, headers=TOKEN)
    check('n1 may join', m.wait('join') == 'Approved')
    m.ask('thief', node, headers=TOKEN)  # another key, before the node has come up
    m.ask('grab', '/O=system:masters/CN=system:node:n2', headers=TOKEN)
    check('nobody becomes an admin', m.wait('grab') == 'Denied')
    code, answer = server.call('POST', '/api/v1/nodes', {'apiVersion': 'v1', 'kind': 'Node', 'metadata': {'name': 'n1'}},
                               who='join')
    check(f'the certificate is that of n1: {answer}', code == 201)
    code, answer = server.call('PATCH', '/api/v1/nodes/n1/status', {'status': {
        'nodeInfo': {'kubeletVersion': 'v1'}, 'addresses': [{'type': 'InternalIP', 'address': '192.0.2.1'}]}}, who='join',
        headers={'Content-Type': 'application/merge-patch+json'})
    check(f'n1 reports: {answer}', code == 200)
    m.ask('renew', node, who='join')
    begun = time.monotonic()
    check('n1 renews', m.wait('renew') == 'Approved')
    took = time.monotonic() - begun
    m.ask('serve', node, 'server', 'DNS:n1,IP:192.0.2.1', who='renew')
    check('n1 serves', m.wait('serve') == 'Approved')
    m.ask('api', node, 'server', 'DNS:n1,DNS:api-int.c1.example.com', who='renew')
    check('n1 is not the API', m.wait('api') == 'Denied')
    m.ask('other', '/O=system:nodes/CN=system:node:n2', who='renew')
    check('n1 is not n2', m.wait('other') == 'Denied')
    check('the thief waits for a person', m.wait('thief', 1) is None)
    text = subprocess.run(['openssl', 'x509', '-noout', '-text', '-in', server.path('serve.crt')], capture_output=True, text=True,
                          check=True).stdout
    check(text, 'IP Address:192.0.2.1' in text and 'TLS Web Server' in text and 'CA:FALSE' in text)
    # a person decides otherwise, with kubectl's own call
    thief = server.call('GET', f'{CSRS}/thief')[1]
    thief.setdefault('status', {})['conditions'] = [{'type': 'Approved', 'status': 'True', 'reason': 'KubectlApprove'}]
    code, answer = server.call('PUT', f'{CSRS}/thief/approval', thief)
    check(f'approving: {answer}', code == 200)
    check('what a person approves is signed', m.wait('thief') == 'Approved')
    print(f'approved and signed within {took * 1000:.0f} ms')


def kubeconfig(server, name, user):
    config = json.loads(pathlib.Path(server.path('kubeconfig-admin')).read_text())
    config['users'] = [{'name': 'admin', 'user': user}]
    pathlib.Path(server.path(name)).write_text(json.dumps(config))
    return server.path(name)


def rotate(server):
    pki = pathlib.Path(server.path('pki'))
    pki.mkdir()
    current = str(pki / 'kubelet-client-current.pem')
    run = subprocess.Popen([ROTATE, kubeconfig(server, 'bootstrap', {'token': 'knock'}),
                            kubeconfig(server, 'own', {'client-certificate': current, 'client-key': current}),
                            str(pki), 'n5', '2'], stdout=subprocess.PIPE, text=True)
    try:
        first = run.stdout.readline()
        check('n5 joins', first)
        code, answer = server.call('POST', '/api/v1/nodes', {'apiVersion': 'v1', 'kind': 'Node', 'metadata': {'name': 'n5'}})
        check(f'n5 is there: {answer}', code == 201)
        times = [int(first), *map(int, run.stdout.read().split())]
        check(f'n5 renews: {times}', run.wait(60) == 0 and len(times) == 2 and times[0] < times[1])
    finally:
        run.kill()
        run.wait(20)
    users = [c['spec']['username'] for c in server.call('GET', CSRS)[1]['items'] if c['metadata']['name'].startswith('node-csr-')]
    check(f'once by the token, once as itself: {users}',
          sorted(users) == ['system:bootstrap:abcdef', 'system:node:n5'])
    check(f'{os.listdir(pki)}', len(os.listdir(pki)) == 3)


def start(server, log, *options):
    return subprocess.Popen([CONTROLLER, 'start', '--kubeconfig', server.path('kubeconfig-admin'), '--cluster-signing-cert-file',
                             server.path('ca.crt'), '--cluster-signing-key-file', server.path('ca.key'), *options], stderr=log)


def stop(controller):
    controller.terminate()
    controller.wait(20)


def main():
    with temporary() as directory:
        server = ApiServer(APISERVER, directory)
        with open(server.path('tokens'), 'a', encoding='utf-8') as f:
            f.write('knock,system:bootstrap:abcdef,9,"system:bootstrappers"\n')
        with server, open(server.path('controller.log'), 'w+', encoding='utf-8') as log:
            server.kubectl_env()
            server.call('POST', '/api/v1/namespaces', {'apiVersion': 'v1', 'kind': 'Namespace',
                                                       'metadata': {'name': 'openshift-machine-config-operator'}})
            controller = start(server, log)
            try:
                run(server)
                stop(controller)
                controller = start(server, log, '--certificate-lifetime-scale', '4320')  # twenty seconds
                rotate(server)
            except SystemExit:
                log.seek(0)
                print(log.read(), file=sys.stderr)
                raise
            finally:
                stop(controller)


main()
