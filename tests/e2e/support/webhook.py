"""A receiver of webhooks, which checks signatures as docs/alerts.md says."""

import base64
import hashlib
import hmac
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .ports import free_ports
from .waiting import wait_until

SECRET = "a-secret-of-the-webhooks"


class Delivery:
    """One request that arrived."""

    def __init__(self, headers, body):
        self.headers = headers
        self.body = body
        self.id = headers["webhook-id"]
        self.event = json.loads(body)

    def is_signed(self, secret=SECRET):
        signed = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        expected = base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
        return any(hmac.compare_digest(given, f"v1,{expected}") for given in self.headers["webhook-signature"].split())


class Receiver:
    """Answers each delivery with the next of `statuses`, and with 204 when there are no more. With a `certificate`, a file that also holds
    its key, it speaks TLS as localhost."""

    def __init__(self, statuses=(), certificate=None):
        (self._port,) = free_ports(1)
        self._certificate = certificate
        scheme, host = ("https", "localhost") if certificate else ("http", "127.0.0.1")
        self.url = f"{scheme}://{host}:{self._port}/hooks/limits?token=not-for-logs"
        self.paths = []
        self.deliveries = []
        self._statuses = list(statuses)
        self._lock = threading.Lock()
        self._server = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                status = receiver._take(self.path, Delivery(dict(self.headers), body))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.send_header("location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        if self._certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self._certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def wait(self, count):
        """The deliveries, once there are that many. More are an error."""
        wait_until(lambda: len(self.deliveries) >= count, f"{count} webhooks have arrived")
        assert len(self.deliveries) == count, self.told()
        return list(self.deliveries)

    def told(self):
        return [(delivery.event["type"], delivery.event["percent"]) for delivery in self.deliveries]

    def _take(self, path, delivery):
        with self._lock:
            self.paths.append(path)
            self.deliveries.append(delivery)
            return self._statuses.pop(0) if self._statuses else 204
