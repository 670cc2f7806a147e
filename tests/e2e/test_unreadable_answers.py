"""A provider that says it succeeded and sends nothing, or what nobody can read."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
from support.clients import openai_sdk
from support.gateway import Gateway
from support.prompts import HELLO

MODEL = "claude-sonnet-4-5"
START = b'data: {"type":"message_start","message":{"id":"msg_1","model":"m","usage":{"input_tokens":9,"output_tokens":1}}}\n\n'
WORD = b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"stone "}}\n\n'
BROKEN = b'data: {"type":"content_block_delta","index":\n\n'


class Provider(BaseHTTPRequestHandler):
    """What it sends is the first part of the path."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        while size := int(self.rfile.readline(), 16):
            self.rfile.read(size + 2)
        self.rfile.readline()
        sends = self.path.split("/")[1]
        kind = "text/event-stream" if "stream" in sends else "application/json"
        body = {"page": b'{"content": <html>', "long": b'{"content": "' + b"x" * (40 << 20) + b'"}'}.get(sends, b"")
        self.send_response(200)
        self.send_header("content-type", kind)
        if sends == "broken-stream":
            self.send_header("connection", "close")
            self.end_headers()
            self.break_and_go_on()
            return
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def break_and_go_on(self):
        self.wfile.write(START + WORD)
        time.sleep(0.1)  # So that it comes as a chunk of its own.
        self.wfile.write(WORD + BROKEN)
        try:
            while True:
                time.sleep(0.02)
                self.wfile.write(WORD)
        except OSError:
            self.server.stopped.set()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def provider():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    server.stopped = threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture(scope="module")
def gateway(provider):
    def change(config):
        for name in ("empty-stream", "empty", "page", "long", "broken-stream"):
            url = f"http://127.0.0.1:{provider.server_port}/{name}/v1"
            config["providers"][name] = {"dialect": "anthropic", "base_url": url, "api_key": "k"}
            bad = {"provider": name, "model": MODEL}
            config["models"] += [
                {"name": name, "deployments": [bad]},
                {"name": f"{name}-then-openai", "deployments": [bad, {"provider": "openai", "model": "gpt-4o"}]},
            ]

    with Gateway(change) as gateway:
        yield gateway


@pytest.mark.parametrize(
    "model, stream", [("empty-stream", True), ("empty", False), ("empty", True), ("page", False), ("page", True), ("long", False)]
)
def test_a_success_that_cannot_be_read_is_an_error_that_the_next_provider_can_mend(gateway, key, http, model, stream):
    headers = {"authorization": f"Bearer {key.secret}"}
    body = {"model": model, "messages": HELLO, "stream": stream}
    answer = http.post(f"{gateway.url}/v1/chat/completions", headers=headers, json=body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (502, "service_unavailable")
    with openai_sdk(gateway, key) as client:
        said = client.chat.completions.create(model=f"{model}-then-openai", messages=HELLO)
    assert "Hello" in said.choices[0].message.content


CLIENTS = {
    "/v1/chat/completions": {"messages": HELLO, "stream": True},
    "/v1/responses": {"input": "Hi", "stream": True},
    "/v1beta/models/{}:streamGenerateContent?alt=sse": {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
    "/model/{}/converse-stream": {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]},
}


@pytest.mark.parametrize("path", CLIENTS)
def test_a_stream_that_cannot_be_read_ends_for_the_client_and_for_the_provider(gateway, provider, key, path):
    provider.stopped.clear()
    model = "broken-stream"
    body = CLIENTS[path] if "{}" in path else {"model": model, **CLIENTS[path]}
    seen = b""
    with gateway.http(key) as client, client.stream("POST", path.format(model), json=body) as answer:
        assert answer.status_code == 200
        try:
            for chunk in answer.iter_raw():
                seen += chunk
        except httpx2.RemoteProtocolError:
            pass
    assert provider.stopped.wait(30), "the provider goes on generating"
    assert seen.count(b"stone") >= 2 and b"provider's answer" in seen, seen
    line = gateway.line(key=key.name)
    assert (line["complete"], line["attempts"], line["output"] > 0) == (False, 1, True), json.dumps(line)
