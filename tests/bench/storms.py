#!/usr/bin/env python3
"""Storms on real processes: a small mesh with many values, all of it killed and started at once, until all list all and all is read;
and newcomers whose first three seeds are dead, until they list all and all list them.

    tests/bench/storms.py values --each 1000
    tests/bench/storms.py seeds -n 40
"""
import argparse
import random
import time

import mesh
import stores
from workload import Values


def start_all(nodes):
    began = time.monotonic()
    for node in nodes:
        node.spawn()
    return began


def copies_of(values, nodes):
    holders = stores.holders(nodes)
    return [len(holders.get(key, ())) for key in values.dht_key.values()]


def restart_with_values(args):
    with mesh.Mesh(args.n) as m:
        m.spawn_all()
        formed = m.wait_all_see(args.n, 60)
        values = Values(args.seed)
        stored = 0
        for node in m.nodes:
            stored += sum(values.put_one(node, f"{node.name}-{i}") is not None for i in range(args.each))
        time.sleep(5)  # relaxed copies reach their stores
        before = copies_of(values, m.nodes)
        mesh.say(f"formed in {formed} s, {stored} values stored, copies {min(before)} to {max(before)}; killing all")
        for node in m.nodes:
            node.kill()
        began = start_all(m.nodes)
        seen = m.wait_all_see(args.n, 60, step_s=0.05)
        settled = time.monotonic() - began if seen is not None else None
        wire = mesh.lo_counters()
        asked = random.Random(args.seed).sample(sorted(values.bytes), min(args.reads, len(values.bytes)))
        problems = [problem for key in asked for _, problem in [values.get_one(values.random.choice(m.nodes), key)] if problem]
        read = time.monotonic() - began
        time.sleep(30)
        after = copies_of(values, m.nodes)
        checks = {"all_stored": stored == args.n * args.each, "all_see_all_within_30s": settled is not None and settled <= 30,
                  "all_read": not problems, "copies_kept": min(after) >= min(before)}
        result = {"stored": stored, "copies_before": [min(before), max(before)], "copies_after": [min(after), max(after)], "all_see_all_s": settled,
                  "all_read_s": read, "bytes_of_reads_and_30s": mesh.lo_counters()[0] - wire[0], "problems": (values.errors + problems)[:20]}
        mesh.finish("storm-values", args, result, checks, f"{args.n} nodes with {stored} values: all see all {settled and round(settled, 2)} s after the first start, "
                    f"{len(asked) - len(problems)} of {len(asked)} read by {read:.1f} s")


def join_past_the_dead(args):
    with mesh.Mesh(args.n + 3) as m:
        m.spawn_all()
        m.wait_all_see(args.n + 3, 60)
        dead = m.nodes[-3:]
        for node in dead:
            node.kill()
        alive = m.nodes[:args.n]
        m.wait_all_see(args.n, 60, alive)
        # A suspect is handed on, and a newcomer lists it as alive until it has asked; what is measured is joining past the dead.
        mesh.wait_until(lambda: not any(node.members("suspect") for node in alive), 60, 0.2)
        time.sleep(25)  # the mesh is not forming any more
        took = []
        for i in range(args.joins):
            newcomer = m.new_node(args.n + 3 + i, seeds=[node.address for node in [*dead, alive[-1]]])
            m.nodes.append(newcomer)
            began = time.monotonic()
            newcomer.spawn()
            wanted = args.n + 1 + i
            alive.append(newcomer)
            own = mesh.wait_until(lambda: newcomer.alive_count() == wanted, 30, 0.01)
            own_s = time.monotonic() - began if own else None
            everybody = m.wait_all_see(wanted, 30, alive, step_s=0.02)
            took.append({"lists_all_s": own_s, "all_list_it_s": time.monotonic() - began if everybody is not None else None})
            mesh.say(f"join {i + 1}: {took[-1]}")
        checks = {"joined_within_1s": all(one["lists_all_s"] is not None and one["lists_all_s"] <= 1.0 for one in took)}
        mesh.finish("storm-seeds", args, {"joins": took}, checks, f"{args.n} nodes, {len(took)} joins past three dead seeds: {took}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("storm", choices=("values", "seeds"))
    parser.add_argument("-n", type=int, help="default: 21 and 40")
    parser.add_argument("--each", type=int, default=1000, help="values that a node puts")
    parser.add_argument("--reads", type=int, default=2000)
    parser.add_argument("--joins", type=int, default=5)
    parser.add_argument("--seed", type=int, default=random.getrandbits(32))
    args = parser.parse_args()
    mesh.enter_own_network()
    if args.storm == "values":
        args.n = args.n or 21
        restart_with_values(args)
    args.n = args.n or 40
    join_past_the_dead(args)


if __name__ == "__main__":
    main()
