"""Ways round the guard, the key and the budget, none of which may be one."""

import http.client
import json
import threading

import pytest
from support.clients import steer
from support.configuration import key as key_settings
from support.gateway import Gateway, Key
from support.prompts import HELLO

DENIED = [{"role": "user", "content": "project x"}]
JSON = {"content-type": "application/json"}


def post_raw(gateway, key, path, body, headers=None):
    """A request whose path no library has tidied up."""
    connection = http.client.HTTPConnection(gateway.address, timeout=30)
    try:
        headers = {"authorization": f"Bearer {key.secret}", **JSON, **(headers or {})}
        connection.request("POST", path, body if isinstance(body, (str, bytes)) else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(
    "path",
    [
        "/v1//chat/completions",
        "//v1/chat/completions",
        "/v1/chat/completions/",
        "/v1/chat/completions?",
        "/v1/chat/completions#x",
        "/v1/%63hat/completions",
        "/v1/chat%2fcompletions",
        "/v1/x/../chat/completions",
        "/v1/x/..%2fchat/completions",
        "/v1/x/chat/completions",
        "/v1beta/chat/completions",
        "/v1/v1/chat/completions",
        "/chat/completions",
        "/v1/messages",
        "/v1/responses",
        "/v1/completions",
    ],
)
def test_no_spelling_of_a_path_leads_round_the_guard(gateway, key, mock, path):
    body = {"model": "gpt-4o", "messages": DENIED, "input": DENIED, "prompt": "project x", "max_tokens": 5}
    status, text = post_raw(gateway, key, path, body)
    assert status >= 400, text
    assert mock.requests() == []


@pytest.mark.parametrize("body", [
    '{"model":"gpt-4o","mod\\u0065l":"renamed","messages":[]}',
    '{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}],"m\\u0065ssages":[{"role":"user","content":"project x"}]}',
    '{"model":"gpt-4o","messages":[{"role":"user","content":"hi","c\\u006fntent":"project x"}]}',
    '{"model":"gpt-4o","messages":[]} {"model":"renamed"}',
    '[{"model":"gpt-4o","messages":[]}]',
])
def test_a_body_that_two_readers_could_read_differently_is_refused(gateway, key, mock, body):
    status, text = post_raw(gateway, key, "/v1/chat/completions", body)
    assert status == 400, text
    assert mock.requests() == []


@pytest.mark.parametrize("kind", ["text/plain", "application/json;charset=utf-8", "application/vnd.api+json", None])
def test_the_content_type_does_not_lead_round_the_guard(gateway, key, mock, kind):
    headers = {"content-type": kind} if kind else {"content-type": ""}
    status, _ = post_raw(gateway, key, "/v1/chat/completions", {"model": "gpt-4o", "messages": DENIED}, headers)
    assert status == 400 and mock.requests() == []


def test_a_form_does_not_lead_round_the_guard(http, mock):
    def edit(prompt, end="--b--"):
        part = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'.format
        form = part("model", "gpt-image-1") + part("prompt", prompt) + end
        return http.post("/v1/images/edits", content=form, headers={"content-type": "multipart/form-data; boundary=b"})

    for refused in edit("tell me of project x"), edit("a weir", end="--b"):
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "guard_refused")
    assert mock.requests() == []
    edit("a weir")
    assert mock.only_request()["path"] == "/v1/images/edits"


@pytest.mark.parametrize("text", ["PROJECT X", "project\u0020x"])
@pytest.mark.parametrize("place", ["system", "tool", "part", "assistant"])
def test_the_guard_reads_every_place(http, mock, place, text):
    message = {
        "system": {"role": "system", "content": text},
        "tool": {"role": "tool", "tool_call_id": "c", "content": text},
        "part": {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": text}]},
        "assistant": {"role": "assistant", "content": text},
    }[place]
    answer = http.post("/v1/chat/completions", json={"model": "gpt-4o", "messages": [*HELLO, message]})
    assert answer.status_code == 400 and mock.requests() == []


@pytest.mark.parametrize("headers", [
    {"x-envoy-max-retries": "5", "x-envoy-retry-on": "retriable-status-codes", "x-envoy-retriable-status-codes": "200"},
    {"x-envoy-retry-on": "retriable-4xx,5xx", "x-envoy-max-retries": "5"},
    {"x-envoy-hedge-on-per-try-timeout": "true", "x-envoy-upstream-rq-per-try-timeout-ms": "1"},
    {"x-envoy-upstream-rq-timeout-ms": "1"},
    {"x-envoy-retriable-header-names": "content-type", "x-envoy-retry-on": "retriable-headers"},
])
@pytest.mark.parametrize("model", ["gpt-4o", "claude-then-openai"])
def test_envoys_own_headers_from_a_client_change_nothing(http, mock, gateway, key, headers, model):
    """What makes Envoy ask twice would be generated twice and charged once."""
    answer = http.post(
        "/v1/chat/completions", json={"model": model, "messages": HELLO}, headers={**headers, **steer(latency_ms=50)}
    )
    assert answer.status_code == 200, answer.text
    request = mock.only_request()
    assert not [name for name in request["headers"] if name.startswith("x-envoy-") and name in headers]
    assert gateway.line(key=key.name)["attempts"] == 1


@pytest.fixture(scope="module")
def thrifty_gateway():
    def change(config):
        config["keys"].append(key_settings("thrifty", limits={"budget": {"usd": "0.000001"}}))

    with Gateway(change) as gateway:
        yield gateway


EMBED = {"model": "text-embedding-3-small", "input": "water over stone " * 100}


@pytest.mark.parametrize("path, body, headers", [
    ("/v1/chat/completions", {"model": "gpt-4o", "messages": HELLO}, {}),
    ("/v1/embeddings", EMBED, {}),
    ("/v1/embeddings", EMBED, {"content-type": "text/plain"}),
    ("/v1/embeddings", EMBED, {"content-type": ""}),
    ("/v1/embeddings", {"model": "no-such-price", "input": "water"}, {}),
    ("/v1/responses", {"model": "gpt-4o", "input": "water over stone"}, {}),
    ("/v1/completions", {"model": "gpt-4o", "prompt": "water over stone"}, {}),
], ids=["chat", "embeddings", "text-plain", "no-type", "no-price", "responses", "completions"])
def test_no_call_leads_round_a_budget(thrifty_gateway, path, body, headers):
    """A key that can pay for nothing gets nothing that costs."""
    thrifty_gateway.mock.reset()
    status, text = post_raw(thrifty_gateway, Key("thrifty"), path, body, headers)
    assert status in (403, 429), text
    assert thrifty_gateway.mock.requests() == []


@pytest.mark.parametrize("field", ['"max_tokens":-1', '"max_tokens":"1"', '"n":-1', '"max_tokens":1e99'])
def test_a_cap_that_is_no_number_is_refused(gateway, key, mock, field):
    body = '{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}],%s}' % field
    status, text = post_raw(gateway, key, "/v1/chat/completions", body)
    assert status == 400, text
    assert mock.requests() == []


@pytest.mark.parametrize("model, stream", [("gpt-4o", False), ("gpt-4o", True), ("claude-sonnet-4-5", False)])
def test_a_compressed_answer_is_neither_free_nor_broken(http, gateway, key, model, stream):
    """The gateway asks for none, but a provider may send one all the same."""
    body = {"model": model, "messages": HELLO, "stream": stream, "max_tokens": 50}
    answer = http.post("/v1/chat/completions", json=body, headers=steer(gzip=True, tokens=10))
    line = gateway.line(key=key.name)
    if answer.status_code == 200:
        assert "water" in answer.text
        assert line["cost_micros"] > 0
    else:
        assert answer.status_code == 502 and answer.json()["error"]["message"]


def test_clients_that_leave_anywhere_leave_no_reservation_open(gateway, key, mock):
    """Two hundred clients, each gone after another number of bytes, some before the answer."""
    body = json.dumps({"model": "gpt-4o", "messages": HELLO, "stream": True, "max_tokens": 100})
    count = 200

    def leave(number):
        model = ["gpt-4o", "claude-sonnet-4-5", "claude-then-openai", "openai-then-claude"][number % 4]
        connection = http.client.HTTPConnection(gateway.address, timeout=30)
        headers = {"authorization": f"Bearer {key.secret}", **JSON, **steer(tokens=100, chunk_delay_ms=2)}
        connection.request("POST", "/v1/chat/completions", body.replace("gpt-4o", model), headers)
        if number % 5:
            connection.getresponse().read(number * 37)
        connection.close()

    threads = [threading.Thread(target=leave, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = gateway.lines(count, key=key.name)
    (row,) = [row for row in gateway.usage()["keys"] if row["key"] == key.name]
    assert row["reserved_micros"] == 0
    assert row["spent_micros"] == sum(line["cost_micros"] for line in lines)
