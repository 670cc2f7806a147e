"""Answers larger than what Envoy buffers."""

import pytest
from support.clients import openai_sdk, steer
from support.gateway import Gateway
from support.prompts import HELLO

WORDS = 60_000
MANY = 900_000


@pytest.fixture(scope="module")
def narrow_gateway():
    def change(config):
        config["max_body"] = "256KiB"

    with Gateway(change) as gateway:
        yield gateway


@pytest.mark.parametrize("model", ["gpt-4o", "claude-sonnet-4-5"])
def test_a_whole_answer_over_the_buffer_limit_does_not_crash_envoy(narrow_gateway, model):
    with openai_sdk(narrow_gateway, narrow_gateway.new_key()) as client:
        answer = client.chat.completions.create(model=model, messages=HELLO, extra_headers=steer(tokens=WORDS))
        assert answer.usage.completion_tokens == WORDS
        assert client.chat.completions.create(model=model, messages=HELLO).choices


def test_a_service_that_falls_behind_does_not_crash_envoy(http):
    body = {"model": "claude-sonnet-4-5", "messages": HELLO, "max_tokens": MANY}
    for stream in (False, True):
        burst = steer(tokens=MANY // 5 if stream else MANY, chunk_bytes=65536)
        answer = http.post("/v1/chat/completions", json={**body, "stream": stream}, headers=burst)
        assert answer.status_code == 200, answer.text[:200]
    assert http.get("/v1/models").status_code == 200
