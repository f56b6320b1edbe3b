#!/usr/bin/env python3
"""kill -9 at random instants under load, judged in the stores themselves.

    tests/bench/kill9.py --kills 1000

A ledger keeps what each put was told: under this key, so many copies. The moment a node is killed the
stores of all are read with SQLite, that of the victim from a copy made before it starts again: as many
of them must hold the value as were acknowledged, and the number in the victim's must be no less than
any that another node lists. Then it starts again in its home.
"""
import argparse
import base64
import contextlib
import pathlib
import random
import shutil
import sqlite3
import tempfile
import threading
import time

import mesh
import stores
from control import ApiError


class Load:
    """Puts of fresh keys at random nodes at a steady rate, and the ledger of those acknowledged."""

    def __init__(self, nodes, per_s):
        self.nodes, self.per_s = nodes, per_s
        self.told = []    # (when, key, copies)
        self.failed = 0   # that were told to the caller: nothing was promised
        self.lock, self.ended = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True) for i in range(4)]

    def run(self, lane):
        random_ = random.Random(lane)
        count = 0
        while not self.ended.wait(len(self.threads) / self.per_s * random_.uniform(.5, 1.5)):
            key = f"kill9-{lane}-{count}"
            count += 1
            value = random_.randbytes(256)
            node = random_.choice(self.nodes)
            try:
                answer = put(node, key, value)
            except (ApiError, OSError):
                self.failed += 1
                continue
            with self.lock:
                self.told.append((time.monotonic(), key, answer["replicas"]))

    def since(self, when):
        with self.lock:
            return [entry for entry in self.told if entry[0] >= when]


def put(node, key, value):
    return node.post("/v1/put", timeout_s=10.0, key=key, value_base64=base64.b64encode(value).decode())


def number_in(home):
    with contextlib.closing(sqlite3.connect(f"file:{stores.database_of(home)}?mode=ro", uri=True)) as db:
        row = db.execute("select number from life").fetchone()
    return row[0]


def number_shown(node, of):
    """The number that `node` lists for another one; 0 if it has just started and lists none."""
    for _ in range(2):  # a connection that was kept may be one to its earlier life
        try:
            return max((row["incarnation"] for row in node.members() if row["id"] == of.id), default=0)
        except (ApiError, OSError):
            node.control.close()
    return 0


def copy_of(home, to):
    """The store as the dead process left it. SQLite mends what it opens, so it gets a copy."""
    for path in home.glob("weft.db*"):
        if not path.name.endswith("-shm"):
            shutil.copy(path, to / path.name)
    return to


def ready_after(node, skip, timeout_s):
    """Seconds from the spawn to the event line that says so."""
    def look():
        with open(node.events_path, "rb") as file:
            file.seek(skip)
            return any(event.get("event") == "ready" for event in mesh.parse_events(file.read()))
    return time.monotonic() - node.spawned_at if mesh.wait_until(look, timeout_s, 0.005) else None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=20)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=15, help="puts a second")
    parser.add_argument("--pause", type=float, default=0.5, help="between kills, seconds at most")
    parser.add_argument("--look-back", type=float, default=3, help="puts so old are judged at each kill, seconds")
    parser.add_argument("--durability", choices=["commit", "relaxed"], help="relaxed shows that the judge sees losses")
    parser.add_argument("--seed", type=int, default=random.getrandbits(32))
    args = parser.parse_args()
    mesh.enter_own_network()
    random_ = random.Random(args.seed)

    problems, starts, judged, numbers = [], [], 0, {}
    with mesh.Mesh(args.n) as m:
        for node in m.nodes if args.durability else []:
            node.extra += ["--durability", args.durability]
        m.spawn_all()
        if m.wait_all_see(args.n, 60) is None:
            mesh.finish("kill9", args, {}, {"formed": False}, "the mesh did not form")
        m.learn_ids()
        load = Load(m.nodes, args.rate)
        for thread in load.threads:
            thread.start()
        began = time.monotonic()
        for kill in range(args.kills):
            time.sleep(random_.uniform(0, args.pause))
            victim = random_.choice(m.nodes)
            skip = victim.events_path.stat().st_size
            victim.kill()
            promised = load.since(time.monotonic() - args.look_back)
            others = [node for node in m.nodes if node is not victim]
            listed = max(number_shown(node, victim) for node in random_.sample(others, 3))
            with tempfile.TemporaryDirectory() as folder:
                dead = copy_of(victim.home, pathlib.Path(folder))
                held = {victim: stores.held_keys(dead)}
                number = number_in(dead)
            for node in others:
                held[node] = stores.held_keys(node.home)
            for _, key, copies in promised:
                judged += 1
                there = sum(stores.dht_key(key) in keys for keys in held.values())
                if there < copies:
                    problems.append(f"kill {kill}: {key} was acknowledged {copies} times, {there} stores have it")
            if number < listed or number < numbers.get(victim, 0):
                problems.append(f"kill {kill}: {victim.name} has number {number}, shown were {listed}, "
                                f"{numbers.get(victim, 0)}")
            numbers[victim] = number
            seconds = ready_after(victim.spawn(), skip, 20)
            if seconds is None:
                problems.append(f"kill {kill}: {victim.name} did not start: {victim.stderr()[-200:]}")
                break
            starts.append(seconds)
            if (kill + 1) % 50 == 0:
                mesh.say(f"{kill + 1} kills, {len(load.told)} puts ({load.failed} failed), {judged} judged, "
                         f"slowest start {max(starts):.2f} s, {len(problems)} problems")
        span = time.monotonic() - began
        load.ended.set()
        for thread in load.threads:
            thread.join(15)
        seen = m.wait_all_see(args.n, 60)
        # In the end: everything that was ever acknowledged is found at a node without a copy.
        lost = [] if problems else sorted({key for _, key, _ in load.told} - found(m, load, random_))
        problems += [f"{key} is not found" for key in lost]
    result = {"kills": len(starts), "span_s": round(span, 1), "puts": len(load.told), "puts_failed": load.failed,
              "copies_judged": judged, "start": mesh.summary_ms(starts), "problems": problems[:20]}
    checks = {"nothing_lost": not problems, "all_see_each_other": seen is not None,
              "each_start_within_1s": max(starts, default=9) <= 1.0}
    mesh.finish("kill9", args, result, checks,
                f"{len(starts)} kills in {span:.0f} s, {len(load.told)} puts, {judged} puts judged, "
                f"start p50 {result['start'].get('p50')} max {result['start'].get('max')} ms")


def found(m, load, random_):
    keys = set()
    for _, key, _ in load.told:
        for node in random_.sample(m.nodes, 2):  # a second node if the first had just one of its moments
            try:
                if node.post("/v1/get", key=key)["values"]:
                    keys.add(key)
                    break
            except (ApiError, OSError):
                continue
    return keys


if __name__ == "__main__":
    main()
