"""Whose key opens what, and what each side gets to see of the other's."""

import hashlib
import json

import anthropic
import openai
import pytest
from support.clients import openai_sdk
from support.gateway import Key
from support.mock import ANTHROPIC_KEY, OPENAI_KEY
from support.prompts import HELLO

CHAT = {"model": "gpt-4o", "messages": HELLO}


def post(client, headers=None, model="gpt-4o", path="/v1/chat/completions"):
    return client.post(path, json={"model": model, "messages": HELLO, "max_tokens": 9}, headers=headers or {})


def test_no_key_is_refused_with_a_hint(gateway, mock):
    with gateway.http() as client:
        answer = post(client)
    error = answer.json()["error"]
    assert answer.status_code == 401
    assert error["code"] == "missing_api_key" and "Authorization: Bearer" in error["message"]
    assert mock.requests() == []


def test_an_unknown_key_is_an_authentication_error_of_the_sdk(gateway, mock):
    with openai_sdk(gateway, Key("nobody")) as client, pytest.raises(openai.AuthenticationError) as raised:
        client.chat.completions.create(**CHAT)
    assert raised.value.code == "invalid_api_key"
    assert mock.requests() == []


def test_the_list_of_models_and_unknown_paths_need_a_key_too(gateway, mock):
    with gateway.http() as client:
        assert client.get("/v1/models").status_code == 401
        assert client.post("/v1/embeddings", json={"model": "e", "input": "x"}).status_code == 401
        assert client.get("/anything").status_code == 401
    assert mock.requests() == []


HEADERS = {
    "authorization": "Bearer {}",
    "x-api-key": "{}",
    "api-key": "{}",
    "x-goog-api-key": "{}",
}


@pytest.mark.parametrize("header", HEADERS)
def test_a_key_is_taken_from_the_header_of_any_sdk(gateway, key, header):
    with gateway.http() as client:
        assert post(client, {header: HEADERS[header].format(key.secret)}).status_code == 200
        assert post(client, {header: HEADERS[header].format("not-" + key.secret)}).status_code == 401


def every_header(key):
    """A key in all places at once, as a client behind several wrappers may send it."""
    return {name: form.format(key.secret) for name, form in HEADERS.items()}


ROUTES = {
    "gpt-4o": ("/v1/chat/completions", ["openai"]),
    "renamed": ("/v1/chat/completions", ["openai"]),
    "claude-sonnet-4-5": ("/v1/chat/completions", ["claude"]),
    "openai-then-claude": ("/v1/chat/completions", ["openai", "claude"]),
    "claude-then-openai": ("/v1/chat/completions", ["claude", "openai"]),
    "text-embedding-3-small": ("/v1/embeddings", ["openai"]),
}


@pytest.mark.parametrize("model", ROUTES)
def test_each_provider_gets_its_own_key_and_nobody_elses(gateway, key, mock, model):
    path, providers = ROUTES[model]
    if len(providers) == 2:
        mock.script({"then": {"status": 503}, "times": 1})
    with gateway.http() as client:
        answer = client.post(
            path, json={"model": model, "messages": HELLO, "input": "x"} if "emb" not in model
            else {"model": model, "input": "x"}, headers=every_header(key) | {"x-weirgate-secret": key.secret}
        )
    assert answer.status_code == 200, answer.text
    requests = mock.requests()
    assert [request["port"] for request in requests] == [
        {"openai": mock.openai_port, "claude": mock.anthropic_port}[provider] for provider in providers
    ]
    digest = hashlib.sha256(key.secret.encode()).hexdigest()
    for request, provider in zip(requests, providers):
        headers, everything = request["headers"], json.dumps(request)
        assert key.secret not in everything and digest not in everything
        assert not [name for name in headers if name.startswith("x-weirgate")]
        if provider == "openai":
            assert headers["authorization"] == f"Bearer {OPENAI_KEY}"
            assert ANTHROPIC_KEY not in everything and not [name for name in headers if name.startswith("anthropic-")]
            assert "x-api-key" not in headers
        else:
            assert headers["x-api-key"] == ANTHROPIC_KEY
            assert OPENAI_KEY not in everything and "authorization" not in headers
        assert "api-key" not in headers and "x-goog-api-key" not in headers


def test_an_answer_holds_no_secret(gateway, key, http):
    answer = post(http)
    everything = answer.text + str(answer.headers)
    for secret in (key.secret, OPENAI_KEY, ANTHROPIC_KEY):
        assert secret not in everything
    assert {name for name in answer.headers if name.startswith("x-weirgate")} == {
        "x-weirgate-attempts",
        "x-weirgate-deployment",
        "x-weirgate-reserved-usd",
    }


def test_a_forged_digest_opens_nothing(gateway, key, mock):
    digest = hashlib.sha256(key.secret.encode()).hexdigest()
    with gateway.http() as client:
        assert post(client, {"x-weirgate-key-digest": digest}).status_code == 401
    assert mock.requests() == []


def test_forged_counts_change_nothing(gateway, key, http):
    forged = {"x-weirgate-input-tokens": "0", "x-weirgate-max-tokens": "0", "x-weirgate-operation": "models"}
    assert post(http, forged).json()["object"] == "chat.completion"
    assert post(http).status_code == 200
    first, second = gateway.lines(2, key=key.name)
    assert first["reserved_micros"] == second["reserved_micros"] > 0


def test_the_probes_path_is_closed_to_clients(http):
    answer = http.get("/.weirgate/probe", headers={"x-weirgate-probe": "guess"})
    assert answer.status_code == 404


def test_a_key_bound_to_models_may_use_no_other(gateway, mock):
    with openai_sdk(gateway, Key("only-claude")) as client:
        assert client.chat.completions.create(**CHAT | {"model": "claude-sonnet-4-5"}).choices
        with pytest.raises(openai.PermissionDeniedError, match="gpt-4o") as raised:
            client.chat.completions.create(**CHAT)
    assert raised.value.code == "model_not_allowed" and raised.value.param == "model"
    assert len(mock.requests()) == 1


def test_a_key_bound_to_models_cannot_go_round_by_naming_a_provider(gateway, mock):
    with openai_sdk(gateway, Key("only-claude")) as client, pytest.raises(openai.PermissionDeniedError):
        client.chat.completions.create(extra_headers={"x-weirgate-provider": "openai"}, **CHAT)
    with openai_sdk(gateway, Key("only-claude")) as client, pytest.raises(openai.PermissionDeniedError):
        client.embeddings.create(model="text-embedding-3-small", input="x")
    assert mock.requests() == []


def test_anthropics_sdk_gets_its_own_authentication_error(gateway):
    with anthropic.Anthropic(base_url=gateway.url, api_key="nobody", max_retries=0) as client:
        with pytest.raises(anthropic.AuthenticationError):
            client.messages.create(model="claude-sonnet-4-5", max_tokens=9, messages=HELLO)
