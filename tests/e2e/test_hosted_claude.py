"""Anthropic's models at clouds, by Bedrock's `InvokeModel` and Vertex AI's `rawPredict`: what is theirs alone."""

import json

import anthropic
import httpx2
import pytest
from support.clients import steer
from support.configuration import HOSTED
from support.prompts import HELLO

BEDROCK, VERTEX = HOSTED
# What each gets beside Anthropic's own body, and where.
HEADS = {BEDROCK: {"anthropic_version": "bedrock-2023-05-31"}, VERTEX: {"anthropic_version": "vertex-2023-10-16"}}
PATHS = {
    (BEDROCK, False): f"/model/{BEDROCK.replace(':', '%3A')}/invoke",
    (BEDROCK, True): f"/model/{BEDROCK.replace(':', '%3A')}/invoke-with-response-stream",
    (VERTEX, False): f"/v1/projects/p/locations/l/publishers/anthropic/models/{VERTEX}:rawPredict",
    (VERTEX, True): f"/v1/projects/p/locations/l/publishers/anthropic/models/{VERTEX}:streamRawPredict",
}
both = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


@pytest.fixture(params=HOSTED)
def model(request):
    return request.param


def said(model):
    """What the mock answers to HELLO."""
    return f"Hello from the mock {HOSTED[model]} model {model}: you said 5 words."


@both
def test_a_body_of_anthropics_loses_nothing(http, mock, model, stream):
    signed = {"type": "thinking", "thinking": "hm", "signature": "EqQB"}
    foreign = {"type": "thinking", "thinking": "of another", "signature": "openai:rs_1:gAAAA"}
    marked = {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    turns = lambda *thoughts: [
        {"role": "user", "content": [marked]},
        {"role": "assistant", "content": [*thoughts, {"type": "text", "text": "ho", "of_next_year": [1, None]}]},
        {"role": "user", "content": "and now?"},
    ]
    body = {"max_tokens": 100, "top_k": 5, "of_next_year": {"a": 1.5}, "metadata": {"user_id": "u"}}
    asked = {"model": model, "stream": stream, **body, "messages": turns(foreign, signed)}
    assert http.post("/v1/messages", json=asked).status_code == 200
    request = mock.only_request()
    told = {} if model == BEDROCK else {"stream": stream}
    assert json.loads(request["body"]) == {**HEADS[model], **told, **body, "messages": turns(signed)}
    assert request["path"] == PATHS[model, stream]


@both
def test_betas_reach_the_provider_where_it_reads_them(anthropic_client, mock, model, stream):
    ask = {"model": model, "max_tokens": 100, "messages": HELLO, "betas": ["a-2025-01-01", "b-2025-01-01"]}
    if stream:
        with anthropic_client.beta.messages.stream(**ask) as events:
            answer = events.get_final_message()
    else:
        answer = anthropic_client.beta.messages.create(**ask)
    assert answer.content[0].text == said(model)
    request = mock.only_request()
    if model == BEDROCK:
        assert json.loads(request["body"])["anthropic_beta"] == ["a-2025-01-01", "b-2025-01-01"]
    else:
        assert request["headers"]["anthropic-beta"] == "a-2025-01-01,b-2025-01-01"


@both
def test_an_answer_of_anthropics_is_not_touched(http, mock, model, stream):
    ask = {"model": model, "max_tokens": 100, "messages": HELLO, "stream": stream}
    answer = http.post("/v1/messages", json=ask, headers=steer(reasoning=2))
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    if stream:
        assert [event["type"] for event in events[:2]] == ["message_start", "content_block_start"]
        last = {"type": "message_stop"}
        measured = {"amazon-bedrock-invocationMetrics": {"firstByteLatency": 5}}
        assert events[-1] == (last | measured if model == BEDROCK else last)
        assert any(event.get("delta", {}).get("signature") == "bW9jaw==" for event in events)
    else:
        assert [block["type"] for block in answer.json()["content"]] == ["thinking", "text"]
        assert answer.json()["model"] == model
    assert answer.headers["content-type"].startswith("text/event-stream" if stream else "application/json")


@both
@pytest.mark.parametrize(
    ("status", "error"),
    [(400, "invalid_request_error"), (403, "permission_error"), (429, "rate_limit_error"), (503, "overloaded_error")],
)
def test_an_error_of_the_clouds_is_told_in_anthropics_words(anthropic_client, model, status, error, stream):
    ask = {"model": model, "max_tokens": 9, "messages": HELLO, "extra_headers": steer(status=status)}
    with pytest.raises(anthropic.APIStatusError, match="mock: ") as caught:
        anthropic_client.messages.create(stream=stream, **ask)
    assert caught.value.status_code == status
    assert caught.value.body["error"]["type"] == error


@pytest.mark.parametrize("wish", [{"error_after": 5}, {"cut_after": 5}], ids=["error", "cut"])
def test_a_stream_that_fails_ends_with_an_error(anthropic_client, model, wish):
    ask = {"model": model, "max_tokens": 100, "messages": HELLO, "extra_headers": steer(chunk_delay_ms=30, **wish)}
    heard = ""
    # The SDK leaves what its transport raises as it is.
    with pytest.raises((anthropic.APIError, httpx2.RemoteProtocolError)):
        for event in anthropic_client.messages.create(stream=True, **ask):
            assert event.type != "message_stop"
            heard += getattr(getattr(event, "delta", None), "text", "")
    assert heard and said(model).startswith(heard)


def test_thinking_goes_back_and_forth(anthropic_client, mock, model):
    ask = {"model": model, "max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 1024}}
    with anthropic_client.messages.stream(messages=HELLO, extra_headers=steer(reasoning=4), **ask) as events:
        first = events.get_final_message()
    assert [block.type for block in first.content] == ["thinking", "text"]
    again = [*HELLO, {"role": "assistant", "content": first.content}, {"role": "user", "content": "go on"}]
    assert anthropic_client.messages.create(messages=again, **ask).content
    assert "bW9jaw==" in mock.requests()[-1]["body"]


def test_what_a_cloud_does_not_fetch_is_refused_by_its_name(openai_client, mock, model):
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    with pytest.raises(Exception, match="fetches no URL") as caught:
        openai_client.chat.completions.create(model=model, messages=[{"role": "user", "content": [picture]}])
    assert caught.value.status_code == 422 and mock.requests() == []


@both
def test_the_ledger_knows_what_was_used(gateway, key, http, model, stream):
    ask = {"model": model, "max_tokens": 100, "messages": HELLO, "stream": stream}
    assert http.post("/v1/messages", json=ask, headers=steer(cached=2)).text
    line = gateway.line(key=key.name)
    assert (line["operation"], line["model"], line["stream"]) == ("messages", model, stream)
    assert (line["source"], line["output"], line["complete"]) == ("provider", len(said(model).split()), True)
