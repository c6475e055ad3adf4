#!/usr/bin/env python3
"""What describes the API: every reference leads somewhere, and kubectl explains from it what a server on the
loopback serves of it. Usage: openapi_test.py OPENAPI_SHOW"""
import http.server, json, os, shutil, subprocess, sys, tempfile, threading, unittest

SHOW = sys.argv.pop(1)


def show(*args):
    return json.loads(subprocess.run([SHOW, *args], check=True, capture_output=True, text=True).stdout)


def references(node):
    if isinstance(node, dict):
        for k, v in node.items():
            if k == '$ref':
                yield v
            else:
                yield from references(v)
    elif isinstance(node, list):
        for v in node:
            yield from references(v)


def resource(kind, plural, namespaced):
    return {'name': plural, 'singularName': kind.lower(), 'namespaced': namespaced, 'kind': kind,
            'verbs': ['get', 'list', 'create', 'patch', 'delete']}


DISCOVERY = {
    '/api': {'kind': 'APIVersions', 'versions': ['v1']},
    '/api/v1': {'kind': 'APIResourceList', 'groupVersion': 'v1', 'resources': [
        resource('Node', 'nodes', False), resource('Pod', 'pods', True), resource('ConfigMap', 'configmaps', True)]},
    '/apis': {'kind': 'APIGroupList', 'apiVersion': 'v1', 'groups': [
        {'name': g, 'versions': [{'groupVersion': f'{g}/v1', 'version': 'v1'}],
         'preferredVersion': {'groupVersion': f'{g}/v1', 'version': 'v1'}} for g in ('apps', 'example.com')]},
    '/apis/apps/v1': {'kind': 'APIResourceList', 'apiVersion': 'v1', 'groupVersion': 'apps/v1', 'resources': [
        resource('DaemonSet', 'daemonsets', True)]},
    '/apis/example.com/v1': {'kind': 'APIResourceList', 'apiVersion': 'v1', 'groupVersion': 'example.com/v1',
                             'resources': [resource('Widget', 'widgets', True)]},
}


class Api(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        path = self.path.split('?')[0]
        asked.append(path)
        answer = DISCOVERY.get(path)
        if path == '/openapi/v3':
            answer = show('index')
        elif path == '/openapi/v3/api/v1':
            answer = show('v3', '', 'v1')
        elif path.startswith('/openapi/v3/apis/'):
            answer = show('v3', *path.split('/')[4:6])
        self.answer(200 if answer else 404, answer or {'kind': 'Status', 'status': 'Failure', 'code': 404})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        asked.append('POST ' + self.path)
        self.answer(201, body)

    def answer(self, code, body):
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)


asked = []


class Documents(unittest.TestCase):
    def test_references(self):
        for args in ('v2',), ('v3', '', 'v1'), ('v3', 'apps', 'v1'), ('v3', 'example.com', 'v1'):
            document = show(*args)
            for reference in set(references(document)):
                node = document
                for step in reference[2:].split('/'):
                    self.assertIn(step, node, reference)
                    node = node[step]
            patches = [p['patch'] for p in document['paths'].values() if 'patch' in p]
            self.assertTrue(patches)
            for patch in patches:
                self.assertIn('fieldValidation', [p['name'] for p in patch['parameters']])

    def test_index(self):
        self.assertEqual(set(show('index')['paths']), {'api/v1', 'apis/apps/v1', 'apis/coordination.k8s.io/v1',
                                                       'apis/example.com/v1'})

    def test_v2_of_custom_resources(self):
        spec = show('v2')['definitions']['com.example.v1.Widget']['properties']['spec']
        self.assertIn('anyOf', spec['properties'])  # a field of that name
        self.assertNotIn('anyOf', spec['properties']['share'])

    def test_merge_keys(self):
        schemas = show('v3', '', 'v1')['components']['schemas']
        containers = schemas['io.k8s.api.core.v1.PodSpec']['properties']['containers']
        self.assertEqual(containers['x-kubernetes-patch-merge-key'], 'name')
        self.assertEqual(containers['x-kubernetes-patch-strategy'], 'merge')
        ports = schemas['io.k8s.api.core.v1.Container']['properties']['ports']
        self.assertEqual(ports['x-kubernetes-list-map-keys'], ['containerPort', 'protocol'])


@unittest.skipUnless(shutil.which('kubectl'), 'kubectl is not installed')
class Kubectl(unittest.TestCase):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Api)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.home = tempfile.TemporaryDirectory()

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()
        self.home.cleanup()

    def kubectl(self, *args, text=None):
        r = subprocess.run(['kubectl', '-s', f'http://127.0.0.1:{self.server.server_port}', *args], input=text,
                           env={'PATH': os.environ['PATH'], 'HOME': self.home.name, 'KUBECONFIG': '/dev/null'},
                           capture_output=True, text=True, timeout=60)
        self.assertEqual(r.returncode, 0, r.stderr)
        return r.stdout

    def test_explain(self):
        self.assertIn('A machine of the cluster', self.kubectl('explain', 'node'))
        self.assertIn('cordoned', self.kubectl('explain', 'node.spec.unschedulable'))
        self.assertIn('containers\t<[]Container> -required-', self.kubectl('explain', 'pod.spec'))
        self.assertIn('How large it is.', self.kubectl('explain', 'widget.spec'))
        self.assertIn('size\t<integer>', self.kubectl('explain', 'widget', '--recursive'))
        self.assertIn('nodeSelector', self.kubectl('explain', 'daemonset.spec.template.spec', '--recursive'))

    def test_create_leaves_validation_to_the_server(self):
        del asked[:]
        widget = {'apiVersion': 'example.com/v1', 'kind': 'Widget', 'metadata': {'name': 'w', 'namespace': 'n'},
                  'spec': {'size': 3}}
        self.kubectl('create', '-f', '-', text=json.dumps(widget))
        posts = [p for p in asked if p.startswith('POST')]
        self.assertEqual(len(posts), 1)
        self.assertIn('fieldValidation=Strict', posts[0])
        self.assertNotIn('/openapi/v2', asked)


if __name__ == '__main__':
    unittest.main()
