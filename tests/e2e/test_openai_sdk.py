"""OpenAI's SDK, against a provider of its own dialect and against one that is translated."""

import asyncio
import json

import openai
import pytest
from support.clients import async_openai_sdk, openai_sdk, steer
from support.configuration import ANTHROPICS, HOSTED
from support.gateway import Key
from support.prompts import HELLO, PIXEL, WEATHER, asks_for_weather

# A model whose provider speaks the client's dialect, one whose name must be replaced, and one that is translated.
MODELS = {
    "gpt-4o": "gpt-4o",
    "renamed": "gpt-4o-mini",
    "claude-sonnet-4-5": "claude-sonnet-4-5",
    "gemini-2.5-flash": "gemini-2.5-flash",
    "gpt-5-pro": "gpt-5-pro",
    "amazon.nova-lite-v1:0": "amazon.nova-lite-v1:0",
    "command-a": "command-a",
    **{name: name for name in HOSTED},
}
# The providers of those that are translated, and the mock's names of their dialects.
PROVIDERS = {
    "claude-sonnet-4-5": ("claude", "anthropic"),
    "gemini-2.5-flash": ("gemini", "gemini"),
    "gpt-5-pro": ("openai-responses", "responses"),
    "amazon.nova-lite-v1:0": ("bedrock", "converse"),
    "command-a": ("cohere", "cohere"),
    **{name: (f"claude-{dialect}", dialect) for name, dialect in HOSTED.items()},
}


@pytest.fixture(params=MODELS)
def model(request):
    return request.param


def dialect_of(model):
    return PROVIDERS.get(model, ("openai", "openai"))[1]


def said(model):
    """What the mock answers to HELLO."""
    return f"Hello from the mock {dialect_of(model)} model {MODELS[model]}: you said 5 words."


def test_a_chat_is_answered(openai_client, model):
    answer = openai_client.chat.completions.create(model=model, messages=HELLO)
    assert answer.object == "chat.completion" and answer.id
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content == said(model)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.completion_tokens == len(said(model).split())
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_the_system_prompt_and_the_settings_reach_the_provider(openai_client, mock, model):
    dialect = dialect_of(model)
    # The model that reasons takes no sampling, and its API no stop sequences.
    sampling = {} if dialect == "responses" else {"temperature": 0.5, "top_p": 0.9, "stop": ["END"]}
    messages = [{"role": "system", "content": "Be brief"}, *HELLO]
    openai_client.chat.completions.create(model=model, messages=messages, max_tokens=7, **sampling)
    request = mock.only_request()
    sent = json.loads(request["body"])
    if dialect == "gemini":
        settings = {"temperature": 0.5, "topP": 0.9, "maxOutputTokens": 7, "stopSequences": ["END"]}
        assert sent["generationConfig"] == settings
        assert sent["systemInstruction"] == {"parts": [{"text": "Be brief"}]}
        return
    if dialect == "converse":
        settings = {"temperature": 0.5, "topP": 0.9, "maxTokens": 7, "stopSequences": ["END"]}
        assert sent["inferenceConfig"] == settings
        assert sent["system"] == [{"text": "Be brief"}]
        assert request["path"] == "/model/amazon.nova-lite-v1%3A0/converse"
        return
    assert sent.get("model") == (None if model in HOSTED else MODELS[model])
    if dialect == "responses":
        # It takes no smaller limit.
        assert sent["max_output_tokens"] == 16
        assert sent["input"][0] == {"type": "message", "role": "system", "content": "Be brief"}
        return
    assert (sent["temperature"], sent["max_tokens"]) == (0.5, 7)
    assert sent["p" if dialect == "cohere" else "top_p"] == 0.9
    assert sent["stop" if dialect == "openai" else "stop_sequences"] == ["END"]
    if dialect in ANTHROPICS:
        assert "Be brief" in json.dumps(sent["system"])
    elif dialect == "cohere":
        assert sent["messages"][0] == {"role": "system", "content": [{"type": "text", "text": "Be brief"}]}
    else:
        assert sent["messages"][0] == {"role": "system", "content": "Be brief"}


def test_the_cap_on_tokens_is_kept(openai_client, model):
    # The API of responses takes no smaller limit than 16.
    cap = 16 if dialect_of(model) == "responses" else 3
    answer = openai_client.chat.completions.create(
        model=model, messages=HELLO, max_completion_tokens=cap, extra_headers=steer(tokens=50)
    )
    assert answer.choices[0].finish_reason == "length"
    assert len(answer.choices[0].message.content.split()) == cap
    assert answer.usage.completion_tokens == cap


def test_a_streamed_chat_gives_the_same_text(openai_client, model):
    chunks = list(openai_client.chat.completions.create(model=model, messages=HELLO, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == said(model)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_ends_with_usage_if_it_was_asked_for(openai_client, model):
    chunks = list(
        openai_client.chat.completions.create(
            model=model, messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == len(said(model).split())
    assert all(chunk.usage is None for chunk in chunks[:-1])


@pytest.mark.parametrize("options", [{}, {"stream_options": {"include_usage": False}}], ids=["unsaid", "no"])
def test_a_stream_holds_no_usage_if_it_was_not_asked_for(openai_client, model, options):
    chunks = list(openai_client.chat.completions.create(model=model, messages=HELLO, stream=True, **options))
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


def test_the_stream_helper_of_the_sdk_puts_a_stream_together(openai_client, model):
    with openai_client.chat.completions.stream(model=model, messages=HELLO) as stream:
        answer = stream.get_final_completion()
    assert answer.choices[0].message.content == said(model)


def test_many_async_chats_at_once_are_answered(gateway, key, model):
    async def ask_twenty():
        async with async_openai_sdk(gateway, key) as client:
            chats = [client.chat.completions.create(model=model, messages=HELLO) for _ in range(10)]
            streams = [stream_text(client) for _ in range(10)]
            return await asyncio.gather(asyncio.gather(*chats), asyncio.gather(*streams))

    async def stream_text(client):
        stream = await client.chat.completions.create(model=model, messages=HELLO, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    answers, texts = asyncio.run(ask_twenty())
    assert {answer.choices[0].message.content for answer in answers} == {said(model)}
    assert set(texts) == {said(model)}


def test_a_tool_is_called_and_its_result_goes_back(openai_client, mock, model):
    first = openai_client.chat.completions.create(model=model, **asks_for_weather())
    message = first.choices[0].message
    (call,) = message.tool_calls
    assert first.choices[0].finish_reason == "tool_calls"
    assert call.function.name == "get_weather" and set(json.loads(call.function.arguments)) == {"city", "unit"}
    messages = [
        *asks_for_weather()["messages"],
        message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"},
    ]
    second = openai_client.chat.completions.create(model=model, messages=messages, tools=[WEATHER])
    assert second.choices[0].message.content
    sent = json.loads(mock.requests()[-1]["body"])
    last = next(sent[name] for name in ("messages", "contents", "input") if name in sent)[-1]
    match dialect_of(model):
        case "gemini":
            assert last["parts"][0]["functionResponse"]["response"] == {"result": "21 degrees"}
        case dialect if dialect in ANTHROPICS:
            (result,) = last["content"]
            assert (result["type"], result["tool_use_id"]) == ("tool_result", call.id)
            assert "21 degrees" in json.dumps(result["content"])
        case "responses":
            assert last == {"type": "function_call_output", "call_id": call.id, "output": "21 degrees"}
        case "converse":
            assert last["content"] == [{"toolResult": {"toolUseId": call.id, "content": [{"text": "21 degrees"}]}}]
        case "cohere":
            content = [{"type": "text", "text": "21 degrees"}]
            assert last == {"role": "tool", "tool_call_id": call.id, "content": content}
        case _:
            assert last == messages[-1]


TWO_CALLS = steer(tool=['get_weather:{"city":"Rome","unit":"C"}', 'get_weather:{"city":"Oslo","unit":"F"}'])
TWO_CALLS_ARGUMENTS = [{"city": "Rome", "unit": "C"}, {"city": "Oslo", "unit": "F"}]


def test_parallel_tool_calls_come_with_ids_of_their_own(openai_client, model):
    answer = openai_client.chat.completions.create(model=model, extra_headers=TWO_CALLS, **asks_for_weather())
    calls = answer.choices[0].message.tool_calls
    assert [json.loads(call.function.arguments) for call in calls] == TWO_CALLS_ARGUMENTS
    assert len({call.id for call in calls}) == 2


def test_the_results_of_parallel_calls_go_back_together(openai_client, model):
    first = openai_client.chat.completions.create(model=model, extra_headers=TWO_CALLS, **asks_for_weather())
    message = first.choices[0].message
    results = [{"role": "tool", "tool_call_id": call.id, "content": "mild"} for call in message.tool_calls]
    messages = [*asks_for_weather()["messages"], message.model_dump(exclude_none=True), *results]
    assert openai_client.chat.completions.create(model=model, messages=messages, tools=[WEATHER]).choices


def test_streamed_tool_calls_are_put_together_by_index(openai_client, model):
    stream = openai_client.chat.completions.create(
        model=model, stream=True, extra_headers=TWO_CALLS, **asks_for_weather()
    )
    calls, finish = {}, None
    for chunk in stream:
        finish = chunk.choices[0].finish_reason or finish
        for part in chunk.choices[0].delta.tool_calls or []:
            call = calls.setdefault(part.index, {"id": part.id, "name": part.function.name, "arguments": ""})
            call["arguments"] += part.function.arguments or ""
    assert finish == "tool_calls"
    assert sorted(calls) == [0, 1]
    assert [json.loads(calls[index]["arguments"]) for index in (0, 1)] == TWO_CALLS_ARGUMENTS
    assert all(call["name"] == "get_weather" and call["id"] for call in calls.values())


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}, "none"])
def test_the_choice_of_a_tool_is_kept(openai_client, model, choice):
    answer = openai_client.chat.completions.create(model=model, messages=HELLO, tools=[WEATHER], tool_choice=choice)
    assert bool(answer.choices[0].message.tool_calls) == (choice != "none")


def test_an_answer_obeys_a_json_schema(openai_client, model):
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    }
    answer = openai_client.chat.completions.create(
        model=model,
        messages=HELLO,
        response_format={"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": schema}},
    )
    person = json.loads(answer.choices[0].message.content)
    assert isinstance(person["name"], str) and isinstance(person["age"], int)


def test_an_image_reaches_the_provider(openai_client, mock, model):
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    ]
    answer = openai_client.chat.completions.create(model=model, messages=[{"role": "user", "content": content}])
    assert answer.choices[0].message.content
    sent = json.loads(mock.only_request()["body"])
    first = next(sent[name] for name in ("messages", "contents", "input") if name in sent)[0]
    text, image = first.get("content") or first["parts"]
    assert text["text"] == "What is this?"
    match dialect_of(model):
        case "gemini":
            assert image == {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
        case dialect if dialect in ANTHROPICS:
            assert image["source"] == {"type": "base64", "media_type": "image/png", "data": PIXEL}
        case "responses":
            assert image == {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"}
        case "converse":
            assert image == {"image": {"format": "png", "source": {"bytes": PIXEL}}}
        case _:
            assert image == content[1]


def test_response_headers_say_who_answered_at_which_attempt(openai_client, model):
    raw = openai_client.chat.completions.with_raw_response.create(model=model, messages=HELLO)
    provider = PROVIDERS.get(model, ("openai", "openai"))[0]
    assert raw.headers["x-weirgate-attempts"] == "1"
    assert raw.headers["x-weirgate-deployment"] == f"{provider}/{MODELS[model]}"
    assert raw.parse().choices


def test_the_list_of_models_is_the_configurations(gateway, openai_client):
    listed = [model.id for model in openai_client.models.list()]
    assert listed == [model["name"] for model in gateway.config["models"]]


def test_a_key_bound_to_models_sees_only_those(gateway):
    with openai_sdk(gateway, Key("only-claude")) as client:
        assert [model.id for model in client.models.list()] == ["claude-sonnet-4-5"]


def test_a_client_says_what_becomes_of_fields_that_a_provider_cannot_take(openai_client, mock):
    def ask(word=None):
        headers = {"x-weirgate-unsupported-fields": word} if word else {}
        return openai_client.chat.completions.with_raw_response.create(
            model="claude-sonnet-4-5", messages=HELLO, logit_bias={"1": 1}, extra_headers=headers
        )

    for refused in None, "reject":
        with pytest.raises(openai.UnprocessableEntityError, match="logit_bias"):
            ask(refused)
    with pytest.raises(openai.BadRequestError, match="x-weirgate-unsupported-fields"):
        ask("ignore")
    assert mock.requests() == []
    assert ask("drop").headers["x-weirgate-dropped-fields"] == "logit_bias"
    assert "x-weirgate-unsupported-fields" not in mock.only_request()["headers"]


def test_one_model_was_not_found(openai_client, anthropic_client, gemini_client, mock):
    assert openai_client.models.retrieve("renamed").id == "renamed"
    assert anthropic_client.models.retrieve("renamed").id == "renamed"
    assert gemini_client.models.get(model="renamed").name == "models/renamed"
    with pytest.raises(openai.NotFoundError, match='did you mean "renamed"'):
        openai_client.models.retrieve("renamd")
    assert mock.requests() == []


def test_embeddings_pass_through(openai_client, mock):
    answer = openai_client.embeddings.create(model="text-embedding-3-small", input=["one", "two"])
    assert len(answer.data) == 2 and len(answer.data[0].embedding) > 0
    assert mock.only_request()["path"] == "/v1/embeddings"


def test_a_path_that_nobody_knows_passes_through_whole(http, mock):
    answer = http.post("/v1/audio/translations?x=1", content=b"\0\1", headers={"content-type": "audio/wav"})
    assert answer.status_code == 200
    assert answer.json()["path"] == "/v1/audio/translations?x=1" and answer.json()["body_length"] == 2


def test_a_client_that_leaves_the_version_out_of_its_base_url_is_understood(gateway, key):
    with openai.OpenAI(base_url=gateway.url, api_key=key.secret, max_retries=0) as client:
        assert client.chat.completions.create(model="gpt-4o", messages=HELLO).choices[0].message.content


def test_geminis_newest_models_get_their_signatures_back(openai_client, mock):
    """Gemini 3 refuses a call without the signature that came with it."""
    first = openai_client.chat.completions.create(model="gemini-3-pro", **asks_for_weather())
    message = first.choices[0].message
    (call,) = message.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"}
    for kept in (message.model_dump(exclude_none=True), message.model_dump(include={"role", "tool_calls"})):
        messages = [*asks_for_weather()["messages"], kept, result]
        assert openai_client.chat.completions.create(model="gemini-3-pro", messages=messages, tools=[WEATHER])
        sent = json.loads(mock.requests()[-1]["body"])
        assert sent["contents"][1]["parts"][0]["thoughtSignature"]


def test_what_a_reasoning_model_of_openais_thought_goes_back(openai_client, mock):
    """Its provider keeps nothing, so that the thought has to come along, and it refuses one that is not its own."""
    model = "gpt-5-pro"
    first = openai_client.chat.completions.create(
        model=model, extra_headers=steer(reasoning=3, tool='get_weather:{"city":"Rome","unit":"C"}'), **asks_for_weather()
    )
    message = first.choices[0].message
    assert first.usage.completion_tokens_details.reasoning_tokens == 3
    (call,) = message.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"}
    messages = [*asks_for_weather()["messages"], message.model_dump(exclude_none=True), result]
    assert openai_client.chat.completions.create(model=model, messages=messages, tools=[WEATHER]).choices
    first_sent, second_sent = (json.loads(request["body"]) for request in mock.requests())
    assert first_sent["store"] is False and "reasoning.encrypted_content" in first_sent["include"]
    assert [item["type"] for item in second_sent["input"]][-2:] == ["function_call", "function_call_output"]
