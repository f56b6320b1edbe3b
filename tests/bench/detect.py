#!/usr/bin/env python3
"""How long a mesh takes to find out: one process killed, again and again, until all others have called it failed; then a quarter killed
at once, until every survivor's list is exact. Each time they are started again and all see all before the next. By the event lines of the
survivors, stamped when read (every 20 ms); nobody else may have been called failed.

    tests/bench/detect.py [-n 200] [--single 10] [--quarter 5]
"""
import argparse
import os
import random
import signal
import statistics
import time

import mesh

POLL_S = 0.02
GIVE_UP_S = 60


def watch(m, victims):
    """Kills them; ({survivor: {id: seconds until it called it failed}}, those it called failed besides)."""
    survivors = [node for node in m.nodes if node not in victims]
    tail = mesh.EventTail(survivors)
    wanted = {node.id for node in victims}
    told, others = {node: {} for node in survivors}, []
    for node in victims:
        os.kill(node.pid, signal.SIGKILL)
    killed_at = time.monotonic()
    open_pairs = len(survivors) * len(wanted)
    while open_pairs and time.monotonic() - killed_at < GIVE_UP_S:
        time.sleep(POLL_S)
        for at, node, event in tail.poll():
            whom = mesh.became(event, "failed")
            if whom in wanted and whom not in told[node]:
                told[node][whom] = at - killed_at
                open_pairs -= 1
            elif whom and whom not in wanted:
                others.append((node.name, whom))
    tail.close()
    for node in victims:
        node.kill()
    return told, others


def come_back(m, victims):
    for node in victims:
        node.spawn()
    return m.wait_all_see(len(m.nodes), GIVE_UP_S)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-n", type=int, default=200)
    parser.add_argument("--single", type=int, default=10)
    parser.add_argument("--quarter", type=int, default=5)
    parser.add_argument("--settle", type=float, default=30)
    parser.add_argument("--rest", type=float, default=20, help="seconds between all seeing all and the next kill")
    parser.add_argument("--seed", type=int, default=random.getrandbits(32))
    args = parser.parse_args()
    mesh.enter_own_network()
    luck = random.Random(args.seed)

    with mesh.Mesh(args.n) as m:
        m.spawn_all()
        if m.wait_all_see(args.n, 60) is None:
            mesh.finish("detect", args, {}, {"formed": False}, "the mesh did not form")
        m.learn_ids()
        time.sleep(args.settle)
        single, quarter, false_failures, returned = [], [], [], True
        for kills, rows in ((args.single, single), (args.quarter, quarter)):
            for _ in range(kills):
                victims = luck.sample(m.nodes[1:], 1 if rows is single else args.n // 4)
                told, others = watch(m, victims)
                times = sorted(at for row in told.values() for at in row.values())
                whole = len(times) == len(told) * len(victims)
                rows.append({"first_s": times[0] if times else None, "p50_s": mesh.quantile(times, 0.5) if times else None,
                             "all_s": times[-1] if whole else None})
                mesh.say(f"{len(victims)} killed: {rows[-1]}")
                false_failures += others
                returned = come_back(m, victims) is not None and returned
                time.sleep(args.rest)

        def median(rows):
            return statistics.median(row["all_s"] or GIVE_UP_S for row in rows) if rows else 0

        worst = max((row["all_s"] or GIVE_UP_S for row in quarter), default=0)
        checks = {"one_median_4_s": median(single) <= 4, "quarter_median_8_s": median(quarter) <= 8, "quarter_always_13_s": worst <= 13,
                  "no_false_failure": not false_failures, "all_came_back": returned}
        mesh.finish("detect", args, {"one": single, "quarter": quarter, "false_failures": false_failures[:20]}, checks,
                    f"{args.n} nodes: one killed is known to all after {median(single):.2f} s (median of {len(single)}), a quarter after {median(quarter):.2f} s "
                    f"(worst {worst:.2f}); {len(false_failures)} false failures")


if __name__ == "__main__":
    main()
