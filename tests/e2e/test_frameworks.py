"""Frameworks that applications are written with, as clients. They want older SDKs than the newest, so they have a Python of their own."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from support.configuration import HOSTED
from support.paths import ROOT

PYTHON = ROOT / ".tools/frameworks/bin/python"
SCRIPTS = Path(__file__).parent / "frameworks"
MODELS = {
    "gpt-4o": "openai",
    "claude-sonnet-4-5": "anthropic",
    "gemini-2.5-flash": "gemini",
    # Frameworks set a temperature, which gpt-5 refuses.
    "gpt-4.1": "responses",
    "amazon.nova-lite-v1:0": "converse",
    "command-a": "cohere",
    **HOSTED,
}
CLIENTS = [
    ("langchain_clients", "openai"),
    ("langchain_clients", "responses"),
    ("langchain_clients", "anthropic"),
    ("langchain_clients", "gemini"),
    ("langchain_clients", "converse"),
    ("llama_index_clients", "openai"),
    ("llama_index_clients", "gemini"),
    ("litellm_client", "openai"),
    ("litellm_client", "anthropic"),
    ("litellm_client", "gemini"),
]


@pytest.mark.parametrize("script, client", CLIENTS, ids=["-".join(pair) for pair in CLIENTS])
def test_text_streams_and_tools_work_with_every_provider(gateway, key, script, client):
    command = [PYTHON, SCRIPTS / f"{script}.py", gateway.url, key.secret, client, *MODELS]
    # Nothing may be asked elsewhere: no prices, no traces.
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr[-3000:]
    answers = json.loads(run.stdout.splitlines()[-1])
    for model, dialect in MODELS.items():
        said = f"Hello from the mock {dialect} model {model}: you said 5 words."
        answer = answers[model]
        assert (answer["text"], answer["streamed"]) == (said, said)
        assert answer.get("usage", len(said.split())) == len(said.split())
        assert answer["calls"] == answer["streamed_calls"] == [["city", "unit"]]
        assert answer["final"]
