"""Each filter alone, as envoy/<filter>.yaml loads it into an Envoy that somebody runs already."""

import json
import pathlib
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE = 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def mock(tmp_path_factory):
    ports = tmp_path_factory.mktemp("mock") / "ports"
    arguments = ["--listen", "127.0.0.1:0", "--port-file", ports, "--no-auth"]
    process = subprocess.Popen([ROOT / "target/debug/mock-provider", *arguments], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE
    while not ports.exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    yield int(ports.read_text())
    process.terminate()
    process.wait()


@pytest.fixture
def envoy(mock, tmp_path):
    """Starts Envoy with one filter's reference configuration, its ports and paths put to this machine's."""
    started = []

    def start(filter_name):
        port = free_port()
        text = (ROOT / "envoy" / f"{filter_name}.yaml").read_text()
        text = text.replace("/etc/weirgate/filters", str(ROOT / "target/filters"))
        text = text.replace("port_value: 10000", f"port_value: {port}").replace("port_value: 8000", f"port_value: {mock}")
        text = text.replace('"0.0.0.0"', '"127.0.0.1"')
        file = tmp_path / "envoy.yaml"
        file.write_text(text)
        log = open(tmp_path / "envoy.log", "w")
        process = subprocess.Popen([ROOT / ".tools/bin/envoy", "--disable-hot-restart", "-c", file], stderr=log)
        started.append(process)
        deadline = time.monotonic() + PATIENCE
        while not listening(port):
            assert time.monotonic() < deadline and process.poll() is None, (tmp_path / "envoy.log").read_text()[-2000:]
            time.sleep(0.01)
        return port

    yield start
    for process in started:
        process.terminate()
        process.wait()


def post(port, path, body, headers=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(),
                                     {"content-type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def last_request(mock):
    with urllib.request.urlopen(f"http://127.0.0.1:{mock}/mock/requests?last=1", timeout=PATIENCE) as answer:
        return json.loads(answer.read())[0]


def chat(text):
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}


def test_prompt_guard_alone_refuses_what_its_rules_deny(envoy):
    port = envoy("prompt-guard")
    status, body = post(port, "/v1/chat/completions", chat("my key is AKIAIOSFODNN7EXAMPLE"))
    assert (status, body["error"]["code"]) == (400, "guard_refused")
    assert post(port, "/v1/chat/completions", chat("my key is secret"))[0] == 200


def test_token_counter_alone_tells_the_upstream_how_many_tokens_a_prompt_has(envoy, mock):
    port = envoy("token-counter")
    assert post(port, "/v1/chat/completions", chat("hello world"))[0] == 200
    assert last_request(mock)["headers"]["x-weirgate-input-tokens"] == "9"


def test_provider_select_alone_routes_by_header_and_keeps_the_clients_key(envoy, mock):
    port = envoy("provider-select")
    headers = {"authorization": "Bearer mine", "x-weirgate-provider": "upstream", "x-weirgate-stream": "forged"}
    assert post(port, "/v1/chat/completions", chat("hello"), headers)[0] == 200
    seen = last_request(mock)["headers"]
    assert (seen["authorization"], seen["x-weirgate-model"]) == ("Bearer mine", "gpt-4o")
    assert "x-weirgate-stream" not in seen
    # A provider that is no cluster of this Envoy.
    headers["x-weirgate-provider"] = "nowhere"
    assert post(port, "/v1/chat/completions", chat("hello"), headers)[0] == 503
