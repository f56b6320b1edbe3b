"""What the tests with real processes share: a mesh of their own, and the command line as a user
has it. Processes are ended by pid when a test ends, however it ends."""
import json
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "bench"))
from mesh import Mesh, Node, wait_until, weft_binary  # noqa: E402  (needs the path above)

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
