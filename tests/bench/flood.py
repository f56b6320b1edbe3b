#!/usr/bin/env python3
"""Bad datagrams at full rate against one node of a mesh, while the others are used.

    tests/bench/flood.py
"""
import argparse
import json
import random
import subprocess
import threading
import time

import mesh
import stores
import tools
from workload import Values


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=50)
    parser.add_argument("--rate", type=int, default=50000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--sources", type=int, default=4)
    parser.add_argument("--values", type=int, default=200)
    parser.add_argument("--settle", type=float, default=20)
    args = parser.parse_args()
    flooder = tools.tool("flood")
    mesh.enter_own_network()

    with mesh.Mesh(args.n) as m:
        m.spawn_all()
        if m.wait_all_see(args.n, 60) is None:
            mesh.finish("flood", args, {}, {"formed": False}, "the mesh did not form")
        m.learn_ids()
        values = Values(random.getrandbits(32))
        values.put_many(m.nodes, args.values)
        target, others = m.nodes[args.n // 2], [n for i, n in enumerate(m.nodes) if i != args.n // 2]
        # The target has met strangers before its memory is compared.
        subprocess.run([flooder, target.address, m.network, "2000", "2", str(args.sources)],
                       capture_output=True, timeout=60)
        time.sleep(args.settle)
        holders = stores.holders(others)
        quiet_s, quiet_bad = values.get_all(others, holders)

        drops_before = target.get("/v1/status")["drops"]
        pss, cpu, marks = target.pss_kib(), target.cpu_s(), m.event_sizes()
        process = subprocess.Popen(
            [flooder, target.address, m.network, str(args.rate), str(args.seconds), str(args.sources)],
            stdout=subprocess.PIPE, text=True)
        outcome = {}
        reader = threading.Thread(target=lambda: outcome.update(json.loads(process.stdout.read() or "{}")))
        reader.start()
        seconds, bad, peak = [], [], pss
        deadline = time.monotonic() + 3 * args.seconds + 30
        while process.poll() is None and time.monotonic() < deadline:
            found, problems = [], []
            key = random.choice(list(values.bytes))
            holding = holders.get(values.dht_key[key], ())
            took, problem = values.get_one(random.choice([n for n in others if n not in holding]), key)
            (problems if problem else found).append(problem or took)
            seconds += found
            bad += problems
            if len(seconds) % 50 == 0:
                peak = max(peak, target.pss_kib())
            time.sleep(0.01)
        if process.poll() is None:
            process.kill()
        process.wait()
        reader.join(5)
        cpu = target.cpu_s() - cpu
        after = target.pss_kib()
        drops = {name: count - drops_before.get(name, 0)
                 for name, count in target.get("/v1/status")["drops"].items()}
        all_see = m.wait_all_see(args.n, 10)
        failures = m.failures(marks)
        growth = max(peak, after) - pss
        checks = {"flood_reached_its_rate": outcome.get("elapsed_ms", 1e9) <= 1100 * args.seconds,
                  "pss_grows_less_than_1_MiB": growth < 1024,
                  "no_false_failure": not failures and all_see is not None,
                  "gets_p99_below_50ms": bool(seconds) and mesh.quantile(seconds, .99) < 0.050,
                  "all_gets_found": not bad,
                  "answers_at_most_three_times": outcome.get("answered_bytes", 1e18)
                  <= 3 * outcome.get("sent_bytes", 0)}
        result = {"flood": outcome, "pss_kib": {"before": pss, "peak": peak, "after": after},
                  "target_cpu_s": round(cpu, 2), "get_quiet": mesh.summary_ms(quiet_s),
                  "get_flooded": mesh.summary_ms(seconds), "problems": (quiet_bad + bad)[:20],
                  "failures": failures[:20], "drops": {k: v for k, v in drops.items() if v}}
        mesh.finish("flood", args, result, checks,
                    f"{outcome.get('sent_packets')} bad datagrams in {outcome.get('elapsed_ms')} ms: PSS "
                    f"+{growth} KiB, gets of others p99 {result['get_flooded'].get('p99')} ms "
                    f"(quiet {result['get_quiet'].get('p99')}), {outcome.get('answered_bytes')} bytes "
                    f"answered to {outcome.get('sent_bytes')}")


if __name__ == "__main__":
    main()
