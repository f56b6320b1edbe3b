"""Puts and gets over the control sockets, with a ledger of what was written where."""
import base64
import concurrent.futures
import random
import time

import stores
from control import ApiError


class Values:
    """Random values and the answers that their puts gave."""

    def __init__(self, seed, size=256):
        self.random = random.Random(seed)
        self.size = size
        self.bytes, self.dht_key, self.errors = {}, {}, []
        self.seconds = []

    def put_one(self, node, key):
        value = self.random.randbytes(self.size)
        started = time.monotonic()
        try:
            answer = node.post("/v1/put", key=key, value_base64=base64.b64encode(value).decode())
        except (ApiError, OSError) as error:
            self.errors.append(f"put {key} at {node.name}: {error}")
            return None
        self.seconds.append(time.monotonic() - started)
        self.bytes[key], self.dht_key[key] = value, stores.dht_key(key)
        return answer

    def put_many(self, nodes, count, prefix="key"):
        """One after the other, each from a random node."""
        return [self.put_one(self.random.choice(nodes), f"{prefix}-{i}") for i in range(count)]

    def get_one(self, node, key):
        """(seconds, problem or None)."""
        started = time.monotonic()
        try:
            answer = node.post("/v1/get", key=key)
        except (ApiError, OSError) as error:
            return time.monotonic() - started, f"get {key} at {node.name}: {error}"
        seconds = time.monotonic() - started
        found = [base64.b64decode(value["value_base64"]) for value in answer["values"]]
        if found != [self.bytes[key]]:
            return seconds, f"get {key} at {node.name}: other bytes than put ({len(found)} values)"
        return seconds, None

    def get_all(self, nodes, holders, threads=1):
        """Every value once, at a random node of `nodes` that holds no copy.
        Returns (latencies of what was found, problems)."""
        jobs = []
        for key in self.bytes:
            holding = holders.get(self.dht_key[key], set())
            candidates = [node for node in nodes if node not in holding]
            if not candidates:
                raise SystemExit("every node holds a copy of everything: the mesh is too small for this")
            jobs.append((self.random.choice(candidates), key))
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            results = list(pool.map(lambda job: self.get_one(*job), jobs))
        return ([seconds for seconds, problem in results if problem is None],
                [problem for _, problem in results if problem is not None])
