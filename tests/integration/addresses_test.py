"""A node on all addresses of a machine answers from the address that it was asked at."""
import os
import socket
import subprocess
import unittest

from support import MeshTest, weft

from mesh import enter_own_network


class Addresses(MeshTest):
    def wildcard(self, family):
        node = self.mesh.new_node(0, extra=["--listen", f"{'0.0.0.0' if family == 4 else '[::]'}:{self.mesh.base_port}"])
        node.address = None
        self.mesh.nodes.append(node.spawn().wait_ready())
        return node

    def joins_through(self, listen, seed, others_address):
        """A node at `listen` knows the wildcard node as being at `seed`, and everything works."""
        other = self.mesh.new_node(1, seeds=[seed])
        other.address = listen
        self.mesh.nodes.append(other.spawn().wait_ready())
        self.assert_status(weft("join", seed, "--timeout", "5s", home=other.home), 0)
        self.assertIsNotNone(self.mesh.wait_all_see(2, 15), self.why())
        self.assert_status(weft("ping", self.mesh.nodes[0].id, "-c", "2", home=other.home), 0)
        # The session is where the seed is, so nothing came from elsewhere.
        drops = other.get("/v1/status")["drops"]
        self.assertNotIn("session_wrong_address", drops)
        self.assertNotIn("session_unasked", drops)
        self.assertEqual([peer["address"] for peer in other.get("/v1/peers")], [others_address], other.get("/v1/peers"))

    def test_the_second_loopback_address(self):
        self.wildcard(4)
        port = self.mesh.base_port
        self.joins_through(f"127.0.0.3:{port + 1}", f"127.0.0.2:{port}", f"127.0.0.2:{port}")

    @unittest.skipUnless(os.environ.get("WEFT_OWN_NETWORK"), "needs a network namespace of its own")
    def test_the_second_address_of_an_interface(self):
        for family, first, second, third in ((4, "10.99.0.1", "10.99.0.2", "10.99.0.3"), (6, "fd99::1", "fd99::2", "fd99::3")):
            with self.subTest(family=family):
                bits = 24 if family == 4 else 64
                for address in (first, second, third):
                    subprocess.run(["ip", f"-{family}", "address", "add", f"{address}/{bits}", "dev", "lo",
                                    *(["nodad"] if family == 6 else [])], check=True)
                self.wildcard(family)
                port = self.mesh.base_port
                shown = (lambda ip, p: f"{ip}:{p}") if family == 4 else (lambda ip, p: f"[{ip}]:{p}")
                self.joins_through(shown(third, port + 1), shown(second, port), shown(second, port))
                for node in self.mesh.nodes:
                    node.kill()
                self.mesh.close()
                self.setUp()

    @unittest.skipUnless(os.environ.get("WEFT_OWN_NETWORK"), "needs a network namespace of its own")
    def test_an_address_that_goes_away_harms_nobody(self):
        for address in ("10.98.0.1", "10.98.0.2", "10.98.0.3"):
            subprocess.run(["ip", "address", "add", f"{address}/24", "dev", "lo"], check=True)
        node = self.wildcard(4)
        port = self.mesh.base_port
        self.joins_through(f"10.98.0.3:{port + 1}", f"10.98.0.2:{port}", f"10.98.0.2:{port}")
        subprocess.run(["ip", "address", "del", "10.98.0.2/24", "dev", "lo"], check=True)
        self.assertTrue(node.answers())
        self.assert_status(weft("ping", self.mesh.nodes[1].id, "--timeout", "20s", "-c", "3", home=node.home), 0)


if __name__ == "__main__":
    if os.geteuid() == 0:
        enter_own_network()
    unittest.main()
