"""The show behind ./testnet/demo: drives `weft testnet` as a person would, says what happens, and
prints the figures. Values travel over the nodes' control sockets (docs/CONTROL.md)."""
import base64
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time

NODES = int(os.environ.get("WEFT_DEMO_NODES", "200"))
VALUES = int(os.environ.get("WEFT_DEMO_VALUES", "1000"))
VALUE_BYTES = 256
STEPS = 9
WHOLE_LIMIT_S = 900


class Failed(Exception):
    """Something did not happen as promised; the text says what."""


class Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path):
        super().__init__("weft", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(home, method, target, body=None):
    """One request to the node that lives in `home`; its decoded answer."""
    connection = Connection(os.path.join(home, "control.sock"))
    try:
        connection.request(method, target, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        decoded = json.loads(answer.read())
    except OSError as error:
        raise Failed(f"the node in {home} does not answer: {error}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise Failed(f"{method} {target} at {home}: {decoded}")
    return decoded


class Show:
    def __init__(self, weft):
        self.weft = os.path.abspath(weft)
        self.folder = tempfile.mkdtemp(prefix="weft-demo-")
        self.step_number, self.figures, self.values = 0, [], {}
        self.random = random.Random()

    # ---- telling
    def step(self, text):
        self.step_number += 1
        head = f"[{self.step_number}/{STEPS}] "
        print("\n" + textwrap.fill(text, 88, initial_indent=head, subsequent_indent=" " * len(head)), flush=True)

    def note(self, text):
        print(f"      {text}", flush=True)

    def figure(self, what, value):
        self.figures.append((what, value))
        self.note(f"{what}: {value}")

    # ---- driving
    def testnet(self, *words):
        command = [self.weft, "testnet", *words, "--dir", self.folder]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180)
        if done.returncode != 0:
            raise Failed(f"weft testnet {' '.join(words)}: exit {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def nodes(self):
        return json.loads(self.testnet("nodes", "--json"))

    def alive_seen_by(self, node):
        try:
            members = ask(node["home"], "GET", "/v1/members")
        except Failed:
            return -1
        return sum(member["state"] == "alive" for member in members)

    def wait_all_see(self, nodes, count, limit_s):
        """Seconds until each of `nodes` lists exactly `count` alive."""
        started, waiting = time.monotonic(), list(nodes)
        while waiting:
            if time.monotonic() - started > limit_s:
                raise Failed(f"after {limit_s} s {len(waiting)} of {len(nodes)} nodes do not list {count} alive; "
                             f"the first lists {self.alive_seen_by(waiting[0])}")
            if self.alive_seen_by(waiting[-1]) == count:
                waiting.pop()
            else:
                time.sleep(0.2)
        return time.monotonic() - started

    def put_all(self, nodes):
        took = []
        for i in range(VALUES):
            node, value = self.random.choice(nodes), self.random.randbytes(VALUE_BYTES)
            started = time.monotonic()
            answer = ask(node["home"], "POST", "/v1/put",
                         {"key": f"demo-{i}", "value_base64": base64.b64encode(value).decode()})
            took.append(time.monotonic() - started)
            self.values[f"demo-{i}"] = (value, node["index"], answer["replicas"])
        return took

    def get_all(self, nodes):
        """Each value at a random node that did not write it; bytes are compared."""
        took, missing = [], []
        for key, (value, writer, _) in self.values.items():
            node = self.random.choice([n for n in nodes if n["index"] != writer])
            started = time.monotonic()
            try:
                found = ask(node["home"], "POST", "/v1/get", {"key": key})["values"]
            except Failed as error:
                found = []
                self.note(str(error))
            took.append(time.monotonic() - started)
            if [base64.b64decode(v["value_base64"]) for v in found] != [value]:
                missing.append(key)
        if missing:
            raise Failed(f"{len(missing)} of {len(self.values)} values were not found, e.g. {missing[:3]}")
        return took

    def run(self):
        self.step(f"Starting {NODES} weft processes on loopback. Each gets a home of its own and one seed address, "
                  "nothing else.")
        started = time.monotonic()
        self.testnet("up", "-n", str(NODES), "--detach")
        self.figure("processes started, every one lists all others", f"{time.monotonic() - started:.1f} s")
        nodes = self.nodes()
        self.wait_all_see(nodes, NODES, 60)
        pss = [memory_kib(node["pid"]) for node in nodes]
        self.figure("memory of a process (PSS), mean", f"{sum(pss) / len(pss) / 1024:.1f} MiB")

        self.step(f"Storing {VALUES} values of {VALUE_BYTES} random bytes, each from a random node. Every one is "
                  "signed and goes to the nodes whose ids are nearest to its key.")
        took = self.put_all(nodes)
        copies = [replicas for _, _, replicas in self.values.values()]
        self.figure("put", f"{latencies(took)}, {min(copies)}-{max(copies)} copies")

        self.step("Finding each of them from another random node, and comparing the bytes.")
        self.figure(f"get, {VALUES} of {VALUES} found", latencies(self.get_all(nodes)))

        self.step("Killing a quarter of the processes at once with SIGKILL: no goodbye.")
        self.testnet("kill", "25%")
        killed_at = time.monotonic()
        after = {node["index"]: node for node in self.nodes()}
        survivors = [node for node in nodes if process_lives(node["pid"])]
        killed = len(nodes) - len(survivors)
        self.note(f"{killed} are gone, {len(survivors)} live on; states: "
                  + ", ".join(sorted({node["state"] for node in after.values()})))

        self.step("Finding all values again at once, while the mesh does not yet know who is dead.")
        self.figure(f"get right after {killed} deaths, {VALUES} of {VALUES} found", latencies(self.get_all(survivors)))

        self.step("Waiting until every survivor has noticed every death.")
        self.wait_all_see(survivors, len(survivors), 120)
        self.figure("all deaths known to all survivors after", f"{time.monotonic() - killed_at:.1f} s")

        self.step("Restarting the killed ones: same homes, same ids.")
        back_at = time.monotonic()
        dead = ",".join(str(node["index"]) for node in nodes if node not in survivors)
        self.testnet("restart", dead)
        nodes = self.nodes()
        self.wait_all_see(nodes, NODES, 120)
        self.figure(f"all {NODES} list all {NODES} again after", f"{time.monotonic() - back_at:.1f} s")

        self.step("Finding all values once more, from everyone.")
        self.figure(f"get, {VALUES} of {VALUES} found", latencies(self.get_all(nodes)))

        self.step("Stopping every process.")
        pids = [node["pid"] for node in nodes]
        self.testnet("down")
        left = [pid for pid in pids if process_lives(pid)]
        if left:
            raise Failed(f"{len(left)} processes are still there: {left[:5]}")
        self.figure("processes left behind", "0")

    def table(self):
        width = max(len(what) for what, _ in self.figures)
        print(f"\n{'-' * (width + 40)}")
        for what, value in self.figures:
            print(f"{what:<{width}}  {value}")
        print("-" * (width + 40), flush=True)

    def close(self):
        subprocess.run([self.weft, "testnet", "down", "--dir", self.folder], stdin=subprocess.DEVNULL,
                       capture_output=True, timeout=60)
        shutil.rmtree(self.folder, ignore_errors=True)


def process_lives(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def memory_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        return next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))


def latencies(seconds):
    ordered = sorted(seconds)
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000 for share in (0.5, 0.99)]
    return f"p50 {at[0]:.1f} ms, p99 {at[1]:.1f} ms"


def interrupted(number, _):
    raise KeyboardInterrupt if number == signal.SIGINT else Failed(
        f"not done after {WHOLE_LIMIT_S} s" if number == signal.SIGALRM else "asked to stop")


def main():
    if len(sys.argv) != 2 or NODES < 4 or VALUES < 1:
        sys.exit("usage: demo.py WEFT_BINARY, with WEFT_DEMO_NODES at least 4 and WEFT_DEMO_VALUES at least 1")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, interrupted)
    signal.alarm(WHOLE_LIMIT_S)
    started, show = time.monotonic(), Show(sys.argv[1])
    try:
        show.run()
    except Failed as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; stopping every process.", file=sys.stderr)
        return 130
    except subprocess.TimeoutExpired as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    finally:
        signal.alarm(0)
        show.close()
    show.table()
    print(f"Done in {time.monotonic() - started:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
