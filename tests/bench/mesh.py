"""Meshes of real `weft up` processes for measurements and integration tests.

The judge's own ledger: processes are spawned and ended here, by pid; what they did is read from
kernel counters (/proc), from the event lines that each wrote to its file, and from every control
socket. No summary of a launcher is believed. Standard library only.
"""
import atexit
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

from control import ApiError, ControlPool

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TICKS = os.sysconf("SC_CLK_TCK")


def weft_binary():
    """$WEFT_BINARY, else the release build."""
    given = os.environ.get("WEFT_BINARY")
    for path in [pathlib.Path(given)] if given else [ROOT / "build/release/weft"]:
        if path.is_file():
            return str(path.resolve())
    sys.exit(f"no weft binary at {given or 'build/release/weft'}: cmake --preset release && "
             "cmake --build --preset release")


def free_ports(count):
    """The first of `count` UDP ports in a row that were free on loopback just now."""
    for _ in range(100):
        base = random.randrange(20000, 32000 - count)  # below the ports that the kernel hands out
        held = []
        try:
            for port in range(base, base + count):
                held.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                held[-1].bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
        finally:
            for one in held:
                one.close()
    raise RuntimeError("no free range of ports")


def wait_until(true, timeout_s, step_s=0.05):
    """Calls `true` until it returns something true; returns that, or None after the time."""
    deadline = time.monotonic() + timeout_s
    while True:
        got = true()
        if got:
            return got
        if time.monotonic() >= deadline:
            return None
        time.sleep(step_s)


def cpu_s(pid):
    """User and system time of a process so far."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Node:
    """One `weft up` process and its home. It may be killed and started again."""

    def __init__(self, mesh, index, address, seeds, extra=(), home=None):
        self.mesh, self.index, self.address = mesh, index, address
        self.seeds, self.extra = list(seeds), list(extra)
        self.name = f"n{index:03d}"
        self.home = home or mesh.root / self.name
        self.events_path = mesh.root / f"{self.name}.events"
        self.stderr_path = mesh.root / f"{self.name}.stderr"
        self.process, self.spawned_at, self.id = None, None, None
        self.control = ControlPool(self.home / "control.sock")

    def command(self):
        words = [self.mesh.binary, "up", "--json", "--home", str(self.home), "--name", self.name]
        if self.address:
            words += ["--listen", self.address]
        for seed in self.seeds:
            words += ["--join", seed]
        if self.mesh.network:
            words += ["--network", self.mesh.network]
        return words + self.extra

    def spawn(self, prefix=(), env=None):
        with open(self.events_path, "ab") as events, open(self.stderr_path, "ab") as errors:
            self.spawned_at = time.monotonic()
            self.process = subprocess.Popen(
                [*prefix, *self.command()], stdin=subprocess.DEVNULL, stdout=events, stderr=errors,
                close_fds=False, env=env)
        self.mesh.spawned.append(self.process)
        return self

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        """SIGKILL; returns when the kernel has taken it."""
        if self.running():
            self.signal(signal.SIGKILL)
            self.process.wait()
        self.control.close()

    def stop(self, timeout_s=10.0):
        """SIGTERM; returns the exit status, or None if it had to be killed."""
        if self.running():
            self.signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            return None
        finally:
            self.control.close()

    # ---- control socket
    def get(self, target, timeout_s=30.0, **query):
        if query:
            target += "?" + urllib.parse.urlencode(query)
        return self.control.call("GET", target, None, timeout_s)

    def post(self, target, timeout_s=30.0, **body):
        return self.control.call("POST", target, body, timeout_s)

    def answers(self):
        """Its status, or None while the control socket is not there yet."""
        try:
            return self.get("/v1/status", 5.0)
        except (OSError, ApiError):
            return None

    def wait_ready(self, timeout_s=20.0):
        if not wait_until(lambda: self.answers() or not self.running(), timeout_s, 0.02) or \
                not self.running():
            raise RuntimeError(f"{self.name} did not get ready: {self.stderr()}")
        self.id = self.get("/v1/id")["id"]
        return self

    def members(self, state=None):
        rows = self.get("/v1/members")
        return [row for row in rows if state is None or row["state"] == state]

    def alive_count(self):
        """How many members it lists as alive, or -1 if it does not answer."""
        try:
            return sum(row["state"] == "alive" for row in self.get("/v1/members", 5.0))
        except (OSError, ApiError):
            return -1

    # ---- files and kernel counters
    def stderr(self):
        return self.stderr_path.read_text(errors="replace")[-2000:] if self.stderr_path.exists() else ""

    def events(self):
        return list(parse_events(self.events_path.read_bytes())) if self.events_path.exists() else []

    def pss_kib(self):
        for line in open(f"/proc/{self.pid}/smaps_rollup"):
            if line.startswith("Pss:"):
                return int(line.split()[1])
        raise RuntimeError("no Pss line")

    def cpu_s(self):
        return cpu_s(self.pid)

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))


def parse_events(raw):
    for line in raw.split(b"\n"):
        if line.startswith(b"{"):
            try:
                yield json.loads(line)
            except ValueError:
                pass  # the last line of a killed process may be cut


def became(event, state):
    """The id of the member that this event says entered `state`, or None."""
    return event.get("id") if event.get("event") == "member" and event.get("to") == state else None


class EventTail:
    """Event lines of many nodes as they are written, stamped when read."""

    def __init__(self, nodes):
        self.files = {node: open(node.events_path, "rb") for node in nodes}
        self.rest = dict.fromkeys(nodes, b"")
        for file in self.files.values():
            file.seek(0, os.SEEK_END)

    def poll(self):
        """[(seconds on the monotonic clock, node, event)] since the last call."""
        found = []
        for node, file in self.files.items():
            raw = file.read()
            if not raw:
                continue
            now = time.monotonic()
            *lines, self.rest[node] = (self.rest[node] + raw).split(b"\n")
            found += [(now, node, event) for line in lines for event in parse_events(line)]
        return found

    def close(self):
        for file in self.files.values():
            file.close()


class Mesh:
    """Nodes on loopback ports with one seed; everything is ended and removed by close()."""

    def __init__(self, count=0, base_port=None, network=None, root=None, binary=None):
        self.binary = binary or weft_binary()
        self.root = pathlib.Path(root or tempfile.mkdtemp(prefix="weft-"))
        self.base_port = base_port or free_ports(count + 16)
        self.network = network or f"bench-{os.getpid()}-{random.getrandbits(32):08x}"
        self.spawned = []  # every process, for the end
        self.nodes = [self.new_node(i) for i in range(count)]
        atexit.register(self.close)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def new_node(self, index, seeds=None, extra=(), home=None):
        if seeds is None:
            seeds = [f"127.0.0.1:{self.base_port}"] if index else []
        return Node(self, index, f"127.0.0.1:{self.base_port + index}", seeds, extra, home)

    def spawn_all(self):
        """Starts everyone as fast as possible; returns (instant of the first, seconds it took)."""
        first = time.monotonic()
        for node in self.nodes:
            node.spawn()
        return first, time.monotonic() - first

    def running(self):
        return [node for node in self.nodes if node.running()]

    def wait_all_see(self, count, timeout_s, nodes=None, step_s=0.25):
        """Seconds until every node listed exactly `count` alive, read from each member list; None
        if that did not happen in time. Cheap: goes on with the first node that was not there yet,
        then looks at everyone once more, because early ones may have changed their mind."""
        nodes = list(nodes or self.running())
        started = time.monotonic()
        deadline = started + timeout_s
        while True:
            done = 0
            while done < len(nodes) and time.monotonic() < deadline:
                if nodes[done].alive_count() == count:
                    done += 1
                else:
                    time.sleep(step_s)
            if time.monotonic() >= deadline:
                return None
            reached = time.monotonic() - started
            if all(node.alive_count() == count for node in nodes):
                return reached

    def share(self, space):
        """The first node makes a namespace, all others join it; raises if one cannot within 30 s."""
        self.nodes[0].post("/v1/state/create", space=space)
        for node in self.nodes[1:]:
            if not wait_until(lambda node=node: self.joined(node, space), 30):
                raise RuntimeError(f"{node.name} could not join {space}")

    @staticmethod
    def joined(node, space):
        try:
            node.post("/v1/state/join", space=space)
            return True
        except ApiError:
            return False  # its genesis is not published yet

    def learn_ids(self):
        for node in self.running():
            if node.id is None:
                node.id = node.get("/v1/id")["id"]
        return {node.id: node for node in self.nodes if node.id}

    def failures(self, since=None, except_ids=()):
        """[(who says so, id)] for every line that calls a member failed. `since`: {node: bytes to skip}."""
        found = []
        for node in self.nodes:
            if node.events_path.exists():
                raw = node.events_path.read_bytes()[(since or {}).get(node, 0):]
                found += [(node.name, became(event, "failed")) for event in parse_events(raw)
                          if became(event, "failed") and became(event, "failed") not in except_ids]
        return found

    def event_sizes(self):
        return {node: node.events_path.stat().st_size for node in self.nodes
                if node.events_path.exists()}

    def close(self):
        for process in self.spawned:
            if process.poll() is None:
                process.kill()
        for process in self.spawned:
            process.wait()
        for node in self.nodes:
            node.control.close()
        shutil.rmtree(self.root, ignore_errors=True)


# ---- a network of one's own

def enter_own_network():
    """Runs this script again as the first process of its own network, mount and pid namespace.

    `lo` then carries this mesh alone, nft rules and `ip netns` names touch nobody else, and the
    kernel ends every process in there when the script ends, however it ends.
    """
    if os.environ.get("WEFT_OWN_NETWORK") == "1":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the first process has no default
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    os.environ["WEFT_OWN_NETWORK"] = "1"
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    os.execvp("unshare", ["unshare", *as_root, "--net", "--mount", "--pid", "--fork", "--kill-child",
                          "--mount-proc", sys.executable, "-u", *sys.argv])


def lo_counters():
    """(bytes, packets) that `lo` of this namespace has carried."""
    for line in open("/proc/net/dev"):
        if line.strip().startswith("lo:"):
            fields = line.split(":", 1)[1].split()
            return int(fields[0]), int(fields[1])
    raise RuntimeError("no lo in /proc/net/dev")


def nft(rules):
    """Feeds rules to nft. Only ever called in a namespace of one's own."""
    if os.environ.get("WEFT_OWN_NETWORK") != "1":
        raise RuntimeError("nft outside of an own network namespace")
    subprocess.run(["nft", "-f", "-"], input=rules.encode(), check=True)


def nft_arriving(rules):
    """On arrival: a packet dropped on its way out would be told to its sender as EPERM."""
    lines = ["table inet weft {", "chain arriving {", "type filter hook input priority 0", *rules, "}", "}"]
    nft("\n".join(lines) + "\n")


def nft_drop_share(percent):
    nft_arriving([f"meta l4proto udp numgen random mod 100 < {percent} counter drop"])


def nft_split(ports_a, ports_b):
    a, b = ", ".join(map(str, ports_a)), ", ".join(map(str, ports_b))
    nft_arriving([f"udp sport {{ {a} }} udp dport {{ {b} }} counter drop",
                  f"udp sport {{ {b} }} udp dport {{ {a} }} counter drop"])


def nft_clear():
    nft("delete table inet weft")


# ---- figures

def quantile(values, share):
    """The smallest value that `share` of all do not exceed; None of nothing."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1))]


def summary_ms(seconds):
    if not seconds:
        return {"n": 0}
    return {"n": len(seconds), **{name: round(1000 * quantile(seconds, share), 3)
                                  for name, share in (("p50", .5), ("p95", .95), ("p99", .99), ("max", 1))}}


def finish(name, args, result, checks, human):
    """Prints the line for people on stderr and the result as one JSON object on stdout, then exits:
    0 if every check holds."""
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"],
                            capture_output=True, text=True).stdout.strip()
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo")
                if line.startswith("model name")), "unknown")
    record = {"experiment": name, "commit": commit, "command": " ".join(sys.argv),
              "machine": {"cores": os.cpu_count(), "cpu": cpu, "kernel": os.uname().release},
              "parameters": vars(args), **result, "checks": checks}
    failed = [check for check, ok in checks.items() if not ok]
    print(f"{name}: {human}" + (f"; FAILED: {', '.join(failed)}" if failed else "; all checks hold"),
          file=sys.stderr, flush=True)
    print(json.dumps(record), flush=True)
    sys.exit(1 if failed else 0)


def say(text):
    print(f"  {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
