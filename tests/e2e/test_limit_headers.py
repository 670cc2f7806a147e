"""What clients are told of their limits on every answer."""

import time

import pytest
from support.clients import steer
from support.configuration import key as key_settings
from support.gateway import Gateway, Key
from support.prompts import HELLO
from support.waiting import wait_until

TOKEN = 10
BODY = {"model": "gpt-4o", "messages": HELLO, "max_tokens": 10}
USUAL = {"requests_per_minute": 3, "tokens_per_minute": 1000, "budget": {"usd": "0.01", "period": "month"}}
NAMES = [f"x-ratelimit-{what}-{of}" for of in ("requests", "tokens") for what in ("limit", "remaining", "reset")]


@pytest.fixture(scope="module")
def telling_gateway():
    def change(config):
        config["prices"] = {"gpt-4o": {"input": 0, "output": TOKEN}}
        config["keys"] += [key_settings(name, limits=USUAL) for name in ("usual", "streamed", "anthropic")]
        soft = [{"name": "soft-requests", "requests": 1, "window": "year", "mode": "soft"}]
        config["keys"] += [key_settings("soft", limits=soft)]
        shadow = [{"name": "shadow-requests", "requests": 1, "window": "year", "mode": "shadow"}]
        config["keys"] += [key_settings("shadow", limits=shadow)]

    with Gateway(change) as gateway:
        yield gateway


@pytest.fixture
def gateway(telling_gateway):
    telling_gateway.mock.reset()
    # The window is the minute of the clock, so the test must not begin at the end of one.
    wait_until(lambda: time.time() % 60 < 50, "a minute begins")
    return telling_gateway


def ask(gateway, name, **more):
    with gateway.http(Key(name)) as client:
        return client.post("/v1/chat/completions", json=BODY | more, headers=steer(tokens=10))


def settled(gateway, name):
    def nothing_is_held():
        (row,) = [row for row in gateway.usage()["keys"] if row["key"] == name]
        return row["reserved_micros"] == 0

    wait_until(nothing_is_held, "everything is settled")


def test_answers_and_refusals_tell_what_is_left(gateway):
    first = ask(gateway, "usual")
    assert first.headers["x-ratelimit-limit-requests"] == "3"
    assert first.headers["x-ratelimit-remaining-requests"] == "2"
    assert first.headers["x-ratelimit-reset-requests"].endswith("s")
    assert first.headers["x-ratelimit-limit-tokens"] == "1000"
    assert 900 < int(first.headers["x-ratelimit-remaining-tokens"]) < 990
    assert first.headers["x-weirgate-budget-limit-usd"] == "0.01"
    assert first.headers["x-weirgate-reserved-usd"] == "0.0001"
    assert first.headers["x-weirgate-budget-remaining-usd"] == "0.0099"
    settled(gateway, "usual")
    assert ask(gateway, "usual").headers["x-weirgate-budget-remaining-usd"] == "0.0098"
    ask(gateway, "usual")
    refused = ask(gateway, "usual")
    assert refused.status_code == 429
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert "x-weirgate-reserved-usd" not in refused.headers


def test_streams_tell_it_too(gateway):
    answer = ask(gateway, "streamed", stream=True)
    assert set(NAMES) <= set(answer.headers)


def test_whoever_has_no_limits_is_told_of_none(gateway):
    answer = ask(gateway, gateway.new_key().name)
    assert answer.status_code == 200
    told = [name for name in answer.headers if "ratelimit" in name or "budget" in name or "warning" in name]
    assert told == []


def test_a_soft_limit_that_is_reached_warns_and_a_shadow_limit_does_not(gateway):
    assert ask(gateway, "soft").headers["x-weirgate-warning"] == 'the limit "soft-requests" is reached'
    over = ask(gateway, "soft")
    assert over.status_code == 200 and over.headers["x-ratelimit-remaining-requests"] == "0"
    ask(gateway, "shadow")
    shadowed = ask(gateway, "shadow")
    assert shadowed.status_code == 200 and "x-weirgate-warning" not in shadowed.headers


def test_a_provider_cannot_speak_for_the_gateway(gateway):
    with gateway.http(Key("streamed")) as client:
        claims = steer(tokens=10, header="x-ratelimit-remaining-requests:999")
        answer = client.post("/v1/chat/completions", json=BODY, headers=claims)
    assert answer.headers.get_list("x-ratelimit-remaining-requests") in (["1"], ["2"])
