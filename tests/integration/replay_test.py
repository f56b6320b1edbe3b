"""`weft sim replay LOG --http`: a recorded run on the page of a testnet. What its HTTP gives and refuses, and Chromium, which has to
draw it at full speed. CI=true takes 1,000 nodes, the everyday loop 100. WEFT_PICTURES names a folder that keeps the picture."""
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from browser import Browser
from support import wait_until, weft, weft_binary

NODES = 1000 if os.environ.get("CI") else 100
FRAMES_S = 30      # drawn at least, a second
MEASURED_S = 10
# Waves of deaths, so that there is something to draw all the time that is measured: who is dead is suspected and given up by all.
SCENARIO = f"""
nodes = {NODES}
duration = "18s"
settle = "1s"
heal = "1s"
[link]
latency = "10ms"
[[at]]
t = "1s"
do = "kill"
who = "{NODES // 10}-{NODES // 10 * 2 - 1}"
phase = "deaths"
[[at]]
t = "5s"
do = "pause"
who = "{NODES // 2}-{NODES // 2 + 4}"
[[at]]
t = "8s"
do = "kill"
who = "{NODES // 10 * 3}-{NODES // 10 * 4 - 1}"
[[at]]
t = "12s"
do = "restart"
who = "{NODES // 10}-{NODES // 10 + 4}"
"""


def fold(lines):
    """What a page has to say at the end of a log, told a second time and plainly: run states, who sees whom, false failures."""
    run, ready, rows, false_failures, t = {}, set(), {}, 0, 0
    for line in lines:
        event = json.loads(line)
        what, node, t = event["event"], event.get("node"), event["t"]
        if what in ("boot", "restart"):
            run[node] = "running"
            ready.discard(node)
            rows[node] = {}
        elif what == "ready":
            ready.add(node)
            rows[node] = {}
        elif what in ("kill", "stop", "lost"):
            run[node] = "dead"
            ready.discard(node)
        elif what in ("pause", "resume"):
            run[node] = "paused" if what == "pause" else "running"
        elif what == "saw":
            for by, state, about in re.findall(r"(\d+)([asfl])(\d+)", event["pairs"]):
                rows[int(by)][int(about)] = state
        elif what == "false_failure":
            false_failures += 1
    here = [node for node in run if run[node] == "running" and node in ready]
    members = sorted(1 + sum(state == "a" for state in rows[node].values()) for node in here)
    failed = {about: sum(rows[by].get(about) == "f" for by in here if by != about) for about in run}
    return {"run": run, "counts": {state: list(run.values()).count(state) for state in ("running", "paused", "dead")},
            "members": (members[0], members[len(members) // 2], members[-1]), "failed": failed, "false_failures": false_failures,
            "length_s": t, "rows": rows, "here": here}


class Replay(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="weft-replay-"))
        cls.addClassCleanup(shutil.rmtree, cls.dir, ignore_errors=True)
        (cls.dir / "deaths.toml").write_text(SCENARIO)
        cls.log = cls.dir / "deaths.jsonl"
        before = os.times()
        # It ends before all have noticed all deaths, which the membership checker tells: exit 1.
        done = weft("sim", "run", cls.dir / "deaths.toml", "--log", cls.log, timeout_s=500)
        after = os.times()
        assert done.status in (0, 1), done
        cls.recorded_s = after.children_user + after.children_system - before.children_user - before.children_system
        print(f"recorded {NODES} nodes in {cls.recorded_s:.0f} s of CPU, {cls.log.stat().st_size / 1e6:.1f} MB", flush=True)
        cls.told = fold(cls.log.read_text().splitlines())

    def replay(self, *words):
        # Beside it: the page shows the name as it was given.
        process = subprocess.Popen([pathlib.Path(weft_binary()).resolve(), "--json", "sim", "replay", self.log.name, "--http", "127.0.0.1:0", *map(str, words)],
                                   stdout=subprocess.PIPE, text=True, cwd=self.dir)

        def end():
            process.kill()
            process.wait()
            process.stdout.close()

        self.addCleanup(end)
        return process, json.loads(process.stdout.readline())

    def ask(self, host, method, path, body=None, **headers):
        connection = http.client.HTTPConnection(host, timeout=30)
        self.addCleanup(connection.close)
        connection.request(method, path, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers

    def test_it_can_be_watched_and_not_changed(self):
        process, place = self.replay("--speed", 100)
        host = place["http"]
        self.assertEqual(place["nodes"], NODES)
        self.assertAlmostEqual(place["length_s"], self.told["length_s"], 2)
        self.assertEqual(place["page"], f"http://{host}/")
        for path in ("do", "put", "get", "lookup", "x"):
            status, body, _ = self.ask(host, "POST", "/v1/testnet/" + path, '{"do":"kill","which":"25%"}', Content_Type="application/json",
                                       X_Weft_Token="0" * 32)
            self.assertEqual(status, 403)
            self.assertIn("recording", json.loads(body)["error"]["message"])
        for method in ("PUT", "DELETE", "OPTIONS"):
            self.assertEqual(self.ask(host, method, "/v1/testnet/do", "{}")[0], 400, method)
        port = host.split(":")[1]
        for bad in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{int(port) ^ 1}", ""):
            for path in ("/", "/v1/testnet/stream", "/v1/testnet/sights"):
                self.assertEqual(self.ask(host, "GET", path, Host=bad)[0], 403, (bad, path))
        for site in ("cross-site", "same-site"):
            self.assertEqual(self.ask(host, "GET", "/v1/testnet/stream", Sec_Fetch_Site=site)[0], 403)
        self.assertEqual(self.ask(host, "GET", "/v1/testnet/stream", Origin="http://evil.example")[0], 403)
        for path in ("/metrics", "/v1/testnet/nodes/0/status", "/v1/testnet/nodes/9999/log", "/v1/testnet/", "/x"):
            self.assertEqual(self.ask(host, "GET", path)[0], 404, path)
        if shutil.which("npm"):
            status, _, headers = self.ask(host, "GET", "/")
            self.assertEqual(status, 200)
            self.assertIn("default-src 'none'", headers["Content-Security-Policy"])
            self.assertIsNone(headers["Access-Control-Allow-Origin"])
        # Nobody has looked yet, so it has not begun; then it runs to its end and stands there as the log has it.
        connection = http.client.HTTPConnection(host, timeout=30)
        self.addCleanup(connection.close)
        connection.request("GET", "/v1/testnet/stream")
        answer = connection.getresponse()
        nodes, summary, events = {}, {}, 0
        while not summary.get("ended"):
            fields = {}
            while line := answer.readline().rstrip(b"\n").decode():
                name, value = line.split(": ", 1)
                fields[name] = value
            data = json.loads(fields["data"])
            if fields["event"] == "snapshot":
                self.assertEqual((data["t_ms"], data["replay"], data["nodes"]), (0, True, []))
            nodes.update({node["i"]: node for node in data["nodes"]})
            summary = data["summary"]
            events += len(data.get("events", []))
        self.assert_as_told(nodes, summary)
        self.assertGreater(events, 0)
        sights = json.loads(self.ask(host, "GET", "/v1/testnet/sights")[1])
        for by in (0, NODES // 4, NODES // 10, NODES - 1):
            row = "".join("a" if about == by else self.told["rows"][by].get(about, ".") for about in range(NODES))
            self.assertEqual(sights["rows"][by], row if self.told["run"][by] == "running" else "-" * NODES, by)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(10), 0)

    def assert_as_told(self, nodes, summary):
        told = self.told
        self.assertEqual({i: node["run"] for i, node in nodes.items()}, told["run"])
        self.assertEqual({state: summary[state] for state in told["counts"]}, told["counts"])
        self.assertEqual((summary["members_min"], summary["members_median"], summary["members_max"]), told["members"])
        self.assertEqual(summary["false_failures"], told["false_failures"])
        self.assertEqual({i: node["seen"]["failed"] for i, node in nodes.items()}, told["failed"])

    def test_a_damaged_log_is_refused_with_its_line(self):
        lines = self.log.read_text().splitlines()[:200]
        for number, damaged in ((1, "no JSON"), (57, lines[56][:-1]), (200, '{"t":0,"event":"kill"}')):
            path = self.dir / "damaged.jsonl"
            path.write_text("\n".join(lines[:number - 1] + [damaged] + lines[number:]) + "\n")
            ran = weft("sim", "replay", path, "--http", "127.0.0.1:0")
            self.assertEqual(ran.status, 2, ran)
            self.assertIn(f"line {number} ".encode(), ran.err)
        for what in (self.dir / "none.jsonl", self.dir, "/dev/null", self.dir / "deaths.toml"):
            self.assertEqual(weft("sim", "replay", what, "--http", "127.0.0.1:0").status, 2, what)
        self.assertEqual(weft("sim", "replay", self.log, "--http", "0.0.0.0:0").status, 2)

    @unittest.skipUnless(shutil.which("npm") and shutil.which("chromium"), "there is no npm or no chromium")
    def test_it_is_drawn_at_full_speed(self):
        """Counted are the frames that the ring has drawn whole on its canvas (Ring.frame, `weftTest.frames`), which happens in
        requestAnimationFrame and only while something moves; and beside them the callbacks that the browser gave a counter of our own."""
        _, place = self.replay()
        browser = Browser(self)
        browser("open", url=place["page"])

        def ask(what):
            return browser("eval", script=what)

        self.assertTrue(wait_until(lambda: browser.number("count-running") == NODES, 120), "they have not all begun")
        self.assertTrue(wait_until(lambda: ask("window.weftTest.state().summary.phase") == "deaths", 60))
        t_ms = ask("window.weftTest.state().t_ms")
        counts = json.loads(ask("""new Promise((done) => {
            const drawn = window.weftTest.frames(), begun = performance.now();
            let given = 0;
            const count = (now) => {
              given++;
              if (now - begun < %d) return requestAnimationFrame(count);
              const passed = (now - begun) / 1000;
              done(JSON.stringify({ drawn: (window.weftTest.frames() - drawn) / passed, given: given / passed }));
            };
            requestAnimationFrame(count);
        })""" % (MEASURED_S * 1000)))
        self.assertEqual(ask("window.weftTest.state().nodes.length"), NODES)
        went = (ask("window.weftTest.state().t_ms") - t_ms) / 1000
        browser.keep_picture(self.dir, "dashboard-replay")
        print(f"{NODES} nodes: {counts['drawn']:.1f} frames/s drawn, {counts['given']:.1f} given; {went:.1f} s replayed", flush=True)
        self.assertGreaterEqual(went, MEASURED_S - 1, "it falls behind real time")
        self.assertLessEqual(went, MEASURED_S + 3)
        self.assertGreaterEqual(counts["drawn"], FRAMES_S)
        self.assertFalse(ask("!!document.querySelector('[data-testid=kill-quarter], [data-testid=put-submit]')"), "there are controls")
        # A node can be looked at, and is asked nothing.
        ask("document.querySelector('[data-testid=ring]').focus()")
        browser("press", key="ArrowRight")
        self.assertTrue(wait_until(lambda: ask("window.weftTest.state().summary.ended"), 60))
        time.sleep(1)
        state = json.loads(ask("JSON.stringify(window.weftTest.state())"))
        self.assert_as_told({node["i"]: node for node in state["nodes"]}, state["summary"])
        for part, state in (("count-running", "running"), ("count-paused", "paused"), ("count-dead", "dead")):
            self.assertEqual(browser.number(part), self.told["counts"][state])
        self.assertEqual((browser.number("members-min"), browser.number("members-median"), browser.number("members-max")), self.told["members"])
        self.assertIn("ended", browser("text", id="replay-state"))
        self.assertEqual(browser.trouble, [])


if __name__ == "__main__":
    unittest.main()
