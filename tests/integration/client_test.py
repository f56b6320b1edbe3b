"""What the command line says of whom it talks to: versions, -v, the steps of a lookup, silent seeds."""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest

from support import BUNDLE, MeshTest, NOT_FOUND, TIMED_OUT, USAGE, weft


class FakeNode:
    """A control socket that answers everything with `body`, as a node of version `version`."""

    def __init__(self, home, version, body=b"[]"):
        self.answer = (f"HTTP/1.1 200 OK\r\nServer: weft/{version}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(home / "control.sock"))
        self.listener.listen()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                client.recv(65536)
                client.sendall(self.answer)


class Client(MeshTest):
    def test_a_node_of_another_version_is_warned_of(self):
        with tempfile.TemporaryDirectory(prefix="weft-") as directory:
            home = pathlib.Path(directory)
            fake = FakeNode(home, "99.1.2")
            self.addCleanup(fake.listener.close)
            ran = self.assert_status(weft("peers", home=home), 0)
            self.assertIn(b"version 99.1.2", ran.err)
            self.assertIn(b"restart", ran.err)
            self.assertEqual(weft("--json", "peers", home=home).out.strip(), b"[]", "stdout is for data")

    def test_the_server_names_itself_and_its_own_client_is_content(self):
        (node,) = self.start(1)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(node.home / "control.sock"))
            s.sendall(b"GET /v1/nowhere HTTP/1.1\r\nHost: weft\r\n\r\n")
            head = s.recv(4096)
        version = weft("--version").out.split()[-1]
        self.assertIn(b"Server: weft/" + version + b"\r\n", head, "errors, too")
        self.assertEqual(weft("peers", home=node.home).err, b"")

    def test_verbose_tells_whom_it_talks_to_and_how_long(self):
        (node,) = self.start(1)
        ran = self.assert_status(weft("-v", "--json", "status", home=node.home), 0)
        ran.json()
        said = ran.err.decode()
        for words in ("GET /v1/status", str(node.home / "control.sock"), "answered 200", "exit status 0 after"):
            self.assertIn(words, said)
        ran = self.assert_status(weft("-v", "get", "nothing", home=node.home), 4)
        self.assertIn("answered 404", ran.err.decode())
        self.assertIn("no answer", weft("-v", "status", home=node.home / "nowhere").err.decode())
        talkative = self.mesh.new_node(1, extra=["-v"])
        self.mesh.nodes.append(talkative.spawn().wait_ready())
        shown = {row["option"]: row for row in talkative.get("/v1/config")}
        self.assertEqual(shown["log_level"], {"option": "log_level", "value": "debug", "origin": "flag"})

    def test_traces_of_put_and_get_show_the_lookup(self):
        nodes = self.start(4)
        ran = self.assert_status(weft("put", "color", "blue", "--trace", home=nodes[1].home), 0)
        self.assertIn(b"stored color #1", ran.out)
        self.assertIn(b"NAMED BY", ran.err)
        ran = self.assert_status(weft("get", "color", "--trace", home=nodes[2].home), 0)
        self.assertEqual(ran.out, b"blue", "the value alone")
        self.assertIn(b"NAMED BY", ran.err)
        for words in (("put", "color", "red"), ("get", "color")):
            answer = self.assert_status(weft("--json", *words, "--trace", home=nodes[1].home), 0).json()
            self.assertTrue(answer["steps"], answer)
            self.assert_keys(answer["steps"][0], "what", "id", "address", "named_by", "hop", "at_ms", "rtt_ms", "contacts", "values", "status",
                             "span_id")
            self.assertNotIn("steps", weft("--json", *words, home=nodes[1].home).json())

    def test_who_was_asked_tells_what_it_did_for_the_operation(self):
        nodes = self.start(6)
        ids = {node.get("/v1/id")["id"]: node for node in nodes}
        put = self.assert_status(weft("--json", "put", "color", "blue", "--trace", home=nodes[1].home), 0).json()
        get = self.assert_status(weft("--json", "get", "color", "--trace", home=nodes[2].home), 0).json()
        for answer, asker, whats in ((put, nodes[1], {"get", "store"}), (get, nodes[2], {"get", "find_node"})):
            told = {}
            for node_id, node in ids.items():
                ran = weft("--json", "trace", answer["trace_id"], home=node.home)
                for served in json.loads(ran.out) if ran.status == 0 else []:
                    self.assertEqual(served["node"], node_id)
                    self.assertEqual(served["trace_id"], answer["trace_id"])
                    self.assertEqual(ids[served["from"]], asker)
                    self.assertIn(served["what"], whats)
                    told[served["parent_id"]] = served
            for step in answer["steps"]:  # nobody is away, so somebody did each
                served = told.pop(step["span_id"])
                self.assertEqual(served["node"], step["id"])
                if step["rtt_ms"] is None:
                    continue  # its answer came after that of the operation
                self.assertEqual(served["status"], step["status"])
                self.assertEqual(served["values"], step["values"])
                self.assertLessEqual(served["took_ms"], step["rtt_ms"])
            self.assertTrue(all(served["what"] == "store" for served in told.values()), "of a put some copies are made after its answer")
        self.assert_status(weft("trace", "0" * 32, home=nodes[3].home), NOT_FOUND)
        quiet = self.assert_status(weft("--json", "get", "color", home=nodes[4].home), 0).json()
        self.assertNotIn("trace_id", quiet)
        file = nodes[0].home / "served.json"
        holder = ids[put["steps"][0]["id"]]
        self.assert_status(weft("trace", put["trace_id"], "--otlp", str(file), home=holder.home), 0)
        (resource,) = json.loads(file.read_text())["resourceSpans"]
        for span in resource["scopeSpans"][0]["spans"]:
            self.assertEqual(span["traceId"], put["trace_id"])
            self.assertIn(span["parentSpanId"], {step["span_id"] for step in put["steps"]})
        shown = self.assert_status(weft("trace", home=holder.home), 0)
        self.assertIn(b"ANSWER", shown.out)

    def test_a_trace_as_otlp_has_a_span_for_each_node_and_all_parents(self):
        nodes = self.start(6)
        self.assert_status(weft("put", "color", "blue", home=nodes[1].home), 0)
        for words, name in ((("put", "color", "red"), "weft.put"), (("get", "color"), "weft.get"), (("lookup", "color"), "weft.lookup")):
            file = nodes[0].home / "trace.json"
            answer = self.assert_status(weft("--json", *words, "--otlp", str(file), home=nodes[2].home), 0).json()
            trace = json.loads(file.read_text())
            if shutil.which("npm"):  # the published proto's own types understand all of it
                decoded = subprocess.run(["node", pathlib.Path(__file__).with_name("otlp_check.mjs"), BUNDLE, file],
                                         capture_output=True, text=True, timeout=30, check=False)
                self.assertEqual(decoded.returncode, 0, decoded.stderr)
                self.assertEqual(json.loads(decoded.stdout)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["spanId"],
                                 trace["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["spanId"])
            (resource,) = trace["resourceSpans"]
            self.assertEqual(resource["resource"]["attributes"], [{"key": "service.name", "value": {"stringValue": "weft"}}])
            (scope,) = resource["scopeSpans"]
            spans = scope["spans"]
            self.assertEqual(len(spans), 1 + len(answer["steps"]))
            ids = {span["spanId"] for span in spans}
            self.assertEqual(len(ids), len(spans))
            self.assertEqual(len({span["traceId"] for span in spans}), 1)
            self.assertRegex(spans[0]["traceId"], "^[0-9a-f]{32}$")
            root = spans[0]
            self.assertEqual(root["name"], name)
            self.assertNotIn("parentSpanId", root)
            for span, step in zip(spans[1:], answer["steps"]):
                self.assertIn(span["parentSpanId"], ids)
                self.assertRegex(span["spanId"], "^[0-9a-f]{16}$")
                self.assertEqual(span["attributes"][0], {"key": "weft.node", "value": {"stringValue": step["id"]}})
                self.assertLessEqual(int(root["startTimeUnixNano"]), int(span["startTimeUnixNano"]))
                self.assertLessEqual(int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"]))
                self.assertEqual("status" in span, step["rtt_ms"] is None)
        ran = weft("lookup", "color", "--otlp", "/nowhere/trace.json", home=nodes[2].home)
        self.assertNotEqual(ran.status, 0)
        self.assertIn(b"/nowhere/trace.json", ran.err)

    def test_a_join_names_the_seeds_that_are_silent(self):
        (node,) = self.start(1)
        for words in (("--timeout", "1s"), ()):  # the client's deadline, and the node's own
            ran = self.assert_status(weft("--json", "join", "127.0.0.1:1", "no-such-host.invalid:9338", *words,
                                          home=node.home), TIMED_OUT)
            error = json.loads(ran.out)["error"]
            self.assertEqual(error["code"], "timed_out")
            for word in ("no answer from 127.0.0.1:1;", "no-such-host.invalid", self.mesh.network, "join again", "doctor"):
                self.assertIn(word, error["message"])
        ran = self.assert_status(weft("join", "no-such-host.invalid:9338", home=node.home), 1)
        self.assertIn(b"cannot resolve no-such-host.invalid", ran.err)
        ran = self.assert_status(weft("join", "nonsense", home=node.home), USAGE)

    def test_an_unreadable_configuration_is_named(self):
        node = self.mesh.new_node(0)
        node.home.mkdir(mode=0o700)
        (node.home / "weft.toml").mkdir()
        ran = self.assert_status(weft("up", home=node.home), USAGE)
        self.assertIn(str(node.home / "weft.toml").encode(), ran.err)
        ran = self.assert_status(weft("up", "--config", "/nowhere/weft.toml", home=node.home), USAGE)
        self.assertIn(b"/nowhere/weft.toml", ran.err)
        if os.geteuid() == 0:
            return  # everything is readable
        (node.home / "weft.toml").rmdir()
        (node.home / "weft.toml").write_text("")
        os.chmod(node.home / "weft.toml", 0)
        self.assertIn(b"Permission denied", self.assert_status(weft("up", home=node.home), USAGE).err)


if __name__ == "__main__":
    unittest.main()
