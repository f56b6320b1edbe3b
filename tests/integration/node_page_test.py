"""The page of one node, `weft up --http`: what it shows in a browser, and what it gives nobody else. WEFT_PICTURES names a folder that
keeps its picture."""
import base64
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import time
import unittest

from browser import Browser
from support import MeshTest, wait_until, weft

NODES = 24 if os.environ.get("WEFT_PICTURES") else 3
READS = ("/v1/status", "/v1/members", "/v1/peers", "/v1/own", "/v1/doctor", "/v1/state/namespaces", "/v1/events", "/v1/log?follow=1")
STREAMS, CONNECTIONS, ALL_CONNECTIONS = 16, 48, 64  # of http_server.h: streams and connections over TCP, connections


class NodePage(MeshTest):
    def serve(self, count):
        self.start(count, extra=["--http", "127.0.0.1:0"])
        self.node = self.mesh.nodes[0]
        self.host = next(event["http"] for event in self.node.events() if event["event"] == "ready")
        self.url = f"http://{self.host}/"
        self.port = int(self.host.split(":")[1])

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection(self.host, timeout=10)
        self.addCleanup(connection.close)
        connection.request(method, path, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        streams = path.startswith("/v1/events") or "follow" in path
        text = b"" if streams and answer.status == 200 else answer.read()
        connection.close()
        return answer.status, text, answer.headers


class WhatOthersGet(NodePage):
    def setUp(self):
        super().setUp()
        self.serve(1)

    @unittest.skipUnless(shutil.which("npm"), "weft is built without its page where there is no npm")
    def test_the_page_is_whole_and_may_load_nothing_else(self):
        status, html, headers = self.ask("GET", "/")
        self.assertEqual(status, 200)
        self.assertIn("text/html", headers["Content-Type"])
        policy = headers["Content-Security-Policy"]
        self.assertIn("default-src 'none'", policy)
        (script,) = re.findall(rb"(?s)<script[^>]*>(.*?)</script>", html)
        self.assertIn(f"script-src 'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'", policy)
        loads = re.findall(rb"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"?([^\">]*)", html)
        self.assertEqual([what for what in loads if what != b"data:,"], [])
        self.assertEqual((headers["Referrer-Policy"], headers["Cross-Origin-Resource-Policy"]), ("no-referrer", "same-origin"))
        self.assertIsNone(headers["Access-Control-Allow-Origin"])
        # A browser sends the cookies of all that listens on this machine.
        self.assertEqual(self.ask("GET", "/", Cookie="x=" + "y" * 16_000)[0], 200)

    def test_another_page_reads_nothing(self):
        for host in ("evil.example", f"evil.example:{self.port}", "127.0.0.1", f"127.0.0.1:{self.port ^ 1}", "localhost",
                     f"127.0.0.1.evil.example:{self.port}", f"10.0.0.1:{self.port}", ""):
            for path in ("/", *READS):
                self.assertEqual(self.ask("GET", path, Host=host)[0], 403, (host, path))
        self.assertEqual(self.ask("GET", "/metrics", Host=f"10.0.0.1:{self.port}")[0], 200)
        self.assertEqual(self.ask("GET", "/metrics", Host="evil.example")[0], 403)
        for site in ("cross-site", "same-site"):
            for path in READS:
                self.assertEqual(self.ask("GET", path, Sec_Fetch_Site=site)[0], 403, path)
            self.assertNotEqual(self.ask("GET", "/", Sec_Fetch_Site=site)[0], 403, "a link to the page is followed")
        for origin in ("http://evil.example", f"https://{self.host}", "null", f"http://{self.host}.evil.example", "http://127.0.0.1"):
            for path in ("/metrics", *READS):
                self.assertEqual(self.ask("GET", path, Origin=origin)[0], 403, origin)
        for host in (self.host, f"localhost:{self.port}", f"[::1]:{self.port}"):
            for path in READS:
                status, _, headers = self.ask("GET", path, Host=host, Origin=f"http://{self.host}", Sec_Fetch_Site="same-origin")
                self.assertEqual(status, 200, path)
                self.assertIsNone(headers["Access-Control-Allow-Origin"])

    def test_nobody_writes(self):
        for path in ("/v1/put", "/v1/get", "/v1/leave", "/v1/join", "/v1/log", "/v1/faults", "/v1/state/create"):
            for headers in ({}, {"X_Weft_Token": "0" * 32, "Content_Type": "application/json", "Origin": f"http://{self.host}"}):
                self.assertEqual(self.ask("POST", path, "{}", **headers)[0], 403, path)
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            self.assertEqual(self.ask(method, "/", "{}")[0], 400, method)
        for path in ("/x", "/v1/", "/v1/testnet/stream", "//"):
            self.assertEqual(self.ask("GET", path)[0], 404, path)
        self.assertTrue(self.node.running())

    def test_who_holds_connections_takes_nothing_from_the_command_line(self):
        def connect(data):
            s = socket.create_connection(("127.0.0.1", self.port), 5)
            self.addCleanup(s.close)
            s.sendall(data)
            return s

        # Streams are as many as they may be; those that are open go on.
        streams = [connect(f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode()) for path in ("/v1/events", "/v1/log?follow=1") * (STREAMS // 2)]
        for s in streams:
            self.assertIn(b"200", s.recv(4096).split(b"\r\n")[0])
        self.assertEqual(self.ask("GET", "/v1/events")[0], 503)
        self.assertEqual(self.ask("GET", "/v1/log")[0], 200)
        streams.pop().close()
        self.assertTrue(wait_until(lambda: self.ask("GET", "/v1/events")[0] == 200, 5))
        # Half requests fill what is left: the unix socket still answers at once.
        half = [connect(b"GET /v1/status HTTP/1.1\r\nHost: 127") for _ in range(ALL_CONNECTIONS)]
        half[0].settimeout(20)
        begin = time.monotonic()
        for _ in range(ALL_CONNECTIONS - CONNECTIONS):
            self.assert_status(weft("status", home=self.node.home), 0)
        self.assertLess(time.monotonic() - begin, 8)
        # They are dropped, and then those after them are served.
        self.assertTrue(wait_until(lambda: half[0].recv(10) == b"", 20))
        for s in half:
            s.close()
        self.assertEqual(self.ask("GET", "/v1/status")[0], 200)


@unittest.skipUnless(shutil.which("npm") and shutil.which("chromium"), "there is no npm or no chromium")
class InABrowser(NodePage):
    def until(self, what, timeout_s=30):
        self.assertTrue(wait_until(what, timeout_s, 0.2), self.browser("eval", script="document.body.innerText"))

    def rows(self, table):
        """Text of a table's cells by the key of each row."""
        script = f"""JSON.stringify(Object.fromEntries([...document.querySelectorAll('[data-testid={table}] tbody tr')]
                     .map((row) => [row.dataset.key, [...row.cells].map((cell) => cell.innerText.trim())])))"""
        return json.loads(self.browser("eval", script=script))

    def members(self):
        rows = weft("--json", "members", home=self.node.home).json()
        return {row["id"]: [row["name"], row["state"], row["address"]] for row in rows}

    def test_what_a_user_sees(self):
        self.serve(NODES)
        for words in (["put", "colour", "green"], ["state", "create", "board"], ["state", "set", "board/title", "hello"]):
            self.assert_status(weft(*words, home=self.node.home), 0)
        browser = self.browser = Browser(self)
        browser("open", url=self.url)
        # The members as the command line has them, in figures and row by row.
        self.until(lambda: browser.number("count-alive") == NODES)
        self.until(lambda: {key: cells[:3] for key, cells in self.rows("table-members").items()} == self.members())
        self.assertEqual(browser("text", id="own-id"), self.node.id)
        self.assertEqual(browser("text", id="name"), self.node.name)
        self.assertEqual(browser("text", id="health"), "well")
        # Own values, shared state, the routing table and the doctor.
        held = lambda: weft("--json", "status", home=self.node.home).json()["store"]["values"]
        self.until(lambda: browser.number("count-entries") == 1 and browser.number("count-values") == held())
        browser("click", id="tab-values")
        own = {row["key"] for row in weft("--json", "own", home=self.node.home).json()}
        self.until(lambda: set(self.rows("table-values")) == own)
        browser("click", id="tab-state")
        self.until(lambda: [cells[0] for cells in self.rows("table-state").values()] == ["board"])
        browser("click", id="tab-buckets")
        peers = {row["id"] for row in weft("--json", "peers", home=self.node.home).json()}
        self.until(lambda: set(self.rows("table-buckets")) == peers)
        browser("click", id="tab-health")
        self.until(lambda: "clock" in browser("text", id="table-health"))
        # Rates come of the node's own counters; a put is one operation of some milliseconds.
        self.until(lambda: browser("eval", script="weftNode.points().at(-1).sent_packets_s > 0"))
        for i in range(3):
            self.assert_status(weft("put", f"key-{i}", "x" * 100, home=self.node.home), 0)
            self.assert_status(weft("get", "colour", home=self.node.home), 0)
        self.until(lambda: browser("eval", script="weftNode.points().some((p) => p.ops.put.n > 0 && p.ops.put.p50_ms > 0 && p.ops.get.p99_ms > 0)"), 5)
        browser("click", id="tab-members")
        # One is killed by pid: the event says so, then figures and table.
        victim = self.mesh.nodes[-1]
        os.kill(victim.pid, signal.SIGKILL)
        self.until(lambda: browser.number("count-failed") == 1 and browser.number("count-alive") == NODES - 1)
        self.until(lambda: self.rows("table-members")[victim.id][1] == "failed")
        self.assertEqual({key: cells[:3] for key, cells in self.rows("table-members").items()}, self.members())
        self.assertIn(f"{victim.name} has failed", browser("text", id="events"))
        # By keyboard: a member is chosen on the ring, and a table by Tab and Enter.
        browser("eval", script="document.querySelector('[data-testid=ring]').focus()")
        browser("press", key="Home")
        first = browser("text", id="about")
        self.assertTrue(any(node.id in first for node in self.mesh.nodes), first)
        browser("press", key="ArrowRight")
        self.assertNotEqual(browser("text", id="about"), first)
        if NODES > 3:
            time.sleep(5)
        browser.keep_picture(self.mesh.root, "dashboard-one-node")
        browser("press", key="Escape")
        self.assertIn(self.node.id, browser("text", id="about"))
        for key, wanted in (("Tab", "tab-buckets"), ("Shift+Tab", "tab-members")):
            self.until(lambda: browser("press", key=key) or browser("eval", script="document.activeElement.dataset.testid") == wanted, 10)
            browser("press", key="Enter")
            self.until(lambda: self.rows(wanted.replace("tab", "table")), 5)
        browser("fill", id="filter", value=victim.name)
        self.assertEqual(list(self.rows("table-members")), [victim.id])
        # The log, as it is written.
        browser("click", id="tab-log")
        self.until(lambda: "starts: node" in browser("text", id="log"))
        self.assertEqual(browser.trouble, [])
        # The other scheme, and a phone.
        browser("open", url=self.url, scheme="light")
        self.until(lambda: browser.number("count-alive") == NODES - 1)
        background = "getComputedStyle(document.body).backgroundColor"
        self.assertEqual(browser("eval", script=background), "rgb(242, 244, 247)")
        browser("open", url=self.url, width=390, height=844)
        self.until(lambda: browser.number("count-alive") == NODES - 1)
        self.until(lambda: len(self.rows("table-members")) == NODES)
        self.assertLessEqual(browser("eval", script="document.documentElement.scrollWidth"), 390)
        self.assertEqual(browser.trouble, [])
        # A node that goes is told from one that says nothing new; when it is back the page goes on, and says what it may have missed.
        self.assertEqual(self.node.stop(), 0)
        self.until(lambda: "lost" in browser("text", id="connection"))
        self.node.extra = ["--http", self.host]
        self.node.spawn().wait_ready()
        self.until(lambda: "live" in browser("text", id="connection") and "connected again" in browser("text", id="events"))


if __name__ == "__main__":
    unittest.main()
