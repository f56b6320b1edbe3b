"""A small client of the control API: HTTP/1.1 with JSON over a unix socket (docs/CONTROL.md).

It shares no code with weft, keeps one connection, and costs a few tens of microseconds a call, so
that latencies measured with it are those of the node.
"""
import json
import socket
import threading
import time


class ApiError(Exception):
    """An answer other than 200, with the body that came along."""

    def __init__(self, status, body):
        error = body.get("error", {}) if isinstance(body, dict) else {}
        self.status, self.body, self.code = status, body, error.get("code", "unknown")
        super().__init__(f"HTTP {status} {self.code}: {error.get('message', body)}")


class Control:
    """One connection to one node; for one thread at a time."""

    def __init__(self, path, timeout_s=30.0):
        self.path, self.timeout_s = str(path), timeout_s
        self.socket, self.buffer = None, b""

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket, self.buffer = None, b""

    def get(self, target, timeout_s=None):
        return self.call("GET", target, None, timeout_s)

    def post(self, target, body, timeout_s=None):
        return self.call("POST", target, body, timeout_s)

    def call(self, method, target, body=None, timeout_s=None):
        """The decoded answer. Raises ApiError for a refusal, OSError if the node is not there."""
        status, raw = self.raw(method, target, None if body is None else json.dumps(body).encode(),
                               timeout_s)
        try:
            answer = json.loads(raw) if raw else None
        except ValueError:
            answer = raw.decode(errors="replace")
        if status != 200:
            raise ApiError(status, answer)
        return answer

    def raw(self, method, target, body=None, timeout_s=None):
        """Status and body as bytes. A kept connection that the node closed meanwhile is reopened."""
        head = f"{method} {target} HTTP/1.1\r\nHost: weft\r\n"
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        request = head.encode() + b"\r\n" + (body or b"")
        fresh = self.socket is None
        deadline = time.monotonic() + (timeout_s or self.timeout_s)
        try:
            return self._exchange(request, deadline)
        except (ConnectionError, BrokenPipeError):
            self.close()
            if fresh:
                raise
            return self._exchange(request, deadline)
        except BaseException:
            self.close()
            raise

    def _exchange(self, request, deadline):
        if self.socket is None:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.settimeout(self.timeout_s)
            self.socket.connect(self.path)
        self.socket.settimeout(max(0.001, deadline - time.monotonic()))
        self.socket.sendall(request)
        while b"\r\n\r\n" not in self.buffer:
            self._more(deadline)
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.split(b"\r\n")
        status = int(lines[0].split()[1])
        headers = dict(line.lower().split(b": ", 1) for line in lines[1:] if b": " in line)
        if headers.get(b"transfer-encoding") == b"chunked":
            body = self._chunks(deadline)
        else:
            length = int(headers.get(b"content-length", b"0"))
            while len(self.buffer) < length:
                self._more(deadline)
            body, self.buffer = self.buffer[:length], self.buffer[length:]
        if headers.get(b"connection") == b"close":
            self.close()
        return status, body

    def _chunks(self, deadline):
        body = b""
        while True:
            while b"\r\n" not in self.buffer:
                self._more(deadline)
            size, self.buffer = self.buffer.split(b"\r\n", 1)
            length = int(size, 16)
            while len(self.buffer) < length + 2:
                self._more(deadline)
            body += self.buffer[:length]
            self.buffer = self.buffer[length + 2:]
            if length == 0:
                return body

    def _more(self, deadline):
        self.socket.settimeout(max(0.001, deadline - time.monotonic()))
        received = self.socket.recv(262144)
        if not received:
            raise ConnectionResetError("the node closed the control connection")
        self.buffer += received


class ControlPool:
    """Connections to one node for any number of threads; each call borrows one."""

    def __init__(self, path):
        self.path, self.idle, self.lock = str(path), [], threading.Lock()

    def call(self, method, target, body=None, timeout_s=None):
        with self.lock:
            control = self.idle.pop() if self.idle else Control(self.path)
        try:
            return control.call(method, target, body, timeout_s)
        finally:
            with self.lock:
                self.idle.append(control)

    def close(self):
        with self.lock:
            for control in self.idle:
                control.close()
            self.idle.clear()
