"""OpenAI's older completions, which pass to the providers that have them."""

import json

import openai
import pytest
from support.clients import steer

PROMPT = "water over stone and light on green field"


def test_the_model_is_renamed_and_usage_is_the_providers(gateway, key, openai_client, mock):
    answer = openai_client.completions.create(model="renamed", prompt=PROMPT, max_tokens=5)
    assert answer.object == "text_completion" and answer.choices[0].text
    assert json.loads(mock.only_request()["body"])["model"] == "gpt-4o-mini"
    line = gateway.line(key=key.name)
    assert (line["operation"], line["status"], line["stream"], line["upstream_model"]) == ("completions", 200, False, "gpt-4o-mini")
    assert (line["source"], line["input"], line["output"]) == ("provider", 8, answer.usage.completion_tokens)
    assert 0 < line["cost_micros"] <= line["reserved_micros"]


@pytest.mark.parametrize("asks", [False, True], ids=["usage not asked for", "usage asked for"])
def test_a_stream_is_metered_by_the_providers_usage(gateway, key, openai_client, asks):
    options = {"stream_options": {"include_usage": True}} if asks else {}
    chunks = list(openai_client.completions.create(model="renamed", prompt=PROMPT, max_tokens=5, stream=True, **options))
    text = "".join(choice.text for chunk in chunks for choice in chunk.choices)
    assert len(text.split()) == 5
    assert any(chunk.usage for chunk in chunks) == asks
    assert asks or all(chunk.choices for chunk in chunks)
    line = gateway.line(key=key.name)
    assert (line["operation"], line["stream"], line["complete"]) == ("completions", True, True)
    assert (line["source"], line["input"], line["output"]) == ("provider", 8, 5)


def test_what_the_provider_does_not_count_is_counted(gateway, key, openai_client):
    headers = steer(no_usage=True, tokens=7)
    openai_client.completions.create(model="renamed", prompt=[PROMPT], max_tokens=9, extra_headers=headers)
    line = gateway.line(key=key.name)
    assert (line["source"], line["input"], line["output"]) == ("counted", 8, 7)


def test_a_provider_of_another_api_is_not_asked(gateway, key, openai_client, mock):
    with pytest.raises(openai.BadRequestError, match="claude-sonnet-4-5") as refused:
        openai_client.completions.create(model="claude-sonnet-4-5", prompt=PROMPT)
    assert refused.value.code == "dialect_not_available" and mock.requests() == []
    assert gateway.line(key=key.name)["error"] == "dialect_not_available"


def test_only_a_provider_that_has_the_call_is_asked(openai_client, mock):
    openai_client.completions.create(model="claude-then-openai", prompt=PROMPT)
    assert mock.only_request()["path"] == "/v1/completions"
