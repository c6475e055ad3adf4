#!/usr/bin/env python3
"""Killed at random under load: what was acknowledged is there, nothing is half there, and a watch that goes on
misses nothing. Copies while it works. usage: survive_test.py BASALT-APISERVER [ROUNDS]"""
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

from api_server import ApiServer, temporary

CM = '/api/v1/namespaces/default/configmaps'
MERGE = {'Content-Type': 'application/merge-patch+json'}
WORKERS = 6


class Worker(threading.Thread):
    """Makes, changes and deletes objects of its own; remembers what it was told, and what it asked last."""

    def __init__(self, server, number, started):
        super().__init__()
        self.server, self.number, self.started = server, number, started
        self.known, self.open, self.highest = {}, None, 0

    def run(self):
        try:
            self.work(self.server.connect())
        except (OSError, http.client.HTTPException):
            pass

    def work(self, connection):
        names = random.Random(self.number * 1000003 + self.started)
        for i in range(1000000):
            name, value = f'w{self.number}-{names.randrange(20)}', f'{self.started}-{i}'
            old = self.known.get(name)
            if old is None:
                self.open = (name, value)
                body = {'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': name},
                        'data': {'a': value, 'pad': 'x' * names.randrange(5000), 'z': value}}
                connection.request('POST', CM, json.dumps(body), {'Content-Type': 'application/json'})
            elif names.randrange(4):
                self.open = (name, value)
                connection.request('PATCH', f'{CM}/{name}', json.dumps({'data': {'a': value, 'z': value}}), MERGE)
            else:
                self.open = (name, None)
                connection.request('DELETE', f'{CM}/{name}')
            answer = connection.getresponse()
            body = json.loads(answer.read())
            if answer.status not in (200, 201):
                raise AssertionError(body)
            self.known[name] = self.open[1]
            if body['kind'] == 'ConfigMap':
                self.highest = max(self.highest, int(body['metadata']['resourceVersion']))
            self.open = None


def read_all(server):
    code, listed = server.call('GET', CM)
    assert code == 200, listed
    out = {}
    for item in listed['items']:
        data = item['data']
        assert data['a'] == data['z'], f'half there: {item}'
        out[item['metadata']['name']] = data['a']
    return out, int(listed['metadata']['resourceVersion'])


def round_of(server, number, before):
    workers = [Worker(server, i, number) for i in range(WORKERS)]
    for w in workers:
        w.known = {k: v for k, v in before.items() if k.startswith(f'w{w.number}-')}
        w.start()
    time.sleep(random.uniform(0.05, 0.6))
    server.stop(signal.SIGKILL)
    for w in workers:
        w.join()
    server.start()
    after, revision = read_all(server)
    done = 0
    for w in workers:
        assert revision >= w.highest, f'the revision went back: {revision} < {w.highest}'
        done += len(w.known)
        for name in set(w.known) | {n for n in after if n.startswith(f'w{w.number}-')}:
            told, there = w.known.get(name), after.get(name)
            if there != told and not (w.open and w.open[0] == name and there == w.open[1]):
                raise AssertionError(f'round {number}, {name}: told {told}, there is {there}, open {w.open}')
    return after


def test_copies(program, server, directory):
    copy, other = os.path.join(directory, 'copy.db'), os.path.join(directory, 'other')
    before, _ = read_all(server)
    worker = Worker(server, 99, 0)
    worker.start()
    time.sleep(0.2)
    subprocess.run([program, 'backup', '--data', server.path('data'), copy], check=True)
    server.stop(signal.SIGKILL)
    worker.join()
    subprocess.run([program, 'restore', '--data', other, copy], check=True)
    again = subprocess.run([program, 'restore', '--data', other, copy], capture_output=True, text=True, check=False)
    assert again.returncode == 3 and 'has objects already' in again.stderr, again.stderr
    os.rename(server.path('data'), server.path('former'))
    os.rename(other, server.path('data'))
    server.start()
    after, _ = read_all(server)
    for name, value in before.items():
        if not name.startswith('w99-'):
            assert after[name] == value, name


def main():
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    random.seed(os.environ.get('SEED', time.time()))
    with temporary() as directory, ApiServer(sys.argv[1], directory) as server:
        known, started = {}, time.monotonic()
        for i in range(rounds):
            known = round_of(server, i, known)
        print(f'{rounds} kills in {time.monotonic() - started:.0f} s, {len(known)} objects')
        test_copies(sys.argv[1], server, directory)
        print('copies')


if __name__ == '__main__':
    main()
