"""The control socket with clients that are wrong, slow, many, or gone."""
import json
import os
import socket
import stat
import time
import unittest

from support import MeshTest, wait_until

from control import ApiError, Control


class ControlSocket(MeshTest):
    def setUp(self):
        super().setUp()
        (self.node,) = self.start(1)
        self.path = str(self.node.home / "control.sock")

    def connect(self, timeout_s=5.0):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(s.close)
        s.settimeout(timeout_s)
        s.connect(self.path)
        return s

    def say(self, raw):
        """Sends bytes, returns the status of the answer (None: closed without one)."""
        s = self.connect()
        try:
            s.sendall(raw)
            s.shutdown(socket.SHUT_WR)
            head = s.recv(65536)
        except (ConnectionError, TimeoutError):
            head = b""
        return int(head.split()[1]) if head.startswith(b"HTTP/1.") else None

    def post(self, target, raw, method="POST"):
        control = Control(self.path)
        try:
            status, body = control.raw(method, target, raw)
        finally:
            control.close()
        return status, json.loads(body)

    def assert_well(self):
        started = time.monotonic()
        self.assertEqual(self.node.get("/v1/status")["members"]["alive"], 1)
        self.assertLess(time.monotonic() - started, 1.0)

    def test_is_for_the_owner_alone(self):
        self.assertEqual(stat.S_IMODE(os.stat(self.node.home).st_mode), 0o700)

    def test_bad_bodies(self):
        for raw in (b"", b"{", b"[]", b"null", b"7", b'"x"', b"\xff\xfe", b'{"key":', b"{" * 5000, b"[" * 60000,
                    b'{"key":1,"value_base64":"YQ=="}', b'{"value_base64":"YQ=="}', b'{"key":"k"}',
                    b'{"key":"k","value_base64":"not base64!"}', b'{"key":"k","value_base64":7}',
                    b'{"key":"k","value_base64":"YQ==","cas":-1}', b'{"key":"k","value_base64":"YQ==","cas":1.5}',
                    b'{"key":"k","value_base64":"YQ==","unknown":1}', b'{"key":"","value_base64":"YQ=="}',
                    b'{"key":"k","value_base64":"YQ==","ttl_s":-5}', b'{"key":"hex:12","value_base64":"YQ=="}',
                    b'{"key":"k","value_base64":"YQ==","replicas":100000}',
                    b'{"key":"k","value_base64":"YQ==","cas":99999999999999999999}'):
            with self.subTest(raw=raw[:60]):
                status, answer = self.post("/v1/put", raw)
                self.assertEqual((status, answer["error"]["code"]), (400, "bad_request"), answer)
                self.assertTrue(answer["error"]["message"])
        self.assert_well()

    def test_bad_requests(self):
        for method, target, code in (("GET", "/nowhere", 404), ("GET", "/v1/nowhere", 404), ("GET", "/", 404),
                                     ("POST", "/v1/status", None), ("DELETE", "/v1/put", None),
                                     ("GET", "/v1/wait?members=x", 400), ("GET", "/v1/wait?members=-1", 400),
                                     ("GET", "/v1/%00", None)):
            with self.subTest(target=target[:40]):
                control = Control(self.path)
                status, _ = control.raw(method, target, b"{}" if method == "POST" else None)
                control.close()
                self.assertIn(status, (code,) if code else (400, 404, 405, 414, 431))
        self.assert_well()

    def test_not_http(self):
        for raw in (b"GET /" + b"a" * 8000 + b" HTTP/1.1\r\n\r\n", b"\x00\x01\x02\x03", b"hello\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", os.urandom(4096),
                    b"POST /v1/put HTTP/1.1\r\nHost: weft\r\nContent-Length: -5\r\n\r\n",
                    b"POST /v1/put HTTP/1.1\r\nHost: weft\r\nContent-Length: 99999999999\r\n\r\n{}",
                    b"GET /v1/status HTTP/1.1\r\n" + b"X: " + b"y" * 100000 + b"\r\n\r\n"):
            with self.subTest(raw=raw[:40]):
                self.assertNotEqual(self.say(raw), 200)
        self.assert_well()

    def test_too_large(self):
        status, answer = self.post("/v1/put", b'{"key":"k","value_base64":"' + b"QUFB" * 17000 + b'"}')
        self.assertEqual((status, answer["error"]["code"]), (413, "too_large"))
        status, answer = self.post("/v1/put", b'{"key":"k","value_base64":"' + b"QUFB" * 334 + b'"}')
        self.assertEqual((status, answer["error"]["code"]), (413, "too_large"))
        self.assert_well()

    def test_half_requests_and_slow_clients_hold_up_nobody(self):
        halves = []
        for i in range(40):
            s = self.connect()
            s.sendall((b"GET /v1/status HTTP/1.1\r\nHost: weft\r\n\r\n", b"POST /v1/put HTTP/1.1\r\nHost: w",
                       b"POST /v1/put HTTP/1.1\r\nHost: weft\r\nContent-Length: 100\r\n\r\n{\"key\"")[i % 3][:20 + i])
            halves.append(s)
        self.assert_well()
        # A reader that never reads its events.
        lazy = self.connect()
        lazy.sendall(b"GET /v1/events HTTP/1.1\r\nHost: weft\r\n\r\n")
        self.assert_well()
        for s in halves:
            s.close()
        lazy.close()
        self.assert_well()

    def test_very_many_connections(self):
        many = []
        for _ in range(400):
            try:
                many.append(self.connect(1.0))
            except (OSError, TimeoutError):
                break
        for s in many:
            s.close()
        self.assertTrue(wait_until(lambda: self.node.answers(), 10))
        self.assert_well()

    def test_hanging_up_in_the_middle_of_an_operation(self):
        for _ in range(50):
            s = self.connect()
            s.sendall(b"GET /v1/wait?members=5&timeout_ms=20000 HTTP/1.1\r\nHost: weft\r\n\r\n")
            s.close()
        self.assert_well()

    def test_events_arrive(self):
        s = self.connect()
        s.sendall(b"GET /v1/events HTTP/1.1\r\nHost: weft\r\n\r\n")
        other = self.mesh.new_node(1)
        self.mesh.nodes.append(other.spawn().wait_ready())
        raw, deadline = b"", time.monotonic() + 10
        while other.id.encode() not in raw and time.monotonic() < deadline:
            raw += s.recv(65536)
        self.assertIn(other.id.encode(), raw)

    def test_faults_need_leave(self):
        with self.assertRaises(ApiError) as refused:
            self.node.post("/v1/faults", link="loss=50%")
        self.assertEqual((refused.exception.status, refused.exception.code), (403, "forbidden"))

    def test_http_reads_on_loopback(self):
        node = self.mesh.new_node(2, extra=["--http", "127.0.0.1:0"])
        self.mesh.nodes.append(node.spawn().wait_ready())
        self.assertTrue(wait_until(node.events, 5))
        host, port = node.events()[0]["http"].rsplit(":", 1)

        def ask(raw):
            with socket.create_connection((host, int(port)), 5) as s:
                s.sendall(raw)
                return int(s.recv(4096).split()[1])

        self.assertEqual(ask(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"), 200)
        self.assertEqual(ask(f"GET /v1/status HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode()), 200)
        self.assertNotEqual(ask(b"GET /v1/status HTTP/1.1\r\nHost: evil.example\r\n\r\n"), 200)
        self.assertEqual(ask(f"POST /v1/leave HTTP/1.1\r\nHost: localhost:{port}\r\n".encode() + b"Content-Length: 2\r\n\r\n{}"), 403)
        self.assertTrue(node.running())


if __name__ == "__main__":
    unittest.main()
