"""Remote resources are fetched at the same time, and nobody can tell from what comes out: the order of the
results, the failure that is told, what is left behind are those of one fetch after the other."""
import os
import shutil
import subprocess
import time

from harness import PROGRAM, TLS, ProvisionTest, config, data, file_entry, gz, main, merge, sha512

DELAY = 1.0


def one_file(path, contents, **more):
    return config(storage={"files": [file_entry(path, contents, overwrite=True)]}, **more)


class ParallelTest(ProvisionTest):
    def timed(self, *args, **kw):
        start = time.monotonic()
        out = self.stage(*args, **kw)
        return time.monotonic() - start, out


class Files(ParallelTest):
    def fetched(self, files, **more):
        self.stage("fetch", config(storage={"files": files}, **more))

    def test_eight_take_as_long_as_one(self):
        s = self.server()
        body = {i: os.urandom(70000 + i) for i in range(8)}
        files = []
        for i in range(8):
            contents = {"source": s.put(f"/{i}", gz(body[i]) if i % 2 else body[i], delay=DELAY),
                        "verification": {"hash": sha512(body[i])}}
            if i % 2:
                contents["compression"] = "gzip"
            files.append({"path": f"/d{i}/f", "mode": 0o600, "contents": contents})
        self.fetched(files)
        took, _ = self.timed("files")
        self.assertLess(took, 4 * DELAY, "one after the other that would be 8")
        for i in range(8):
            self.assertEqual((self.root / f"d{i}" / "f").read_bytes(), body[i])
            self.assertEqual((self.root / f"d{i}" / "f").stat().st_mode & 0o7777, 0o600)

    def test_never_more_than_eight(self):
        s = self.server()
        self.fetched([file_entry(f"/f{i}", s.put(f"/{i}", f"{i}", delay=0.1)) for i in range(40)])
        self.stage("files")
        self.assertEqual([(self.root / f"f{i}").read_text() for i in range(40)], [str(i) for i in range(40)])
        self.assertGreater(s.peak, 3)
        self.assertLessEqual(s.peak, 8)
        self.assertEqual(len(s.requests), 40, "each is fetched once")

    def test_appended_parts_keep_their_order(self):
        s = self.server()
        parts = [{"source": s.put(f"/{i}", f"{i},", delay=0.3 if i % 2 else 0)} for i in range(6)]
        parts.insert(3, {"source": "data:,local,"})
        (self.root / "there").write_text("old,")
        self.fetched([{"path": "/there", "append": parts}, {"path": "/new", "contents": parts[0], "append": parts[1:]}])
        self.stage("files")
        self.assertEqual((self.root / "new").read_text(), "0,1,2,local,3,4,5,")
        self.assertEqual((self.root / "there").read_text(), "old,0,1,2,local,3,4,5,")

    def test_the_first_failure_is_the_one_told(self):
        """However late it comes; and what will never come does not hold up the end."""
        s = self.server()
        self.fetched([file_entry("/a", s.put("/a", "a", delay=0.2)),
                      file_entry("/b", s.put("/b", "", status=404, delay=0.5)),
                      file_entry("/c", s.put("/c", "", status=404)),
                      file_entry("/d", s.put("/d", "", fail_first=1000000)),
                      file_entry("/e", s.put("/e", "e", delay=30))])
        for _ in range(3):
            took, out = self.timed("files", code=1)
            critical = [line for line in out.splitlines() if "CRITICAL" in line]
            self.assertIn("/b", critical[0])
            self.assertIn("not found", critical[0])
            self.assertNotIn("/c", critical[0])
            self.assertLess(took, 10)
            self.assertEqual(sorted(n for n in os.listdir(self.root) if len(n) == 1), ["a"])
            (self.root / "a").unlink()
            shutil.rmtree(self.root / "etc")
            (self.root / "etc").mkdir()

    def test_local_ones_start_no_thread(self):
        """One remote file among them neither."""
        if not shutil.which("strace"):
            self.skipTest("no strace")
        self.fetched([file_entry(f"/f{i}", "data:,x") for i in range(200)])
        trace = self.dir / "trace"
        subprocess.run(["strace", "-f", "-qq", "-e", "trace=clone,clone3,fork,vfork", "-o", trace, PROGRAM,
                        "-platform", "file", "-stage", "files", "-root", self.root, "-config-cache", self.cache,
                        "-state-file", self.state, "-log-to-stdout"], env={**self.env, "ASAN_OPTIONS": "detect_leaks=0"},
                       cwd=self.dir, check=True, stdout=subprocess.DEVNULL)
        self.assertNotIn("CLONE_THREAD", trace.read_text())
        self.assertTrue((self.root / "f199").exists())


class Configs(ParallelTest):
    def test_siblings_take_as_long_as_one(self):
        s = self.server()
        urls = [s.put(f"/{i}", one_file("/f", f"data:,{i}"), delay=DELAY) for i in range(7)]
        took, _ = self.timed("fetch", merge(*urls, data(one_file("/f", "data:,local"))))
        self.assertLess(took, 4 * DELAY, "one after the other that would be 7")
        self.assertEqual(self.cached_files(), {"/f": "data:,local"})
        self.assertEqual([c["source"] for c in self.saved_state()["fetchedConfigs"] if c.get("referenced")],
                         [f"/{i}" for i in range(7)] + [""])

    def test_results_are_merged_in_order(self):
        """The one that answers last is not the one that counts."""
        s = self.server()
        grand = s.put("/grand", one_file("/f", "data:,grand"))
        first = s.put("/first", merge(grand, storage=one_file("/f", "data:,first")["storage"]), delay=0.6)
        second = s.put("/second", one_file("/f", "data:,second"))
        self.stage("fetch", merge(first, second))
        self.assertEqual(self.cached_files(), {"/f": "data:,second"})
        self.cache.unlink()
        self.stage("fetch", merge(second, first))
        self.assertEqual(self.cached_files(), {"/f": "data:,grand"})

    def test_the_first_failure_is_the_one_told(self):
        s = self.server()
        good, late = s.put("/good", config()), s.put("/late", "{", delay=0.5)
        gone, never = s.put("/gone", "", status=404), s.put("/never", "", fail_first=1000000)
        for order, words in (((good, late, gone, never), "/late"), ((good, gone, late, never), "/gone")):
            took, out = self.timed("fetch", merge(*order), code=1)
            self.assertIn(words, [line for line in out.splitlines() if "CRITICAL" in line][0])
            self.assertLess(took, 10)

    def test_settings_of_a_sibling_hold_for_the_next(self):
        """An authority that the first one brings is there for the second."""
        s, tls = self.server(), self.server(tls=True)
        trust = {"security": {"tls": {"certificateAuthorities": [{"source": data((TLS / "ca.pem").read_bytes())}]}}}
        first = s.put("/first", config(ignition=trust), delay=0.4)
        self.stage("fetch", merge(first, *[tls.put(f"/{i}", one_file(f"/f{i}", "data:,x")) for i in range(3)]))
        self.assertEqual(sorted(self.cached_files()), ["/f0", "/f1", "/f2"])
        self.assertEqual(sorted(tls.paths()), ["/0", "/1", "/2"], "nothing went out before there was trust")


if __name__ == "__main__":
    main()
