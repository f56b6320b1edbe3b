#!/usr/bin/env python3
"""A node of many own values: kill -9 and start again, until it is ready; its memory; what asking it costs.

    tests/bench/own_start.py --values 100000 --runs 5

Two nodes. The first puts one value; the others are that row under random keys, written into its store while
it is stopped, as a start checks the form of rows and no signatures (so nobody but it takes them).
"""
import argparse
import base64
import random
import sqlite3
import threading
import time

import control
import mesh
import stores


def multiply(home, values):
    store = sqlite3.connect(stores.database_of(home))
    row = store.execute("SELECT number, remaining_s, written_ms, renew, value FROM own").fetchone()
    luck = random.Random(1)
    with store:
        store.executemany("INSERT INTO own(key, number, remaining_s, written_ms, renew, value) VALUES(?,?,?,?,?,?)",
                          ((luck.randbytes(32), *row) for _ in range(values - 1)))
    store.close()


def median_ms(call, times):
    took = []
    for _ in range(times):
        began = time.monotonic()
        call()
        took.append((time.monotonic() - began) * 1e3)
    return round(sorted(took)[len(took) // 2], 2)


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def start(node):
    """Seconds from the spawn to ready."""
    node.spawn()
    began = time.monotonic()
    while time.monotonic() - began < 60:
        status = node.answers()
        if status and status["ready"]:
            return time.monotonic() - node.spawned_at
        time.sleep(.002)
    raise RuntimeError(f"not ready: {node.stderr()}")


def list_beside_status(node):
    """While one caller has all own values listed: how long it waits, and the longest another waits for a status."""
    waited, ended = [], threading.Event()

    def ask():
        connection = control.Control(node.home / "control.sock")
        while not ended.is_set():
            began = time.monotonic()
            connection.get("/v1/status")
            waited.append(time.monotonic() - began)

    thread = threading.Thread(target=ask)
    thread.start()
    began = time.monotonic()
    lister, listed, last = control.Control(node.home / "control.sock"), 0, ""
    while True:  # in pages, as `weft own` does
        page = lister.get("/v1/own" + last)
        listed += len(page)
        if len(page) < 1024:
            break
        last = "?after=" + page[-1]["key"]
    took = time.monotonic() - began
    ended.set()
    thread.join()
    return {"listed": listed, "s": round(took, 3), "others_wait_s": round(max(waited), 3)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--values", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    mesh.enter_own_network()
    with mesh.Mesh(2) as two:
        two.spawn_all()
        two.wait_all_see(2, 20)
        owner = two.nodes[1]
        owner.post("/v1/put", key="one", value_base64=base64.b64encode(bytes(256)).decode())
        one = owner.pss_kib()
        owner.kill()
        multiply(owner.home, args.values)
        ready, rss, pss = [], [], []
        for _ in range(args.runs):
            ready.append(round(start(owner), 3))
            time.sleep(5)  # the first publications begin 10 s after a start
            rss.append(rss_kib(owner.pid))
            pss.append(owner.pss_kib())
            own = owner.get("/v1/status")["store"]["own"]
            status_ms = median_ms(lambda: owner.get("/v1/status"), 20)
            listed = list_beside_status(owner)
            owner.kill()
        result = {"own": own, "ready_s": ready, "rss_kib": rss, "pss_kib": pss, "pss_kib_with_one": one,
                  "status_ms": status_ms, "list": listed}
        mesh.finish("own_start", args, result, {"all_there": own == args.values},
                    f"ready after {min(ready)} to {max(ready)} s, {max(rss)} KiB")


if __name__ == "__main__":
    main()
