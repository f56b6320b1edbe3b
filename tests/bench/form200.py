#!/usr/bin/env python3
"""Forming: N processes spawned as fast as possible, until every one lists exactly N alive.

    tests/bench/form200.py --runs 5
"""
import argparse

import mesh


def one_run(count, limit_s):
    with mesh.Mesh(count) as m:
        before = mesh.lo_counters()
        first, span = m.spawn_all()
        formed = m.wait_all_see(count, limit_s)
        # From the first spawn, not from the end of spawning.
        total = None if formed is None else formed + span
        run = {"spawn_span_s": round(span, 3),
               "all_listed_s": None if total is None else round(total, 3),
               "ended": count - len(m.running()),
               "failures": m.failures()[:20],
               "cpu_s": round(sum(node.cpu_s() for node in m.running()), 2),
               "lo_bytes": mesh.lo_counters()[0] - before[0]}
        if total is None:
            run["alive_seen"] = sorted(node.alive_count() for node in m.running())[:20]
            run["stderr"] = next((node.stderr() for node in m.nodes if node.stderr()), "")
        return run


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=200)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--bound-s", type=float, default=20.0)
    args = parser.parse_args()
    mesh.enter_own_network()

    runs = []
    for i in range(args.runs):
        runs.append(one_run(args.n, 3 * args.bound_s))
        mesh.say(f"run {i + 1}: {runs[-1]}")
    times = [run["all_listed_s"] for run in runs]
    checks = {"all_in_time": all(t is not None and t <= args.bound_s for t in times),
              "no_failure_lines": not any(run["failures"] for run in runs),
              "nobody_ended": not any(run["ended"] for run in runs)}
    mesh.finish("form", args, {"runs": runs}, checks,
                f"{args.n} processes, all listed after {times} s, "
                f"spawned within {[run['spawn_span_s'] for run in runs]} s")


if __name__ == "__main__":
    main()
