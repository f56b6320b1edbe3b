#!/usr/bin/env python3
"""How long a put and a get take over the control socket of a node in a mesh, one at a time.

    tests/bench/latency.py
"""
import argparse
import random
import time

import mesh
import stores
from workload import Values


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=200)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--settle", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.getrandbits(32))
    args = parser.parse_args()
    mesh.enter_own_network()

    with mesh.Mesh(args.n) as m:
        m.spawn_all()
        if m.wait_all_see(args.n, 60) is None:
            mesh.finish("latency", args, {}, {"formed": False}, "the mesh did not form")
        time.sleep(args.settle)
        # One writer and one reader, then random ones: warm sessions and cold ones.
        result, problems = {}, []
        for kind, writers in (("one_node", m.nodes[-1:]), ("random_nodes", m.nodes)):
            values = Values(args.seed)
            cpu, began = sum(node.cpu_s() for node in m.nodes), time.monotonic()
            values.put_many(writers, args.count, kind)
            put_span, put_cpu = time.monotonic() - began, sum(node.cpu_s() for node in m.nodes) - cpu
            time.sleep(1)
            holders = stores.holders(m.nodes)
            readers = m.nodes[-2:-1] if kind == "one_node" else m.nodes
            keys = [key for key in values.bytes
                    if any(node not in holders.get(values.dht_key[key], ()) for node in readers)]
            values.bytes = {key: values.bytes[key] for key in keys}
            cpu, began = sum(node.cpu_s() for node in m.nodes), time.monotonic()
            seconds, bad = values.get_all(readers, holders)
            get_span, get_cpu = time.monotonic() - began, sum(node.cpu_s() for node in m.nodes) - cpu
            problems += values.errors + bad
            result[kind] = {
                "put": {**mesh.summary_ms(values.seconds), "per_s": round(args.count / put_span),
                        "mesh_cpu_ms_each": round(1000 * put_cpu / args.count, 2)},
                "get": {**mesh.summary_ms(seconds), "per_s": round(len(keys) / get_span),
                        "mesh_cpu_ms_each": round(1000 * get_cpu / max(1, len(keys)), 2)}}
            mesh.say(f"{kind}: {result[kind]}")
        result["problems"] = problems[:20]
        checks = {"nothing_lost": not problems}
        for kind in ("one_node", "random_nodes"):
            checks[f"{kind}_put_p50_at_most_6ms"] = result[kind]["put"].get("p50", 1e9) <= 6.0
            checks[f"{kind}_get_p50_at_most_3ms"] = result[kind]["get"].get("p50", 1e9) <= 3.0
        figures = "; ".join(f"{kind}: put p50 {r['put'].get('p50')} p99 {r['put'].get('p99')}, "
                            f"get p50 {r['get'].get('p50')} p99 {r['get'].get('p99')} ms"
                            for kind, r in result.items() if kind != "problems")
        mesh.finish("latency", args, result, checks, figures)


if __name__ == "__main__":
    main()
