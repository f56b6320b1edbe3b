#!/usr/bin/env python3
"""A million overwrites of a thousand keys by ten authors, each a real node: what is left of them on every disk and in every memory.

    tests/bench/state_million.py
    tests/bench/state_million.py --writes 100000
"""
import argparse
import base64
import random
import sqlite3
import threading
import time

import control
import mesh
from state_write import share

BATCH = 64
MIB = 1 << 20


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--authors", type=int, default=10)
    parser.add_argument("--keys", type=int, default=1000)
    parser.add_argument("--writes", type=int, default=1_000_000)
    parser.add_argument("--bytes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.getrandbits(32))
    args = parser.parse_args()
    mesh.enter_own_network()
    luck = random.Random(args.seed)

    with mesh.Mesh(args.authors) as m:
        share(m, "state_million", args)
        before = [node.pss_kib() for node in m.nodes]
        cpu = sum(node.cpu_s() for node in m.nodes)
        problems, refused, peak = [], [0], {"entries": 0, "pss_kib": 0, "db": 0}
        began = time.monotonic()
        writers = [threading.Thread(target=write, args=(args, node, random.Random(luck.getrandbits(64)), problems, refused))
                   for node in m.nodes]
        for writer in writers:
            writer.start()
        while any(writer.is_alive() for writer in writers):
            time.sleep(2)
            for node in m.nodes:
                peak["entries"] = max(peak["entries"], node.get("/v1/state/namespaces")[0]["entries"])
                peak["pss_kib"] = max(peak["pss_kib"], node.pss_kib())
                peak["db"] = max(peak["db"], (node.home / "weft.db").stat().st_size)
        written_s = time.monotonic() - began
        equal = mesh.wait_until(lambda: alike(m), 60, 0.5)
        # The last word on every key: one author's, so that nothing is left beside it.
        last = {f"k{i}": f"last {i} " + "x" * (args.bytes - 10) for i in range(args.keys)}
        names = list(last)
        for at in range(0, len(names), BATCH):
            m.nodes[0].post("/v1/state/batch", space="bench",
                            changes=[{"path": k, "what": "set", "value": last[k]} for k in names[at:at + BATCH]])
        equal = mesh.wait_until(lambda: alike(m), 60, 0.5) and equal
        # What it overwrote its authors' next checkpoints drop; they look once more of theirs has come. Nothing is asked of them here.
        time.sleep(5)
        for node in m.nodes:
            for key in luck.sample(names, 50):
                got = node.get("/v1/state/get", doc=f"bench/{key}")
                if base64.b64decode(got["value_base64"]).decode() != last[key] or got["conflicts"]:
                    problems.append(f"{node.name} {key}: {str(got)[:200]}")
        spaces = [node.get("/v1/state/namespaces")[0] for node in m.nodes]
        after = [node.pss_kib() for node in m.nodes]
        cpu = sum(node.cpu_s() for node in m.nodes) - cpu
        for node in m.nodes:
            node.stop()
        disks = [(node.home / "weft.db").stat().st_size for node in m.nodes]
        rows = [rows_of(node.home / "weft.db") for node in m.nodes]
        live = live_bytes(m.nodes[0].home / "weft.db", args)
        limit = 3 * live + 8 * MIB
        growth = max(a - b for a, b in zip(after, before)) * 1024
        result = {"written_s": written_s, "writes_per_s": args.writes / written_s, "refused_and_repeated": refused[0], "cpu_s": cpu,
                  "live_bytes": live, "limit_bytes": limit, "entries": [s["entries"] for s in spaces], "entry_bytes": [s["bytes"] for s in spaces],
                  "rows": rows, "db_bytes": disks, "pss_kib": {"before": before, "after": after}, "peak": peak, "problems": problems[:20]}
        mesh.finish("state_million", args, result,
                    {"nothing_wrong": not problems, "all_equal": bool(equal), "disk": max(disks) <= limit, "memory": growth <= limit},
                    f"{args.writes} writes in {written_s:.0f} s; live {live} bytes, entries {spaces[0]['entries']} ({spaces[0]['bytes']} bytes), "
                    f"weft.db at most {max(disks)} bytes, memory grew by at most {growth} (limit {limit})")


def write(args, node, luck, problems, refused):
    left = args.writes // args.authors
    number = 0
    while left > 0:
        count = min(BATCH, left)
        changes = []
        for key in luck.sample(range(args.keys), count):
            number += 1
            value = f"{node.name} {number} "
            changes.append({"path": f"k{key}", "what": "set", "value": value + "x" * (args.bytes - len(value))})
        try:
            node.post("/v1/state/batch", space="bench", changes=changes)
            left -= count
        except control.ApiError as error:
            # A full node says so; what is asked again is another write.
            refused[0] += 1
            if refused[0] > 1000:
                problems.append(str(error))
                return
            time.sleep(0.1)


def alike(m):
    return len({str(node.get("/v1/state/digest", space="bench")) for node in m.nodes}) == 1


def rows_of(path):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        return db.execute("SELECT count(*) FROM entries").fetchone()[0]


def live_bytes(path, args):
    """Of the entries that hold the thousand last values."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(entries)")]
        blob = next(c for c in columns if c in ("entry", "wire", "value"))
        sizes = [len(row[0]) for row in db.execute(f"SELECT {blob} FROM entries") if b"last " in row[0]]
    if len(sizes) < args.keys:
        raise RuntimeError(f"{len(sizes)} of {args.keys} live entries")
    return sum(sizes)


if __name__ == "__main__":
    main()
