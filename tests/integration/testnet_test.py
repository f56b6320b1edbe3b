"""`weft testnet`: its verbs, and that it never leaves a process behind."""
import concurrent.futures
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import unittest

from support import TestnetTest, children_of_home, NOT_FOUND, USAGE, wait_until, weft, weft_binary


class Testnet(TestnetTest):
    def state_at(self, index, *words):
        return weft("testnet", "exec", str(index), "--dir", self.dir, "--", "--json", "state", *words)

    # The example of the README.
    def test_edits_on_both_sides_of_a_partition_come_to_one_truth(self):
        self.run_testnet("up", "-n", "3", "--detach")
        three = range(3)
        self.assert_status(self.state_at(0, "create", "room"), 0)
        for i in (1, 2):
            self.assertTrue(wait_until(lambda i=i: self.state_at(i, "join", "room").status == 0, 20))
        self.run_testnet("partition", "34%")
        for i in three:
            self.assert_status(self.state_at(i, "set", "room/topic", f"of node {i}"), 0)
        self.run_testnet("heal")
        written = {f"of node {i}" for i in three}

        def shown(i):
            told = self.state_at(i, "get", "room/topic").json()
            return frozenset([told["value"], *(other["value"] for other in told["conflicts"])])
        self.assertTrue(wait_until(lambda: len({shown(i) for i in three}) == 1, 60), [shown(i) for i in three])
        self.assertGreaterEqual(len(shown(0)), 2, "what the two sides wrote")
        self.assertLessEqual(shown(0), written)
        self.assert_status(self.state_at(1, "set", "room/topic", "both"), 0)
        self.assertTrue(wait_until(lambda: all(shown(i) == {"both"} for i in three), 20), [shown(i) for i in three])
        self.assertEqual(len({self.state_at(i, "digest", "room").json()["digest"] for i in three}), 1)

    def test_the_verbs(self):
        self.run_testnet("up", "-n", "8", "--seed", "7", "--detach")
        nodes = self.nodes()
        self.assertEqual([node["index"] for node in nodes], list(range(8)))
        for node in nodes:
            self.assert_keys(node, "index", "id", "name", "pid", "home", "listen", "state")
            os.kill(node["pid"], 0)
        status = weft("--json", "testnet", "status", "--dir", self.dir).json()
        self.assert_keys(status, "network", "seeds")
        self.assertEqual(self.alive_at(3), 8)

        # exec passes output and exit status on.
        self.assertEqual(self.run_testnet("exec", "0", "--", "put", "color", "blue").status, 0)
        self.assertEqual(self.run_testnet("exec", "7", "--", "get", "color").out, b"blue")
        self.run_testnet("exec", "7", "--", "get", "nothing", status=NOT_FOUND)
        self.assertTrue(self.run_testnet("logs", "2").out)

        # One's own node can join.
        own = self.mesh.new_node(0, seeds=status["seeds"][:1])
        self.mesh.network = status["network"]
        self.mesh.nodes.append(own.spawn().wait_ready())
        self.assertTrue(wait_until(lambda: own.alive_count() == 9, 15), self.why())
        self.assertEqual(own.stop(), 0)
        self.assertTrue(wait_until(lambda: self.alive_at(1) == 8, 10))

        # kill is SIGKILL, noticed; restart brings the same ids back.
        self.run_testnet("kill", "6-7")
        for node in nodes[6:]:
            self.assertTrue(wait_until(lambda: not pathlib.Path(f"/proc/{node['pid']}").exists(), 5))
        self.assertTrue(wait_until(lambda: self.alive_at(0) == 6, 30))
        self.run_testnet("restart", "6,7")
        self.assertTrue(wait_until(lambda: self.alive_at(0) == 8, 30))
        self.assertEqual([n["id"] for n in self.nodes()], [n["id"] for n in nodes])

        # stop is graceful, pause and resume keep the process, add makes it grow.
        self.run_testnet("stop", "5")
        self.assertTrue(wait_until(lambda: self.alive_at(0) == 7, 15))
        self.run_testnet("restart", "5")
        self.run_testnet("pause", "4")
        stopped = self.nodes()[4]["pid"]
        self.assertIn(") T", pathlib.Path(f"/proc/{stopped}/stat").read_text())
        self.run_testnet("resume", "4")
        self.assertNotIn(") T", pathlib.Path(f"/proc/{stopped}/stat").read_text())
        self.run_testnet("add", "2")
        self.assertTrue(wait_until(lambda: self.alive_at(0) == 10, 30), self.nodes())

        self.run_testnet("down")
        self.assert_nobody_is_left()
        self.assertNotEqual(weft("testnet", "nodes", "--dir", self.dir).status, 0)

    def test_partition_and_heal(self):
        self.run_testnet("up", "-n", "8", "--seed", "3", "--detach")
        self.run_testnet("partition", "50%")
        self.assertTrue(wait_until(lambda: self.alive_at(0) <= 4 and self.alive_at(7) <= 4, 45, 0.5),
                        (self.alive_at(0), self.alive_at(7)))
        self.run_testnet("heal")
        self.assertTrue(wait_until(lambda: all(self.alive_at(i) == 8 for i in range(8)), 30, 0.5),
                        [self.alive_at(i) for i in range(8)])
        self.run_testnet("link", "latency=20ms,jitter=10%,loss=1%")
        self.assertEqual(self.run_testnet("exec", "1", "--", "put", "k", "v").status, 0)
        self.assertEqual(self.run_testnet("exec", "6", "--", "get", "k").out, b"v")
        slow = weft("testnet", "exec", "1", "--dir", self.dir, "--", "--json", "ping", self.nodes()[6]["id"]).json()
        self.assertGreater(slow[0]["rtt_ms"], 30)
        self.run_testnet("link", "")
        self.run_testnet("down")
        self.assert_nobody_is_left()

    def test_the_metrics_of_all_nodes_in_one_answer(self):
        up = self.assert_status(weft("--json", "testnet", "up", "--dir", self.dir, "-n", "4", "--seed", "8", "--http", "127.0.0.1:0",
                                     "--detach", timeout_s=60), 0).json()
        host, port = up["http"].rsplit(":", 1)

        def ask(path="/metrics", **headers):
            connection = http.client.HTTPConnection(host, int(port), timeout=20)
            self.addCleanup(connection.close)
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

        def samples(text, name):
            """node -> value"""
            return {match[1]: float(match[2])
                    for match in re.finditer(rf'(?m)^{name}{{node="(\w+)"[^}}]*}} (\S+)$', text)}

        self.run_testnet("exec", "1", "--", "put", "k", "v")
        self.run_testnet("exec", "2", "--", "get", "k")
        status, text = ask()
        self.assertEqual(status, 200)
        names = [node["name"] for node in self.nodes()]
        self.assertEqual(samples(text, "weft_up"), dict.fromkeys(names, 1))
        self.assertEqual(samples(text, "weft_uptime_seconds").keys(), set(names))
        self.assertEqual(samples(text, "weft_put_seconds_count"), dict(zip(names, [0, 1, 0, 0])))
        self.assertEqual(samples(text, "weft_get_seconds_count"), dict(zip(names, [0, 0, 1, 0])))
        self.assertTrue(all(count > 0 for count in samples(text, "weft_store_commit_seconds_count").values()))
        used, most = (dict(re.findall(rf'(?m)^weft_bound_{what}{{node="{names[1]}",bound="(\w+)"}} (\S+)$', text))
                      for what in ("used", "max"))
        self.assertEqual(used.keys(), most.keys())
        self.assertGreater(float(used["sessions"]), 0)
        for bound, value in used.items():
            self.assertLessEqual(float(value), float(most[bound]), bound)
        # What the dashboard file asks for is there.
        board = (pathlib.Path(__file__).parents[2] / "docs/monitoring/grafana.json").read_text()
        families = set(re.findall(r"(?m)^# TYPE (\w+) ", text))
        self.assertLessEqual({name.removesuffix("_bucket") for name in re.findall(r"weft_\w+", board)}, families)
        # Each family has one head, and all of its samples follow it.
        heads = re.findall(r"(?m)^# TYPE (\w+) ", text)
        self.assertEqual(len(heads), len(set(heads)))
        family = ""
        for line in text.splitlines():
            family = line.split()[2] if line.startswith("#") else family
            self.assertTrue(line.startswith("#") or line.startswith(family), line)
        # Several at a time share an answer; the page of another name gets none.
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            self.assertEqual([status for status, _ in pool.map(lambda _: ask(), range(16))], [200] * 16)
        self.assertEqual(ask(Host="evil.example")[0], 403)
        self.assertEqual(ask("/other")[0], 404)
        # One that is gone counts as down, and keeps nobody waiting.
        os.kill(self.nodes()[3]["pid"], signal.SIGKILL)
        self.assertTrue(wait_until(lambda: samples(ask()[1], "weft_up") == dict(zip(names, [1, 1, 1, 0])), 10, 0.2))
        self.assertIn('weft_testnet_nodes{state="dead"} 1\n', ask()[1])
        self.run_testnet("pause", "1")
        text = ask()[1]
        self.assertEqual(samples(text, "weft_up"), dict(zip(names, [1, 0, 1, 0])))
        self.assertIn('weft_testnet_nodes{state="paused"} 1\n', text)
        self.run_testnet("down")
        self.assert_nobody_is_left()

    def test_a_partition_one_way(self):
        self.run_testnet("up", "-n", "8", "--seed", "5", "--detach")

        def dropped(index):
            """How many datagrams the node has withheld on purpose."""
            text = weft("testnet", "exec", index, "--dir", self.dir, "--", "metrics").out.decode()
            return next(int(float(line.split()[1])) for line in text.splitlines()
                        if line.startswith("weft_link_dropped_total "))

        self.run_testnet("partition", "25%", "--one-way")
        self.assertTrue(wait_until(lambda: sum(dropped(i) > 0 for i in range(8)) == 2, 20, 0.5),
                        [dropped(i) for i in range(8)])
        cut_off = [i for i in range(8) if dropped(i) > 0]
        others = [i for i in range(8) if i not in cut_off]
        status = weft("--json", "testnet", "status", "--dir", self.dir).json()
        self.assertIn("true", json.dumps(status.get("partition", status)))
        # Who is not heard is given up by the others, although it hears them.
        self.assertTrue(wait_until(lambda: all(self.alive_at(i) == 6 for i in others), 60, 0.5),
                        [self.alive_at(i) for i in range(8)])
        self.assertEqual([dropped(i) for i in others], [0] * 6, "the other way is open")
        self.assertEqual(self.run_testnet("exec", others[0], "--", "put", "k", "v").status, 0)
        self.assertEqual(self.run_testnet("exec", others[1], "--", "get", "k").out, b"v")
        self.run_testnet("heal")
        self.assertTrue(wait_until(lambda: all(self.alive_at(i) == 8 for i in range(8)), 45, 0.5),
                        [self.alive_at(i) for i in range(8)])
        self.assertEqual(self.run_testnet("exec", cut_off[0], "--", "get", "k").out, b"v")
        self.run_testnet("down")
        self.assert_nobody_is_left()

    def test_bad_words(self):
        self.run_testnet("up", "-n", "2", "--detach")
        for words in (["kill", "9"], ["exec", "9", "--", "status"], ["logs", "77"]):
            with self.subTest(words=words):
                self.run_testnet(*words, status=NOT_FOUND)
        for words in (["kill", "x"], ["kill", "200%"], ["partition", "150%"], ["link", "latency=fast"],
                      ["add", "-1"], ["churn"]):
            with self.subTest(words=words):
                self.run_testnet(*words, status=USAGE)
        self.assertNotEqual(weft("testnet", "up", "-n", "2", "--detach", "--dir", self.dir).status, 0,
                            "one folder, one testnet")
        self.assertEqual(self.alive_at(0), 2, "the first is unharmed")
        self.run_testnet("down")

    def foreground(self):
        process = subprocess.Popen([weft_binary(), "testnet", "up", "-n", "6", "--dir", self.dir],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        self.assertTrue(wait_until(lambda: self.alive_at(5) == 6, 30, 0.2))
        return process

    def test_interrupted(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number=number):
                process = self.foreground()
                process.send_signal(number)
                self.assertIn(process.wait(20), (0, 130))
                self.assert_nobody_is_left()

    def test_interrupted_while_starting(self):
        process = subprocess.Popen([weft_binary(), "testnet", "up", "-n", "30", "--dir", self.dir],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.15)
        process.send_signal(signal.SIGINT)
        process.wait(20)
        self.assert_nobody_is_left()

    def test_supervisor_killed(self):
        process = self.foreground()
        pids = [node["pid"] for node in self.nodes()]
        self.assertEqual(len(pids), 6)
        process.kill()
        process.wait()
        self.assert_nobody_is_left()

    def test_detached_supervisor_killed(self):
        self.run_testnet("up", "-n", "6", "--detach")
        pids = {node["pid"] for node in self.nodes()}
        others = [pid for pid in children_of_home(self.dir) if pid not in pids]
        self.assertEqual(len(others), 1, "one supervisor")
        os.kill(others[0], signal.SIGKILL)
        self.assert_nobody_is_left()

    def test_a_stopped_node_is_ended_too(self):
        self.run_testnet("up", "-n", "3", "--detach")
        self.run_testnet("pause", "1")
        self.run_testnet("down")
        self.assert_nobody_is_left()


if __name__ == "__main__":
    unittest.main()
