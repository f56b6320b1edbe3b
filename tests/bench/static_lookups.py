#!/usr/bin/env python3
"""Lookups in a frozen mesh (static_lookups.cc): what fails when a share of the nodes is dead (Gummadi et al. 2003, `dead`) or hostile
(Baumgart, Mies 2007, `hostile`), for several seeds. Prints the rows of docs/EXPERIMENTS.md, means with 95 % intervals, and draws them.

    cmake --build build/release --target static_lookups
    tests/bench/static_lookups.py dead --seeds 10 --plot docs/experiments-dead.svg        the plot needs python3-matplotlib
    tests/bench/static_lookups.py hostile --seeds 10 --only 'weft'
    tests/bench/static_lookups.py exact        what fails of greedy paths by calculation, ids of 16 bits and all of them taken

What was run lies in --out and is not run again; --fresh begins anew.
"""
import argparse
import json
import math
import pathlib
import re
import subprocess
import sys
import time

from experiments import interval

TOOL = pathlib.Path(__file__).resolve().parents[2] / "build/release/tests/bench/static_lookups"

# By experiment: what is varied, its shares in percent, the mesh, and settings: arguments of the tool.
EXPERIMENTS = {
    "dead": {
        "vary": "--dead", "shares": range(0, 81, 10), "nodes": 65_536,
        "settings": {
            "XOR, greedy": {"--greedy": 1},
            "tree": {"--tree": 1},
            "weft": {},
            "weft, want 1": {"--want": 1},
            "weft, k 8": {"--bucket": 8, "--want": 8},
        },
    },
    "hostile": {
        "vary": "--hostile", "shares": range(0, 51, 10), "nodes": 10_000,
        "settings": {
            # One question at a time, and the nearest alone is wanted: any hostile node on a path ends it.
            **{f"one by one, k 16, paths {paths}": {"--bucket": 16, "--want": 1, "--parallelism": 1, "--parallelism-max": 1, "--paths": paths}
               for paths in (1, 2, 4, 8)},
            **{f"k 16, paths {paths}": {"--bucket": 16, "--want": 16, "--paths": paths} for paths in (1, 2, 4, 8)},
            **{f"weft, paths {paths}": {"--paths": paths} for paths in (1, 2, 4, 8)},
        },
    },
}


def mean_hops(hops):
    return sum(i * n for i, n in enumerate(hops)) / max(sum(hops), 1)


def percentile(hops, share):
    left = share * sum(hops)
    for i, n in enumerate(hops):
        left -= n
        if n and left <= 0:
            return i
    return 0


def row_of(told):
    hops = told["hops"]
    return {"lookups": told["lookups"], "failed_share": 1 - told["found"] / told["lookups"], "near_share": told["near_share"],
            "queries_mean": told["queries_mean"], "hops_mean": mean_hops(hops), "hops_p50": percentile(hops, 0.5), "hops_p90": percentile(hops, 0.9), "hops": hops}


def run(experiment, setting, share, seed, args):
    spec = EXPERIMENTS[experiment]
    kept = args.out / f"{experiment}-{re.sub('[^a-z0-9]+', '-', setting.lower())}-{share}-{seed}.json"
    if kept.exists() and not args.fresh:
        return json.loads(kept.read_text())
    options = {"--nodes": args.nodes or spec["nodes"], "--lookups": args.lookups, "--seed": seed, spec["vary"]: share, **spec["settings"][setting]}
    command = [str(args.tool)] + [str(word) for pair in options.items() for word in pair]
    began = time.monotonic()
    row = row_of(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    kept.write_text(json.dumps(row))
    print(f"{setting}, {share} %, seed {seed}: failed {row['failed_share']:.5f}, hops {row['hops_mean']:.2f}, asked {row['queries_mean']:.1f}, "
          f"{time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    return row


def shown(rows, field, unit, digits):
    mean, half = interval(rows, field)
    return f"{mean * unit:.{digits}f}" + ("" if math.isnan(half) else f" ± {half * unit:.{digits}f}")


def tables(experiment, results):
    spec = EXPERIMENTS[experiment]
    lines = [f"| failed, % | {' | '.join(f'{share} %' for share in spec['shares'])} |", "| --- " * (len(spec["shares"]) + 1) + "|"]
    for setting, by_share in results.items():
        lines.append(f"| {setting} | " + " | ".join(shown(by_share[share], "failed_share", 100, 2) for share in spec["shares"]) + " |")
    lines += ["", "| at 0 % | lookups a share | hops mean | p50 | p90 | asked |", "| --- " * 6 + "|"]
    for setting, by_share in results.items():
        rows = by_share[0]
        lines.append(f"| {setting} | {sum(row['lookups'] for row in rows)} | {shown(rows, 'hops_mean', 1, 2)} | {shown(rows, 'hops_p50', 1, 0)} | "
                     f"{shown(rows, 'hops_p90', 1, 0)} | {shown(rows, 'queries_mean', 1, 1)} |")
    lines += ["", f"| asked | {' | '.join(f'{share} %' for share in spec['shares'])} |", "| --- " * (len(spec["shares"]) + 1) + "|"]
    for setting, by_share in results.items():
        lines.append(f"| {setting} | " + " | ".join(shown(by_share[share], "queries_mean", 1, 1) for share in spec["shares"]) + " |")
    return "\n".join(lines)


def look(setting):
    """The same line for one kind of lookup, the same colour for one number of paths."""
    kind, _, paths = setting.rpartition(", paths ")
    if not kind:
        return {}
    return {"linestyle": {"one by one, k 16": ":", "k 16": "--"}.get(kind, "-"), "color": f"C{int(paths).bit_length()}"}


def plot(experiment, results, path):
    import matplotlib
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "weft"
    from matplotlib import pyplot
    spec = EXPERIMENTS[experiment]
    shares = list(spec["shares"])
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    for setting, by_share in results.items():
        means, halves = zip(*(interval(by_share[share], "failed_share") for share in shares))
        axes[0].errorbar(shares, [100 * m for m in means], yerr=[0 if math.isnan(h) else 100 * h for h in halves], marker="o", markersize=4, capsize=3, label=setting, **look(setting))
    axes[0].set_title("failed lookups, %", fontsize=10)
    axes[0].set_xlabel(f"{experiment} nodes, %")
    if experiment == "dead":
        axes[0].plot([30], [20], marker="*", markersize=14, color="black", linestyle="", label="XOR, Gummadi et al.: about 20")
        axes[0].plot([30], [90], marker="*", markersize=14, color="gray", linestyle="", label="tree, Gummadi et al.: about 90")
        axes[0].axhline(0.1, color="C3", linestyle="--", label="goal at 30 %: 0.1")
        axes[0].set_yscale("symlog", linthresh=0.1)
        axes[0].set_ylim(bottom=0)
        for setting in results:
            hops = [sum(row["hops"][i] for row in results[setting][0]) for i in range(len(results[setting][0][0]["hops"]))]
            last = max(i for i, n in enumerate(hops) if n)
            axes[1].plot(range(last + 1), [100 * n / sum(hops) for n in hops[:last + 1]], marker="o", markersize=4, label=setting)
        axes[1].set_title("hops with nobody dead, % of lookups", fontsize=10)
        axes[1].set_xlabel("hops")
    else:
        axes[0].plot([20], [1], marker="*", markersize=14, color="black", linestyle="", label="S/Kademlia: 1")
        for setting, by_share in results.items():
            axes[1].plot(shares, [interval(by_share[share], "queries_mean")[0] for share in shares], marker="o", markersize=4, label=setting, **look(setting))
        axes[1].set_title("asked by a lookup, mean", fontsize=10)
        axes[1].set_xlabel("hostile nodes, %")
    for axis in axes:
        axis.grid(alpha=0.3)
    for axis in axes if experiment == "dead" else axes[:1]:
        axis.legend(frameon=False, fontsize=7)
    figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else None)


def exact_xor(dead, bits):
    """The share of paths that fail if each node has one contact a bucket, drawn from all of the bucket, and hands on to the one nearest to the target that
    lives. `lives[d]`: the path from distance d arrives. A contact in the bucket of bit i, which has to differ, corrects it and draws the bits below it anew;
    of equal buckets the highest is best. In the highest the target itself may be the contact, and it lives."""
    lives, sums = [1.0], [0.0, 1.0]
    for distance in range(1, 1 << bits):
        arrives, silent = 0.0, 1.0
        for bit in reversed(range(distance.bit_length())):
            if not distance >> bit & 1:
                continue
            size, first = 1 << bit, distance >> (bit + 1) << (bit + 1)
            highest = first == 0
            others = sums[first + size] - sums[first] - (1 if highest else 0)
            arrives += silent * ((1 / size if highest else 0) + (1 - dead) * others / size)
            silent *= dead * ((size - 1) / size if highest else 1)
        lives.append(arrives)
        sums.append(sums[-1] + arrives)
    return 1 - sum(lives[1:]) / (len(lives) - 1)


def exact_bits(dead, bits, stuck):
    """The same where each hop corrects one of the bits that differ and leaves the others: with h of them left, 2 or more, it is stuck with `stuck(h)`."""
    failed = 0.0
    for h in range(1, bits + 1):
        failed += math.comb(bits, h) * (1 - math.prod(1 - stuck(left) for left in range(2, h + 1)))
    return failed / (2 ** bits - 1)


def exact():
    shares = EXPERIMENTS["dead"]["shares"]
    rows = {"XOR": lambda dead: exact_xor(dead, 16), "hypercube": lambda dead: exact_bits(dead, 16, lambda left: dead ** left),
            "tree": lambda dead: exact_bits(dead, 16, lambda left: dead)}
    print(f"| failed, %, by calculation | {' | '.join(f'{share} %' for share in shares)} |\n" + "| --- " * (len(shares) + 1) + "|")
    for name, failed in rows.items():
        print(f"| {name} | " + " | ".join(f"{100 * failed(share / 100):.2f}" for share in shares) + " |")


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    args.add_argument("experiment", choices=[*EXPERIMENTS, "exact"])
    args.add_argument("--seeds", type=int, default=10)
    args.add_argument("--lookups", type=int, default=2000, help="of a seed and share")
    args.add_argument("--only", help="of the settings, with semicolons")
    args.add_argument("--tool", type=pathlib.Path, default=TOOL)
    args.add_argument("--out", type=pathlib.Path, default=pathlib.Path("static-runs"))
    args.add_argument("-n", "--nodes", type=int, help="another number of nodes, for a quick look")
    args.add_argument("--fresh", action="store_true")
    args.add_argument("--plot", metavar="FILE")
    args = args.parse_args()
    if args.experiment == "exact":
        return exact()
    args.out.mkdir(parents=True, exist_ok=True)
    spec = EXPERIMENTS[args.experiment]
    settings = args.only.split(";") if args.only else list(spec["settings"])
    results = {setting: {share: [] for share in spec["shares"]} for setting in settings}
    for seed in range(1, args.seeds + 1):
        for setting in settings:
            for share in spec["shares"]:
                results[setting][share].append(run(args.experiment, setting, share, seed, args))
    print(tables(args.experiment, results))
    if args.plot:
        plot(args.experiment, results, args.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
