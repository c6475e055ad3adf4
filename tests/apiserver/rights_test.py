#!/usr/bin/env python3
"""Who may what: certificates, tokens, anonymous, roles, nodes, machines that join. usage: rights_test.py
BASALT-APISERVER"""
import base64
import json
import os
import subprocess
import sys

from api_server import ApiServer, temporary

CM = '/api/v1/namespaces/default/configmaps'
NODES = '/api/v1/nodes'
PODS = '/api/v1/namespaces/default/pods'
LEASES = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases'
CSRS = '/apis/certificates.k8s.io/v1/certificatesigningrequests'
MERGE = {'Content-Type': 'application/merge-patch+json'}


def check(what, got, wanted):
    if got != wanted:
        raise AssertionError(f'{what}: {got!r}, not {wanted!r}')


def code(s, method, path, body=None, who=None, token=None, headers=None):
    headers = dict(headers or {})
    if token:
        headers['Authorization'] = f'Bearer {token}'
    return s.call(method, path, body, who=who, headers=headers)[0]


def pod(name, node):
    return {'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': name},
            'spec': {'nodeName': node, 'containers': [{'name': 'c', 'image': 'i'}]}}


def test_strangers(s):
    for path in ('/version', '/healthz', '/livez', '/readyz'):
        check(path, code(s, 'GET', path), 200)
    for path in ('/api', '/apis', '/api/v1', '/openapi/v3', CM, '/nothing'):
        check(path, code(s, 'GET', path), 403)
    status = s.call('GET', CM, who=None)[1]
    check('words', status['message'], 'configmaps is forbidden: User "system:anonymous" cannot list resource '
          '"configmaps" in API group "" in the namespace "default"')
    check('a path', s.call('GET', '/x', who=None)[1]['message'],
          'forbidden: User "system:anonymous" cannot get path "/x"')
    check('a CA of its own', code(s, 'GET', '/version', who='other'), 401)
    check('a token', code(s, 'GET', '/version', token='none'), 401)


def test_token_file(s):
    check('in masters', code(s, 'GET', CM, token='sesame'), 200)
    check('in nothing', code(s, 'GET', CM, token='plain'), 403)
    check('discovery', code(s, 'GET', '/apis', token='plain'), 200)
    check('the certificate does not count beside it', code(s, 'GET', CM, who='admin', token='plain'), 403)


def test_impersonation(s):
    as_bo = {'Impersonate-User': 'bo'}
    check('down', code(s, 'GET', CM, who='admin', headers=as_bo), 403)
    check('not by everybody', code(s, 'GET', '/apis', who='user', headers={'Impersonate-User': 'admin'}), 403)
    check('nor by a group', code(s, 'GET', '/apis', who='user',
                                 headers={'Impersonate-User': 'rita', 'Impersonate-Group': 'system:masters'}), 403)


def test_accounts(s):
    account = '/api/v1/namespaces/default/serviceaccounts'
    s.call('POST', account, {'apiVersion': 'v1', 'kind': 'ServiceAccount', 'metadata': {'name': 'bot'}})
    request = {'apiVersion': 'authentication.k8s.io/v1', 'kind': 'TokenRequest', 'spec': {}}
    answer, made = s.call('POST', account + '/bot/token', request)
    check('a token', answer, 201)
    token = made['status']['token']
    review = {'apiVersion': 'authentication.k8s.io/v1', 'kind': 'TokenReview', 'spec': {'token': token}}
    status = s.call('POST', '/apis/authentication.k8s.io/v1/tokenreviews', review)[1]['status']
    check('whose', status['user']['username'], 'system:serviceaccount:default:bot')
    check('no rights yet', code(s, 'GET', CM, token=token), 403)
    binding = {'apiVersion': 'rbac.authorization.k8s.io/v1', 'kind': 'RoleBinding', 'metadata': {'name': 'bot'},
               'roleRef': {'apiGroup': 'rbac.authorization.k8s.io', 'kind': 'ClusterRole', 'name': 'view'},
               'subjects': [{'kind': 'ServiceAccount', 'name': 'bot', 'namespace': 'default'}]}
    s.call('POST', '/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings', binding)
    check('bound', code(s, 'GET', CM, token=token), 200)
    check('there only', code(s, 'GET', '/api/v1/namespaces/kube-system/configmaps', token=token), 403)
    check('no secrets', code(s, 'GET', '/api/v1/namespaces/default/secrets', token=token), 403)
    head, claims, _ = token.split('.')
    forged = json.loads(base64.urlsafe_b64decode(claims + '=='))
    forged['exp'] += 1
    claims = base64.urlsafe_b64encode(json.dumps(forged).encode()).decode().rstrip('=')
    check('forged', code(s, 'GET', CM, token='.'.join((head, claims, token.split('.')[2]))), 401)
    check('cut', code(s, 'GET', CM, token=token[:-4]), 401)
    s.call('DELETE', account + '/bot')
    check('gone', code(s, 'GET', CM, token=token), 401)


def test_joining(s):
    secret = {'apiVersion': 'v1', 'kind': 'Secret', 'type': 'bootstrap.kubernetes.io/token',
              'metadata': {'name': 'bootstrap-token-abcdef', 'namespace': 'kube-system'},
              'stringData': {'token-id': 'abcdef', 'token-secret': '0123456789abcdef',
                             'usage-bootstrap-authentication': 'true', 'expiration': '2999-01-01T00:00:00Z'}}
    path = '/api/v1/namespaces/kube-system/secrets'
    check('made', s.call('POST', path, secret)[0], 201)
    token = 'abcdef.0123456789abcdef'
    pem = subprocess.run(['openssl', 'req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout',
                          os.devnull, '-subj', '/O=system:nodes/CN=system:node:x'], capture_output=True,
                         check=True).stdout
    csr = {'apiVersion': 'certificates.k8s.io/v1', 'kind': 'CertificateSigningRequest', 'metadata': {'name': 'x'},
           'spec': {'request': base64.b64encode(pem).decode(), 'usages': ['client auth'], 'username': 'admin',
                    'signerName': 'kubernetes.io/kube-apiserver-client-kubelet'}}
    headers = {'Authorization': f'Bearer {token}'}
    answer, made = s.call('POST', CSRS, csr, who=None, headers=headers)
    check('a request', (answer, made['spec']['username']), (201, 'system:bootstrap:abcdef'))
    check('its own', code(s, 'GET', CSRS + '/x', token=token), 200)
    check('its own, watched', code(s, 'GET', CSRS + '?fieldSelector=metadata.name%3Dx', token=token), 200)
    check('of all', code(s, 'GET', CSRS, token=token), 403)
    check('approve', code(s, 'PUT', CSRS + '/x/approval', made, token=token), 403)
    s.call('POST', CSRS, csr | {'metadata': {'name': 'admins'}})
    check('of others', code(s, 'GET', CSRS + '/admins', token=token), 403)
    check('nodes', code(s, 'GET', NODES, token=token), 403)
    check('wrong', code(s, 'GET', '/version', token='abcdef.0123456789abcdee'), 401)
    s.call('PATCH', path + '/bootstrap-token-abcdef', {'stringData': {'expiration': '2001-01-01T00:00:00Z'}},
           headers=MERGE)
    check('expired', code(s, 'GET', '/version', token=token), 401)
    certificate = base64.b64encode(b'-----BEGIN CERTIFICATE-----\n').decode()
    check('signed', s.call('PATCH', CSRS + '/x/status', {'status': {'certificate': certificate}}, headers=MERGE)[0], 200)
    made['status'] = {'conditions': [{'type': 'Approved', 'status': 'True', 'reason': 'T', 'message': ''}]}
    check('stale', s.call('PUT', CSRS + '/x/approval', made)[0], 409)


def test_node(s):
    def node(name):
        return {'apiVersion': 'v1', 'kind': 'Node', 'metadata': {'name': name}}

    check('itself', code(s, 'POST', NODES, node('worker-0'), who='node'), 201)
    check('another', code(s, 'POST', NODES, node('worker-1'), who='node'), 403)
    s.call('POST', NODES, node('worker-1'))
    check('read', code(s, 'GET', NODES + '/worker-0', who='node'), 200)
    check('read another', code(s, 'GET', NODES + '/worker-1', who='node'), 403)
    check('all', code(s, 'GET', NODES, who='node'), 403)
    check('all that it is', code(s, 'GET', NODES + '?fieldSelector=metadata.name%3Dworker-0', who='node'), 200)
    check('status', code(s, 'PATCH', NODES + '/worker-0/status', {'status': {}}, who='node', headers=MERGE), 200)
    check('status of another', code(s, 'PATCH', NODES + '/worker-1/status', {}, who='node', headers=MERGE), 403)
    def labels(said):
        return code(s, 'PATCH', NODES + '/worker-0', {'metadata': {'labels': said}}, who='node', headers=MERGE)
    check('labels', labels({'example.com/x': 'y'}), 200)
    check('another role', labels({'node-role.kubernetes.io/master': ''}), 403)
    s.call('PATCH', NODES + '/worker-0', {'metadata': {'labels': {'node-role.kubernetes.io/worker': ''}}}, headers=MERGE)
    check('no role', labels({'node-role.kubernetes.io/worker': None}), 403)
    check('the rest', labels({'example.com/x': None}), 200)
    check('delete itself', code(s, 'DELETE', NODES + '/worker-0', who='node'), 403)
    s.call('POST', PODS, pod('mine', 'worker-0'))
    s.call('POST', PODS, pod('theirs', 'worker-1'))
    check('its pod', code(s, 'GET', PODS + '/mine', who='node'), 200)
    check('not its pod', code(s, 'GET', PODS + '/theirs', who='node'), 403)
    check('no pod', code(s, 'GET', PODS + '/none', who='node'), 403)
    check('all pods', code(s, 'GET', '/api/v1/pods', who='node'), 403)
    check('its pods', code(s, 'GET', '/api/v1/pods?fieldSelector=spec.nodeName%3Dworker-0', who='node'), 200)
    check('pods of another', code(s, 'GET', '/api/v1/pods?fieldSelector=spec.nodeName%3Dworker-1', who='node'), 403)
    check('and', code(s, 'GET', '/api/v1/pods?fieldSelector=spec.nodeName!%3Dworker-0', who='node'), 403)
    check('a pod for another', code(s, 'POST', PODS, pod('m', 'worker-1'), who='node'), 403)
    lease = {'apiVersion': 'coordination.k8s.io/v1', 'kind': 'Lease', 'metadata': {'name': 'worker-0'}}
    check('its lease', code(s, 'PUT', LEASES + '/worker-0', lease, who='node'), 201)
    check('a lease of another', code(s, 'PUT', LEASES + '/worker-1', lease, who='node'), 403)
    check('secrets', code(s, 'GET', '/api/v1/namespaces/default/secrets', who='node'), 403)
    check('roles', code(s, 'GET', '/apis/rbac.authorization.k8s.io/v1/clusterroles', who='node'), 403)
    check('what it is to be', code(s, 'GET', '/apis/machineconfiguration.openshift.io/v1/machineconfigs', who='node'),
          200)
    check('not to say', code(s, 'DELETE', '/apis/machineconfiguration.openshift.io/v1/machineconfigs', who='node'), 403)


def test_wire(s):
    """What is no request of a client that means well."""
    check('no JSON', code(s, 'POST', CM, '{', who='admin'), 400)
    check('no object', code(s, 'POST', CM, '[]', who='admin'), 400)
    check('no body', code(s, 'POST', CM, who='admin'), 400)
    check('a kind', code(s, 'POST', CM, {'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': 'x'}}, who='admin'),
          400)
    check('a type', code(s, 'POST', CM, 'x', who='admin', headers={'Content-Type': 'text/plain'}), 415)
    check('a patch', code(s, 'PATCH', CM + '/x', '{}', who='admin'), 415)
    check('protobuf', code(s, 'POST', CM, b'k8s\0\x0a\xff', who='admin',
                           headers={'Content-Type': 'application/vnd.kubernetes.protobuf'}), 400)
    check('accept', code(s, 'GET', CM, who='admin', headers={'Accept': 'application/vnd.kubernetes.protobuf'}), 406)
    check('large', code(s, 'POST', CM, '"' + 'x' * (4 << 20) + '"', who='admin'), 413)
    check('deep', code(s, 'POST', CM, '[' * 5000 + ']' * 5000, who='admin'), 400)
    keys = json.dumps({'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': 'x'},
                       'data': {str(i): '' for i in range(20000)}})
    check('keys', code(s, 'POST', CM, keys, who='admin'), 400)
    check('a method', code(s, 'POST', CM + '/x', {}, who='admin'), 405)
    check('all namespaces', code(s, 'POST', '/api/v1/configmaps', {}, who='admin'), 405)
    check('no such thing', code(s, 'GET', '/api/v1/nothings', who='admin'), 404)
    check('no such version', code(s, 'GET', '/apis/apps/v9/deployments', who='admin'), 404)
    check('no such part', code(s, 'GET', CM + '/x/status', who='admin'), 404)


def main():
    with temporary() as directory, ApiServer(sys.argv[1], directory) as server:
        for name, test in list(globals().items()):
            if name.startswith('test_'):
                test(server)
                print('ok', name, flush=True)


if __name__ == '__main__':
    main()
