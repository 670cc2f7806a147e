"""Two services that share cached answers in one Redis."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.configuration import key as key_settings
from support.gateway import Gateway, Key
from support.redis import Redis
from support.waiting import wait_until


@pytest.fixture(scope="module")
def replicas():
    with ExitStack() as stack:
        redis = Redis(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cache-"))))
        stack.callback(redis.kill)

        def change(config):
            config["store"] = {"redis": redis.url}
            config["cache"] = {"store": "redis", "timeout": "100ms"}
            config["keys"] += [key_settings("rated", limits=[{"name": "rate", "requests": 1000, "window": "year"}])]

        yield [stack.enter_context(Gateway(change)) for _ in range(2)] + [redis]


def ask(gateway, text):
    body = {"model": "gpt-4o", "temperature": 0, "messages": [{"role": "user", "content": text}]}
    with gateway.http(Key("rated")) as client:
        return client.post("/v1/chat/completions", json=body)


def test_what_one_service_keeps_all_are_given(replicas):
    one, two, _ = replicas
    first, second = ask(one, "shared?"), ask(two, "shared?")
    assert (first.headers["x-weirgate-cache"], second.headers["x-weirgate-cache"]) == ("miss", "hit")
    assert first.json()["choices"] == second.json()["choices"]


def test_a_redis_that_is_away_costs_no_answer(replicas):
    one, two, redis = replicas
    ask(one, "away?")
    redis.kill()
    # The limit lets requests pass by the service's own count, and a provider is asked.
    answer = ask(two, "away?")
    assert (answer.status_code, answer.headers["x-weirgate-cache"]) == (200, "miss")
    redis.start()
    wait_until(lambda: ask(two, "away?").headers["x-weirgate-cache"] == "hit", "it is used again")
