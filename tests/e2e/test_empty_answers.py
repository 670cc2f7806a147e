"""A provider that says it succeeded and sends nothing."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from support.clients import openai_sdk
from support.gateway import Gateway
from support.prompts import HELLO

MODEL = "claude-sonnet-4-5"


class Hollow(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        while size := int(self.rfile.readline(), 16):
            self.rfile.read(size + 2)
        self.rfile.readline()
        self.send_response(200)
        kind = "text/event-stream" if self.path.startswith("/streams") else "application/json"
        self.send_header("content-type", kind)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def gateway():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hollow)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def change(config):
        for name in ("streams", "plain"):
            url = f"http://127.0.0.1:{server.server_port}/{name}/v1"
            config["providers"][name] = {"dialect": "anthropic", "base_url": url, "api_key": "k"}
            hollow = {"provider": name, "model": MODEL}
            config["models"] += [
                {"name": name, "deployments": [hollow]},
                {"name": f"{name}-then-openai", "deployments": [hollow, {"provider": "openai", "model": "gpt-4o"}]},
            ]

    with Gateway(change) as gateway:
        yield gateway
    server.shutdown()


@pytest.mark.parametrize("model, stream", [("streams", True), ("plain", False), ("plain", True)])
def test_an_empty_success_in_another_dialect_is_an_error_that_the_next_provider_can_mend(gateway, key, http, model, stream):
    headers = {"authorization": f"Bearer {key.secret}"}
    body = {"model": model, "messages": HELLO, "stream": stream}
    answer = http.post(f"{gateway.url}/v1/chat/completions", headers=headers, json=body)
    assert (answer.status_code, answer.json()["error"]["type"]) == (502, "service_unavailable")
    with openai_sdk(gateway, key) as client:
        said = client.chat.completions.create(model=f"{model}-then-openai", messages=HELLO)
    assert "Hello" in said.choices[0].message.content
