#!/usr/bin/env python3
"""What an open page costs a testnet: CPU time of the supervisor and of all nodes, by the kernel's account, without a page and with one
that reads the stream; the browser apart. In turn, several times; a mesh at rest.

    tests/bench/page_cost.py [-n 200] [--window 30] [--rounds 3] [--all]

With --all the page also asks for messages once a second and for the tree of a namespace every two, as with both switched on.
"""
import argparse
import http.client
import json
import pathlib
import statistics
import subprocess
import tempfile
import threading
import time

import mesh


def weft(*words):
    done = subprocess.run([mesh.weft_binary(), "--json", *map(str, words)], capture_output=True, timeout=180, check=True)
    return json.loads(done.stdout)


class Reader:
    """Reads the stream as a page does, and counts its bytes."""

    def __init__(self, host, space):
        self.messages = 0
        self.asker = threading.Thread(target=self.ask, args=(host, space))
        self.connection = http.client.HTTPConnection(host, timeout=5)
        self.connection.request("GET", "/v1/testnet/stream")
        self.answer = self.connection.getresponse()
        self.bytes, self.ended = 0, False
        self.thread = threading.Thread(target=self.read)
        self.thread.start()
        if space:
            self.asker.start()

    def ask(self, host, space):
        connection = http.client.HTTPConnection(host, timeout=10)

        def get(path):
            connection.request("GET", "/v1/testnet/" + path)
            answer = connection.getresponse()
            text = answer.read()
            assert answer.status == 200, text
            return json.loads(text)
        cursor, turn = get("flow")["cursor"], 0
        while not self.ended:
            time.sleep(1)
            told = get(f"flow?after={cursor}")
            cursor, turn = told["cursor"], turn + 1
            self.messages += len(told["messages"])
            if turn % 2:
                get(f"tree?space={space}")
        connection.close()

    def read(self):
        while not self.ended:
            self.bytes += len(self.answer.readline())

    def close(self):
        self.ended = True
        self.thread.join()
        if self.asker.is_alive():
            self.asker.join()
        self.connection.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-n", type=int, default=200)
    parser.add_argument("--window", type=float, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--settle", type=float, default=60)
    parser.add_argument("--all", action="store_true")
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="weft-page-")
    try:
        up = weft("testnet", "up", "-n", args.n, "--dir", folder, "--http", "127.0.0.1:0", "--detach")
        pids = [node["pid"] for node in weft("testnet", "nodes", "--dir", folder)]
        launcher = int(pathlib.Path(f"/proc/{pids[0]}/stat").read_text().rsplit(")", 1)[1].split()[1])
        if args.all:
            weft("testnet", "exec", "0", "--dir", folder, "--", "state", "create", "room")
            for i in range(1, args.n):
                weft("testnet", "exec", i, "--dir", folder, "--", "state", "join", "room")
        time.sleep(args.settle)

        def measure():
            before, began = (mesh.cpu_s(launcher), sum(map(mesh.cpu_s, pids))), time.monotonic()
            time.sleep(args.window)
            span = time.monotonic() - began
            return [100 * (now - then) / span for now, then in zip((mesh.cpu_s(launcher), sum(map(mesh.cpu_s, pids))), before)]

        shut, opened, read = [], [], []
        for _ in range(args.rounds):
            shut.append(measure())
            reader = Reader(up["http"], "room" if args.all else None)
            time.sleep(2)  # the snapshot has left
            at, told = reader.bytes, reader.messages
            opened.append(measure())
            read.append((reader.bytes - at) / args.window)
            if args.all:
                mesh.say(f"{(reader.messages - told) / args.window:.0f} messages/s told")
            reader.close()
            time.sleep(2)
        false_failures = weft("testnet", "status", "--dir", folder)["false_failures"]
    finally:
        subprocess.run([mesh.weft_binary(), "testnet", "down", "--dir", folder], capture_output=True, timeout=60, check=False)
        subprocess.run(["rm", "-rf", folder], check=True)

    def median(rows, which):
        return statistics.median(row[which] for row in rows)

    more = sum(median(opened, which) - median(shut, which) for which in (0, 1))
    result = {"percent_of_a_core": {"launcher": {"shut": column(shut, 0), "open": column(opened, 0)},
                                    "nodes": {"shut": column(shut, 1), "open": column(opened, 1)}},
              "more_percent_of_a_core": round(more, 2), "stream_bytes_s": [round(rate) for rate in read], "false_failures": false_failures}
    mesh.finish("page_cost", args, result, {"at_most_10_percent": more <= 10, "no_false_failure": false_failures == 0},
                f"{args.n} nodes: an open page takes {more:.1f} % of a core more: launcher {median(shut, 0):.1f} -> {median(opened, 0):.1f} %, "
                f"nodes {median(shut, 1):.1f} -> {median(opened, 1):.1f} %")


def column(rows, which):
    return [round(row[which], 2) for row in rows]


if __name__ == "__main__":
    main()
