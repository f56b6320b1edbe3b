"""What real Prometheus makes of our metrics: promtool checks every one, and a server scrapes a testnet without a gap."""
import collections
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.parse

from support import TestnetTest, wait_until, weft

ROOT = pathlib.Path(__file__).parents[2]
CI = os.environ.get("CI", "") not in ("", "0", "false")
NODES = 200 if CI else 12
# Five minutes are what docs/MEASUREMENTS.md has.
SCRAPE_S = int(os.environ.get("WEFT_SCRAPE_S", "60" if CI else "15"))
EVERY_S = 5 if CI else 1


def program(name):
    unpacked = ROOT / "build/tools/prometheus/usr/bin" / name
    return str(unpacked) if unpacked.exists() else shutil.which(name)


@unittest.skipUnless(CI or program("promtool"), "the package prometheus could not be fetched")
class Prometheus(TestnetTest):
    def up(self, nodes):
        return self.assert_status(weft("--json", "testnet", "up", "--dir", self.dir, "-n", nodes, "--seed", "5", "--http", "127.0.0.1:0",
                                       "--detach", timeout_s=120), 0).json()["http"]

    def home(self, i):
        return f"{self.dir}/n/{i}"

    def check(self, text):
        ran = subprocess.run([program("promtool"), "check", "metrics"], input=text, capture_output=True, timeout=60)
        self.assertEqual((ran.returncode, ran.stdout.decode(), ran.stderr.decode()), (0, "", ""))

    def test_promtool_has_nothing_against_any_metric(self):
        host = self.up(6)
        self.assert_status(weft("put", "k", "v", home=self.home(1)), 0)
        self.assert_status(weft("get", "k", home=self.home(2)), 0)
        self.assert_status(weft("state", "create", "room", home=self.home(3)), 0)
        self.assert_status(weft("state", "join", "room", home=self.home(4)), 0)
        self.assert_status(weft("state", "set", "room/a", "x", home=self.home(3)), 0)
        own = self.assert_status(weft("metrics", home=self.home(3)), 0).out
        self.assertIn(b"weft_state_written_total 1", own)
        self.check(own)
        connection = http.client.HTTPConnection(host, timeout=30)
        connection.request("GET", "/metrics")
        self.check(connection.getresponse().read())
        connection.close()
        ran = subprocess.run([program("promtool"), "check", "config", str(ROOT / "docs/monitoring/prometheus.yml")], capture_output=True, timeout=60)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)

    def test_a_testnet_is_scraped_without_a_gap(self):
        host = self.up(NODES)
        folder = tempfile.mkdtemp(prefix="weft-prometheus-")
        self.addCleanup(shutil.rmtree, folder, True)
        config = (ROOT / "docs/monitoring/prometheus.yml").read_text()
        self.assertIn('["127.0.0.1:9400"]', config)
        config = config.replace("127.0.0.1:9400", host).replace("scrape_interval: 5s", f"scrape_interval: {EVERY_S}s")
        config = config.replace("scrape_timeout: 4s", f"scrape_timeout: {min(4, EVERY_S)}s")
        path = pathlib.Path(folder) / "prometheus.yml"
        path.write_text(config.split("  - job_name: weft\n")[0])
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = subprocess.Popen([program("prometheus"), f"--config.file={path}", f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)

        def query(text):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            try:
                connection.request("GET", "/api/v1/query?" + urllib.parse.urlencode({"query": text}))
                return json.loads(connection.getresponse().read())["data"]["result"]
            except (OSError, KeyError, ValueError):
                return []
            finally:
                connection.close()

        def scrapes():
            found = query("up[1h]")
            return [float(value) for _, value in found[0]["values"]] if found else []
        self.assertTrue(wait_until(lambda: len(scrapes()) >= 2, 60, 0.5))
        begun = time.monotonic()
        time.sleep(SCRAPE_S)
        passed = time.monotonic() - begun
        ups = scrapes()
        self.assertEqual(set(ups), {1.0}, "each scrape was answered")
        self.assertGreaterEqual(len(ups), passed / EVERY_S)
        # Every node in every scrape.
        found = query("weft_up[1h]")
        counts = collections.Counter(sample["metric"]["node"] for sample in found)
        self.assertEqual(len(counts), NODES)
        for sample in found:
            values = [float(value) for _, value in sample["values"]]
            self.assertEqual(set(values), {1.0}, sample["metric"])
            self.assertGreaterEqual(len(values), passed / EVERY_S)
        # What Grafana's file asks for is answered by all of them.
        self.assertEqual(len(query('weft_members{state="alive"}')), NODES)
        self.assertEqual({float(each["value"][1]) for each in query('weft_members{state="alive"}')}, {float(NODES)})
        took = query("max_over_time(scrape_duration_seconds[1h])")
        print(f"{NODES} nodes, {len(ups)} scrapes in {passed:.0f} s, {float(took[0]['value'][1]) * 1000:.0f} ms at most", flush=True)


if __name__ == "__main__":
    unittest.main()
