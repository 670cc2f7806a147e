"""Two services and two Envoys that share one Redis."""

import json
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from support.admin import ADMIN, Api, with_admins
from support.clients import steer
from support.configuration import key as key_settings
from support.gateway import Gateway, Key
from support.paths import WEIRGATE
from support.prompts import HELLO
from support.redis import Redis
from support.waiting import wait_until

TOKEN = 10
BODY = {"model": "gpt-4o", "messages": HELLO, "max_tokens": 10}
COST = 10 * TOKEN


@pytest.fixture(scope="module")
def replicas():
    with ExitStack() as stack:
        redis = Redis(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="replicas-"))))
        stack.callback(redis.kill)

        def change(config):
            with_admins(config)
            config["store"] = {"redis": redis.url}
            config["prices"] = {"gpt-4o": {"input": 0, "output": TOKEN}}
            rate = {"name": "rate", "requests": 100, "window": "year", "on_store_failure": {"local": 3}}
            budget = {"name": "budget", "usd": f"{100 * COST / 1_000_000:.6f}", "window": "total"}
            config["keys"] += [
                key_settings("rated", limits=[rate]),
                key_settings("budgeted", limits=[budget]),
                key_settings("under-way", limits=[budget]),
            ]

        one, two = (stack.enter_context(Gateway(change)) for _ in range(2))
        yield one, two, redis


def ask(gateway, secret, headers=None):
    headers = {"authorization": f"Bearer {secret}", **(headers or steer(tokens=10))}
    return httpx2.post(f"{gateway.url}/v1/chat/completions", json=BODY, headers=headers, timeout=30)


def row(gateway, key):
    """What a key has spent, once the store can be asked."""

    def found():
        answer = httpx2.get(f"{gateway.admin}/usage", headers={"authorization": f"Bearer {ADMIN}"}, timeout=10)
        return [row for row in answer.json()["keys"] if row["key"] == key] if answer.status_code == 200 else None

    (only,) = wait_until(found, "the store can be asked")
    return only


def test_a_key_that_one_makes_works_at_the_other(replicas):
    one, two, _ = replicas
    with Api(one) as api, Api(two) as other:
        made = api.post("/keys", name="shared", limits=[{"name": "few", "measure": "requests", "amount": 2, "window": "year"}])
        assert ask(one, made["key"]).status_code == 200
        wait_until(lambda: ask(two, made["key"]).status_code == 200, "the other knows the key")
        # Both count together.
        assert ask(one, made["key"]).status_code == 429
        other.act("/keys/shared/block")
        wait_until(lambda: ask(one, made["key"]).status_code == 403, "the first knows that it is blocked")
        changes = [entry for entry in other.get("/audit")["items"] if entry["name"] == "shared"]
        assert sorted(entry["action"] for entry in changes) == ["block", "create"]


def test_changes_at_both_at_once_are_all_there_one_behind_the_other(replicas):
    one, two, _ = replicas
    with Api(one) as api, Api(two) as other, ThreadPoolExecutor(8) as threads:
        names = [f"team-{number}" for number in range(40)]
        list(threads.map(lambda pair: pair[0].post("/teams", name=pair[1]), zip([api, other] * 20, names)))

        def known(api):
            return {team["name"] for team in api.get("/teams", limit=100)["items"]} >= set(names)

        wait_until(lambda: known(api) and known(other), "both know all teams")


def test_while_redis_is_away_money_is_refused_and_rates_pass_by_their_local_amount(replicas):
    one, two, redis = replicas
    rated, budgeted = Key("rated").secret, Key("budgeted").secret
    assert ask(one, rated).status_code == 200 and ask(two, budgeted).status_code == 200
    for name in ("budgeted", "rated"):
        wait_until(lambda name=name: row(one, name)["reserved_micros"] == 0, "it is settled")
    before = row(one, "rated")
    redis.kill()
    refused = ask(one, budgeted)
    assert refused.status_code == 503 and refused.json()["error"]["code"] == "store_unavailable"
    assert refused.headers["retry-after"] == "1"
    assert [ask(one, rated).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert ask(two, rated).status_code == 200
    redis.start()
    wait_until(lambda: ask(one, budgeted).status_code == 200, "budgets are counted again")
    # What passed meanwhile is charged: three at one service and one at the other.
    wait_until(
        lambda: row(one, "rated")["spent_micros"] == before["spent_micros"] + 4 * COST, "what passed meanwhile is counted"
    )


def test_an_outage_is_told_once_and_seen_in_metrics_and_a_refused_request_is_not_settled(replicas):
    one, _, redis = replicas

    def metric(line):
        return line in httpx2.get(f"{one.admin}/metrics", timeout=10).text.splitlines()

    wait_until(lambda: metric("weirgate_store_up 1"), "the store is up")
    before = len(one.process.output())
    redis.kill()
    assert ask(one, Key("budgeted").secret).status_code == 503
    wait_until(lambda: metric("weirgate_store_up 0"), "the store is down")
    wait_until(lambda: one.ledger()[-1]["error"] == "store_unavailable", "it is in the ledger")
    refused = one.ledger()[-1]["id"]
    time.sleep(2.5)
    assert httpx2.get(f"{one.admin}/readyz", timeout=10).status_code == 200
    redis.start()
    wait_until(lambda: "is known again" in one.process.output(), "it says that it is back")
    told = one.process.output()[before:]
    assert told.count("what other processes may have changed") == 1, told
    # What the tests before asked may have been under way when Redis went.
    assert not any("could not be settled" in line and refused in line for line in told.splitlines()), told
    wait_until(lambda: metric("weirgate_store_up 1"), "the store is up again")


def test_two_services_do_not_share_a_ledger_without_a_word(replicas):
    one, two, _ = replicas
    file = two.folder / "shared.yaml"
    file.write_text(json.dumps(two.config | {"ledger": str(one.ledger_file), "service": "127.0.0.1:0"}))
    second = two.run("second", WEIRGATE, "serve", "-c", file)
    assert second.wait() == 1
    assert f"another process uses {one.ledger_file}: each service needs its own" in second.output()


def test_what_was_under_way_when_redis_went_is_settled_when_it_is_back(replicas):
    one, _, redis = replicas
    secret = Key("under-way").secret
    one.mock.reset()
    with ThreadPoolExecutor(1) as thread:
        slow = thread.submit(ask, one, secret, steer(tokens=7, latency_ms=500))
        one.mock.wait_begun(1)
        redis.kill()
        assert slow.result().status_code == 200
    redis.start()
    wait_until(lambda: row(one, "under-way") | {"key": ""} == {
        "key": "", "spent_micros": 7 * TOKEN, "reserved_micros": 0, "budget_micros": 100 * COST,
    }, "it is settled")
