"""Private networks: who has the key file is in, who has not hears nothing, and keys can be rotated."""
import pathlib
import stat
import unittest

from support import MeshTest, USAGE, weft


class PrivateNetworks(MeshTest):
    def setUp(self):
        super().setUp()
        self.file = pathlib.Path(self.mesh.root) / "office.toml"
        made = self.assert_status(weft("--json", "network", "new", self.file), 0).json()
        self.assert_keys(made, "network", "keys")
        self.assertEqual(made["keys"], 1)

    def node(self, network, seeds=None):
        self.mesh.network = str(network)
        node = self.mesh.new_node(len(self.mesh.nodes), seeds)
        self.mesh.nodes.append(node.spawn().wait_ready())
        return node

    def test_key_file(self):
        self.assertEqual(stat.S_IMODE(self.file.stat().st_mode), 0o600)
        before = self.file.read_bytes()
        self.assertNotEqual(weft("network", "new", self.file).status, 0, "never replaced")
        self.assertEqual(self.file.read_bytes(), before)
        self.file.chmod(0o644)
        node = self.mesh.new_node(0, extra=["--network", str(self.file)])
        self.mesh.network = None
        self.mesh.nodes.append(node.spawn())
        self.assertEqual(node.process.wait(5), USAGE, node.stderr())

    def test_members_and_strangers(self):
        a, b = self.node(self.file), self.node(self.file)
        self.assertIsNotNone(self.mesh.wait_all_see(2, 15, [a, b]), self.why())
        self.assert_status(weft("put", "k", "v", home=a.home), 0)
        self.assertEqual(weft("get", "k", home=b.home).out, b"v")

        other_file = pathlib.Path(self.mesh.root) / "other.toml"
        self.assert_status(weft("network", "new", other_file), 0)
        for stranger in (self.node(other_file), self.node("weft"), self.node("office")):
            with self.subTest(stranger=stranger.command()):
                self.assertNotEqual(weft("--timeout", "2s", "wait", "--members", "2", home=stranger.home).status, 0)
                self.assertEqual(stranger.get("/v1/status")["traffic"]["received_packets"], 0, "silence")
        self.assertEqual((a.alive_count(), b.alive_count()), (2, 2))

    def test_rotation_node_by_node(self):
        a, b = self.node(self.file), self.node(self.file)
        self.assertIsNotNone(self.mesh.wait_all_see(2, 15))
        rotated = self.assert_status(weft("--json", "network", "rotate", self.file), 0).json()
        self.assertEqual(rotated["keys"], 2)
        # Each takes the new key on at its own restart; while one lacks it they may not hear each
        # other, and afterwards nothing is lost.
        self.assertEqual(b.stop(), 0)
        b.spawn().wait_ready()
        self.assertEqual(a.stop(), 0)
        a.spawn().wait_ready()
        self.assertIsNotNone(self.mesh.wait_all_see(2, 20), self.why())
        self.assert_status(weft("ping", b.id or b.name, home=a.home), 0)

    def test_bad_key_files(self):
        good = self.file.read_text()
        for name, text in (("empty", ""), ("cut", good[:len(good) // 2]), ("noise", "\x00\x01"),
                           ("no-keys", "name = 'x'\nid = '" + "00" * 16 + "'\nkeys = []\n")):
            with self.subTest(name=name):
                path = pathlib.Path(self.mesh.root) / name
                path.write_text(text)
                path.chmod(0o600)
                before = path.read_bytes()
                self.assert_status(weft("network", "rotate", path), USAGE)
                self.assertEqual(path.read_bytes(), before)


if __name__ == "__main__":
    unittest.main()
