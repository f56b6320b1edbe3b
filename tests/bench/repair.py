#!/usr/bin/env python3
"""A quarter of the nodes is killed at once and stays away: until every value has its copies again, counted in
the survivors' databases, and what that moved over `lo`.

    tests/bench/repair.py
"""
import argparse
import os
import random
import signal
import statistics
import time

import mesh
import stores
from workload import Values

REPLICAS = 12
REST_S = 20  # what a mesh sends that has nothing to repair, just before


def copies_of(values, nodes):
    holders = stores.holders(nodes)
    return [len(holders.get(key, ())) for key in values.dht_key.values()]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=200)
    parser.add_argument("--values", type=int, default=1000, help="0: what the deaths alone cost, for --watch seconds")
    parser.add_argument("--settle", type=float, default=60, help="seconds between the last put and the kill")
    parser.add_argument("--watch", type=float, default=90, help="seconds to look at most")
    parser.add_argument("--seed", type=int, default=random.getrandbits(32))
    args = parser.parse_args()
    mesh.enter_own_network()
    luck = random.Random(args.seed)

    with mesh.Mesh(args.n) as m:
        m.spawn_all()
        if m.wait_all_see(args.n, 60) is None:
            mesh.finish("repair", args, {}, {"formed": False}, "the mesh did not form")
        values = Values(args.seed)
        stored = [a for a in values.put_many(m.nodes, args.values) if a]
        time.sleep(args.settle)
        rest_from = mesh.lo_counters()[0]
        time.sleep(REST_S)
        rest_bytes = (mesh.lo_counters()[0] - rest_from) / REST_S
        before = copies_of(values, m.nodes)

        victims = luck.sample(m.nodes, args.n // 4)
        survivors = [node for node in m.nodes if node not in victims]
        sent_before = mesh.lo_counters()[0]
        for node in victims:
            os.kill(node.pid, signal.SIGKILL)
        killed_at = time.monotonic()
        for node in victims:
            node.kill()
        left = copies_of(values, survivors)
        missing = sum(max(0, REPLICAS - count) for count in left)
        mesh.say(f"{len(victims)} killed: {missing} copies missing of {REPLICAS * args.values}, the least {min(left, default=0)}")
        restored_s, curve = None, []
        while time.monotonic() - killed_at < args.watch:
            now = copies_of(values, survivors)
            at = time.monotonic() - killed_at
            short = sum(count < REPLICAS for count in now)
            curve.append({"s": round(at, 1), "values_short": short, "copies": sum(now)})
            if short == 0 and args.values:
                restored_s = at
                break
            time.sleep(0.5)
        span = time.monotonic() - killed_at
        moved = mesh.lo_counters()[0] - sent_before - rest_bytes * span
        made = curve[-1]["copies"] - sum(left)
        result = {
            "copies_before": {"min": min(before, default=0), "mean": statistics.mean(before or [0]), "max": max(before, default=0)},
            "missing": missing, "made": made, "restored_s": restored_s and round(restored_s, 1),
            "bytes_beyond_rest": round(moved), "rest_bytes_per_s": round(rest_bytes),
            "bytes_per_missing_copy": round(moved / max(1, missing)), "curve": curve,
        }
        checks = {"all_stored": len(stored) == args.values, "restored_within_30s": not args.values or bool(restored_s and restored_s <= 30),
                  "at_most_1_5_copies_a_missing_one": made <= 1.5 * missing}
        mesh.finish("repair", args, result, checks,
                    f"{missing} copies missing, {made} made, all back after {result['restored_s']} s, "
                    f"{result['bytes_per_missing_copy']} bytes over lo for each missing one")


if __name__ == "__main__":
    main()
