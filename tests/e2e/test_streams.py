"""Streams: the same events however the bytes are split, and each as soon as it is there."""

import json

import openai
import pytest
from support.clients import steer
from support.prompts import HELLO, WEATHER

# A text with characters of two, three and four bytes, and what looks like framing but is none.
TEXT = "Grüße über den Fluß — 水は石の上を流れる 🏞️ data: [DONE] event: ping \\n\\n \u2028 end"
CALL = 'get_weather:{"city":"Zürich 🏔","unit":"C"}'


@pytest.fixture(params=["gpt-4o", "renamed", "claude-sonnet-4-5"])
def model(request):
    return request.param


def read(client, model, **wishes):
    chunks = list(
        client.chat.completions.create(
            model=model,
            messages=HELLO,
            tools=[WEATHER],
            stream=True,
            stream_options={"include_usage": True},
            extra_headers=steer(**wishes),
        )
    )
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    calls = [call for delta in deltas for call in delta.tool_calls or []]
    return {
        "text": "".join(delta.content or "" for delta in deltas),
        "arguments": "".join(call.function.arguments or "" for call in calls),
        "names": [call.function.name for call in calls if call.function.name],
        "finish": [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1],
        "usage": chunks[-1].usage.model_dump(),
    }


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1_000_000])
def test_a_stream_is_the_same_however_its_bytes_are_split(openai_client, gateway, key, model, size):
    wishes = {"text": TEXT, "tool": CALL, "cached": 3}
    whole = read(openai_client, model, **wishes)
    split = read(openai_client, model, chunk_bytes=size, **wishes)
    assert whole == split
    assert (whole["text"], whole["names"]) == (TEXT, ["get_weather"])
    assert json.loads(whole["arguments"]) == {"city": "Zürich 🏔", "unit": "C"}
    first, second = gateway.lines(2, key=key.name)
    for field in ("input", "output", "cache_read", "cost_micros", "source", "complete"):
        assert first[field] == second[field], field


@pytest.mark.parametrize("size", [1, 5])
def test_a_native_message_stream_is_the_same_however_its_bytes_are_split(anthropic_client, size):
    def read_message(**wishes):
        with anthropic_client.messages.stream(
            model="claude-sonnet-4-5", max_tokens=500, messages=HELLO,
            extra_headers=steer(text=TEXT, reasoning=3, **wishes),
        ) as stream:
            return stream.get_final_message().model_dump(exclude={"id"})

    whole = read_message()
    assert whole == read_message(chunk_bytes=size)
    assert whole["content"][1]["text"] == TEXT


@pytest.mark.parametrize("model", ["gpt-4o", "claude-sonnet-4-5"])
def test_no_usage_leaks_from_a_split_stream_that_did_not_ask_for_it(http, model):
    body = {"model": model, "messages": HELLO, "stream": True}
    text = http.post("/v1/chat/completions", json=body, headers=steer(chunk_bytes=1)).text
    assert '"usage":{' not in text and text.endswith("data: [DONE]\n\n")


def test_an_untranslated_stream_passes_byte_for_byte(http, mock):
    body = {"model": "gpt-4o", "messages": HELLO, "stream": True, "stream_options": {"include_usage": True}}
    through = http.post("/v1/chat/completions", json=body).content
    headers = {"authorization": "Bearer x"}
    direct = http.post(f"http://127.0.0.1:{mock.openai_port}/v1/chat/completions", json=body, headers=headers).content
    assert _events(through) == _events(direct)


@pytest.mark.parametrize("path, model", [("chat/completions", "gpt-4o"), ("chat/completions", "claude-sonnet-4-5"),
                                         ("messages", "claude-sonnet-4-5")])
def test_the_first_token_is_there_before_the_last_was_generated(gateway, key, mock, path, model):
    """The mock stops after five tokens: what it has sent must be with the client while it is still silent."""
    body = {"model": model, "messages": HELLO, "stream": True, "max_tokens": 100}
    opening = 1 if model == "gpt-4o" else 3
    headers = steer(tokens=50, stall_after=opening + 5)
    seen = ""
    with gateway.http(key) as client, client.stream("POST", f"/v1/{path}", json=body, headers=headers) as answer:
        assert answer.status_code == 200
        for text in answer.iter_text():
            seen += text
            if "stone" in seen and '"and"' in seen or '" and"' in seen:
                break
    (told,) = mock.ledger(1)
    assert (told["output_tokens"], told["completed"]) == (5, False)


@pytest.mark.parametrize("model", ["gpt-4o", "claude-sonnet-4-5"])
def test_every_token_arrives_before_the_next_is_generated(openai_client, mock, model):
    """The mock pauses after each token; its account, read at each token, may be one ahead at most by the time we look."""
    stream = openai_client.chat.completions.create(
        model=model, messages=HELLO, stream=True, extra_headers=steer(tokens=8, chunk_delay_ms=100)
    )
    still_open = []
    for chunk in stream:
        if chunk.choices[0].delta.content:
            still_open.append(mock.stats()["in_flight"])
    # At the last token the mock has yet to send the end, one pause later.
    assert still_open == [1] * 8


@pytest.mark.parametrize("model", ["gpt-4o", "claude-sonnet-4-5"])
def test_a_long_stream_comes_whole(openai_client, gateway, key, model):
    tokens = 20_000
    stream = openai_client.chat.completions.create(
        model=model, messages=HELLO, stream=True, max_tokens=tokens, extra_headers=steer(tokens=tokens)
    )
    assert sum(bool(chunk.choices[0].delta.content) for chunk in stream) == tokens
    assert gateway.line(key=key.name)["output"] == tokens


@pytest.mark.parametrize("model", ["gpt-4o", "claude-sonnet-4-5"])
def test_a_providers_error_in_a_stream_is_raised_by_the_sdk(openai_client, gateway, key, model):
    stream = openai_client.chat.completions.create(
        model=model, messages=HELLO, stream=True, extra_headers=steer(tokens=50, error_after=8)
    )
    with pytest.raises(openai.APIError, match="error|[Oo]verloaded"):
        list(stream)
    line = gateway.line(key=key.name)
    assert line["complete"] is False and line["output"] > 0


def _events(stream):
    """Events with what differs from request to request taken out."""
    events = [event for event in stream.split(b"\n\n") if event.startswith(b"data: {")]
    parsed = [json.loads(event.removeprefix(b"data: ")) for event in events]
    return [{**event, "id": "", "created": 0} for event in parsed]
