"""The vendors' own SDKs, pointed at a gateway. Their own retries are off, so that every request is the test's."""

import anthropic
import boto3
import openai
from botocore import UNSIGNED
from botocore.config import Config
from google import genai


def openai_sdk(gateway, key, **options):
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key.secret, max_retries=0, **options)


def async_openai_sdk(gateway, key, **options):
    return openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=key.secret, max_retries=0, **options)


def anthropic_sdk(gateway, key, **options):
    return anthropic.Anthropic(base_url=gateway.url, api_key=key.secret, max_retries=0, **options)


def gemini_sdk(gateway, key, **options):
    return genai.Client(api_key=key.secret, http_options={"base_url": gateway.url, **options})


def bedrock_sdk(gateway, key, **headers):
    """Amazon's SDK, with more headers for every request."""
    # It sends a bearer token over TLS alone, so that the key goes in a header of its own.
    settings = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
    client = boto3.client("bedrock-runtime", endpoint_url=gateway.url, region_name="us-east-1", config=settings)
    headers = {"x-api-key": key.secret, **headers}
    client.meta.events.register("before-call", lambda params, **_: params["headers"].update(headers))
    return client


def steer(**wishes):
    """The header by which one request steers the mock: `steer(tokens=5, no_usage=True)`; a list repeats."""
    parts = []
    for name, value in wishes.items():
        for each in value if isinstance(value, list) else [value]:
            name = name.replace("_", "-")
            parts.append(name if each is True else f"{name}={_escape(str(each))}")
    return {"x-mock": "; ".join(parts)}


def _escape(text):
    """A text as a header can carry it."""
    plain = lambda char: char.isascii() and char.isprintable() and char not in ";%"
    return "".join(char if plain(char) else "".join(f"%{byte:02x}" for byte in char.encode()) for char in text)
