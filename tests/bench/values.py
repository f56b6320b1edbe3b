#!/usr/bin/env python3
"""Values through a massacre: put, find elsewhere, kill a quarter at once, find, restart, find.

    tests/bench/values.py
"""
import argparse
import os
import random
import signal
import time

import mesh
import stores
from workload import Values


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=200)
    parser.add_argument("--values", type=int, default=1000)
    parser.add_argument("--kill", type=int, help="default: a quarter")
    parser.add_argument("--threads", type=int, default=4, help="gets under way at once")
    parser.add_argument("--seed", type=int, default=random.getrandbits(32))
    args = parser.parse_args()
    mesh.enter_own_network()
    luck = random.Random(args.seed)
    killed_count = args.kill or args.n // 4

    with mesh.Mesh(args.n) as m:
        _, span = m.spawn_all()
        formed = m.wait_all_see(args.n, 60)
        if formed is None:
            mesh.finish("values", args, {}, {"formed": False}, "the mesh did not form")
        mesh.say(f"{args.n} formed in {formed + span:.1f} s; putting {args.values} values")

        values = Values(args.seed)
        answers = [a for a in values.put_many(m.nodes, args.values) if a]
        time.sleep(1)  # relaxed copies reach their stores
        holders = stores.holders(m.nodes)
        copies = [len(holders.get(key, ())) for key in values.dht_key.values()]
        mesh.say(f"stored: {len(answers)}, copies {min(copies)}-{max(copies)}; finding them elsewhere")
        before_s, before_bad = values.get_all(m.nodes, holders, args.threads)

        victims = luck.sample(m.nodes, killed_count)
        marks = m.event_sizes()
        first_kill = time.monotonic()
        for node in victims:
            os.kill(node.pid, signal.SIGKILL)
        last_kill = time.monotonic()
        survivors = [node for node in m.nodes if node not in victims]
        first_key = luck.choice(list(values.bytes))
        first_get_at = time.monotonic() - last_kill
        first_get_s, first_bad = values.get_one(
            luck.choice([s for s in survivors if s not in holders.get(values.dht_key[first_key], ())]),
            first_key)
        after_s, after_bad = values.get_all(survivors, holders, args.threads)
        after_span = time.monotonic() - last_kill
        for node in victims:
            node.kill()
        mesh.say(f"{killed_count} killed within {last_kill - first_kill:.3f} s; found "
                 f"{len(after_s)}/{args.values} within {after_span:.1f} s; waiting for detection")
        detected = m.wait_all_see(args.n - killed_count, 60, survivors)
        detected_s = None if detected is None else time.monotonic() - last_kill
        victim_ids = {row["id"] for row in survivors[0].members()
                      if row["name"] in {v.name for v in victims}}
        false_failures = m.failures(marks, except_ids=victim_ids)

        restart_from = time.monotonic()
        for node in victims:
            node.spawn()
        restart_span = time.monotonic() - restart_from
        back = m.wait_all_see(args.n, 60)
        back_s = None if back is None else back + restart_span
        mesh.say(f"restarted within {restart_span:.1f} s, all see all after {back_s and round(back_s, 2)} s; finding again")
        holders = stores.holders(m.nodes)
        again_s, again_bad = values.get_all(m.nodes, holders, args.threads)

        checks = {
            "all_stored": len(answers) == args.values,
            "all_found_elsewhere": not before_bad and len(before_s) == args.values,
            "first_get_within_1s": first_get_at + first_get_s <= 1.0 and first_bad is None,
            "all_found_after_kill": not after_bad,
            "p99_below_1s": bool(after_s) and mesh.quantile(after_s, .99) < 1.0,
            "no_false_failure": not false_failures,
            "all_see_all_within_10s": back_s is not None and back_s <= 10.0,
            "all_found_after_restart": not again_bad,
        }
        result = {
            "copies": {"min": min(copies), "max": max(copies)},
            "acknowledged": {"min": min(a["replicas"] for a in answers),
                             "max": max(a["replicas"] for a in answers)} if answers else None,
            "put": mesh.summary_ms(values.seconds), "get": mesh.summary_ms(before_s),
            "kill_span_s": round(last_kill - first_kill, 4),
            "first_get_after_last_kill_s": round(first_get_at, 4),
            "first_get_ms": round(1000 * first_get_s, 2),
            "get_after_kill": mesh.summary_ms(after_s), "get_after_kill_span_s": round(after_span, 2),
            "detected_all_s": detected_s and round(detected_s, 2),
            "restart_span_s": round(restart_span, 2), "all_back_s": back_s and round(back_s, 2),
            "get_after_restart": mesh.summary_ms(again_s),
            "problems": (values.errors + before_bad + [p for p in [first_bad] if p] + after_bad
                         + again_bad)[:20],
            "false_failures": false_failures[:20],
        }
        mesh.finish("values", args, result, checks,
                    f"{len(answers)} stored, {len(before_s)} found elsewhere, {killed_count} killed, "
                    f"{len(after_s)} found (p50 {result['get_after_kill'].get('p50')}, "
                    f"p99 {result['get_after_kill'].get('p99')} ms), all back after {result['all_back_s']} s, "
                    f"{len(again_s)} found again")


if __name__ == "__main__":
    main()
