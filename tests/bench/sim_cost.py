#!/usr/bin/env python3
"""What simulated nodes cost: steady-churn with all parts on and with the DHT alone, at growing sizes. CPU
time per event and peak memory per node, by the kernel's account of the process; how much faster than
real time. One run a size, one at a time; about 10 min with the default sizes.

    tests/bench/sim_cost.py --plot docs/sim-cost.svg      needs python3-matplotlib
    tests/bench/sim_cost.py --full 100,1000 --dht ''
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import mesh

SCENARIOS = pathlib.Path(__file__).resolve().parents[2] / "testnet/scenarios"
KINDS = {"full": ("steady-churn.toml", "all parts"), "dht": ("steady-churn-dht.toml", "DHT alone")}


def measure(kind, nodes):
    command = [mesh.weft_binary(), "--json", "sim", "run", str(SCENARIOS / KINDS[kind][0]), "-n", str(nodes)]
    with tempfile.TemporaryFile("w+") as told:  # progress, and at last what failed
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, text=True)
        report = json.loads(process.stdout.read())
        told.seek(0)
        failed = [line.strip() for line in told.read().splitlines() if line.startswith("failed: ")]
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    row = {"kind": kind, "nodes": nodes, "exit": process.returncode, "events": report["events"],
           "virtual_s": report["virtual_s"], "cpu_s": cpu, "us_per_event": cpu / report["events"] * 1e6,
           "times_real": report["virtual_s"] / cpu, "kib_per_node": usage.ru_maxrss / nodes,
           "peak_mib": usage.ru_maxrss / 1024, "failed": failed}
    print(f"{kind:<5}{nodes:>7} nodes {row['us_per_event']:6.2f} us/event {row['kib_per_node']:7.0f} KiB/node "
          f"{row['times_real']:8.1f} x real time, {row['peak_mib']:.0f} MiB, exit {row['exit']} "
          f"{' '.join(failed)}",
          file=sys.stderr, flush=True)
    return row


def plot(rows, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
    panels = [("us_per_event", "CPU per event, µs", False), ("kib_per_node", "peak memory per node, KiB", False),
              ("times_real", "times real time, one core", True)]
    for axis, (field, title, log) in zip(axes, panels):
        for kind, (_, label) in KINDS.items():
            of = [row for row in rows if row["kind"] == kind]
            axis.plot([row["nodes"] for row in of], [row[field] for row in of], marker="o", label=label)
        axis.set_xscale("log")
        axis.set_xlabel("nodes")
        axis.set_title(title, fontsize=10)
        if log:
            axis.set_yscale("log")
        else:
            axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False)
    figure.savefig(path, metadata={"Date": None} if path.endswith(".svg") else None)


def main():
    args = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    args.add_argument("--full", default="100,200,500,1000")
    args.add_argument("--dht", default="100,300,1000,3000,10000")
    args.add_argument("--plot", metavar="FILE")
    args = args.parse_args()
    rows = [measure(kind, int(nodes)) for kind in KINDS for nodes in getattr(args, kind).split(",") if nodes]
    if args.plot:
        plot(rows, args.plot)
    print(json.dumps(rows))
    return 0 if all(row["exit"] == 0 for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
