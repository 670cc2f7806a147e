"""Who answers: by the model's name, by a header of the client, or by a rule of the operator."""

import json

import openai
import pytest
from support.clients import openai_sdk
from support.gateway import Gateway
from support.prompts import HELLO


def deployment(client, model="gpt-4o", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    raw = client.chat.completions.with_raw_response.create(model=model, messages=HELLO, extra_headers=headers)
    return raw.headers["x-weirgate-deployment"]


def test_the_first_deployment_of_a_model_answers(openai_client, mock):
    assert deployment(openai_client, "claude-then-openai") == "claude/claude-sonnet-4-5"
    assert deployment(openai_client, "openai-then-claude") == "openai/gpt-4o"
    assert len(mock.requests()) == 2


def test_a_client_may_choose_the_provider_of_a_model(openai_client, mock):
    assert deployment(openai_client, "claude-then-openai", x_weirgate_provider="openai") == "openai/gpt-4o"
    assert json.loads(mock.only_request()["body"])["model"] == "gpt-4o"


def test_a_client_may_choose_the_model_by_header(openai_client, mock, gateway, key):
    assert deployment(openai_client, "gpt-4o", x_weirgate_model="renamed") == "openai/gpt-4o-mini"
    assert json.loads(mock.only_request()["body"])["model"] == "gpt-4o-mini"
    assert gateway.line(key=key.name)["model"] == "renamed"


def test_a_provider_that_nobody_configured_is_told_with_near_names(openai_client, mock):
    with pytest.raises(openai.APIStatusError, match="openai") as raised:
        deployment(openai_client, "gpt-4o", x_weirgate_provider="opnai")
    assert raised.value.status_code in (400, 404)
    assert mock.requests() == []


def test_the_first_rule_that_matches_a_header_decides():
    def change(config):
        config["rules"] = [
            {"header": "X-Team", "exact": "red", "provider": "claude"},
            {"header": "x-team", "prefix": "r", "model": "renamed"},
        ]

    with Gateway(change) as gateway, openai_sdk(gateway, gateway.new_key()) as client:
        assert deployment(client, "openai-then-claude", x_team="red") == "claude/claude-sonnet-4-5"
        assert deployment(client, "gpt-4o", x_team="rust") == "openai/gpt-4o-mini"
        assert deployment(client, "gpt-4o", x_team="blue") == "openai/gpt-4o"


def test_a_provider_below_another_path_gets_that_path():
    def change(config):
        base_url = config["providers"]["openai"]["base_url"].removesuffix("/v1") + "/compatible/v2"
        config["providers"]["elsewhere"] = {"dialect": "openai", "base_url": base_url, "api_key": "sk-elsewhere"}
        deployments = [{"provider": "elsewhere", "model": "llama"}]
        config["models"].append({"name": "llama", "deployments": deployments})

    with Gateway(change) as gateway, openai_sdk(gateway, gateway.new_key()) as client:
        assert deployment(client, "llama") == "elsewhere/llama"
        request = gateway.mock.only_request()
        assert request["path"] == "/compatible/v2/chat/completions"
        assert request["headers"]["authorization"] == "Bearer sk-elsewhere"
