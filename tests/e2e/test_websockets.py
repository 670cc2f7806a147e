"""Websockets, as OpenAI's realtime API has them: they pass, and are metered as connections."""

import json

import pytest
from support.configuration import key as with_limits
from support.gateway import Gateway, Key
from support.mock import OPENAI_KEY
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

MODEL = "gpt-realtime"


def change(config):
    renamed = {"provider": "openai", "model": "gpt-realtime-2"}
    models = {MODEL: [{"provider": "openai", "model": MODEL}], "voice": [renamed], "down-then-up": [
        {"provider": "down-openai", "model": MODEL}, {"provider": "openai", "model": MODEL}
    ]}
    config["models"] += [{"name": name, "deployments": deployments} for name, deployments in models.items()]
    config["prices"] = {MODEL: {"input": 1, "output": 1, "request": 0.01}}
    config["guard"]["websockets"] = "pass"
    config["keys"] += [
        with_limits("one-at-a-time", limits={"concurrent_requests": 1}),
        with_limits("no-realtime", operations=["chat_completions"]),
        with_limits("budget", limits={"budget": {"usd": 1, "period": "total"}}),
        with_limits("one-model", models=[MODEL]),
    ]


@pytest.fixture(scope="module")
def realtime():
    with Gateway(change) as gateway:
        yield gateway


@pytest.fixture
def gateway(realtime):
    realtime.mock.reset()
    return realtime


def dial(gateway, key, model=MODEL, path="/v1/realtime", **options):
    headers = {"authorization": f"Bearer {key.secret}", "openai-beta": "realtime=v1"}
    return connect(f"ws://{gateway.address}{path}?model={model}", additional_headers=headers, **options)


def test_what_is_said_passes_both_ways(gateway, key, mock):
    with dial(gateway, key) as socket:
        assert json.loads(socket.recv())["type"] == "session.created"
        for message in ["hello", b"\0\1\2", "x" * 100_000]:
            socket.send(message)
            assert socket.recv() == message
    sent = mock.only_request()
    assert sent["path"] == f"/v1/realtime?model={MODEL}"
    headers = sent["headers"]
    assert headers["authorization"] == f"Bearer {OPENAI_KEY}" and headers["openai-beta"] == "realtime=v1"
    assert key.secret not in json.dumps(sent)
    line = gateway.line(key=key.name)
    assert (line["operation"], line["status"], line["error"], line["complete"]) == ("realtime", 101, "", True)
    assert (line["model"], line["provider"], line["stream"], line["attempts"]) == (MODEL, "openai", True, 1)
    assert line["received_bytes"] > 100_000 and line["sent_bytes"] > 100_000
    assert line["latency_ms"] > 0
    # A price of a call is that of a connection; its tokens nobody sees.
    assert (line["cost_micros"], line["reserved_micros"], line["input"], line["output"]) == (10_000, 10_000, 0, 0)


def test_the_provider_may_end_it(gateway, key):
    with dial(gateway, key) as socket:
        socket.recv()
        socket.send("goodbye")
        with pytest.raises(ConnectionClosed):
            socket.recv()
    assert gateway.line(key=key.name)["status"] == 101


def test_a_browser_sends_its_key_as_a_protocol(gateway, key, mock):
    protocols = ["realtime", f"openai-insecure-api-key.{key.secret}", "openai-beta.realtime-v1"]
    with connect(f"ws://{gateway.address}/v1/realtime?model={MODEL}", subprotocols=protocols) as socket:
        assert socket.subprotocol == "realtime"
        socket.recv()
    assert key.secret not in json.dumps(mock.only_request())
    assert gateway.line(key=key.name)["status"] == 101


def test_the_model_is_renamed(gateway, key, mock):
    with dial(gateway, key, model="voice") as socket:
        assert json.loads(socket.recv())["path"] == "/v1/realtime?model=gpt-realtime-2"
        socket.send("still there")
        assert socket.recv() == "still there"
    line = gateway.line(key=key.name)
    assert (line["model"], line["upstream_model"]) == ("voice", "gpt-realtime-2")


def test_another_provider_takes_over(gateway, key):
    with dial(gateway, key, model="down-then-up") as socket:
        socket.send("hello")
        assert [json.loads(socket.recv())["type"], socket.recv()] == ["session.created", "hello"]
    line = gateway.line(key=key.name)
    assert (line["provider"], line["attempts"], line["status"]) == ("openai", 2, 101)


def test_limits_hold_as_long_as_the_connection(gateway):
    key = Key("one-at-a-time")
    with dial(gateway, key) as socket:
        socket.recv()
        with pytest.raises(InvalidStatus) as refused:
            dial(gateway, key)
        response = refused.value.response
        assert response.status_code == 429
        assert json.loads(response.body)["error"]["code"] == "rate_limit_exceeded"
    gateway.line(key=key.name, status=101)
    with dial(gateway, key) as socket:
        socket.recv()


@pytest.mark.parametrize("name, status, code", [("nobody", 401, "invalid_api_key"), ("no-realtime", 403, "operation_not_allowed")])
def test_a_key_that_may_not_is_refused(gateway, mock, name, status, code):
    with pytest.raises(InvalidStatus) as refused:
        dial(gateway, Key(name))
    response = refused.value.response
    assert (response.status_code, json.loads(response.body)["error"]["code"]) == (status, code)
    assert mock.requests() == []


@pytest.mark.parametrize("path", ["/v1/realtime?intent=x", "/v1/responses", f"/v1/responses?model={MODEL}"])
def test_a_websocket_without_a_model_is_not_free_for_a_key_with_a_budget(gateway, mock, path):
    check_refused(gateway, "budget", path, 403, "unknown_price")
    assert mock.requests() == []


@pytest.mark.parametrize("query", [f"model={MODEL}&model=gpt-4o", f"model={MODEL}&%6dodel=gpt-4o"])
def test_a_second_model_in_the_query_is_no_way_around_the_models_of_a_key(gateway, mock, query):
    check_refused(gateway, "one-model", f"/v1/realtime?{query}", 400, "ambiguous_model")
    assert mock.requests() == []


def check_refused(gateway, name, path, status, code):
    headers = {"authorization": f"Bearer {Key(name).secret}"}
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://{gateway.address}{path}", additional_headers=headers)
    answer = refused.value.response
    assert (answer.status_code, json.loads(answer.body)["error"]["code"]) == (status, code)


def test_what_the_provider_refuses_is_told(gateway, key, mock):
    mock.script(mock.openai(status=403))
    with pytest.raises(InvalidStatus) as refused:
        dial(gateway, key)
    assert refused.value.response.status_code == 403
    line = gateway.line(key=key.name)
    assert (line["operation"], line["status"], line["cost_micros"]) == ("realtime", 403, 0)


def test_only_a_get_becomes_a_websocket(gateway, key, http, mock):
    """Or else a chat would only have to call itself one, and nobody would read it."""
    headers = {"connection": "upgrade", "upgrade": "websocket"}
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "project x"}]}
    answer = http.post("/v1/chat/completions", headers=headers, json=body)
    assert answer.status_code in (400, 403) and mock.requests() == []


def test_rules_for_prompts_keep_websockets_out_unless_they_say_otherwise(shared_gateway):
    shared_gateway.mock.reset()
    with pytest.raises(InvalidStatus) as refused:
        dial(shared_gateway, shared_gateway.new_key(), model="gpt-4o")
    response = refused.value.response
    assert json.loads(response.body)["error"]["code"] == "guard_refused"
    assert shared_gateway.mock.requests() == []
