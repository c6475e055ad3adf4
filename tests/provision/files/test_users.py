#!/usr/bin/env python3
"""Users and groups: which tool is called with what (by tools that only record), home directories of the mount
stage, ssh keys, and the real tools where there are any."""
import os
import shutil
import subprocess
import sys

import tree

TOOLS = ["useradd", "usermod", "userdel", "groupadd", "groupmod", "groupdel"]
RECORD = """#!/bin/sh
{ printf '%%s' "${0##*/}"; for a; do printf ' [%%s]' "$a"; done; echo; } >> %s
[ -z "$BREAK" ] || { echo "$BREAK" >&2; exit 9; }
"""
PASSWD = "root:x:0:0:root:/root:/bin/sh\nold:x:1000:1000::/home/old:/bin/sh\nvar:x:1001:1001::/lnk/var:/bin/sh\n"
GROUP = "root:x:0:\nold:x:1000:\n"
BEFORE = {"/etc/passwd": PASSWD, "/etc/group": GROUP, "/usr/lib/passwd": "image:x:990:990::/home/image:/bin/sh\n",
          "/home/old/keep": ("", 0o600, 1000, 1000), "/home/image": None, "/srv/var": None, "/lnk": ("->", "/srv")}

# what, users, groups, arguments that must have been recorded (R is the root)
CALLS = [
    ("a new group", {"groups": [{"name": "g"}]}, ["groupadd [--root] [R] [g]"]),
    ("all of a new group", {"groups": [{"name": "g", "gid": 5, "passwordHash": "h", "system": True}]},
     ["groupadd [--root] [R] [--gid] [5] [--password] [h] [--system] [g]"]),
    ("a group that is there", {"groups": [{"name": "old", "gid": 5, "system": True}]},
     ["groupmod [--root] [R] [--gid] [5] [old]"]),
    ("a group to go", {"groups": [{"name": "old", "shouldExist": False}, {"name": "none", "shouldExist": False}]},
     ["groupdel [--root] [R] [old]"]),
    ("a new user without home", {"users": [{"name": "u", "noCreateHome": True}]},
     ["useradd [--root] [R] [--no-create-home] [--password] [*] [u]"]),
    ("all of a new user", {"users": [{"name": "u", "noCreateHome": True, "homeDir": "/h", "noUserGroup": True, "system": True,
                                      "noLogInit": True, "passwordHash": "h", "uid": 7, "gecos": "G G", "primaryGroup": "p",
                                      "groups": ["a", "b"], "shell": "/s"}]},
     ["useradd [--root] [R] [--home-dir] [/h] [--no-create-home] [--no-user-group] [--system] [--no-log-init] "
      "[--password] [h] [--uid] [7] [--comment] [G G] [--gid] [p] [--groups] [a,b] [--shell] [/s] [u]",
      "usermod [--root] [R] [--password] [h] [u]"]),
    ("an empty hash locks", {"users": [{"name": "old", "passwordHash": ""}]},
     ["usermod [--root] [R] [--password] [*] [old]", "usermod [--root] [R] [--password] [*] [old]"]),
    ("a user that is there", {"users": [{"name": "old", "homeDir": "/h", "uid": 8, "system": True, "groups": ["a"]}]},
     ["usermod [--root] [R] [--home] [/h] [--move-home] [--uid] [8] [--groups] [a] [old]"]),
    ("a user of the image", {"users": [{"name": "image", "shell": "/s"}]}, ["usermod [--root] [R] [--shell] [/s] [image]"]),
    ("a user to go", {"users": [{"name": "old", "shouldExist": False}, {"name": "none", "shouldExist": False}]},
     ["userdel [--remove] [--root] [R] [old]"]),
    ("groups before users", {"users": [{"name": "old", "uid": 8}], "groups": [{"name": "g"}]},
     ["groupadd [--root] [R] [g]", "usermod [--root] [R] [--uid] [8] [old]"]),
]


class Case:
    def __init__(self, driver, work, name):
        self.driver, self.root = driver, "%s/%s" % (work, name)
        self.record = self.root + ".calls"
        self.tools = self.root + ".bin"
        os.mkdir(self.tools)
        for tool in TOOLS:
            with open("%s/%s" % (self.tools, tool), "w") as f:
                f.write(RECORD % self.record)
            os.chmod("%s/%s" % (self.tools, tool), 0o755)
        tree.make(self.root, BEFORE)
        for home, uid in (("/home/old", 1000), ("/home/image", 990), ("/srv/var", 1001)):
            os.makedirs(self.root + home, exist_ok=True)
            os.chown(self.root + home, uid, uid)

    def run(self, passwd, *arguments, env=None):
        done = tree.run(self.driver, self.root, tree.config("3.3.0", passwd=passwd), *arguments, env=env, path=self.tools)
        calls = []
        if os.path.exists(self.record):
            with open(self.record) as f:
                calls = f.read().replace("[%s]" % self.root, "[R]").splitlines()
        return done, calls


def check_calls(driver, work):
    for n, (name, passwd, expected) in enumerate(CALLS):
        done, calls = Case(driver, work, "calls%d" % n).run(passwd)
        if done.returncode or calls != expected:
            yield "%s: exit %d %s\n  called  %s\n  expected %s" % (name, done.returncode, done.stderr, calls, expected)


def check_keys(driver, work):
    users = {"users": [{"name": "old", "sshAuthorizedKeys": ["k1", "k2"]}, {"name": "var", "sshAuthorizedKeys": ["k3\n"]},
                       {"name": "image", "sshAuthorizedKeys": ["k4"]}]}
    case = Case(driver, work, "keys")
    case.run(users)
    done, _ = case.run(users)  # again: replaced, not doubled
    found = tree.listing(case.root)
    expected = {}
    for home, uid, keys in (("/home/old", 1000, "k1\nk2\n"), ("/srv/var", 1001, "k3\n"), ("/home/image", 990, "k4\n")):
        for path in ("/.ssh", "/.ssh/authorized_keys.d"):
            expected[home + path] = "d 0700 %d %d" % (uid, uid)
        with open(case.root + home + "/.ssh/authorized_keys.d/ignition") as f:
            if f.read() != keys:
                yield "the keys of %s" % home
        if not found[home + "/.ssh/authorized_keys.d/ignition"].startswith("f 0600 %d %d" % (uid, uid)):
            yield found[home + "/.ssh/authorized_keys.d/ignition"]
    for path, text in expected.items():
        if found.get(path) != text:
            yield "%s: %s, not %s" % (path, found.get(path), text)
    if done.returncode:
        yield done.stderr
    case = Case(driver, work, "no-fragment")
    done, _ = case.run(users, env={"IGNITION_WRITE_AUTHORIZED_KEYS_FRAGMENT": "false"})
    if done.returncode or not os.path.exists(case.root + "/home/old/.ssh/authorized_keys"):
        yield "without fragments: " + done.stderr
    done, _ = case.run(users, env={"IGNITION_WRITE_AUTHORIZED_KEYS_FRAGMENT": "perhaps"})
    if done.returncode != 1:
        yield "a value that is no boolean is taken"


def check_keys_attack(driver, work):
    """A home that its user prepared: links to what only root may write."""
    for n, (path, target) in enumerate((("/.ssh", "/etc"), ("/.ssh/authorized_keys.d", "/etc"),
                                        ("/.ssh/authorized_keys.d/ignition", "/etc/passwd"), ("/.ssh", "../../../..%s"))):
        case = Case(driver, work, "attack%d" % n)
        outside = case.root + "-outside"
        tree.make(outside, {"/x": "mine"})
        link = case.root + "/home/old" + path
        os.makedirs(os.path.dirname(link), exist_ok=True)
        for d in ("/.ssh", "/.ssh/authorized_keys.d"):
            if os.path.isdir(case.root + "/home/old" + d):
                os.chown(case.root + "/home/old" + d, 1000, 1000)
        os.symlink(target % outside if "%" in target else target, link)
        before, etc = tree.listing(outside), tree.listing(case.root + "/etc", ["/.ignition-result.json"])
        case.run({"users": [{"name": "old", "sshAuthorizedKeys": ["k"]}]})
        after = tree.listing(case.root + "/etc", ["/.ignition-result.json"])
        for d in tree.difference(before, tree.listing(outside)) + tree.difference(etc, after):
            yield "keys through %s -> %s: %s" % (path, target, d)


def check_homes(driver, work):
    case = Case(driver, work, "homes")
    for d in ("/home/old/data/deep", "/home/older"):
        os.makedirs(case.root + d)
    done, _ = case.run({"users": [{"name": "old"}]}, "--directory", "/home/old", "--directory", "/home/old/data",
                       "--directory", "/home/older")
    found = tree.listing(case.root)
    for path, text in (("/home/old", "d 0700 1000 1000"), ("/home/old/data", "d 0700 1000 1000"),
                       ("/home/old/data/deep", "d 0755 0 0"), ("/home/older", "d 0755 0 0")):
        if found[path] != text or done.returncode:
            yield "home directory %s: %s %s" % (path, found[path], done.stderr)


def check_failure(driver, work):
    done, _ = Case(driver, work, "failure").run({"users": [{"name": "old", "uid": 1}]}, env={"BREAK": "no such luck"})
    for word in ("failed to create users/groups", ".ign:", "\"old\"", "usermod", "no such luck"):
        if done.returncode != 1 or word not in done.stderr:
            yield "a tool that fails: exit %d, no %r in %s" % (done.returncode, word, done.stderr)
    case = Case(driver, work, "live")
    done, calls = case.run({"users": [{"name": "old", "uid": 1}]}, "--live")
    if done.returncode != 1 or calls:
        yield "users are made live: %s" % calls


def check_real(driver, work):
    """The tools of this machine in a root made from its /etc."""
    if not shutil.which("useradd"):
        return
    root = work + "/real"
    tree.make(root, {"/etc/passwd": PASSWD, "/etc/group": GROUP, "/etc/shadow": "root:*:1::::::\n", "/etc/skel": None,
                     "/home": None})
    if subprocess.run(["groupadd", "--root", root, "probe"], stderr=subprocess.DEVNULL).returncode:
        print("the account tools do not work in a root here")
        return
    value = tree.config("3.3.0", passwd={
        "groups": [{"name": "crew", "gid": 4321}],
        "users": [{"name": "core", "uid": 4000, "groups": ["crew"], "passwordHash": "$6$x", "sshAuthorizedKeys": ["key"]}]},
        storage={"files": [{"path": "/home/core/mine", "user": {"name": "core"}, "group": {"name": "crew"}}]})
    for _ in range(2):
        done = tree.run(driver, root, dict(value, storage={}) if _ else value)
        if done.returncode:
            yield done.stderr
    found = tree.listing(root)
    if not found["/home/core/mine"].startswith("f 0644 4000 4321 "):
        yield "owner by a name that the run made: " + found["/home/core/mine"]
    with open(root + "/etc/shadow") as f:
        if "core:$6$x:" not in f.read():
            yield "no password"


def main():
    driver, problems = sys.argv[1], []
    with tree.Work() as work:
        os.chmod(work, 0o755)
        for check in (check_calls, check_keys, check_keys_attack, check_homes, check_failure, check_real):
            problems += list(check(driver, work))
    for p in problems:
        print(p)
    return bool(problems)


sys.exit(main())
