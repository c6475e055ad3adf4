#!/usr/bin/env python3
"""import.py DRIVER: images into a repository. The referee is the distribution's ostree: what it says of a commit, what it
makes of the same archives, its fsck. Images come from layouts and from a registry on the loopback."""
import json
import os
import re
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

sys.dont_write_bytecode = True

import cases
from images import (OBJECTS, Encapsulated, Image, Layer, Registry, directory, entry, file, hardlink, layer, layout_write,
                    native, run, sha256, symlink, tar, variant_xattrs)

DRIVER = sys.argv.pop(1)
OPTIONS = os.environ.get("IMPORT_OPTIONS", "").split()  # of the driver, each time
here = pathlib.Path(tempfile.mkdtemp(prefix="basalt-import-"))


def snapshot(path):
    """Everything below a directory: names, types, owners, modes, attributes, contents."""
    found = {}
    for top, directories, files in os.walk(path):
        for name in directories + files:
            where = pathlib.Path(top, name)
            st = where.lstat()
            what = os.readlink(where) if where.is_symlink() else where.read_bytes() if where.is_file() else b""
            found[str(where.relative_to(path))] = (
                st.st_mode, st.st_uid, st.st_gid, what,
                tuple((a, os.getxattr(where, a, follow_symlinks=False)) for a in os.listxattr(where, follow_symlinks=False)))
    found.pop(".lock", None)
    return found


class Case(cases.Case):
    def setUp(self):
        self.settle(here)

    def settle(self, directory):
        self.place = pathlib.Path(tempfile.mkdtemp(suffix="x", dir=directory))
        self.addCleanup(shutil.rmtree, self.place)
        self.repo, self.layout = self.place / "repo", self.place / "layout"
        self.root = self.place / "root"
        (self.root / "etc/containers").mkdir(parents=True)
        run("ostree", "init", f"--repo={self.repo}", "--mode=bare")

    def ostree(self, verb, *more):
        return run("ostree", f"--repo={self.repo}", verb, *more).decode()

    def driver(self, *arguments, **more):
        done = subprocess.run([DRIVER, *OPTIONS, *map(str, arguments)], capture_output=True, timeout=120,
                              stdin=subprocess.DEVNULL, **more)
        done.said = done.stderr.decode(errors="replace")
        return done

    def try_image(self, image, *options, ref="1", verb="import"):
        layout_write(self.layout, image, ref)
        return self.driver(*options, verb, self.root, self.repo, f"oci:{self.layout}:{ref}")

    def good(self, done):
        self.assertEqual(done.returncode, 0, done.said)
        return json.loads(done.stdout)

    def imported(self, image, *options, **more):
        result = self.good(self.try_image(image, *options, **more))
        self.assertEqual(self.refs()[result["ref"]], result["commit"])
        self.ostree("fsck", "--quiet")
        self.assertFalse((self.repo / "tmp/basalt-import").exists())
        return result

    def refused(self, image, *said, options=(), code=1):
        before = snapshot(self.repo)
        done = self.try_image(image, *options)
        self.assertEqual(done.returncode, code, done.said)
        for text in said:
            self.assertIn(text, done.said)
        self.assertEqual(done.said.count("\n"), 1, done.said)
        self.assertEqual(snapshot(self.repo), before)
        self.ostree("fsck", "--quiet")
        return done

    def refs(self):
        return {name: self.ostree("rev-parse", name).strip() for name in self.ostree("refs").split()}

    def objects(self):
        return {one.parent.name + one.stem for one in (self.repo / "objects").glob("*/*")}

    def list(self, commit):
        """name: mode, owner, group, size, checksums, target, as ostree says it."""
        lines = self.ostree("ls", "-R", "-C", "-X", commit).splitlines()
        return {line.split(" /", 1)[1]: line.split(" /", 1)[0].split() for line in lines}

    def names(self, commit):
        return {name.split(" -> ")[0] for name in self.list(commit)}

    def cat(self, commit, path):
        return self.ostree("cat", commit, path)

    def flattened(self, *entries):
        """The tree that ostree makes of an archive."""
        path = self.place / "flat.tar"
        path.write_bytes(tar(*entries))
        return self.ostree("commit", "-b", "flat", f"--tree=tar={path}", "--tar-autocreate-parents", "--no-bindings").strip()


BASE = [directory("./"), directory("usr/", 0o755), directory("usr/bin"), file("usr/bin/a", "a" * 5000, mode=0o755),
        file("usr/bin/suid", "s", mode=0o4755, uid=3, gid=4), symlink("usr/bin/sh", "a"), file("usr/empty"),
        directory("etc", 0o755), file("etc/passwd", "root\n"), directory("var", 0o755), directory("var/lib", 0o700, uid=7),
        file("usr/capable", "c", xattrs={"user.one": "1"}), file("usr/large", b"x" * 9_000_000),
        hardlink("usr/bin/b", "usr/bin/a"), symlink("lib", "usr/lib"), directory("opt", 0o1777)]


class Plain(Case):
    def test_one_layer(self):
        result = self.imported(Image(layer(*BASE)))
        flat = self.flattened(*[(i, d) for i, d in BASE if not i.name.startswith("etc")],
                              directory("usr/etc"), file("usr/etc/passwd", "root\n"))
        self.assertEqual(self.list(result["commit"]), self.list(flat))
        self.assertEqual((result["layers"], result["kept"], result["fetched"]), (1, 0, 1))
        self.assertGreater(result["objects"], 10)

    def test_attributes_in_order(self):
        """ostree 2022.7 names a file by its attributes as they come, and then finds its own object damaged."""
        entries = [file("usr/x", "c", xattrs={"user.b": "2", "user.a": "1", "security.capability": "\1\0\0\2" + 16 * "\0"})]
        result = self.imported(Image(layer(*entries)))
        self.assertIn("user.a", " ".join(self.list(result["commit"])["usr/x"]))

    def test_metadata(self):
        image = Image(layer(*BASE))
        result = self.imported(image)

        def metadata(key):
            text = self.ostree("show", f"--print-metadata-key={key}", result["commit"]).strip()
            return text[1:-1] if text[0] == "'" else text
        self.assertEqual(metadata("ostree.manifest-digest"), sha256(image.manifest))
        self.assertEqual(json.loads(metadata("ostree.manifest")), json.loads(image.manifest))
        self.assertEqual(json.loads(metadata("ostree.container.image-config")), json.loads(image.config))
        self.assertTrue(metadata("ostree.importer.version").startswith("basalt "))
        self.assertIn("2024-05-06 05:08:09 +0000", self.ostree("show", result["commit"]))
        refs = self.refs()
        digest = image.layers[0].digest
        self.assertIn("ostree/container/blob/" + digest.replace(":", "_3A_"), refs)
        # "/" stands as it is behind a letter or a digit; the directory's name may end with something else.
        name = re.sub(r"(?<![A-Za-z0-9])/", "_2F_", f"oci:{self.layout}:1".replace("_", "__"))
        self.assertEqual(result["ref"], "ostree/container/image/" + name.replace(":", "_3A_"))
        annotated = self.imported(Image(*image.layers, annotations={
            "org.opencontainers.image.created": "2020-01-01T00:00:00.123Z"}))
        self.assertIn("2020-01-01 00:00:00 +0000", self.ostree("show", annotated["commit"]))

    def test_nothing_changed(self):
        image = Image(layer(*BASE))
        first = self.imported(image)
        before = snapshot(self.repo)
        shutil.rmtree(self.layout / "blobs/sha256")  # but for the manifest
        (self.layout / "blobs/sha256").mkdir()
        (self.layout / "blobs/sha256" / sha256(image.manifest)[7:]).write_bytes(image.manifest)
        again = self.good(self.driver("import", self.root, self.repo, f"oci:{self.layout}:1"))
        self.assertEqual((again["changed"], again["commit"], again["kept"]), (False, first["commit"], 1))
        self.assertEqual(snapshot(self.repo), before)

    def test_unchanged_layer(self):
        lower = layer(*BASE)
        self.imported(Image(lower, layer(file("usr/x", "1"))))
        lower.blob = b"nobody reads this"
        second = self.imported(Image(lower, layer(file("usr/x", "2"))))
        self.assertEqual((second["kept"], second["fetched"]), (1, 1))
        self.assertEqual(self.cat(second["commit"], "/usr/x"), "2")
        self.assertEqual(self.cat(second["commit"], "/usr/etc/passwd"), "root\n")

    def test_recompressed_layer(self):
        first = self.imported(Image(layer(*BASE)))
        image = Image(layer(*BASE, level=9))
        again = layer(*BASE, level=0)
        result = self.imported(image)
        self.assertEqual((result["kept"], result["fetched"], result["objects"]), (1, 0, 1))
        self.assertEqual(self.list(result["commit"]), self.list(first["commit"]))
        self.assertEqual(self.refs()["ostree/container/blob/" + image.layers[0].digest.replace(":", "_3A_")],
                         self.refs()["ostree/container/blob/" + layer(*BASE).digest.replace(":", "_3A_")])
        self.assertEqual(self.imported(Image(again))["fetched"], 0)

    def test_zstd(self):
        archive = tar(*BASE)
        blob = run("zstd", "-q", "-c", input=archive)
        plain = self.imported(Image(Layer(archive, level=0)))
        self.repo = self.place / "other"
        run("ostree", "init", f"--repo={self.repo}", "--mode=bare")
        result = self.imported(Image(Layer(archive, blob=blob, suffix="+zstd")))
        self.assertEqual(self.cat(result["commit"], "/usr/etc/passwd"), "root\n")
        self.assertEqual(plain["objects"], result["objects"])

    def test_without_processes(self):
        image = Image(layer(*BASE), layer(file("usr/.wh.large"), file("usr/new", os.urandom(3_000_000))), Layer(tar(*BASE), level=0))
        result = self.imported(image)
        objects, refs, names = self.objects(), self.refs(), self.list(result["commit"])
        self.repo = self.place / "other"
        run("ostree", "init", f"--repo={self.repo}", "--mode=bare")
        again = self.imported(image, "--in-process")
        self.assertEqual(self.objects() - {again["commit"]}, objects - {result["commit"]})
        self.assertEqual({n: c for n, c in self.refs().items() if "/blob/" in n}, {n: c for n, c in refs.items() if "/blob/" in n})
        self.assertEqual(self.list(again["commit"]), names)

    def test_same_layer_twice(self):
        empty = layer(directory("./"))
        result = self.imported(Image(empty, layer(*BASE), empty, empty))
        self.assertEqual((result["layers"], result["kept"], result["fetched"]), (4, 2, 2))

    def test_bootable(self):
        kernel = [*BASE, file("usr/lib/modules/6.1/vmlinuz", "k"), directory("usr/lib/modules/6.2")]

        def facts(image):
            result = self.imported(image)
            again = self.imported(image)
            self.assertFalse(again["changed"])
            for key in ("kernel", "label", "bootable", "commit", "manifest", "layers"):
                self.assertEqual(result[key], again[key])
            return result["kernel"], result["label"], result["bootable"]

        self.assertEqual(facts(Image(layer(*BASE), labels={"containers.bootc": "1"})), ("", True, False))
        self.assertEqual(facts(Image(layer(*kernel))), ("6.1", False, False))
        self.assertEqual(facts(Image(layer(*kernel), labels={"containers.bootc": "1"})), ("6.1", True, True))
        self.assertEqual(facts(Image(layer(*kernel), labels={"ostree.bootable": "true"})), ("6.1", True, True))
        two = [*kernel, file("usr/lib/modules/6.2/vmlinuz", "k")]
        self.assertEqual(facts(Image(layer(*two), labels={"ostree.bootable": "true"})), ("", True, False))

    def test_platform(self):
        self.refused(Image(layer(*BASE), architecture="arm64"), "made for another machine")

    def test_check(self):
        image = Image(layer(*BASE), layer(file("usr/x")))
        before = snapshot(self.repo)
        said = self.good(self.try_image(image, verb="check"))
        self.assertEqual(snapshot(self.repo), before)
        self.assertEqual((said["changed"], said["layers"], said["missing"]), (True, 2, 2))
        self.assertEqual(said["missing_bytes"], sum(one.size for one in image.layers))
        self.assertEqual((said["manifest"], said["config"]), (sha256(image.manifest), image.config.decode()))
        self.imported(image)
        said = self.good(self.try_image(image, verb="check"))
        self.assertEqual((said["changed"], said["missing"]), (False, 0))
        said = self.good(self.try_image(Image(image.layers[0], layer(file("usr/y"))), verb="check"))
        self.assertEqual((said["changed"], said["missing"]), (True, 1))

    def test_progress(self):
        image = Image(layer(*BASE), layer(file("usr/x", os.urandom(300_000))))
        done = self.try_image(image, "--progress", "--jobs=1")
        lines = done.said.splitlines()
        total = sum(one.size for one in image.layers)
        self.assertEqual(lines[-1], f"layer 1 done {image.layers[1].size}: {total} of {total}, layers 2, kept 0, fetched 2")
        self.assertTrue(lines[0].startswith(f"layer 0 fetching 0: 0 of {total}"))

    def test_cancelled(self):
        self.refused(Image(layer(file("usr/x", os.urandom(2_000_000)))), "cancelled", options=["--cancel=500000"])

    def test_not_accepted(self):
        image = Image(layer(*BASE))
        layout_write(self.layout, image)
        (self.layout / "blobs/sha256" / image.layers[0].digest[7:]).unlink()
        before = snapshot(self.repo)
        done = self.driver("--bootable", "import", self.root, self.repo, f"oci:{self.layout}:1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no operating system: it has neither the label", done.said)
        self.assertEqual(snapshot(self.repo), before)

    def test_archives_on_disk(self):
        image = Image(layer(*BASE))
        layout_write(self.layout, image, index=True)
        run("tar", "-C", self.layout, "-cf", self.place / "x.tar", ".")
        result = self.good(self.driver("import", self.root, self.repo, f"oci-archive:{self.place}/x.tar:1"))
        self.assertEqual(result["manifest"], sha256(image.manifest))
        again = self.good(self.driver("import", self.root, self.repo, f"oci-archive:{self.place}/x.tar:1"))
        self.assertFalse(again["changed"])
        done = self.driver("import", self.root, self.repo, "containers-storage:localhost/x:1")
        self.assertEqual((done.returncode, done.stdout), (1, b""))
        self.assertIn("containers-storage", done.said)


class Merging(Case):
    def merged(self, *layers):
        return self.imported(Image(*layers))["commit"]

    def test_as_flattened(self):
        """Three layers, and what ostree makes of one archive that says the same (with all directories: those that it has
        to make itself, and all above them, it gives to the owner of what is in them)."""
        commit = self.merged(
            layer(*BASE, directory("usr/share"), directory("usr/share/doc", 0o750, gid=9), file("usr/share/doc/a", "1"),
                  file("usr/share/doc/b", "2")),
            layer(file("usr/share/doc/.wh.a"), file("usr/share/doc/c", "3", xattrs={"user.x": "y"}), file("var/.wh.lib"),
                  hardlink("usr/share/d", "usr/share/doc/b")),
            layer(directory("usr/bin", 0o711), file("usr/bin/.wh..wh..opq"), file("usr/bin/new", "4", mode=0o4755, uid=1),
                  symlink("usr/share/doc/b", "c"), file("etc/passwd", "changed")))
        kept = [(i, d) for i, d in BASE if not i.name.startswith(("etc", "usr/bin", "var/lib"))]
        flat = self.flattened(
            *kept, directory("usr/share"), directory("usr/share/doc", 0o750, gid=9),
            file("usr/share/doc/c", "3", xattrs={"user.x": "y"}), file("usr/share/d", "2"), directory("usr/bin", 0o711), file("usr/bin/new", "4", mode=0o4755, uid=1),
            symlink("usr/share/doc/b", "c"), directory("usr/etc"), file("usr/etc/passwd", "changed"))
        self.assertEqual(self.list(commit), self.list(flat))

    def test_whiteouts(self):
        commit = self.merged(
            layer(*BASE), layer(file("usr/bin/.wh.a"), file("etc/.wh.passwd"), file(".wh.opt"), file("usr/.wh.nothing")),
            layer(file("usr/bin/.wh.c"), file("usr/bin/c", "new")))
        names = self.names(commit)
        self.assertLessEqual({"usr/bin/b", "usr/bin/sh", "usr/etc", "usr/bin/c"}, names)
        self.assertFalse({"usr/bin/a", "usr/etc/passwd", "opt"} & names)
        self.assertFalse([n for n in names if ".wh." in n])

    def test_whiteout_of_etc(self):
        names = self.names(self.merged(layer(*BASE), layer(file(".wh.etc"))))
        self.assertNotIn("usr/etc", names)
        self.assertIn("usr/bin/a", names)

    def test_opaque(self):
        commit = self.merged(layer(*BASE, file("usr/bin/deep/er/x")),
                             layer(directory("usr/bin", 0o711), file("usr/bin/new", "n"), file("usr/bin/.wh..wh..opq"),
                                   file("usr/bin/deep/y")))
        names = {n for n in self.names(commit) if n.startswith("usr/bin")}
        self.assertEqual(names, {"usr/bin", "usr/bin/new", "usr/bin/deep", "usr/bin/deep/y"})
        self.assertEqual(self.list(commit)["usr/bin"][0], "d00711")

    def test_links_across_layers(self):
        commit = self.merged(
            layer(*BASE),
            layer(hardlink("usr/bin/c", "usr/bin/a"), hardlink("usr/bin/d", "./usr/bin/c"), file("usr/bin/.wh.a"),
                  hardlink("etc/group", "/etc/passwd"), file("usr/bin/b", "other")))
        tree = self.list(commit)
        self.assertEqual(self.cat(commit, "/usr/bin/c"), "a" * 5000)
        self.assertEqual(tree["usr/bin/c"], tree["usr/bin/d"])
        self.assertEqual(self.cat(commit, "/usr/etc/group"), "root\n")
        self.assertEqual(self.cat(commit, "/usr/bin/b"), "other")
        self.assertNotIn("usr/bin/a", tree)

    def test_kinds_replace_each_other(self):
        commit = self.merged(
            layer(*BASE, directory("usr/d"), file("usr/d/x"), directory("usr/e"), file("usr/e/x")),
            layer(file("usr/d", "file"), directory("lib"), file("lib/y"), hardlink("usr/e", "usr/bin/a")))
        names = self.names(commit)
        self.assertEqual(self.cat(commit, "/usr/d"), "file")
        self.assertEqual(self.cat(commit, "/usr/e"), "a" * 5000)
        self.assertIn("lib/y", names)
        self.assertFalse({"usr/d/x", "usr/e/x"} & names)

    def test_attributes_of_directories(self):
        tree = self.list(self.merged(
            layer(directory("./", 0o755), directory("var", 0o751, uid=5), directory("etc", 0o700)),
            layer(file("var/x"), file("etc/y")),  # they describe neither
            layer(directory("etc", 0o711))))
        self.assertEqual(tree["var"][:3], ["d00751", "5", "0"])
        self.assertEqual(tree["usr/etc"][0], "d00711")
        self.assertEqual(tree["usr"][0], "d00755")

    def test_names(self):
        commit = self.merged(layer(file("/abs/olute", "1"), file("./dot/./ted//twice", "2"), file("missing/parents/x", "3"),
                                   file("etcetera/x"), file("sysroot/x")))
        self.assertLessEqual({"abs/olute", "missing/parents/x", "etcetera/x", "sysroot/x"}, self.names(commit))

    def test_dropped(self):
        result = self.imported(Image(layer(
            *BASE, directory("run"), file("run/x"), directory("dev"), entry("dev/console", tarfile.CHRTYPE), file("tmp/a/b"),
            entry("usr/null", tarfile.CHRTYPE), entry("usr/disk", tarfile.BLKTYPE), entry("usr/pipe", tarfile.FIFOTYPE),
            file("usr/x", xattrs={"trusted.overlay.opaque": "y", "security.selinux": "l", "user.ok": "1"}),
            symlink("usr/y", "x", xattrs={"user.no": "1"}), file(".wh..wh.aufs"), directory(".wh..wh.plnk"),
            file(".wh..wh.plnk/1.2"), file("sysroot/ostree/repo/config", "[core]"))))
        tree = self.list(result["commit"])
        self.assertEqual({k: result[k] for k in ("runtime", "devices", "fifos", "xattrs", "other", "repository")},
                         {"runtime": 3, "devices": 2, "fifos": 1, "xattrs": 3, "other": 3, "repository": 1})
        self.assertLessEqual({"run", "dev"}, set(tree))
        self.assertFalse({"run/x", "dev/console", "tmp/a", "usr/null", "usr/disk", "usr/pipe", "sysroot"} & set(tree))
        self.assertIn("(b'user.ok', [byte 0x31])", " ".join(tree["usr/x"]))
        self.assertNotIn("trusted", " ".join(tree["usr/x"]))

    def test_injected_files(self):
        names = self.names(self.merged(layer(*BASE, file("etc/hostname"), file("etc/resolv.conf", "nameserver"))))
        self.assertNotIn("usr/etc/hostname", names)
        self.assertIn("usr/etc/resolv.conf", names)

    def test_last_of_two(self):
        commit = self.merged(layer(file("usr/x", "1"), symlink("usr/x", "y"), file("usr/x", "3")))
        self.assertEqual(self.cat(commit, "/usr/x"), "3")


class Hostile(Case):
    def setUp(self):
        super().setUp()
        self.imported(Image(layer(*BASE)), ref="before")

    def layer_refused(self, *entries, said, options=()):
        self.refused(Image(layer(*BASE), layer(file("usr/first", os.urandom(20000)), *entries)), *said, options=options)

    def test_names(self):
        for name in ("../x", "usr/../x", "..", "usr/..", "/../../x", "usr/bin/.wh...", "usr/.wh.", "usr/.wh.x/y",
                     "usr/" + "n" * 256, b"usr/\xff\xfe".decode("utf-8", "surrogateescape")):
            with self.subTest(name):
                self.layer_refused(file(name, "x"), said=["layer 2"])

    def test_kinds(self):
        for entries in ([symlink("usr/l", "/"), file("usr/l/x")], [file("usr/f"), file("usr/f/x")],
                        [directory("usr/d"), symlink("usr/d", "x")], [symlink("usr/s", "x"), directory("usr/s")],
                        [symlink(".", "x")], [symlink("usr/empty", "")], [directory("usr/.wh.x")],
                        [directory("usr/d"), hardlink("usr/h", "usr/d")]):
            with self.subTest(entries[-1][0].name):
                self.layer_refused(*entries, said=["layer 2"])

    def test_links(self):
        for target in ("../../etc/passwd", "usr/../x", "nowhere", "usr/bin", "usr/x/../../y", "run/x", ""):
            with self.subTest(target):
                self.layer_refused(hardlink("usr/x", target), said=["layer 2"])

    def test_xattrs(self):
        many = {f"user.n{i}": "v" for i in range(300)}
        self.layer_refused(file("usr/x", "x", xattrs=many), said=["layer 2"])
        self.layer_refused(file("usr/x", "x", xattrs={"user.big": "v" * 1_200_000}), said=["layer 2"])
        self.layer_refused(file("usr/x", "x", xattrs={"user." + "n" * 300: "v"}), said=["layer 2"])
        self.layer_refused(file("usr/x", "x", xattrs={"user.big": "v" * 70_000}), said=["layer 2"])
        some = {f"user.n{i}": "v" * 30_000 for i in range(20)}
        self.settle("/var/tmp")  # a tmpfs takes them all
        self.layer_refused(file("usr/x", "x", xattrs=some), said=["layer 2", "list too long"])

    def test_digests(self):
        good = layer(*BASE, file("usr/x", os.urandom(50000)))
        wrong = Layer(good.archive, diff_id=sha256(b"x"))
        self.refused(Image(wrong), "diff_id", sha256(b"x"), wrong.diff_id[:10])
        broken = layer(*BASE, file("usr/y", os.urandom(50000)))
        image = Image(broken)
        broken.blob = broken.blob[:20000] + b"X" + broken.blob[20001:]
        self.refused(image, "layer 1")
        broken.blob = broken.blob[:20000]
        self.refused(image, "layer 1")

    def test_kept_layer_with_a_wrong_diff_id(self):
        self.imported(Image(layer(file("usr/a", "1"))), ref="a")
        other = layer(file("usr/a", "1"), diff_id=sha256(b"trusted"))
        self.refused(Image(other), "unpacks to")

    def test_truncated(self):
        archive = tar(file("usr/a", b"x" * 100_000), pax=tarfile.USTAR_FORMAT)
        for n in (100, 600, 50_000):
            with self.subTest(n):
                self.refused(Image(Layer(archive[:n])), "layer 1")
        blob = Layer(archive).blob
        for n in (0, 5, len(blob) // 2, len(blob) - 4):
            with self.subTest(f"gzip {n}"):
                self.refused(Image(Layer(archive, blob=blob[:n])), "layer 1")
        self.refused(Image(Layer(archive, blob=blob + b"more")), "layer 1")
        self.refused(Image(Layer(b"\x01" * 10240)), "layer 1")

    def test_bomb(self):
        self.layer_refused(file("usr/zeros", bytes(40_000_000)), said=["layer 2", "unpack to more"],
                           options=["--max=20000000"])

    def test_sparse(self):
        info, data = file("usr/x", b"x" * 512)
        info.pax_headers["GNU.sparse.major"] = "1"
        self.layer_refused((info, data), said=["sparse"])
        info, data = file("usr/x", b"x" * 512)
        info.type = tarfile.GNUTYPE_SPARSE
        self.layer_refused((info, data), said=["layer 2"])

    def test_no_layers(self):
        self.refused(Image(), "no layers")


class Native(Case):
    """Encapsulated commits: what `ostree commit` made comes out again, object by object."""

    def setUp(self):
        super().setUp()
        self.origin = self.place / "origin"
        tree = self.place / "tree"
        for name in ("usr/bin", "usr/lib/modules/6.1", "usr/etc", "var", "sysroot", "boot"):
            (tree / name).mkdir(parents=True)
        (tree / "ostree").symlink_to("sysroot/ostree")
        (tree / "usr/bin/sh").symlink_to("bash")
        for i in range(12):
            (tree / f"usr/bin/{i}").write_text(f"{i}" * 3000)
        (tree / "usr/bin/large").write_bytes(os.urandom(9_000_000))
        (tree / "usr/lib/modules/6.1/vmlinuz").write_text("kernel")
        (tree / "usr/etc/passwd").write_text("root")
        (tree / "usr/empty").write_text("")
        os.chown(tree / "usr/bin/3", 12, 34)
        os.chmod(tree / "usr/bin/3", 0o4755)
        os.setxattr(tree / "usr/bin/4", "user.component", b"four")
        os.setxattr(tree / "usr/bin/4", "security.selinux", b"system_u:object_r:bin_t:s0\0")
        os.setxattr(tree / "usr/bin/sh", "security.selinux", b"system_u:object_r:link_t:s0\0", follow_symlinks=False)
        os.setxattr(tree / "usr/lib", "security.selinux", b"system_u:object_r:lib_t:s0\0")
        run("ostree", "init", f"--repo={self.origin}", "--mode=bare")
        self.commit = run("ostree", f"--repo={self.origin}", "commit", "-b", "x", "-s", "subject",
                          "--add-metadata-string=version=1", f"--tree=dir={tree}").decode().strip()
        self.base = Encapsulated(self.origin, self.commit)

    def test_base(self):
        layers = self.base.layers()
        result = self.imported(native(layers))
        self.assertEqual((result["base"], result["kernel"], result["bootable"]), (self.commit, "6.1", True))
        self.assertEqual(self.list(result["commit"]), self.list(self.commit))
        self.assertIn(f"Parent:  {self.commit}", self.ostree("show", result["commit"]))
        self.assertEqual(self.ostree("show", self.commit),
                         run("ostree", f"--repo={self.origin}", "show", self.commit).decode())
        refs = self.refs()
        self.assertEqual(refs["ostree/container/blob/" + layers[0].digest.replace(":", "_3A_")], self.commit)
        chunk = self.list(refs["ostree/container/blob/" + layers[1].digest.replace(":", "_3A_")])
        for name, what in chunk.items():
            self.assertIn(name.split(" -> ")[0] or what[5], [what[4], what[5]])
        self.assertGreater(len(chunk), 3)

    def test_derived(self):
        derived = layer(file("usr/bin/.wh.5"), file("usr/bin/6", "new"), directory("etc"), file("etc/group", "g"),
                        hardlink("usr/bin/seven", "usr/bin/7"))
        result = self.imported(native(self.base.layers(), derived))
        self.assertEqual((result["base"], result["fetched"]), (self.commit, 4))
        names = self.names(result["commit"])
        self.assertNotIn("usr/bin/5", names)
        self.assertEqual(self.cat(result["commit"], "/usr/bin/6"), "new")
        self.assertEqual(self.cat(result["commit"], "/usr/bin/seven"), "7" * 3000)
        self.assertLessEqual({"usr/etc/group", "usr/etc/passwd"}, names)
        again = self.imported(native(self.base.layers(), layer(file("usr/x"))))
        self.assertEqual((again["kept"], again["fetched"]), (3, 1))

    def test_files_of_the_repository_inside(self):
        """A builder that changed a file also changed the object that it was a link to."""
        seven = next(s for s, (_, (_, data)) in self.base.files.items() if data == b"7" * 3000)
        one, other = self.base.path("file", "ab" * 32), self.base.path("file", seven)
        derived = layer(file(one, "changed"), hardlink("usr/bin/1", one), hardlink("usr/bin/2", one),
                        hardlink("usr/bin/8", other))
        result = self.imported(native(self.base.layers(), derived))
        self.assertEqual(result["repository"], 1)
        self.assertEqual([self.cat(result["commit"], f"/usr/bin/{i}") for i in (1, 2)], ["changed"] * 2)
        self.assertEqual(self.cat(result["commit"], "/usr/bin/8"), "7" * 3000)
        self.assertFalse([n for n in self.names(result["commit"]) if n.startswith("sysroot/")])

    def test_links_to_attributes(self):
        """As older exporters wrote them: attributes once, by their checksum."""
        checksum, (attributes, contents) = next((c, f) for c, f in self.base.files.items() if f[0][1] and f[1][0].isreg())
        name = sha256(attributes[1])[7:]
        self.base.files[checksum] = [file(self.base.path("file-xattrs", name), attributes[1]),
                                     hardlink(attributes[0].name, "../" + self.base.path("file-xattrs", name)[len(OBJECTS):]),
                                     contents]
        self.assertEqual(self.imported(native(self.base.layers()))["base"], self.commit)

    def refused_with(self, change, *said):
        layers = self.base.layers()
        entries = list(self.base.files.items())
        checksum, pair = next((c, f) for c, f in entries if f[1][0].isreg() and len(f[1][1]) == 3000)
        bad = layer(*self.base.skeleton(), *change(checksum, pair))
        self.refused(native([*layers[:2], bad]), "layer 3", *said)

    def test_hostile_objects(self):
        def contents(c, f):
            return [f[0], file(f[1][0].name, f[1][1] + b"x")]
        self.refused_with(contents, "does not have the checksum")
        self.refused_with(lambda c, f: [f[0], file(f[1][0].name, f[1][1], mode=0o4777)], "does not have the checksum")
        self.refused_with(lambda c, f: [file(f[0][0].name, variant_xattrs({"user.x": b"1"})), f[1]], "the checksum")
        self.refused_with(lambda c, f: [f[1]], "no attributes")
        self.refused_with(lambda c, f: [f[0]], "attributes of no file")
        self.refused_with(lambda c, f: [f[0], f[0], f[1]], "before another's")
        self.refused_with(lambda c, f: [*f, *f], "comes twice")
        self.refused_with(lambda c, f: [file(f[0][0].name, b"\x07" * 9), f[1]], "cannot be read")
        self.refused_with(lambda c, f: [file(f[0][0].name, bytes(1_100_000)), f[1]], "larger than")
        self.refused_with(lambda c, f: [hardlink(f[0][0].name, "x/y"), f[1]], "something else")
        self.refused_with(lambda c, f: [hardlink(f[0][0].name, "ab/" + "c" * 62 + ".file-xattrs"), f[1]], "not in the layer")
        self.refused_with(lambda c, f: [file(self.base.path("file-xattrs", "ab" * 32), b"")], "of their name")
        self.refused_with(lambda c, f: [*f, self.base.metadata[1]], "files alone")
        self.refused_with(lambda c, f: [*f, self.base.metadata[0]], "not expected")
        self.refused_with(lambda c, f: [*f, file(OBJECTS + "ab/" + "c" * 62 + ".tombstone")], "no name of an object")
        self.refused_with(lambda c, f: [*f, file(OBJECTS + "x")], "no name of an object")
        self.refused_with(lambda c, f: [f[0], directory(f[1][0].name), hardlink(f[1][0].name, "x")], "of a type")

    def test_hostile_commits(self):
        def first(*entries):
            files = [e for f in self.base.files.values() for e in f]
            one = layer(*self.base.skeleton(), *entries, *files)
            return native([one])
        commit, *rest = self.base.metadata
        self.assertEqual(self.imported(first(commit, *rest), ref="good")["base"], self.commit)
        self.repo = self.place / "again"
        run("ostree", "init", f"--repo={self.repo}", "--mode=bare")
        self.refused(first(*rest), "before the commit")
        self.refused(first(*rest, commit), "before the commit")
        self.refused(first(commit, commit, *rest), "not expected")
        self.refused(first(commit, *rest[1:]), "layer 1")
        self.refused(first(commit, *rest[:-1]), "layer 1")
        self.refused(first(file(commit[0].name, commit[1] + b"x"), *rest), "layer 1")
        tree = next(r for r in rest if r[0].name.endswith("tree"))
        self.refused(first(commit, *[r for r in rest if r is not tree], file(tree[0].name, tree[1][:-1])), "cannot be read")
        bad = file(self.base.path("dirmeta", sha256(bytes(12))[7:]), bytes(12))
        self.refused(first(commit, *rest, bad), "cannot be read")
        large = file(self.base.path("dirtree", "ab" * 32), bytes(11_000_000))
        self.refused(first(commit, *rest, large), "larger than")

    def test_missing_objects(self):
        layers = self.base.layers()
        empty = layer(*self.base.skeleton())
        self.refused(native([layers[0], layers[1], empty]), "lacks the contents of")
        self.refused(Image(*layers, labels={"ostree.final-diffid": "sha256:" + "0" * 64}), "ostree.final-diffid")

    def test_kinds_of_layers(self):
        """A layer that was imported as one kind is not taken for the other."""
        layers = self.base.layers()
        self.imported(native(layers))
        result = self.imported(Image(layers[1]), ref="plain")
        self.assertEqual(result["fetched"], 1)
        self.assertEqual(self.imported(native(layers), ref="native")["base"], self.commit)


class Interrupted(Case):
    def images(self):
        first = Image(layer(*BASE[:6]), layer(file("usr/x", "1")))
        return first, Image(first.layers[0], layer(file("usr/x", "2"), file("usr/y", "2" * 300)),
                            layer(file("usr/z", b"z" * 8_500_000)))

    def interrupted(self, *how, code):
        first, second = self.images()
        old = self.imported(first)
        saved = self.place / "saved"
        run("cp", "-a", self.repo, saved)
        wanted = self.imported(second, "--jobs=1")
        self.assertGreater(wanted["steps"], 15)
        for n in range(1, wanted["steps"] + 1):
            shutil.rmtree(self.repo)
            run("cp", "-a", saved, self.repo)
            done = self.try_image(second, "--jobs=1", f"--fail={n}", *how)
            self.assertEqual(done.returncode, code, done.said)
            refs = self.refs()
            self.assertEqual(refs[old["ref"]], old["commit"])
            if not how:
                self.assertFalse((self.repo / "tmp/basalt-import").exists())
            if n % 3 == 0:
                self.ostree("fsck", "--quiet")
            again = self.good(self.try_image(second))
            self.assertEqual((again["commit"], again["changed"]), (wanted["commit"], True))
            self.assertFalse((self.repo / "tmp/basalt-import").exists())
        self.ostree("fsck", "--quiet")

    def test_failing_at_every_step(self):
        self.interrupted(code=1)

    def test_killed_at_every_step(self):
        self.interrupted("--kill", code=9)

    def test_full(self):
        first, second = self.images()
        self.imported(first)
        self.refused(second, "is full", "No space left", options=["--jobs=1", "--fail=3", "--errno=28"])


def small_disk_works():
    probe = "mount -t tmpfs -o size=1m none /mnt"
    return subprocess.run(["unshare", "-m", "sh", "-c", probe], capture_output=True).returncode == 0


class SmallDisk(Case):
    """The repository on a file system of its own, in a mount namespace of its own."""

    def small(self, image, mib, said):
        if not small_disk_works():
            self.skipTest("no mounts here")
        layout_write(self.layout, image)
        disk = self.place / "disk"
        disk.mkdir()
        script = f"""set -e
            mount -t tmpfs -o size={mib}m none {disk}
            ostree init --repo={disk}/repo --mode=bare
            find {disk} | sort >{self.place}/before
            code=0; {DRIVER} import {self.root} {disk}/repo oci:{self.layout}:1 || code=$?
            find {disk} ! -name .lock | sort >{self.place}/after
            exit $code"""
        done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(said, done.stderr.decode())
        self.assertEqual((self.place / "before").read_text(), (self.place / "after").read_text())

    def test_seen_before(self):
        self.small(Image(layer(file("usr/x", os.urandom(6_000_000)))), 4, "needs 6 MiB at least, and the file system "
                   "of the repository has 3 MiB left; nothing was fetched")

    def test_while_writing(self):
        self.small(Image(layer(*[file(f"usr/{i}", bytes([i]) * 1_000_000) for i in range(20)])), 4, "is full")


class FromRegistry(Case):
    def test_all(self):
        registry = Registry(self.place / "registry")
        self.addCleanup(registry.close)
        (self.root / "etc/containers/registries.conf").write_text(
            f'[[registry]]\nlocation = "{registry.host}"\ninsecure = true\n')
        lower = layer(*BASE)
        layers = [layer(file(f"usr/{i}", os.urandom(100_000))) for i in range(6)]
        first, second = Image(lower, *layers), Image(lower, *layers[:5], layer(file("usr/new", "n")))
        registry.push("a/os", first, index=True)
        name = f"docker://{registry.host}/a/os:1"
        result = self.good(self.driver("import", self.root, self.repo, name))
        self.assertEqual((result["fetched"], result["manifest"]), (7, sha256(first.manifest)))
        self.assertEqual(result["ref"], "ostree/container/image/docker_3A__2F__2F_127_2E_0_2E_0_2E_1_3A_" +
                         registry.host.split(":")[1] + "/a/os_3A_1")
        del registry.log[:]
        again = self.good(self.driver("import", self.root, self.repo, name))
        self.assertEqual((again["changed"], again["commit"]), (False, result["commit"]))
        time.sleep(0.2)
        self.assertEqual(registry.asked("/blobs/"), [])
        registry.push("a/os", second)
        check = self.good(self.driver("check", self.root, self.repo, name))
        self.assertEqual((check["changed"], check["missing"]), (True, 1))
        third = self.good(self.driver("import", self.root, self.repo, name))
        self.assertEqual((third["kept"], third["fetched"]), (6, 1))
        self.assertEqual(self.cat(third["commit"], "/usr/new"), "n")
        self.ostree("fsck", "--quiet")
        by_digest = self.good(self.driver("import", self.root, self.repo,
                                          f"docker://{registry.host}/a/os@{sha256(first.manifest)}"))
        self.assertEqual(by_digest["fetched"], 0)
        gone = self.driver("import", self.root, self.repo, f"docker://{registry.host}/a/os:none")
        self.assertEqual(gone.returncode, 1)
        self.assertEqual(self.list(by_digest["commit"]), self.list(result["commit"]))


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("only root can give files away")
        sys.exit(77)
    try:
        unittest.main()
    finally:
        shutil.rmtree(here, ignore_errors=True)
