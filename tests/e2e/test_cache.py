"""Answers that were given before, to requests that ask for the same."""

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from support.admin import Api, with_admins
from support.clients import anthropic_sdk, openai_sdk, steer
from support.configuration import key as key_settings
from support.gateway import Gateway, Key
from support.parts import Parts
from support.prompts import asks_for_weather
from support.waiting import wait_until

TOKEN = 10
PRICES = {model: {"input": 0, "output": TOKEN} for model in ("gpt-4o", "claude-sonnet-4-5")}
REQUESTS = {"name": "requests", "requests": 3, "window": "year"}


@pytest.fixture(scope="module")
def caching_gateway():
    def change(config):
        config["cache"] = {"ttl": "1h", "charge_percent": 10, "timeout": "100ms"}
        with_admins(config)
        config["prices"] = PRICES
        config["teams"] = [{"name": "red"}]
        config["keys"] += [
            key_settings("limited", limits=[REQUESTS]),
            key_settings("rich", limits=[{"name": "budget", "usd": "1000", "window": "total"}]),
            key_settings("one-of-red", team="red"),
            key_settings("other-of-red", team="red"),
            key_settings("poor", limits=[{"name": "budget", "usd": "0.00015", "window": "total"}]),
        ]

    with Gateway(change) as gateway:
        yield gateway


@pytest.fixture
def gateway(caching_gateway):
    caching_gateway.mock.reset()
    return caching_gateway


@pytest.fixture
def mock(gateway):
    return gateway.mock


def chat(text, **more):
    return {"model": "gpt-4o", "temperature": 0, "messages": [{"role": "user", "content": text}], **more}


def ask(gateway, key, body, headers=None, tokens=5):
    """A new text each time from the mock, so that a cached one is known by it."""
    with gateway.http(key) as client:
        return client.post("/v1/chat/completions", json=body, headers={**steer(tokens=tokens), **(headers or {})})


def status(answer):
    return answer.headers["x-weirgate-cache"]


def test_the_same_request_is_answered_from_the_cache(gateway, mock, key):
    body = chat("what is a weir?")
    first, second = (ask(gateway, key, body) for _ in range(2))
    assert (status(first), status(second)) == ("miss", "hit")
    one, other = first.json(), second.json()
    assert one["choices"] == other["choices"] and one["usage"] == other["usage"]
    assert one["id"] != other["id"]
    assert second.headers["x-weirgate-cache-kind"] == "exact" and int(second.headers["age"]) < 60
    assert len(mock.requests()) == 1


def test_what_shapes_the_answer_is_never_passed_over(gateway, mock, key):
    body = chat("what is a gate?", max_tokens=20)
    ask(gateway, key, body)
    others = [
        body | {"max_tokens": 21},
        body | {"seed": 1},
        body | {"messages": [{"role": "system", "content": "be brief"}] + body["messages"]},
        body | {"messages": [{"role": "user", "content": "What is a gate?"}]},
        body | {"tools": asks_for_weather()["tools"]},
        body | {"response_format": {"type": "json_object"}},
        body | {"model": "renamed"},
        body | {"model": "openai-then-claude"},
    ]
    assert [status(ask(gateway, key, other)) for other in others] == ["miss"] * len(others)
    assert status(ask(gateway, key, body | {"user": "u", "metadata": {"a": "b"}})) == "hit"


def test_keys_share_nothing(gateway, mock):
    body = chat("what is mine?")
    assert status(ask(gateway, Key("one-of-red"), body)) == "miss"
    assert status(ask(gateway, Key("other-of-red"), body)) == "miss"
    assert status(ask(gateway, Key("one-of-red"), body)) == "hit"


@pytest.mark.parametrize("first", ["plain", "streamed"])
def test_streamed_and_plain_requests_share_answers(gateway, mock, key, first):
    body = dict(model="gpt-4o", temperature=0, messages=[{"role": "user", "content": "streams or not?"}])
    with openai_sdk(gateway, key) as client:

        def plain():
            raw = client.chat.completions.with_raw_response.create(**body, extra_headers=steer(tokens=300))
            return status(raw), raw.parse().choices[0].message.content, raw.parse().usage.completion_tokens

        def streamed():
            options = {"include_usage": True}
            raw = client.chat.completions.with_raw_response.create(
                **body, stream=True, stream_options=options, extra_headers=steer(tokens=300)
            )
            chunks = list(raw.parse())
            assert chunks[-2].choices[0].finish_reason == "stop" and chunks[-1].choices == []
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
            return status(raw), text, chunks[-1].usage.completion_tokens

        ways = [plain, streamed] if first == "plain" else [streamed, plain]
        one, *others = [way() for way in ways + ways]
    assert one[0] == "miss" and one[2] == 300
    assert others == [("hit", *one[1:])] * 3
    assert len(mock.requests()) == 1


def test_a_client_that_did_not_ask_for_usage_gets_none_from_the_cache(gateway, key):
    body = chat("usage?", stream=True)
    for wanted in ("miss", "hit"):
        answer = ask(gateway, key, body)
        assert status(answer) == wanted and answer.text.endswith("data: [DONE]\n\n")
        assert '"choices":[]' not in answer.text


def test_a_stream_and_a_plain_request_share_an_answer_also_where_a_budget_would_cap_the_one(gateway, mock):
    key, body = Key("rich"), chat("capped or not?")
    assert status(ask(gateway, key, body | {"stream": True})) == "miss"
    assert status(ask(gateway, key, body)) == "hit"


def test_messages_are_cached_and_streamed_again(gateway, mock, key):
    messages = [{"role": "user", "content": "salve"}]
    body = dict(model="claude-sonnet-4-5", max_tokens=50, messages=messages, extra_body={"temperature": 0})
    with anthropic_sdk(gateway, key) as client:
        raw = client.messages.with_raw_response.create(**body)
        text = raw.parse().content[0].text
        with client.messages.stream(**body) as stream:
            assert stream.get_final_text() == text
            assert stream.response.headers["x-weirgate-cache"] == "hit"
            assert stream.get_final_message().usage.output_tokens == raw.parse().usage.output_tokens
    assert len(mock.requests()) == 1


def test_calls_of_tools_come_again_as_they_were(gateway, mock, key):
    with openai_sdk(gateway, key) as client:
        one, other = (
            client.chat.completions.create(model="openai-then-claude", temperature=0, **asks_for_weather()) for _ in range(2)
        )
    assert one.choices[0].message.tool_calls == other.choices[0].message.tool_calls
    assert len(mock.requests()) == 1


def test_what_was_not_whole_is_not_kept(gateway, mock, key):
    for text, steering in [
        ("capped", {"tokens": 50}),
        ("failed", {"status": 500}),
        ("refused", {"status": 400}),
        ("filtered", {"finish": "content_filter"}),
    ]:
        body = chat(text, max_tokens=10)
        for _ in range(2):
            with gateway.http(key) as client:
                answer = client.post("/v1/chat/completions", json=body, headers=steer(**steering))
            assert answer.headers.get("x-weirgate-cache") != "hit", (text, answer.text)


def test_a_stream_that_its_client_left_is_not_kept(gateway, mock, key):
    body = chat("left", stream=True)
    headers = steer(tokens=200, chunk_delay_ms=5)
    with gateway.http(key) as client, client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
        next(answer.iter_raw())
    gateway.line(key=key.name)
    assert status(ask(gateway, key, body)) == "miss"


def test_what_need_not_come_out_the_same_passes_the_cache_by(gateway, key):
    for change in ({"temperature": 0.7}, {"temperature": None}, {"n": 2}):
        body = chat("random") | change
        assert [status(ask(gateway, key, body)) for _ in range(2)] == ["bypass", "bypass"]


def test_clients_steer_by_cache_control(gateway, mock, key):
    body = chat("controlled")
    ask_by = lambda control: ask(gateway, key, body, {"cache-control": control})
    assert status(ask_by("no-store")) == "miss"
    refused = ask_by("only-if-cached")
    assert (refused.status_code, refused.json()["error"]["code"]) == (504, "not_cached")
    assert status(ask_by("")) == "miss"
    assert status(ask_by("no-store")) == "hit"
    assert status(ask_by("only-if-cached")) == "hit"
    assert status(ask_by("no-cache")) == "miss"
    wait_until(lambda: int(ask_by("").headers["age"]) >= 1, "it grows older")
    assert status(ask_by("max-age=0")) == "miss"


def test_a_hit_is_a_line_of_the_ledger_and_charged_at_its_rate(gateway, key):
    body = chat("charged")
    for _ in range(2):
        ask(gateway, key, body, tokens=30)
    # Envoy's workers tell of them in any order.
    first, second = sorted(gateway.lines(2, key=key.name), key=lambda line: line["time_ms"])
    assert (first["cost_micros"], first.get("cache", "")) == (30 * TOKEN, "")
    assert (second["cost_micros"], second["saved_micros"]) == (30, 270)
    assert (second["cache"], second["output"], second["attempts"], second["status"]) == ("exact", 0, 0, 200)
    with Api(gateway) as api:
        (row,) = api.get("/spend", key=key.name)["rows"]
    assert (row["cost_micros"], row["requests"]) == (330, 2)


def test_a_hit_is_written_down_once_and_under_the_id_that_other_logs_know(gateway, key):
    for _ in range(3):
        assert ask(gateway, key, chat("once")).is_success
    # What Envoy logs of the hits, if it does, has come before this.
    ask(gateway, key, chat("the last"))
    lines = gateway.lines(4, key=key.name)
    assert len(lines) == len({line["id"] for line in lines}) == 4
    hits = [line for line in lines if line.get("cache")]
    assert len(hits) == 2 and all(uuid.UUID(line["request_id"]) and line["complete"] for line in hits)
    assert all(0 < line["first_byte_ms"] <= line["latency_ms"] < 10_000 for line in hits)


def test_limits_of_requests_count_hits_and_budgets_what_is_charged(gateway):
    body = chat("counted")
    answers = [ask(gateway, Key("limited"), body) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    # The budget is enough for one answer of ten tokens and five times a tenth of it.
    body = chat("paid", max_tokens=10)
    statuses = [ask(gateway, Key("poor"), body, tokens=9).status_code for _ in range(9)]
    assert statuses[:6] == [200] * 6 and statuses[-1] == 429


def test_500_concurrent_misses_make_one_call(gateway, mock, key):
    body = chat("all at once")
    limits = httpx2.Limits(max_connections=500)
    headers = {"authorization": f"Bearer {key.secret}", **steer(tokens=20, latency_ms=4000)}
    with httpx2.Client(timeout=60, limits=limits) as client, ThreadPoolExecutor(500) as threads:
        url = f"{gateway.url}/v1/chat/completions"
        answers = list(threads.map(lambda _: client.post(url, json=body, headers=headers), range(500)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(mock.requests()) == 1
    assert len({answer.json()["choices"][0]["message"]["content"] for answer in answers}) == 1
    assert [status(answer) for answer in answers].count("hit") == 499


def test_who_waits_gets_an_answer_when_the_first_fails(gateway, mock, key):
    body = chat("the first fails")
    mock.script(mock.openai(times=1, status=400, latency_ms=500))
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: ask(gateway, key, body), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [400]


def test_who_waits_gets_an_answer_when_the_first_leaves(gateway, mock, key):
    body = chat("the first leaves")
    headers = {"authorization": f"Bearer {key.secret}", **steer(tokens=5, latency_ms=60_000)}
    with ThreadPoolExecutor(2) as threads:
        with pytest.raises(httpx2.TimeoutException):
            first = threads.submit(
                httpx2.post, f"{gateway.url}/v1/chat/completions", json=body, headers=headers, timeout=1
            )
            mock.wait_begun(1)
            second = threads.submit(ask, gateway, key, body)
            first.result()
        assert second.result().status_code == 200


def test_answers_survive_the_death_of_the_service_and_half_of_one_is_never_kept():
    def change(config):
        config["cache"] = {"timeout": "100ms"}

    kept, partial = chat("kept"), chat("partial", stream=True)
    with Parts(change) as parts, ThreadPoolExecutor(2) as threads:
        parts.wait_ready()
        key = parts.new_key()
        assert status(ask(parts, key, kept)) == "miss"
        file = parts.folder / "weirgate-store" / "cache.jsonl"
        wait_until(file.read_text, "the answer is written")
        slow = steer(tokens=400, chunk_delay_ms=10)
        asking = [threads.submit(ask, parts, key, partial, slow, 400) for _ in range(2)]
        parts.mock.wait_begun(2)
        parts.service.kill()
        # Whether they get the rest or an error, nobody waits for ever.
        for asked in asking:
            try:
                asked.result()
            except httpx2.TransportError:
                pass
        parts.start_service()
        parts.wait_ready()
        assert status(ask(parts, key, kept)) == "hit"
        assert status(ask(parts, key, partial)) == "miss"


def test_a_stream_takes_its_time_where_that_is_wished():
    def change(config):
        config["cache"] = {"tokens_per_second": 100, "timeout": "100ms"}

    with Gateway(change) as gateway:
        key, body = gateway.new_key(), chat("slowly", stream=True)
        first = ask(gateway, key, body, tokens=60)
        chunks = []
        with gateway.http(key) as client, client.stream("POST", "/v1/chat/completions", json=body) as answer:
            assert status(answer) == "hit"
            chunks = [chunk for chunk in answer.iter_raw()]
        # Parts come one by one, and are the same answer.
        assert len(chunks) > 20
        assert said(b"".join(chunks).decode()) == said(first.text)
        line = [line for line in gateway.lines(2, key=key.name) if line.get("cache")]
        assert line[0]["cache"] == "exact" and line[0]["latency_ms"] > 500


def said(stream):
    chunks = [json.loads(event[6:]) for event in stream.split("\n\n") if event.startswith("data: {")]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


def test_answers_are_forgotten_by_an_operator_and_by_feedback(gateway):
    key, body = gateway.new_key(), chat("forget me")
    with Api(gateway) as api:
        ask(gateway, key, body)
        entry = ask(gateway, key, body).headers["x-weirgate-cache-entry"]
        assert api.post("/cache/feedback", entry=entry, wrong=False) == {"purged": 0}
        assert status(ask(gateway, key, body)) == "hit"
        assert api.post("/cache/feedback", entry=entry, wrong=True) == {"purged": 1}
        assert status(ask(gateway, key, body)) == "miss"
        purge = lambda **which: api.answer("DELETE", "/cache", params=which).json()["purged"]
        assert purge(scope="key:nobody") == 0 and purge(scope=f"key:{key.name}") == 1
        assert status(ask(gateway, key, body)) == "miss"


def test_metrics_tell_what_the_cache_did(gateway):
    key, body = gateway.new_key(), chat("measured")
    for _ in range(2):
        ask(gateway, key, body)
    metrics = gateway.metrics()
    for name in ('requests_total{outcome="hit"}', 'requests_total{outcome="miss"}', "saved_micro_dollars_total", "entries", "bytes"):
        (line,) = [line for line in metrics.splitlines() if line.startswith(f"weirgate_cache_{name} ")]
        assert float(line.rsplit(" ", 1)[1]) > 0, line
