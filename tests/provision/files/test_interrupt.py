#!/usr/bin/env python3
"""A run that is interrupted before any of its changes, by an error or by SIGKILL, and then done again ends with
the tree of a run that was not interrupted; and at no time is a file seen in part or with more rights than
it was declared to have."""
import json
import os
import random
import stat
import subprocess
import sys
import time

import tree

DATA = {"source": "data:,new%20contents"}
SECRET = {"source": "data:,secret"}
BEFORE = {
    "/etc/passwd": "core:x:1000:1000::/home/core:/bin/sh\n",
    "/home/core/.profile": ("", 0o644, 1000, 1000),
    "/etc/appended": ("first\n", 0o640, 3, 4),
    "/etc/appended-linked": "first\n",
    "/etc/other-name": ("=", "/etc/appended-linked"),
    "/etc/replaced": ("old", 0o666, 0, 0),
    "/etc/kept": ("kept", 0o600, 1, 1),
    "/etc/tree/deep/er": "old",
    "/etc/tree/file": "old",
    "/etc/old-link": ("->", "kept"),
    "/usr/real/there": "x",
    "/linked": ("->", "/usr/real"),
    "/etc/systemd/system/unmasked.service": ("->", "/dev/null"),
    "/etc/systemd/system-preset/20-ignition.preset": "enable older.service\n",
    "/etc/.ignition-result.json": '{"provisioningBootID": "b", "provisioningDate": "d", "userConfigProvided": false}',
}
UNIT = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
WANT = tree.config(
    storage={
        "directories": [
            {"path": "/etc/tree", "overwrite": True, "mode": 0o750, "user": {"id": 5}},
            {"path": "/new/a/b", "mode": 0o700},
            {"path": "/etc", "mode": 0o755},
        ],
        "files": [
            {"path": "/etc/appended", "append": [DATA, DATA]},
            {"path": "/etc/appended-linked", "append": [DATA], "mode": 0o604},
            {"path": "/etc/replaced", "contents": SECRET, "mode": 0o600, "overwrite": True, "user": {"id": 6}},
            {"path": "/etc/kept", "mode": 0o644, "group": {"id": 7}},
            {"path": "/etc/tree/file", "append": [DATA]},
            {"path": "/etc/secret", "contents": SECRET, "mode": 0o600},
            {"path": "/etc/secret-of", "contents": SECRET, "mode": 0o640, "user": {"id": 8}, "group": {"id": 9}},
            {"path": "/linked/here", "contents": DATA},
            {"path": "/new/a/b/c", "contents": DATA, "append": [DATA]},
            {"path": "/new/empty"},
        ],
        "links": [
            {"path": "/etc/old-link", "target": "/new/empty", "overwrite": True, "user": {"id": 2}},
            {"path": "/new/link", "target": "a", "hard": False},
            {"path": "/hard", "target": "/linked/here", "hard": True},
        ],
    },
    passwd={"users": [{"name": "core", "gecos": "Core", "passwordHash": "*", "sshAuthorizedKeys": ["a", "b"]}]},
    systemd={"units": [
        {"name": "a.service", "contents": UNIT, "enabled": True, "dropins": [{"name": "1.conf", "contents": "[Unit]\n"}]},
        {"name": "masked.service", "mask": True},
        {"name": "unmasked.service", "mask": False},
        {"name": "off.service", "contents": UNIT, "enabled": False},
    ]})


def temp_name(name):
    h = 14695981039346656037
    for c in name.encode():
        h = (h ^ c) * 1099511628211 % 2**64
    return ".ign-%016x" % h


SECRET_TEMPS = [temp_name(n) for n in ("replaced", "secret", "secret-of")]
JOURNAL = "/etc/.ignition-files.journal"

SYSTEMCTL = """#!/bin/sh
# A systemctl that has one unit, enabled by a link.
link="$2/enabled-$4"
case "$3" in
is-enabled) [ -e "$link" ] ;;
disable) rm -f "$link" ;;
esac
"""


def fake_tools(work):
    path = work + "/bin"
    os.mkdir(path)
    with open(path + "/systemctl", "w") as f:
        f.write(SYSTEMCTL)
    with open(path + "/usermod", "w") as f:
        f.write("#!/bin/sh\n")
    for name in os.listdir(path):
        os.chmod(path + "/" + name, 0o755)
    return path


def start(root, before):
    tree.make(root, before)
    os.chown(root + "/home/core", 1000, 1000)


def exposed(root):
    """Declared secrets under names or temporary names that others may read."""
    problems = []
    for directory, _, names in os.walk(root):
        for name in names:
            real = os.path.join(directory, name)
            st = os.lstat(real)
            if not stat.S_ISREG(st.st_mode):
                continue
            with open(real, "rb") as f:
                data = f.read()
            path = real[len(root):]
            if name in SECRET_TEMPS and stat.S_IMODE(st.st_mode) & 0o007:
                problems.append("%s is open while it is made" % path)
            if b"secret" in data and stat.S_IMODE(st.st_mode) & 0o007:
                problems.append("%s holds the secret with mode %o" % (path, stat.S_IMODE(st.st_mode)))
            if path == "/etc/replaced" and data not in (b"old", b"secret"):
                problems.append("%s in part: %r" % (path, data))
            if path == "/new/a/b/c" and data != b"new contentsnew contents":
                problems.append("%s in part: %r" % (path, data))
    return problems


def killed_at_any_time(driver, work, before, tools, want):
    """Not between two changes but whenever it happens to be."""
    rng, failures, hits = random.Random(3), 0, 0
    for n in range(60):
        root = "%s/any%d" % (work, n)
        start(root, before)
        with open(root + ".ign", "w") as f:
            json.dump(WANT, f)
        env = dict(os.environ, PATH=tools + ":" + os.environ["PATH"])
        child = subprocess.Popen([driver, "--root", root, root + ".ign"], env=env, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.0005, 0.012))
        child.kill()
        hits += child.wait() == -9
        if not os.path.exists(root + JOURNAL) and not tree.difference(want, tree.listing(root)):
            continue  # it was done
        done = tree.run(driver, root, WANT, path=tools)
        problems = [done.stderr] if done.returncode else tree.difference(want, tree.listing(root))
        if problems:
            failures += 1
            print("killed at any time: %s" % problems)
    print("%d of 60 killed while they ran" % hits)
    return failures


def main():
    driver, failures = sys.argv[1], 0
    with tree.Work() as work:
        tools = fake_tools(work)
        before = dict(BEFORE, **{"/enabled-off.service": ""})
        start(work + "/whole", before)
        done = tree.run(driver, work + "/whole", WANT, "--count", path=tools)
        if done.returncode:
            print("uninterrupted:", done.stderr)
            return 1
        want, steps = tree.listing(work + "/whole"), int(done.stdout)
        if JOURNAL in want:
            failures += 1
            print("the journal is still there")
        with open(work + "/whole/etc/systemd/system-preset/20-ignition.preset") as f:
            text = f.read()
        if text != "enable older.service\nenable a.service\ndisable off.service\n":
            failures += 1
            print("the preset file is %r" % text)
        for how, code in (("--fail-at", 3), ("--kill-at", -9)):
            for n in range(1, steps + 1):
                root = "%s/%s%d" % (work, how[2:6], n)
                start(root, before)
                for at in (n, max(1, n - 7)):  # interrupted twice
                    done = tree.run(driver, root, WANT, how, str(at), path=tools)
                    if done.returncode != code:
                        failures += 1
                        print("%s %d: exit %d, %s" % (how, at, done.returncode, done.stderr))
                    for problem in exposed(root):
                        failures += 1
                        print("%s %d: %s" % (how, at, problem))
                done = tree.run(driver, root, WANT, path=tools)
                problems = [done.stderr] if done.returncode else tree.difference(want, tree.listing(root))
                if problems:
                    failures += 1
                    print("%s %d, then again: %s" % (how, n, problems))
        failures += killed_at_any_time(driver, work, before, tools, want)
        print("%d steps" % steps)
    return failures != 0


sys.exit(main())
