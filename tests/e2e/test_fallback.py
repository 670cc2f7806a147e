"""A deployment that fails, and the next one that answers in its place."""

import json

import openai
import pytest
from support.clients import openai_sdk, steer
from support.gateway import Gateway
from support.prompts import HELLO, asks_for_weather

# The model to ask for, and whose answer is to come after the first deployment failed.
ORDERS = {"claude-then-openai": "openai", "openai-then-claude": "anthropic"}
UPSTREAM = {"openai": "gpt-4o", "anthropic": "claude-sonnet-4-5"}
FAILURES = {
    "503": {"status": 503},
    "500": {"status": 500},
    "429": {"status": 429},
    "529": {"status": 529},
    "web-page": {"status": 502, "html_error": True},
    "reset": {"cut": True},
    "silence": {"stall": True},
}


@pytest.fixture(scope="module")
def impatient_gateway():
    def change(config):
        config["timeouts"] = {"silence": "1s"}

    with Gateway(change) as gateway:
        yield gateway


@pytest.fixture
def gateway(impatient_gateway):
    impatient_gateway.mock.reset()
    return impatient_gateway


@pytest.fixture(params=ORDERS)
def model(request):
    return request.param


def first_fails(mock, model, **failure):
    rule = mock.openai if model.startswith("openai") else mock.anthropic
    mock.script(rule(**failure))


def said(model, words=5):
    dialect = ORDERS[model]
    return f"Hello from the mock {dialect} model {UPSTREAM[dialect]}: you said {words} words."


def check_requests(mock, model, count=2):
    """Both providers must have got a request of their own dialect, whole and without a trace of the other attempt."""
    requests = mock.requests()
    assert len(requests) == count
    for request in requests:
        headers, body, length = request["headers"], json.loads(request["body"]), len(request["body"].encode())
        # A translated body may go in chunks; a length that stands there must be this attempt's own.
        assert int(headers.get("content-length", length)) == length
        if request["port"] == mock.openai_port:
            assert (request["path"], body["model"]) == ("/v1/chat/completions", "gpt-4o")
            assert not [name for name in headers if name.startswith("anthropic")]
        else:
            assert (request["path"], body["model"]) == ("/v1/messages", "claude-sonnet-4-5")
            assert headers["anthropic-version"] and body["max_tokens"] > 0
    first = mock.openai_port if model.startswith("openai") else mock.anthropic_port
    assert [request["port"] == first for request in requests] == [True] + [False] * (count - 1)
    return [json.loads(request["body"]) for request in requests]


@pytest.mark.parametrize("failure", FAILURES)
def test_the_second_deployment_answers_when_the_first_fails(openai_client, mock, gateway, key, model, failure):
    first_fails(mock, model, **FAILURES[failure])
    raw = openai_client.chat.completions.with_raw_response.create(model=model, messages=HELLO)
    assert raw.parse().choices[0].message.content == said(model)
    assert raw.headers["x-weirgate-attempts"] == "2"
    assert raw.headers["x-weirgate-deployment"].endswith(UPSTREAM[ORDERS[model]])
    check_requests(mock, model)
    line = gateway.line(key=key.name)
    assert (line["status"], line["attempts"], line["upstream_model"]) == (200, 2, UPSTREAM[ORDERS[model]])


@pytest.mark.parametrize("model", ["down-claude-then-openai", "down-openai-then-claude"])
def test_the_second_deployment_answers_when_the_first_is_down(openai_client, mock, model):
    raw = openai_client.chat.completions.with_raw_response.create(model=model, messages=HELLO)
    assert raw.parse().choices[0].message.content == said(model.removeprefix("down-"))
    assert raw.headers["x-weirgate-attempts"] == "2"
    assert len(mock.requests()) == 1


@pytest.mark.parametrize("failure", ["503", "silence"])
def test_a_stream_comes_from_the_second_deployment(openai_client, mock, model, failure):
    first_fails(mock, model, **FAILURES[failure])
    chunks = list(openai_client.chat.completions.create(model=model, messages=HELLO, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == said(model)
    assert all(body["stream"] is True for body in check_requests(mock, model))


def test_tools_survive_the_change_of_dialect(openai_client, mock, model):
    first_fails(mock, model, status=503)
    answer = openai_client.chat.completions.create(model=model, **asks_for_weather())
    (call,) = answer.choices[0].message.tool_calls
    assert call.function.name == "get_weather"
    for body in check_requests(mock, model):
        (tool,) = body["tools"]
        assert ("parameters" in tool.get("function", {})) == (body["model"] == "gpt-4o")
        assert ("input_schema" in tool) == (body["model"] == "claude-sonnet-4-5")


def test_the_body_of_an_untranslated_attempt_is_the_clients(openai_client, mock, model):
    first_fails(mock, model, status=503)
    fields = {"messages": HELLO, "temperature": 0.25, "top_p": 0.5, "max_tokens": 11, "user": "u-1"}
    openai_client.chat.completions.create(model=model, **fields)
    sent = next(body for body in check_requests(mock, model) if body["model"] == "gpt-4o")
    assert sent == {**fields, "model": "gpt-4o"}


@pytest.mark.parametrize("failure", ["503", "silence"])
def test_a_body_of_three_megabytes_goes_to_both(openai_client, mock, model, failure):
    first_fails(mock, model, **FAILURES[failure])
    text = "water over stone " * 180_000
    answer = openai_client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])
    assert answer.choices[0].message.content == said(model, words=540_000)
    for body in check_requests(mock, model):
        content = body["messages"][0]["content"]
        assert text == (content if isinstance(content, str) else content[0]["text"])


def test_an_attempt_that_fell_silent_is_charged_for_what_it_may_have_generated(openai_client, mock, gateway, key):
    first_fails(mock, "openai-then-claude", stall=True)
    openai_client.chat.completions.create(
        model="openai-then-claude", messages=HELLO, max_tokens=40, extra_headers=steer(tokens=10)
    )
    line = gateway.line(key=key.name)
    # The prompt, as the gateway counts it, and all of the cap, for which a second is enough.
    assert line["broken_attempts_micros"] == 2.5 * 12 + 10 * 40
    assert line["cost_micros"] == 3 * line["input"] + 15 * line["output"] + line["broken_attempts_micros"]
    (row,) = [row for row in gateway.usage()["keys"] if row["key"] == key.name]
    assert (row["spent_micros"], row["reserved_micros"]) == (line["cost_micros"], 0)


def test_an_attempt_that_broke_at_once_costs_nothing(openai_client, mock, gateway, key):
    first_fails(mock, "openai-then-claude", cut=True)
    openai_client.chat.completions.create(model="openai-then-claude", messages=HELLO)
    assert "broken_attempts_micros" not in gateway.line(key=key.name)


def test_a_failing_first_deployment_costs_nothing_but_the_second_does(openai_client, mock, gateway, key, model):
    first_fails(mock, model, status=503)
    answer = openai_client.chat.completions.create(model=model, messages=HELLO, extra_headers=steer(tokens=10))
    prices = {"openai": (2.5, 10), "anthropic": (3, 15)}[ORDERS[model]]
    cost = prices[0] * answer.usage.prompt_tokens + prices[1] * 10
    line = gateway.line(key=key.name)
    assert line["cost_micros"] == -(-cost // 1) and line["output"] == 10


def test_when_all_fail_the_last_error_is_told(openai_client, mock, gateway, key, model):
    mock.script(mock.openai(status=503, retry_after=3), mock.anthropic(status=503, retry_after=3))
    with pytest.raises(openai.InternalServerError, match="mock: Service Unavailable") as raised:
        openai_client.chat.completions.create(model=model, messages=HELLO)
    assert raised.value.response.headers["x-weirgate-attempts"] == "2"
    assert raised.value.response.headers["retry-after"] == "3"
    check_requests(mock, model)
    line = gateway.line(key=key.name)
    assert (line["status"], line["attempts"], line["cost_micros"]) == (503, 2, 0)


@pytest.mark.parametrize("status", [400, 401, 404])
def test_an_error_that_another_provider_would_not_mend_is_told_at_once(openai_client, mock, model, status):
    first_fails(mock, model, status=status)
    with pytest.raises(openai.APIStatusError) as raised:
        openai_client.chat.completions.create(model=model, messages=HELLO)
    assert raised.value.status_code == status
    assert raised.value.response.headers["x-weirgate-attempts"] == "1"
    assert len(mock.requests()) == 1


def test_a_stream_that_is_cut_in_its_middle_is_not_begun_again(openai_client, mock, gateway, key, model):
    # Slow enough that the first events are with the client when the cut comes. Before that, another attempt would be right.
    first_fails(mock, model, cut_after=8, chunk_delay_ms=40)
    text, finish, error = "", None, None
    try:
        for chunk in openai_client.chat.completions.create(
            model=model, messages=HELLO, stream=True, extra_headers=steer(tokens=50)
        ):
            text += chunk.choices[0].delta.content or ""
            finish = chunk.choices[0].finish_reason or finish
    except Exception as raised:  # Each SDK has an exception of its own for a broken connection.
        error = raised
    assert text and "Hello from" not in text
    assert finish is None, "a cut stream must not look complete"
    assert error is not None
    assert len(mock.requests()) == 1
    line = gateway.line(key=key.name)
    assert (line["attempts"], line["complete"], line["stream"]) == (1, False, True)
    assert line["output"] > 0 and line["cost_micros"] > 0


def test_a_stream_that_falls_silent_in_its_middle_is_not_begun_again(openai_client, mock, gateway, key, model):
    first_fails(mock, model, stall_after=6)
    finish, error = None, None
    try:
        for chunk in openai_client.chat.completions.create(model=model, messages=HELLO, stream=True):
            finish = chunk.choices[0].finish_reason or finish
    except Exception as raised:
        error = raised
    assert finish is None and error is not None
    assert len(mock.requests()) == 1
    assert gateway.line(key=key.name)["complete"] is False


def test_a_single_deployment_is_tried_again_if_the_model_says_so():
    def change(config):
        deployments = [{"provider": "claude", "model": "claude-sonnet-4-5"}]
        config["models"].append({"name": "stubborn", "retries": 2, "deployments": deployments})

    with Gateway(change) as gateway, openai_sdk(gateway, gateway.new_key()) as client:
        gateway.mock.script(gateway.mock.anthropic(status=503, times=2))
        raw = client.chat.completions.with_raw_response.create(model="stubborn", messages=HELLO)
        assert raw.headers["x-weirgate-attempts"] == "3"
        assert raw.parse().choices[0].message.content
        assert len(gateway.mock.requests()) == 3


def test_the_deployments_of_fallback_models_come_after_the_models_own():
    def change(config):
        config["models"].append({"name": "with-fallback", "fallbacks": ["claude-sonnet-4-5"], "deployments": [
            {"provider": "down-openai", "model": "gpt-4o"}]})

    with Gateway(change) as gateway, openai_sdk(gateway, gateway.new_key()) as client:
        raw = client.chat.completions.with_raw_response.create(model="with-fallback", messages=HELLO)
        assert raw.headers["x-weirgate-deployment"] == "claude/claude-sonnet-4-5"


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_a_path_that_says_whether_to_stream_says_so_at_the_second_attempt_too(gateway, mock, stream):
    """An attempt removes the gateway's headers, by which the path of the next was once made."""
    with openai_sdk(gateway, gateway.new_key()) as client:
        answer = client.chat.completions.create(model="down-claude-then-gemini", messages=HELLO, stream=stream)
        text = "Hello from the mock gemini model gemini-2.5-flash: you said 5 words."
        if stream:
            assert "".join(chunk.choices[0].delta.content or "" for chunk in answer) == text
        else:
            assert answer.choices[0].message.content == text
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    assert mock.only_request()["path"].endswith(f"gemini-2.5-flash:{method}")
