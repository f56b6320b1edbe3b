#!/usr/bin/env python3
"""W1: 64 processes, of which one writes values of 256 bytes and one reads them; both nodes of the library in processes of their own. Packets an operation by
the kernel's count of `lo`, less what the mesh sends at rest; then the same over a control socket; and with --instructions what a put costs its
writer, by callgrind, at first and after 10,000 keys.

    tests/bench/w1.py [-n 64] [--count 500] [--copies 8] [--instructions]
"""
import argparse
import json
import pathlib
import re
import subprocess
import time

import mesh
import tools
from workload import Values


class Driven:
    """A node of the library in a process that takes commands."""

    def __init__(self, words, timeout_s=60):
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.hello = json.loads(self.process.stdout.readline())

    def __call__(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.wait(30)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-n", type=int, default=64)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--copies", type=int, default=8)
    parser.add_argument("--rest", type=float, default=20, help="seconds at rest that are subtracted")
    parser.add_argument("--instructions", action="store_true")
    parser.add_argument("--keys", type=int, default=10_000, help="of the writer before it is looked at again")
    args = parser.parse_args()
    w1 = tools.tool("w1")
    mesh.enter_own_network()
    result, checks = {}, {}
    with mesh.Mesh(args.n - 2) as m:
        m.spawn_all()
        seed = m.nodes[0].address
        out = m.root / "callgrind"
        tool = ["valgrind", "-q", "--tool=callgrind", f"--callgrind-out-file={out}"] if args.instructions else []
        writer = Driven([*tool, w1, m.network, seed])
        reader = Driven([w1, m.network, seed])
        alive = [driven("wait", args.n)["alive"] for driven in (writer, reader)]
        if alive != [args.n, args.n] or m.wait_all_see(args.n, 60) is None:
            mesh.finish("w1", args, {"alive": alive}, {"formed": False}, "the mesh did not form")
        if args.instructions:
            instructions(args, writer, out, result, checks)
            writer.end()
            reader.end()
            last = result["per_put"]
            mesh.finish("w1_instructions", args, result, checks, f"a put costs its writer {last['first']:.0f} instructions at first and {last['later']:.0f} after {args.keys} keys")
        time.sleep(10)  # what a mesh does after it has formed
        at = time.monotonic()
        before = mesh.lo_counters()[1]
        time.sleep(args.rest)
        rest_per_s = (mesh.lo_counters()[1] - before) / (time.monotonic() - at)
        result["rest_packets_per_s"] = round(rest_per_s, 1)

        def measured(name, do):
            at, before = time.monotonic(), mesh.lo_counters()
            told = do()
            span = time.monotonic() - at
            told["packets"] = round((mesh.lo_counters()[1] - before[1] - rest_per_s * span) / args.count, 2)
            result[name] = told
            mesh.say(f"{name}: {told}")
            return told
        n = args.count
        put = measured("put_1", lambda: writer("put", 0, n, 1, args.copies))
        measured("put_32", lambda: writer("put", n, n, 32, args.copies))
        get = measured("get_1", lambda: reader("get", 0, n, 1))
        measured("get_32", lambda: reader("get", n, n, 32))
        measured("put_1_default_copies", lambda: writer("put", 2 * n, n, 1, 0))
        # Over the control socket of one of the others.
        values = Values(1)

        def over_socket(call):
            began = time.monotonic()
            problems = call()
            seconds = time.monotonic() - began
            return {"count": n, "failed": problems, "seconds": round(seconds, 3), "per_s": round(n / seconds, 1)}
        measured("socket_put_1", lambda: over_socket(lambda: sum(values.put_one(m.nodes[5], f"s-{i}") is None for i in range(n))))
        measured("socket_get_1", lambda: over_socket(lambda: sum(values.get_one(m.nodes[9], f"s-{i}")[1] is not None for i in range(n))))
        writer.end()
        reader.end()
        failed = sum(told["failed"] for told in result.values() if isinstance(told, dict))
        checks.update({"none_failed": failed == 0, "put_at_most_34_packets": put["packets"] <= 34, "get_at_most_8_packets": get["packets"] <= 8})
        mesh.finish("w1", args, result, checks, f"a put of {args.copies} copies takes {put['packets']} packets and {put['p50_ms']:.2f} ms, a get {get['packets']} and {get['p50_ms']:.2f} ms; "
                    f"32 at a time {result['put_32']['per_s']:.0f} puts/s, {result['get_32']['per_s']:.0f} gets/s")


def instructions(args, writer, out, result, checks):
    """The writer runs under callgrind; each mark dumps what it has counted since the one before."""
    block = 500
    dumps = []

    def counted(name, first):
        writer("mark", f"before-{name}")
        told = writer("put", first, block, 4, args.copies)
        writer("mark", name)
        dumps.append((name, told))
    counted("first", 0)
    told = writer("put", block, args.keys - block, 32, args.copies)
    mesh.say(f"{args.keys} keys: {told}")
    counted("later", args.keys)
    per_put = {}
    for path in sorted(pathlib.Path(out).parent.glob(out.name + "*")):
        text = path.read_text(errors="replace")
        trigger = re.search(r"(?m)^desc: Trigger: .*?(before-\w+|first|later)\s*$", text)
        total = re.search(r"(?m)^(?:totals|summary): (\d+)", text)
        if trigger and total and trigger[1] in ("first", "later"):
            per_put[trigger[1]] = int(total[1]) / block
    result["per_put"], result["runs"] = per_put, dumps
    checks["at_most_3_percent_more"] = len(per_put) == 2 and per_put["later"] <= 1.03 * per_put["first"]
    checks["none_failed"] = all(told["failed"] == 0 for _, told in dumps)


if __name__ == "__main__":
    main()
