"""Scenarios in both worlds: a run of the simulator is the same in every process, and real processes report in the
same shape."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from support import weft_binary

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCENARIOS = ROOT / "testnet/scenarios"
SMALL = """
nodes = 6
duration = "8s"
heal = "8s"
[link]
latency = "2ms"
[[load]]
do = "put"
count = 20
until = "3s"
[[load]]
do = "get"
count = 20
from = "3s"
[[load]]
do = "lookup"
count = 5
from = "3s"
[[at]]
t = "4s"
do = "kill"
who = "5"
phase = "killed"
[[at]]
t = "7s"
do = "end"
[[check]]
field = "total.gets.wrong"
is = "=="
value = 0
"""


def weft(*words, env=None, prefix=(), limit_s=120):
    return subprocess.run([*prefix, weft_binary(), *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=limit_s, env={**os.environ, **(env or {})})


def seed_of_the_commit():
    """A further seed with each commit, so that over time many are tried; that of the version without git."""
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return int(done.stdout.strip()[:8] or "1", 16) if done.returncode == 0 else 1


def shape(value):
    """The keys of a report, at every depth."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items() if key != "errors"}
    return [shape(value[0])] if isinstance(value, list) and value else None


class Simulator(unittest.TestCase):
    def test_two_processes_agree(self):
        """With other addresses, another heap and other leftovers in memory; checks and checkers pass in both."""
        fixed = shutil.which("setarch")
        for name, seeds in (("mixed-faults", [1, 2, 3, seed_of_the_commit()]), ("hostile-share", [1]),
                            ("clock-chaos", [1])):
            for seed in seeds:
                words = ["sim", "run", SCENARIOS / f"{name}.toml", "--seed", seed, "--json"]
                runs = [weft(*words),
                        weft(*words, prefix=["setarch", "-R"] if fixed else [],
                             env={"MALLOC_PERTURB_": "165", "MALLOC_TOP_PAD_": "1000000"})]
                reports = []
                for run in runs:
                    self.assertEqual(run.returncode, 0, f"{name}, seed {seed}: {run.stderr}")
                    reports.append(json.loads(run.stdout))
                    reports[-1].pop("wall_s")
                self.assertEqual(reports[0], reports[1], f"{name}, seed {seed}")

    def test_a_failing_check_is_repeated_by_one_command(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "s.toml"
            path.write_text(SMALL.replace('is = "=="', 'is = "!="'))
            run = weft("sim", "run", path)
            self.assertEqual(run.returncode, 1, run.stderr)
            self.assertIn("failed: check total.gets.wrong", run.stderr)
            self.assertIn(f"repeat it: weft sim replay {path} --seed 1", run.stderr)


    def test_an_interrupted_run_tells_what_it_saw(self):
        with tempfile.TemporaryDirectory() as folder:
            out = pathlib.Path(folder) / "out"
            run = subprocess.Popen([weft_binary(), "sim", "run", str(SCENARIOS / "steady-churn.toml"), "--report", str(out)],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and not (out / "events.jsonl").is_file():
                time.sleep(0.05)
            time.sleep(0.5)
            run.send_signal(signal.SIGINT)
            _, told = run.communicate(timeout=60)
            self.assertEqual(run.returncode, 130, told)
            self.assertIn("interrupted: the report is of the first", told)
            report = json.loads((out / "report.json").read_text())
            self.assertFalse(report["passed"])
            self.assertGreaterEqual(report["interrupted_ms"], 10_000)
            self.assertEqual(json.loads((out / "events.jsonl").read_text().splitlines()[-1])["event"], "done")


class Worlds(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = pathlib.Path(self.folder.name) / "small.toml"

    def tearDown(self):
        self.folder.cleanup()

    def test_report_in_one_shape(self):
        self.path.write_text(SMALL)
        reports = []
        for world in ("testnet", "sim"):
            out = pathlib.Path(self.folder.name) / world
            run = weft(world, "run", self.path, "--report", out)
            self.assertEqual(run.returncode, 0, run.stderr + run.stdout)
            report = json.loads((out / "report.json").read_text())
            for line in (out / "events.jsonl").read_text().splitlines():
                self.assertIn("event", json.loads(line))
            total = report["total"]
            self.assertEqual((total["puts"]["ok"], total["puts"]["ops"]), (total["puts"]["ops"], total["puts"]["ok"]))
            self.assertGreater(total["gets"]["ok"], 0)
            self.assertGreater(total["lookups"]["ok"], 0)
            self.assertGreater(total["traffic"]["packets_per_node_s"], 0)
            self.assertEqual([p["name"] for p in report["phases"]], ["form", "run", "killed", "heal"])
            report.pop("violations", None)
            reports.append(shape(report))
        self.assertEqual(reports[0], reports[1])

    def test_what_processes_cannot_do_is_refused(self):
        self.path.write_text(SMALL.replace('latency = "2ms"', 'latency = "2ms"\nmtu = 1000'))
        run = weft("testnet", "run", self.path)
        self.assertEqual(run.returncode, 2, run.stderr)
        self.assertRegex(run.stderr, rf"{self.path}:\d+: real processes cannot honour mtu")
        self.assertEqual(weft("sim", "run", self.path).returncode, 0)
        self.path.write_text(SMALL + 'colour = "blue"\n')
        for world in ("testnet", "sim"):
            run = weft(world, "run", self.path)
            self.assertEqual(run.returncode, 2, run.stderr)
            self.assertRegex(run.stderr, rf"{self.path}:\d+: .*has no key 'colour'")


if __name__ == "__main__":
    unittest.main()
