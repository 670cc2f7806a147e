"""LangChain's models, each of which speaks the API of one vendor. Prints what they got, as JSON: see ../test_frameworks.py."""

import json
import sys

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool


@tool
def get_weather(city: str, unit: str) -> str:
    """The weather in a city."""
    return f"21 degrees in {city}"


def openai(url, key, model):
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model=model, base_url=f"{url}/v1", api_key=key, max_retries=0)


def responses(url, key, model):
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(
        model=model, base_url=f"{url}/v1", api_key=key, max_retries=0, use_responses_api=True, output_version="responses/v1"
    )


def anthropic(url, key, model):
    from langchain_anthropic import ChatAnthropic

    return ChatAnthropic(model=model, base_url=url, api_key=key, max_retries=0, max_tokens=1000)


def gemini(url, key, model):
    from langchain_google_genai import ChatGoogleGenerativeAI

    return ChatGoogleGenerativeAI(model=model, base_url=url, google_api_key=key, max_retries=1)


def converse(url, key, model):
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config
    from langchain_aws import ChatBedrockConverse

    # Amazon's SDK sends a bearer token over TLS alone.
    settings = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
    client = boto3.client("bedrock-runtime", endpoint_url=url, region_name="us-east-1", config=settings)
    client.meta.events.register("before-call", lambda params, **_: params["headers"].update({"x-api-key": key}))
    return ChatBedrockConverse(model=model, client=client, provider="anthropic")


def run(chat):
    plain = chat.invoke("Say hello in three words")
    streamed = "".join(chunk.text for chunk in chat.stream("Say hello in three words"))
    with_tools = chat.bind_tools([get_weather])
    question = HumanMessage("What is the weather?")
    asked = with_tools.invoke([question])
    results = [ToolMessage("21 degrees", tool_call_id=call["id"]) for call in asked.tool_calls]
    final = with_tools.invoke([question, asked, *results])
    whole = None
    for chunk in with_tools.stream([question]):
        whole = chunk if whole is None else whole + chunk
    return {
        "text": plain.text,
        "usage": plain.usage_metadata["output_tokens"],
        "streamed": streamed,
        "calls": [sorted(call["args"]) for call in asked.tool_calls],
        "streamed_calls": [sorted(call["args"]) for call in whole.tool_calls],
        "final": bool(final.text),
    }


if __name__ == "__main__":
    url, key, client, *models = sys.argv[1:]
    print(json.dumps({model: run(globals()[client](url, key, model)) for model in models}))
