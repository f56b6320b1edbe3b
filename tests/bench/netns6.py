#!/usr/bin/env python3
"""Six hosts on three subnets behind a router, IPv4 and IPv6, MTU 1280, everything at its default.

Each host is a network namespace with one node that listens where it does by default. Then one
changes its addresses and must stay the same member.

    tests/bench/netns6.py
"""
import argparse
import pathlib
import re
import subprocess
import time

import mesh

SUBNETS = 3
MTU = 1280


def ip(*words, inside=None):
    subprocess.run(["ip", *(["-n", inside] if inside else []), *map(str, words)], check=True)


def address(family, subnet, host):
    return f"10.77.{subnet}.{host}" if family == 4 else f"fd77:0:0:{subnet}::{host}"


def set_addresses(name, subnet, host):
    ip("addr", "add", address(4, subnet, host) + "/24", "dev", "eth0", inside=name)
    ip("addr", "add", address(6, subnet, host) + "/64", "dev", "eth0", "nodad", inside=name)
    ip("route", "replace", "default", "via", address(4, subnet, 1), inside=name)
    ip("-6", "route", "replace", "default", "via", address(6, subnet, 1), inside=name)


def add_namespace(name):
    ip("netns", "add", name)
    # Addresses work at once, without the second in which the kernel looks for duplicates.
    subprocess.run(["ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0",
                    "net.ipv6.conf.all.accept_dad=0"], check=True)
    ip("link", "set", "lo", "up", inside=name)


def build_network(hosts):
    """A router with one bridge a subnet, and the hosts. Gone with our mount and network namespace."""
    pathlib.Path("/run/netns").mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/netns"], check=True)
    add_namespace("router")
    subprocess.run(["ip", "netns", "exec", "router", "sysctl", "-qw", "net.ipv4.ip_forward=1",
                    "net.ipv6.conf.all.forwarding=1"], check=True)
    for subnet in range(SUBNETS):
        bridge = f"br{subnet}"
        ip("link", "add", bridge, "mtu", MTU, "type", "bridge", inside="router")
        ip("addr", "add", address(4, subnet, 1) + "/24", "dev", bridge, inside="router")
        ip("addr", "add", address(6, subnet, 1) + "/64", "dev", bridge, "nodad", inside="router")
        ip("link", "set", bridge, "up", inside="router")
    for name, subnet, host in hosts:
        add_namespace(name)
        ip("link", "add", "eth0", "mtu", MTU, "netns", name, "type", "veth",
           "peer", "name", f"to-{name}", "mtu", MTU, "netns", "router")
        ip("link", "set", f"to-{name}", "master", f"br{subnet}", "up", inside="router")
        ip("link", "set", "eth0", "up", inside=name)
        set_addresses(name, subnet, host)


def rows_of(nodes, member_id):
    return [row for node in nodes for row in node.members() if row["id"] == member_id]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bound-s", type=float, default=15)
    parser.add_argument("--move-bound-s", type=float, default=60)
    args = parser.parse_args()
    mesh.enter_own_network()
    hosts = [(f"host{i}", i % SUBNETS, 10 + i) for i in range(2 * SUBNETS)]
    build_network(hosts)

    with mesh.Mesh() as m:
        m.network = None  # the default one: nobody else is here
        first = time.monotonic()
        for i, (name, _, _) in enumerate(hosts):
            # The seed is named by IPv4 by one half of the hosts, by IPv6 by the other.
            seed = [] if i == 0 else [f"{address(4, 0, 10)}:9338" if i % 2 else f"[{address(6, 0, 10)}]:9338"]
            node = mesh.Node(m, i, None, seed)
            m.nodes.append(node.spawn(prefix=("ip", "netns", "exec", name)))
        formed = m.wait_all_see(len(hosts), 60)
        total = None if formed is None else time.monotonic() - first
        m.learn_ids()
        addresses = {row["address"] for node in m.nodes for row in node.members()}
        families = {"ipv6" if a.startswith("[") else "ipv4" for a in addresses}
        mesh.say(f"formed after {total and round(total, 2)} s; addresses in use: {sorted(addresses)}")

        mover, (name, subnet, _) = m.nodes[-1], hosts[-1]
        others = m.nodes[:-1]
        marks = m.event_sizes()
        ip("addr", "flush", "dev", "eth0", "scope", "global", inside=name)
        set_addresses(name, subnet, 99)
        moved_at = time.monotonic()
        new = re.compile(r"\b10\.77\.\d\.99:|::99\]:")
        seen = mesh.wait_until(
            lambda: all(row["state"] == "alive" and new.search(row["address"])
                        for row in rows_of(others, mover.id)), args.move_bound_s, 0.5)
        moved_s = time.monotonic() - moved_at if seen else None
        same = mover.running() and all(len(rows_of([node], mover.id)) == 1 for node in m.nodes)
        counts = [node.alive_count() for node in m.nodes]

        checks = {"all_see_all_in_time": total is not None and total <= args.bound_s,
                  "moved_node_is_known_at_its_new_address": seen is not None,
                  "stays_the_same_member": same and counts == [len(hosts)] * len(hosts),
                  "never_called_failed": not m.failures(marks)}
        result = {"formed_s": total and round(total, 2), "addresses": sorted(addresses),
                  "families": sorted(families), "moved_s": moved_s and round(moved_s, 2),
                  "rows_after_move": [(row["state"], row["address"], row["incarnation"])
                                      for row in rows_of(others, mover.id)],
                  "alive_after_move": counts, "failures": m.failures()}
        mesh.finish("netns6", args, result, checks,
                    f"six hosts on three subnets formed after {result['formed_s']} s over "
                    f"{'/'.join(sorted(families))}; one moved, known anew after {result['moved_s']} s")


if __name__ == "__main__":
    main()
