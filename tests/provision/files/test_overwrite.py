#!/usr/bin/env python3
"""Every kind of entry over every kind of thing that can be there, with and without overwrite."""
import sys

import tree

THERE = {
    "nothing": {},
    "file": {"/x": ("old", 0o640, 7, 8)},
    "directory": {"/x/in/it": "old"},
    "link": {"/x": ("->", "/t")},
    "other link": {"/x": ("->", "/elsewhere")},
    "fifo": {"/x": ("fifo",)},
}
DATA = {"source": "data:,new"}
WANT = {
    "contents": ("files", {"path": "/x", "contents": DATA}),
    "empty": ("files", {"path": "/x"}),
    "attributes": ("files", {"path": "/x", "mode": 0o600, "user": {"id": 3}}),
    "append": ("files", {"path": "/x", "append": [DATA, DATA]}),
    "both": ("files", {"path": "/x", "contents": DATA, "append": [DATA], "mode": 0o751}),
    "directory": ("directories", {"path": "/x", "mode": 0o700, "group": {"id": 4}}),
    "plain directory": ("directories", {"path": "/x"}),
    "link": ("links", {"path": "/x", "target": "/t", "user": {"id": 9}}),
    "hard": ("links", {"path": "/x", "target": "/t", "hard": True}),
}
# (wanted, there) without overwrite -> what /x is then; what is not here is refused.


def sha(text):
    import hashlib
    return hashlib.sha256(text.encode()).hexdigest()[:16]


FRESH = {
    "contents": "f 0644 0 0 " + sha("new"),
    "empty": "f 0644 0 0 " + sha(""),
    "attributes": "f 0600 3 0 " + sha(""),
    "append": "f 0644 0 0 " + sha("newnew"),
    "both": "f 0751 0 0 " + sha("newnew"),
    "directory": "d 0700 0 4",
    "plain directory": "d 0755 0 0",
    "link": "l 9 0 -> /t",
    "hard": "f 0644 0 0 " + sha("target") + " = /t",
}
KEPT = {
    ("empty", "file"): "f 0640 7 8 " + sha("old"),
    ("attributes", "file"): "f 0600 3 8 " + sha("old"),
    ("append", "file"): "f 0640 7 8 " + sha("oldnewnew"),
    ("directory", "directory"): "d 0700 0 4",
    ("plain directory", "directory"): "d 0755 0 0",
    ("link", "link"): "l 0 0 -> /t",
}
NO_OVERWRITE = ("empty", "attributes", "append")  # the spec refuses it without contents


def one(driver, work, wanted, there, overwrite):
    root = "%s/%s-%s-%d" % (work, wanted.replace(" ", "_"), there.replace(" ", "_"), overwrite)
    tree.make(root, dict({"/t": "target"}, **THERE[there]))
    section, entry = WANT[wanted]
    before = tree.listing(root)
    done = tree.run(driver, root, tree.config(storage={section: [dict(entry, overwrite=overwrite)]}))
    expected = FRESH[wanted] if there == "nothing" or overwrite else KEPT.get((wanted, there))
    after = tree.listing(root)
    if expected is None:
        if done.returncode != 1 or tree.difference(before, after):
            return "should be refused with nothing changed: exit %d %s" % (done.returncode, done.stderr)
        if "/x" not in done.stderr or ".ign:" not in done.stderr:
            return "the message lacks path or position: " + done.stderr
        return None
    if done.returncode:
        return done.stderr
    if after.get("/x") != expected:
        return "/x is %s, not %s" % (after.get("/x"), expected)
    if overwrite and "/x/in" in after and wanted == "directory":
        return "the old tree is still there"
    if any("/.ign-" in p or "journal" in p for p in after):
        return "left behind: %s" % sorted(after)
    return None


def main():
    driver, failures = sys.argv[1], 0
    with tree.Work() as work:
        for wanted in WANT:
            for there in THERE:
                for overwrite in (False, True):
                    if overwrite and wanted in NO_OVERWRITE:
                        continue
                    problem = one(driver, work, wanted, there, overwrite)
                    if problem:
                        failures += 1
                        print("%s over %s, overwrite %s: %s" % (wanted, there, overwrite, problem))
    return failures != 0


sys.exit(main())
