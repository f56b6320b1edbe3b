"""Every command of this stage: its exit codes, and the shape of what --json prints."""
import json
import pathlib
import stat
import unittest

from support import MeshTest, NO_NODE, NOT_FOUND, TIMED_OUT, USAGE, wait_until, weft

COMMANDS = ["up", "join", "leave", "status", "members", "peers", "ping", "id", "wait", "put", "get", "rm", "own",
            "watch", "provide", "providers", "lookup", "trace", "network", "config", "completions", "doctor", "backup", "restore", "log",
            "metrics", "testnet", "state"]
STATE_COMMANDS = ["create", "join", "leave", "ls", "digest", "set", "get", "rm", "inc", "add", "del", "items", "watch",
                  "export", "import", "apply", "grant", "revoke", "rights", "forks"]
LATER = [["add", "f"], ["cat", "c"]]
NEED_A_NODE = [["join", "127.0.0.1:1"], ["leave"], ["status"], ["members"], ["peers"], ["ping", "0" * 64],
               ["wait"], ["put", "k", "v"], ["get", "k"], ["rm", "k"], ["own"], ["lookup", "k"], ["trace"], ["trace", "0" * 32], ["metrics"],
               ["log"], ["provide", "k"], ["providers", "k"], ["watch", "k"],
               ["state", "create", "room"], ["state", "join", "room"], ["state", "leave", "room"], ["state", "ls"],
               ["state", "ls", "room"], ["state", "digest"], ["state", "set", "room/a", "v"], ["state", "get", "room/a"],
               ["state", "rm", "room/a"], ["state", "inc", "room/a", "--", "-3"], ["state", "add", "room/a", "e"],
               ["state", "del", "room/a", "e"], ["state", "items", "room/a"], ["state", "watch", "room"],
               ["state", "watch", "room/a", "--from", "7"], ["state", "export", "room"],
               ["state", "create", "room", "--owned"], ["state", "grant", "room", "0" * 64], ["state", "revoke", "room", "0" * 64],
               ["state", "rights", "room"], ["state", "forks"]]
WRONG = [[], ["nonsense"], ["put"], ["put", "k"], ["get"], ["ping"], ["lookup"], ["trace", "12"], ["status", "extra"],
         ["up", "--listen", "nowhere"], ["up", "--listen", "127.0.0.1:70000"], ["up", "--tag", "novalue"],
         ["up", "--name", "x" * 49], ["up", "--advertise", "name:1"], ["up", "--http", "nowhere"],
         ["up", "--join", "no-port"], ["up", "--durability", "perhaps"], ["up", "--network", "./missing"],
         ["up", "--config", "./missing.toml"], ["up", "--bogus"], ["--timeout", "soon", "status"],
         ["put", "k" * 256, "v"], ["put", "hex:123", "v"], ["put", "k", "v", "--ttl", "yesterday"],
         ["get", "k", "--paths", "-1"], ["lookup", "k", "--paths", "many"], ["put", "k", "v", "--to", "abc"], ["provide"], ["providers", "k" * 256], ["provide", "k", "--ttl", "0s"],
         ["watch"], ["watch", "k", "--every", "1ms"], ["watch", "k", "--count", "0"],
         ["backup"], ["restore"], ["backup", "f"], ["restore", "f"],
         ["wait", "--members", "many"], ["network", "new"], ["network"], ["completions", "tcsh"],
         ["put", "k", "--file", "./missing"], ["members", "--state", "happy"], ["members", "--name", "("],
         ["state"], ["state", "set", "room", "v"], ["state", "set", "room/", "v"], ["state", "set", "/a", "v"],
         ["state", "set", "room/a//b", "v"], ["state", "set", "room@12/a", "v"], ["state", "get", "r" * 64 + "/a"],
         ["state", "get", "room/" + "a" * 256], ["state", "inc", "room/a", "x"], ["state", "create", "a b"],
         ["state", "create", "room@" + "0" * 64], ["state", "join", "room@0123456"], ["state", "join", "room@nothexno"],
         ["state", "watch", "room", "--count", "0"], ["state", "watch", "room", "--from", "-1"],
         ["state", "import", "room", "./missing"], ["state", "create", "room", "--open", "--owned"], ["state", "grant", "room"],
         ["state", "grant", "room", "0" * 64, "--expires", "soon"], ["state", "grant", "a b", "0" * 64], ["state", "rights"], ["state", "apply", "room", "./missing"],
         ["testnet"], ["testnet", "up"], ["testnet", "up", "-n", "0"], ["testnet", "link", "latency=fast"]]


class WithoutANode(MeshTest):
    def setUp(self):
        super().setUp()
        self.home = pathlib.Path(self.mesh.root) / "none"

    def test_help_and_version(self):
        self.assertRegex(self.assert_status(weft("--version"), 0).out.decode(), r"\d+\.\d+\.\d+")
        self.assertIn(b"put", self.assert_status(weft("--help"), 0).out)
        for command in COMMANDS:
            with self.subTest(command=command):
                out = self.assert_status(weft(command, "--help"), 0).out.decode()
                self.assertIn("weft " + command, out, "a worked example")
        for command in STATE_COMMANDS:
            with self.subTest(command=command):
                out = self.assert_status(weft("state", command, "--help"), 0).out.decode()
                self.assertIn("weft state " + command, out, "a worked example")

    def test_no_node_is_3(self):
        for words in NEED_A_NODE:
            with self.subTest(words=words):
                self.assert_status(weft(*words, home=self.home), NO_NODE)
                ran = self.assert_status(weft("--json", *words, home=self.home), NO_NODE)
                self.assert_keys(ran.json(), "error")
                self.assert_keys(ran.json()["error"], "code", "message")

    def test_wrong_usage_is_2(self):
        for words in WRONG + LATER:
            with self.subTest(words=words):
                self.assert_status(weft(*words, home=self.home, timeout_s=10), USAGE)
                self.assertFalse((self.home / "identity").exists(), "nothing was made")

    def test_completions(self):
        for shell in ("bash", "zsh", "fish"):
            out = self.assert_status(weft("completions", shell), 0).out
            self.assertIn(b"members", out)

    def test_config_shows_where_a_value_is_from(self):
        self.home.mkdir(mode=0o700)
        (self.home / "weft.toml").write_text('name = "from-file"\nnetwork = "from-file"\n')
        ran = self.assert_status(weft("--json", "config", "show", "--origin", home=self.home,
                                      env={"WEFT_NETWORK": "from-env"}), 0)
        rows = {row["option"]: (row["value"], row["origin"]) for row in ran.json()}
        self.assertEqual(rows["name"][0], "from-file")
        self.assertEqual(rows["network"][0], "from-env")
        self.assertEqual(len({rows["name"][1], rows["network"][1], rows["listen"][1]}), 3, rows)

    def test_identity_out_and_in(self):
        exported = pathlib.Path(self.mesh.root) / "identity.txt"
        node = self.mesh.new_node(0)
        self.mesh.nodes.append(node.spawn().wait_ready())
        self.assertEqual(node.stop(), 0)
        self.assertEqual(stat.S_IMODE((node.home / "identity").stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(node.home.stat().st_mode), 0o700)
        self.assert_status(weft("id", "export", exported, home=node.home), 0)
        self.assertEqual(stat.S_IMODE(exported.stat().st_mode), 0o600)
        self.assert_status(weft("id", "import", exported, home=self.home), 0)
        self.assertNotEqual(weft("id", "import", exported, home=self.home).status, 0, "never replaced")
        moved = self.mesh.new_node(0, home=self.home)
        self.mesh.nodes.append(moved.spawn().wait_ready())
        self.assertEqual(moved.id, node.id)


class WithNodes(MeshTest):
    def test_shapes(self):
        a, b = self.start(2, extra=["--tag", "role=test"])
        home = a.home

        def json_of(*words, status=0):
            return self.assert_status(weft("--json", *words, home=home), status).json()

        first = json.loads(a.events_path.read_text().split("\n")[0])
        self.assert_keys(first, "event", "id", "name", "listen", "control", "http")
        self.assertEqual((first["event"], first["id"], first["name"], first["http"]), ("ready", a.id, a.name, None))
        self.assertEqual(first["listen"], [a.address])

        status = json_of("status")
        self.assert_keys(status, "id", "name", "version", "listen", "uptime_s", "members", "routing", "store",
                         "state", "sessions", "network_size_estimate", "traffic", "drops", "health")
        self.assert_keys(status["members"], "alive", "suspect", "failed", "left")
        self.assert_keys(status["routing"], "contacts", "buckets")
        self.assert_keys(status["store"], "values", "bytes", "own", "own_copies_min", "own_copies")
        self.assert_keys(status["state"], "namespaces", "entries")
        self.assert_keys(status["traffic"], "sent_bytes", "sent_packets", "received_bytes", "received_packets")
        self.assertEqual(status["members"]["alive"], 2)

        members = json_of("members")
        self.assertEqual({row["id"] for row in members}, {a.id, b.id})
        for row in members:
            self.assert_keys(row, "id", "name", "address", "state", "incarnation", "rtt_ms", "tags")
            self.assertEqual(row["tags"], {"role": "test"})
        self.assertEqual([row["id"] for row in json_of("members", "--name", "001$")], [b.id])
        self.assertEqual(json_of("members", "--state", "failed"), [])
        self.assertEqual(len(json_of("members", "--tag", "role=^te")), 2)
        self.assertEqual(json_of("members", "--tag", "role=other"), [])

        peers = json_of("peers")
        self.assertEqual([row["id"] for row in peers], [b.id])
        self.assert_keys(peers[0], "id", "address", "bucket", "rtt_ms", "last_seen_s", "verified")

        self.assert_keys(json_of("id"), "id", "public_key", "record")
        self.assert_keys(json_of("wait", "--members", "2"), "alive", "elapsed_ms")
        self.assertEqual(json_of("--timeout", "300ms", "wait", "--members", "3",
                                 status=TIMED_OUT)["error"]["code"], "timed_out")
        self.assert_keys(json_of("join", b.address), "joined", "alive", "elapsed_ms")
        for row in json_of("doctor"):
            self.assert_keys(row, "check", "ok", "detail")
        for row in json_of("config", "show"):
            self.assert_keys(row, "option", "value", "origin")
        self.assertEqual(json_of("get", "nothing", status=NOT_FOUND)["error"]["code"], "not_found")
        self.assertEqual(json_of("own"), [])
        metrics = self.assert_status(weft("metrics", home=home), 0).out.decode()
        self.assertRegex(metrics, r"(?m)^# TYPE weft_\w+ (counter|gauge|histogram)$")
        self.assert_status(weft("log", home=home), 0)
        self.assertEqual(json_of("put", "k", "v", "--cas", "-1", status=USAGE)["error"]["code"], "usage")
        self.assertEqual(json_of("ping", "nobody", status=NOT_FOUND)["error"]["code"], "not_found")

        # Half an hour of text for people must work as well as JSON.
        for words in (["status"], ["members"], ["peers"], ["id"], ["doctor"], ["own"], ["config", "show"]):
            self.assert_status(weft(*words, home=home), 0)

        left = self.assert_status(weft("--json", "leave", home=b.home), 0).json()
        self.assertEqual(left, {"left": True})
        self.assertTrue(wait_until(lambda: not b.running(), 5))
        self.assertEqual(b.process.returncode, 0)

    def test_ambiguous_names_are_refused(self):
        a, b = self.start(2)
        twin = self.mesh.new_node(2)
        twin.name = b.name
        self.mesh.nodes.append(twin.spawn().wait_ready())
        self.assertIsNotNone(self.mesh.wait_all_see(3, 20))
        self.assert_status(weft("ping", b.name, home=a.home), USAGE)
        self.assert_status(weft("ping", b.id, home=a.home), 0)


if __name__ == "__main__":
    unittest.main()
