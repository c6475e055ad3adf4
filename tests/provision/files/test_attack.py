#!/usr/bin/env python3
"""Whatever links lie in the tree, or come and go while the stage runs, nothing outside the root is changed."""
import os
import sys
import threading

import tree

DATA = {"source": "data:,new"}


def config(n):
    return tree.config(storage={
        "directories": [{"path": "/d%d/in" % n, "mode": 0o700, "user": {"id": 5}},
                        {"path": "/d%d/gone" % n, "overwrite": True}],
        "files": [{"path": "/d%d/file" % n, "contents": DATA, "overwrite": True},
                  {"path": "/d%d/kept" % n, "append": [DATA], "mode": 0o600, "user": {"id": 5}},
                  {"path": "/d%d/deep/er/file" % n, "contents": DATA}],
        "links": [{"path": "/d%d/link" % n, "target": "x", "overwrite": True},
                  {"path": "/d%d/hard" % n, "target": "/d%d/file" % n, "hard": True}],
    }, systemd={"units": [{"name": "a%d.service" % n, "mask": True}]})


def outside_make(path):
    tree.make(path, {"/file": "mine", "/kept": "mine", "/in/x": "mine", "/gone/x": "mine", "/link": ("->", "mine"),
                     "/etc/passwd": "mine", "/a0.service": "mine"})


def still(driver, work, name, links):
    """A link (or several) of the root points to the outside."""
    root, outside = "%s/%s" % (work, name), "%s/%s-outside" % (work, name)
    outside_make(outside)
    tree.make(root, {p: ("->", t % {"outside": outside, "name": name}) for p, t in links.items()})
    before = tree.listing(outside)
    done = tree.run(driver, root, config(0))
    problems = tree.difference(before, tree.listing(outside))
    if done.returncode not in (0, 1):
        problems.append("exit %d: %s" % (done.returncode, done.stderr))
    return ["%s: %s" % (name, p) for p in problems]


def moving(driver, work):
    """Directories turn into links to the outside and back while the stage runs."""
    outside, stop, swaps = work + "/moving-outside", threading.Event(), [0]
    outside_make(outside)
    before = tree.listing(outside)
    problems = []
    for turn in range(12):
        root = "%s/moving%d" % (work, turn)
        n = 40
        tree.make(root, {"/d%d" % i: None for i in range(n)})
        stop.clear()

        def swap():
            while not stop.is_set():
                for i in range(n):
                    try:
                        os.rename("%s/d%d" % (root, i), "%s/away%d" % (root, i))
                        os.symlink(outside, "%s/d%d" % (root, i))
                        os.unlink("%s/d%d" % (root, i))
                        os.rename("%s/away%d" % (root, i), "%s/d%d" % (root, i))
                        swaps[0] += 1
                    except OSError:
                        pass

        thread = threading.Thread(target=swap)
        thread.start()
        whole = tree.config(storage={
            s: [e for i in range(n) for e in config(i)["storage"][s]] for s in ("directories", "files", "links")})
        done = tree.run(driver, root, whole)
        stop.set()
        thread.join()
        if done.returncode not in (0, 1):
            problems.append("exit %d: %s" % (done.returncode, done.stderr))
        problems += ["link swapped while running: " + d for d in tree.difference(before, tree.listing(outside))]
    if not swaps[0]:
        problems.append("nothing was swapped")
    return problems


def main():
    driver, problems = sys.argv[1], []
    with tree.Work() as work:
        for name, links in {
            "absolute": {"/d0": "%(outside)s"},
            "relative": {"/d0": "../%(name)s-outside"},
            "many-dots": {"/d0": "../../../../../../../../../..%(outside)s"},
            "etc": {"/etc": "%(outside)s/etc"},
            "systemd": {"/etc/systemd/system": "%(outside)s"},
            "proc": {"/d0": "/proc/self/cwd"},
            "loop": {"/d0": "d0"},
            "file": {"/d0/file": "%(outside)s/file", "/d0/kept": "%(outside)s/kept", "/d0/in": "%(outside)s/in"},
            "gone": {"/d0/gone": "%(outside)s/gone"},
            "result": {"/etc/.ignition-result.json": "%(outside)s/file"},
            "journal": {"/etc/.ignition-files.journal": "%(outside)s/file"},
        }.items():
            problems += still(driver, work, name, links)
        problems += moving(driver, work)
    for p in problems:
        print(p)
    return bool(problems)


sys.exit(main())
