"""What the tests with real processes share: a mesh of their own, and the command line as a user
has it. Processes are ended by pid when a test ends, however it ends."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "bench"))
from mesh import Mesh, Node, wait_until, weft_binary  # noqa: E402  (needs the path above)

# Where the page of a testnet is bundled, and what npm fetched for it and for tests.
BUNDLE = pathlib.Path(weft_binary()).resolve().parent / "testnet/page"

ROOT = pathlib.Path(__file__).resolve().parents[2]
USAGE, NO_NODE, NOT_FOUND, TIMED_OUT, CONFLICT = 2, 3, 4, 5, 6


def bad_machine(**settings):
    """The environment of a node whose clock and disk obey files: clock=FILE (seconds that the wall clock is
    off), hang=FILE (while it exists, nothing gets onto the disk)."""
    library = pathlib.Path(weft_binary()).parent / "tests/libweft_bad_machine.so"
    assert library.is_file(), f"{library} was not built"
    return {**os.environ, "LD_PRELOAD": str(library),
            **{f"WEFT_TEST_{name.upper()}": str(path) for name, path in settings.items()}}


class Ran:
    """How a command ended, and what it said."""

    def __init__(self, words, status, out, err):
        self.words, self.status, self.out, self.err = words, status, out, err

    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"{' '.join(map(str, self.words))}: exit {self.status}\n{self.out.decode(errors='replace')}" \
               f"\n{self.err.decode(errors='replace')}"


def weft(*words, home=None, stdin=b"", timeout_s=60, env=None):
    """Runs `weft WORDS...` to its end."""
    command = [weft_binary(), *(["--home", str(home)] if home else []), *map(str, words)]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WEFT_")}
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=timeout_s,
                          env={**clean, **(env or {})})
    return Ran(command, done.returncode, done.stdout, done.stderr)


class MeshTest(unittest.TestCase):
    """A test case with an empty mesh, removed afterwards; `start(n)` makes it one of n nodes."""

    maxDiff = None

    def setUp(self):
        self.mesh = Mesh()
        self.addCleanup(self.mesh.close)

    def start(self, count, extra=(), timeout_s=30):
        for i in range(count):
            node = self.mesh.new_node(i, extra=extra)
            self.mesh.nodes.append(node.spawn())
        self.assertIsNotNone(self.mesh.wait_all_see(count, timeout_s), self.why())
        self.mesh.learn_ids()
        return self.mesh.nodes

    def why(self):
        return "\n".join(f"{node.name}: running {node.running()}, alive {node.alive_count()}, "
                         f"{node.stderr()[-300:]}" for node in self.mesh.nodes)

    def assert_status(self, ran, status):
        """Also: a failure says why in one line, and nothing ever looks like a crash."""
        self.assertEqual(ran.status, status, ran)
        if status:
            lines = ran.err.decode().strip().split("\n")
            self.assertTrue(lines[-1], f"silent failure of {ran}")
            self.assertNotIn(b"CHECK failed", ran.err)
            self.assertNotIn(b"terminate called", ran.err)
        return ran

    def assert_keys(self, value, *keys):
        self.assertIsInstance(value, dict, value)
        self.assertEqual([key for key in keys if key not in value], [], value)


def children_of_home(folder):
    """Pids of live processes whose command line names something in this folder."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                command = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes()
                state = pathlib.Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if folder.encode() in command and state != "Z":
                found.append(int(entry))
    return found


class TestnetTest(MeshTest):
    """A test case with a folder for one testnet, which is taken down afterwards."""

    def setUp(self):
        super().setUp()
        self.dir = tempfile.mkdtemp(prefix="weft-t-")
        self.addCleanup(self.clean)

    def clean(self):
        weft("testnet", "down", "--dir", self.dir)
        for pid in children_of_home(self.dir):
            os.kill(pid, signal.SIGKILL)
        subprocess.run(["rm", "-rf", self.dir], check=True)

    def run_testnet(self, *words, status=0, timeout_s=60):
        return self.assert_status(weft("testnet", words[0], "--dir", self.dir, *words[1:], timeout_s=timeout_s),
                                  status)

    def nodes(self):
        return weft("--json", "testnet", "nodes", "--dir", self.dir).json()

    def alive_at(self, index):
        ran = weft("testnet", "exec", index, "--dir", self.dir, "--", "--json", "members", "--state", "alive")
        return len(ran.json()) if ran.status == 0 else -1

    def assert_nobody_is_left(self, timeout_s=10):
        self.assertTrue(wait_until(lambda: not children_of_home(self.dir), timeout_s),
                        f"left behind: {children_of_home(self.dir)}")
