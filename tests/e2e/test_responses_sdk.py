"""OpenAI's SDK on the Responses API, against a provider that has it and against those that have not."""

import json

import openai
import pytest
from pydantic import BaseModel
from support.clients import steer
from support.configuration import HOSTED
from support.prompts import PIXEL

HELLO = "Say hello in three words"
MODELS = {
    "gpt-4o": "openai",
    "claude-sonnet-4-5": "anthropic",
    "gemini-2.5-flash": "gemini",
    "gpt-5-pro": "responses",
    "amazon.nova-lite-v1:0": "converse",
    "command-a": "cohere",
    **HOSTED,
}
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["C", "F"]}},
        "required": ["city", "unit"],
        "additionalProperties": False,
    },
    "strict": True,
}


@pytest.fixture(params=MODELS)
def model(request):
    return request.param


def said(model):
    """What the mock answers to HELLO."""
    return f"Hello from the mock {MODELS[model]} model {model}: you said 5 words."


def calls(response):
    return [item for item in response.output if item.type == "function_call"]


def test_a_question_is_answered(openai_client, model):
    response = openai_client.responses.create(model=model, input=HELLO)
    assert (response.object, response.status, response.error) == ("response", "completed", None)
    assert response.output_text == said(model)
    assert response.usage.output_tokens == len(said(model).split())
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens


def test_instructions_and_settings_reach_the_provider(openai_client, mock, model):
    dialect = MODELS[model]
    # The model that reasons takes no sampling.
    sampling = {} if dialect == "responses" else {"temperature": 0.5, "top_p": 0.9}
    openai_client.responses.create(
        model=model, instructions="Be brief", input=HELLO, max_output_tokens=20, **sampling
    )
    sent = json.loads(mock.only_request()["body"])
    match dialect:
        case "gemini":
            assert sent["generationConfig"] == {"temperature": 0.5, "topP": 0.9, "maxOutputTokens": 20}
            assert sent["systemInstruction"] == {"parts": [{"text": "Be brief"}]}
        case "converse":
            assert sent["inferenceConfig"] == {"temperature": 0.5, "topP": 0.9, "maxTokens": 20}
            assert sent["system"] == [{"text": "Be brief"}]
        case "responses":
            assert (sent["instructions"], sent["input"]) == ("Be brief", HELLO)
            assert sent["max_output_tokens"] == 20
        case _:
            share = sent["p" if dialect == "cohere" else "top_p"]
            assert (sent["temperature"], share, sent["max_tokens"]) == (0.5, 0.9, 20)
            assert "Be brief" in json.dumps(sent["system"] if "claude" in model else sent["messages"][0])


def test_the_cap_on_tokens_is_kept(openai_client, model):
    # The provider that has the API itself takes no smaller limit than 16.
    cap = 16 if MODELS[model] == "responses" else 3
    response = openai_client.responses.create(
        model=model, input=HELLO, max_output_tokens=cap, extra_headers=steer(tokens=50)
    )
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert len(response.output_text.split()) == cap


def test_a_stream_gives_the_same_response(openai_client, model):
    events = list(openai_client.responses.create(model=model, input=HELLO, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created" and events[-1].type == "response.completed"
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == events[-1].response.output_text == said(model)
    assert events[-1].response.usage.output_tokens == len(said(model).split())


def test_the_stream_helper_of_the_sdk_puts_a_stream_together(openai_client, model):
    with openai_client.responses.stream(model=model, input=HELLO) as stream:
        assert stream.get_final_response().output_text == said(model)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_a_tool_is_called_and_its_result_goes_back(openai_client, mock, model, stream):
    asked = [{"role": "user", "content": "What is the weather?"}]
    if stream:
        with openai_client.responses.stream(model=model, input=asked, tools=[WEATHER]) as events:
            first = events.get_final_response()
    else:
        first = openai_client.responses.create(model=model, input=asked, tools=[WEATHER])
    (call,) = calls(first)
    assert call.name == "get_weather" and set(json.loads(call.arguments)) == {"city", "unit"}
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"}
    # What the SDK adds to its own is nothing that OpenAI takes back.
    kept = [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in first.output]
    second = openai_client.responses.create(model=model, input=[*asked, *kept, result], tools=[WEATHER])
    assert second.output_text
    assert "21 degrees" in mock.requests()[-1]["body"]


TWO_CALLS = steer(tool=['get_weather:{"city":"Rome","unit":"C"}', 'get_weather:{"city":"Oslo","unit":"F"}'])


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_parallel_calls_come_with_ids_of_their_own(openai_client, model, stream):
    asked = {"model": model, "input": "What is the weather?", "tools": [WEATHER], "extra_headers": TWO_CALLS}
    if stream:
        with openai_client.responses.stream(**asked) as events:
            response = events.get_final_response()
    else:
        response = openai_client.responses.create(**asked)
    arguments = [json.loads(call.arguments) for call in calls(response)]
    assert arguments == [{"city": "Rome", "unit": "C"}, {"city": "Oslo", "unit": "F"}]
    assert len({call.call_id for call in calls(response)}) == 2


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "get_weather"}, "none"])
def test_the_choice_of_a_tool_is_kept(openai_client, model, choice):
    response = openai_client.responses.create(model=model, input=HELLO, tools=[WEATHER], tool_choice=choice)
    assert bool(calls(response)) == (choice != "none")


class Person(BaseModel):
    name: str
    age: int


def test_an_answer_is_parsed(openai_client, model):
    response = openai_client.responses.parse(model=model, input=HELLO, text_format=Person)
    assert isinstance(response.output_parsed, Person)


def test_an_image_reaches_the_provider(openai_client, mock, model):
    content = [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"},
    ]
    response = openai_client.responses.create(model=model, input=[{"role": "user", "content": content}])
    assert response.output_text
    assert PIXEL in mock.only_request()["body"]


def test_a_conversation_that_only_openai_keeps_is_refused(openai_client, mock, model):
    is_own = MODELS[model] == "responses"
    refusal = openai.BadRequestError if is_own else openai.UnprocessableEntityError
    with pytest.raises(refusal, match="resp_1" if is_own else "previous_response_id") as caught:
        openai_client.responses.create(model=model, input=HELLO, previous_response_id="resp_1")
    # The provider that has the API itself knows best what it keeps.
    if not is_own:
        assert caught.value.body["param"] == "previous_response_id"
        assert mock.requests() == []


def test_what_a_reasoning_model_thought_goes_back(openai_client, mock):
    ask = {"model": "gpt-5-pro", "store": False, "include": ["reasoning.encrypted_content"], "tools": [WEATHER]}
    asked = [{"role": "user", "content": "What is the weather?"}]
    first = openai_client.responses.create(
        input=asked, reasoning={"effort": "high", "summary": "auto"}, extra_headers=steer(reasoning=3), **ask
    )
    thought, call = first.output
    assert thought.summary[0].text == "think think think" and thought.encrypted_content
    assert first.usage.output_tokens_details.reasoning_tokens == 3
    kept = [item.model_dump(exclude_none=True) for item in (thought, call)]
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"}
    assert openai_client.responses.create(input=[*asked, *kept, result], **ask).output_text
    assert json.loads(mock.requests()[-1]["body"])["input"][1] == kept[0]


@pytest.mark.parametrize("other", ["claude-sonnet-4-5", "amazon.nova-lite-v1:0", "command-a", *HOSTED])
def test_a_conversation_may_move_to_a_provider_that_has_the_api(openai_client, other):
    """What another model thought comes with a mark of the gateway's, which OpenAI does not know."""
    ask = {"store": False, "include": ["reasoning.encrypted_content"], "tools": [WEATHER]}
    asked = [{"role": "user", "content": "What is the weather?"}]
    thinks = steer(reasoning=3, tool='get_weather:{"city":"Rome","unit":"C"}')
    first = openai_client.responses.create(model=other, input=asked, extra_headers=thinks, **ask)
    (call,) = calls(first)
    kept = [item.model_dump(exclude_none=True) for item in first.output]
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"}
    moved = openai_client.responses.create(model="gpt-5-pro", input=[*asked, *kept, result], **ask)
    assert moved.output_text


def test_errors_are_openais(openai_client, model):
    with pytest.raises(openai.RateLimitError):
        openai_client.responses.create(model=model, input=HELLO, extra_headers=steer(status=429))


def test_a_stream_that_breaks_off_ends_with_an_error(openai_client, model):
    with pytest.raises(openai.APIError):
        list(openai_client.responses.create(model=model, input=HELLO, stream=True, extra_headers=steer(cut_after=3)))


def test_the_ledger_knows_what_was_used(gateway, key, openai_client, model):
    list(openai_client.responses.create(model=model, input=HELLO, stream=True))
    line = gateway.line(key=key.name)
    assert (line["operation"], line["model"], line["stream"]) == ("responses", model, True)
    assert (line["source"], line["output"], line["complete"]) == ("provider", len(said(model).split()), True)


def test_the_guard_reads_the_input(openai_client, mock, model):
    with pytest.raises(openai.BadRequestError) as caught:
        openai_client.responses.create(model=model, instructions="x", input="tell me of project x")
    assert caught.value.code == "guard_refused"
    assert mock.requests() == []
