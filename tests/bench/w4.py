#!/usr/bin/env python3
"""Requests and answers between two processes on loopback, as fast as they go: a running `weft up` in a sealed session against a bare libuv UDP
server that answers with as many bytes, in turn.

    tests/bench/w4.py [--rounds 5] [--seconds 3] [--window 32]

The server is on one core and who asks on another. Judged by answers a second as the asker counts them, and by the servers' CPU time as
the kernel counts it.
"""
import argparse
import json
import statistics
import subprocess

import mesh
import tools


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--window", type=int, default=32)
    args = parser.parse_args()
    w4 = tools.tool("w4")
    mesh.enter_own_network()
    result, checks = {}, {}
    with mesh.Mesh(1) as m:
        node = m.nodes[0]
        node.spawn(prefix=["taskset", "-c", "0"])
        node.wait_ready()
        bare = subprocess.Popen(["taskset", "-c", "0", w4, "echo"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        port = int(bare.stdout.readline())

        def ask(pid, *words):
            before = mesh.cpu_s(pid)
            done = subprocess.run(["taskset", "-c", "1", w4, *map(str, words)], capture_output=True, text=True, check=True, timeout=60)
            told = json.loads(done.stdout)
            told["per_s"] = told["answers"] / told["seconds"]
            told["server_us"] = 1e6 * (mesh.cpu_s(pid) - before) / max(1, told["answers"])
            return told
        told = []
        for what in ("ping", "find"):
            ask(node.pid, "weft", node.address, m.network, 1, args.window, what)
            rows = []
            for _ in range(args.rounds):
                ours = ask(node.pid, "weft", node.address, m.network, args.seconds, args.window, what)
                theirs = ask(bare.pid, "bare", port, args.seconds, args.window, round(ours["request_bytes"]), round(ours["answer_bytes"]))
                rows.append({"weft": ours, "bare": theirs, "ratio": ours["per_s"] / theirs["per_s"]})
                mesh.say(f"{what}: {ours['per_s']:.0f}/s ({ours['server_us']:.1f} us), bare {theirs['per_s']:.0f}/s ({theirs['server_us']:.1f} us)")
            ratio = statistics.median(row["ratio"] for row in rows)
            result[what] = {"ratio": round(ratio, 3), "rounds": rows}
            checks[f"{what}_at_least_half"] = ratio >= 0.5
            told.append(f"{what} of {rows[0]['weft']['request_bytes']:.0f} and {rows[0]['weft']['answer_bytes']:.0f} bytes at {ratio:.2f} of it")
        bare.stdin.close()
        bare.wait(10)
    mesh.finish("w4", args, result, checks, "against a bare UDP server: " + ", ".join(told))


if __name__ == "__main__":
    main()
