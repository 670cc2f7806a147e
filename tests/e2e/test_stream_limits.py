"""Streams that outgrow their reservation: more is taken as they go, and at the limit they end as at their cap."""

import pytest
from support.clients import anthropic_sdk, openai_sdk, steer
from support.configuration import key as key_settings
from support.gateway import Gateway, Key
from support.prompts import HELLO
from support.waiting import wait_until

# A token of output costs ten micro-dollars and the prompt nothing.
TOKEN = 10
BUDGET_TOKENS = 200
FIRST_SLICE = 40
PRICES = {model: {"input": 0, "output": TOKEN} for model in ("gpt-4o", "claude-sonnet-4-5")}


def budget(tokens=BUDGET_TOKENS, **more):
    usd = f"{tokens * TOKEN / 1_000_000:.6f}"
    return {"limits": [{"name": "budget", "usd": usd, "window": "total", **more}]}


@pytest.fixture(scope="module")
def limited_gateway():
    def change(config):
        config["prices"] = PRICES
        config["default_output_tokens"] = FIRST_SLICE
        config["keys"] += [
            key_settings("ended", **budget()),
            key_settings("translated", **budget()),
            key_settings("flagged", **budget(on_overrun="flag")),
            key_settings("enough", **budget(tokens=1000)),
            key_settings("capped", **budget()),
            key_settings("plain-error", **budget()),
        ]

    with Gateway(change) as gateway:
        yield gateway


@pytest.fixture
def gateway(limited_gateway):
    limited_gateway.mock.reset()
    return limited_gateway


def spend(gateway, key):
    (row,) = [row for row in gateway.usage()["keys"] if row["key"] == key.name]
    return row["spent_micros"], row["reserved_micros"]


def stream(gateway, key, tokens, model="gpt-4o", **more):
    """The words that came, and the chunks that did not hold any."""
    with openai_sdk(gateway, key) as client:
        chunks = client.chat.completions.create(
            model=model, messages=HELLO, stream=True, extra_headers=steer(tokens=tokens, chunk_delay_ms=10), **more
        )
        chunks = list(chunks)
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    return texts, chunks


def ended(gateway, mock):
    wait_until(lambda: mock.stats()["in_flight"] == 0, "the provider is told to stop")
    return sum(entry["output_tokens"] for entry in mock.ledger(1))


@pytest.fixture
def mock(gateway):
    return gateway.mock


def test_a_stream_ends_at_the_budget_as_at_its_cap(gateway, mock):
    key = Key("ended")
    texts, chunks = stream(gateway, key, tokens=5000)
    # More than was reserved at first; what is on its way when the stream is ended, more on a busy machine, is not delivered.
    assert FIRST_SLICE < len(texts) <= BUDGET_TOKENS
    assert chunks[-1].choices[0].finish_reason == "length"
    assert ended(gateway, mock) < 5000
    line = gateway.line(key=key.name)
    assert (line["error"], line["complete"]) == ("limit_reached", True)
    assert line["cost_micros"] == BUDGET_TOKENS * TOKEN
    assert spend(gateway, key) == (BUDGET_TOKENS * TOKEN, 0)


def test_the_client_that_asked_for_usage_gets_it_at_the_end(gateway, mock):
    key = Key("capped")
    _, chunks = stream(gateway, key, tokens=5000, stream_options={"include_usage": True})
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens <= BUDGET_TOKENS


def test_a_translated_stream_ends_at_the_budget_too(gateway, mock):
    key = Key("translated")
    texts, chunks = stream(gateway, key, tokens=5000, model="claude-sonnet-4-5")
    assert 0 < len(texts) <= BUDGET_TOKENS
    assert chunks[-1].choices[0].finish_reason == "length"
    assert ended(gateway, mock) < 5000
    wait_until(lambda: spend(gateway, key)[1] == 0, "it is settled")
    assert spend(gateway, key)[0] <= BUDGET_TOKENS * TOKEN


def test_a_stream_that_fits_is_not_touched_and_gives_back_what_it_did_not_use(gateway, mock):
    key = Key("enough")
    texts, chunks = stream(gateway, key, tokens=300)
    assert len(texts) == 300 and chunks[-1].choices[0].finish_reason == "stop"
    line = gateway.line(key=key.name)
    assert (line["error"], line["source"]) == ("", "provider")
    assert spend(gateway, key) == (300 * TOKEN, 0)


def test_a_stream_that_is_only_flagged_goes_on(gateway, mock):
    key = Key("flagged")
    texts, _ = stream(gateway, key, tokens=300)
    assert len(texts) == 300
    assert gateway.line(key=key.name)["cost_micros"] == 300 * TOKEN


def test_an_error_in_place_of_a_stream_that_would_be_followed_passes(gateway, mock):
    with gateway.http(Key("plain-error")) as client:
        body = {"model": "gpt-4o", "messages": HELLO, "stream": True}
        answer = client.post("/v1/chat/completions", json=body, headers=steer(status=400))
    assert answer.status_code == 400 and "error" in answer.json()
    wait_until(lambda: spend(gateway, Key("plain-error")) == (0, 0), "what was reserved is given back")
