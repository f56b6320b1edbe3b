"""Twenty nodes: values put anywhere are found everywhere, numbered, withdrawn, compared and set."""
import base64
import json
import os
import pathlib
import subprocess
import time
import unittest

from support import CONFLICT, MeshTest, NO_NODE, NOT_FOUND, TIMED_OUT, USAGE, weft, weft_binary


class Providers(MeshTest):
    def test_who_offers_a_thing(self):
        nodes = self.start(12)
        reader = nodes[11]
        self.assert_status(weft("providers", "printer", home=reader.home), NOT_FOUND)
        offering = nodes[2:6]
        for node in offering:
            told = self.assert_status(weft("--json", "provide", "printer", "--ttl", "1h", home=node.home), 0).json()
            self.assert_keys(told, "key", "seq", "replicas", "elapsed_ms")
        found = self.assert_status(weft("--json", "providers", "printer", home=reader.home), 0).json()
        self.assertEqual({row["id"]: row["address"] for row in found}, {node.id: node.address for node in offering})
        for row in found:
            self.assertTrue(3500 < row["expires_s"] <= 3600, row)
        self.assert_status(weft("get", "printer", home=reader.home), NOT_FOUND)
        # A liar's bytes in the same place hide nobody.
        place = [row["key"] for row in weft("--json", "own", home=offering[0].home).json()][0]
        self.assert_status(weft("put", place, "not a record", home=nodes[8].home), 0)
        copied = weft("--json", "get", place, "--author", offering[0].id, home=reader.home).json()
        record = base64.b64decode(copied["values"][0]["value_base64"])
        self.assert_status(weft("put", place, "-", home=nodes[9].home, stdin=record), 0)
        # The deaths of holders neither; one that is dead may be named until it expires.
        for node in nodes[6:8]:
            node.kill()
        again = self.assert_status(weft("--json", "providers", "printer", home=reader.home), 0).json()
        self.assertEqual({row["id"] for row in again}, {node.id for node in offering})
        table = self.assert_status(weft("providers", "printer", home=reader.home), 0).out.decode()
        self.assertIn(offering[3].address, table)
        self.assert_status(weft("provide", "printer", "--ttl", "10ms", home=reader.home), USAGE)


class ForOneReader(MeshTest):
    def test_only_the_reader_sees_it(self):
        nodes = self.start(8)
        writer, reader, other = nodes[1], nodes[6], nodes[4]
        self.assert_status(weft("put", "note", "for your eyes", "--to", reader.id, home=writer.home), 0)
        self.assertEqual(self.assert_status(weft("get", "note", home=reader.home), 0).out, b"for your eyes")
        found = weft("--json", "get", "note", home=reader.home).json()["values"][0]
        self.assertEqual((found["value"], found["encrypted"]), ("for your eyes", "for us"))
        for node in other, writer:
            ran = self.assert_status(weft("get", "note", home=node.home), 1)
            self.assertEqual(ran.out, b"")
            raw = weft("--json", "get", "note", home=node.home).json()["values"][0]
            self.assertEqual(raw["encrypted"], "for another")
            self.assertNotIn(b"for your eyes", base64.b64decode(raw["value_base64"]))
        for node in nodes:
            for path in node.home.glob("weft.db*"):
                self.assertNotIn(b"for your eyes", path.read_bytes())
        # The bytes in another author's slot are nothing to the reader.
        self.assert_status(weft("put", "note", "-", home=other.home, stdin=base64.b64decode(raw["value_base64"])), 0)
        copied = weft("--json", "get", "note", "--author", other.id, home=reader.home).json()["values"][0]
        self.assertEqual(copied["encrypted"], "for another")
        # Limits, and readers that are nobody.
        self.assert_status(weft("put", "big", "-", "--to", reader.id, home=writer.home, stdin=bytes(936)), 0)
        self.assertEqual(weft("get", "big", home=reader.home).out, bytes(936))
        self.assert_status(weft("put", "big", "-", "--to", reader.id, home=writer.home, stdin=bytes(937)), USAGE)
        self.assert_status(weft("put", "x", "y", "--to", "ab" * 32, home=writer.home), NOT_FOUND)
        self.assert_status(weft("put", "x", "y", "--to", reader.id[:8], home=writer.home), USAGE)


class Values(MeshTest):
    def test_the_life_of_a_value(self):
        nodes = self.start(20)
        writer, reader = nodes[3], nodes[17]

        put = self.assert_status(weft("--json", "put", "color", "blue", home=writer.home), 0).json()
        self.assert_keys(put, "key", "author", "seq", "replicas", "elapsed_ms")
        self.assertEqual((put["author"], put["seq"]), (writer.id, 1))
        self.assertGreaterEqual(put["replicas"], 8)
        for node in nodes:
            ran = self.assert_status(weft("get", "color", home=node.home), 0)
            self.assertEqual(ran.out, b"blue", "the bytes as they are")
        got = weft("--json", "get", "color", home=reader.home).json()
        self.assert_keys(got, "key", "values", "hops", "queries", "elapsed_ms")
        self.assertEqual([(v["author"], v["seq"]) for v in got["values"]], [(writer.id, 1)])

        # A new value takes the next number; compare-and-set refuses an old one and tells the current.
        self.assertEqual(weft("--json", "put", "color", "green", home=writer.home).json()["seq"], 2)
        ran = self.assert_status(weft("--json", "put", "color", "red", "--cas", "1", home=writer.home), CONFLICT)
        self.assertEqual(ran.json()["error"]["code"], "conflict")
        self.assertIn(b"2", ran.err)
        self.assert_status(weft("put", "color", "red", "--cas", "2", home=writer.home), 0)
        self.assertEqual(weft("get", "color", home=reader.home).out, b"red")

        # Binary from a file and from stdin, to a file.
        raw = bytes(range(256)) * 3
        source = pathlib.Path(self.mesh.root) / "raw"
        source.write_bytes(raw)
        self.assert_status(weft("put", "raw", "--file", source, home=writer.home), 0)
        out = pathlib.Path(self.mesh.root) / "out"
        self.assert_status(weft("get", "raw", "--out", out, home=reader.home), 0)
        self.assertEqual(out.read_bytes(), raw)
        self.assert_status(weft("put", "raw", "-", home=writer.home, stdin=raw[::-1]), 0)
        self.assertEqual(weft("get", "raw", home=reader.home).out, raw[::-1])

        # Limits are told, and nothing is written.
        self.assert_status(weft("put", "big", "-", home=writer.home, stdin=bytes(1000)), 0)
        ran = self.assert_status(weft("put", "big", "-", home=writer.home, stdin=bytes(1001)), USAGE)
        self.assertIn(b"1000", ran.err.replace(b",", b"").replace(b".", b""))
        self.assertEqual(weft("get", "big", home=reader.home).out, bytes(1000))

        # Two authors under one key: own value if there is one, else a choice must be made.
        self.assert_status(weft("put", "color", "mine", home=nodes[5].home), 0)
        self.assertEqual(weft("get", "color", home=nodes[5].home).out, b"mine")
        ran = self.assert_status(weft("get", "color", home=reader.home), 1)
        self.assertIn(writer.id[:8].encode(), ran.err + ran.out)
        self.assertEqual(weft("get", "color", "--author", writer.id, home=reader.home).out, b"red")
        everyone = weft("--json", "get", "color", "--all", home=reader.home).json()["values"]
        self.assertEqual({v["author"] for v in everyone}, {writer.id, nodes[5].id})

        # Own values are listed, and withdrawn ones are gone everywhere.
        own = weft("--json", "own", home=writer.home).json()
        self.assertEqual(len(own), 3, own)
        for row in own:
            self.assert_keys(row, "key", "seq", "bytes", "copies", "expires_s")
        removed = self.assert_status(weft("--json", "rm", "raw", home=writer.home), 0).json()
        self.assert_keys(removed, "key", "seq", "replicas")
        self.assertEqual(removed["seq"], 3)
        for node in nodes[::4]:
            self.assert_status(weft("get", "raw", home=node.home), NOT_FOUND)
        self.assertEqual(weft("--json", "put", "raw", "again", home=writer.home).json()["seq"], 4)

    def test_watch_tells_each_new_value(self):
        nodes = self.start(5)
        writer, other, reader = nodes[0], nodes[1], nodes[4]
        self.assert_status(weft("put", "color", "blue", home=writer.home), 0)
        watch = subprocess.Popen([weft_binary(), "--json", "--home", str(reader.home), "watch", "color", "--every", "100ms",
                                  "--count", "4"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(watch.kill)
        self.assertEqual(json.loads(watch.stdout.readline())["value"], "blue", "what is there already")
        self.assert_status(weft("put", "color", "green", home=writer.home), 0)
        line = json.loads(watch.stdout.readline())
        self.assertEqual((line["author"], line["seq"], line["value"]), (writer.id, 2, "green"))
        self.assert_status(weft("put", "color", "red", home=other.home), 0)
        line = json.loads(watch.stdout.readline())
        self.assertEqual((line["author"], line["seq"], line["value"]), (other.id, 1, "red"))
        self.assert_status(weft("rm", "color", home=other.home), 0)  # a withdrawal is no value
        self.assert_status(weft("put", "color", "-", home=writer.home, stdin=b"\xff\n"), 0)
        line = json.loads(watch.stdout.readline())
        self.assertEqual((line["seq"], line["value_base64"]), (3, "/wo="))
        self.assertEqual((watch.stdout.read(), watch.wait(10)), ("", 0))

        # For a person: escaped; --author; a time that ends it, with or without a value.
        ran = weft("watch", "color", "--timeout", "500ms", home=reader.home)
        self.assertEqual((ran.status, ran.out), (0, f"{writer.id[:16]} #3 \\xff\\x0a\n".encode()))
        ran = weft("watch", "color", "--author", other.id, "--timeout", "300ms", home=reader.home)
        self.assertEqual((ran.status, ran.out), (TIMED_OUT, b""))
        self.assert_status(weft("watch", "nothing", "--timeout", "300ms", home=reader.home), TIMED_OUT)
        # The node goes: the watch ends and says so.
        watch = subprocess.Popen([weft_binary(), "--home", str(reader.home), "watch", "nothing", "--every", "100ms"],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(watch.kill)
        time.sleep(0.5)
        self.assertIsNone(watch.poll())
        reader.kill()
        self.assertEqual(watch.wait(10), NO_NODE)

    def test_lookup_and_raw_keys(self):
        nodes = self.start(20)
        key = os.urandom(32).hex()
        self.assert_status(weft("put", f"hex:{key}", "x", home=nodes[0].home), 0)
        self.assertEqual(weft("get", f"hex:{key}", home=nodes[9].home).out, b"x")
        found = self.assert_status(weft("--json", "lookup", f"hex:{key}", home=nodes[7].home), 0).json()
        self.assert_keys(found, "target", "closest", "steps")
        self.assertEqual(found["target"].removeprefix("hex:"), key)
        order = [int(row["id"], 16) ^ int(key, 16) for row in found["closest"]]
        self.assertEqual(order, sorted(order), "nearest first")
        nearest = min((node.id for node in nodes if node is not nodes[7]),
                      key=lambda id_: int(id_, 16) ^ int(key, 16))
        self.assertEqual(found["closest"][0]["id"], nearest)


if __name__ == "__main__":
    unittest.main()
