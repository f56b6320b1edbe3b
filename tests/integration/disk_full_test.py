"""A disk that is really full: the node runs on, says so, and keeps what it has acknowledged."""
import os
import signal
import subprocess
import unittest

from support import MeshTest, wait_until, weft

from mesh import enter_own_network

DISK_BYTES = 3 << 20


@unittest.skipUnless(os.environ.get("WEFT_OWN_NETWORK"), "needs a mount namespace of its own")
class DiskFull(MeshTest):
    def on_small_disk(self, index):
        node = self.mesh.new_node(index)
        node.home.mkdir(mode=0o700)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0700", "weft-test", str(node.home)],
                       check=True)
        self.addCleanup(subprocess.run, ["umount", "--lazy", str(node.home)])
        return node

    def fill(self, node):
        """Takes every byte that is left."""
        with open(node.home / "filler", "wb", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    pass

    def free(self, node):
        (node.home / "filler").unlink()

    def put(self, node, key):
        return weft("--json", "put", key, "x" * 900, "--ttl", "6h", home=node.home)

    def put_until_it_fails(self, node, prefix, acknowledged):
        """What was there before may be written anew in place, so it takes some puts."""
        for i in range(400):
            ran = self.put(node, f"{prefix}{i}")
            if ran.status:
                return ran
            acknowledged.append(f"{prefix}{i}")
        self.fail("the disk never got full")

    def test_nothing_acknowledged_is_lost(self):
        node = self.on_small_disk(0)  # alone, so what it loses is lost
        self.mesh.nodes.append(node.spawn().wait_ready())
        acknowledged = []
        for i in range(10):
            self.assert_status(self.put(node, f"before{i}"), 0)
            acknowledged.append(f"before{i}")
        self.fill(node)
        refused = self.assert_status(self.put_until_it_fails(node, "full", acknowledged), 1)
        self.assertEqual(refused.json()["error"]["code"], "store")
        self.assertIn(b"weft doctor", refused.err)
        health = node.get("/v1/status")["health"]
        self.assertTrue(any("disk is full" in line for line in health), health)
        self.assertIn(b"full", weft("status", home=node.home).out)
        self.assertTrue(any(not check["ok"] and "make room" in check["detail"] for check in node.get("/v1/doctor")))
        for key in acknowledged:  # reads work
            self.assertEqual(weft("get", key, home=node.home).out, b"x" * 900, key)
        self.assertEqual(self.put(node, "again").status, 1, "and it still runs")

        self.free(node)
        self.assert_status(self.put(node, "room"), 0)
        acknowledged.append("room")
        self.assertEqual(node.get("/v1/status")["health"], [])

        self.fill(node)
        self.put_until_it_fails(node, "second", acknowledged)
        node.signal(signal.SIGKILL)
        node.kill()
        self.free(node)
        node.spawn().wait_ready()
        for key in acknowledged:
            self.assertEqual(weft("get", key, home=node.home).out, b"x" * 900, key)
        self.assert_status(self.put(node, "after"), 0)
        self.assertEqual(node.stop(), 0)

    def test_a_mesh_goes_on_without_its_disk(self):
        full = self.on_small_disk(0)
        self.mesh.nodes.append(full.spawn().wait_ready())
        for i in range(1, 4):
            self.mesh.nodes.append(self.mesh.new_node(i).spawn())
        self.assertIsNotNone(self.mesh.wait_all_see(4, 30), self.why())
        self.fill(full)
        self.put_until_it_fails(full, "mine", [])
        stored = self.assert_status(weft("--json", "put", "k", "v", home=self.mesh.nodes[2].home), 0).json()
        self.assertGreaterEqual(stored["replicas"], 3, "the others hold it")
        self.assertEqual(weft("get", "k", home=full.home).out, b"v", "and it is found from there")
        self.assertEqual([node.alive_count() for node in self.mesh.nodes], [4] * 4)
        self.assertEqual(full.stop(), 0, "it can leave")

    def test_a_start_on_a_full_disk_says_so(self):
        node = self.on_small_disk(0)
        self.fill(node)
        self.mesh.nodes.append(node.spawn())
        self.assertTrue(wait_until(lambda: not node.running(), 10))
        self.assertEqual(node.process.returncode, 1, node.stderr())
        self.assertIn("No space left on device", node.stderr())
        self.free(node)
        node.spawn().wait_ready()


if __name__ == "__main__":
    if os.geteuid() == 0:
        enter_own_network()
    unittest.main()
