"""What `weft testnet up --http` gives a page, and what it gives nobody else. The page itself: page_browser_test.py."""
import base64
import hashlib
import http.client
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import time
import unittest

from support import TestnetTest, wait_until, weft

NODES = 12
CONNECTIONS = 10_000


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Stream:
    """The server-sent events of a testnet, folded as the page does it."""

    def __init__(self, host):
        self.connection = http.client.HTTPConnection(host, timeout=10)
        self.connection.request("GET", "/v1/testnet/stream")
        self.answer = self.connection.getresponse()
        self.events, self.points = [], []
        name, data = self.next()
        assert name == "snapshot", name
        self.whole = json.loads(data)
        self.nodes = {node["i"]: node for node in self.whole["nodes"]}
        self.summary = self.whole["summary"]

    def next(self):
        lines = []
        while line := self.answer.readline().rstrip(b"\n"):
            lines.append(line.decode())
        fields = dict(line.split(": ", 1) for line in lines)
        return fields["event"], fields["data"]

    def until(self, what, timeout_s=30):
        end = time.monotonic() + timeout_s
        while not what(self):
            if time.monotonic() > end:
                return False
            name, data = self.next()
            assert name == "change", name
            change = json.loads(data)
            self.nodes.update({node["i"]: node for node in change["nodes"]})
            self.summary = change["summary"]
            self.events += change["events"]
            if "point" in change:
                self.points.append(change["point"])
        return True

    def close(self):
        self.connection.close()


class Page(TestnetTest):
    def setUp(self):
        super().setUp()
        up = self.assert_status(weft("--json", "testnet", "up", "--dir", self.dir, "-n", NODES, "--seed", "5", "--http", "127.0.0.1:0",
                                     "--detach", timeout_s=60), 0).json()
        self.host = up["http"]
        self.token = up["page"].split("#")[1]
        self.assertEqual(up["page"], f"http://{self.host}/#{self.token}")

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection(self.host, timeout=30)
        self.addCleanup(connection.close)
        connection.request(method, path, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers

    def post(self, path, body, **headers):
        wanted = {"X_Weft_Token": self.token, "Content_Type": "application/json", **headers}
        status, text, _ = self.ask("POST", "/v1/testnet/" + path, json.dumps(body), **{k: v for k, v in wanted.items() if v is not None})
        return status, json.loads(text)

    def stream(self):
        stream = Stream(self.host)
        self.addCleanup(stream.close)
        return stream

    @unittest.skipUnless(shutil.which("npm"), "weft is built without its page where there is no npm")
    def test_the_page_is_whole_and_may_load_nothing_else(self):
        status, html, headers = self.ask("GET", "/")
        self.assertEqual(status, 200)
        self.assertIn("text/html", headers["Content-Type"])
        policy = headers["Content-Security-Policy"]
        self.assertIn("default-src 'none'", policy)
        scripts = re.findall(rb"(?s)<script[^>]*>(.*?)</script>", html)
        self.assertEqual(len(scripts), 1)
        digest = base64.b64encode(hashlib.sha256(scripts[0]).digest()).decode()
        self.assertIn(f"script-src 'sha256-{digest}'", policy)
        loads = re.findall(rb"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"?([^\">]*)", html)
        self.assertEqual([what for what in loads if what != b"data:,"], [])
        self.assertEqual(headers["Referrer-Policy"], "no-referrer")
        self.assertIsNone(headers["Access-Control-Allow-Origin"])

    def test_only_the_page_may_ask(self):
        kill = {"do": "kill", "which": "25%"}
        port = self.host.split(":")[1]
        for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{int(port) ^ 1}", "localhost", f"127.0.0.1.evil.example:{port}", ""):
            for path in ("/", "/v1/testnet/stream", "/v1/testnet/sights", "/v1/testnet/nodes/0/status"):
                self.assertEqual(self.ask("GET", path, Host=host)[0], 403, (host, path))
            self.assertEqual(self.post("do", kill, Host=host)[0], 403, host)
        # What a browser says when another page asks; a link to the page is followed.
        for site in ("cross-site", "same-site"):
            for path in ("/v1/testnet/stream", "/v1/testnet/nodes/0/log"):
                self.assertEqual(self.ask("GET", path, Sec_Fetch_Site=site)[0], 403)
            self.assertNotEqual(self.ask("GET", "/", Sec_Fetch_Site=site)[0], 403)
        self.assertEqual(self.ask("GET", "/v1/testnet/sights", Host=f"localhost:{port}")[0], 200)
        for origin in ("http://evil.example", f"https://{self.host}", "null", f"http://{self.host}.evil.example", "http://127.0.0.1"):
            self.assertEqual(self.post("do", kill, Origin=origin)[0], 403, origin)
            self.assertEqual(self.ask("GET", "/v1/testnet/stream", Origin=origin)[0], 403, origin)
        for token in (None, "", "0" * len(self.token), self.token[:-1], self.token + "0", self.token.upper() + "x"):
            self.assertEqual(self.post("do", kill, X_Weft_Token=token)[0], 403, token)
        for kind in (None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx"):
            self.assertEqual(self.post("do", kill, Content_Type=kind)[0], 400, kind)
        for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
            status, _, headers = self.ask(method, "/v1/testnet/do", "{}", X_Weft_Token=self.token, Content_Type="application/json")
            self.assertEqual(status, 400, method)
            self.assertIsNone(headers["Access-Control-Allow-Origin"])
        for path in ("/v1/testnet/", "/v1/testnet/nodes/0", "/v1/testnet/nodes/99/status", "/v1/testnet/nodes/-1/status", "/v1/testnet/nodes/0/config",
                     "/v1/testnet/nodes/0/../1/status", "/v1/status", "/x"):
            self.assertEqual(self.ask("GET", path)[0], 404, path)
        for body in ([], "kill", {"do": "explode"}, {"do": 7}, {"do": "kill", "which": "no"}, {"do": "churn"}, {"do": "add", "count": -1}):
            status, answer = self.post("do", body)
            self.assertGreaterEqual(status, 400, body)
            self.assertIn("message", answer["error"])
        for body in ({}, {"node": "0"}, {"node": -1}, {"node": NODES}, {"node": 1e300}, [], None):
            self.assertEqual(self.post("put", body)[0], 400, body)
        self.assertEqual([node["state"] for node in self.nodes()], ["running"] * NODES)
        self.assertEqual(self.post("do", kill, Origin=f"http://{self.host}", Content_Type="application/json; charset=utf-8")[0], 200)

    def test_what_happens_is_told(self):
        stream = self.stream()
        self.assertEqual(len(stream.nodes), NODES)
        self.assertEqual({node["members"] for node in stream.nodes.values()}, {NODES})
        self.assertTrue(stream.summary["converged"])
        # One is killed by pid, behind the supervisor's back: its process and then the others' views tell.
        os.kill(self.nodes()[3]["pid"], signal.SIGKILL)
        self.assertTrue(stream.until(lambda s: s.nodes[3]["run"] == "dead", 5))
        gone = NODES - 1
        self.assertTrue(stream.until(lambda s: s.nodes[3]["seen"]["failed"] == gone, 30), stream.nodes[3])
        self.assertTrue(stream.until(lambda s: s.summary["members_max"] == gone and s.summary["converged"], 10), stream.summary)
        self.assertIn({"what": "run", "node": 3, "run": "dead"}, [{k: v for k, v in e.items() if k != "t_ms"} for e in stream.events])
        told = {(event["by"], event["about"]) for event in stream.events if event["what"] == "sight" and event["state"] == "failed"}
        self.assertLessEqual({(by, 3) for by in range(NODES) if by != 3}, told)
        sights = json.loads(self.ask("GET", "/v1/testnet/sights")[1])
        self.assertEqual([row[3] for row in sights["rows"]], ["f"] * 3 + ["-"] + ["f"] * (NODES - 4))
        # What it says is what the nodes say.
        for i in (0, 5, NODES - 1):
            self.assertEqual(stream.nodes[i]["members"], self.alive_at(i))
        # Rates come of the nodes' own metrics.
        self.assertTrue(stream.until(lambda s: s.points and s.points[-1]["bytes_per_node_s"], 20), stream.points[-1:])
        self.assertGreater(stream.points[-1]["packets_per_node_s"], 0)
        # A second page sees the same at once, points of before included.
        other = self.stream()
        self.assertEqual(other.nodes[3]["seen"]["failed"], gone)
        self.assertGreaterEqual(len(other.whole["points"]), len(stream.points) - 1)

    def flow(self, after=None):
        status, text, _ = self.ask("GET", "/v1/testnet/flow" + ("" if after is None else f"?after={after}"))
        self.assertEqual(status, 200, text)
        return json.loads(text)

    def sent_packets(self, i):
        metrics = self.assert_status(weft("metrics", home=f"{self.dir}/n/{i}"), 0).out.decode()
        return float(re.search(r"(?m)^weft_sent_packets_total (\S+)$", metrics)[1])

    def test_messages_are_told_as_the_nodes_send_them(self):
        told = self.flow()
        self.assertEqual(told["messages"], [])
        time.sleep(1)
        told = self.flow(told["cursor"])  # all have been asked
        before = [self.sent_packets(i) for i in range(NODES)]
        begun = told["t_ms"]
        messages = []
        weft("put", "flow", "x", home=f"{self.dir}/n/0")
        for _ in range(12):
            time.sleep(1)
            told = self.flow(told["cursor"])
            self.assertEqual(told["left_out"], 0)
            messages += told["messages"]
        sent = [self.sent_packets(i) - was for i, was in enumerate(before)]
        self.assertLessEqual({topic for _, _, _, topic, _ in messages}, {"membership", "lookup", "value", "state", "other"})
        self.assertLessEqual({"membership", "value"}, {topic for _, _, _, topic, _ in messages})
        for t_ms, source, to, _, size in messages:
            self.assertNotEqual(source, to)
            self.assertLess(begun - 2000, t_ms)
            self.assertLessEqual(t_ms, told["t_ms"])
            self.assertIn(size, range(1, 1300))
        for i in range(NODES):
            # Of the packets that the node counts some are handshakes, and the two counts do not begin and end at one moment.
            mine = sum(1 for message in messages if message[1] == i)
            self.assertLess(0.6 * sent[i] - 10, mine, i)
            self.assertLess(mine, 1.2 * sent[i] + 10, i)
        # Who did not ask for so long, or for another testnet, is told from now on.
        self.assertEqual(self.flow(told["cursor"] + 10_000)["messages"], [])
        for bad in ("x", "-1", ""):
            self.assertEqual(self.ask("GET", f"/v1/testnet/flow?after={bad}")[0], 400)

    def test_the_tree_of_a_namespace_reaches_all(self):
        self.assertEqual(self.ask("GET", "/v1/testnet/tree?space=room")[0], 404)
        self.assertEqual(self.ask("GET", "/v1/testnet/tree")[0], 400)
        self.assertEqual(self.ask("GET", "/v1/testnet/tree?space=" + "x" * 1000)[0], 400)
        self.assert_status(weft("state", "create", "room", home=f"{self.dir}/n/0"), 0)
        for i in range(1, NODES):
            self.assert_status(weft("state", "join", "room", home=f"{self.dir}/n/{i}"), 0)
        self.assertEqual(json.loads(self.ask("GET", "/v1/testnet/nodes/3/namespaces")[1])[0]["namespace"], "room")

        def whole():
            tree = json.loads(self.ask("GET", "/v1/testnet/tree?space=room")[1])
            links = {node["i"]: {link["i"] for link in node["eager"]} for node in tree["nodes"]}
            reached, edge = set(), {0}
            while edge:
                reached |= edge
                edge = {to for at in edge for to in links[at]} - reached
            return len(tree["nodes"]) == NODES and reached == set(range(NODES)) and sum(node["root"] for node in tree["nodes"]) == 1
        self.assertTrue(wait_until(whole, 30))
        # What is written is late by what the page says.
        stream = self.stream()
        for k in range(40):
            weft("state", "set", f"room/{k}", "x", home=f"{self.dir}/n/{k % NODES}")
        self.assertTrue(stream.until(lambda s: s.points and s.points[-1]["state_lag_p50_ms"], 20), stream.points[-1:])
        self.assertLess(stream.points[-1]["state_lag_p50_ms"], 2000)

    def test_copies_and_failures_are_told(self):
        stream = self.stream()
        for k in range(20):
            self.assert_status(weft("put", f"key{k}", "x", home=f"{self.dir}/n/{k % NODES}"), 0)
        # All of twelve nodes hold a copy of each value.
        self.assertTrue(stream.until(lambda s: s.points and s.points[-1]["copies"] == NODES, 20), stream.points[-1:])
        self.assertTrue(stream.until(lambda s: s.points[-1]["ops"]["get"]["failed"] == 0, 10), stream.points[-1:])
        for _ in range(5):
            weft("get", "nothing", home=f"{self.dir}/n/1")
        self.assertTrue(stream.until(lambda s: s.points[-1]["ops"]["get"]["failed"] > 0, 15), stream.points[-1:])
        self.assertEqual(stream.points[-1]["ops"]["put"]["failed"], 0)
        for i in (1, 2, 3, 4, 5, 6):
            os.kill(self.nodes()[i]["pid"], signal.SIGKILL)
        self.assertTrue(stream.until(lambda s: s.points[-1]["copies"] == NODES / 2, 20), stream.points[-1:])

    def test_what_is_begun_is_ended_though_its_client_goes(self):
        stream = self.stream()
        connection = http.client.HTTPConnection(self.host, timeout=5)
        connection.request("POST", "/v1/testnet/do", json.dumps({"do": "restart", "which": "1-11"}),
                           {"X-Weft-Token": self.token, "Content-Type": "application/json"})
        time.sleep(0.05)
        connection.close()
        self.assertTrue(stream.until(lambda s: all(s.nodes[i]["starts"] == 2 and s.nodes[i]["ready"] for i in range(1, NODES)), 30), stream.nodes)
        # However short a node was away, both are told.
        runs = [(event["node"], event["run"]) for event in stream.events if event["what"] == "run"]
        self.assertEqual([run for node, run in runs if node == 3], ["dead", "running"])
        # A churn goes on without its client until it is ended; one at a time.
        churn = {"do": "churn", "model": "exponential", "median_ms": 5000, "for_ms": 0}
        self.assertEqual(self.post("do", {"do": "end_churn"})[0], 404)
        self.assertEqual(self.post("do", churn)[0], 200)
        self.assertEqual(self.post("do", churn)[0], 409)
        self.assertTrue(stream.until(lambda s: s.summary["churning"] and s.summary["dead"] > 0, 30))
        self.assertEqual(self.post("do", {"do": "end_churn"})[0], 200)
        self.assertTrue(stream.until(lambda s: not s.summary["churning"] and s.summary["dead"] == 0 and s.summary["converged"], 60), stream.summary)
        # Where nobody runs there are no rates.
        self.assertTrue(stream.until(lambda s: s.points[-1]["bytes_per_node_s"], 20))
        self.assertEqual(self.post("do", {"do": "kill", "which": "100%"})[0], 200)
        self.assertTrue(stream.until(lambda s: s.points[-1]["running"] == 0 and s.points[-1]["bytes_per_node_s"] is None, 20), stream.points[-1])

    def test_a_paused_observer_says_nothing(self):
        stream = self.stream()
        self.assertEqual(self.post("do", {"do": "kill", "which": "3"})[0], 200)
        self.assertTrue(stream.until(lambda s: s.nodes[3]["seen"]["failed"] == NODES - 1, 30))
        self.assertEqual(self.post("do", {"do": "pause", "which": "2"})[0], 200)
        self.assertEqual(self.post("do", {"do": "restart", "which": "3"})[0], 200)
        self.assertTrue(stream.until(lambda s: s.nodes[3]["seen"]["alive"] == NODES - 2, 10), stream.nodes[3])
        self.assertEqual(stream.nodes[3]["seen"]["failed"], 0)
        self.assertEqual(json.loads(self.ask("GET", "/v1/testnet/sights")[1])["rows"][2], "-" * NODES)

    def test_a_page_that_is_loaded_anew_has_its_points(self):
        stream = self.stream()
        self.assertTrue(stream.until(lambda s: len(s.points) >= 3))
        stream.close()
        (supervisor,) = {int(pathlib.Path(f"/proc/{node['pid']}/stat").read_text().rsplit(")", 1)[1].split()[1]) for node in self.nodes()}
        before = cpu_s(supervisor)
        time.sleep(2)
        self.assertLess(cpu_s(supervisor) - before, 0.5, "it is busy though nobody watches")
        self.assertGreaterEqual(len(self.stream().whole["points"]), 3)

    def test_the_buttons_work(self):
        stream = self.stream()
        status, answer = self.post("do", {"do": "kill", "which": "25%"})
        self.assertEqual((status, len(answer["done"]["nodes"])), (200, NODES // 4))
        hit = [node["index"] for node in answer["done"]["nodes"]]
        self.assertTrue(stream.until(lambda s: s.summary["dead"] == len(hit) and s.summary["members_max"] == NODES - len(hit), 30))
        self.assertEqual(self.post("do", {"do": "restart", "which": ",".join(map(str, hit))})[0], 200)
        self.assertTrue(stream.until(lambda s: s.summary["members_min"] == NODES, 30), stream.summary)
        self.assertEqual(self.post("do", {"do": "add", "count": 2})[0], 200)
        self.assertTrue(stream.until(lambda s: len(s.nodes) == NODES + 2 and s.summary["members_min"] == NODES + 2, 30))
        self.assertEqual(self.post("do", {"do": "pause", "which": "2"})[0], 200)
        self.assertTrue(stream.until(lambda s: s.nodes[2]["run"] == "paused", 5))
        self.assertEqual(self.post("do", {"do": "resume", "which": "2"})[0], 200)
        self.assertEqual(self.post("do", {"do": "partition", "which": "50%"})[0], 200)
        self.assertTrue(stream.until(lambda s: sum(node["cut_off"] for node in s.nodes.values()) == NODES // 2 + 1, 5))
        self.assertEqual(self.post("do", {"do": "heal"})[0], 200)
        self.assertTrue(stream.until(lambda s: s.summary["members_min"] == NODES + 2 and s.summary["converged"], 60), stream.summary)
        status, put = self.post("put", {"node": 1, "key": "kéy", "value": "välue"})
        self.assertEqual(status, 200, put)
        status, got = self.post("get", {"node": 4, "key": "kéy"})
        self.assertEqual(base64.b64decode(got["values"][0]["value_base64"]).decode(), "välue")
        status, lookup = self.post("lookup", {"node": 6, "key": "kéy"})
        self.assertTrue(all(step["id"] for step in lookup["steps"]))
        status, answer = self.ask("GET", "/v1/testnet/nodes/4/members")[:2]
        self.assertEqual((status, len(json.loads(answer))), (200, NODES + 2))

    def test_it_is_not_overrun(self):
        host, port = self.host.split(":")
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)

        def raw(data):
            s = socket.socket()
            s.setblocking(False)
            try:
                s.connect((host, int(port)))
            except BlockingIOError:
                pass
            if data:
                try:
                    s.send(data)
                except (BlockingIOError, OSError):
                    pass
            return s

        # Slow readers: streams that are never read, and half requests.
        slow = [raw(None) for _ in range(20)]
        time.sleep(0.5)
        # More pages than may be open: the others are refused, and the user is served.
        pages = [http.client.HTTPConnection(self.host, timeout=10) for _ in range(40)]
        for page in pages:
            page.request("GET", "/v1/testnet/stream")
        self.assertEqual(sorted({page.getresponse().status for page in pages}), [200, 503])
        self.assertEqual(self.post("do", {"do": "status"})[0], 200)
        for page in pages:
            page.close()
        # So they are with the cookies of all that listens on this machine.
        self.assertEqual(self.ask("GET", "/v1/testnet/sights", Cookie="x=" + "y" * 16_000)[0], 200)
        for s in slow[:10]:
            s.send(f"GET /v1/testnet/stream HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
        for s in slow[10:]:
            s.send(b"POST /v1/testnet/do HTTP/1.1\r\nHost: " + self.host.encode() + b"\r\nContent-Le")
        status, _, _ = self.ask("GET", "/v1/testnet/sights")
        self.assertEqual(status, 200)
        # Bodies that are too large, announced and not.
        self.assertEqual(self.ask("POST", "/v1/testnet/do", b"x" * 70_000, X_Weft_Token=self.token, Content_Type="application/json")[0], 413)
        held = []
        for i in range(CONNECTIONS):
            held.append(raw(b"GET / HTTP/1.1\r\n" if i % 2 else b"\0\xff\r\n\r\n"))
            if len(held) == 500:
                for s in held:
                    s.close()
                held = []
        for s in held + slow:
            s.close()
        # Served again within the time after which an idle client is dropped, and the mesh has noticed nothing.
        answers = []
        self.assertTrue(wait_until(lambda: answers.append(self.ask("GET", "/v1/testnet/sights")[0]) or answers[-1] == 200, 20))
        status = weft("--json", "testnet", "status", "--dir", self.dir).json()
        self.assertEqual((status["nodes"]["running"], status["ended_by_themselves"]), (NODES, 0))


if __name__ == "__main__":
    unittest.main()
