"""The reports of runs: each figure of report.json is recomputed from the event log, and report.html shows them, alone on a disk."""
import collections
import json
import math
import pathlib
import re
import shutil
import tempfile
import unittest

from browser import Browser
from support import ROOT, USAGE, weft

SIMULATED = "testnet/scenarios/demo.toml"


def nearest_rank(samples, percent):
    ordered = sorted(samples)
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]


class Figures:
    """What an event log says of each phase."""

    def __init__(self, lines):
        events = [json.loads(line) for line in lines]
        self.phases = [event["name"] for event in events if event["event"] == "phase"]
        self.starts = [event["t"] for event in events if event["event"] == "phase"]
        self.operations = collections.defaultdict(list)
        self.deaths = collections.defaultdict(list)
        self.false_failures = collections.Counter()
        self.over = [event for event in events if event["event"] == "phase_over"]
        # How long nodes lived up to the end of each phase, from what was done to them.
        self.lived_s, up, lived, before = [], set(), 0.0, 0.0
        for event in events:
            lived, before = lived + len(up) * (event["t"] - before), event["t"]
            if event["event"] in ("start", "restart"):
                up.add(event["node"])
            elif event["event"] in ("kill", "stop", "lost"):
                up.discard(event["node"])
            elif event["event"] == "phase_over":
                self.lived_s.append(lived)
        for event in events:
            if event["event"] == "op":
                self.operations[event["phase"], event["op"]].append(event)
            elif event["event"] == "death":
                self.deaths[event["phase"]].append(event)
            elif event["event"] == "false_failure":
                self.false_failures[sum(start <= event["t"] for start in self.starts) - 1] += 1
        self.samples = [event for event in events if event["event"] == "sample"]
        self.end = events[-1]

    def of(self, phases, op):
        return [event for phase in phases for event in self.operations[phase, op]]


class Reports(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="weft-report-"))
        self.addCleanup(shutil.rmtree, self.dir)

    def assert_samples(self, told, samples, unit, what):
        self.assertEqual(told["n"], len(samples), what)
        for percent in (50, 95, 99):
            want = nearest_rank(samples, percent) / unit if samples else None
            self.assertEqual(told[f"p{percent}"], want, (what, percent)) if want is None else self.assertAlmostEqual(told[f"p{percent}"], want, 9, (what, percent))
        self.assertEqual(told["max"], max(samples) / unit if samples else None, what)

    def assert_phase(self, told, figures, phases):
        for kind, op in (("puts", "put"), ("gets", "get"), ("lookups", "lookup")):
            done = figures.of(phases, op)
            well = [event for event in done if event["ok"]]
            what = (told["name"], kind)
            self.assertEqual((told[kind]["ops"], told[kind]["ok"]), (len(done), len(well)), what)
            self.assertEqual(told[kind]["ok_share"], len(well) / len(done) if done else None, what)
            self.assertEqual(told[kind]["errors"], dict(sorted(collections.Counter(event["error"] for event in done if not event["ok"]).items())), what)
            self.assertEqual(told[kind]["stale"], sum(event.get("stale", False) for event in done), what)
            self.assertEqual(told[kind]["owed"], sum(event.get("owed", False) for event in done), what)
            judged = [event["right"] for event in done if "right" in event]
            self.assertEqual(told[kind]["judged"], len(judged), what)
            self.assertEqual(told[kind]["right_share"], sum(judged) / len(judged) if judged else None, what)
            self.assertEqual(told[kind]["newcomers_missed"], sum(event.get("newcomer_missed", False) for event in done), what)
            self.assert_samples(told[kind]["latency_ms"], [event["us"] for event in well], 1000, (*what, "latency"))
            self.assert_samples(told[kind]["hops"], [event["hops"] for event in well], 1, (*what, "hops"))
            self.assert_samples(told[kind]["queries"], [event["queries"] for event in well], 1, (*what, "queries"))
        deaths = [death for phase in phases for death in figures.deaths[phase]]
        for field, name in (("first", "detect_first_s"), ("all", "detect_all_s")):
            took = [round(death[field] * 1e6) for death in deaths if death[field] is not None]
            self.assert_samples(told["members"][name], took, 1e6, (told["name"], name))
        self.assertEqual(told["members"]["false_failures"], sum(figures.false_failures[phase] for phase in phases), told["name"])
        over = [figures.over[phase] for phase in phases]
        lived_us = sum(phase["lived_us"] for phase in over)
        if phases[0] > 0:  # while the mesh forms, nodes are told to start before they do
            # A restarted node lives when its number is on the disk, a millisecond later; 50 of them.
            self.assertAlmostEqual(lived_us / 1e6, figures.lived_s[phases[-1]] - figures.lived_s[phases[0] - 1], delta=0.1, msg=told["name"])
        span_us = round((told["end_s"] - told["start_s"]) * 1e6)
        for shown, added, by in ((told["traffic"]["bytes_per_node_s"], "bytes", lived_us / 1e6), (told["traffic"]["packets_per_node_s"], "packets", lived_us / 1e6),
                                 (told["cpu_share"], "cpu_us", span_us)):
            if by == 0:  # a phase that ended as it began
                self.assertIsNone(shown, (told["name"], added))
            else:
                self.assertAlmostEqual(shown, sum(phase[added] for phase in over) / by, 6, (told["name"], added))
        self.assertEqual(told["memory"]["pss_mean_kib"], over[-1]["pss_mean_kib"], told["name"])

    def run_it(self, *words):
        ran = weft(*words, "--report", self.dir, timeout_s=200)
        self.assertEqual(ran.status, 0, ran)
        report = json.loads((self.dir / "report.json").read_text())
        return report, Figures((self.dir / "events.jsonl").read_text().splitlines())

    def test_each_figure_of_a_report_comes_of_the_log(self):
        report, figures = self.run_it("sim", "run", ROOT / SIMULATED)
        self.assertEqual([phase["name"] for phase in report["phases"]], figures.phases)
        for i, phase in enumerate(report["phases"]):
            self.assert_phase(phase, figures, [i])
        self.assert_phase(report["total"], figures, range(len(report["phases"])))
        self.assertGreater(report["total"]["gets"]["ops"], 1000)
        self.assertEqual(len([death for deaths in figures.deaths.values() for death in deaths]), 50)
        # Samples, once a second while something happens; the last one tells what the report ends with.
        times = [sample["t"] for sample in figures.samples]
        self.assertGreater(len(times), 20)
        self.assertTrue(all(later - earlier >= 1 for earlier, later in zip(times, times[1:])))
        self.assertEqual(figures.samples[-1]["up"], report["phases"][-1]["nodes_alive"])
        self.assertEqual(figures.samples[-1]["wrong"], 0)
        self.assertLessEqual(figures.samples[-1]["bytes"], sum(phase["bytes"] for phase in figures.over))
        self.assertGreater(figures.samples[-1]["bytes"], sum(phase["bytes"] for phase in figures.over[:-1]))
        # What nodes hold: while a quarter is dead values have fewer copies, and at the end as many as before.
        copies = [sample["values"] / sample["own_values"] for sample in figures.samples if sample["own_values"]]
        self.assertGreater(max(copies) - min(copies[len(copies) // 4:]), 1)
        self.assertGreater(copies[-1], 0.95 * max(copies))
        self.check_page(report, figures)

    def test_runs_side_by_side(self):
        if not shutil.which("npm") or not shutil.which("chromium"):
            self.skipTest("there is no npm or no chromium")
        first, second = self.dir / "first", self.dir / "second"
        scenario = ROOT / "testnet/scenarios/smoke.toml"
        self.assertEqual(weft("sim", "run", scenario, "--report", first).status, 0)
        self.assertEqual(weft("sim", "run", scenario, "--seed", "2", "--report", second, "--compare", first).status, 0)
        reports = [json.loads((folder / "report.json").read_text()) for folder in (first, second)]
        browser = Browser(self)
        browser("open", url=(second / "report.html").as_uri(), width=1200, height=1600)
        shown = browser("eval", script="window.weftReport.figures()")
        for prefix, report in zip(("", "runs.1."), reports):
            for name in ("p50", "p99"):
                self.assertAlmostEqual(shown[f"{prefix}total.gets.latency_ms.{name}"], report["total"]["gets"]["latency_ms"][name], 9)
        self.assertEqual(browser.trouble, [])
        browser.keep_picture(self.dir, "report-two")
        self.assertEqual(weft("sim", "run", scenario, "--report", second, "--compare", self.dir).status, USAGE)
        self.assertEqual(weft("sim", "run", scenario, "--compare", first).status, USAGE)

    def check_page(self, report, figures):
        if not shutil.which("npm") or not shutil.which("chromium"):
            self.skipTest("there is no npm or no chromium")
        page = self.dir / "report.html"
        self.assertLess(page.stat().st_size, 2 << 20)
        text = page.read_text()
        self.assertEqual([what for what in re.findall(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="?([^">]*)', text) if what != "data:,"], [])
        browser = Browser(self)
        browser("open", url=page.as_uri(), width=1200, height=1600)
        shown = browser("eval", script="window.weftReport.figures()")
        self.assertGreater(len(shown), 20)
        for path, value in shown.items():
            at = report
            for step in path.split("."):
                at = at[step] if isinstance(at, dict) else at[int(step)] if step.isdigit() else next(one for one in at if one["name"] == step)
            self.assertAlmostEqual(at, value, 9, path)
        self.assertEqual(browser.trouble, [])
        browser.keep_picture(self.dir, "report")


if __name__ == "__main__":
    unittest.main()
