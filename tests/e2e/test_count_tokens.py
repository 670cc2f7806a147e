"""How many tokens a prompt has: answered by the provider where it has that call, else by the gateway."""

import math

import anthropic
import pytest
from support.clients import anthropic_sdk
from support.gateway import Key

HELLO = [{"role": "user", "content": "Hello over water and stone"}]
PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
LONG = {
    "system": "You are a helpful assistant.",
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}},
            ],
        }
    ],
    "tools": [
        {
            "name": "weather",
            "description": "Tells the weather.",
            "input_schema": {"type": "object", "properties": {"city": {"type": "string", "description": "where"}}},
        }
    ],
}


@pytest.mark.parametrize("body", [{"messages": HELLO}, LONG], ids=["text", "picture and tools"])
def test_the_count_is_that_of_a_chat(gateway, key, anthropic_client, mock, body):
    counted = anthropic_client.messages.count_tokens(model="gpt-4o", **body).input_tokens
    assert mock.requests() == [] and counted > 5
    line = gateway.line(key=key.name, operation="count_tokens")
    assert (line["status"], line["attempts"], line["cost_micros"], line["reserved_micros"]) == (200, 0, 0, 0)
    assert (line["model"], line["input"], line["source"], line["error"]) == ("gpt-4o", 0, "nothing", "")
    # By the same count a chat reserves: $2.50 a million tokens of input and $10 of output.
    anthropic_client.messages.create(model="gpt-4o", max_tokens=100, **body)
    line = gateway.line(key=key.name, operation="messages")
    assert line["reserved_micros"] == math.ceil(2.5 * counted + 10 * 100)


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "command-a", "gpt-5-pro"])
def test_models_of_every_other_api_are_counted(anthropic_client, mock, model):
    assert anthropic_client.messages.count_tokens(model=model, messages=HELLO).input_tokens > 5
    assert mock.requests() == []


def test_nothing_is_taken_from_a_limit(gateway, key, http):
    answer = http.post("/v1/messages/count_tokens", json={"model": "gpt-4o", "messages": HELLO})
    assert answer.headers["content-type"] == "application/json" and list(answer.json()) == ["input_tokens"]
    assert "x-weirgate-reserved-usd" not in answer.headers
    assert gateway.line(key=key.name)["reserved_micros"] == 0
    (counted,) = [line for line in gateway.metrics().splitlines() if "requests_total" in line and f'"{key.name}"' in line]
    assert 'status="200"' in counted and counted.endswith(" 1")


def test_gemini_clients_get_their_own_answer(gateway, key, gemini_client, http, mock):
    answer = gemini_client.models.count_tokens(model="gpt-4o", contents="Hello over water and stone")
    assert answer.total_tokens > 5
    contents = [{"role": "user", "parts": [{"text": "Hello over water and stone"}]}]
    path = "/v1beta/models/gpt-4o:countTokens"
    bare = http.post(path, json={"contents": contents}).json()
    assert bare["totalTokens"] == answer.total_tokens
    assert bare["promptTokensDetails"] == [{"modality": "TEXT", "tokenCount": answer.total_tokens}]
    more = {"model": "models/gpt-4o", "contents": contents, "systemInstruction": {"parts": [{"text": "Be brief."}]}}
    assert http.post(path, json={"generateContentRequest": more}).json()["totalTokens"] > answer.total_tokens
    assert mock.requests() == []
    assert all(line["operation"] == "count_tokens" for line in gateway.lines(3, key=key.name))


def test_clients_of_responses_get_their_own_answer(openai_client, mock):
    answer = openai_client.responses.input_tokens.count(model="claude-sonnet-4-5", input="Hello over water and stone")
    assert answer.object == "response.input_tokens" and answer.input_tokens > 5
    assert mock.requests() == []


@pytest.mark.parametrize(
    "model, path",
    [
        ("gemini-2.5-flash", "/v1beta/models/gemini-2.5-flash:countTokens"),
        ("gemini-3-pro", "/v1beta/models/gemini-3-pro-preview:countTokens"),
    ],
)
def test_a_provider_that_has_the_call_is_asked(gateway, key, gemini_client, mock, model, path):
    assert gemini_client.models.count_tokens(model=model, contents="Hello").total_tokens > 0
    assert mock.only_request()["path"] == path
    line = gateway.line(key=key.name)
    assert (line["operation"], line["provider"], line["attempts"], line["cost_micros"]) == ("count_tokens", "gemini", 1, 0)


def test_of_several_providers_the_one_that_has_the_call_is_asked(anthropic_client, mock):
    assert anthropic_client.messages.count_tokens(model="openai-then-claude", messages=HELLO).input_tokens > 0
    assert mock.only_request()["path"] == "/v1/messages/count_tokens"


def test_a_key_counts_only_for_models_that_it_may_use(gateway, mock):
    with anthropic_sdk(gateway, Key("only-claude")) as client:
        with pytest.raises(anthropic.PermissionDeniedError):
            client.messages.count_tokens(model="gpt-4o", messages=HELLO)
        assert client.messages.count_tokens(model="claude-sonnet-4-5", messages=HELLO).input_tokens > 0
    with anthropic_sdk(gateway, Key("nobody")) as client, pytest.raises(anthropic.AuthenticationError):
        client.messages.count_tokens(model="gpt-4o", messages=HELLO)


def test_the_guard_looks_at_it_too(gateway, key, anthropic_client):
    with pytest.raises(anthropic.BadRequestError, match="no-project-x"):
        anthropic_client.messages.count_tokens(model="gpt-4o", messages=[{"role": "user", "content": "Project X"}])
    assert gateway.line(key=key.name)["error"] == "guard_refused"


def test_a_model_that_nobody_has_is_named(anthropic_client):
    with pytest.raises(anthropic.NotFoundError, match="gpt-4o"):
        anthropic_client.messages.count_tokens(model="gpt-4oo", messages=HELLO)


def test_what_is_no_prompt_is_not_counted(http):
    answer = http.post("/v1/messages/count_tokens", json={"model": "gpt-4o", "prompt": "x"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
