#!/usr/bin/env python3
"""Heap allocations inside a running `weft up` while it serves: none, after warm-up.

A library counts every malloc, calloc, realloc and aligned allocation of the node into a mapped
file; a peer with real sealed sessions sends exact numbers of requests. With --trace N the node
prints the stacks of the first N allocations of each phase.

    tests/bench/allocs.py
"""
import argparse
import base64
import json
import os
import struct
import subprocess
import threading
import time

import mesh
import stores
import tools

NAMES = ("malloc", "calloc", "realloc", "aligned", "bytes")


class Counters:
    def __init__(self, path):
        self.path = path

    def read(self):
        with open(self.path, "rb") as file:
            return dict(zip(NAMES, struct.unpack("<5Q", file.read(40))))

    def trace(self, count):
        with open(self.path, "r+b") as file:
            file.seek(40)
            file.write(struct.pack("<q", count))


def allocations(before, after):
    return sum(after[name] - before[name] for name in NAMES if name != "bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--warm-up", type=int, default=2000)
    parser.add_argument("--members", type=int, default=300,
                        help="members told to the node in the end, so that it has news to spread")
    parser.add_argument("--trace", type=int, default=0, metavar="N")
    args = parser.parse_args()
    pinger, library = tools.tool("pinger"), tools.tool("liballoc_count.so")
    mesh.enter_own_network()

    with mesh.Mesh(1) as m:
        node = m.nodes[0]
        counters = Counters(str(m.root / "allocations"))
        node.spawn(env={**os.environ, "LD_PRELOAD": library, "WEFT_ALLOC_FILE": counters.path})
        node.wait_ready()
        client = subprocess.Popen([pinger, node.address, m.network], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)

        def tell(command):
            client.stdin.write(command + "\n")
            client.stdin.flush()
            line = client.stdout.readline()
            if not line:
                raise RuntimeError(f"the pinger ended at: {command}")
            return json.loads(line)

        try:
            client.stdout.readline()
            tell("ping 1")
            tell("join")
            # A value that the node itself holds, so that Get has something to serve.
            put = threading.Thread(target=lambda: node.post(
                "/v1/put", 25.0, key="color", value_base64=base64.b64encode(b"x" * 256).decode()))
            put.start()
            while put.is_alive():
                tell("idle 100")  # the peer answers what the put asks of it
            key = stores.dht_key("color")
            for command in ("ping", "gossip", "find"):
                tell(f"{command} {args.warm_up}")
            tell(f"get {args.warm_up} {key}")
            phases, checks = {}, {"the_library_counts": allocations(dict.fromkeys(NAMES, 0), counters.read()) > 0}

            def measure(phase, command, judged=True):
                counters.trace(args.trace)
                before = counters.read()
                outcome = tell(command)
                after = counters.read()
                counters.trace(0)
                outcome["allocations"] = allocations(before, after)
                outcome["allocated_bytes"] = after["bytes"] - before["bytes"]
                phases[phase] = outcome
                mesh.say(f"{phase}: {outcome}")
                if judged:
                    checks[f"{phase}_allocates_nothing"] = outcome["allocations"] == 0
                    checks[f"{phase}_all_answered"] = outcome["answered"] == args.count

            measure("ping", f"ping {args.count}")
            measure("ack_with_gossip", f"gossip {args.count}")
            measure("find_node", f"find {args.count}")
            measure("get", f"get {args.count} {key}")
            checks["the_node_holds_the_value"] = stores.dht_key("color") in stores.held_keys(node.home)
            checks["every_ack_carried_gossip"] = phases["ack_with_gossip"]["acks_with_items"] == args.count
            # For comparison: nothing asked, and gossip from the node's own queue. The latter comes
            # with probes of the members that do not exist, so it is told but not judged.
            measure("idle", "idle 3000", judged=False)
            tell(f"admit {args.members}")
            measure("news", f"news {args.count}", judged=False)
        finally:
            client.kill()
            client.wait()
        if args.trace:
            print(node.stderr_path.read_text(errors="replace"))
        mesh.finish("allocs", args, {"phases": phases}, checks,
                    "allocations: " + ", ".join(f"{name} {p['allocations']}" for name, p in phases.items()))


if __name__ == "__main__":
    main()
