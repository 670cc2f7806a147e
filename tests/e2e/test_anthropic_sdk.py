"""Anthropic's SDK, against a provider of its own dialect and against one that is translated."""

import json

import anthropic
import pytest
from support.clients import anthropic_sdk, steer
from support.configuration import ANTHROPICS, HOSTED
from support.gateway import Key
from support.prompts import HELLO, PIXEL

MODEL = "claude-sonnet-4-5"
# A model whose provider speaks the client's dialect, and those that are translated, with the mock's name of its dialect.
MODELS = {
    MODEL: "anthropic",
    "gpt-4o": "openai",
    "gemini-2.5-flash": "gemini",
    "gpt-5-pro": "responses",
    "amazon.nova-lite-v1:0": "converse",
    "command-a": "cohere",
    **HOSTED,
}


@pytest.fixture(params=MODELS)
def model(request):
    return request.param


def said(model):
    """What the mock answers to HELLO."""
    return f"Hello from the mock {MODELS[model]} model {model}: you said 5 words."


def blocks(message, kind):
    return [block for block in message.content if block.type == kind]


TOOL = {
    "name": "get_weather",
    "description": "The weather in a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
ASKS_FOR_WEATHER = [{"role": "user", "content": "What is the weather?"}]


def test_a_message_is_answered(anthropic_client, model):
    answer = anthropic_client.messages.create(model=model, max_tokens=100, messages=HELLO, system="Be brief")
    (text,) = blocks(answer, "text")
    assert text.text == said(model)
    assert answer.stop_reason == "end_turn"
    assert answer.usage.output_tokens == len(said(model).split())


def test_the_body_reaches_the_provider_byte_for_byte(http, mock):
    body = '{ "max_tokens":9,\n "model":"claude-sonnet-4-5", "messages":[{"content":"h\\u0069","role":"user"}] }'
    headers = {"content-type": "application/json", "anthropic-version": "2023-06-01", "anthropic-beta": "some-beta"}
    assert http.post("/v1/messages", content=body, headers=headers).status_code == 200
    request = mock.only_request()
    assert request["body"] == body
    assert request["headers"]["anthropic-beta"] == "some-beta"


def test_a_streamed_message_gives_the_same_text_and_usage(anthropic_client, model):
    with anthropic_client.messages.stream(model=model, max_tokens=100, messages=HELLO) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == said(model) == blocks(final, "text")[0].text
    assert final.usage.output_tokens == len(said(model).split())
    assert final.stop_reason == "end_turn"


def test_the_cap_on_tokens_is_kept(anthropic_client, model):
    # OpenAI's API of responses takes no smaller limit than 16.
    cap = 16 if MODELS[model] == "responses" else 2
    answer = anthropic_client.messages.create(
        model=model, max_tokens=cap, messages=HELLO, extra_headers=steer(tokens=50)
    )
    assert answer.stop_reason == "max_tokens" and answer.usage.output_tokens == cap


def test_a_tool_is_called_and_its_result_goes_back(anthropic_client, model):
    ask = {"model": model, "max_tokens": 100, "tools": [TOOL]}
    first = anthropic_client.messages.create(messages=ASKS_FOR_WEATHER, **ask)
    (call,) = blocks(first, "tool_use")
    assert first.stop_reason == "tool_use" and call.name == "get_weather" and set(call.input) == {"city"}
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "21 degrees"}
    messages = [
        *ASKS_FOR_WEATHER,
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [result]},
    ]
    assert anthropic_client.messages.create(messages=messages, **ask).content


def test_streamed_tool_calls_are_put_together(anthropic_client, model):
    calls = steer(tool=['get_weather:{"city":"Rome"}', 'get_weather:{"city":"Oslo"}'])
    with anthropic_client.messages.stream(
        model=model, max_tokens=100, messages=ASKS_FOR_WEATHER, tools=[TOOL], extra_headers=calls
    ) as stream:
        final = stream.get_final_message()
    assert [block.input for block in blocks(final, "tool_use")] == [{"city": "Rome"}, {"city": "Oslo"}]


def test_an_image_reaches_the_provider(anthropic_client, mock, model):
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    content = [{"type": "image", "source": source}, {"type": "text", "text": "What is this?"}]
    anthropic_client.messages.create(model=model, max_tokens=9, messages=[{"role": "user", "content": content}])
    sent = json.loads(mock.only_request()["body"])
    first = next(sent[name] for name in ("messages", "contents", "input") if name in sent)[0]
    image, text = first.get("content") or first["parts"]
    assert text["text"] == "What is this?"
    match MODELS[model]:
        case dialect if dialect in ANTHROPICS:
            assert [image, text] == content
        case "gemini":
            assert image == {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
        case "responses":
            assert image == {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"}
        case "converse":
            assert image == {"image": {"format": "png", "source": {"bytes": PIXEL}}}
        case _:
            assert image["image_url"]["url"] == f"data:image/png;base64,{PIXEL}"


@pytest.mark.parametrize("model", [MODEL, "gpt-5-pro", "gemini-2.5-flash", "amazon.nova-lite-v1:0", *HOSTED])
def test_a_document_may_come_without_a_word(anthropic_client, mock, model):
    """Bedrock wants a text beside every document, which Anthropic does not."""
    source = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQK"}
    content = [{"type": "document", "title": "My_report.pdf", "source": source}]
    assert anthropic_client.messages.create(
        model=model, max_tokens=100, messages=[{"role": "user", "content": content}]
    ).content
    assert "JVBERi0xLjQK" in mock.only_request()["body"]


def test_a_tool_may_fail_without_a_word(anthropic_client, model):
    """Bedrock wants failures to say something, which Anthropic does not."""
    call = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Rome"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True}
    messages = [
        *ASKS_FOR_WEATHER,
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    assert anthropic_client.messages.create(model=model, max_tokens=100, messages=messages, tools=[TOOL]).content


def test_thinking_comes_through(anthropic_client):
    with anthropic_client.messages.stream(
        model=MODEL,
        max_tokens=2000,
        messages=HELLO,
        thinking={"type": "enabled", "budget_tokens": 1024},
        extra_headers=steer(reasoning=4),
    ) as stream:
        thought, text = stream.get_final_message().content
    assert (thought.thinking, text.text) == ("think think think think", said(MODEL))


def test_the_system_prompt_and_the_settings_reach_a_translated_provider(anthropic_client, mock):
    anthropic_client.messages.create(
        model="gpt-4o",
        max_tokens=7,
        messages=HELLO,
        system="Be brief",
        stop_sequences=["END"],
        extra_body={"temperature": 0.5, "top_p": 0.9},
    )
    sent = json.loads(mock.only_request()["body"])
    assert sent["messages"][0] == {"role": "system", "content": "Be brief"}
    assert (sent["temperature"], sent["top_p"], sent["max_tokens"], sent["stop"]) == (0.5, 0.9, 7, ["END"])


@pytest.mark.parametrize("model", ["gpt-5-pro", "amazon.nova-lite-v1:0", "command-a"])
def test_the_system_prompt_and_the_cap_reach_the_newer_providers(anthropic_client, mock, model):
    anthropic_client.messages.create(model=model, max_tokens=20, messages=HELLO, system="Be brief")
    sent = json.loads(mock.only_request()["body"])
    if model == "gpt-5-pro":
        assert sent["max_output_tokens"] == 20
        assert sent["input"][0] == {"type": "message", "role": "system", "content": "Be brief"}
    elif model == "command-a":
        assert sent["max_tokens"] == 20
        assert sent["messages"][0] == {"role": "system", "content": [{"type": "text", "text": "Be brief"}]}
    else:
        assert sent["inferenceConfig"] == {"maxTokens": 20} and sent["system"] == [{"text": "Be brief"}]


def test_what_a_reasoning_model_of_openais_thought_goes_back(anthropic_client, mock):
    """Its provider keeps nothing, so that the thought has to come along, and it refuses one that is not its own."""
    ask = {"model": "gpt-5-pro", "max_tokens": 2000, "tools": [TOOL]}
    thinking = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    calls = steer(reasoning=3, tool='get_weather:{"city":"Rome"}')
    first = anthropic_client.messages.create(messages=ASKS_FOR_WEATHER, extra_headers=calls, **ask, **thinking)
    (thought,), (call,) = blocks(first, "thinking"), blocks(first, "tool_use")
    assert thought.thinking == "think think think"
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "21 degrees"}
    messages = [
        *ASKS_FOR_WEATHER,
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [result]},
    ]
    assert anthropic_client.messages.create(messages=messages, **ask, **thinking).content
    sent = json.loads(mock.requests()[-1]["body"])
    kinds = [item["type"] for item in sent["input"]]
    assert kinds == ["message", "reasoning", "function_call", "function_call_output"]


def test_what_a_provider_has_no_place_for_is_refused_by_its_name(anthropic_client):
    with pytest.raises(anthropic.UnprocessableEntityError, match="top_k") as raised:
        anthropic_client.messages.create(model="gpt-4o", max_tokens=7, messages=HELLO, extra_body={"top_k": 3})
    assert raised.value.body["error"]["type"] == "invalid_request_error"


def test_what_a_translated_provider_thinks_comes_through(anthropic_client):
    with anthropic_client.messages.stream(
        model="gpt-4o", max_tokens=2000, messages=HELLO, extra_headers=steer(reasoning=4)
    ) as stream:
        final = stream.get_final_message()
    assert final.content[-1].text == said("gpt-4o")
    assert final.usage.output_tokens >= len(said("gpt-4o").split())


def test_tokens_are_counted_by_the_provider(anthropic_client, mock):
    counted = anthropic_client.messages.count_tokens(model=MODEL, messages=HELLO)
    assert counted.input_tokens == 8
    assert mock.only_request()["path"] == "/v1/messages/count_tokens"


def test_the_list_of_models_has_anthropics_shape(anthropic_client, gateway):
    listed = anthropic_client.models.list()
    assert [model.id for model in listed.data] == [model["name"] for model in gateway.config["models"]]
    assert listed.data[0].type == "model" and listed.has_more is False


def test_the_key_may_come_as_a_bearer_token(gateway, key):
    with anthropic.Anthropic(base_url=gateway.url, auth_token=key.secret, api_key=None, max_retries=0) as client:
        assert client.messages.create(model=MODEL, max_tokens=9, messages=HELLO).content


ERRORS = {
    400: anthropic.BadRequestError,
    401: anthropic.AuthenticationError,
    403: anthropic.PermissionDeniedError,
    404: anthropic.NotFoundError,
    429: anthropic.RateLimitError,
    500: anthropic.InternalServerError,
    529: anthropic.APIStatusError,
}


@pytest.mark.parametrize("status", ERRORS)
def test_a_providers_error_arrives_as_the_sdks_exception(anthropic_client, model, status):
    with pytest.raises(ERRORS[status]) as raised:
        anthropic_client.messages.create(
            model=model, max_tokens=9, messages=HELLO, extra_headers=steer(status=status)
        )
    assert raised.value.status_code == status
    assert raised.value.body["type"] == "error" and "mock" in raised.value.body["error"]["message"]


def test_an_unknown_key_is_an_authentication_error(gateway):
    with anthropic_sdk(gateway, Key("nobody")) as client, pytest.raises(anthropic.AuthenticationError) as raised:
        client.messages.create(model=MODEL, max_tokens=9, messages=HELLO)
    assert raised.value.body["error"]["type"] == "authentication_error"


def test_an_unknown_model_is_a_not_found_error(anthropic_client):
    with pytest.raises(anthropic.NotFoundError, match="did you mean \\\\?\"claude-sonnet-4-5") as raised:
        anthropic_client.messages.create(model="claude-sonet-4-5", max_tokens=9, messages=HELLO)
    assert raised.value.body["error"]["type"] == "not_found_error"


def test_an_error_in_the_middle_of_a_stream_is_raised(anthropic_client, model):
    with pytest.raises(anthropic.APIStatusError, match="[Oo]verloaded|had an error"):
        with anthropic_client.messages.stream(
            model=model, max_tokens=9, messages=HELLO, extra_headers=steer(error_after=5)
        ) as stream:
            stream.get_final_message()
