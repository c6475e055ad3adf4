"""Fetching over the loopback interface: what is asked, how often, whom it trusts, what is checked."""
import json
import os
import time

from harness import TLS, ProvisionTest, config, data, file_entry, gz, main, merge, sha512

BODY = json.dumps(config(storage={"files": [file_entry("/child", "data:,x")]})).encode()


class Configs(ProvisionTest):
    def test_order_of_the_command_line(self):
        s = self.server()
        self.cmdline.write_text(f"ignition.config.url={s.url}/no ignition.config.url={s.put('/yes', BODY.decode())}")
        self.stage("fetch", config())
        self.assertEqual(s.paths(), ["/yes"])
        self.assertEqual(self.saved_state()["fetchedConfigs"][1]["source"], "cmdline")

    def test_merge_and_state(self):
        s = self.server()
        url = s.put("/dir/child.ign", BODY)
        self.stage("fetch", merge(url + "?token=s3cr3t"))
        self.assertEqual(list(self.cached_files()), ["/child"])
        self.assertEqual(self.saved_state()["fetchedConfigs"][2],
                         {"kind": "user", "source": "/dir/child.ign", "referenced": True})

    def test_headers_of_the_request(self):
        s = self.server()
        headers = [{"name": "X-Token", "value": "t"}, {"name": "User-Agent", "value": "mine"}]
        self.stage("fetch", merge({"source": s.put("/a", BODY)},
                                  {"source": s.put("/b", BODY), "httpHeaders": headers}))
        asked = dict(s.requests) # siblings are fetched at the same time
        first, second = asked["/a"], asked["/b"]
        self.assertEqual(first["Accept"], "application/vnd.coreos.ignition+json;version=3.6.0, */*;q=0.1")
        self.assertEqual(first["Accept-Encoding"], "identity")
        self.assertTrue(first["User-Agent"].startswith("Ignition/"))
        self.assertEqual((second["X-Token"], second["User-Agent"]), ("t", "mine"))
        self.assertEqual(second["Accept-Encoding"], "identity")

    def test_header_without_value(self):
        s = self.server()
        source = {"source": s.put("/a", BODY), "httpHeaders": [{"name": "X-Token"}]}
        self.assertIn("X-Token has no value", self.stage("fetch", merge(source), code=1))
        self.assertEqual(s.requests, [])

    def test_no_user_in_the_log(self):
        s = self.server()
        for source in ("http://user:s3cr3t@" + s.url[7:] + "/no?t0ken", "http:/user:s3cr3t@" + s.url[7:] + "/no"):
            out = self.stage("fetch", merge(source), code=1)
            self.assertNotIn("s3cr3t", out)
            self.assertNotIn("t0ken", out)

    def test_headers_after_a_redirect(self):
        s = self.server()
        s.put("/to", BODY)
        url = s.put("/from", b"", status=302, headers={"Location": s.url + "/to"})
        self.stage("fetch", merge({"source": url, "httpHeaders": [{"name": "X-Token", "value": "t"}]}))
        self.assertEqual(s.paths(), ["/from", "/to"])
        self.assertIn("X-Token", s.requests[0][1])
        self.assertNotIn("X-Token", s.requests[1][1])
        self.assertNotIn("version", s.requests[1][1].get("Accept", ""))

    def test_verification_and_compression(self):
        s = self.server()
        plain, packed = s.put("/plain", BODY), s.put("/packed", gz(BODY))
        right, wrong = {"hash": sha512(BODY)}, {"hash": sha512(b"other")}
        self.stage("fetch", merge({"source": plain, "verification": right},
                                  {"source": packed, "compression": "gzip", "verification": right}))
        for source in ({"source": plain, "verification": wrong},
                       {"source": packed, "compression": "gzip", "verification": {"hash": sha512(gz(BODY))}},
                       {"source": plain, "compression": "gzip"},
                       {"source": packed},
                       {"source": s.put("/cut", gz(BODY)[:-9]), "compression": "gzip"}):
            self.cache.unlink(missing_ok=True)
            out = self.stage("fetch", merge(source), code=1)
            self.assertFalse(self.cache.exists())
            self.assertIn(s.url, out)
        data_wrong = {"source": data(BODY), "verification": wrong}
        self.assertIn("hash verification failed", self.stage("fetch", merge(data_wrong), code=1))

    def test_self_reference(self):
        s = self.server()
        url = s.url + "/loop"
        for cfg in (merge(url), config(ignition={"config": {"replace": {"source": url}}})):
            s.requests.clear()
            s.put("/loop", cfg)
            self.assertIn("leads back to itself", self.stage("fetch", merge(url), code=1))
            self.assertLess(len(s.requests), 4)

    def test_retry(self):
        s = self.server()
        url = s.put("/late", BODY, fail_first=2)
        start = time.monotonic()
        out = self.stage("fetch", merge(url + "?token=s3cr3t"))
        self.assertGreater(time.monotonic() - start, 0.5, "0.2 s and 0.4 s of pauses")
        self.assertEqual(len(s.requests), 3)
        self.assertIn("attempt #1", out)
        self.assertIn("attempt #3", out)
        self.assertNotIn("s3cr3t", out)

    def test_no_retry(self):
        s = self.server()
        for status in (404, 403, 400):
            s.requests.clear()
            out = self.stage("fetch", merge(s.put(f"/{status}", b"s3cr3t", status=status)), code=1)
            self.assertEqual(len(s.requests), 1)
            self.assertNotIn("s3cr3t", out)

    def test_empty_child(self):
        """Ignition takes this for "no config at all" and goes on without the parent."""
        s = self.server()
        self.assertIn("empty", self.stage("fetch", merge(s.put("/empty", b"")), code=1))
        self.assertFalse(self.cache.exists())

    def test_no_content(self):
        s = self.server()
        self.cmdline.write_text("ignition.config.url=" + s.put("/none", b"", status=204))
        self.assertIn("empty", self.stage("fetch", config()))

    def test_timeouts_of_the_config(self):
        s = self.server()
        url = s.put("/never", BODY, fail_first=1000)
        start = time.monotonic()
        self.stage("fetch", config(ignition={"timeouts": {"httpTotal": 1}, "config": {"merge": [{"source": url}]}}),
                   code=1)
        self.assertLess(time.monotonic() - start, 10)
        slow = s.put("/slow", BODY, delay=20)
        start = time.monotonic()
        self.stage("fetch", config(ignition={"timeouts": {"httpTotal": 3, "httpResponseHeaders": 1},
                                             "config": {"merge": [{"source": slow}]}}), code=1)
        self.assertLess(time.monotonic() - start, 10)
        self.assertGreater(s.paths().count("/slow"), 1, "no answer in time is tried again")

    def test_timeouts_without_limit(self):
        """0 s for the headers is no limit, and a number past all sense is one that never comes."""
        s = self.server()
        slow = s.put("/slow", BODY, delay=12)
        self.stage("fetch", config(ignition={"timeouts": {"httpTotal": 2 ** 62, "httpResponseHeaders": 0},
                                             "config": {"merge": [{"source": slow}]}}))
        self.assertEqual(s.paths(), ["/slow"])

    def test_fetch_timeout(self):
        s = self.server()
        self.cmdline.write_text("ignition.config.url=" + s.put("/never", BODY, fail_first=1000))
        start = time.monotonic()
        self.stage("fetch", config(), code=1, args=("-fetch-timeout", "1s"))
        self.assertLess(time.monotonic() - start, 10)

    def test_proxy(self):
        s, proxy = self.server(), self.server()
        self.env["http_proxy"] = self.env["HTTP_PROXY"] = self.env["all_proxy"] = "http://127.0.0.1:1"
        self.stage("fetch", merge(s.put("/direct", BODY)))
        target = "http://config.invalid/child"
        proxy.answers[target] = s.answers["/direct"]
        self.stage("fetch", config(ignition={"proxy": {"httpProxy": proxy.url},
                                             "config": {"merge": [{"source": target}]}}))
        self.assertEqual(proxy.paths(), [target])


class Tls(ProvisionTest):
    def setUp(self):
        super().setUp()
        self.tls = self.server(tls=True)
        self.url = self.tls.put("/child", BODY)

    def trusting(self, *sources, **more):
        return config(ignition={"config": {"merge": [{"source": self.url}]}, "timeouts": {"httpTotal": 2},
                                "security": {"tls": {"certificateAuthorities": list(sources)}}}, **more)

    def test_unknown_authority(self):
        self.stage("fetch", config(ignition={"config": {"merge": [{"source": self.url}]},
                                             "timeouts": {"httpTotal": 1}}), code=1)
        other = data((TLS / "other-ca.pem").read_bytes())
        self.stage("fetch", self.trusting({"source": other}), code=1)
        self.assertEqual(self.tls.requests, [])

    def test_authority_by_data_url(self):
        self.stage("fetch", self.trusting({"source": data((TLS / "ca.pem").read_bytes())}))
        self.assertEqual(list(self.cached_files()), ["/child"])

    def test_authority_from_afar_is_cached(self):
        s = self.server()
        pem = (TLS / "other-ca.pem").read_bytes() + (TLS / "ca.pem").read_bytes()
        ca = {"source": s.put("/ca", gz(pem)), "compression": "gzip", "verification": {"hash": sha512(pem)},
              "httpHeaders": [{"name": "X", "value": "y"}]}
        files = {"files": [file_entry("/f", self.tls.put("/f", b"content"))]}
        self.stage("fetch", self.trusting(ca, storage=files))
        self.assertEqual(s.paths(), ["/ca"], "fetched once")
        cached, = self.cached()["ignition"]["security"]["tls"]["certificateAuthorities"]
        self.assertTrue(cached["source"].startswith("data:"))
        self.assertEqual(sorted(cached), ["source", "verification"])
        s.close()
        self.stage("files")
        self.assertEqual((self.root / "f").read_bytes(), b"content")

    def test_chain(self):
        """Config, child and grandchild over TLS; the config alone names the authority."""
        body = json.dumps(merge(
            {"source": self.tls.put("/grand", gz(BODY)), "compression": "gzip",
             "verification": {"hash": sha512(BODY)}},
            storage={"files": [file_entry("/of-child", self.tls.put("/content", b"content"))]})).encode()
        first = {"source": self.tls.put("/first", gz(body)) + "?token=s3cr3t", "compression": "gzip",
                 "verification": {"hash": sha512(body)}, "httpHeaders": [{"name": "X-Token", "value": "hidden"}]}
        top = self.trusting({"source": data((TLS / "ca.pem").read_bytes())})
        top["ignition"]["config"]["merge"] = [first]
        out = self.stage("fetch", top)
        self.assertEqual(self.tls.paths(), ["/first?token=s3cr3t", "/grand"])
        self.assertEqual(sorted(self.cached_files()), ["/child", "/of-child"])
        self.assertNotIn("s3cr3t", out)
        self.assertNotIn("hidden", out)
        self.stage("files")
        self.assertEqual((self.root / "of-child").read_bytes(), b"content")
        self.tls.answers["/first"].fail_first = 1
        top["ignition"]["config"]["merge"] = [dict(first, verification={"hash": sha512(b"other")})]
        self.cache.unlink()
        out = self.stage("fetch", top, code=1)
        self.assertIn("/first: attempt #2", out)
        self.assertIn("hash verification failed", out)
        self.assertNotIn("s3cr3t", out)

    def test_words(self):
        other = data((TLS / "other-ca.pem").read_bytes())
        self.assertIn("signed by no authority", self.stage("fetch", self.trusting({"source": other}), code=1))

    def test_broken_authority(self):
        pem = (TLS / "ca.pem").read_text().splitlines()
        pem[2] = "!" + pem[2][1:]
        start = time.monotonic()
        cfg = self.trusting({"source": data("\n".join(pem))})
        cfg["ignition"]["timeouts"]["httpTotal"] = 30
        self.assertIn("authorities of the config cannot be read", self.stage("fetch", cfg, code=1))
        self.assertLess(time.monotonic() - start, 10, "what does not heal is not tried again")

    def test_bad_authority(self):
        self.assertIn("PEM", self.stage("fetch", self.trusting({"source": "data:,nonsense"}), code=1))


class Files(ProvisionTest):
    def write(self, body, **contents):
        self.stage("fetch", config(storage={"files": [
            {"path": "/big", "mode": 0o600, "contents": contents}]}))
        return self.root / "big"

    def test_streams(self):
        s = self.server()
        body = os.urandom(3 << 20) + b"\0" * (5 << 20)
        plain, packed = s.put("/plain", body), s.put("/packed", gz(body))
        for contents in ({"source": plain}, {"source": plain, "verification": {"hash": sha512(body)}},
                         {"source": packed, "compression": "gzip"},
                         {"source": packed, "compression": "gzip", "verification": {"hash": sha512(body)}}):
            path = self.write(body, **contents)
            self.stage("files")
            self.assertEqual(path.read_bytes(), body)
            path.unlink()

    def test_wrong_hash_leaves_nothing(self):
        s = self.server()
        body = os.urandom(1 << 20)
        self.write(body, source=s.put("/b", body), verification={"hash": sha512(b"other")})
        self.assertIn("hash verification failed", self.stage("files", code=1))
        self.assertNotIn("big", os.listdir(self.root))
        self.assertEqual([n for n in os.listdir(self.root) if n != "etc" and not n.startswith("var")], [])


if __name__ == "__main__":
    main()
