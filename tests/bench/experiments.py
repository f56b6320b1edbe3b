#!/usr/bin/env python3
"""Experiments in virtual time beside published figures: scenarios of tests/bench/experiments/, each at several settings and with
several seeds, one run at a time. Prints the rows of docs/EXPERIMENTS.md, means with 95 % intervals (Student's t over seeds), and
draws them beside the published figure.

    tests/bench/experiments.py rhea --seeds 10 --plot docs/experiments-rhea.svg        the plot needs python3-matplotlib
    tests/bench/experiments.py li --seeds 3 --only 'as it is;want 1' --out DIR

What was run lies in --out and is not run again; --fresh begins anew.
"""
import argparse
import json
import math
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import time

import mesh

SCENARIOS = pathlib.Path(__file__).resolve().parent / "experiments"
MATRIX = "rtt-aws-2022.csv"
IP_UDP_BYTES = 28
# Two-sided 95 % of Student's t, by degrees of freedom.
T95 = [None, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
       2.120, 2.110, 2.101, 2.093, 2.086]

# By experiment: its scenario, after how long a lookup counts as failed, and its settings: keys of the scenario that are set
# anew; those with a dot belong to [dht].
EXPERIMENTS = {
    "rhea": {
        "scenario": "rhea-2004.toml", "limit_s": 60,
        "settings": {
            "84s": {},
            "5m": {"median_session": '"5m"', "duration": '"20m"', "t": '"15m"', "from": '"15m"'},
            "23m": {"median_session": '"23m"', "duration": '"40m"', "t": '"30m"', "from": '"30m"'},
            "3h": {"median_session": '"3h"', "duration": '"70m"', "t": '"1h"', "from": '"1h"'},
            "84s, refresh 30s": {"dht.refresh": '"30s"'},
            "84s, refresh 30s, want 1": {"dht.refresh": '"30s"', "dht.lookup_want": "1"},
        },
    },
    "heep": {
        "scenario": "heep-2010.toml", "limit_s": 10,
        "settings": {
            "as it is": {},
            "want 1": {"dht.lookup_want": "1"},
            "want 1, k 8": {"dht.lookup_want": "1", "dht.bucket_size": "8"},
            "want 1, k 8, 5 at once": {"dht.lookup_want": "1", "dht.bucket_size": "8", "dht.parallelism": "5"},
        },
    },
    "li": {
        "scenario": "li-2005.toml", "limit_s": 4,
        "settings": {
            "as it is": {},
            "want 1": {"dht.lookup_want": "1"},
            "want 1, refresh 2h": {"dht.lookup_want": "1", "dht.refresh": '"2h"'},
            "want 1, k 8": {"dht.lookup_want": "1", "dht.bucket_size": "8"},
            "want 1, k 8, refresh 2h": {"dht.lookup_want": "1", "dht.bucket_size": "8", "dht.refresh": '"2h"'},
        },
    },
}


def vary(text, changes):
    own = [f"{key.removeprefix('dht.')} = {value}" for key, value in changes.items() if key.startswith("dht.")]
    for key, value in changes.items():
        if key.startswith("dht."):
            continue
        text, n = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
        assert n == 1, key
    return text + ("\n[dht]\n" + "\n".join(own) + "\n" if own else "")


def row_of(report, log, limit_s):
    """The figures of the phase that is measured."""
    names = [phase["name"] for phase in report["phases"]]
    which = names.index("measured")
    phase = report["phases"][which]
    lookups, traffic = phase["lookups"], phase["traffic"]
    ended = []
    for line in log:
        if '"event":"op"' in line and '"right":' in line:
            event = json.loads(line)
            if event["phase"] == which:
                ended.append(event)
    well = [event["us"] for event in ended if event["ok"]]
    in_time = [event for event in ended if event["ok"] and event["right"] and event["us"] <= limit_s * 1e6]
    judged = len(ended)
    packets = traffic["packets_per_node_s"]
    return {
        "nodes_alive": phase["nodes_alive"], "judged": judged, "crashed": lookups["errors"].get("crashed", 0),
        "right_share": lookups["right_share"],
        "right_or_newcomer_share": lookups["right_share"] + lookups["newcomers_missed"] / judged,
        "failed_share": 1 - len(in_time) / judged,
        "late_share": sum(us > limit_s * 1e6 for us in well) / judged,
        "ended_share": len(well) / judged,
        "p50_ms": lookups["latency_ms"]["p50"], "p95_ms": lookups["latency_ms"]["p95"], "p99_ms": lookups["latency_ms"]["p99"],
        "mean_ms": statistics.fmean(well) / 1e3,
        "hops_p50": lookups["hops"]["p50"], "queries_p50": lookups["queries"]["p50"],
        "bytes_s": traffic["bytes_per_node_s"], "packets_s": packets,
        "bytes_ip_s": traffic["bytes_per_node_s"] + IP_UDP_BYTES * packets,
        # Li et al.: 20 bytes a message and 4 for each id or address in it.
        "model_bytes_s": 20 * packets + 4 * traffic["names_per_node_s"],
        "by_kind": traffic["by_kind"],
    }


def run(experiment, setting, seed, out, nodes, fresh):
    name = f"{experiment}-{re.sub('[^a-z0-9]+', '-', setting)}{f'-n{nodes}' if nodes else ''}"
    kept = out / f"{name}-{seed}.json"
    if kept.exists() and not fresh:
        return json.loads(kept.read_text())
    spec = EXPERIMENTS[experiment]
    shutil.copy(SCENARIOS / MATRIX, out)
    scenario = out / f"{name}.toml"
    scenario.write_text(vary((SCENARIOS / spec["scenario"]).read_text(), spec["settings"][setting]))
    folder = out / "report"
    command = [mesh.weft_binary(), "sim", "run", str(scenario), "--seed", str(seed), "--report", str(folder)]
    began = time.monotonic()
    done = subprocess.run(command + (["-n", str(nodes)] if nodes else []), capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit(f"{scenario}, seed {seed}: exit {done.returncode}\n{done.stderr[-2000:]}")
    report = json.loads((folder / "report.json").read_text())
    with open(folder / "events.jsonl") as log:
        row = row_of(report, log, spec["limit_s"])
    row.update({"seed": seed, "violations": sorted({v["checker"] for v in report["violations"]}), "wall_s": time.monotonic() - began})
    shutil.rmtree(folder)
    kept.write_text(json.dumps(row))
    print(f"{experiment} {setting} seed {seed}: right {row['right_share']:.4f}, p50 {row['p50_ms']:.0f} ms, {row['bytes_s']:.0f} B/s, "
          f"{row['model_bytes_s']:.1f} B/s by the model, {row['wall_s']:.0f} s {' '.join(row['violations'])}", file=sys.stderr, flush=True)
    return row


def interval(rows, field):
    """Mean and half of the 95 % interval; of one seed there is none."""
    values = [row[field] for row in rows]
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, math.nan
    t = T95[len(values) - 1] if len(values) <= len(T95) else 1.96
    return mean, t * statistics.stdev(values) / math.sqrt(len(values))


COLUMNS = [("right_share", "found the nearest, %", 100, 2), ("right_or_newcomer_share", "but for newcomers, %", 100, 2),
           ("failed_share", "failed, %", 100, 2), ("p50_ms", "p50, ms", 1, 0), ("mean_ms", "mean, ms", 1, 0), ("p95_ms", "p95, ms", 1, 0),
           ("queries_p50", "asked", 1, 0), ("bytes_s", "B/s", 1, 0), ("bytes_ip_s", "with IP, UDP", 1, 0), ("model_bytes_s", "by the model", 1, 1)]


def table(results):
    lines = ["| | seeds | lookups | " + " | ".join(title for _, title, _, _ in COLUMNS) + " |", "| --- " * (len(COLUMNS) + 3) + "|"]
    for setting, rows in results.items():
        cells = []
        for field, _, unit, digits in COLUMNS:
            mean, half = interval(rows, field)
            cells.append(f"{mean * unit:.{digits}f}" + ("" if math.isnan(half) else f" ± {half * unit:.{digits}f}"))
        lines.append(f"| {setting} | {len(rows)} | {sum(row['judged'] for row in rows)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def kinds(results):
    """What the bytes go to: B/s and packets/s of each kind that is 1 % of them or more, means over seeds."""
    lines = []
    for setting, rows in results.items():
        total = statistics.fmean(row["bytes_s"] for row in rows)
        sums = {}
        for row in rows:
            for kind, sent in row["by_kind"].items():
                one = sums.setdefault(kind, [0.0, 0.0])
                one[0] += sent["bytes_per_node_s"] / len(rows)
                one[1] += sent["packets_per_node_s"] / len(rows)
        largest = sorted(sums.items(), key=lambda item: -item[1][0])
        lines.append(f"{setting}: " + ", ".join(f"{kind} {b:.1f} B/s ({p:.3f}/s)" for kind, (b, p) in largest if b >= total / 100))
    return "\n".join(lines)


def minutes(setting):
    return float(setting[:-1]) * {"s": 1 / 60, "m": 1, "h": 60}[setting[-1]]


def points(axis, xs, results, field, unit=1, **look):
    means, halves = zip(*(interval(rows, field) for rows in results.values()))
    axis.errorbar(xs, [m * unit for m in means], yerr=[0 if math.isnan(h) else h * unit for h in halves], marker="o", capsize=3, **look)


def plot(experiment, results, path):
    import matplotlib
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "weft"
    from matplotlib import pyplot
    if experiment == "rhea":
        results = {setting: rows for setting, rows in results.items() if "," not in setting}
        figure, axes = pyplot.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
        xs = [minutes(setting) for setting in results]
        points(axes[0], xs, results, "right_share", 100, label="weft: found the nearest")
        axes[0].axhline(99, color="C3", linestyle="--", label="goal: 99 %")
        axes[0].set_title("lookups, %", fontsize=10)
        axes[0].set_ylim(0, 101)
        points(axes[1], xs, results, "bytes_s", label="weft, sealed, UDP payload")
        points(axes[1], xs, results, "bytes_ip_s", label="weft, with IP and UDP headers", linestyle=":")
        axes[1].plot([1.4], [900], marker="v", markersize=10, color="black", linestyle="", label="Bamboo: below 900")
        axes[1].set_title("sent per node, B/s", fontsize=10)
        axes[1].set_yscale("log")
        points(axes[2], xs, results, "p50_ms", label="weft, p50")
        points(axes[2], xs, results, "p95_ms", label="weft, p95", linestyle=":")
        axes[2].set_title("lookups, ms", fontsize=10)
        axes[2].set_ylim(bottom=0)
        for axis in axes:
            axis.set_xscale("log")
            axis.set_xticks(xs, [setting for setting in results], minor=False)
            axis.minorticks_off()
            axis.set_xlabel("median session")
        axes[1].set_yticks([200, 500, 1000, 2000, 5000], ["200", "500", "1,000", "2,000", "5,000"])
    else:
        figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
        for axis, field, unit in ((axes[0], "p50_ms", 1), (axes[1], "failed_share", 100)):
            for setting, rows in results.items():
                points(axis, [interval(rows, "model_bytes_s")[0]], {setting: rows}, field, unit, linestyle="", label=setting)
            axis.set_xlabel("sent per node by their model, B/s")
            axis.set_xlim(left=0)
            axis.set_ylim(bottom=0)
        axes[0].plot([10], [450], marker="*", markersize=14, color="black", linestyle="", label="Kademlia, Li et al.")
        axes[0].set_title("median latency of a lookup, ms", fontsize=10)
        axes[1].axhline(1, color="C3", linestyle="--", label="goal: 1 %")
        axes[1].set_title("failed (not the nearest, or after 4 s), %", fontsize=10)
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.legend(frameon=False, fontsize=7)
    figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else None)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    args.add_argument("experiment", choices=EXPERIMENTS)
    args.add_argument("--seeds", type=int, default=10)
    args.add_argument("--only", help="of the settings, with semicolons")
    args.add_argument("--out", default="experiments-runs")
    args.add_argument("-n", "--nodes", type=int, help="another number of nodes, for a quick look")
    args.add_argument("--fresh", action="store_true")
    args.add_argument("--plot", metavar="FILE")
    args = args.parse_args()
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    settings = args.only.split(";") if args.only else list(EXPERIMENTS[args.experiment]["settings"])
    # Seed by seed, so that what was run when it is stopped is worth something.
    results = {setting: [] for setting in settings}
    for seed in range(1, args.seeds + 1):
        for setting in settings:
            results[setting].append(run(args.experiment, setting, seed, out, args.nodes, args.fresh))
    print(table(results))
    print()
    print(kinds(results))
    if args.plot:
        plot(args.experiment, results, args.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
