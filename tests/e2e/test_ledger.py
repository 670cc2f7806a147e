"""The ledger: one line a request, however it ended, and the sums that are made of it."""

import re
from datetime import datetime, timezone

import openai
import pytest
from support.clients import openai_sdk, steer
from support.gateway import Key
from support.prompts import HELLO
from support.waiting import wait_until

# Micro-dollars a token: input, cached input, cache write, output.
PRICES = {"gpt-4o": (2.5, 1.25, 2.5, 10), "claude-sonnet-4-5": (3, 0.3, 3.75, 15)}
NATIVE, TRANSLATED = "gpt-4o", "claude-sonnet-4-5"


def cost(line):
    """What a line must cost, reckoned by hand."""
    input_price, cached, write, output = PRICES[line["upstream_model"]]
    exact = (
        line["input"] * input_price
        + line["cache_read"] * cached
        + line["cache_write"] * write
        + (line["output"] + line["reasoning"]) * output
    )
    return -int(-exact // 1)


@pytest.mark.parametrize("model", [NATIVE, TRANSLATED])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_success_is_charged_as_the_provider_counted(gateway, key, openai_client, mock, model, stream):
    answer = openai_client.chat.completions.create(
        model=model, messages=HELLO, stream=stream, extra_headers=steer(tokens=12)
    )
    if stream:
        list(answer)
    line = gateway.line(key=key.name)
    (told,) = mock.ledger(1)
    assert (line["model"], line["upstream_model"]) == (model, model)
    assert line["provider"] == ("openai" if model == NATIVE else "claude")
    assert (line["operation"], line["stream"], line["status"]) == ("chat_completions", stream, 200)
    assert (line["error"], line["attempts"], line["complete"]) == ("", 1, True)
    assert (line["source"], line["input"], line["output"]) == ("provider", told["input_tokens"], 12)
    assert line["cost_micros"] == cost(line) == {NATIVE: 140, TRANSLATED: 204}[model]
    assert line["reserved_micros"] >= line["cost_micros"]
    assert 0 < line["first_byte_ms"] <= line["latency_ms"]
    age = datetime.now(timezone.utc).timestamp() * 1000 - line["time_ms"]
    assert 0 <= age < 60_000


def test_a_native_message_is_charged_too(gateway, key, anthropic_client):
    anthropic_client.messages.create(model=TRANSLATED, max_tokens=50, messages=HELLO, extra_headers=steer(tokens=7))
    line = gateway.line(key=key.name)
    assert (line["operation"], line["output"], line["complete"]) == ("messages", 7, True)
    assert line["cost_micros"] == cost(line)


@pytest.mark.parametrize("model", ["gpt-4o", "gemini-2.5-flash"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_translated_message_is_charged_as_its_provider_counted(
    gateway, key, anthropic_client, mock, model, stream
):
    answer = anthropic_client.messages.create(
        model=model, max_tokens=100, messages=HELLO, stream=stream, extra_headers=steer(tokens=12)
    )
    if stream:
        list(answer)
    line = gateway.line(key=key.name)
    (told,) = mock.ledger(1)
    assert (line["operation"], line["stream"], line["error"], line["complete"]) == ("messages", stream, "", True)
    assert (line["source"], line["input"], line["output"]) == ("provider", told["input_tokens"], 12)
    assert 0 < line["cost_micros"] <= line["reserved_micros"]


@pytest.mark.parametrize("model", [NATIVE, TRANSLATED])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_cached_and_reasoning_tokens_have_their_own_prices(gateway, key, openai_client, model, stream):
    answer = openai_client.chat.completions.create(
        model=model, messages=HELLO, stream=stream, extra_headers=steer(tokens=10, cached=1000, reasoning=30)
    )
    if stream:
        list(answer)
    line = gateway.line(key=key.name)
    assert (line["input"], line["cache_read"], line["output"] + line["reasoning"]) == (0, 1000, 40)
    # 1000 cached at $1.25 or $0.30 and 40 generated at $10 or $15 a million.
    assert line["cost_micros"] == {NATIVE: 1250 + 400, TRANSLATED: 300 + 600}[model]
    if model == NATIVE:
        assert (line["output"], line["reasoning"]) == (10, 30)


def test_tokens_written_to_the_cache_cost_more(gateway, key, anthropic_client):
    anthropic_client.messages.create(
        model=TRANSLATED, max_tokens=50, messages=HELLO, extra_headers=steer(tokens=2, cache_write=400, cached=100)
    )
    line = gateway.line(key=key.name)
    assert (line["input"], line["cache_read"], line["cache_write"]) == (0, 100, 400)
    assert line["cost_micros"] == 30 + 1500 + 30


@pytest.mark.parametrize("model", [NATIVE, TRANSLATED])
def test_a_stream_without_usage_is_counted_by_the_gateway(gateway, key, openai_client, model):
    list(openai_client.chat.completions.create(
        model=model, messages=HELLO, stream=True, extra_headers=steer(tokens=40, no_usage=True)
    ))
    line = gateway.line(key=key.name)
    assert (line["source"], line["complete"]) == ("counted", True)
    if model == NATIVE:
        assert line["output"] == 40
    assert line["output"] >= 40 and line["input"] > 0 and line["cost_micros"] == cost(line)


def test_an_answer_without_usage_is_counted_by_the_gateway(gateway, key, openai_client):
    openai_client.chat.completions.create(
        model=NATIVE, messages=HELLO, extra_headers=steer(tokens=40, no_usage=True)
    )
    line = gateway.line(key=key.name)
    assert (line["source"], line["output"]) == ("counted", 40)
    assert line["cost_micros"] == cost(line)


# Events before the first token: the role at OpenAI; message_start, content_block_start and ping at Anthropic.
@pytest.mark.parametrize("model, opening", [(NATIVE, 1), (TRANSLATED, 3)])
def test_a_client_that_leaves_a_stream_pays_for_what_was_sent(gateway, key, openai_client, mock, model, opening):
    stream = openai_client.chat.completions.create(
        model=model, messages=HELLO, stream=True, extra_headers=steer(tokens=100, stall_after=opening + 20)
    )
    seen = 0
    for chunk in stream:
        seen += bool(chunk.choices[0].delta.content)
        if seen == 20:
            break
    stream.close()
    line = gateway.line(key=key.name)
    (told,) = mock.ledger(1)
    assert told["output_tokens"] == 20 and told["completed"] is False
    assert (line["error"], line["complete"], line["source"]) == ("client_left", False, "counted")
    # What the provider may have generated before it heard of it counts too: by how quickly tokens came, as much again at most.
    if model == NATIVE:
        assert 20 < line["output"] <= 40
    assert line["output"] >= 20 and line["cost_micros"] == cost(line) > 0


def test_a_client_that_leaves_a_native_message_stream_pays_for_what_was_sent(gateway, key, anthropic_client, mock):
    with anthropic_client.messages.stream(
        model=TRANSLATED, max_tokens=100, messages=HELLO, extra_headers=steer(tokens=100, stall_after=23)
    ) as stream:
        texts = iter(stream.text_stream)
        for _ in range(20):
            next(texts)
    line = gateway.line(key=key.name)
    (told,) = mock.ledger(1)
    assert told["output_tokens"] == 20
    assert (line["error"], line["complete"]) == ("client_left", False)
    # Claude's encoding is not public: the gateway may count more, never less. Input is what the provider said at the start.
    assert line["input"] == told["input_tokens"] and line["output"] >= 20
    assert line["cost_micros"] == cost(line)


def test_a_client_that_leaves_before_the_answer_leaves_no_reservation(gateway, key, openai_client, mock):
    with pytest.raises(openai.APITimeoutError):
        openai_client.chat.completions.create(
            model=NATIVE, messages=HELLO, max_tokens=50, timeout=1, extra_headers=steer(stall=True)
        )
    line = gateway.line(key=key.name)
    assert line["error"] == "client_left"
    # Nobody can know what was generated, so it is charged as it was reserved.
    assert line["cost_micros"] == line["reserved_micros"] > 0
    assert wait_until(lambda: own_budget(gateway, key)["reserved_micros"] == 0, "the reservation is settled")


def own_budget(gateway, key):
    (row,) = [row for row in gateway.usage()["keys"] if row["key"] == key.name]
    return row


def test_a_failed_provider_costs_nothing(gateway, key, openai_client):
    with pytest.raises(openai.InternalServerError):
        openai_client.chat.completions.create(model=NATIVE, messages=HELLO, extra_headers=steer(status=500))
    line = gateway.line(key=key.name)
    assert (line["status"], line["cost_micros"], line["output"], line["attempts"]) == (500, 0, 0, 1)
    assert line["error"]


def test_a_provider_that_is_down_costs_nothing(gateway, key, openai_client):
    with pytest.raises(openai.InternalServerError):
        openai_client.chat.completions.create(model="down", messages=HELLO)
    line = gateway.line(key=key.name)
    assert line["status"] in (502, 503) and (line["cost_micros"], line["provider"]) == (0, "down-openai")
    assert line["error"]


def test_an_attempt_that_failed_is_counted_and_the_one_that_answered_is_charged(gateway, key, openai_client, mock):
    mock.script(mock.anthropic(status=503))
    openai_client.chat.completions.create(model="claude-then-openai", messages=HELLO, extra_headers=steer(tokens=3))
    line = gateway.line(key=key.name)
    assert (line["model"], line["provider"], line["upstream_model"]) == ("claude-then-openai", "openai", "gpt-4o")
    assert (line["attempts"], line["cost_micros"]) == (2, cost(line))


def test_a_prompt_that_the_guard_refused_is_written_down_and_free(gateway, key, http):
    refused = [{"role": "user", "content": "project x"}]
    assert http.post("/v1/chat/completions", json={"model": NATIVE, "messages": refused}).status_code == 400
    line = gateway.line(key=key.name)
    assert (line["status"], line["error"], line["model"]) == (400, "guard_refused", NATIVE)
    assert (line["attempts"], line["cost_micros"], line["input"], line["provider"]) == (0, 0, 0, "")


def test_broken_json_is_written_down_and_free(gateway, key, http):
    headers = {"content-type": "application/json"}
    assert http.post("/v1/chat/completions", content="{", headers=headers).status_code == 400
    line = gateway.line(key=key.name)
    assert (line["status"], line["error"], line["cost_micros"]) == (400, "invalid_json", 0)


def test_an_unknown_key_is_written_down_without_a_name(gateway):
    marker = "model-of-an-unknown-key"
    with openai_sdk(gateway, Key("nobody")) as client, pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model=marker, messages=HELLO)
    line = gateway.line(model=marker)
    assert (line["status"], line["error"], line["key"]) == (401, "invalid_api_key", "")
    assert (line["cost_micros"], line["reserved_micros"], line["attempts"]) == (0, 0, 0)


def test_an_unknown_model_is_written_down_and_free(gateway, key, openai_client):
    with pytest.raises(openai.NotFoundError):
        openai_client.chat.completions.create(model="nothing-like-it", messages=HELLO)
    line = gateway.line(key=key.name)
    assert (line["status"], line["error"], line["model"]) == (404, "model_not_found", "nothing-like-it")
    assert (line["attempts"], line["cost_micros"]) == (0, 0)


def test_a_field_that_cannot_be_carried_is_written_down_and_free(gateway, key, openai_client):
    with pytest.raises(openai.UnprocessableEntityError):
        openai_client.chat.completions.create(model=TRANSLATED, messages=HELLO, seed=1)
    line = gateway.line(key=key.name)
    assert (line["status"], line["cost_micros"]) == (422, 0) and line["error"]


def test_embeddings_are_charged_by_their_usage(gateway, key, openai_client):
    answer = openai_client.embeddings.create(model="text-embedding-3-small", input=["water over stone"] * 100)
    line = gateway.line(key=key.name)
    assert (line["operation"], line["input"], line["output"]) == ("embeddings", answer.usage.prompt_tokens, 0)
    # $0.02 a million tokens, rounded up.
    assert line["cost_micros"] == -(-answer.usage.prompt_tokens * 2 // 100)


def test_a_list_of_models_costs_nothing(gateway, key, openai_client):
    list(openai_client.models.list())
    line = gateway.line(key=key.name)
    assert (line["operation"], line["status"], line["cost_micros"], line["error"]) == ("models", 200, 0, "")


def mixed_requests(client, key_name):
    """Four requests of every kind; returns how many lines they make."""
    client.chat.completions.create(model=NATIVE, messages=HELLO)
    client.chat.completions.create(model=TRANSLATED, messages=HELLO, extra_headers=steer(cached=500, reasoning=5))
    list(client.chat.completions.create(model=NATIVE, messages=HELLO, stream=True))
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="nothing-like-it", messages=HELLO)
    return 4


def test_usage_adds_up_to_the_ledger(gateway, key, openai_client):
    lines = gateway.lines(mixed_requests(openai_client, key.name), key=key.name)
    rows = [row for row in gateway.usage()["usage"] if row["key"] == key.name]
    total = lambda field: sum(row[field] for row in rows)
    assert total("requests") == 4 and total("failed") == 1
    assert total("cost_micros") == sum(line["cost_micros"] for line in lines) > 0
    assert total("input_tokens") == sum(line["input"] + line["cache_read"] + line["cache_write"] for line in lines)
    assert total("output_tokens") == sum(line["output"] + line["reasoning"] for line in lines)
    assert total("cached_tokens") == 500
    by_model = {row["model"]: row["requests"] for row in rows}
    assert by_model == {NATIVE: 2, TRANSLATED: 1, "other": 1}
    assert own_budget(gateway, key)["spent_micros"] == total("cost_micros")


def test_metrics_add_up_to_the_ledger(gateway, key, openai_client):
    lines = gateway.lines(mixed_requests(openai_client, key.name), key=key.name)
    metrics = gateway.metrics()
    assert metrics.endswith("# EOF\n")

    def total(name, **labels):
        wanted = {"key": key.name, **labels}
        found = 0
        for labels_text, value in re.findall(rf"^weirgate_{name}_total{{([^}}]*)}} (\d+)$", metrics, re.M):
            labels_found = dict(re.findall(r'(\w+)="([^"]*)"', labels_text))
            if wanted.items() <= labels_found.items():
                found += int(value)
        return found

    assert total("requests") == 4 and total("requests", status="404") == 1
    assert total("requests", model=NATIVE, provider="openai", status="200") == 2
    assert total("cost_micro_dollars") == sum(line["cost_micros"] for line in lines) > 0
    for kind in ("input", "cache_read", "output", "reasoning"):
        assert total("tokens", kind=kind) == sum(line[kind] for line in lines), kind
    assert f'weirgate_request_duration_seconds_count{{model="{NATIVE}"}}' in metrics


def test_a_name_that_a_client_makes_up_is_no_label(gateway, key, http):
    for number in range(3):
        http.post("/v1/chat/completions", json={"model": f"made-up-{number}", "messages": HELLO})
    gateway.lines(3, key=key.name)
    assert "made-up" not in gateway.metrics()


def test_a_name_that_a_client_makes_up_for_a_passthrough_is_no_label(gateway, key, http):
    http.post("/v1/embeddings", json={"model": "made-up-embedding", "input": "x"})
    gateway.lines(1, key=key.name)
    assert "made-up" not in gateway.metrics()
