#!/usr/bin/env python3
"""How many values a second one node of three takes from the network, each durable before it is acknowledged,
compared with the signatures that one core of the same machine checks while the others are as busy as then; meanwhile
another process pings it.

    tests/bench/store_rate.py [--count 100000] [--size 256] [--window 96] [--turns]

Judged by the sender's count of acknowledgements, the rows in the node's database, the pings' round trips (a loop
that stalls answers none) and the event lines of all three; with --turns (root) also by the kernel's trace of the
loop's turns, which costs the node some of its time.
"""
import argparse
import json
import subprocess
import time

import mesh
import stores
import tools
import turns


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=100000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--window", type=int, default=96)
    parser.add_argument("--turns", action="store_true")
    args = parser.parse_args()
    storer, pinger = tools.tool("storer"), tools.tool("pinger")
    mesh.enter_own_network()

    with mesh.Mesh(3) as m:
        m.spawn_all()
        if m.wait_all_see(3, 30) is None:
            mesh.finish("store_rate", args, {}, {"formed": False}, "the mesh did not form")
        node = m.nodes[0]
        ping = subprocess.Popen([pinger, node.address, m.network], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ping.stdout.readline()

        def rtt(count):
            ping.stdin.write(f"rtt {count}\n")
            ping.stdin.flush()
            return json.loads(ping.stdout.readline())

        quiet = rtt(1000)
        cpu_before = node.cpu_s()
        sender = subprocess.Popen([storer, node.address, m.network, str(args.count), str(args.size), str(args.window)],
                                  stdout=subprocess.PIPE, text=True)
        # It signs and checks first: the pings that count are those while values come.
        while sender.poll() is None and stores.rows(node) == 0:
            time.sleep(0.2)
        trace = turns.Turns().start() if args.turns else None
        under_load = []
        while sender.poll() is None:
            under_load.append(rtt(200))
        lengths = trace.stop() if trace else []
        sent = json.loads(sender.stdout.read() or "{}")
        cpu = node.cpu_s() - cpu_before
        rows = stores.rows(node)
        ping.stdin.close()
        ping.wait(10)
        suspected = sum(mesh.became(e, "suspect") is not None or mesh.became(e, "failed") is not None
                        for n in m.nodes for e in n.events())
        worst = {"p99_ms": max((r["p99_ms"] for r in under_load), default=0.0), "max_ms": max((r["max_ms"] for r in under_load), default=0.0),
                 "lost": sum(r["lost"] for r in under_load), "pings": sum(r["answered"] for r in under_load)}
        rate = sent.get("stores_per_s", 0)
        alone, ratio = rate / max(1, sent.get("checks_per_s", 1)), rate / max(1, sent.get("checks_per_s_all_busy", 1))
        result = {"sent": sent, "rows": rows, "node_cpu_s": round(cpu, 2), "ratio_to_checks": round(alone, 3), "ratio_to_checks_all_busy": round(ratio, 3),
                  "quiet": quiet, "under_load_worst_of_200": worst, "under_load": under_load, "suspicions": suspected}
        if trace:
            result["turns"] = {"count": len(lengths), "lost": trace.lost, "p50_ms": mesh.quantile(lengths, 0.5) * 1e3,
                               "p99_ms": mesh.quantile(lengths, 0.99) * 1e3, "max_ms": lengths[-1] * 1e3,
                               "above_5ms": sum(length > 0.005 for length in lengths)}
        checks = {"all_durable": rows >= sent.get("stored", 0) > 0, "rate_0_6_of_checks": ratio >= 0.6,
                  "ping_p99_20ms": worst["p99_ms"] <= 20, "none_suspected": suspected == 0}
        if trace:
            checks["turns_5ms"] = len(lengths) > 0 and trace.lost == 0 and lengths[-1] <= 0.005
        mesh.finish("store_rate", args, result, checks,
                    f"{rate} stores/s, {ratio:.2f} of one core's {sent.get('checks_per_s_all_busy')} checks/s when all are busy, "
                    f"{alone:.2f} of {sent.get('checks_per_s')} when it is alone; "
                    f"pings under load: worst p99 of 200 {worst['p99_ms']} ms, max {worst['max_ms']} ms")


if __name__ == "__main__":
    main()
