"""What a client is told when something is wrong, in the words of its own API."""

import gzip
import json

import openai
import pytest
from support.clients import anthropic_sdk, openai_sdk, steer
from support.gateway import Gateway
from support.prompts import HELLO

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
JSON = {"content-type": "application/json"}
# A path of each dialect, and a model that answers there.
DIALECTS = {"openai": (CHAT, "gpt-4o"), "translated": (CHAT, "claude-sonnet-4-5"), "anthropic": (MESSAGES, "claude-sonnet-4-5")}


@pytest.fixture(params=DIALECTS)
def dialect(request):
    return request.param


def ask(client, dialect, headers=None, **fields):
    path, model = DIALECTS[dialect]
    return client.post(path, json={"model": model, "max_tokens": 20, "messages": HELLO, **fields}, headers=headers)


def error_of(answer, dialect):
    """The error in the dialect's envelope."""
    assert answer.headers["content-type"].startswith("application/json"), answer.headers
    body = answer.json()
    if dialect == "anthropic":
        assert body["type"] == "error" and set(body["error"]) >= {"type", "message"}, body
    else:
        assert set(body["error"]) == {"message", "type", "param", "code"}, body
    return body["error"]


def works(client, dialect):
    answer = ask(client, dialect)
    assert answer.status_code == 200, answer.text


def test_an_unknown_model_is_answered_with_near_names(openai_client):
    with pytest.raises(openai.NotFoundError, match="did you mean") as raised:
        openai_client.chat.completions.create(model="gpt4o", messages=HELLO)
    assert (raised.value.code, raised.value.param) == ("model_not_found", "model")
    assert "gpt-4o" in raised.value.message


def test_a_model_unlike_any_other_is_answered_with_the_list(openai_client):
    with pytest.raises(openai.NotFoundError, match="gpt-4o.*claude-sonnet-4-5"):
        openai_client.chat.completions.create(model="something-else-entirely", messages=HELLO)


def test_broken_json_is_answered_with_the_place(http, dialect, mock):
    answer = http.post(DIALECTS[dialect][0], content='{"model": "gpt-4o",\n "messages": [}', headers=JSON)
    assert answer.status_code == 400
    assert "line 2 column 15" in error_of(answer, dialect)["message"]
    assert mock.requests() == []


@pytest.mark.parametrize("body", ["", "[]", "null", '"text"', '{"messages": []}', '{"model": 1, "messages": []}'])
def test_a_body_that_is_no_request_is_refused(http, dialect, body):
    answer = http.post(DIALECTS[dialect][0], content=body, headers=JSON)
    assert answer.status_code == 400
    assert error_of(answer, dialect)["message"]


@pytest.mark.parametrize("field", ['"model": "gpt-4o"', '"stream": false', '"max_tokens": 5'])
def test_a_field_that_stands_twice_is_refused(http, dialect, field, mock):
    body = '{"model": "gpt-4o", "messages": [], "stream": true, "max_tokens": 9, %s}' % field
    answer = http.post(DIALECTS[dialect][0], content=body, headers=JSON)
    assert answer.status_code == 400
    assert "duplicate" in error_of(answer, dialect)["message"]
    assert mock.requests() == []


def test_messages_that_stand_twice_are_refused(http, dialect, mock):
    body = '{"model": "gpt-4o", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], "messages": []}'
    answer = http.post(DIALECTS[dialect][0], content=body, headers=JSON)
    assert answer.status_code == 400 and error_of(answer, dialect)
    assert mock.requests() == []


def test_a_compressed_request_is_refused_with_advice(http, dialect):
    path, model = DIALECTS[dialect]
    body = gzip.compress(json.dumps({"model": model, "max_tokens": 9, "messages": HELLO}).encode())
    answer = http.post(path, content=body, headers={**JSON, "content-encoding": "gzip"})
    assert answer.status_code in (400, 415)
    assert "content-encoding" in error_of(answer, dialect)["message"]


@pytest.mark.parametrize("content", [" ", "\n", "a", "\u00e9", "\U0001f600", "\\"])
def test_a_megabyte_of_one_character_is_counted_in_time(http, dialect, content):
    answer = ask(http, dialect, messages=[{"role": "user", "content": "x" + content * (1 << 20)}])
    assert answer.status_code == 200, answer.text
    works(http, dialect)


def test_deeply_nested_json_breaks_nothing(http, dialect):
    path, model = DIALECTS[dialect]
    nested = "[" * 100_000 + "]" * 100_000
    body = '{"model": "%s", "max_tokens": 9, "messages": [{"role": "user", "content": %s}]}' % (model, nested)
    answer = http.post(path, content=body, headers=JSON)
    assert answer.status_code == 400 and error_of(answer, dialect)
    works(http, dialect)


def test_a_denied_prompt_is_refused_with_the_rules_name(http, dialect, mock):
    answer = ask(http, dialect, messages=[{"role": "user", "content": "Tell me of PROJECT X"}])
    assert answer.status_code == 400
    assert "no-project-x" in error_of(answer, dialect)["message"]
    assert mock.requests() == []


def test_a_denied_prompt_is_refused_wherever_it_hides(http, mock):
    for message in [
        {"role": "system", "content": "project x"},
        {"role": "user", "content": [{"type": "text", "text": "project x"}]},
        {"role": "tool", "tool_call_id": "1", "content": "project x"},
    ]:
        answer = http.post(CHAT, json={"model": "gpt-4o", "messages": [message, *HELLO]})
        assert answer.status_code == 400, message
    body = r'{"model": "gpt-4o", "messages": [{"role": "user", "content": "pro\u006aect x"}]}'
    assert http.post(CHAT, content=body, headers=JSON).status_code == 400
    assert mock.requests() == []


def test_a_providers_web_page_becomes_an_error_of_the_dialect(http, dialect):
    answer = ask(http, dialect, steer(status=500, html_error=True))
    assert answer.status_code == 500
    assert "<html" not in error_of(answer, dialect)["message"]


def test_a_providers_own_error_keeps_status_words_and_retry_after(http, dialect):
    answer = ask(http, dialect, steer(status=429, retry_after=7))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert "mock: Too Many Requests" in error_of(answer, dialect)["message"]


@pytest.mark.parametrize("status, kind", [(400, openai.BadRequestError), (401, openai.AuthenticationError),
                                          (404, openai.NotFoundError), (429, openai.RateLimitError),
                                          (500, openai.InternalServerError), (503, openai.InternalServerError)])
@pytest.mark.parametrize("model", ["gpt-4o", "claude-sonnet-4-5"])
def test_a_providers_error_arrives_as_the_sdks_exception(openai_client, model, status, kind):
    with pytest.raises(kind, match="mock") as raised:
        openai_client.chat.completions.create(model=model, messages=HELLO, extra_headers=steer(status=status))
    assert raised.value.status_code == status and raised.value.type


@pytest.mark.parametrize("path, model, dialect", [(CHAT, "down", "openai"), (CHAT, "down-claude", "translated"),
                                                  (MESSAGES, "down-claude", "anthropic")])
def test_a_provider_that_is_down_is_told_with_a_time_to_try_again(http, path, model, dialect):
    answer = http.post(path, json={"model": model, "max_tokens": 9, "messages": HELLO})
    assert answer.status_code in (502, 503)
    assert int(answer.headers["retry-after"]) >= 1
    assert "127.0.0.1" not in error_of(answer, dialect)["message"]


def test_a_provider_that_cuts_the_connection_is_told_as_unavailable(http, dialect):
    answer = ask(http, dialect, steer(cut=True))
    assert answer.status_code in (502, 503)
    assert error_of(answer, dialect) and "retry-after" in answer.headers


def test_a_web_page_of_a_refusal_keeps_its_status(http):
    answer = ask(http, "openai", steer(status=404, html_error=True))
    assert answer.status_code == 404 and error_of(answer, "openai")


def test_a_field_that_cannot_be_carried_is_named(openai_client, mock):
    with pytest.raises(openai.UnprocessableEntityError, match="seed") as raised:
        openai_client.chat.completions.create(model="claude-sonnet-4-5", messages=HELLO, seed=1)
    assert raised.value.param == "seed"
    assert mock.requests() == []


def test_a_field_that_cannot_be_carried_is_no_reason_to_try_the_next_deployment(openai_client, gateway, key, mock):
    with pytest.raises(openai.UnprocessableEntityError, match="seed"):
        openai_client.chat.completions.create(model="claude-then-openai", messages=HELLO, seed=1)
    assert mock.requests() == []
    assert gateway.line(key=key.name)["status"] == 422


@pytest.fixture(scope="module")
def other_gateway():
    def change(config):
        config.update(max_body="64KiB", unsupported_fields="drop")

    with Gateway(change) as gateway:
        yield gateway


@pytest.fixture
def other_http(other_gateway):
    other_gateway.mock.reset()
    with other_gateway.http(other_gateway.new_key()) as client:
        yield client


def test_a_field_may_be_dropped_with_a_warning(other_gateway):
    with openai_sdk(other_gateway, other_gateway.new_key()) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="claude-sonnet-4-5", messages=HELLO, seed=1, logit_bias={"1": 1}, max_tokens=9
        )
        assert set(raw.headers["x-weirgate-dropped-fields"].split(",")) == {"seed", "logit_bias"}
        raw = client.chat.completions.with_raw_response.create(model="gpt-4o", messages=HELLO, seed=1)
        assert "x-weirgate-dropped-fields" not in raw.headers


def test_a_body_over_the_limit_is_refused_in_the_envelope(other_http, other_gateway, dialect):
    answer = ask(other_http, dialect, messages=[{"role": "user", "content": "x" * (80 << 10)}])
    assert answer.status_code == 413
    assert "limit" in error_of(answer, dialect)["message"]
    assert other_gateway.mock.requests() == []
    works(other_http, dialect)


def test_a_body_over_the_limit_without_a_length_is_refused_too(other_http, dialect):
    path, model = DIALECTS[dialect]
    body = json.dumps({"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "x" * (80 << 10)}]})
    pieces = (body[start : start + 1024].encode() for start in range(0, len(body), 1024))
    answer = other_http.post(path, content=pieces, headers=JSON)
    assert answer.status_code == 413 and error_of(answer, dialect)
    works(other_http, dialect)


def test_a_body_just_under_the_limit_passes(other_http, dialect):
    assert ask(other_http, dialect, messages=[{"role": "user", "content": "x" * (63 << 10)}]).status_code == 200


def test_both_sdks_work_after_all_this(gateway, key):
    with openai_sdk(gateway, key) as client:
        assert client.chat.completions.create(model="gpt-4o", messages=HELLO).choices
    with anthropic_sdk(gateway, key) as client:
        assert client.messages.create(model="claude-sonnet-4-5", max_tokens=9, messages=HELLO).content
