"""What a plain answer has cost, told in a header."""

from decimal import Decimal

import pytest
from support.clients import anthropic_sdk, openai_sdk, steer
from support.gateway import Gateway
from support.prompts import HELLO


@pytest.fixture(scope="module")
def gateway():
    def change(config):
        config["cost_header"] = True
        config["cache"] = {"charge_percent": 50}

    with Gateway(change) as gateway:
        yield gateway


def told(raw, line):
    """The cost is that of the ledger."""
    cost = Decimal(raw.headers["x-weirgate-cost-usd"]) * 1_000_000
    return cost == line["cost_micros"] > 0


@pytest.mark.parametrize("model", ["gpt-4o", "openai-then-claude", "claude-sonnet-4-5"])
def test_a_plain_chat_tells_what_the_ledger_says(gateway, key, model):
    with openai_sdk(gateway, key) as client:
        raw = client.chat.completions.with_raw_response.create(model=model, messages=HELLO, extra_headers=steer(tokens=9))
    assert raw.parse().choices[0].message.content
    assert told(raw, gateway.line(key=key.name))


def test_a_plain_message_tells_what_the_ledger_says(gateway, key):
    with anthropic_sdk(gateway, key) as client:
        raw = client.messages.with_raw_response.create(model="claude-sonnet-4-5", max_tokens=20, messages=HELLO)
    assert told(raw, gateway.line(key=key.name))


def test_a_large_plain_answer_is_whole(gateway, key):
    with openai_sdk(gateway, key) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="gpt-4o", messages=HELLO, extra_headers=steer(tokens=200_000)
        )
    assert raw.parse().usage.completion_tokens == 200_000
    assert len(raw.parse().choices[0].message.content.split()) == 200_000
    assert told(raw, gateway.line(key=key.name))


def test_a_failure_and_a_stream_tell_no_cost(gateway, key):
    gateway.mock.script(gateway.mock.openai(status=400))
    with gateway.http(key) as client:
        failed = client.post("/v1/chat/completions", json={"model": "gpt-4o", "messages": HELLO})
    assert failed.status_code == 400 and "x-weirgate-cost-usd" not in failed.headers
    gateway.mock.reset()
    with openai_sdk(gateway, key) as client:
        raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=HELLO, stream=True)
        assert "x-weirgate-cost-usd" not in raw.headers
        assert [chunk.choices[0].finish_reason for chunk in raw.parse()][-1] == "stop"


def test_an_answer_from_the_cache_tells_what_is_charged_for_it(gateway, key):
    body = dict(model="gpt-4o", temperature=0, messages=[{"role": "user", "content": "again and again"}])
    with openai_sdk(gateway, key) as client:
        first, again = [
            client.chat.completions.with_raw_response.create(**body, extra_headers=steer(tokens=100)) for _ in range(2)
        ]
    miss, hit = sorted(gateway.lines(2, key=key.name), key=lambda line: "cache" in line)
    assert again.headers["x-weirgate-cache"] == "hit"
    assert told(first, miss) and told(again, hit)
    assert hit["cost_micros"] * 2 == pytest.approx(miss["cost_micros"], abs=1)
