#!/usr/bin/env python3
"""Crypttab and keys, the result file, labels, the plan, a journal of another config, runs on a live root, and
filesystems that cannot make a file without a name."""
import json
import os
import shutil
import stat
import subprocess
import sys

import tree

UNIT = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
RESULT = "/etc/.ignition-result.json"
JOURNAL = "/etc/.ignition-files.journal"


def read(root, path):
    with open(root + path) as f:
        return f.read()


def tools(work, **scripts):
    path = "%s/bin-%s" % (work, "-".join(scripts) or "none")
    os.makedirs(path, exist_ok=True)
    for name, text in scripts.items():
        with open("%s/%s" % (path, name.replace("_", "-")), "w") as f:
            f.write("#!/bin/sh\n" + text)
        os.chmod("%s/%s" % (path, name.replace("_", "-")), 0o755)
    return path


def check_luks(driver, work):
    root = work + "/luks"
    tree.make(root, {"/etc/crypttab": ("old UUID=1 none luks\n", 0o644, 0, 0)})
    volumes = [
        {"name": "keyed", "device": "/dev/a"},
        {"name": "tpm", "device": "/dev/b", "clevis": {"tpm2": True}},
        {"name": "tang", "device": "/dev/c", "clevis": {"tang": [{"url": "http://t", "thumbprint": "x"}]}},
        {"name": "custom", "device": "/dev/d", "clevis": {"custom": {"pin": "tpm2", "config": "{}", "needsNetwork": True}}},
    ]
    value = tree.config("3.3.0", storage={"luks": volumes})
    done = tree.run(driver, root, value)
    if done.returncode != 1 or "missing persisted keyfile for keyed" not in done.stderr:
        yield "no key in the state: " + done.stderr
    done = tree.run(driver, root, value, "--key", "keyed=data:,the%20key")
    if done.returncode:
        yield done.stderr
        return
    expected = ("old UUID=1 none luks\nkeyed UUID=uuid-of-a /etc/luks/keyed luks\ntpm UUID=uuid-of-b none luks\n"
                "tang UUID=uuid-of-c none luks,_netdev\ncustom UUID=uuid-of-d none luks,_netdev\n")
    if read(root, "/etc/crypttab") != expected:
        yield "crypttab: " + read(root, "/etc/crypttab")
    done = tree.run(driver, root, value, "--key", "keyed=data:,the%20key")  # the journal of the first run is gone
    if done.returncode or read(root, "/etc/crypttab") != expected:
        yield "crypttab of a second run: " + done.stderr + read(root, "/etc/crypttab")
    found = tree.listing(root)
    for path, text in (("/etc/luks", "d 0700 0 0"), ("/etc/luks/keyed", "f 0600 0 0 "), ("/etc/crypttab", "f 0600 0 0 ")):
        if not found[path].startswith(text):
            yield "%s: %s" % (path, found[path])
    if read(root, "/etc/luks/keyed") != "the key":
        yield "the key file"


def check_result(driver, work):
    for name, live, depth in (("result", 1, 3), ("result-live", 0, 1)):
        root, bin_ = work + "/" + name, tools(work + "/" + name, is_live_image="exit %d\n" % live)
        tree.make(root, {})
        for _ in range(3):
            done = tree.run(driver, root, tree.config(), path=bin_)
        report, n = json.loads(read(root, RESULT)), 0
        if set(report) - {"provisioningBootID", "provisioningDate", "userConfigProvided", "previousReport"}:
            yield "result: %s" % report
        if report["userConfigProvided"] is not True or len(report["provisioningBootID"]) != 36:
            yield "result: %s" % report
        while report:
            report, n = report.get("previousReport"), n + 1
        if done.returncode or n != depth:
            yield "%s: %d reports, not %d: %s" % (name, n, depth, done.stderr)
        if (depth == 3) != ("Ignition has already run on this system" in done.stderr):
            yield "%s: the warning: %s" % (name, done.stderr)
        if stat.S_IMODE(os.stat(root + RESULT).st_mode) != 0o600:
            yield "the mode of the result file"
    with open(root + RESULT, "w") as f:
        f.write("no JSON")
    before = tree.listing(root, [RESULT])
    done = tree.run(driver, root, tree.config(storage={"files": [{"path": "/x"}]}), path=tools(work, is_live_image="exit 1\n"))
    if done.returncode != 1 or tree.difference(before, tree.listing(root, [RESULT])):
        yield "a previous report that is not JSON: %s" % done.stderr


def check_labels(driver, work):
    root = work + "/labels"
    bin_ = tools(work, setfiles='echo "$@" > %s/args; tr "\\0" "\\n" > %s/paths; [ -z "$BREAK" ]\n' % (work, work))
    tree.make(root, {"/etc/x": "", "/usr": None})
    value = tree.config(storage={"files": [{"path": "/new/a/b"}, {"path": "/usr/c"}, {"path": "/etc/x", "mode": 0o600}]})
    done = tree.run(driver, root, value, path=bin_)
    if done.returncode or os.path.exists(work + "/args"):
        yield "without a policy: " + done.stderr
    tree.make(root + "2", {"/etc/x": "", "/usr": None, "/etc/selinux/config": "# x\nSELINUX=enforcing\n SELINUXTYPE=targeted \n"})
    done = tree.run(driver, root + "2", value, path=bin_)
    if read(work, "/args") != "-vF0 -r %s %s/etc/selinux/targeted/contexts/files/file_contexts -f -\n" % (root + "2", root + "2"):
        yield "setfiles is called with " + read(work, "/args")
    paths = sorted(p[len(root) + 1:] for p in read(work, "/paths").split())
    if done.returncode or paths != [RESULT, "/etc/x", "/new", "/usr/c"]:
        yield "relabelled: %s %s" % (paths, done.stderr)
    tree.make(root + "3", {"/etc/selinux/config": "SELINUXTYPE=t\n"})
    done = tree.run(driver, root + "3", value, path=bin_, env={"BREAK": "1"})
    if done.returncode != 1 or "relabelling" not in done.stderr or not os.path.exists(root + "3" + JOURNAL):
        yield "setfiles that fails: " + done.stderr


def check_plan(driver, work):
    root = work + "/plan"
    tree.make(root, {"/l": ("->", "/real"), "/real/f": "old", "/x": "old"})
    value = tree.config(storage={
        "files": [{"path": "/l/f", "contents": {"source": "data:,a%20secret"}, "overwrite": True, "mode": 0o600},
                  {"path": "/deep/er/g", "append": [{"source": "data:,b"}], "user": {"name": "root"}}],
        "directories": [{"path": "/deep", "group": {"id": 3}}], "links": [{"path": "/h", "target": "/deep/er/g", "hard": True}]},
        systemd={"units": [{"name": "b.service", "enabled": True, "mask": True}, {"name": "a@i.service", "enabled": False}]})
    before = tree.listing(root)
    done = tree.run(driver, root, value, "--plan")
    expected = """directory /deep group 3
file /real/f mode 0600 inline (replaces a file)
file /deep/er/g user root empty, append inline
hard link /h -> /deep/er/g
link /etc/systemd/system/b.service -> /dev/null
file /etc/systemd/system-preset/20-ignition.preset empty
preset disable a@i.service
preset enable b.service
"""
    if done.stdout != expected or done.returncode:
        yield "plan: %s%s" % (done.stdout, done.stderr)
    value["storage"]["files"].append({"path": "/x", "contents": {"source": "data:,"}})
    value["storage"]["files"].append({"path": "/real/f/below"})
    done = tree.run(driver, root, value, "--plan")
    for word in ("/x: a file exists there already", "storage.files.2", "storage.files.3", ".ign:"):
        if done.returncode != 1 or word not in done.stdout:
            yield "conflicts of the plan: no %r in %s" % (word, done.stdout)
    if tree.difference(before, tree.listing(root)):
        yield "the plan changed something"


def check_other_config(driver, work):
    """A run was interrupted and the config is then corrected: what the first one made is not in the way."""
    root = work + "/other"
    tree.make(root, {"/kept": "kept"})
    files = [{"path": "/a", "contents": {"source": "data:,1"}}, {"path": "/b", "contents": {"source": "data:,1"}},
             {"path": "/c/d"}, {"path": "/z", "contents": {"source": "http://127.0.0.1:1/unreachable"}}]
    done = tree.run(driver, root, tree.config(storage={"files": files}))
    if done.returncode != 1 or not os.path.exists(root + JOURNAL):
        yield "a source that cannot be had: " + done.stderr
    value = tree.config(storage={"files": [{"path": "/a", "contents": {"source": "data:,2"}, "mode": 0o600}],
                                 "links": [{"path": "/b", "target": "a"}], "directories": [{"path": "/c/d"}]})
    done = tree.run(driver, root, value)
    if done.returncode or read(root, "/a") != "2" or os.readlink(root + "/b") != "a" or os.path.exists(root + JOURNAL):
        yield "the corrected config: " + done.stderr
    done = tree.run(driver, root, tree.config(storage={"files": [{"path": "/kept", "contents": {"source": "data:,"}}]}))
    if done.returncode != 1 or read(root, "/kept") != "kept":
        yield "what was there before is replaced"
    with open(root + JOURNAL, "w") as f:
        f.write("nonsense")
    done = tree.run(driver, root, tree.config())
    if done.returncode != 1 or JOURNAL not in done.stderr:
        yield "a journal that is none: " + done.stderr


def check_live(driver, work):
    root = work + "/live"
    tree.make(root, {})
    value = tree.config(storage={"files": [{"path": "/x"}]}, systemd={"units": [{"name": "a.service", "contents": UNIT}]})
    done = tree.run(driver, root, value, "--live")
    if done.returncode or sorted(os.listdir(root)) != ["etc", "x"] or os.listdir(root + "/etc") != ["systemd"]:
        yield "live: %s %s" % (os.listdir(root), done.stderr)


def check_no_tmpfile(driver, work):
    """vfat has neither files without names nor links: everything goes by temporary names."""
    image, root = work + "/vfat.img", work + "/vfat"
    if not shutil.which("mkfs.vfat"):
        return
    with open(image, "wb") as f:
        f.truncate(8 << 20)
    os.mkdir(root)
    done = subprocess.run(["mkfs.vfat", image], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if done.returncode or subprocess.run(["mount", "-o", "loop", image, root], stderr=subprocess.DEVNULL).returncode:
        return
    try:
        value = tree.config(storage={"files": [{"path": "/a/b", "contents": {"source": "data:,x"}, "mode": 0o755},
                                               {"path": "/a/c", "append": [{"source": "data:,y"}], "mode": 0o755}]})
        done = tree.run(driver, root, value)
        if done.returncode or read(root, "/a/b") != "x" or sorted(os.listdir(root + "/a")) != ["b", "c"]:
            yield "vfat: %s %s" % (os.listdir(root), done.stderr)
    finally:
        subprocess.run(["umount", root], check=True)


def main():
    driver, problems = sys.argv[1], []
    with tree.Work() as work:
        for check in (check_luks, check_result, check_labels, check_plan, check_other_config, check_live, check_no_tmpfile):
            problems += list(check(driver, work))
    for p in problems:
        print(p)
    return bool(problems)


sys.exit(main())
