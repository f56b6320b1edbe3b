#!/usr/bin/env python3
"""What a mesh at rest costs: memory, CPU, bytes and packets, by kernel counters alone. Bytes are
counted at the interface, so each packet has 28 bytes of IP and UDP headers.

    tests/bench/rest200.py                 60 s from 10 min after forming
    tests/bench/rest200.py --settle 60
    tests/bench/rest200.py --values 1000 --entries 200   with a filled store and a namespace that all share
"""
import argparse
import statistics
import time

import mesh
from workload import Values


def fill(m, args):
    """Puts args.values values at random nodes; every node joins one namespace, which then has args.entries entries."""
    stored = Values(1)
    stored.put_many(m.nodes, args.values)
    if stored.errors:
        mesh.finish("rest", args, {"errors": stored.errors[:10]}, {"stored": False}, "values could not be put")
    if not args.entries:
        return
    m.share("bench")
    for i in range(args.entries):
        m.nodes[i % len(m.nodes)].post("/v1/state/write", doc=f"bench/key{i}", what="set", value=str(i))
    if not mesh.wait_until(lambda: len({str(node.get("/v1/state/digest", space="bench")) for node in m.nodes}) == 1,
                           60, 1):
        mesh.finish("rest", args, {}, {"equal": False}, "the namespace did not become equal")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=200)
    parser.add_argument("--settle", type=float, default=600, help="seconds after forming")
    parser.add_argument("--values", type=int, default=0)
    parser.add_argument("--entries", type=int, default=0)
    parser.add_argument("--window", type=float, default=60)
    args = parser.parse_args()
    mesh.enter_own_network()

    with mesh.Mesh(args.n) as m:
        m.spawn_all()
        if m.wait_all_see(args.n, 60) is None:
            mesh.finish("rest", args, {}, {"formed": False}, "the mesh did not form")
        fill(m, args)
        for node in m.nodes:
            node.control.close()
        mesh.say(f"{args.n} formed; resting for {args.settle:.0f} s")
        time.sleep(args.settle)

        lo, cpu, at = mesh.lo_counters(), sum(node.cpu_s() for node in m.nodes), time.monotonic()
        time.sleep(args.window)
        lo_end, cpu_end, end = mesh.lo_counters(), sum(node.cpu_s() for node in m.nodes), time.monotonic()
        pss = [node.pss_kib() for node in m.nodes]
        span = end - at
        share = (cpu_end - cpu) / span
        per_node = args.n * span
        failures = m.failures()
        checks = {"pss_at_most_2.5_MiB": max(pss) <= 2560, "cpu_at_most_10_percent": share <= 0.10,
                  "no_failure_lines": not failures,
                  "all_see_all": m.wait_all_see(args.n, 10) is not None}
        result = {"pss_kib": {"mean": round(statistics.mean(pss)), "max": max(pss), "sum": sum(pss)},
                  "threads": m.nodes[0].threads(),
                  "cpu_percent_of_one_core": round(100 * share, 2),
                  "lo_bytes_per_node_s": round((lo_end[0] - lo[0]) / per_node, 1),
                  "lo_packets_per_node_s": round((lo_end[1] - lo[1]) / per_node, 3),
                  "window_s": round(span, 2), "failures": failures[:20]}
        mesh.finish("rest", args, result, checks,
                    f"{args.n} at rest: PSS mean {result['pss_kib']['mean']} max {max(pss)} KiB, "
                    f"CPU {result['cpu_percent_of_one_core']} % of a core in all, "
                    f"{result['lo_bytes_per_node_s']} bytes and {result['lo_packets_per_node_s']} "
                    "packets per node and second")


if __name__ == "__main__":
    main()
