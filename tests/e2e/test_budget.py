"""Limits under load: what is reserved is never more than the budget, and what is charged is what was used."""

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import openai
import pytest
from support.clients import openai_sdk, steer
from support.configuration import key as key_settings
from support.gateway import Gateway, Key
from support.prompts import HELLO
from support.waiting import wait_until

REQUESTS = 1000
ADMITTED = 100
TOKENS = 10
# The prompt is free and a token of output costs ten micro-dollars, so a request that generates what its cap allows
# costs exactly what was reserved for it, whoever counts the prompt.
PRICE = {"gpt-4o": {"input": 0, "output": 10}}
BUDGET = {"budget": {"usd": f"{ADMITTED * TOKENS * 10 / 1_000_000:.6f}", "period": "total"}}
BUDGET_MICROS = ADMITTED * TOKENS * 10
BODY = {"model": "gpt-4o", "messages": HELLO, "max_tokens": TOKENS}
LIMITS = {
    "stalled": BUDGET,
    "threads": BUDGET,
    "aborted": BUDGET,
    "restart": BUDGET,
    "failed": BUDGET,
    "uncapped": {"budget": {"usd": 10}},
    "small": {"budget": {"usd": "0.000150"}},
    "requests": {"requests_per_minute": 5},
    "tokens": {"tokens_per_minute": 100},
}


@pytest.fixture(scope="module")
def limiting_gateway():
    def change(config):
        config["prices"] = PRICE
        config["keys"] += [key_settings(name, limits=limits) for name, limits in LIMITS.items()]

    with Gateway(change) as gateway:
        yield gateway


@pytest.fixture
def gateway(limiting_gateway):
    limiting_gateway.mock.reset()
    return limiting_gateway


def budget_of(gateway, key):
    (row,) = [row for row in gateway.usage()["keys"] if row["key"] == key.name]
    return row


def costs(gateway, key):
    return sum(line["cost_micros"] for line in gateway.ledger() if line["key"] == key.name)


def check_refusal(answer):
    assert answer.status_code == 429
    assert answer.json()["error"]["code"] == "budget_exceeded"
    assert int(answer.headers["retry-after"]) > 0


def test_exactly_what_the_budget_holds_is_admitted_while_nothing_has_settled(gateway, mock):
    key = Key("stalled")
    mock.script(mock.openai(stall=True))

    async def ask_all():
        limits = httpx2.Limits(max_connections=ADMITTED + 60)
        headers = {"authorization": f"Bearer {key.secret}"}
        async with httpx2.AsyncClient(base_url=gateway.url, headers=headers, limits=limits, timeout=120) as client:
            asked = [asyncio.create_task(client.post("/v1/chat/completions", json=BODY)) for _ in range(REQUESTS)]
            refused = []
            for answer in asyncio.as_completed(asked):
                refused.append(await answer)
                if len(refused) == REQUESTS - ADMITTED:
                    break
            # All are decided now, and those that were admitted still wait for their answer.
            waiting = [task for task in asked if not task.done()]
            held = budget_of(gateway, key)
            arrived = await asyncio.to_thread(mock.wait_begun, ADMITTED)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            return refused, held, arrived

    refused, held, arrived = asyncio.run(ask_all())
    assert len(refused) == REQUESTS - ADMITTED
    for answer in refused:
        check_refusal(answer)
    assert (held["reserved_micros"], held["spent_micros"]) == (BUDGET_MICROS, 0)
    assert arrived["in_flight"] == ADMITTED
    # Nobody can know what a provider generated that never answered: it is charged as reserved.
    lines = gateway.lines(REQUESTS, key=key.name)
    assert sum(line["attempts"] for line in lines) == ADMITTED
    wait_until(lambda: budget_of(gateway, key)["reserved_micros"] == 0, "all reservations are settled")
    assert costs(gateway, key) == budget_of(gateway, key)["spent_micros"] == BUDGET_MICROS
    with gateway.http(key) as client:
        check_refusal(client.post("/v1/chat/completions", json=BODY))


def test_sixty_four_threads_spend_the_budget_to_the_last_micro_dollar(gateway, mock):
    key = Key("threads")
    headers = {"authorization": f"Bearer {key.secret}", **steer(tokens=TOKENS)}
    with httpx2.Client(base_url=gateway.url, headers=headers, timeout=60) as client, ThreadPoolExecutor(64) as threads:
        answers = list(
            threads.map(lambda _: client.post("/v1/chat/completions", json=BODY), range(REQUESTS))
        )
    passed = [answer for answer in answers if answer.status_code == 200]
    assert len(passed) == ADMITTED
    for answer in answers:
        if answer.status_code != 200:
            check_refusal(answer)
    gateway.lines(REQUESTS, key=key.name)
    generated = sum(entry["output_tokens"] for entry in mock.ledger(ADMITTED))
    wait_until(lambda: budget_of(gateway, key)["reserved_micros"] == 0, "all reservations are settled")
    assert costs(gateway, key) == generated * 10 == BUDGET_MICROS == budget_of(gateway, key)["spent_micros"]


def test_aborted_streams_cost_at_least_what_the_mock_says_it_generated(gateway, mock):
    """And not more than was reserved: nobody knows how far a provider goes on until it hears that its client has left."""
    key = Key("aborted")

    def abort(generated):
        with openai_sdk(gateway, key) as client:
            stream = client.chat.completions.create(
                model="gpt-4o",
                messages=HELLO,
                max_tokens=TOKENS,
                stream=True,
                extra_headers=steer(tokens=TOKENS, stall_after=1 + generated),
            )
            seen = 0
            for chunk in stream:
                seen += bool(chunk.choices[0].delta.content)
                if seen == generated:
                    break
            stream.close()

    count = 40
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(abort, [1 + number % (TOKENS - 1) for number in range(count)]))
    lines = gateway.lines(count, key=key.name)
    generated = sum(entry["output_tokens"] for entry in mock.ledger(count))
    assert {line["error"] for line in lines} == {"client_left"}
    charged = sum(line["cost_micros"] for line in lines)
    assert generated * 10 <= charged <= count * TOKENS * 10
    wait_until(lambda: budget_of(gateway, key)["reserved_micros"] == 0, "all reservations are settled")
    assert budget_of(gateway, key)["spent_micros"] == charged


def test_what_failed_gives_its_reservation_back(gateway, mock):
    key = Key("failed")
    with gateway.http(key) as client:
        for _ in range(ADMITTED + 20):
            answer = client.post("/v1/chat/completions", json=BODY, headers=steer(status=500))
            assert answer.status_code == 500
            # The next request must not find this one's reservation.
            wait_until(lambda: budget_of(gateway, key)["reserved_micros"] <= BUDGET_MICROS // 2, "it is given back")
    gateway.lines(ADMITTED + 20, key=key.name)
    wait_until(lambda: budget_of(gateway, key)["reserved_micros"] == 0, "all reservations are settled")
    assert budget_of(gateway, key)["spent_micros"] == 0


def test_a_request_that_would_pass_the_budget_is_refused_although_money_is_left(gateway, mock):
    with openai_sdk(gateway, Key("small")) as client:
        with pytest.raises(openai.RateLimitError, match=r"\$0.00015") as raised:
            client.chat.completions.create(model="gpt-4o", messages=HELLO, max_tokens=16)
        assert raised.value.type == "budget_exceeded"
        answer = client.chat.completions.create(
            model="gpt-4o", messages=HELLO, max_tokens=15, extra_headers=steer(tokens=15)
        )
        assert answer.usage.completion_tokens == 15
        # All is spent to the last micro-dollar now.
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="gpt-4o", messages=HELLO, max_tokens=1)
    assert len(mock.requests()) == 1


@pytest.mark.parametrize("choices", [{"n": 2, "max_tokens": 8}, {"n": 16, "max_completion_tokens": 1}])
def test_every_choice_is_reserved(gateway, mock, choices):
    with openai_sdk(gateway, Key("small")) as client, pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="gpt-4o", messages=HELLO, **choices)
    assert mock.requests() == []


def test_a_cap_that_the_gateway_sets_itself_is_reserved(gateway, mock):
    """Anthropic insists on max_tokens, so translate sets it where the client did not; decide once reserved less."""
    key = Key("uncapped")
    with openai_sdk(gateway, key) as client:
        client.chat.completions.create(model="claude-sonnet-4-5", messages=HELLO)
    cap = json.loads(mock.only_request()["body"])["max_tokens"]
    assert gateway.line(key=key.name)["reserved_micros"] >= cap * 15


def test_a_model_without_a_price_is_refused_to_a_key_with_a_budget(gateway, mock):
    with openai_sdk(gateway, Key("restart")) as client, pytest.raises(openai.PermissionDeniedError, match="price"):
        client.embeddings.create(model="embedding-without-price", input="x")
    assert mock.requests() == []


def test_requests_a_minute_are_limited(gateway, mock):
    # The window is the minute of the clock, so the test must not begin at the end of one.
    wait_until(lambda: time.time() % 60 < 50, "a minute begins")
    with openai_sdk(gateway, Key("requests")) as client:
        for _ in range(5):
            client.chat.completions.create(**BODY)
        with pytest.raises(openai.RateLimitError, match="5 requests a minute") as raised:
            client.chat.completions.create(**BODY)
    assert raised.value.code == "rate_limit_exceeded"
    assert 1 <= int(raised.value.response.headers["retry-after"]) <= 60
    assert len(mock.requests()) == 5


def test_tokens_a_minute_are_limited(gateway, mock):
    wait_until(lambda: time.time() % 60 < 50, "a minute begins")
    with openai_sdk(gateway, Key("tokens")) as client:
        with pytest.raises(openai.RateLimitError, match="100 tokens a minute"):
            client.chat.completions.create(**BODY | {"max_tokens": 100})
        client.chat.completions.create(**BODY | {"max_tokens": 80}, extra_headers=steer(tokens=80))
        with pytest.raises(openai.RateLimitError) as raised:
            client.chat.completions.create(**BODY | {"max_tokens": 20})
    assert 1 <= int(raised.value.response.headers["retry-after"]) <= 60
    assert len(mock.requests()) == 1


def test_spend_is_not_forgotten_when_the_gateway_starts_again():
    def change(config):
        config["prices"] = PRICE
        config["keys"].append(key_settings("restart", limits=BUDGET))

    key = Key("restart")
    with Gateway(change) as gateway:
        with gateway.http(key) as client:
            for _ in range(3):
                client.post("/v1/chat/completions", json=BODY, headers=steer(tokens=TOKENS))
        gateway.lines(3, key=key.name)
        usage = gateway.usage()
        gateway.restart()
        assert budget_of(gateway, key)["spent_micros"] == 3 * TOKENS * 10
        assert gateway.usage()["usage"] == usage["usage"]


def test_a_ledger_whose_last_line_is_half_written_is_read_all_the_same():
    def change(config):
        config["keys"].append(key_settings("restart", limits=BUDGET))
        config["prices"] = PRICE

    key = Key("restart")
    with Gateway(change) as gateway:
        with gateway.http(key) as client:
            client.post("/v1/chat/completions", json=BODY, headers=steer(tokens=TOKENS))
            gateway.line(key=key.name)
            with gateway.ledger_file.open("a") as ledger:
                ledger.write('{"time_ms":1')
            gateway.restart()
            client.post("/v1/chat/completions", json=BODY, headers=steer(tokens=TOKENS))
            wait_until(lambda: budget_of(gateway, key)["spent_micros"] == 2 * TOKENS * 10, "both are charged")
