#!/usr/bin/env python3
"""Kademlia as papers measured it (plain_kademlia.cc), in the settings of Li et al. 2005 (`li`; `li-king` with round trips as theirs), Heep 2010 (`heep`; `heep-oversim` as its simulator has it) and Rhea et
al. 2004 (`rhea`), and Bamboo in the latter (`bamboo`, plain_bamboo.cc), over a grid of parameters. Prints those of them that no cheaper one beats: cost, latency and failures, with 95 % intervals over seeds.

    cmake --build build/release --target plain_kademlia plain_bamboo
    tests/bench/plain_kademlia.py li                     the grid, one seed
    tests/bench/plain_kademlia.py li --seeds 10 --best   with ten seeds those that the grid's seed 1 has found to be best

What was run lies in --out and is not run again. experiments.py draws it beside weft: --plain DIR.
"""
import argparse
import json
import math
import pathlib
import subprocess
import sys

from experiments import MATRIX, SCENARIOS, interval

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "build/release/tests/bench"
FAILED_MOST = 0.01  # of a setting that counts

# By experiment: what all runs have, the values of the grid, and the field that tells its cost; `all`: of each setting something is told.
EXPERIMENTS = {
    "li": {
        "fixed": {"nodes": 1024, "model": "exponential", "median-session-ms": 2_495_000, "warm-s": 3600, "measure-s": 3600, "lookup-every-s": 600, "limit-ms": 4000},
        "grid": {"k": (4, 8, 16), "alpha": (1, 2, 4, 8), "tell": (2, 4, 8), "refresh-s": (600, 1140, 3600)},
        "cost": "bytes_s", "latency": "p50_ms",
    },
    "li-king": {
        "fixed": {"nodes": 1024, "model": "exponential", "median-session-ms": 2_495_000, "warm-s": 3600, "measure-s": 3600, "lookup-every-s": 600, "limit-ms": 4000,
                  "rtt-mean-us": 178_000, "rtt-median-us": 156_000},
        "grid": {"k": (4, 8), "alpha": (4, 8), "tell": (2, 4), "refresh-s": (1140,)},
        "cost": "bytes_s", "latency": "p50_ms",
    },
    "heep": {
        "fixed": {"nodes": 5000, "model": "weibull", "median-session-ms": 2_402_000, "warm-s": 1800, "measure-s": 1800, "lookup-every-s": 60, "limit-ms": 10_000,
                  "target": "node", "timeout-ms": 1500},
        "grid": {"k": (8,), "alpha": (1, 3, 5), "tell": (8,), "refresh-s": (1000,)},
        "cost": "wire_bytes_s", "latency": "mean_ms",
    },
    # As Heep's simulator has it by its defaults (OverSim's default.ini): steps of lookups, a request after each, pings for full buckets, 10 s for
    # what fails; round trips distributed as those between the nodes of its nodes_2d_15000.xml, 0.001 s a unit each way (200,000 pairs drawn).
    "heep-oversim": {
        "fixed": {"nodes": 5000, "model": "weibull", "median-session-ms": 2_402_000, "warm-s": 1800, "measure-s": 1800, "lookup-every-s": 60, "limit-ms": 10_000,
                  "target": "node", "timeout-ms": 1500, "by-steps": 1, "request": 1, "ping-full": 1, "penalty-ms": 10_000,
                  "rtt-mean-us": 157_500, "rtt-median-us": 139_900},
        "grid": {"k": (8,), "alpha": (3, 5), "tell": (8,), "refresh-s": (1000,)},
        "cost": "wire_bytes_s", "latency": "mean_ms",
    },
    "rhea": {
        "fixed": {"nodes": 1000, "model": "exponential", "median-session-ms": 84_000, "warm-s": 300, "measure-s": 300, "lookup-every-s": 500, "limit-ms": 60_000, "timeout-ms": 1000},
        "grid": {"k": (8, 20), "alpha": (3, 5), "tell": (8,), "refresh-s": (30, 60, 120)},
        "cost": "wire_bytes_s", "latency": "p50_ms",
    },
    "bamboo": {
        "tool": "plain_bamboo", "all": True,
        "fixed": {"nodes": 1000, "model": "exponential", "warm-s": 600, "measure-s": 600, "lookup-every-s": 100, "limit-ms": 60_000},
        "grid": {"median-session-ms": (84_000, 300_000, 1_380_000, 10_800_000), "timeout-ms": (0, 2000)},
        "cost": "wire_bytes_s", "latency": "mean_ms",
    },
}


def grid(spec):
    settings = [{}]
    for name, values in spec["grid"].items():
        settings = [setting | {name: value} for setting in settings for value in values]
    return [setting for setting in settings if setting.get("tell", 0) <= setting.get("k", 0)]


def name_of(setting):
    if "k" not in setting:
        return ", ".join(f"{name} {value}" for name, value in setting.items())
    return f"k {setting['k']}, {setting['alpha']} at once, {setting['tell']} named, refresh {setting['refresh-s']} s"


def run(experiment, setting, seed, args):
    kept = args.out / f"plain-{experiment}-{'-'.join(str(value) for value in setting.values())}-{seed}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    options = EXPERIMENTS[experiment]["fixed"] | setting | {"seed": seed, "matrix": str(SCENARIOS / MATRIX)}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    row = json.loads(subprocess.run([str(args.tools / EXPERIMENTS[experiment].get("tool", "plain_kademlia"))] + words, check=True, capture_output=True, text=True).stdout)
    row["failed_share"] = row["failed"] / max(row["lookups"], 1)
    kept.write_text(json.dumps(row))
    return row


def best_of(results, spec):
    """Those with few failures that are faster than all cheaper ones, the cheapest first: pairs of a setting's name and its rows."""
    mean = lambda rows, field: interval(rows, field)[0]
    counted = sorted((item for item in results.items() if mean(item[1], "failed_share") < FAILED_MOST or "all" in spec), key=lambda item: mean(item[1], spec["cost"]))
    best = []
    for name, rows in counted:
        if not best or "all" in spec or mean(rows, spec["latency"]) < mean(best[-1][1], spec["latency"]):
            best.append((name, rows))
    return best


def kept_results(experiment, out):
    """What lies in `out`, by setting."""
    results = {}
    for setting in grid(EXPERIMENTS[experiment]):
        found = sorted(pathlib.Path(out).glob(f"plain-{experiment}-{'-'.join(str(value) for value in setting.values())}-*.json"))
        if found:
            results[name_of(setting)] = [json.loads(path.read_text()) for path in found]
    return results


def shown(rows, field, unit, digits):
    mean, half = interval(rows, field)
    return f"{mean * unit:.{digits}f}" + ("" if math.isnan(half) else f" ± {half * unit:.{digits}f}")


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    args.add_argument("experiment", choices=EXPERIMENTS)
    args.add_argument("--seeds", type=int, default=1)
    args.add_argument("--best", action="store_true", help="more than one seed for the best of the first alone")
    args.add_argument("--tools", type=pathlib.Path, default=TOOLS, help="where plain_kademlia and plain_bamboo are")
    args.add_argument("--out", type=pathlib.Path, default=pathlib.Path("plain-runs"))
    args = args.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    spec = EXPERIMENTS[args.experiment]
    settings = {name_of(setting): setting for setting in grid(spec)}
    results = {name: [run(args.experiment, setting, 1, args)] for name, setting in settings.items()}
    more = [name for name, _ in best_of(results, spec)] if args.best else list(settings)
    for name in more:
        results[name] += [run(args.experiment, settings[name], seed, args) for seed in range(2, args.seeds + 1)]
    print("| | seeds | lookups | failed, % | p50, ms | mean, ms | p95, ms | asked, mean | not answered, % | B/s by Li's model | B/s by OverSim's sizes |\n" + "| --- " * 11 + "|")
    for name, rows in best_of({name: results[name] for name in more}, spec):
        cells = [shown(rows, field, unit, digits) for field, unit, digits in (
            ("failed_share", 100, 2), ("p50_ms", 1, 0), ("mean_ms", 1, 0), ("p95_ms", 1, 0), ("asked_mean", 1, 1), ("unanswered_share", 100, 1), ("bytes_s", 1, 1), ("wire_bytes_s", 1, 0))]
        print(f"| {name} | {len(rows)} | {sum(row['lookups'] for row in rows)} | " + " | ".join(cells) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
