"""Limits of every kind, as a client meets them."""

import json
import threading

import pytest
from support.clients import steer
from support.configuration import key as key_settings
from support.gateway import Gateway, Key
from support.prompts import HELLO
from support.waiting import wait_until

TOKEN = 10
COST = 10 * TOKEN
BODY = {"model": "gpt-4o", "messages": HELLO, "max_tokens": 10}


def usd(requests):
    return f"{requests * COST / 1_000_000:.6f}"


@pytest.fixture(scope="module")
def limited_gateway():
    def change(config):
        config["prices"] = {name: {"input": 0, "output": TOKEN} for name in ("gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5")}
        config["budget_status"] = 402
        config["organizations"] = [{"name": "acme", "limits": [{"name": "all", "requests": 3, "window": "year"}]}]
        config["teams"] = [{"name": "a", "organization": "acme"}, {"name": "b", "organization": "acme"}]
        config["users"] = [{"name": "ann", "team": "a", "limits": [{"name": "hers", "requests": 2, "window": "year"}]}]
        config["limits"] = [
            {"name": "end-users", "requests": 2, "window": "year", "per": ["end_user"], "only": {"keys": ["app"]}},
            {"name": "batch", "requests": 1, "window": "year", "only": {"tags": ["batch"], "keys": ["tagged"]}},
        ]
        by_provider = [{"name": "openai", "requests": 1, "window": "year", "only": {"providers": ["openai"]}}]
        by_provider += [{"name": "claude", "requests": 1, "window": "year", "only": {"providers": ["claude"]}}]
        saver = [{"name": "budget", "usd": usd(10), "window": "total", "downgrade": {"at_percent": 50, "model": "renamed"}}]
        config["keys"] += [
            key_settings("of-a", team="a"),
            key_settings("of-ann", user="ann"),
            key_settings("of-b", team="b"),
            key_settings("app"),
            key_settings("tagged", tags=["night"]),
            key_settings("by-provider", limits=by_provider),
            key_settings("saver", limits=saver),
            key_settings("narrow", limits=[{"name": "one", "concurrent": 1}]),
            key_settings("poor", limits=[{"name": "budget", "usd": usd(1), "window": "total"}]),
            key_settings("bucket", limits=[{"name": "bucket", "requests": 60, "window": "bucket 1h", "burst": 2}]),
            key_settings("output", limits=[{"name": "out", "output_tokens": 25, "window": "sliding 1h"}]),
        ]

    with Gateway(change) as gateway:
        yield gateway


@pytest.fixture
def gateway(limited_gateway):
    limited_gateway.mock.reset()
    return limited_gateway


def ask(gateway, key, headers=None, **more):
    with gateway.http(Key(key)) as client:
        return client.post("/v1/chat/completions", json=BODY | more, headers=steer(tokens=10) | (headers or {}))


def statuses(gateway, key, count, **more):
    return [ask(gateway, key, **more).status_code for _ in range(count)]


def settled(gateway, key):
    held = lambda: [row for row in gateway.usage()["keys"] if row["key"] == key][0]["reserved_micros"]
    wait_until(lambda: held() == 0, "everything is settled")


def test_an_organizations_limit_counts_its_teams_together_and_a_user_has_less(gateway):
    assert statuses(gateway, "of-ann", 3) == [200, 200, 429]
    assert statuses(gateway, "of-b", 1) == [200]
    refused = ask(gateway, "of-a")
    assert refused.status_code == 429
    assert 'the organization "acme" may make 3 requests a year' in refused.json()["error"]["message"]


def test_each_end_user_is_counted_by_itself(gateway):
    assert statuses(gateway, "app", 3, user="eve") == [200, 200, 429]
    assert statuses(gateway, "app", 1, user="zoe") == [200]
    assert statuses(gateway, "app", 3, headers={"x-weirgate-end-user": "max"}, user="zoe") == [200, 200, 429]
    assert gateway.lines(3, end_user="max")[0]["key"] == "app"


def test_a_tag_of_the_request_is_counted(gateway):
    batch = {"x-weirgate-tags": "batch, other"}
    assert statuses(gateway, "tagged", 2, headers=batch) == [200, 429]
    assert statuses(gateway, "tagged", 1) == [200]
    tags = [line["tags"] for line in gateway.lines(3, key="tagged")]
    assert sorted(tags, key=len) == [["night"], ["night", "batch", "other"], ["night", "batch", "other"]]


def test_a_provider_at_its_limit_is_passed_over(gateway):
    answers = []
    for _ in range(3):
        answers.append(ask(gateway, "by-provider", model="openai-then-claude"))
        # Until then it is held at every provider that might have served it.
        settled(gateway, "by-provider")
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    served = [answer.headers["x-weirgate-deployment"] for answer in answers[:2]]
    assert served == ["openai/gpt-4o", "claude/claude-sonnet-4-5"]


def test_near_a_budgets_end_another_model_serves(gateway):
    models = []
    for _ in range(10):
        models.append(ask(gateway, "saver").headers["x-weirgate-deployment"])
        settled(gateway, "saver")
    assert models == ["openai/gpt-4o"] * 5 + ["openai/gpt-4o-mini"] * 5
    asked = [json.loads(request["body"])["model"] for request in gateway.mock.requests()]
    assert asked == ["gpt-4o"] * 5 + ["gpt-4o-mini"] * 5
    assert ask(gateway, "saver").status_code == 402


def test_requests_under_way_are_counted_until_they_end(gateway):
    with gateway.http(Key("narrow")) as client:
        first = threading.Thread(
            target=lambda: client.post("/v1/chat/completions", json=BODY, headers=steer(tokens=10, latency_ms=1500))
        )
        first.start()
        gateway.mock.wait_begun(1)
        refused = ask(gateway, "narrow")
        assert refused.status_code == 429 and refused.headers["retry-after"] == "1"
        first.join()
    wait_until(lambda: ask(gateway, "narrow").status_code == 200, "the first has ended")


def test_the_status_of_a_spent_budget_is_configured(gateway):
    assert statuses(gateway, "poor", 2) == [200, 402]
    error = ask(gateway, "poor").json()["error"]
    assert (error["type"], error["code"]) == ("budget_exceeded", "budget_exceeded")


def test_a_bucket_says_exactly_when_the_next_fits(gateway):
    assert statuses(gateway, "bucket", 2) == [200, 200]
    refused = ask(gateway, "bucket")
    # One flows back every minute.
    assert refused.status_code == 429 and 55 <= int(refused.headers["retry-after"]) <= 60


def test_output_tokens_are_counted_by_themselves(gateway):
    assert statuses(gateway, "output", 3) == [200, 200, 429]
