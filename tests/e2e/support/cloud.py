"""A cloud: models and a token server behind one port, which keeps every request as it came."""

import base64
import json
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CONVERSE = {
    "metrics": {"latencyMs": 3},
    "output": {"message": {"role": "assistant", "content": [{"text": "Hello from the cloud"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 5, "outputTokens": 4, "totalTokens": 9},
}
CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello from the cloud"}}
    ],
    "usage": {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9},
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "Hello from the cloud"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 5, "output_tokens": 4},
}
GEMINI = {
    "candidates": [
        {"content": {"role": "model", "parts": [{"text": "Hello from the cloud"}]}, "finishReason": "STOP", "index": 0}
    ],
    "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 4, "totalTokenCount": 9},
    "modelVersion": "m",
}


class Recorded:
    def __init__(self, method, target, headers, body):
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body


class Cloud:
    """`statuses` are those of the next answers of models; after them all are 200. Tokens hold for `lifetime` seconds."""

    def __init__(self, statuses=(), lifetime=3600):
        self.requests = []
        self.tokens = []
        self.token_requests = []
        self.credentials = None
        self.credential_requests = []
        self.lifetime = lifetime
        self.broken = False
        self._statuses = list(statuses)
        self._lock = threading.Lock()
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self._body()
                recorded = Recorded(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                self._send(*cloud._answer(recorded))

            def _send(self, status, answer):
                out = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(out)))
                self.end_headers()
                self.wfile.write(out)

            def do_GET(self):
                # What Amazon gives to containers that ask for their credentials.
                cloud.credential_requests.append(self.path)
                self._send(200 if cloud.credentials else 404, cloud.credentials)

            def _body(self):
                if "content-length" in self.headers:
                    return self.rfile.read(int(self.headers["content-length"]))
                body = b""
                while size := int(self.rfile.readline().strip(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def keys(self):
        """What each request has shown."""
        return [request.headers.get("authorization") for request in self.requests]

    def _answer(self, request):
        with self._lock:
            path = urllib.parse.unquote(request.target.split("?")[0])
            if path.endswith("/token"):
                return self._token(request)
            self.requests.append(request)
            status = self._statuses.pop(0) if self._statuses else 200
            if status != 200:
                return status, {"message": "not now"}
            if path.endswith("/converse"):
                return 200, CONVERSE
            if path.endswith("/invoke"):
                return 200, MESSAGE
            return 200, GEMINI if path.endswith(":generateContent") else CHAT

    def _token(self, request):
        form = dict(urllib.parse.parse_qsl(request.body.decode()))
        scheme, _, basic = request.headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            both = base64.b64decode(basic).decode().split(":")
            form["client_id"], form["client_secret"] = map(urllib.parse.unquote_plus, both)
        form["in_header"] = scheme == "Basic"
        self.token_requests.append(form)
        if self.broken:
            # Some servers repeat what they were told.
            return 503, {"error": "unavailable", "error_description": f"not now, {form['client_secret']}"}
        token = f"token-{len(self.tokens)}-{time.time_ns()}"
        self.tokens.append(token)
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime}
