"""A client for what is asked once or a thousand times, never for a load whose figures count: that is k6's and wrk's."""

import http.client
import json
import socket


class Client:
    """One connection that is kept open, and opened anew when the other side closed it."""

    def __init__(self, address: str, headers=None, timeout: float = 30.0):
        host, port = address.rsplit(":", 1)
        self.headers = {"Content-Type": "application/json", **(headers or {})}
        self.connection = http.client.HTTPConnection(host, int(port), timeout=timeout)

    def ask(self, method: str, path: str, document=None, headers=None):
        """Gives (status, document or None, header fields)."""
        body = None if document is None else json.dumps(document)
        return self.send(method, path, body, headers)

    def send(self, method: str, path: str, body, headers=None):
        fields = {**self.headers, **(headers or {})}
        try:
            answer = self._send(method, path, body, fields)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            # A kept connection that the server gave up while it was idle.
            self.connection.close()
            answer = self._send(method, path, body, fields)
        text = answer.read()
        try:
            document = json.loads(text) if text else None
        except ValueError:
            document = None
        return answer.status, document, answer.headers

    def _send(self, method, path, body, fields):
        if self.connection.sock is None:
            self.connection.connect()
            self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection.request(method, path, body, fields)
        return self.connection.getresponse()

    def close(self):
        self.connection.close()
