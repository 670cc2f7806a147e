"""Amazon's SDK on Bedrock's Converse, against a provider of its own dialect and against those that are translated."""

import base64
import json

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError
from support.clients import bedrock_sdk, steer
from support.configuration import ANTHROPICS, HOSTED
from support.gateway import Key
from support.prompts import PIXEL
from urllib3.exceptions import ProtocolError

NOVA = "amazon.nova-lite-v1:0"
# A model whose provider speaks the client's dialect, and those that are translated: the name at the provider, and the
# mock's name of its dialect.
MODELS = {
    NOVA: (NOVA, "converse"),
    "gpt-4o": ("gpt-4o", "openai"),
    "claude-sonnet-4-5": ("claude-sonnet-4-5", "anthropic"),
    "gemini-2.5-flash": ("gemini-2.5-flash", "gemini"),
    "gemini-3-pro": ("gemini-3-pro-preview", "gemini"),
    "gpt-5-pro": ("gpt-5-pro", "responses"),
    "command-a": ("command-a", "cohere"),
    **{name: (name, dialect) for name, dialect in HOSTED.items()},
}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["C", "F"]}},
    "required": ["city", "unit"],
}
TOOLS = {
    "tools": [
        {"toolSpec": {"name": "get_weather", "description": "The weather in a city", "inputSchema": {"json": SCHEMA}}}
    ]
}
TWO_CALLS = {"tool": ['get_weather:{"city":"Rome","unit":"C"}', 'get_weather:{"city":"Oslo","unit":"F"}']}
TWO_INPUTS = [{"city": "Rome", "unit": "C"}, {"city": "Oslo", "unit": "F"}]


@pytest.fixture(params=MODELS)
def model(request):
    return request.param


@pytest.fixture
def steered(gateway, key):
    """Makes clients whose requests steer the mock."""
    clients = []

    def make(**wishes):
        clients.append(bedrock_sdk(gateway, key, **steer(**wishes)))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def dialect_of(model):
    return MODELS[model][1]


def said(model):
    """What the mock answers to HELLO."""
    upstream, dialect = MODELS[model]
    return f"Hello from the mock {dialect} model {upstream}: you said 5 words."


def user(*content):
    return {"role": "user", "content": [{"text": part} if isinstance(part, str) else part for part in content]}


HELLO = [user("Say hello in three words")]
ASKS_FOR_WEATHER = [user("What is the weather?")]


def texts(message):
    return "".join(block.get("text", "") for block in message["content"])


def calls(message):
    return [block["toolUse"] for block in message["content"] if "toolUse" in block]


def collected(answer):
    """The message, the reason of its end and the usage of a streamed answer."""
    blocks, stop, usage, order = {}, None, None, []
    for event in answer["stream"]:
        ((name, data),) = event.items()
        order.append(name)
        if name == "messageStart":
            assert data["role"] == "assistant"
        elif name == "contentBlockStart":
            blocks[data["contentBlockIndex"]] = {"toolUse": {**data["start"]["toolUse"], "input": ""}}
        elif name == "contentBlockDelta":
            ((kind, piece),) = data["delta"].items()
            if kind == "toolUse":
                blocks[data["contentBlockIndex"]]["toolUse"]["input"] += piece["input"]
            elif kind == "text":
                block = blocks.setdefault(data["contentBlockIndex"], {"text": ""})
                block["text"] += piece
            else:
                kinds = blocks.setdefault(data["contentBlockIndex"], {"reasoningContent": {"reasoningText": {"text": ""}}})
                thought = kinds["reasoningContent"]["reasoningText"]
                for field, value in piece.items():
                    thought[field] = thought.get(field, "") + value
        elif name == "messageStop":
            stop = data["stopReason"]
        elif name == "metadata":
            usage = data["usage"]
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
    assert order[0] == "messageStart" and order[-2:] == ["messageStop", "metadata"]
    assert order.count("contentBlockStop") == len(blocks) and sorted(blocks) == list(range(len(blocks)))
    return {"role": "assistant", "content": [blocks[index] for index in sorted(blocks)]}, stop, usage


def converse(client, stream, **request):
    """The message, the reason of its end and the usage of an answer."""
    if stream:
        return collected(client.converse_stream(**request))
    answer = client.converse(**request)
    assert answer["metrics"]["latencyMs"] >= 0
    return answer["output"]["message"], answer["stopReason"], answer["usage"]


both = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])


@both
def test_a_question_is_answered(bedrock_client, model, stream):
    message, stop, usage = converse(bedrock_client, stream, modelId=model, messages=HELLO)
    assert (message["role"], texts(message), stop) == ("assistant", said(model), "end_turn")
    assert usage["outputTokens"] == len(said(model).split())
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"]
    assert usage["inputTokens"] > 0


def test_a_stream_comes_in_pieces(bedrock_client, model):
    events = list(bedrock_client.converse_stream(modelId=model, messages=HELLO)["stream"])
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    assert len([delta for delta in deltas if delta.get("text")]) > 2
    # Only calls of tools are opened.
    assert not any("contentBlockStart" in event for event in events)


def test_instructions_and_settings_reach_the_provider(bedrock_client, mock, model):
    dialect = dialect_of(model)
    # The model that reasons takes no sampling, and its API no stop sequences.
    sampling = {} if dialect == "responses" else {"temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]}
    bedrock_client.converse(
        modelId=model, messages=HELLO, system=[{"text": "Be brief"}], inferenceConfig={"maxTokens": 20, **sampling}
    )
    request = mock.only_request()
    sent = json.loads(request["body"])
    match dialect:
        case "converse":
            assert sent["inferenceConfig"] == {"maxTokens": 20, **sampling} and sent["system"] == [{"text": "Be brief"}]
            assert request["path"] == "/model/amazon.nova-lite-v1%3A0/converse"
        case "gemini":
            settings = {"temperature": 0.5, "topP": 0.9, "maxOutputTokens": 20, "stopSequences": ["END"]}
            assert sent["generationConfig"] == settings
            assert sent["systemInstruction"] == {"parts": [{"text": "Be brief"}]}
        case "responses":
            assert sent["max_output_tokens"] == 20
            assert sent["input"][0] == {"type": "message", "role": "system", "content": "Be brief"}
        case dialect if dialect in ANTHROPICS:
            assert (sent["temperature"], sent["top_p"], sent["max_tokens"]) == (0.5, 0.9, 20)
            assert sent["stop_sequences"] == ["END"] and "Be brief" in json.dumps(sent["system"])
        case "cohere":
            assert (sent["temperature"], sent["p"], sent["max_tokens"]) == (0.5, 0.9, 20)
            assert sent["stop_sequences"] == ["END"] and "Be brief" in json.dumps(sent["messages"][0])
        case _:
            assert (sent["temperature"], sent["top_p"], sent["max_tokens"]) == (0.5, 0.9, 20)
            assert sent["stop"] == ["END"] and sent["messages"][0] == {"role": "system", "content": "Be brief"}


def test_the_providers_key_takes_the_place_of_the_clients(bedrock_client, key, mock):
    bedrock_client.converse(modelId=NOVA, messages=HELLO)
    request = mock.only_request()
    assert request["headers"]["authorization"] == "Bearer bedrock-api-key-of-the-provider"
    assert key.secret not in json.dumps(request)


@pytest.mark.parametrize("presents", ["bearer", "x-api-key"])
def test_the_key_may_come_in_either_header(gateway, key, presents):
    headers = {"authorization": f"Bearer {key.secret}"} if presents == "bearer" else {"x-api-key": key.secret}
    with gateway.http() as client:
        answer = client.post(f"/model/{NOVA}/converse", json={"messages": HELLO}, headers=headers)
    assert answer.status_code == 200, answer.text
    assert texts(answer.json()["output"]["message"]) == said(NOVA)


def test_a_signature_of_the_clients_is_no_key_and_no_harm(gateway, key, mock):
    """The SDK signs whenever it finds credentials of AWS."""
    credentials = {"aws_access_key_id": "AKIDOFTHECLIENT", "aws_secret_access_key": "secret"}
    settings = Config(retries={"total_max_attempts": 1})
    client = boto3.client(
        "bedrock-runtime", endpoint_url=gateway.url, region_name="us-east-1", config=settings, **credentials
    )
    with pytest.raises(ClientError) as caught:
        client.converse(modelId=NOVA, messages=HELLO)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in (401, 403)
    assert mock.requests() == []
    add = lambda params, **_: params["headers"].update({"x-api-key": key.secret})
    client.meta.events.register("before-call", add)
    assert texts(client.converse(modelId=NOVA, messages=HELLO)["output"]["message"]) == said(NOVA)
    assert "AKIDOFTHECLIENT" not in json.dumps(mock.only_request())
    client.close()


@both
def test_cached_tokens_are_told_apart(steered, model, stream):
    _, _, usage = converse(steered(cached=2), stream, modelId=model, messages=HELLO)
    assert (usage["inputTokens"], usage["cacheReadInputTokens"]) == (6, 2)
    assert usage["totalTokens"] == 8 + usage["outputTokens"]


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_pieces_of_any_size_make_the_same_stream(steered, model, size):
    wishes = {"text": "Grüße aus Rom", "reasoning": 2, "chunk_bytes": size, **TWO_CALLS}
    answer = steered(**wishes).converse_stream(modelId=model, messages=ASKS_FOR_WEATHER, toolConfig=TOOLS)
    message, stop, usage = collected(answer)
    assert (texts(message), stop) == ("Grüße aus Rom", "tool_use")
    assert [call["input"] for call in calls(message)] == TWO_INPUTS
    assert usage["outputTokens"] > 5


@both
def test_the_cap_on_tokens_is_kept(steered, model, stream):
    # OpenAI's API of responses takes no smaller limit than 16.
    cap = 16 if dialect_of(model) == "responses" else 3
    limited = {"modelId": model, "messages": HELLO, "inferenceConfig": {"maxTokens": cap}}
    message, stop, usage = converse(steered(tokens=50), stream, **limited)
    assert stop == "max_tokens" and len(texts(message).split()) == cap == usage["outputTokens"]


@both
def test_a_filtered_answer_says_so(steered, model, stream):
    if dialect_of(model) == "cohere":
        pytest.skip("Cohere has no such reason")
    _, stop, _ = converse(steered(finish="content_filter"), stream, modelId=model, messages=HELLO)
    assert stop == "content_filtered"


@both
def test_a_tool_is_called_and_its_result_goes_back(bedrock_client, mock, model, stream):
    asked = {"modelId": model, "toolConfig": TOOLS}
    first, stop, _ = converse(bedrock_client, stream, messages=ASKS_FOR_WEATHER, **asked)
    (call,) = calls(first)
    assert stop == "tool_use"
    assert call["name"] == "get_weather" and set(call["input"]) == {"city", "unit"}
    result = {"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": "21 degrees"}]}}
    messages = [*ASKS_FOR_WEATHER, first, user(result)]
    second, stop, _ = converse(bedrock_client, stream, messages=messages, **asked)
    assert texts(second) and stop == "end_turn"
    assert "21 degrees" in mock.requests()[-1]["body"]


@both
def test_parallel_calls_come_whole_and_their_results_go_back(steered, bedrock_client, model, stream):
    asked = {"modelId": model, "toolConfig": TOOLS}
    first, _, _ = converse(steered(**TWO_CALLS), stream, messages=ASKS_FOR_WEATHER, **asked)
    assert [call["input"] for call in calls(first)] == TWO_INPUTS
    ids = [call["toolUseId"] for call in calls(first)]
    assert len(set(ids)) == 2
    results = [{"toolResult": {"toolUseId": id, "content": [{"json": {"degrees": 21}}]}} for id in ids]
    results[1]["toolResult"] = {"toolUseId": ids[1], "content": [{"text": "no such city"}], "status": "error"}
    messages = [*ASKS_FOR_WEATHER, first, user(*results, "And now?")]
    second, stop, _ = converse(bedrock_client, stream, messages=messages, **asked)
    assert texts(second) and stop == "end_turn"


@pytest.mark.parametrize("choice", [{"any": {}}, {"tool": {"name": "get_weather"}}], ids=["any", "tool"])
def test_a_call_is_forced(bedrock_client, model, choice):
    message, stop, _ = converse(
        bedrock_client, False, modelId=model, messages=HELLO, toolConfig={**TOOLS, "toolChoice": choice}
    )
    assert len(calls(message)) == 1 and stop == "tool_use"


def test_an_answer_obeys_a_schema(bedrock_client, model):
    schema = {**SCHEMA, "additionalProperties": False}
    structure = {"jsonSchema": {"name": "place", "schema": json.dumps(schema)}}
    output = {"textFormat": {"type": "json_schema", "structure": structure}}
    answer = bedrock_client.converse(modelId=model, messages=HELLO, outputConfig=output)
    assert set(json.loads(texts(answer["output"]["message"]))) == {"city", "unit"}


def test_an_image_reaches_the_provider(bedrock_client, mock, model):
    # The SDK takes bytes and writes base64.
    picture = {"image": {"format": "png", "source": {"bytes": base64.b64decode(PIXEL)}}}
    answer = bedrock_client.converse(modelId=model, messages=[user("What is this?", picture)])
    assert texts(answer["output"]["message"])
    sent = json.loads(mock.only_request()["body"])
    first = next(sent[name] for name in ("messages", "contents", "input") if name in sent)[0]
    text, image = first.get("content") or first["parts"]
    assert text["text"] == "What is this?"
    url = f"data:image/png;base64,{PIXEL}"
    match dialect_of(model):
        case "converse":
            assert image == {"image": {"format": "png", "source": {"bytes": PIXEL}}}
        case "gemini":
            assert image == {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
        case dialect if dialect in ANTHROPICS:
            assert image["source"] == {"type": "base64", "media_type": "image/png", "data": PIXEL}
        case "responses":
            assert image == {"type": "input_image", "image_url": url}
        case _:
            assert image == {"type": "image_url", "image_url": {"url": url}}


@both
@pytest.mark.parametrize("thinker", [NOVA, "claude-sonnet-4-5", "gemini-3-pro", "gpt-5-pro", *HOSTED])
def test_what_was_thought_comes_and_goes_back(steered, bedrock_client, mock, thinker, stream):
    fields = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    asked = {
        "modelId": thinker,
        "inferenceConfig": {"maxTokens": 2000},
        "toolConfig": TOOLS,
        **({} if thinker == NOVA else {"additionalModelRequestFields": fields}),
    }
    client = steered(reasoning=3, tool='get_weather:{"city":"Rome","unit":"C"}')
    first, _, usage = converse(client, stream, messages=ASKS_FOR_WEATHER, **asked)
    thoughts = [block["reasoningContent"]["reasoningText"] for block in first["content"] if "reasoningContent" in block]
    assert thoughts and "".join(thought["text"] for thought in thoughts) == "think think think"
    assert usage["outputTokens"] > 3
    (call,) = calls(first)
    result = {"toolResult": {"toolUseId": call["toolUseId"], "content": [{"text": "21 degrees"}]}}
    messages = [*ASKS_FOR_WEATHER, first, user(result)]
    second, _, _ = converse(bedrock_client, stream, messages=messages, **asked)
    assert texts(second)
    sent = mock.requests()[-1]["body"]
    signed = {
        NOVA: "bW9jayBzaWduYXR1cmU=",
        "claude-sonnet-4-5": "bW9jaw==",
        "gemini-3-pro": "bW9jayB0aG91Z2h0IHNpZ25hdHVyZQ==",
        "gpt-5-pro": "gAAAAABmb2NrIGVuY3J5cHRlZCByZWFzb25pbmc=",
        **dict.fromkeys(HOSTED, "bW9jaw=="),
    }
    assert signed[thinker] in sent


ERRORS = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


@both
@pytest.mark.parametrize("status", ERRORS)
def test_a_providers_error_arrives_as_the_sdks_exception(steered, model, status, stream):
    client = steered(status=status)
    with pytest.raises(ClientError) as caught:
        (client.converse_stream if stream else client.converse)(modelId=model, messages=HELLO)
    answer = caught.value.response
    assert answer["Error"]["Code"] == ERRORS[status]
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
    assert "mock" in answer["Error"]["Message"]
    assert isinstance(caught.value, getattr(client.exceptions, ERRORS[status]))


def test_an_unknown_key_is_denied(gateway):
    client = bedrock_sdk(gateway, Key("nobody"))
    with pytest.raises(ClientError) as caught:
        client.converse(modelId=NOVA, messages=HELLO)
    # What Bedrock says of a key that it does not know.
    assert caught.value.response["Error"]["Code"] in ("AccessDeniedException", "UnrecognizedClientException")
    client.close()


def test_an_unknown_model_is_named(bedrock_client):
    with pytest.raises(bedrock_client.exceptions.ResourceNotFoundException, match="no-such-model"):
        bedrock_client.converse(modelId="no-such-model", messages=HELLO)


def test_what_a_provider_has_no_place_for_is_refused_by_its_name(bedrock_client, mock):
    guardrail = {"guardrailIdentifier": "abc", "guardrailVersion": "1"}
    with pytest.raises(ClientError, match="guardrailConfig") as caught:
        bedrock_client.converse(modelId="gpt-4o", messages=HELLO, guardrailConfig=guardrail)
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert mock.requests() == []


def test_a_stream_that_breaks_off_ends_with_an_error(steered, model):
    # Slowly, so that the answer has begun when its provider goes.
    answer = steered(cut_after=9, chunk_delay_ms=30).converse_stream(modelId=model, messages=HELLO)
    heard = ""
    # The SDK leaves what its transport raises as it is.
    with pytest.raises((EventStreamError, ProtocolError)):
        for event in answer["stream"]:
            assert "messageStop" not in event
            heard += event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
    assert heard and said(model).startswith(heard)


def test_an_error_in_the_middle_of_a_stream_is_raised(steered, model):
    answer = steered(error_after=5).converse_stream(modelId=model, messages=HELLO)
    with pytest.raises(EventStreamError, match="(?i)overloaded|had an error"):
        list(answer["stream"])


@both
def test_the_ledger_knows_what_was_used(gateway, key, bedrock_client, model, stream):
    converse(bedrock_client, stream, modelId=model, messages=HELLO)
    line = gateway.line(key=key.name)
    assert (line["operation"], line["model"], line["stream"]) == ("converse", model, stream)
    assert (line["source"], line["output"], line["complete"]) == ("provider", len(said(model).split()), True)


@both
def test_the_guard_reads_the_conversation(bedrock_client, mock, model, stream):
    ask = bedrock_client.converse_stream if stream else bedrock_client.converse
    with pytest.raises(ClientError, match="no-project-x") as caught:
        ask(modelId=model, messages=[user("hi", "tell me of project x")])
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    assert mock.requests() == []


def test_the_guard_reads_the_instructions(bedrock_client, mock):
    with pytest.raises(ClientError, match="no-project-x"):
        bedrock_client.converse(modelId=NOVA, messages=HELLO, system=[{"text": "You know of project x"}])
    assert mock.requests() == []


def test_a_key_bound_to_models_gets_no_other(gateway):
    client = bedrock_sdk(gateway, Key("only-claude"))
    assert client.converse(modelId="claude-sonnet-4-5", messages=HELLO)["output"]
    with pytest.raises(ClientError):
        client.converse(modelId=NOVA, messages=HELLO)
    client.close()


def test_a_client_may_stream_while_another_model_answers_whole(bedrock_client):
    """One client, one connection pool, and the models take turns."""
    for model in MODELS:
        for stream in (True, False):
            message, _, _ = converse(bedrock_client, stream, modelId=model, messages=HELLO)
            assert texts(message) == said(model)
