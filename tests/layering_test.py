#!/usr/bin/env python3
"""Keeps the layers and the purity of the cores without a reviewer.

Reads the sources as text: which way #include points, who touches the world, what a core must never
call, how long a file is, what is left undone. Every rule is itself tried on a small bad tree below.
An exception needs an entry in ALLOWED with its reason, and an entry that is no longer needed fails.
"""
import pathlib
import re
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINES_MAX = 600

# A layer may include these and nothing else of the project.
MAY_INCLUDE = {
    "crypto": {"crypto"},
    "dht": {"crypto", "dht"},
    "gossip": {"crypto", "gossip"},
    "node": {"crypto", "dht", "gossip", "node"},
    "testnet": {"crypto", "dht", "gossip", "node", "testnet"},
    "cli": {"crypto", "dht", "gossip", "node", "testnet", "cli"},
}

# Cores: these folders, but for what is_core() takes out.
CORES = ("crypto", "dht", "gossip", "node", "testnet/sim")
# Headers of the shell that have no .cc of their own.
SHELL_HEADERS = {"node/control_types", "node/runtime_node", "node/shell_facts", "node/sqlite_handles", "node/uv_handles"}


def shell_of(root):
    """Files of node/ that touch the world, without suffix: node/CMakeLists.txt lists them, and
    links everything else into weft_core, which has no libuv."""
    listed = re.search(r"set\(shell_sources\s+([^)]*)\)", (root / "node/CMakeLists.txt").read_text())
    return {"node/" + name.removesuffix(".cc") for name in listed.group(1).split()} | SHELL_HEADERS


WORLD_HEADERS = re.compile(
    r"^(uv\.h|sqlite3\.h|microhttpd\.h|http_parser\.h|spdlog/.*|prometheus/.*|sys/socket\.h|netdb\.h"
    r"|unistd\.h|fcntl\.h|sys/(stat|file|time|random|mman)\.h|pthread\.h|time\.h|ctime|fstream"
    r"|iostream|filesystem|thread|mutex|future|atomic|condition_variable|random|unordered_map"
    r"|unordered_set)$")

BANNED = {
    "clock": r"\b(steady_clock|system_clock|high_resolution_clock|utc_clock|file_clock)\b"
             r"|\b(clock_gettime|gettimeofday|uv_now|uv_hrtime|uv_update_time)\b"
             r"|\btime\s*\(\s*(NULL|nullptr|0|&\w+)\s*\)|\bstd::(time|clock)\b",
    "sleep": r"\b(sleep_for|sleep_until|usleep|nanosleep)\b",
    "randomness": r"\b(random_device|mt19937(_64)?|minstd_rand0?|default_random_engine)\b"
                  r"|\w+_distribution\b|\bs?rand(om)?(_r)?\s*\(|\b(getrandom|arc4random\w*|getentropy)\b"
                  r"|\brandombytes\w*",
    "environment": r"\b(secure_)?(getenv|setenv|putenv)\b",
    "files": r"\bstd::(basic_)?[io]?fstream\b|\bstd::(cout|cerr|clog|cin|filesystem)\b"
             r"|\b(fopen|freopen|tmpfile|f?printf|puts|fputs|fwrite)\s*\(|(?<![\w:>.])::(open|read|write)\s*\(",
    "unordered": r"\bunordered_(multi)?(map|set)\b",
    "floating point": r"\b(float|double)\b",
    "threads": r"\bstd::(j?thread|mutex|shared_mutex|recursive_mutex|atomic\w*|async|future|promise"
               r"|condition_variable\w*|this_thread)\b|\bthread_local\b|\bpthread_\w+",
    "exceptions": r"\b(throw|try|catch)\b",
}
BANNED = {name: re.compile(pattern) for name, pattern in BANNED.items()}

# (file, rule): why it may.
ALLOWED = {
    ("crypto/check.cc", "files"): "a broken invariant prints where, then aborts",
    ("crypto/rng.cc", "randomness"): "SystemEntropy is libsodium's generator, handed in as Entropy",
    ("crypto/wire.cc", "exceptions"): "the one place where a library (msgpack) may throw",
    ("crypto/wire.cc", "floating point"): "the visitor must name the types that it refuses",
    ("crypto/wire.cc", "threads"): "one parse context a thread, so that only the first Reader allocates",
}


def code_of(text):
    """The text without comments and the contents of literals; lines keep their numbers."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"\((?:.*?)\)"|"(?:\\.|[^"\\\n])*"'
        r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'", re.S)

    def blank(match):
        kept = "\n" * match.group().count("\n")
        return '""' + kept if match.group()[0] in "\"R" else kept

    # Includes keep their names.
    lines = [line if line.startswith("#include") else None for line in text.split("\n")]
    stripped = pattern.sub(blank, text).split("\n")
    return [line if line is not None else stripped[i] for i, line in enumerate(lines)]


def sources(root, folders, suffixes=(".h", ".cc", ".c")):
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in suffixes and path.is_file():
                yield path, path.relative_to(root).as_posix()


def is_core(name, shell):
    return name.startswith(tuple(f"{core}/" for core in CORES)) and \
        name.rsplit(".", 1)[0] not in shell


def check_includes(root, shell):
    for path, name in sources(root, MAY_INCLUDE):
        layer = name.split("/", 1)[0]
        for number, line in enumerate(path.read_text().split("\n"), 1):
            quoted = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            angled = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
            if quoted:
                target = quoted.group(1).split("/", 1)[0]
                if "/" not in quoted.group(1) or target not in MAY_INCLUDE[layer]:
                    yield f"{name}:{number}: {layer} must not include \"{quoted.group(1)}\""
                elif is_core(name, shell) and quoted.group(1).rsplit(".", 1)[0] in shell:
                    yield f"{name}:{number}: a core must not include the shell's \"{quoted.group(1)}\""
            if angled and is_core(name, shell) and WORLD_HEADERS.match(angled.group(1)):
                yield f"{name}:{number}: a core must not include <{angled.group(1)}>"


def check_banned(root, shell, allowed, used):
    for path, name in sources(root, CORES):
        if not is_core(name, shell):
            continue
        for number, line in enumerate(code_of(path.read_text()), 1):
            for rule, pattern in BANNED.items():
                found = None if line.startswith("#include") else pattern.search(line)
                if not found:
                    continue
                if (name, rule) in allowed:
                    used.add((name, rule))
                else:
                    yield f"{name}:{number}: {rule} in a core: {found.group().strip()}"


def check_shape(root):
    """Lengths, openings, and what is left undone, in everything that people maintain."""
    for path, name in sources(root, (*MAY_INCLUDE, "tests"), (".h", ".cc", ".c", ".py")):
        text = path.read_text()
        lines = text.count("\n")
        if lines > LINES_MAX:
            yield f"{name}: {lines} lines; past {LINES_MAX} a second idea wants its own file"
        if path.suffix == ".h":
            if not text.startswith("//"):
                yield f"{name}:1: a header opens with what it is for"
            if "#pragma once" not in text:
                yield f"{name}:1: no #pragma once"
        if path.suffix == ".py" or name.startswith("tests/layering"):
            continue
        for number, line in enumerate(text.split("\n"), 1):
            if re.search(r"\b(FIXME|XXX|HACK)\b", line):
                yield f"{name}:{number}: left undone: {line.strip()}"
            if re.search(r"\bTODO\b", line) and not re.search(r"\bTODO\((when|until|after) [^)]+\)", line):
                yield f"{name}:{number}: a TODO names what ends it: TODO(when ...), TODO(until ...)"
            if re.match(r"\s*using\s+namespace\b", line):
                yield f"{name}:{number}: using namespace"


def check_tree(root, shell, allowed):
    used = set()
    found = [*check_includes(root, shell), *check_banned(root, shell, allowed, used),
             *check_shape(root)]
    stale = [f"{name}: ALLOWED names \"{rule}\", which it no longer needs"
             for name, rule in sorted(set(allowed) - used)]
    return found + stale


class TheTree(unittest.TestCase):
    def test_keeps_every_rule(self):
        found = check_tree(ROOT, shell_of(ROOT), ALLOWED)
        self.assertEqual(found, [], "\n" + "\n".join(found))

    def test_shell_files_exist(self):
        for name in shell_of(ROOT):
            suffix = ".h" if name in SHELL_HEADERS else ".cc"
            self.assertTrue((ROOT / (name + suffix)).is_file(), f"{name} is gone")


class TheRules(unittest.TestCase):
    """Each rule notices what it is for, and lets pass what it should."""

    def verdict(self, name, text, shell=frozenset(), allowed=()):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / name
            path.parent.mkdir(parents=True)
            path.write_text(text)
            return check_tree(pathlib.Path(folder), shell, dict.fromkeys(allowed, "test"))

    def assert_caught(self, name, text, word, **options):
        found = self.verdict(name, text, **options)
        self.assertEqual(len(found), 1, found)
        self.assertIn(word, found[0])

    def assert_clean(self, name, text, **options):
        self.assertEqual(self.verdict(name, text, **options), [])

    def test_includes_point_left(self):
        for layer, other in (("crypto", "dht"), ("dht", "gossip"), ("gossip", "dht"), ("dht", "node"),
                             ("node", "cli"), ("testnet", "cli"), ("cli", "tests")):
            self.assert_caught(f"{layer}/a.cc", f'#include "{other}/b.h"\n', "must not include")
        self.assert_caught("dht/a.cc", '#include "../crypto/b.h"\n', "must not include")
        self.assert_caught("dht/a.cc", '#include "b.h"\n', "must not include")
        self.assert_clean("gossip/membership/a.cc", '#include "crypto/b.h"\n')

    def test_only_shell_files_touch_the_world(self):
        for header in ("uv.h", "sqlite3.h", "microhttpd.h", "fstream", "unordered_map", "thread"):
            self.assert_caught("node/core.cc", f"#include <{header}>\n", "a core must not include")
            self.assert_caught("testnet/sim/a.cc", f"#include <{header}>\n", "a core must not include")
        self.assert_clean("node/loop.cc", "#include <uv.h>\n#include <sqlite3.h>\n", shell={"node/loop"})
        self.assert_clean("testnet/supervisor.cc", "#include <unistd.h>\n")
        self.assert_clean("cli/main.cc", "#include <iostream>\n")
        self.assert_caught("node/core.cc", '#include "node/loop.h"\n', "the shell's", shell={"node/loop"})

    def test_banned_calls(self):
        for rule, line in (
                ("clock", "auto t = std::chrono::steady_clock::now();"),
                ("clock", "auto t = time(nullptr);"),
                ("clock", "uv_now(loop);"),
                ("sleep", "std::this_thread_x::sleep_for(1s);"),
                ("randomness", "int r = rand();"),
                ("randomness", "std::uniform_int_distribution<int> d;"),
                ("randomness", "randombytes_buf(p, 4);"),
                ("environment", 'auto h = std::getenv("HOME");'),
                ("files", "std::ofstream out;"),
                ("files", "std::fprintf(stderr, x);"),
                ("unordered", "std::unordered_map<int, int> m;"),
                ("floating point", "double x = 1;"),
                ("threads", "thread_local int x;"),
                ("threads", "std::mutex m;"),
                ("exceptions", "throw 1;")):
            self.assert_caught("dht/a.cc", line + "\n", rule + " in a core")
            self.assert_clean("cli/a.cc", line + "\n")

    def test_comments_literals_and_lookalikes_pass(self):
        self.assert_clean("dht/a.cc", """// a double look at the clock: steady_clock; never throw
/* getenv,
   rand() */
const char* kText = "throw double getenv(";
int operand(int brand) { return brand; }
std::snprintf_like random_order(Rng& rng);
std::uint64_t big = 1'000'000;
Instant retry = on_try(timeout(now));
""")

    def test_an_allowance_is_for_one_file_and_must_be_needed(self):
        self.assert_clean("dht/a.cc", "double x;\n", allowed=[("dht/a.cc", "floating point")])
        self.assert_caught("dht/b.cc", "double x;\n", "floating point",
                           allowed=[])
        self.assert_caught("dht/b.cc", "int x;\n", "no longer needs",
                           allowed=[("dht/b.cc", "floating point")])

    def test_shape(self):
        self.assert_caught("cli/a.cc", "int x;\n" * (LINES_MAX + 1), "second idea")
        self.assert_caught("cli/a.h", "#pragma once\n", "opens with")
        self.assert_caught("cli/a.h", "// For tests.\n", "no #pragma once")
        self.assert_caught("cli/a.cc", "// TODO: later\n", "names what ends it")
        self.assert_clean("cli/a.cc", "// TODO(when issue 3 lands): drop this\n")
        self.assert_caught("cli/a.cc", "// FIXME\n", "left undone")
        self.assert_caught("cli/a.cc", "using namespace std;\n", "using namespace")


if __name__ == "__main__":
    sys.exit(0 if unittest.main(exit=False, verbosity=1).result.wasSuccessful() else 1)
