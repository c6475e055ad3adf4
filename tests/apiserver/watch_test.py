#!/usr/bin/env python3
"""Watches, lists in parts, and what time does to both. usage: watch_test.py BASALT-APISERVER"""
import json
import sys
import threading

from api_server import ApiServer, temporary

CM = '/api/v1/namespaces/default/configmaps'


def config_map(name, labels=None, **data):
    return {'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': name, 'labels': labels or {}}, 'data': data}


class Watch:
    def __init__(self, server, path, who='admin', headers=None):
        self.connection = server.connect(who, timeout=15)
        self.connection.request('GET', path, headers=headers or {})
        self.answer = self.connection.getresponse()

    def next(self):
        line = self.answer.readline()
        return json.loads(line) if line else None

    def named(self):
        event = self.next()
        return (event['type'], event['object']['metadata']['name']) if event else None

    def close(self):
        self.connection.close()


def check(what, got, wanted):
    if got != wanted:
        raise AssertionError(f'{what}: {got!r}, not {wanted!r}')


def test_order(s):
    s.call('POST', CM, config_map('a'))
    w = Watch(s, CM + '?watch=1')
    check('what is there', w.named(), ('ADDED', 'a'))
    s.call('POST', CM, config_map('b'))
    check('added', w.named(), ('ADDED', 'b'))
    s.call('PATCH', CM + '/b', {'data': {'x': '1'}}, headers={'Content-Type': 'application/merge-patch+json'})
    event = w.next()
    check('modified', (event['type'], event['object']['data']), ('MODIFIED', {'x': '1'}))
    version = event['object']['metadata']['resourceVersion']
    s.call('DELETE', CM + '/b')
    event = w.next()
    check('deleted', event['type'], 'DELETED')
    assert int(event['object']['metadata']['resourceVersion']) > int(version)
    w.close()
    later = Watch(s, f'{CM}?watch=1&resourceVersion={version}')
    check('from a version on', later.named(), ('DELETED', 'b'))
    later.close()
    s.call('DELETE', CM + '/a')


def test_selectors(s):
    w = Watch(s, CM + '?watch=1&labelSelector=app%3Dx')
    one = Watch(s, CM + '?watch=1&fieldSelector=metadata.name%3Dq')
    s.call('POST', CM, config_map('p'))
    s.call('POST', CM, config_map('q', {'app': 'x'}))
    check('matches', w.named(), ('ADDED', 'q'))
    check('the name', one.named(), ('ADDED', 'q'))
    merge = {'Content-Type': 'application/merge-patch+json'}
    s.call('PATCH', CM + '/p', {'metadata': {'labels': {'app': 'x'}}}, headers=merge)
    check('comes to match', w.named(), ('ADDED', 'p'))
    s.call('PATCH', CM + '/q', {'metadata': {'labels': {'app': 'y'}}}, headers=merge)
    check('no longer matches', w.named(), ('DELETED', 'q'))
    check('the name still', one.named(), ('MODIFIED', 'q'))
    for watch in (w, one):
        watch.close()
    s.call('DELETE', CM)
    check('all gone', s.call('GET', CM)[1]['items'], [])


def test_end(s):
    w = Watch(s, CM + '?watch=1&timeoutSeconds=1&allowWatchBookmarks=true')
    event = w.next()
    check('the bookmark', event['type'], 'BOOKMARK')
    check('then the end', w.next(), None)
    w.close()
    code, status = s.call('GET', CM + '?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan')
    check('initial events', (code, status['reason']), (422, 'Invalid'))
    code, status = s.call('GET', CM + '?resourceVersion=99999999')
    check('the future', (code, status['reason']), (504, 'Timeout'))
    check('no number', s.call('GET', CM + '?resourceVersion=x')[0], 400)


def test_table(s):
    headers = {'Accept': 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json'}
    w = Watch(s, CM + '?watch=1', headers=headers)
    s.call('POST', CM, config_map('t', None, k='v'))
    event = w.next()
    check('a table', (event['object']['kind'], event['object']['rows'][0]['cells'][:2]), ('Table', ['t', 1]))
    w.close()
    s.call('DELETE', CM + '/t')


def test_parts(s):
    for i in range(25):
        s.call('POST', CM, config_map(f'n{i:02}'))
    code, part = s.call('GET', CM + '?limit=10')
    check('the first', (code, len(part['items']), part['metadata']['remainingItemCount']), (200, 10, 15))
    # what changes between the parts is not seen in them
    s.call('DELETE', CM + '/n24')
    s.call('POST', CM, config_map('n10a'))
    names, version = [i['metadata']['name'] for i in part['items']], part['metadata']['resourceVersion']
    while part['metadata'].get('continue'):
        code, part = s.call('GET', f"{CM}?limit=10&continue={part['metadata']['continue']}")
        check('one version', part['metadata']['resourceVersion'], version)
        names += [i['metadata']['name'] for i in part['items']]
    check('as it was', names, [f'n{i:02}' for i in range(25)])
    check('nonsense', s.call('GET', CM + '?continue=zzz')[0], 400)
    code, then = s.call('GET', f'{CM}?resourceVersion={version}&resourceVersionMatch=Exact')
    check('exactly', len(then['items']), 25)
    s.call('DELETE', CM)


def test_forgotten(s):
    """After more changes than are kept, old places are 410; a watch that was open misses nothing."""
    s.call('POST', CM, config_map('busy'))
    first = s.call('GET', CM)[1]['metadata']['resourceVersion']
    token = s.call('POST', CM, config_map('other')) and s.call('GET', CM + '?limit=1')[1]['metadata']['continue']
    quiet = Watch(s, CM + '?watch=1&fieldSelector=metadata.name%3Dlast')

    def work(n):
        c = s.connect()
        for i in range(n):
            body = json.dumps({'data': {'x': f'{threading.get_ident()}-{i}'}})
            c.request('PATCH', CM + '/busy', body, {'Content-Type': 'application/merge-patch+json'})
            c.getresponse().read()
        c.close()

    threads = [threading.Thread(target=work, args=(2700,)) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    old = Watch(s, f'{CM}?watch=1&resourceVersion={first}')
    event = old.next()
    check('too old', (event['type'], event['object']['code'], event['object']['reason']), ('ERROR', 410, 'Expired'))
    check('then the end', old.next(), None)
    check('the token', s.call('GET', f'{CM}?limit=1&continue={token}')[0], 410)
    s.call('POST', CM, config_map('last'))
    check('the quiet one', quiet.named(), ('ADDED', 'last'))
    s.call('DELETE', CM)


def main():
    with temporary() as directory, ApiServer(sys.argv[1], directory) as server:
        for name, test in list(globals().items()):
            if name.startswith('test_'):
                test(server)
                print('ok', name, flush=True)


if __name__ == '__main__':
    main()
