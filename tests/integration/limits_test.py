"""[limits] of weft.toml on real processes: kept, shown, refused when they make no sense, reloaded."""
import signal
import unittest

from support import MeshTest, USAGE, wait_until, weft


class Limits(MeshTest):
    def configured(self, index, text):
        node = self.mesh.new_node(index)
        node.home.mkdir(mode=0o700, exist_ok=True)
        (node.home / "weft.toml").write_text(text)
        return node

    def put_until_refused(self, node, prefix, count):
        """How many of `count` values went in, and the first refusal."""
        stored, refusal = 0, None
        for i in range(count):
            ran = weft("--json", "put", f"{prefix}{i}", "x" * 900, "--ttl", "1h", home=node.home)
            stored += ran.status == 0
            refusal = refusal or (ran if ran.status else None)
        return stored, refusal

    def test_a_small_store_refuses_and_a_reload_raises_it(self):
        node = self.configured(0, "[limits]\nstore = \"64KiB\"\n")
        self.mesh.nodes.append(node.spawn().wait_ready())
        stored, refusal = self.put_until_refused(node, "a", 80)
        self.assertGreaterEqual(stored, 40)
        self.assertLess(stored, 80)
        self.assert_status(refusal, 1)
        self.assertEqual(refusal.json()["error"]["code"], "no_room")
        self.assertIn(b"limits.store", refusal.err)
        status = node.get("/v1/status")["store"]
        self.assertLessEqual(status["bytes"], 64 << 10)
        self.assertEqual(status["bytes_max"], 64 << 10)

        # A mistake changes nothing and is said; then it is mended.
        (node.home / "weft.toml").write_text("[limits]\nstore = \"1KiB\"\n")
        node.signal(signal.SIGHUP)
        self.assertTrue(wait_until(lambda: "must be 64KiB" in node.stderr(), 10), node.stderr())
        self.assertEqual(node.get("/v1/status")["store"]["bytes_max"], 64 << 10)
        (node.home / "weft.toml").write_text("[limits]\nstore = \"4MiB\"\n")
        node.signal(signal.SIGHUP)
        self.assertTrue(wait_until(lambda: node.get("/v1/status")["store"]["bytes_max"] == 4 << 20, 10))
        stored, refusal = self.put_until_refused(node, "b", 60)
        self.assertEqual(stored, 60, refusal)
        shown = {row["option"]: row for row in weft("--json", "config", "show", "--origin", home=node.home).json()}
        self.assertEqual(shown["limits.store"]["value"], "4MiB")
        self.assertTrue(shown["limits.store"]["origin"].endswith("weft.toml:2"), shown["limits.store"])
        self.assertEqual(shown["limits.sessions"], {"option": "limits.sessions", "value": "4096", "origin": "default"})

        # Lowered again: nothing is lost at once, and health tells.
        (node.home / "weft.toml").write_text("[limits]\nstore = \"64KiB\"\n")
        before = node.get("/v1/status")["store"]["values"]
        node.signal(signal.SIGHUP)
        self.assertTrue(wait_until(lambda: any("limits.store" in line for line in node.get("/v1/status")["health"]), 10))
        self.assertEqual(node.get("/v1/status")["store"]["values"], before)
        self.assertEqual(weft("get", "b59", home=node.home).out, b"x" * 900)

    def test_sessions_are_bounded(self):
        few = self.configured(0, "[limits]\nsessions = 16\n")
        self.mesh.nodes.append(few.spawn().wait_ready())
        for i in range(1, 24):
            self.mesh.nodes.append(self.mesh.new_node(i).spawn())
        self.assertIsNotNone(self.mesh.wait_all_see(24, 60), self.why())
        self.assertLessEqual(few.get("/v1/status")["sessions"], 16)
        self.assert_status(weft("put", "k", "v", home=self.mesh.nodes[20].home), 0)
        self.assertEqual(weft("get", "k", home=few.home).out, b"v")

    def test_impossible_limits_are_refused(self):
        for i, (text, word) in enumerate((("store = \"1KiB\"", "64KiB"), ("sessions = 1", "16"), ("memory = 5", "memory"),
                                          ("background = -1", "background"), ("new_endpoints = 0", "new_endpoints"),
                                          ("memory = \"1MiB\"\nstore = \"2MiB\"", "raise it or lower"),
                                          ("threads = 4", "threads"))):
            with self.subTest(text=text):
                node = self.configured(100 + i, f"[limits]\n{text}\n")
                self.mesh.nodes.append(node.spawn())
                self.assertTrue(wait_until(lambda: not node.running(), 5))
                self.assertEqual(node.process.returncode, USAGE, node.stderr())
                self.assertIn(word, node.stderr())
                self.assertIn("weft.toml:2", node.stderr())


if __name__ == "__main__":
    unittest.main()
