"""Homes, ports and lives: kill -9 and back with the same id, and everything that must be refused."""
import contextlib
import os
import pathlib
import shutil
import signal
import sqlite3
import threading
import unittest

from support import MeshTest, USAGE, wait_until, weft


class Lives(MeshTest):
    def test_killed_and_back_with_the_same_id(self):
        nodes = self.start(5)
        for i, node in enumerate(nodes):
            self.assert_status(weft("put", f"key-{i}", f"value-{i}", home=node.home), 0)
        victim = nodes[0]  # the seed of all others, itself without one
        before = {row["id"]: row["incarnation"] for row in nodes[1].members()}
        victim.kill()
        self.assertIsNotNone(self.mesh.wait_all_see(4, 30, nodes[1:]), self.why())
        victim.spawn().wait_ready()
        self.assertIsNotNone(self.mesh.wait_all_see(5, 15), self.why())
        back = {row["id"]: row["incarnation"] for row in nodes[1].members()}
        self.assertEqual(set(before), set(back))
        self.assertGreater(back[victim.id], before[victim.id])
        for i in range(5):
            self.assertEqual(weft("get", f"key-{i}", home=victim.home).out, f"value-{i}".encode())
        again = self.assert_status(weft("--json", "put", "key-0", "newer", home=victim.home), 0).json()
        self.assertEqual(again["seq"], 2)

    def test_all_killed_at_once_come_back(self):
        nodes = self.start(5)
        self.assert_status(weft("put", "k", "v", home=nodes[1].home), 0)
        for node in nodes:
            node.signal(signal.SIGKILL)
        for node in nodes:
            node.kill()
        for node in nodes[::-1]:
            node.spawn()
        self.assertIsNotNone(self.mesh.wait_all_see(5, 30), self.why())
        self.assertEqual(weft("get", "k", home=nodes[3].home).out, b"v")

    def test_left_and_back(self):
        nodes = self.start(3)
        self.assertEqual(nodes[1].stop(), 0)
        self.assertIsNotNone(self.mesh.wait_all_see(2, 10))
        nodes[1].spawn()
        self.assertIsNotNone(self.mesh.wait_all_see(3, 15), self.why())


class Backups(MeshTest):
    def test_of_a_running_node_that_is_lost(self):
        nodes = self.start(4)
        lost = nodes[1]
        for i in range(20):
            self.assert_status(weft("put", f"key-{i}", f"value-{i}", home=lost.home), 0)
        (lost.home / "weft.toml").write_text('name = "kept"\n')
        kept = self.mesh.root / "node.backup"
        done = self.assert_status(weft("--json", "backup", kept, home=lost.home), 0).json()
        self.assertEqual(done["bytes"], kept.stat().st_size)
        self.assertEqual(done["id"], lost.id)
        self.assertEqual(kept.stat().st_mode & 0o777, 0o600)
        self.assert_status(weft("put", "key-0", "after the backup", home=lost.home), 0)
        before = {row["id"]: row["incarnation"] for row in nodes[0].members()}[lost.id]
        lost.kill()
        shutil.rmtree(lost.home)

        again = self.mesh.new_node(len(self.mesh.nodes), seeds=[nodes[0].address])
        self.assert_status(weft("restore", kept, home=again.home), 0)
        self.mesh.nodes[1] = again.spawn().wait_ready()
        self.assertEqual(again.id, lost.id)
        self.assertIsNotNone(self.mesh.wait_all_see(4, 20), self.why())
        after = {row["id"]: row["incarnation"] for row in nodes[0].members()}[lost.id]
        self.assertGreater(after, before)
        own = {row["key"] for row in self.assert_status(weft("--json", "own", home=again.home), 0).json()}
        self.assertEqual(len(own), 20)
        # Above all that the lost life may have used.
        newer = self.assert_status(weft("--json", "put", "key-0", "newest", home=again.home), 0).json()
        self.assertEqual(newer["seq"], (1 << 20) + 1)
        for node in nodes[0], nodes[2], again:
            self.assertEqual(weft("get", "key-0", home=node.home).out, b"newest")
            self.assertEqual(weft("get", "key-7", home=node.home).out, b"value-7")

    def test_no_number_is_used_twice_without_a_mesh(self):
        node = self.mesh.new_node(0)  # alone: nobody can tell what it forgets
        self.mesh.nodes.append(node.spawn().wait_ready())
        kept = self.mesh.root / "node.backup"
        self.assert_status(weft("put", "a", "1", home=node.home), 0)
        for times in (1, 2):
            self.assert_status(weft("backup", kept, home=node.home), 0)
            used = [self.assert_status(weft("--json", "put", key, "later", home=node.home), 0).json()["seq"]
                    for key in ("a", "unknown to the backup")]
            node.kill()
            shutil.rmtree(node.home)
            self.assert_status(weft("restore", kept, home=node.home), 0)
            kept.unlink()
            node.spawn().wait_ready()
            for key, before in zip(("a", "unknown to the backup"), used):
                put = self.assert_status(weft("--json", "put", key, "now", home=node.home), 0).json()
                self.assertGreater(put["seq"], before)
                self.assertEqual(put["seq"], (times << 20) + 1)

    def test_refusals(self):
        (node,) = self.start(1)
        kept = self.mesh.root / "node.backup"
        for file in (kept, kept):
            said = weft("backup", file, home=node.home)
        self.assert_status(said, USAGE)
        self.assertIn(b"exists", said.err)
        self.assert_status(weft("restore", kept, home=node.home), 1)  # a node runs there
        self.assert_status(weft("restore", node.home / "identity", home=self.mesh.root / "new"), USAGE)
        self.assert_status(weft("backup", self.mesh.root / "b", home=self.mesh.root / "nobody"), USAGE)
        self.assertFalse((self.mesh.root / "new").exists())
        self.assertFalse((self.mesh.root / "nobody").exists())

    def test_while_values_come_in(self):
        """Each backup taken under load restores to a store that is whole."""
        nodes = self.start(3)
        stop = threading.Event()

        def write():
            i = 0
            while not stop.is_set():
                weft("put", f"load-{i}", "x" * 500, home=nodes[i % 3].home)
                i += 1
        writer = threading.Thread(target=write)
        writer.start()
        try:
            for i in range(5):
                kept, home = self.mesh.root / f"backup-{i}", self.mesh.root / f"restored-{i}"
                self.assert_status(weft("backup", kept, home=nodes[0].home), 0)
                self.assert_status(weft("restore", kept, home=home), 0)
                with contextlib.closing(sqlite3.connect(home / "weft.db")) as db:
                    self.assertEqual(db.execute("PRAGMA integrity_check").fetchone(), ("ok",))
        finally:
            stop.set()
            writer.join()
        self.assertIsNotNone(self.mesh.wait_all_see(3, 5), self.why())


class Refusals(MeshTest):
    def refused(self, node, status, *words):
        """`weft up` ends by itself within 5 s with that status and a line with these words."""
        node.spawn()
        self.mesh.nodes.append(node)
        self.assertTrue(wait_until(lambda: not node.running(), 5), f"still running: {node.command()}")
        self.assertEqual(node.process.returncode, status, node.stderr())
        for word in words:
            self.assertIn(word, node.stderr().lower())
        return node

    def test_port_in_use(self):
        (a,) = self.start(1)
        other = self.mesh.new_node(1)
        other.address = a.address
        self.refused(other, 1, a.address.rsplit(":", 1)[1])
        self.assertEqual(a.alive_count(), 1)

    def test_home_in_use(self):
        (a,) = self.start(1)
        other = self.mesh.new_node(1, home=a.home)
        self.refused(other, 1, str(a.pid))
        self.assertEqual(a.alive_count(), 1, "the first is unharmed")

    def test_identity_that_others_can_read(self):
        (a,) = self.start(1)
        a.stop()
        os.chmod(a.home / "identity", 0o644)
        self.refused(self.mesh.new_node(0), 2, "chmod")
        os.chmod(a.home / "identity", 0o600)
        a.spawn().wait_ready()

    def test_damaged_identity(self):
        (a,) = self.start(1)
        a.stop()
        path = a.home / "identity"
        whole = path.read_bytes()
        for damaged in (b"", whole[:len(whole) // 2], whole.replace(b"seed", b"weed"), os.urandom(64)):
            with self.subTest(damaged=damaged[:20]):
                path.write_bytes(damaged)
                self.refused(self.mesh.new_node(0), 2, "identity")
                self.assertEqual(path.read_bytes(), damaged, "never replaced")

    def test_damaged_store(self):
        (a,) = self.start(1)
        a.stop()
        for path in pathlib.Path(a.home).glob("*.db*"):
            path.write_bytes(os.urandom(8192))
        node = self.mesh.new_node(0)
        self.refused(node, 1, "store")

    def test_home_that_cannot_be_made(self):
        node = self.mesh.new_node(0, home=pathlib.Path("/proc/weft-home"))
        node.spawn()
        self.mesh.nodes.append(node)
        self.assertTrue(wait_until(lambda: not node.running(), 5))
        self.assertIn(node.process.returncode, (1, 2), node.stderr())
        self.assertIn("/proc/weft-home", node.stderr())

    def test_no_seed_reachable_keeps_trying(self):
        node = self.mesh.new_node(0, seeds=["127.0.0.1:1", "no-such-host.invalid:9338"])
        self.mesh.nodes.append(node.spawn().wait_ready())
        late = self.mesh.new_node(1, seeds=[])
        self.mesh.nodes.append(late.spawn().wait_ready())
        self.assert_status(weft("join", late.address, home=node.home), 0)
        self.assertIsNotNone(self.mesh.wait_all_see(2, 15), self.why())

    def start_twin(self, of, seed):
        """A second process with the identity of `of` and a home of its own, which joins at `seed`."""
        exported = pathlib.Path(self.mesh.root) / f"copy-{len(self.mesh.nodes)}"
        self.assert_status(weft("id", "export", exported, home=of.home), 0)
        twin = self.mesh.new_node(len(self.mesh.nodes), seeds=[seed.address])
        self.assert_status(weft("id", "import", exported, home=twin.home), 0)
        self.mesh.nodes.append(twin.spawn())
        return twin

    def assert_gives_way(self, twin, to):
        """It stops within seconds, and one line says why, where the other runs and what to do."""
        self.assertTrue(wait_until(lambda: not twin.running(), 8), "the one that came later stops")
        self.assertEqual(twin.process.returncode, 1, twin.stderr())
        said = [line for line in twin.stderr().strip().split("\n") if " error " in line.lower()]
        self.assertEqual(len(said), 1, twin.stderr())
        for word in ("identity", to.address, "--home"):
            self.assertIn(word, said[0])
        stopped = [event for event in twin.events() if event["event"] == "stopped"]
        self.assertEqual([event["reason"] for event in stopped], ["another process has this identity"])

    def test_two_live_processes_with_one_key(self):
        nodes = self.start(3)
        self.assert_gives_way(self.start_twin(nodes[1], seed=nodes[2]), to=nodes[1])
        self.assertTrue(nodes[1].running())
        self.assertIsNotNone(self.mesh.wait_all_see(3, 20, nodes[:3]), self.why())

    def test_a_twin_whose_only_seed_is_the_other(self):
        (first,) = self.start(1)
        self.assert_gives_way(self.start_twin(first, seed=first), to=first)
        self.assertEqual(first.alive_count(), 1)
        second = self.mesh.new_node(len(self.mesh.nodes))  # a new port: the twin had the next one
        self.mesh.nodes.append(second.spawn().wait_ready())
        self.assertIsNotNone(self.mesh.wait_all_see(2, 20), self.why())
        self.assert_gives_way(self.start_twin(first, seed=first), to=first)
        self.assertIsNotNone(self.mesh.wait_all_see(2, 20), self.why())

    def test_bad_settings_file(self):
        for text, word in (("name = [1", "weft.toml"), ("nonsense = 1\n", "nonsense"), ("join = 7\n", "join")):
            with self.subTest(text=text):
                node = self.mesh.new_node(len(self.mesh.nodes))
                node.home.mkdir(mode=0o700)
                (node.home / "weft.toml").write_text(text)
                self.refused(node, USAGE, word)


if __name__ == "__main__":
    unittest.main()
