"""The library as a user has it: installed into an empty prefix, the example compiled against that with the line that the README
shows, and run, alone and in one mesh with real `weft up` processes."""
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

from support import MeshTest, wait_until, weft, weft_binary

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(weft_binary()).parent
# A child of these tests is ended by its own input's end; this bounds one that is not.
RUN_S = 60


def cache(name):
    """A variable of the build that is tested."""
    found = re.search(rf"^{name}:\w+=(.*)$", (BUILD / "CMakeCache.txt").read_text(), re.M)
    return found.group(1) if found else ""


class Installed(unittest.TestCase):
    """The prefix and the program; made once."""

    @classmethod
    def setUpClass(cls):
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="weft-library-"))
        cls.addClassCleanup(shutil.rmtree, cls.root, ignore_errors=True)
        cls.prefix = cls.root / "prefix"
        cls.run_ok(["cmake", "--install", BUILD, "--prefix", cls.prefix])
        cls.source = cls.root / "room.cc"
        shutil.copy(ROOT / "docs/examples/room.cc", cls.source)
        found = [path.parent for path in cls.prefix.rglob("weft.pc")]
        assert len(found) == 1, found
        path = os.environ.get("PKG_CONFIG_PATH", "")
        cls.env = {**os.environ, "PKG_CONFIG_PATH": str(found[0]) + (":" + path if path else "")}

    @classmethod
    def run_ok(cls, words, **options):
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=200, **options)
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @classmethod
    def room(cls):
        """The example, compiled by the README's line."""
        program = cls.root / "room"
        if not program.exists():
            line = re.search(r"^ +(c\+\+ .*room\.cc.*)$", (ROOT / "README.md").read_text(), re.M).group(1)
            line = re.sub(r"\s+#.*", "", line).replace("docs/examples/room.cc", "room.cc")
            compiler = cache("CMAKE_CXX_COMPILER") or "c++"
            cls.run_ok(["sh", "-ec", line.replace("c++ ", shlex.quote(compiler) + " -Wall -Wextra -Werror ", 1)],
                       cwd=cls.root, env=cls.env)
        return program


class ThePackage(Installed):
    def test_the_header_needs_the_standard_library_alone(self):
        header = self.prefix / "include/weft/weft.h"
        included = re.findall(r"^#include +(\S+)", header.read_text(), re.M)
        self.assertTrue(included)
        self.assertEqual([name for name in included if not re.fullmatch(r"<[a-z_]+>", name)], [])
        self.assertEqual(sorted(path.name for path in header.parent.iterdir()), ["weft.h"])
        compiler = cache("CMAKE_CXX_COMPILER") or "c++"
        (self.root / "alone.cc").write_text("#include <weft/weft.h>\n")
        self.run_ok([compiler, "-std=c++23", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror", "-fsyntax-only", "-I", self.prefix / "include",
                     self.root / "alone.cc"])
        old = subprocess.run([compiler, "-std=c++20", "-fsyntax-only", "-I", str(self.prefix / "include"), str(self.root / "alone.cc")],
                             capture_output=True, text=True)
        self.assertIn("-std=c++23", old.stderr, "an older standard is told what is missing")

    def test_it_can_be_moved(self):
        moved = self.root / "moved"
        shutil.copytree(self.prefix, moved)
        pc = next(moved.rglob("weft.pc"))
        flags = self.run_ok(["pkg-config", "--cflags", "--libs", "weft"], env={**self.env, "PKG_CONFIG_PATH": str(pc.parent)})
        roots = [pathlib.Path(flag[2:]).resolve() for flag in flags.split() if flag[:2] in ("-I", "-L") and "moved" in flag]
        self.assertEqual(sorted(roots), sorted([moved.resolve() / "include", pc.parent.parent.resolve()]))
        self.assertNotIn(str(self.prefix), flags)

    def test_a_cmake_project_finds_it(self):
        project = self.root / "project"
        project.mkdir()
        shutil.copy(self.source, project)
        (project / "CMakeLists.txt").write_text("""cmake_minimum_required(VERSION 3.25)
project(room LANGUAGES CXX)
set(CMAKE_CXX_STANDARD 23)
find_package(PkgConfig REQUIRED)
pkg_check_modules(WEFT REQUIRED IMPORTED_TARGET weft)
add_executable(room room.cc)
target_link_libraries(room PRIVATE PkgConfig::WEFT)
""")
        self.run_ok(["cmake", "-S", project, "-B", project / "build",
                     f"-DCMAKE_CXX_COMPILER={cache('CMAKE_CXX_COMPILER') or 'c++'}"], env=self.env)
        self.run_ok(["cmake", "--build", project / "build"], env=self.env)
        self.assertIn("ready\n", self.run_ok([project / "build/room"], stdin=subprocess.DEVNULL))


class TheExample(Installed, MeshTest):
    def spawn(self, *words):
        """The example with its home below a directory of ours; its lines so far are in `lines()`."""
        homes = self.root / "homes"
        homes.mkdir(exist_ok=True)
        out = self.root / "room.out"
        with open(out, "wb") as file:
            program = subprocess.Popen([self.room(), *words], stdin=subprocess.PIPE, stdout=file, stderr=subprocess.STDOUT,
                                       env={**os.environ, "TMPDIR": str(homes)})
        self.mesh.spawned.append(program)
        return program, lambda: out.read_text().splitlines(), homes

    def end(self, program):
        program.stdin.close()
        self.assertEqual(program.wait(RUN_S), 0)

    def test_alone(self):
        program, lines, homes = self.spawn()
        self.assertTrue(wait_until(lambda: "change: room/people bob" in lines(), RUN_S), lines())
        self.assertEqual(len(list(homes.iterdir())), 2, "two nodes")
        self.end(program)
        for line in ("put: number 1 on 2 nodes", "get: hello from bob", "visits: 1", "in the room: bob", "topic: the weather",
                     "change: room/topic the weather", "change: room/visits 1", "ready"):
            self.assertIn(line, lines())
        self.assertEqual(sorted(line.split(" at ")[0] for line in lines() if line.startswith("member:")),
                         ["member: alice", "member: bob"])
        self.assertEqual(list(homes.iterdir()), [], "their homes were of one life")

    def test_in_one_mesh_with_the_program(self):
        (a,) = self.start(1)
        self.assert_status(weft("state", "create", "room", home=a.home), 0)
        self.assert_status(weft("state", "inc", "room/visits", "41", home=a.home), 0)
        self.assert_status(weft("put", "color", "blue", home=a.home), 0)
        program, lines, homes = self.spawn(a.address, self.mesh.network)
        self.assertTrue(wait_until(lambda: "ready" in lines() or program.poll() is not None, RUN_S), lines())
        self.assertIn("ready", lines())

        # What the library wrote, found by the command line of the other node.
        self.assertEqual(self.assert_status(weft("get", "greeting/bob", home=a.home), 0).out.strip(), b"hello from bob")
        self.assertTrue(wait_until(lambda: weft("state", "get", "room/topic", home=a.home).out.strip() == b"the weather", 20))
        self.assertTrue(wait_until(lambda: weft("state", "get", "room/visits", home=a.home).out.strip() == b"42", 20))
        self.assertTrue(wait_until(lambda: weft("state", "items", "room/people", home=a.home).out.strip() == b"bob", 20))
        self.assertEqual([row["state"] for row in a.members() if row["name"] == "bob"], ["alive"])

        # What the command line writes reaches the library.
        self.assert_status(weft("state", "set", "room/news", "from a", home=a.home), 0)
        self.assertTrue(wait_until(lambda: "change: room/news from a" in lines(), 20), lines())

        # The command line talks to the embedded node as to any other.
        (home,) = homes.iterdir()
        self.assertEqual(self.assert_status(weft("get", "color", home=home), 0).out.strip(), b"blue")
        self.assertEqual(self.assert_status(weft("state", "get", "room/news", home=home), 0).out.strip(), b"from a")
        self.assertEqual(weft("--json", "state", "digest", "room", home=home).json(),
                         weft("--json", "state", "digest", "room", home=a.home).json())

        self.end(program)
        self.assertTrue(wait_until(lambda: [row["state"] for row in a.members() if row["name"] == "bob"] == ["left"], 10), a.members())
        self.assertEqual(list(homes.iterdir()), [])

    def test_in_a_private_network(self):
        key = self.root / "mesh.key"
        self.assert_status(weft("network", "new", key), 0)
        self.mesh.network = str(key)
        (a,) = self.start(1)
        self.assert_status(weft("state", "create", "room", home=a.home), 0)
        program, lines, _ = self.spawn(a.address, key)
        self.assertTrue(wait_until(lambda: "ready" in lines() or program.poll() is not None, RUN_S), lines())
        self.assertEqual(self.assert_status(weft("get", "greeting/bob", home=a.home), 0).out.strip(), b"hello from bob")
        self.end(program)

    def test_the_command_line_can_end_it(self):
        (a,) = self.start(1)
        self.assert_status(weft("state", "create", "room", home=a.home), 0)
        program, lines, homes = self.spawn(a.address, self.mesh.network)
        self.assertTrue(wait_until(lambda: "ready" in lines() or program.poll() is not None, RUN_S), lines())
        (home,) = homes.iterdir()
        self.assert_status(weft("leave", home=home), 0)
        self.assertTrue(wait_until(lambda: not list(homes.iterdir()), 10))
        self.assertIsNone(program.poll(), "the program goes on without its node")
        self.end(program)


if __name__ == "__main__":
    unittest.main(verbosity=1)
