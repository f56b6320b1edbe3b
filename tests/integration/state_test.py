"""Shared state on real nodes: namespaces, registers, counters, sets, watching, copies in files, restarts."""
import base64
import json
import pathlib
import select
import subprocess
import unittest

from support import MeshTest, NO_NODE, NOT_FOUND, TIMED_OUT, USAGE, wait_until, weft, weft_binary


class StateTest(MeshTest):
    def json_of(self, node, *words, status=0):
        return self.assert_status(weft("--json", "state", *words, home=node.home), status).json()

    def run_on(self, node, *words, status=0, stdin=b""):
        return self.assert_status(weft("state", *words, home=node.home, stdin=stdin), status)

    def digests(self, nodes):
        return {node.name: weft("--json", "state", "digest", home=node.home).json() for node in nodes}

    def assert_converges(self, nodes, timeout_s=20):
        """All show the same digest and number of entries for each of their namespaces."""
        def alike():
            seen = [sorted((row["creator"], row["namespace"], row["digest"], row["entries"]) for row in rows)
                    for rows in self.digests(nodes).values()]
            return all(rows == seen[0] for rows in seen)
        self.assertTrue(wait_until(alike, timeout_s), self.digests(nodes))

    def assert_value(self, node, doc, value, timeout_s=20):
        self.assertTrue(wait_until(lambda: weft("state", "get", doc, home=node.home).out == value, timeout_s),
                        weft("state", "get", doc, home=node.home))

    def create(self, node, name, nodes):
        """A namespace that the others can find: creating does not wait for its publication."""
        made = self.json_of(node, "create", name)
        self.assertTrue(wait_until(lambda: any(row["copies"] >= nodes for row in node.get("/v1/own")), 20), node.get("/v1/own"))
        return made

    def room(self, count=3, extra=()):
        """Nodes of which the first has made `room` and the others have joined it by its name."""
        nodes = self.start(count, extra=extra)
        self.create(nodes[0], "room", count)
        for node in nodes[1:]:
            self.json_of(node, "join", "room")
        return nodes


class Documents(StateTest):
    def test_one_creates_others_join_by_name_and_all_write(self):
        a, b, c = self.start(3)
        made = self.create(a, "room", 3)
        self.assert_keys(made, "namespace", "id", "creator", "own", "access", "entries", "bytes", "cursor")
        self.assertEqual((made["namespace"], made["creator"], made["own"]), ("room", a.id, True))
        self.assertEqual(self.json_of(a, "create", "room")["id"], made["id"], "made twice is made once")
        self.assertEqual(self.json_of(b, "get", "room/topic", status=NOT_FOUND)["error"]["code"], "not_found")
        for node in b, c:
            joined = self.json_of(node, "join", "room")
            self.assertEqual((joined["id"], joined["creator"], joined["own"]), (made["id"], a.id, False))
        self.assertEqual(self.json_of(c, "join", "nothing-of-that-name", status=NOT_FOUND)["error"]["code"], "not_found")

        # A register: written on one, read on the others, as bytes and as JSON.
        written = self.json_of(a, "set", "room/topic", "hello")
        self.assert_keys(written, "doc", "value", "conflicts", "author", "at")
        self.assertEqual((written["doc"], written["value"], written["conflicts"], written["author"]),
                         ("room/topic", "hello", [], a.id))
        self.assertRegex(written["at"], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        for node in b, c:
            self.assert_value(node, "room/topic", b"hello")
            self.assertEqual(self.json_of(node, "get", "room/topic"), written)
        raw = bytes(range(256))
        self.run_on(b, "set", "room/raw", "-", stdin=raw)
        self.assert_value(c, "room/raw", raw)
        self.assertEqual(base64.b64decode(self.json_of(c, "get", "room/raw")["value_base64"]), raw)
        self.run_on(c, "set", "room/big", "-", status=USAGE, stdin=bytes(1000))

        # A counter: what each counts adds up.
        self.assertEqual(self.run_on(a, "inc", "room/visits").out, b"1\n")
        self.json_of(b, "inc", "room/visits", "10")
        self.run_on(c, "inc", "room/visits", "--", "-3")
        for node in a, b, c:
            self.assert_value(node, "room/visits", b"8\n")
        self.assertEqual(self.json_of(a, "inc", "room/visits", "0"), {"doc": "room/visits", "value": 8})

        # A set: what each adds is in it, what was taken out is gone.
        self.assertEqual(self.json_of(a, "add", "room/people", "alice"), {"doc": "room/people", "items": ["alice"]})
        self.run_on(b, "add", "room/people", "bob")
        self.run_on(c, "add", "room/people", "-", stdin=b"\xff\n")
        everyone = ["alice", "bob", {"value_base64": "/wo="}]
        for node in a, b, c:
            self.assertTrue(wait_until(lambda node=node: self.json_of(node, "items", "room/people")["items"] == everyone, 20),
                            self.json_of(node, "items", "room/people"))
        self.assertEqual(self.run_on(a, "items", "room/people").out, b"alice\nbob\n\\xff\\x0a\n")
        self.json_of(b, "del", "room/people", "alice")
        self.assertTrue(wait_until(lambda: self.json_of(c, "items", "room/people")["items"] == everyone[1:], 20))
        self.json_of(c, "del", "room/people", "nobody", status=NOT_FOUND)

        # What is there, and taking a path with all below it away.
        self.assertEqual({row["doc"]: row["kinds"] for row in self.json_of(b, "ls", "room")},
                         {"room/people": ["set"], "room/raw": ["register"], "room/topic": ["register"], "room/visits": ["counter"]})
        self.run_on(a, "set", "room/plan/monday", "rest")
        self.run_on(a, "set", "room/plan/tuesday", "work")
        self.assert_value(c, "room/plan/tuesday", b"work")
        removed = self.json_of(c, "rm", "room/plan")
        self.assertEqual((removed["doc"], removed["value"], removed["conflicts"]), ("room/plan", None, []))
        for node in a, b, c:
            self.assertTrue(wait_until(lambda node=node: weft("state", "get", "room/plan/monday", home=node.home).status == NOT_FOUND, 20))
        self.json_of(c, "rm", "room/plan", status=NOT_FOUND)
        self.assert_converges([a, b, c])
        self.assertEqual([row["namespace"] for row in self.json_of(a, "ls")], ["room"])
        self.assertEqual(a.get("/v1/status")["state"]["namespaces"], 1)
        for words in (["ls"], ["ls", "room"], ["digest"], ["digest", "room"], ["items", "room/people"]):
            self.assertIn(b"room" if words[0] != "items" else b"bob", self.run_on(b, *words).out)

        # Who leaves forgets; the others keep what it wrote, and it may come back.
        self.assertEqual(self.json_of(a, "leave", "room")["left"], True)
        self.assertEqual(self.json_of(a, "ls"), [])
        self.assertEqual(self.run_on(b, "get", "room/topic").out, b"hello")
        self.assertEqual(self.json_of(a, "join", "room")["id"], made["id"], "joiners have published it, too")
        self.assert_value(a, "room/topic", b"hello")
        self.assert_converges([a, b, c])

    def test_concurrent_values_are_shown_and_the_next_set_resolves_them(self):
        a, b, c = self.room(extra=["--faults"])
        self.run_on(a, "set", "room/topic", "before")
        self.assert_converges([a, b, c])
        # Two from whom nothing gets out write.
        for node in a, b:
            node.post("/v1/faults", block=[other.address for other in (a, b, c) if other is not node])
        self.run_on(a, "set", "room/topic", "from a")
        self.run_on(b, "set", "room/topic", "from b")
        self.assertEqual(self.run_on(a, "get", "room/topic").out, b"from a")
        self.assertEqual(self.run_on(b, "get", "room/topic").out, b"from b")
        for node in a, b:
            node.post("/v1/faults", block=[])
        self.assert_converges([a, b, c], 40)
        shown = [self.json_of(node, "get", "room/topic") for node in (a, b, c)]
        self.assertEqual(shown[0], shown[1])
        self.assertEqual(shown[0], shown[2])
        values = {shown[0]["author"]: shown[0]["value"], **{v["author"]: v["value"] for v in shown[0]["conflicts"]}}
        self.assertEqual(values, {a.id: "from a", b.id: "from b"})
        ran = self.run_on(c, "get", "room/topic")
        self.assertEqual(ran.out, shown[0]["value"].encode(), "the later one, as it is")
        self.assertIn(b"1 other value", ran.err)
        self.assertEqual(self.json_of(c, "set", "room/topic", "both")["conflicts"], [])
        for node in a, b, c:
            self.assert_value(node, "room/topic", b"both")
            self.assertEqual(self.json_of(node, "get", "room/topic")["conflicts"], [])

    def test_two_namespaces_of_one_name_need_an_id(self):
        a, b, c = self.start(3)
        self.create(a, "room", 3)
        self.create(b, "room", 3)
        ran = self.assert_status(weft("--json", "state", "join", "room", home=c.home), 1)
        self.assertEqual(ran.json()["error"]["code"], "ambiguous")
        self.assertEqual(set(ran.json()["error"]["creators"]), {a.id, b.id})
        self.assertIn(b"room@" + a.id.encode(), ran.err)
        self.json_of(c, "join", f"room@{a.id[:12]}")
        self.json_of(c, "join", f"room@{b.id}")
        self.assertEqual(self.json_of(c, "set", "room/x", "y", status=1)["error"]["code"], "ambiguous")
        self.run_on(c, "set", f"room@{b.id[:8]}/x", "y")
        self.assert_value(b, "room/x", b"y")
        self.run_on(a, "get", "room/x", status=NOT_FOUND)
        self.assertEqual({row["creator"] for row in self.json_of(c, "digest")}, {a.id, b.id})


class Watching(StateTest):
    def watch(self, node, *words):
        process = subprocess.Popen([weft_binary(), "--json", "--home", str(node.home), "state", "watch", *words],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_changes_are_told_and_nothing_is_missed(self):
        a, b, c = self.room()
        self.run_on(a, "set", "room/topic", "one")
        watch = self.watch(b, "room", "--from", "0", "--count", "5")
        first = json.loads(watch.stdout.readline())
        self.assert_keys(first, "cursor", "doc", "kind", "author", "at", "id", "value")
        self.assertEqual((first["doc"], first["kind"], first["author"], first["value"]), ("room/topic", "set", a.id, "one"))
        self.run_on(c, "inc", "room/visits", "4")
        line = json.loads(watch.stdout.readline())
        self.assertEqual((line["doc"], line["kind"], line["author"], line["value"]), ("room/visits", "inc", c.id, 4))
        self.run_on(b, "add", "room/people", "bob")
        self.assertEqual(json.loads(watch.stdout.readline())["kind"], "add")
        self.run_on(a, "set", "room/topic", "-", stdin=b"\xff")
        line = json.loads(watch.stdout.readline())
        self.assertEqual((line["kind"], line["value_base64"]), ("set", "/w=="))
        self.run_on(c, "rm", "room/visits")
        last = json.loads(watch.stdout.readline())
        self.assertEqual((last["kind"], last["doc"], last["author"]), ("rm", "room/visits", c.id))
        self.assertEqual((watch.stdout.read(), watch.wait(10)), ("", 0))

        # Again from a cursor on, also after the node was away; only one document; a time that ends it.
        self.assertEqual(b.stop(), 0)
        b = self.mesh.nodes[1] = self.mesh.new_node(1).spawn().wait_ready()
        ran = weft("--json", "state", "watch", "room", "--from", str(first["cursor"]), "--count", "4", "--timeout", "20s", home=b.home)
        lines = [json.loads(text) for text in self.assert_status(ran, 0).out.splitlines()]
        self.assertEqual([one["kind"] for one in lines], ["inc", "add", "set", "rm"])
        self.assertEqual(lines[-1]["cursor"], last["cursor"])
        ran = weft("--json", "state", "watch", "room/topic", "--from", "0", "--timeout", "300ms", home=b.home)
        self.assertEqual([json.loads(text)["doc"] for text in self.assert_status(ran, 0).out.splitlines()], ["room/topic"] * 2)
        ran = weft("state", "watch", "room/topic", "--from", str(first["cursor"]), "--timeout", "300ms", home=b.home)
        self.assertEqual(ran.out, f"{lines[2]['cursor']} {a.id[:16]} set room/topic \\xff\n".encode())
        self.assert_status(weft("state", "watch", "room", "--timeout", "300ms", home=b.home), TIMED_OUT)
        self.assert_status(weft("state", "watch", "hall", "--timeout", "300ms", home=b.home), NOT_FOUND)

        # A cursor that the node cannot know is said to be one, and all that is here follows.
        ran = weft("--json", "state", "watch", "room", "--from", str(last["cursor"] + 1000), "--count", "1", "--timeout", "5s", home=b.home)
        gap, line = [json.loads(text) for text in self.assert_status(ran, 0).out.splitlines()]
        self.assertEqual((gap["gap"], gap["cursor"], line["cursor"]), (True, 0, first["cursor"]))

        # What comes from now on, and the node goes.
        watch = self.watch(b, "room")
        self.assertTrue(wait_until(lambda: self.says(a, watch), 20))
        b.kill()
        self.assertEqual(watch.wait(10), NO_NODE)

    def says(self, node, watch):
        """Writes; true once the watcher, which may have begun later, has told one of these."""
        self.run_on(node, "inc", "room/steps")
        ready, _, _ = select.select([watch.stdout], [], [], 0.2)
        return bool(ready) and json.loads(watch.stdout.readline())["doc"] == "room/steps"


class Copies(StateTest):
    def test_into_a_node_that_was_not_there(self):
        a, b, c = self.room()
        for i in range(150):
            a.post("/v1/state/write", doc=f"room/n{i % 50}", what="set", value=f"value {i} " + "x" * 300)
        self.run_on(b, "inc", "room/visits", "7")
        self.run_on(c, "add", "room/people", "carol")
        self.assert_converges([a, b, c], 40)
        path = pathlib.Path(self.mesh.root) / "room.entries"
        told = self.json_of(b, "export", "room", "--out", path)
        self.assert_keys(told, "namespace", "entries")
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        self.assertEqual((lines[0]["weft_export"], lines[0]["namespace"], len(lines) - 1), (1, "room", told["entries"]))
        self.assertEqual(told["entries"], self.json_of(b, "digest", "room")["entries"])
        self.assertEqual(self.run_on(b, "export", "room").out, path.read_bytes(), "to stdout as well")

        # A mesh of its own: nobody there has heard of the namespace or of its authors.
        other = self.mesh.new_node(7, seeds=[])
        self.mesh.nodes.append(other.spawn().wait_ready())
        self.run_on(other, "import", "hall", path, status=USAGE)
        self.assertEqual(self.json_of(other, "import", "room", path),
                         {"namespace": "room", "imported": told["entries"], "known": 0})
        self.assertEqual(self.json_of(other, "import", "room", path),
                         {"namespace": "room", "imported": 0, "known": told["entries"]})
        self.assertEqual(self.json_of(other, "digest", "room"), self.json_of(b, "digest", "room"))
        self.assertEqual(self.run_on(other, "get", "room/visits").out, b"7\n")
        self.assertEqual(len(self.json_of(other, "ls", "room")), 52)
        neighbour = self.mesh.new_node(9, seeds=[other.address])
        self.mesh.nodes.append(neighbour.spawn().wait_ready())
        self.assertIsNotNone(self.mesh.wait_all_see(2, 20, [other, neighbour]), self.why())
        self.assertTrue(wait_until(lambda: weft("state", "join", "room", home=neighbour.home).status == 0, 20))
        self.assert_converges([other, neighbour], 40)

        # What was tampered with is refused, and says where; a file that was cut off has given what it had.
        fresh = self.mesh.new_node(8, seeds=[])
        self.mesh.nodes.append(fresh.spawn().wait_ready())
        bad = bytearray(base64.b64decode(lines[40]["entry"]))
        bad[-1] ^= 1
        text = path.read_text().splitlines()
        text[40] = json.dumps({"entry": base64.b64encode(bad).decode()})
        path.write_text("\n".join(text) + "\n")
        ran = self.run_on(fresh, "import", "room", path, status=USAGE)
        self.assertRegex(ran.err, rb"lines \d+ to \d+: ")
        path.write_text("\n".join(text[:11]) + "\n" + text[11][:50])
        self.run_on(fresh, "import", "room", path, status=USAGE)
        self.run_on(fresh, "import", "room", "-", stdin=b"nothing\n", status=USAGE)
        self.assertEqual(self.run_on(fresh, "import", "room", "-", stdin="\n".join(text[:11]).encode()).status, 0)
        self.assertGreaterEqual(self.json_of(fresh, "digest", "room")["entries"], 10)

    def test_many_changes_are_applied_from_lines(self):
        a, _, _ = self.room()
        lines = self.home_file("changes", "".join(
            json.dumps({"path": f"bulk/{i}", "what": "set", "value": f"v{i}"}) + "\n" for i in range(150)) +
            '{"path":"bulk/hits","what":"inc","amount":7}\n')
        self.assert_status(weft("state", "create", "bulk", home=a.home), 0)
        self.assertEqual(self.json_of(a, "apply", "bulk", lines), {"namespace": "bulk", "changes": 151})
        self.assertEqual(self.json_of(a, "get", "bulk/bulk/149")["value"], "v149")
        self.assertEqual(self.json_of(a, "get", "bulk/bulk/hits")["value"], 7)
        bad = self.home_file("bad", '{"path":"x","what":"set","value":"1"}\n{"path":"y","what":"del","value":"gone"}\n')
        ran = weft("state", "apply", "bulk", bad, home=a.home)
        self.assert_status(ran, NOT_FOUND)
        self.assertIn("lines 1 to 2", str(ran.err))
        self.assert_status(weft("state", "get", "bulk/x", home=a.home), NOT_FOUND)
        self.assert_status(weft("state", "apply", "bulk", self.home_file("no", "no json\n"), home=a.home), USAGE)

    def home_file(self, name, text):
        path = f"{self.mesh.nodes[0].home}/{name}"
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def test_a_restart_keeps_everything(self):
        a, b, c = self.room()
        self.run_on(a, "set", "room/topic", "kept")
        self.run_on(b, "inc", "room/visits", "3")
        self.run_on(c, "add", "room/people", "carol")
        self.assert_converges([a, b, c])
        before = self.json_of(a, "digest", "room")
        rows = self.json_of(a, "ls")
        for node in a, b, c:
            node.kill()
        for node in a, b, c:
            self.mesh.nodes[node.index] = self.mesh.new_node(node.index).spawn()
        a, b, c = self.mesh.nodes
        self.assertIsNotNone(self.mesh.wait_all_see(3, 30), self.why())
        # What others wrote in the last half second before a kill comes again from them.
        for node in a, b, c:
            self.assertTrue(wait_until(lambda node=node: self.json_of(node, "digest", "room") == before, 20), self.digests([a, b, c]))
        # The cursors go on higher up, where no number was given before.
        here = self.json_of(a, "ls")
        self.assertGreater(here[0].pop("cursor"), rows[0].pop("cursor"))
        self.assertEqual(here, rows)
        # And all of them write on.
        self.assertEqual(self.json_of(b, "inc", "room/visits", "2")["value"], 5)
        self.run_on(a, "set", "room/topic", "changed")
        for node in a, b, c:
            self.assert_value(node, "room/visits", b"5\n")
            self.assert_value(node, "room/topic", b"changed")
        self.assert_converges([a, b, c])
        # A newcomer gets all of it.
        d = self.mesh.new_node(3)
        self.mesh.nodes.append(d.spawn().wait_ready())
        self.assertTrue(wait_until(lambda: weft("state", "join", "room", home=d.home).status == 0, 20))
        self.assert_converges([a, b, c, d])
        self.assertEqual(self.run_on(d, "items", "room/people").out, b"carol\n")


class Rights(StateTest):
    """An owned namespace on real nodes, over restarts and a time apart."""
    DENIED = 1

    def plans(self, count=3):
        nodes = self.start(count)
        made = self.json_of(nodes[0], "create", "plans", "--owned")
        self.assertEqual((made["access"], made["may_write"], made["forks"]), ("owned", True, 0))
        self.assertTrue(wait_until(lambda: any(row["copies"] >= count for row in nodes[0].get("/v1/own")), 20))
        for node in nodes[1:]:
            self.assertFalse(self.json_of(node, "join", "plans")["may_write"])
        return nodes

    def again(self, node):
        new = self.mesh.nodes[node.index] = self.mesh.new_node(node.index).spawn().wait_ready()
        new.id = node.id
        return new

    def grant(self, owner, node, *more):
        given = self.json_of(owner, "grant", "plans", node.id, *more)
        self.assertTrue(wait_until(lambda: [g for g in self.json_of(node, "rights", "plans")["grants"] if g["grant"] == given["grant"]], 20))
        return given

    def denied(self, node, *words):
        error = self.json_of(node, *words, status=self.DENIED)["error"]
        self.assertEqual(error["code"], "denied")
        return error["message"]

    def test_what_was_granted_can_be_written_and_nothing_else(self):
        a, b, c = self.plans()
        self.assertIn("nobody granted", self.denied(b, "set", "plans/a", "x"))
        self.assertIn("only the creator", self.denied(b, "grant", "plans", b.id))
        self.run_on(a, "set", "plans/drafts/title", "the owner's")
        given = self.grant(a, b, "--path", "drafts", "--rights", "add", "--entries", "4", "--expires", "1h")
        self.assertEqual((given["id"], given["path"], given["rights"], given["entries"], given["revoked"]), (b.id, "drafts", ["add"], 4, False))
        self.assertTrue(self.json_of(b, "ls")[0]["may_write"])
        self.run_on(b, "set", "plans/drafts/one", "1")
        self.assert_value(c, "plans/drafts/one", b"1")
        self.assertIn("does not cover", self.denied(b, "set", "plans/a", "x"))
        self.assert_value(b, "plans/drafts/title", b"the owner's")
        self.assertIn("overwrite", self.denied(b, "set", "plans/drafts/title", "mine"))
        self.run_on(b, "set", "plans/drafts/two", "2")
        self.run_on(b, "set", "plans/drafts/three", "3")
        self.assertIn("as many entries", self.denied(b, "set", "plans/drafts/four", "4"))
        self.run_on(b, "set", "plans/drafts/one", "again")
        self.assert_value(c, "plans/drafts/one", b"again")
        self.assert_status(weft("state", "grant", "plans", b.id, "--rights", "rule", home=a.home), USAGE)
        self.assert_status(weft("state", "grant", "plans", "deadbeef", home=a.home), NOT_FOUND)

    def test_a_revocation_cuts_off_what_its_issuer_had_not_seen_for_good(self):
        a, b, c = self.plans()
        self.grant(a, b)
        self.run_on(b, "set", "plans/seen", "1")
        self.assert_value(a, "plans/seen", b"1")
        a.stop()
        self.run_on(b, "set", "plans/unseen", "2")  # acknowledged, and c has it
        self.assert_value(c, "plans/unseen", b"2")
        # Cut off from both while it revokes.
        for node in b, c:
            node.stop()
        a = self.again(a)
        revoked = self.json_of(a, "revoke", "plans", b.id)
        self.assertTrue(revoked["revoked"])
        b, c = self.again(b), self.again(c)
        self.assertTrue(wait_until(lambda: self.json_of(b, "rights", "plans")["grants"][0]["revoked"], 30))
        for node in a, b, c:
            self.assertTrue(wait_until(lambda: weft("state", "get", "plans/unseen", home=node.home).status == NOT_FOUND, 30), node.name)
            self.assert_value(node, "plans/seen", b"1")
        self.assert_converges([a, b, c])
        self.assertIn("revoked", self.denied(b, "set", "plans/seen", "3"))
        told = [json.loads(line) for line in weft("--json", "state", "watch", "plans/seen", "--from", "0", "--timeout", "1s", home=c.home).out.splitlines()]
        revoked = [change for change in told if change["kind"] == "revoke"]
        self.assertEqual([(change["doc"], change["revoked"], change["author"]) for change in revoked], [("plans", b.id, a.id)])
        self.assertEqual(b.get("/v1/status")["state"]["cut_off"], 1)
        self.grant(a, b)
        self.run_on(b, "set", "plans/seen", "4")
        self.assert_value(c, "plans/seen", b"4")
        self.assertEqual(self.json_of(c, "forks"), [])

    def test_all_grants_are_shown_however_many_pages_they_take(self):
        a, = self.plans(1)
        for number in range(260):
            self.run_on(a, "grant", "plans", f"{number:064x}")
        rights = self.json_of(a, "rights", "plans")
        self.assert_keys(rights, "namespace", "access", "owner", "grants")
        self.assertNotIn("more", rights)
        self.assertEqual([grant["id"] for grant in rights["grants"]], [f"{number:064x}" for number in range(260)])
        self.assertEqual(len(self.run_on(a, "rights", "plans").out.splitlines()), 262)
        self.assertTrue(a.get("/v1/state/rights?space=plans")["more"])


if __name__ == "__main__":
    unittest.main()
