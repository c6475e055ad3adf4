#!/usr/bin/env python3
"""The files stage against the distribution's Ignition: the same random configs (fixed seed) over the same random
trees, then paths, contents, modes, owners, links and the list of paths to relabel are compared. A second round
has configs that must be refused by both.

    diff_files.py DRIVER [--seed N] [--count N]

DRIVER is the driver of these tests or, by the name basalt-ignition, the whole program with its fetch and files stages.

Exit 77 where there is no Ignition. Differences on purpose are not generated; they are:

| case | Ignition | here | why |
|---|---|---|---|
| owner of a new symbolic link, none declared | that of the file it points to, looked up in the running system | root | must not depend on the machine that provisions |
| a preset line that the file has already | written again | not again | a rerun converges |
| enabled: false for a unit that is not enabled | the line is written (2.14), not written (2.26) | not written | as 2.26 |
| a group without a password hash | `--password *` (2.14), none (2.26) | none | as 2.26; locked in both |
| a user whose home does not exist | fails while it looks for what to relabel | goes on | nothing to relabel there |
| ssh keys below a directory that the user may not pass | fails | written | the path above the root is none of the user's |
| instances with enabled: false | `systemctl is-enabled` is asked for "a@.service b c" as one name, never true | each instance is asked | they are disabled |
| instances with enabled: true | needs a running systemd to ask for its version | does not ask | works in a container |
| a mask over a non-empty directory that is mounted | removed up to the mount | refused | what is mounted is not ours |
| conflicts | the first one, after the entries before it were made | all, before anything is made | |
| what is to be relabelled and does not exist | in the list (2.14) | not | as 2.26 |
| no /etc/selinux/config in the root | fails | nothing to relabel | root without a policy |
| relabel list | of units: the unit and the directory of its drop-ins | the topmost directory that was made | the \
parents need labels too |
| unit path is a directory | fails at the rename, drop-ins are written | refused before anything is made | |
"""
import json
import os
import random
import subprocess
import sys

import tree

REFERENCE = "/usr/lib/dracut/modules.d/30ignition/ignition"
DIRS = ["/a", "/b/c", "/etc/app", "/usr/share/x", "/var/lib/y", "/opt", "/lnk", "/rel/sub", "/new/er"]
NAMES = ["f", "g", "h.conf", "i", "j", "k"]
UNIT = "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
SKELETON = ["passwd", "group", "shadow", "gshadow", "login.defs", "nsswitch.conf"]
SETFILES = """#!/bin/sh
tr '\\0' '\\n' > "$RELABEL_LIST"
"""


def data_url(rng):
    text = "".join(rng.choice("abc xyz%\n\u00e9") for _ in range(rng.randrange(0, 40)))
    from base64 import b64encode
    from urllib.parse import quote
    if rng.random() < 0.5:
        return "data:," + quote(text)
    return "data:text/plain;charset=utf-8;base64," + b64encode(text.encode()).decode()


def resource(rng, version):
    value = {"source": data_url(rng)}
    if rng.random() < 0.1:
        value["verification"] = {}
    return value


def owner(rng, names):
    pick = rng.random()
    if pick < 0.3:
        return {"id": rng.choice([0, 1, 5, 1000, 4000])}
    if pick < 0.5:
        return {"name": rng.choice(names)}
    return None


def node(rng, path):
    entry = {"path": path}
    for key, names in (("user", ["root", "daemon", "bin"]), ("group", ["root", "daemon", "tty"])):
        value = owner(rng, names)
        if value and rng.random() < 0.6:
            entry[key] = value
    return entry


def before(rng):
    """A tree to start from. Links of it resolve inside the root only when they are taken as of the root."""
    entries = {"/etc/app": None, "/var/lib/y": None, "/lnk": ("->", "/var/lib/y"), "/rel": ("->", "etc/app")}
    for d in DIRS:
        for n in NAMES:
            if rng.random() < 0.25 and not d.startswith(("/lnk", "/rel")):
                path = d + "/" + n
                kind = rng.random()
                if kind < 0.5:
                    entries[path] = ("old " + path, rng.choice([0o644, 0o600, 0o755]), rng.choice([0, 3]), 0)
                elif kind < 0.65:
                    entries[path] = ("->", rng.choice(["/nowhere", "nowhere", "/etc/nothing/there"]))
                elif kind < 0.85:
                    entries[path + "/below/it"] = "deep"
                else:
                    entries[path] = ("fifo",)
    for path, text in (("/etc/systemd/system/m0.service", ("->", "/dev/null")),
                       ("/etc/systemd/system/u0.service", "old"), ("/etc/systemd/system/u1.service", ("->", "/x"))):
        if rng.random() < 0.4:
            entries[path] = text
    if rng.random() < 0.5:
        entries["/etc/systemd/system/on.service"] = UNIT
        entries["/etc/systemd/system/multi-user.target.wants/on.service"] = ("->", "/etc/systemd/system/on.service")
    return entries


def kind_there(entries, path):
    for d, real in (("/lnk/", "/var/lib/y/"), ("/rel/", "/etc/app/")):
        if path.startswith(d):
            path = real + path[len(d):]
    what = entries.get(path)
    if what is None and any(p.startswith(path + "/") for p in entries):
        return "directory"
    if what is None:
        return None
    return {"->": "link", "fifo": "fifo"}.get(what[0], "file") if isinstance(what, tuple) else "file"


def storage(rng, version, entries):
    """Entries that do not stand in each other's way, most of them possible over the tree."""
    out = {"files": [], "directories": [], "links": []}
    used = set()

    def real(path):
        return path.replace("/lnk", "/var/lib/y", 1) if path.startswith("/lnk") else \
            path.replace("/rel", "/etc/app", 1) if path.startswith("/rel") else path

    for _ in range(rng.randrange(1, 14)):
        path = rng.choice(DIRS) + "/" + rng.choice(NAMES) + rng.choice(["", "", "", "/x"])
        r = real(path)
        if any(r == u or r.startswith(u + "/") or u.startswith(r + "/") for u in used):
            continue
        # Below something that is no directory there is nothing to be had.
        parent = path.rsplit("/", 1)[0]
        if path.endswith("/x") and kind_there(entries, parent) not in (None, "directory"):
            continue
        used.add(r)
        there = kind_there(entries, path)
        entry, pick = node(rng, path), rng.random()
        overwrite = there is not None and rng.random() < 0.9 or rng.random() < 0.2
        if pick < 0.6:
            if rng.random() < 0.7:
                entry["contents"] = resource(rng, version)
            if rng.random() < 0.3:
                entry["append"] = [resource(rng, version) for _ in range(rng.randrange(1, 4))]
            if rng.random() < 0.5:
                entry["mode"] = rng.choice([0o600, 0o644, 0o755, 0o400, 0o4755, 0o1777, 0])
            if overwrite and "contents" in entry:
                entry["overwrite"] = True
            elif there == "file":
                entry.pop("contents", None)
            out["files"].append(entry)
        elif pick < 0.8:
            if rng.random() < 0.6:
                entry["mode"] = rng.choice([0o700, 0o755, 0o750, 0o1777])
            if overwrite:
                entry["overwrite"] = True
            out["directories"].append(entry)
        else:
            if overwrite:
                entry["overwrite"] = True
            hard = rng.random() < 0.4
            if hard:
                files = [f["path"] for f in out["files"]]
                if not files:
                    continue
                entry.pop("user", None), entry.pop("group", None)
                entry.update(hard=True, target=rng.choice(files))
            else:
                entry["target"] = rng.choice(["/nowhere/at/all", "nowhere", "../no/where"])
            out["links"].append(entry)
    return {k: v for k, v in out.items() if v}


def units(rng, entries):
    out = []
    if "/etc/systemd/system/on.service" in entries and rng.random() < 0.7:
        out.append({"name": "on.service", "enabled": rng.random() < 0.3})
    for name in rng.sample(["u0.service", "u1.service", "m0.service", "t.timer", "z.socket"], rng.randrange(0, 4)):
        u = {"name": name}
        if rng.random() < 0.6:
            u["contents"] = rng.choice([UNIT, UNIT, ""])
        if rng.random() < 0.4:
            u["dropins"] = [{"name": "%d.conf" % i, "contents": "[Unit]\nDescription=%d\n" % i}
                            for i in range(rng.randrange(1, 3))]
        if rng.random() < 0.5:
            u["enabled"] = True
        if rng.random() < 0.3:
            u["mask"] = rng.random() < 0.8
        out.append(u)
    return out


def passwd(rng):
    groups, users = [], []
    for i in range(rng.randrange(0, 3)):
        g = {"name": "grp%d" % i}
        if rng.random() < 0.5:
            g["gid"] = 2000 + i
        if rng.random() < 0.3:
            g["system"] = True
        g["passwordHash"] = "$6$x$y"
        groups.append(g)
    for i in range(rng.randrange(0, 3)):
        u = {"name": rng.choice(["core", "alice", "games"]) + (str(i) if i else "")}
        if rng.random() < 0.5:
            u["uid"] = 3000 + i
        if rng.random() < 0.5:
            u["passwordHash"] = rng.choice(["$6$a$b", ""])
        if rng.random() < 0.3:
            u["gecos"] = "Some One"
        if rng.random() < 0.3:
            u["groups"] = ["daemon", "tty"]
        if rng.random() < 0.3:
            u["shell"] = "/bin/false"
        if rng.random() < 0.2 and not u["name"].startswith("games"):
            u["homeDir"] = "/srv/" + u["name"]
        if rng.random() < 0.3:
            u["noUserGroup"] = True
        if rng.random() < 0.6 and not u["name"].startswith("games"):
            u["sshAuthorizedKeys"] = ["ssh-ed25519 AAAA%d" % k for k in range(rng.randrange(1, 4))]
        users.append(u)
    return {k: v for k, v in (("users", users), ("groups", groups)) if v}


def valid_case(rng, accounts):
    version = rng.choice(["3.0.0", "3.1.0", "3.2.0", "3.3.0"])
    entries = before(rng)
    value = tree.config(version)
    s, u = storage(rng, version, entries), units(rng, entries)
    if s:
        value["storage"] = s
    if u:
        value["systemd"] = {"units": u}
    if accounts and rng.random() < 0.5:
        p = passwd(rng)
        if p:
            value["passwd"] = p
    return entries, value


def root_make(root, entries):
    tree.make(root, entries)
    os.makedirs(root + "/etc/selinux/test/contexts/files", exist_ok=True)
    for path, text in (("/etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=test\n"),
                       ("/etc/selinux/test/contexts/files/file_contexts", "")):
        with open(root + path, "w") as f:
            f.write(text)
    for name in SKELETON:
        if os.path.exists("/etc/" + name):
            with open("/etc/" + name) as f, open(root + "/etc/" + name, "w") as to:
                to.write(f.read())
            os.chmod(root + "/etc/" + name, 0o644)
    for d in ("/home", "/srv", "/usr/games", "/root", "/etc/skel", "/bin"):
        os.makedirs(root + d, exist_ok=True)
    for name in ("/bin/sh", "/bin/false"):
        with open(root + name, "w") as f:
            f.write("")
        os.chmod(root + name, 0o755)


class Runner:
    def __init__(self, driver, work):
        self.driver, self.work = driver, work
        self.tools = work + "/bin"
        os.mkdir(self.tools)
        with open(self.tools + "/setfiles", "w") as f:
            f.write(SETFILES)
        os.chmod(self.tools + "/setfiles", 0o755)

    def environment(self, who):
        return dict(os.environ, PATH=self.tools + ":" + os.environ["PATH"],
                    RELABEL_LIST="%s/relabel-%s" % (self.work, who))

    def relabelled(self, who, root):
        path = "%s/relabel-%s" % (self.work, who)
        if not os.path.exists(path):
            return {}
        with open(path) as f:
            names = {line.strip()[len(root):]: "relabel" for line in f if line.strip()}
        os.unlink(path)
        return names

    def ours(self, root, value):
        if os.path.basename(self.driver) == "basalt-ignition":
            return self.stages(["ignition", self.driver], "ours", root, value)
        return tree.run(self.driver, root, value, env=self.environment("ours"))

    def reference(self, root, value):
        return self.stages([REFERENCE, REFERENCE], "theirs", root, value)

    def stages(self, names, who, root, value):
        """The fetch and the files stage, each in a process of its own."""
        with open(root + ".ign", "w") as f:
            json.dump(value, f)
        run = root + ".run"
        os.mkdir(run)
        env = dict(self.environment(who), IGNITION_CONFIG_FILE=root + ".ign")
        for stage in ("fetch", "files"):
            done = subprocess.run([names[0], "-platform", "file", "-stage", stage, "-root", root, "-config-cache",
                                   run + "/cache", "-state-file", run + "/state", "-neednet", run + "/net",
                                   "-log-to-stdout"], executable=names[1], env=env, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            done.stderr = done.stdout
            if done.returncode:
                break
        return done


def tools_work(work):
    """Can accounts be made in a root here?"""
    root = work + "/probe"
    root_make(root, {})
    try:
        return subprocess.run(["useradd", "--root", root, "--create-home", "probe"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE).returncode == 0
    except OSError:
        return False


def preset_sort(root):
    """Ignition 2.14 writes the lines in any order, newer ones sort them as we do."""
    path = root + "/etc/systemd/system-preset/20-ignition.preset"
    if os.path.exists(path):
        with open(path) as f:
            lines = sorted(f)
        with open(path, "w") as f:
            f.writelines(lines)


def covered(path, paths):
    return any(path == p or path.startswith(p + "/") for p in paths)


def compare(runner, name, entries, value):
    a, b = "%s/%s-a" % (runner.work, name), "%s/%s-b" % (runner.work, name)
    root_make(a, entries)
    root_make(b, entries)
    old = tree.listing(a)
    ours, theirs = runner.ours(a, value), runner.reference(b, value)
    left, right = runner.relabelled("ours", a), runner.relabelled("theirs", b)
    if bool(ours.returncode) != bool(theirs.returncode):
        return "refused", ["exit %d | %d: %s\n%s" % (ours.returncode, theirs.returncode, ours.stderr,
                                                     "\n".join(theirs.stdout.splitlines()[-4:]))]
    if ours.returncode:
        return "refused", []
    for root in (a, b):
        preset_sort(root)
    problems = tree.difference(tree.listing(a), tree.listing(b))
    # Labels are set on trees: what lies below a path of the list is covered.
    problems += ["not relabelled: " + p for p in right
                 if not covered(p, left) and os.path.lexists(b + p)]
    problems += ["relabelled without need: " + p for p in left if not covered(p, right) and p in old]
    return "done", problems


BROKEN = {  # name -> entries of the tree, storage, systemd, what ours must name
    "file over file": ({"/x": "old"}, {"files": [{"path": "/x", "contents": {"source": "data:,"}}]}, ["/x"]),
    "file over directory": ({"/x/y": "old"}, {"files": [{"path": "/x"}]}, ["/x"]),
    "file over link": ({"/x": ("->", "y")}, {"files": [{"path": "/x"}]}, ["/x"]),
    "append to a fifo": ({"/x": ("fifo",)}, {"files": [{"path": "/x", "append": [{"source": "data:,"}]}]}, ["/x"]),
    "directory over file": ({"/x": "old"}, {"directories": [{"path": "/x"}]}, ["/x"]),
    "directory over link": ({"/x": ("->", "y")}, {"directories": [{"path": "/x"}]}, ["/x"]),
    "link over file": ({"/x": "old"}, {"links": [{"path": "/x", "target": "y"}]}, ["/x"]),
    "link over link": ({"/x": ("->", "z")}, {"links": [{"path": "/x", "target": "y"}]}, ["/x"]),
    "hard over file": ({"/x": "old", "/y": ""}, {"links": [{"path": "/x", "target": "/y", "hard": True}]}, ["/x"]),
    "hard without target": ({}, {"links": [{"path": "/x", "target": "/y", "hard": True}]}, ["/x", "/y"]),
    "no such user": ({}, {"files": [{"path": "/x", "user": {"name": "nobody-here"}}]}, ["/x", "nobody-here"]),
    "no such group": ({}, {"directories": [{"path": "/x", "group": {"name": "nobody-here"}}]}, ["/x", "nobody-here"]),
    "below a file": ({"/x": "old"}, {"files": [{"path": "/x/y"}]}, ["/x/y"]),
    "same place": ({"/x": ("->", "/z")}, {"files": [{"path": "/x/y"}, {"path": "/z/y"}]}, ["/x/y", "/z/y"]),
    "bad data": ({}, {"files": [{"path": "/x", "contents": {"source": "data:;base64,?"}}]}, ["storage.files.0"]),
    "no path": ({}, {"files": [{"contents": {"source": "data:,"}}]}, ["storage.files.0"]),
    "relative path": ({}, {"directories": [{"path": "x"}]}, ["storage.directories.0"]),
    "no target": ({}, {"links": [{"path": "/x"}]}, ["storage.links.0"]),
    "mode": ({}, {"files": [{"path": "/x", "mode": 99999}]}, ["storage.files.0"]),
    "overwrite without contents": ({}, {"files": [{"path": "/x", "overwrite": True}]}, ["storage.files.0"]),
    "id and name": ({}, {"files": [{"path": "/x", "user": {"id": 1, "name": "root"}}]}, ["storage.files.0"]),
    "twice": ({}, {"files": [{"path": "/x"}, {"path": "/x"}]}, ["storage.files.1"]),
    "through a link": ({}, {"links": [{"path": "/x", "target": "y"}], "files": [{"path": "/x/z"}]}, ["storage.files.0"]),
    "not a number": ({}, {"files": [{"path": "/x", "mode": "0644"}]}, ["storage.files.0"]),
}


def shifted(value, to, offset):
    """The same entries under another directory, as entries number `offset` and on."""
    text = json.dumps(value).replace('"/', '"' + to + '/')
    return json.loads(text)


def broken_case(rng):
    """One to three things wrong in one config; of those that the validation finds, or of those of the stage."""
    early = rng.random() < 0.5
    validation = [n for n, b in BROKEN.items() if b[2][0].startswith("storage")]
    names = validation if early else [n for n in BROKEN if n not in validation and n != "through a link"]
    picked = rng.sample(names, rng.randrange(1, 4))
    entries, out, words = {}, {"files": [], "directories": [], "links": []}, []
    for i, name in enumerate(picked):
        tree_there, what, expected = BROKEN[name]
        to = "/p%d" % i
        for path, text in tree_there.items():
            entries[to + path] = ("->", to + text[1]) if isinstance(text, tuple) and text[1:2] == ("/z",) else text
        for section, list_ in shifted(what, to, 0).items():
            for word in expected:
                if word.startswith("storage." + section):
                    words.append("storage.%s.%d" % (section, len(out[section]) + int(word.rsplit(".", 1)[1])))
            out[section] += list_
        words += [to + w if w.startswith("/") else w for w in expected if not w.startswith("storage")]
    # Before 3.3 a link without target passes Ignition's validation and fails when it is made.
    version = "3.3.0" if "no target" in picked else rng.choice(["3.1.0", "3.3.0"])
    return picked, entries, tree.config(version, storage={k: v for k, v in out.items() if v}), words


def main():
    driver = sys.argv[1]
    if not os.access(REFERENCE, os.X_OK):
        return 77
    options = dict(zip(sys.argv[2::2], sys.argv[3::2]))
    count, failures, outcomes = int(options.get("--count", 300)), 0, {"done": 0, "refused": 0}
    rng = random.Random(int(options.get("--seed", 1)))
    os.umask(0o022)
    with tree.Work() as work:
        os.chmod(work, 0o755)
        accounts = tools_work(work)
        if not accounts:
            print("no account tools that take --root here: without users and groups")
        for n in range(count):
            with_dir = work + "/%d" % n
            os.mkdir(with_dir)  # the user of ssh keys passes through it
            runner = Runner(driver, with_dir)
            entries, value = valid_case(rng, accounts)
            outcome, problems = compare(runner, "valid%d" % n, entries, value)
            outcomes[outcome] += 1
            if problems:
                failures += 1
                print("case %d (%s): %s" % (n, outcome, "\n  ".join(problems)))
                if failures <= 3:
                    print(json.dumps(value), entries)
            subprocess.run(["rm", "-rf", with_dir], check=True)
        for n in range(count):
            with_dir = work + "/b%d" % n
            os.mkdir(with_dir)
            runner = Runner(driver, with_dir)
            names, entries, value, words = broken_case(rng)
            a, b = with_dir + "/a", with_dir + "/b"
            root_make(a, entries)
            root_make(b, entries)
            ours, theirs = runner.ours(a, value), runner.reference(b, value)
            missing = [w for w in words if w not in ours.stderr]
            if ours.returncode != 1 or not theirs.returncode or missing:
                failures += 1
                print("broken %d %s: exit %d | %d, not named: %s\n  %s" % (
                    n, names, ours.returncode, theirs.returncode, missing, ours.stderr))
            subprocess.run(["rm", "-rf", with_dir], check=True)
        print("%d made, %d refused by both, %d broken; users: %s; %d differ" % (
            outcomes["done"], outcomes["refused"], count, accounts, failures))
    if outcomes["done"] < count * 0.6:
        print("too few of the valid configs can be made")
        failures += 1
    return failures != 0


sys.exit(main())
