"""SIGTERM and SIGINT end a node within five seconds, whatever it is doing, and leave nothing bad."""
import signal
import socket
import threading
import time
import unittest

from support import MeshTest, bad_machine, weft

LIMIT_S = 5.0


class Signals(MeshTest):
    def ends(self, node, number=signal.SIGTERM, statuses=(0,)):
        started = time.monotonic()
        if node.running():
            node.signal(number)
        status = node.process.wait(2 * LIMIT_S)
        self.assertLess(time.monotonic() - started, LIMIT_S, node.stderr())
        self.assertIn(status, statuses, node.stderr())

    def test_right_after_the_start(self):
        # From before main() to after it is ready. Before there is a handler, the signal just ends it.
        for i, delay_s in enumerate((0, 0.001, 0.003, 0.01, 0.02, 0.05, 0.1, 0.2)):
            with self.subTest(delay_s=delay_s):
                node = self.mesh.new_node(i, seeds=["127.0.0.1:1"])
                self.mesh.nodes.append(node.spawn())
                time.sleep(delay_s)
                self.ends(node, statuses=(0, -signal.SIGTERM))
                node.spawn().wait_ready()  # the home is whole
                self.ends(node)

    def test_alone_and_joining(self):
        for i, seeds in enumerate(([], ["127.0.0.1:1"], ["no-such-host.invalid:9338"])):
            node = self.mesh.new_node(i, seeds=seeds)
            self.mesh.nodes.append(node.spawn().wait_ready())
            self.ends(node, signal.SIGINT)

    def test_in_the_middle_of_operations(self):
        nodes = self.start(5)
        node = nodes[2]
        threads = [threading.Thread(target=lambda i=i: weft("put", f"k{i}", "v", home=node.home)) for i in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.02)
        self.ends(node)
        for thread in threads:
            thread.join(20)
        self.assertFalse(any(thread.is_alive() for thread in threads), "every client was told")

    def test_with_a_waiting_client(self):
        (node,) = self.start(1)
        ran = []
        waiting = threading.Thread(target=lambda: ran.append(weft("wait", "--members", "9", home=node.home)))
        waiting.start()
        time.sleep(0.3)
        self.ends(node)
        waiting.join(10)
        self.assertEqual([r.status for r in ran], [1])

    def test_in_the_middle_of_a_stall(self):
        node = self.mesh.new_node(0, extra=["--faults"])
        self.mesh.nodes.append(node.spawn().wait_ready())
        for number in (signal.SIGTERM, signal.SIGINT):
            node.post("/v1/faults", stall_ms=30_000)
            time.sleep(0.5)
            self.ends(node, number)
            node.spawn().wait_ready()

    def test_while_it_joins_through_silent_seeds(self):
        node = self.mesh.new_node(0, seeds=[f"127.0.0.1:{port}" for port in range(1, 33)])
        self.mesh.nodes.append(node.spawn().wait_ready())
        joining = threading.Thread(target=lambda: weft("join", "127.0.0.1:1", "[::1]:2", home=node.home))
        joining.start()
        time.sleep(0.5)
        self.ends(node)
        joining.join(10)
        self.assertFalse(joining.is_alive())

    def test_with_clients_that_hang(self):
        (node,) = self.start(1)
        path = str(node.home / "control.sock")
        for i in range(30):
            s = socket.socket(socket.AF_UNIX)
            self.addCleanup(s.close)
            s.connect(path)
            s.sendall((b"GET /v1/events HTTP/1.1\r\nHost: w\r\n\r\n", b"POST /v1/put HTTP/1.1\r\nContent-Le",
                       b"GET /v1/wait?members=9 HTTP/1.1\r\nHost: w\r\n\r\n")[i % 3])
        time.sleep(0.3)
        self.ends(node)

    def test_in_the_middle_of_a_commit_that_hangs(self):
        hang = self.mesh.root / "hang"
        node = self.mesh.new_node(0)
        self.mesh.nodes.append(node.spawn(env=bad_machine(hang=hang)).wait_ready())
        self.assertEqual(weft("put", "k", "v", "--ttl", "1h", home=node.home).status, 0)
        hang.touch()
        putting = threading.Thread(target=lambda: weft("put", "k2", "v", home=node.home))
        putting.start()
        time.sleep(0.5)
        self.assertEqual(node.alive_count(), 1, "a hanging disk holds up nothing else")
        self.ends(node)
        putting.join(10)
        self.assertFalse(putting.is_alive())
        hang.unlink()
        node.spawn().wait_ready()
        self.assertEqual(weft("get", "k", home=node.home).out, b"v")
        self.ends(node)

    def test_while_all_others_are_dead(self):
        nodes = self.start(4)
        for other in nodes[1:]:
            other.kill()
        self.ends(nodes[0])

    def test_a_second_signal_ends_it_at_once(self):
        nodes = self.start(3)
        for other in nodes[1:]:
            other.signal(signal.SIGSTOP)
        nodes[0].signal(signal.SIGTERM)
        time.sleep(0.05)
        started = time.monotonic()
        if nodes[0].running():
            nodes[0].signal(signal.SIGTERM)
        nodes[0].process.wait(LIMIT_S)
        self.assertLess(time.monotonic() - started, 1.0)

    def test_the_home_is_free_afterwards(self):
        (node,) = self.start(1)
        self.ends(node)
        self.assertFalse((node.home / "control.sock").exists())
        node.spawn().wait_ready()
        node.kill()  # a killed one leaves its socket and its lock file behind
        node.spawn().wait_ready()
        self.ends(node)


if __name__ == "__main__":
    unittest.main()
