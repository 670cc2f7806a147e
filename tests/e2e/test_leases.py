"""Services that take budgets in Redis a slice at a time, because they are asked for so often."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from support.clients import steer
from support.configuration import key as key_settings
from support.gateway import Gateway, Key
from support.prompts import HELLO
from support.redis import Redis
from support.waiting import wait_until

TOKEN = 10
RESERVED, USED = 10, 4
BODY = {"model": "gpt-4o", "messages": HELLO, "max_tokens": RESERVED}
THREADS = 32


def dollars(requests):
    return f"{requests * RESERVED * TOKEN / 1_000_000:.6f}"


@pytest.fixture(scope="module")
def replicas():
    with ExitStack() as stack:
        redis = Redis(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="leases-"))))
        stack.callback(redis.kill)

        def change(config):
            config["store"] = {"redis": redis.url, "lease_percent": 10}
            config["prices"] = {"gpt-4o": {"input": 0, "output": TOKEN}}
            config["keys"] += [
                key_settings("plenty", limits=[{"name": "budget", "usd": dollars(100_000), "window": "total"}]),
                key_settings("scarce", limits=[{"name": "budget", "usd": dollars(300), "window": "total"}]),
            ]

        yield [stack.enter_context(Gateway(change)) for _ in range(2)] + [redis]


def ask_often(gateways, key, count, tokens):
    """The statuses of so many requests, at all of these gateways at once."""
    headers = {"authorization": f"Bearer {key.secret}", **steer(tokens=tokens)}
    limits = httpx2.Limits(max_connections=THREADS)
    with httpx2.Client(timeout=30, limits=limits) as client, ThreadPoolExecutor(THREADS) as threads:

        def ask(number):
            url = gateways[number % len(gateways)].url
            return client.post(f"{url}/v1/chat/completions", json=BODY, headers=headers).status_code

        return list(threads.map(ask, range(count)))


def row(gateway, key):
    (found,) = [row for row in gateway.usage()["keys"] if row["key"] == key.name]
    return found


def test_a_hot_budget_is_counted_in_full_and_asks_redis_less_than_once_a_request(replicas):
    one, _, redis = replicas
    key, requests = Key("plenty"), 600
    before = redis.calls("evalsha")
    assert set(ask_often([one], key, requests, USED)) == {200}
    wait_until(lambda: row(one, key)["reserved_micros"] == 0, "leases have been given back")
    assert row(one, key)["spent_micros"] == requests * USED * TOKEN
    assert redis.calls("evalsha") - before < requests


def test_two_services_with_leases_never_pass_the_budget(replicas):
    one, two, _ = replicas
    key = Key("scarce")
    statuses = ask_often([one, two], key, 900, RESERVED)
    wait_until(lambda: row(one, key)["reserved_micros"] == 0, "leases have been given back")
    spent = row(one, key)["spent_micros"]
    assert spent == statuses.count(200) * RESERVED * TOKEN
    # A lease may be held by the one while the other refuses.
    assert 240 <= statuses.count(200) <= 300
    # What was given back can be used.
    more = ask_often([one, two], key, 300, RESERVED)
    assert statuses.count(200) + more.count(200) == 300
