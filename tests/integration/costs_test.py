"""What operations cost must be what tests/data/costs.json says: messages, bytes and allocations exactly, instructions within 3 %.

Counted in virtual time by tests/bench/costs.cc, of a whole mesh of 40 nodes, so a commit that makes an operation dearer is seen in CI
on any machine. Who changes a cost on purpose writes it down: UPDATE_COSTS=1 ./tests/run costs, and the reason in the commit.
"""
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import unittest

ROOT = pathlib.Path(__file__).parents[2]
WANTED = ROOT / "tests/data/costs.json"
BINARY = pathlib.Path(os.environ.get("WEFT_BINARY", ROOT / "build/release/weft")).parent / "tests/bench/costs"
COUNT = 100  # operations
KINDS = ("put", "get", "lookup", "write")
SPREAD = 0.03


def count(words, with_instructions):
    tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"] if with_instructions else []
    ran = subprocess.run([*tool, str(BINARY), *map(str, words)], capture_output=True, text=True, timeout=220)
    if ran.returncode != 0:
        raise AssertionError(f"costs {words}: exit {ran.returncode}\n{ran.stdout}{ran.stderr[-2000:]}")
    told = json.loads(ran.stdout)
    if with_instructions:
        told["instructions"] = int(re.search(r"Collected : (\d+)", ran.stderr)[1])
    return told


@unittest.skipUnless(shutil.which("valgrind"), "valgrind is not installed")
class Costs(unittest.TestCase):
    def test_operations_cost_what_they_did(self):
        runs = [("rest", 0), *((kind, COUNT) for kind in KINDS)]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            told = dict(zip([kind for kind, _ in runs], pool.map(lambda run: count(run, True), runs)))
        rest = told["rest"]
        counted = ("messages", "bytes", "allocations", "instructions")
        costs = {"rest": {name: rest[name] for name in counted}}
        for kind in KINDS:
            self.assertEqual((told[kind]["operations"], told[kind]["failed"]), (COUNT, 0), kind)
            costs[kind] = {name: round((told[kind][name] - rest[name]) / COUNT, 2) for name in counted}
        # The rest costs setting up, too; all else would be the same without callgrind.
        costs["rest"]["instructions"] = rest["instructions"]
        if os.environ.get("UPDATE_COSTS"):
            WANTED.write_text(json.dumps(costs, indent=1) + "\n")
        wanted = json.loads(WANTED.read_text())
        self.assertEqual(costs.keys(), wanted.keys())
        for kind, is_now in costs.items():
            for name in ("messages", "bytes", "allocations"):
                self.assertEqual(is_now[name], wanted[kind][name], f"{name} of {kind}: see the head of {__file__}")
            was = wanted[kind]["instructions"]
            self.assertLess(abs(is_now["instructions"] - was), SPREAD * was, f"instructions of {kind}: {is_now['instructions']}, and {was} before")


if __name__ == "__main__":
    unittest.main()
