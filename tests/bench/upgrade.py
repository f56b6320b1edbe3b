#!/usr/bin/env python3
"""A mesh of an older weft becomes one of this weft, node by node, each in its home with all it holds, half of
them ended by SIGTERM and half by SIGKILL; every value is read at every step, from an old and a new node.

    tests/bench/upgrade.py path/to/older/weft
"""
import argparse
import random

import mesh
from workload import Values


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("older", help="binary of the older weft")
    parser.add_argument("-n", type=int, default=14)
    parser.add_argument("--values", type=int, default=60)
    parser.add_argument("--seed", type=int, default=random.getrandbits(32))
    args = parser.parse_args()
    mesh.enter_own_network()
    newer = mesh.weft_binary()
    problems, own_lost, numbers = [], 0, {}

    with mesh.Mesh(args.n, binary=args.older) as m:
        m.spawn_all()
        if m.wait_all_see(args.n, 60) is None:
            mesh.finish("upgrade", args, {}, {"formed": False}, "the mesh of older nodes did not form")
        values = Values(args.seed)
        values.put_many(m.nodes, args.values)
        m.learn_ids()
        versions = {m.nodes[0].get("/v1/status")["version"]}
        for index, node in enumerate(m.nodes):
            own = {row["key"]: row["seq"] for row in node.get("/v1/own")}
            numbers[node] = next(row["incarnation"] for row in node.members() if row["id"] == node.id)
            if index % 2:
                node.stop()
            else:
                node.kill()
            m.binary = newer
            node.spawn().wait_ready()
            m.binary = args.older
            if m.wait_all_see(args.n, 30) is None:
                problems.append(f"{node.name} is not seen by all after its upgrade")
            again = {row["key"]: row["seq"] for row in node.get("/v1/own")}
            own_lost += sum(again.get(key, 0) < seq for key, seq in own.items())
            number = next(row["incarnation"] for row in node.members() if row["id"] == node.id)
            if number <= numbers[node]:
                problems.append(f"{node.name} has number {number} after {numbers[node]}")
            for reader in node, m.nodes[(index + 1) % args.n]:
                problems += [p for key in values.bytes for _, p in [values.get_one(reader, key)] if p]
        versions.add(m.nodes[0].get("/v1/status")["version"])
        stubs = sum((node.home / "store.db").exists() and (node.home / "weft.db").exists() for node in m.nodes)
        # Back to the older one: it must refuse and change nothing.
        first = m.nodes[0]
        first.stop()
        first.spawn()  # m.binary is the older one
        refused = mesh.wait_until(lambda: not first.running(), 10) and first.process.returncode == 1

    checks = {"nothing_lost": not problems and own_lost == 0, "all_stored": len(values.bytes) == args.values,
              "older_one_refuses_afterwards": bool(refused) or not stubs}
    mesh.finish("upgrade", args, {"versions": sorted(versions), "stores_moved": stubs, "own_lost": own_lost,
                                  "problems": problems[:20]}, checks,
                f"{args.n} nodes upgraded one by one, {args.values} values read {2 * args.n} times")


if __name__ == "__main__":
    main()
