#!/usr/bin/env python3
"""How long a write of shared state takes over the control socket until it is durable and acknowledged, and until other nodes show it.

    tests/bench/state_write.py
"""
import argparse
import base64
import random
import time

import control
import mesh


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=20)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.getrandbits(32))
    args = parser.parse_args()
    mesh.enter_own_network()
    luck = random.Random(args.seed)

    with mesh.Mesh(args.n) as m:
        share(m, "state_write", args)
        writer, reader = m.nodes[-1], m.nodes[0]
        written, shown, problems = [], [], []
        for i in range(args.count):
            value = f"{i} {luck.getrandbits(64):x}"
            began = time.monotonic()
            writer.post("/v1/state/write", doc="bench/key", what="set", value=value)
            written.append(time.monotonic() - began)
            # Every tenth is looked for elsewhere, by asking again and again.
            if i % 10:
                continue
            there = mesh.wait_until(lambda: is_there(reader, value), 5, 0.001)
            shown.append(time.monotonic() - began)
            if not there:
                problems.append(f"write {i} never came")
        equal = mesh.wait_until(lambda: len({str(node.get("/v1/state/digest", space="bench")) for node in m.nodes}) == 1, 20, 0.2)
        result = {"acknowledged": mesh.summary_ms(written), "elsewhere": mesh.summary_ms(shown), "problems": problems[:20]}
        mesh.finish("state_write", args, result,
                    {"nothing_lost": not problems, "all_equal": bool(equal),
                     "acknowledged_p50_at_most_3ms": result["acknowledged"].get("p50", 1e9) <= 3.0},
                    f"acknowledged p50 {result['acknowledged'].get('p50')} p99 {result['acknowledged'].get('p99')} ms, "
                    f"shown by another node p50 {result['elsewhere'].get('p50')} p99 {result['elsewhere'].get('p99')} ms")


def share(m, name, args):
    """The mesh forms, and all its nodes have the namespace `bench`."""
    m.spawn_all()
    if m.wait_all_see(len(m.nodes), 60) is None:
        mesh.finish(name, args, {}, {"formed": False}, "the mesh did not form")
    m.share("bench")
    time.sleep(3)


def is_there(node, value):
    try:
        return base64.b64encode(value.encode()).decode() in str(node.get("/v1/state/get", doc="bench/key"))
    except control.ApiError:
        return False


if __name__ == "__main__":
    main()
