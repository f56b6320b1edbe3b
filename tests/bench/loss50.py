#!/usr/bin/env python3
"""Packet loss and a split by the kernel: nobody alive is called failed, the dead one is, and after
the split everyone finds everyone, and every node what was put on either side.

    tests/bench/loss50.py
    tests/bench/loss50.py -n 100 --loss 25 --loss-s 180 --busy 1

--busy: so many processes count as fast as they can meanwhile. Bytes and packets are what `lo` carried, headers included.
"""
import argparse
import concurrent.futures
import random
import subprocess
import sys
import time

import mesh
from workload import Values


def read_everywhere(values, nodes, since, limit_s):
    """Every value at every node, again where it was not found; (seconds since `since` until the last was, how many were not)."""
    open_ = [(node, key) for key in values.bytes for node in nodes]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        while open_ and time.monotonic() - since < limit_s:
            problems = pool.map(lambda job: values.get_one(*job)[1], open_)
            open_ = [job for job, problem in zip(open_, problems) if problem]
    return time.monotonic() - since, len(open_)


def watch(tail, seconds, failed):
    """Reads event lines for that long; notes who called whom failed, and when."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for at, node, event in tail.poll():
            subject = mesh.became(event, "failed")
            if subject:
                failed.append((at, node.name, subject))
        time.sleep(0.1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=50)
    parser.add_argument("--loss", type=int, default=10, help="per cent of datagrams")
    parser.add_argument("--loss-s", type=float, default=120)
    parser.add_argument("--split-s", type=float, default=60)
    parser.add_argument("--values", type=int, default=20, help="put on each side of the split")
    parser.add_argument("--settle-s", type=float, default=10)
    parser.add_argument("--busy", type=int, default=0)
    args = parser.parse_args()
    mesh.enter_own_network()

    with mesh.Mesh(args.n) as m:
        m.spawn_all()
        if m.wait_all_see(args.n, 60) is None:
            mesh.finish("loss", args, {}, {"formed": False}, "the mesh did not form")
        m.learn_ids()
        time.sleep(args.settle_s)
        tail = mesh.EventTail(m.nodes)

        mesh.say(f"{args.n} formed; dropping {args.loss} % for {args.loss_s:.0f} s")
        failed = []
        mesh.nft_drop_share(args.loss)
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(args.busy)]
        loss_from, sent_before = time.monotonic(), mesh.lo_counters()
        watch(tail, args.loss_s * 2 / 3, failed)
        span = (time.monotonic() - loss_from) * args.n
        rates = [round((now - before) / span, 2) for now, before in zip(mesh.lo_counters(), sent_before)]
        victim = random.choice(m.nodes)
        victim.kill()
        killed_at = time.monotonic()
        watch(tail, max(16, args.loss_s - (killed_at - loss_from)), failed)
        mesh.nft_clear()
        for process in busy:
            process.kill()
            process.wait()
        survivors = [node for node in m.nodes if node is not victim]
        false = [row for row in failed if row[2] != victim.id]
        told = {name: at - killed_at for at, name, subject in failed if subject == victim.id}
        listed = [node.name for node in survivors
                  if victim.id not in {row["id"] for row in node.members("failed")}]

        half = len(survivors) // 2
        luck = random.sample(survivors, len(survivors))
        ports = [int(node.address.rsplit(":", 1)[1]) for node in luck]
        mesh.say(f"detected by {len(told)} within {max(told.values(), default=0):.1f} s; "
                 f"splitting {half}/{len(luck) - half} for {args.split_s:.0f} s")
        mesh.nft_split(ports[:half], ports[half:])
        split_at = time.monotonic()
        time.sleep(args.split_s / 2)
        values = Values(random.getrandbits(32))
        for side, nodes in (("a", luck[:half]), ("b", luck[half:])):
            values.put_many(nodes, args.values, side)
        time.sleep(max(0, split_at + args.split_s - time.monotonic()))
        sides = sorted({node.alive_count() for node in survivors})
        mesh.nft_clear()
        healed_at = time.monotonic()
        merged = m.wait_all_see(len(survivors), 120, survivors)
        read_s, unread = read_everywhere(values, survivors, healed_at, 60)

        checks = {"all_put": len(values.bytes) == 2 * args.values, "all_read_everywhere_within_30s": unread == 0 and read_s <= 30,
                  "no_false_failure": not false,
                  "killed_known_to_all_within_12s": len(told) == len(survivors)
                  and max(told.values()) <= 12.0 and not listed,
                  "split_was_noticed": max(sides) < len(survivors),
                  "all_see_all_within_10s": merged is not None and merged <= 10.0}
        result = {"bytes_per_node_s": rates[0], "packets_per_node_s": rates[1], "false_failures": [(name, subject) for _, name, subject in false][:20],
                  "detect_first_s": told and round(min(told.values()), 2),
                  "detect_all_s": told and round(max(told.values()), 2),
                  "detected_by": len(told), "not_listing_it": listed[:10],
                  "alive_seen_in_split": sides, "merged_s": merged and round(merged, 2),
                  "values_put_in_split": len(values.bytes), "put_errors": values.errors[:5], "read_everywhere_s": round(read_s, 2), "unread": unread}
        mesh.finish("loss", args, result, checks,
                    f"{len(false)} false failures and {rates[0]} bytes/s a node at {args.loss} % loss, the killed one known to "
                    f"{len(told)}/{len(survivors)} after {result['detect_all_s']} s, all see all "
                    f"{result['merged_s']} s after the split, {len(values.bytes)} values of both sides read at every node after {read_s:.1f} s")


if __name__ == "__main__":
    main()
