"""Two nodes: they meet, and a sealed ping crosses; a stranger to the network hears nothing."""
import socket
import time
import unittest

from support import MeshTest, NOT_FOUND, wait_until, weft


class TwoNodes(MeshTest):
    def test_a_sealed_ping(self):
        a, b = self.start(2)
        for who in (b.id, b.id[:8], b.name):
            ran = self.assert_status(weft("--json", "ping", who, "-c", "3", home=a.home), 0)
            self.assertEqual([row["seq"] for row in ran.json()], sorted(row["seq"] for row in ran.json()))
            self.assertEqual(len(ran.json()), 3)
            self.assertTrue(all(0 < row["rtt_ms"] < 1000 for row in ran.json()), ran)
        self.assert_status(weft("ping", "0" * 64, home=a.home), NOT_FOUND)
        status = a.get("/v1/status")
        self.assertEqual(status["members"]["alive"], 2)
        self.assertGreater(status["traffic"]["sent_packets"], 0)

    def test_another_network_gets_silence(self):
        (a,) = self.start(1)
        stranger = self.mesh.new_node(1, extra=["--network", "elsewhere"])
        self.mesh.network = None  # the flag above decides
        stranger.spawn().wait_ready()
        self.mesh.nodes.append(stranger)
        wait_until(lambda: sum(a.get("/v1/status")["drops"].values()) > 0, 10)
        self.assertGreater(sum(a.get("/v1/status")["drops"].values()), 0, "each drop is counted")
        self.assertEqual(stranger.get("/v1/status")["traffic"]["received_packets"], 0)
        self.assertEqual((a.alive_count(), stranger.alive_count()), (1, 1))

    def test_garbage_gets_silence(self):
        (a,) = self.start(1)
        host, port = a.address.split(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.5)
            for raw in (b"", b"\x00", b"\x01\x01", b"\x01" * 256, b"\xff" * 1200, b"\x01\x05" + bytes(254),
                        b"GET / HTTP/1.1\r\n\r\n", bytes(1472)):
                s.sendto(raw, (host, int(port)))
            with self.assertRaises(TimeoutError):
                s.recv(2048)
        self.assertTrue(a.running())
        self.assertEqual(a.alive_count(), 1)

    def test_leaving_is_seen_as_leaving(self):
        a, b = self.start(2)
        self.assertEqual(b.stop(), 0, b.stderr())
        state = wait_until(lambda: [row["state"] for row in a.members() if row["id"] == b.id] == ["left"], 5)
        self.assertTrue(state, a.members())
        time.sleep(0.2)
        self.assertEqual(self.mesh.failures(), [])


if __name__ == "__main__":
    unittest.main()
