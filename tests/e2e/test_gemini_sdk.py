"""Google's SDK, against a provider of its own dialect and against those that are translated."""

import base64
import json

import pytest
from google.genai import errors, types
from pydantic import BaseModel
from support.clients import gemini_sdk, steer
from support.configuration import ANTHROPICS, HOSTED
from support.gateway import Key
from support.prompts import PIXEL

HELLO = "Say hello in three words"
# A model whose provider speaks the client's dialect, one whose name must be replaced, and those that are translated.
MODELS = {
    "gemini-2.5-flash": "gemini-2.5-flash",
    "gemini-3-pro": "gemini-3-pro-preview",
    "gpt-4o": "gpt-4o",
    "claude-sonnet-4-5": "claude-sonnet-4-5",
    "gpt-5-pro": "gpt-5-pro",
    "amazon.nova-lite-v1:0": "amazon.nova-lite-v1:0",
    "command-a": "command-a",
    **{name: name for name in HOSTED},
}
# The mock's names of the dialects of their providers.
DIALECTS = {
    "gemini-2.5-flash": "gemini",
    "gemini-3-pro": "gemini",
    "gpt-4o": "openai",
    "claude-sonnet-4-5": "anthropic",
    "gpt-5-pro": "responses",
    "amazon.nova-lite-v1:0": "converse",
    "command-a": "cohere",
    **HOSTED,
}
WEATHER = types.FunctionDeclaration(
    name="get_weather",
    description="The weather in a city",
    parameters=types.Schema(
        type="OBJECT",
        properties={"city": types.Schema(type="STRING"), "unit": types.Schema(type="STRING", enum=["C", "F"])},
        required=["city", "unit"],
    ),
)
TOOLS = [types.Tool(function_declarations=[WEATHER])]


@pytest.fixture(params=MODELS)
def model(request):
    return request.param


def said(model):
    """What the mock answers to HELLO."""
    return f"Hello from the mock {DIALECTS[model]} model {MODELS[model]}: you said 5 words."


def ask(client, model, contents=HELLO, headers=None, **config):
    options = types.HttpOptions(headers=headers) if headers else None
    config = types.GenerateContentConfig(http_options=options, **config)
    return client.models.generate_content(model=model, contents=contents, config=config)


def test_a_question_is_answered(gemini_client, model):
    answer = ask(gemini_client, model)
    assert answer.text == said(model)
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    usage = answer.usage_metadata
    assert usage.candidates_token_count == len(said(model).split())
    assert usage.total_token_count >= usage.prompt_token_count + usage.candidates_token_count


def test_instructions_and_settings_reach_the_provider(gemini_client, mock, model):
    dialect = DIALECTS[model]
    # The model that reasons takes no sampling, and its API no stop sequences.
    sampling = {} if dialect == "responses" else {"temperature": 0.5, "top_p": 0.9, "stop_sequences": ["END"]}
    ask(gemini_client, model, system_instruction="Be brief", max_output_tokens=20, **sampling)
    sent = json.loads(mock.only_request()["body"])
    if dialect == "gemini":
        assert sent["generationConfig"]["maxOutputTokens"] == 20
        return
    if dialect == "converse":
        settings = {"temperature": 0.5, "topP": 0.9, "maxTokens": 20, "stopSequences": ["END"]}
        assert sent["inferenceConfig"] == settings and sent["system"] == [{"text": "Be brief"}]
        return
    assert sent.get("model") == (None if model in HOSTED else MODELS[model])
    if dialect == "responses":
        assert sent["max_output_tokens"] == 20
        assert sent["input"][0] == {"type": "message", "role": "system", "content": "Be brief"}
        return
    assert (sent["temperature"], sent["max_tokens"]) == (0.5, 20)
    assert sent["p" if dialect == "cohere" else "top_p"] == 0.9
    assert sent["stop" if dialect == "openai" else "stop_sequences"] == ["END"]
    if dialect in ANTHROPICS:
        assert "Be brief" in json.dumps(sent["system"])
    elif dialect == "cohere":
        assert sent["messages"][0] == {"role": "system", "content": [{"type": "text", "text": "Be brief"}]}
    else:
        assert sent["messages"][0] == {"role": "system", "content": "Be brief"}


def test_the_cap_on_tokens_is_kept(gemini_client, model):
    # OpenAI's API of responses takes no smaller limit than 16.
    cap = 16 if DIALECTS[model] == "responses" else 3
    answer = ask(gemini_client, model, headers=steer(tokens=50), max_output_tokens=cap)
    assert answer.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    assert len(answer.text.split()) == cap


def test_a_stream_gives_the_same_text(gemini_client, model):
    chunks = list(gemini_client.models.generate_content_stream(model=model, contents=HELLO))
    assert len(chunks) > 2
    assert "".join(chunk.text or "" for chunk in chunks) == said(model)
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert chunks[-1].usage_metadata.candidates_token_count == len(said(model).split())


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_a_chat_with_a_tool_goes_on(gemini_client, mock, model, stream):
    config = types.GenerateContentConfig(
        tools=TOOLS, automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)
    )
    chat = gemini_client.chats.create(model=model, config=config)
    if stream:
        parts = [part for chunk in chat.send_message_stream("What is the weather?") for part in chunk.parts or []]
        (call,) = [part.function_call for part in parts if part.function_call]
    else:
        (call,) = chat.send_message("What is the weather?").function_calls
    assert call.name == "get_weather" and set(call.args) == {"city", "unit"}
    result = types.Part.from_function_response(name=call.name, response={"result": "21 degrees"})
    if call.id:
        result.function_response.id = call.id
    answer = chat.send_message(result)
    assert answer.text
    sent = json.loads(mock.requests()[-1]["body"])
    assert "21 degrees" in json.dumps(sent)
    match DIALECTS[model]:
        case dialect if dialect in ANTHROPICS:
            assert sent["messages"][-1]["content"][0]["tool_use_id"] == call.id
        case "openai" | "cohere":
            assert sent["messages"][-1]["tool_call_id"] == call.id
        case "converse":
            assert sent["messages"][-1]["content"][0]["toolResult"]["toolUseId"] == call.id
        case "responses":
            assert sent["input"][-1]["call_id"] == call.id


TWO_CALLS = steer(tool=['get_weather:{"city":"Rome","unit":"C"}', 'get_weather:{"city":"Oslo","unit":"F"}'])


def test_parallel_calls_come_whole(gemini_client, model):
    answer = ask(gemini_client, model, "What is the weather?", headers=TWO_CALLS, tools=TOOLS)
    assert [call.args for call in answer.function_calls] == [
        {"city": "Rome", "unit": "C"},
        {"city": "Oslo", "unit": "F"},
    ]


def test_a_call_is_forced(gemini_client, model):
    calling = types.FunctionCallingConfig(mode="ANY", allowed_function_names=["get_weather"])
    config = types.ToolConfig(function_calling_config=calling)
    assert ask(gemini_client, model, tools=TOOLS, tool_config=config).function_calls


class Person(BaseModel):
    name: str
    age: int


def test_an_answer_obeys_a_schema(gemini_client, model):
    answer = ask(gemini_client, model, response_mime_type="application/json", response_schema=Person)
    assert isinstance(answer.parsed, Person)


def test_an_image_reaches_the_provider(gemini_client, mock, model):
    picture = types.Part.from_bytes(data=base64.b64decode(PIXEL), mime_type="image/png")
    assert ask(gemini_client, model, ["What is this?", picture]).text
    # Google's SDK writes base64 for URLs, which only Google's servers take.
    sent = mock.only_request()["body"]
    assert ("-" in PIXEL or "+" in PIXEL) and PIXEL in (sent.replace("-", "+").replace("_", "/") if "gemini" in model else sent)


def test_errors_are_googles(gemini_client, model):
    with pytest.raises(errors.ClientError) as caught:
        ask(gemini_client, model, headers=steer(status=429))
    assert caught.value.code == 429 and caught.value.status == "RESOURCE_EXHAUSTED"


def test_an_unknown_model_is_named(gemini_client):
    with pytest.raises(errors.ClientError) as caught:
        ask(gemini_client, "no-such-model")
    assert caught.value.code == 404 and "no-such-model" in caught.value.message


def test_a_stream_that_breaks_off_ends_with_an_error(gemini_client, model):
    config = types.GenerateContentConfig(http_options=types.HttpOptions(headers=steer(cut_after=3)))
    with pytest.raises(Exception):
        list(gemini_client.models.generate_content_stream(model=model, contents=HELLO, config=config))


def test_the_ledger_knows_what_was_used(gateway, key, gemini_client, model):
    list(gemini_client.models.generate_content_stream(model=model, contents=HELLO))
    line = gateway.line(key=key.name)
    assert (line["operation"], line["model"], line["stream"]) == ("generate_content", model, True)
    assert (line["source"], line["output"]) == ("provider", len(said(model).split()))


def test_the_guard_reads_the_contents(gemini_client, mock):
    with pytest.raises(errors.ClientError) as caught:
        ask(gemini_client, "gpt-4o", "tell me of project x")
    assert caught.value.code == 400 and "no-project-x" in caught.value.message
    assert mock.requests() == []


def test_the_key_may_stand_in_the_query(gateway, key, mock):
    """As older clients send it."""
    with gateway.http() as client:
        path = "/v1beta/models/gemini-2.5-flash:generateContent"
        body = {"contents": [{"role": "user", "parts": [{"text": HELLO}]}]}
        answer = client.post(f"{path}?key={key.secret}", json=body)
    assert answer.status_code == 200, answer.text
    sent = mock.only_request()
    assert sent["path"] == path and key.secret not in json.dumps(sent)


def test_the_list_of_models_is_the_configurations(gateway, gemini_client):
    listed = [model.name for model in gemini_client.models.list()]
    assert listed == [f"models/{model['name']}" for model in gateway.config["models"]]


def test_a_key_bound_to_models_sees_only_those(gateway):
    with gemini_sdk(gateway, Key("only-claude")) as client:
        assert [model.name for model in client.models.list()] == ["models/claude-sonnet-4-5"]
