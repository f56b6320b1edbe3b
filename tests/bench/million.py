#!/usr/bin/env python3
"""Start, memory and latencies of a node whose store has a million values, in a mesh of four, or of an empty one.

    build/release/tests/bench/store_bench DIR loads     # makes DIR/weft-loads.db
    tests/bench/million.py DIR/weft-loads.db            # on a copy of it
    tests/bench/million.py                              # empty
"""
import base64
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

from control import Control

WEFT = os.environ.get("WEFT", "build/release/weft")
PORT = 19400


def pss_mib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def up(home, port, join=None):
    began = time.monotonic()
    command = [WEFT, "up", "--home", home, "--listen", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command + (["--join", f"127.0.0.1:{join}"] if join else []),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while time.monotonic() - began < 30:
        control = Control(home + "/control.sock")
        try:
            status = control.get("/v1/status")
            return process, control, time.monotonic() - began, status
        except OSError:
            time.sleep(0.005)
    process.kill()
    sys.exit("the node does not answer")


def latencies(control, kind, keys):
    took = []
    for key in keys:
        body = {"key": key}
        if kind == "put":
            body["value_base64"] = base64.b64encode(b"v" * 256).decode()
        began = time.monotonic()
        control.post("/v1/" + kind, body)
        took.append(1000 * (time.monotonic() - began))
    took.sort()
    return f"{kind} p50 {took[len(took) // 2]:.2f} p99 {took[len(took) * 99 // 100]:.2f} ms"


def fill(home, database):
    """A copy of the store, as if it had been in use until now."""
    process, control, _, _ = up(home, PORT)  # makes the identity
    control.close()
    process.terminate()
    process.wait()
    for suffix in ("-wal", "-shm"):
        if os.path.exists(f"{home}/weft.db{suffix}"):
            os.remove(f"{home}/weft.db{suffix}")
    shutil.copyfile(database, f"{home}/weft.db")
    with sqlite3.connect(f"{home}/weft.db") as db:
        db.execute("UPDATE life SET last_seen_ms = ?, number = number + 10", (int(1000 * time.time()),))
    db.close()


def main():
    scratch = tempfile.mkdtemp(prefix="weft-")
    processes = []
    try:
        homes = [os.path.join(scratch, str(i)) for i in range(4)]
        for home in homes:
            os.mkdir(home)
        if len(sys.argv) > 1:
            fill(homes[0], sys.argv[1])
        process, control, took, status = up(homes[0], PORT)
        processes.append(process)
        print(f"first status after {took:.3f} s, {status['store']['values']} values")
        others = [up(home, PORT + 1 + i, PORT) for i, home in enumerate(homes[1:])]
        processes += [other[0] for other in others]
        time.sleep(3)
        print(f"PSS {pss_mib(process.pid):.1f} MiB")
        run = random.getrandbits(64)
        own, foreign = ([f"{name}{run}-{i}" for i in range(400)] for name in ("own", "foreign"))
        print("by the node:", latencies(control, "put", own), latencies(control, "get", own))
        print("by another:", latencies(others[0][1], "put", foreign))
        print("got by the node:", latencies(control, "get", foreign))
        time.sleep(20)
        print(f"PSS {pss_mib(process.pid):.1f} MiB")
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
        shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
