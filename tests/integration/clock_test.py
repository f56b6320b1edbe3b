"""The wall clock jumps by ten years while nodes run: nobody is taken for dead and nothing expires."""
import signal
import time
import unittest

from support import MeshTest, bad_machine, wait_until, weft

TEN_YEARS_S = 10 * 365 * 24 * 3600


class Clock(MeshTest):
    def spawn(self, node):
        return node.spawn(env=bad_machine(clock=self.file_of(node)))

    def file_of(self, node):
        return self.mesh.root / f"{node.name}.clock"

    def set_clock(self, node, shift_s):
        path = self.file_of(node)
        fresh = path.with_suffix(".new")
        fresh.write_text(str(shift_s))
        fresh.rename(path)

    def start_shifted(self, count):
        for i in range(count):
            node = self.mesh.new_node(i)
            self.set_clock(node, 0)
            self.mesh.nodes.append(self.spawn(node))
        self.assertIsNotNone(self.mesh.wait_all_see(count, 30), self.why())
        self.mesh.learn_ids()
        return self.mesh.nodes

    def clock_check(self, node):
        return next(check for check in node.get("/v1/doctor") if check["check"] == "clock")

    def expires_s(self, node, key):
        return weft("--json", "get", key, home=node.home).json()["values"][0]["expires_s"]

    def test_nothing_happens_and_the_doctor_tells(self):
        nodes = self.start_shifted(4)
        for i in range(10):
            self.assert_status(weft("put", f"k{i}", f"v{i}", home=nodes[0].home), 0)
        started = time.monotonic()
        self.assert_status(weft("put", "hour", "v", "--ttl", "1h", home=nodes[1].home), 0)
        self.assertTrue(self.clock_check(nodes[1])["ok"])

        self.set_clock(nodes[1], TEN_YEARS_S)
        self.set_clock(nodes[2], -TEN_YEARS_S)
        self.assert_status(weft("put", "after", "jump", home=nodes[1].home), 0)
        for _ in range(3):
            time.sleep(2)
            for node in nodes:
                self.assertEqual(node.alive_count(), 4, self.why())
        self.assertEqual(self.mesh.failures(), [])
        for node in nodes:
            self.assertEqual(weft("get", "k7", home=node.home).out, b"v7")
            self.assertEqual(weft("get", "after", home=node.home).out, b"jump")
            age = time.monotonic() - started
            self.assertAlmostEqual(self.expires_s(node, "hour"), 3600 - age, delta=30)
        for node, word in ((nodes[1], "forward"), (nodes[2], "back")):
            check = self.clock_check(node)
            self.assertFalse(check["ok"])
            self.assertIn(word, check["detail"])
            self.assertTrue(any("clock" in line for line in node.get("/v1/status")["health"]))
        self.assertTrue(self.clock_check(nodes[3])["ok"])

    def test_a_restart_after_a_jump_back_loses_nothing(self):
        (node,) = self.start_shifted(1)  # alone: what it loses is lost
        for i in range(20):
            self.assert_status(weft("put", f"k{i}", f"v{i}", "--ttl", "2h", home=node.home), 0)
        for first, then, kill in ((TEN_YEARS_S, 0, True), (0, -TEN_YEARS_S, True), (-TEN_YEARS_S, -2 * TEN_YEARS_S, False)):
            with self.subTest(first=first, then=then):
                self.set_clock(node, first)
                self.assert_status(weft("put", f"at{first}", "v", "--ttl", "2h", home=node.home), 0)
                values = node.get("/v1/status")["store"]["values"]
                self.set_clock(node, then)
                if kill:
                    node.signal(signal.SIGKILL)
                    node.kill()
                else:
                    self.assertEqual(node.stop(), 0)
                self.spawn(node).wait_ready()
                self.assertEqual(node.get("/v1/status")["store"]["values"], values)
                for i in range(20):
                    self.assertEqual(weft("get", f"k{i}", home=node.home).out, f"v{i}".encode())
                self.assertEqual(weft("get", f"at{first}", home=node.home).out, b"v")
                self.assertGreater(self.expires_s(node, "k3"), 6000)
                self.assert_status(weft("put", "k0", "v0", "--ttl", "2h", home=node.home), 0)
        self.set_clock(node, 0)
        self.assertTrue(wait_until(lambda: node.answers(), 5))


if __name__ == "__main__":
    unittest.main()
