"""Calls that pass as they are, and are metered: pictures, sound, moderation, files and batches, by OpenAI's own SDK."""

import openai
import pytest
from support.clients import openai_sdk
from support.configuration import key as key_settings
from support.gateway import Gateway, Key

PAINTER, SPEAKER = "gpt-image-1", "gpt-4o-mini-tts"
SCRIBES = ["gpt-4o-transcribe", "gpt-4o-mini-transcribe"]


def change(config):
    openai = lambda name: {"name": name, "deployments": [{"provider": "openai", "model": name}]}
    config["models"] += [openai(PAINTER), openai(SPEAKER), openai("omni-moderation-latest")]
    scribes = [{"provider": "openai", "model": name} for name in SCRIBES]
    config["models"].append({"name": "scribe", "deployments": scribes})
    del config["guard"]
    usual = config["providers"]["openai"]
    config["providers"]["elsewhere"] = {**usual, "base_url": usual["base_url"].replace("/v1", "/openai/v1")}
    config["keys"].append(key_settings("scribing", models=["scribe"], limits={"budget": {"usd": "100"}}))


@pytest.fixture(scope="module")
def others():
    with Gateway(change) as gateway:
        yield gateway


@pytest.fixture
def gateway(others):
    others.mock.reset()
    return others


def passed(gateway, key, mock, path):
    assert mock.only_request()["path"] == path
    line = gateway.line(key=key.name)
    assert (line["operation"], line["status"], line["provider"], line["attempts"]) == ("passthrough", 200, "openai", 1)
    return line


def test_pictures_are_metered_by_the_providers_usage(gateway, key, openai_client, mock):
    answer = openai_client.images.generate(model=PAINTER, prompt="water over stone")
    assert answer.data[0].b64_json
    line = passed(gateway, key, mock, "/v1/images/generations")
    assert (line["source"], line["input"], line["image_output"]) == ("provider", 3, 272)
    assert line["cost_micros"] > 0


def test_speech_is_charged_as_reserved(gateway, key, openai_client, mock):
    sound = openai_client.audio.speech.create(model=SPEAKER, voice="alloy", input="water over stone").content
    assert sound.startswith(b"ID3")
    line = passed(gateway, key, mock, "/v1/audio/speech")
    assert line["source"] == "reserved" and line["cost_micros"] == line["reserved_micros"] > 0


def test_a_form_with_a_sound_passes_whole(gateway, key, openai_client, mock):
    sound = bytes(range(256)) * 8_000
    answer = openai_client.audio.transcriptions.create(model="gpt-4o-transcribe", file=("a.wav", sound, "audio/wav"))
    assert answer.text == "water over stone"
    line = passed(gateway, key, mock, "/v1/audio/transcriptions")
    assert (line["source"], line["audio_input"], line["output"]) == ("provider", 14, 3)


def test_moderation(gateway, key, openai_client, mock):
    answer = openai_client.moderations.create(model="omni-moderation-latest", input="water over stone")
    assert not answer.results[0].flagged
    passed(gateway, key, mock, "/v1/moderations")


def test_files_and_batches(gateway, key, openai_client, mock):
    file = openai_client.files.create(file=("input.jsonl", b"{}\n", "application/jsonl"), purpose="batch")
    assert file.id.startswith("file-mock")
    batch = openai_client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
    )
    assert (batch.input_file_id, batch.status) == (file.id, "validating")
    assert [request["path"] for request in mock.requests()] == ["/v1/files", "/v1/batches"]
    for line in gateway.lines(2, key=key.name):
        assert (line["operation"], line["status"], line["cost_micros"]) == ("passthrough", 200, 0)


@pytest.fixture
def transcribing(gateway):
    """A client whose key may use one model and has a budget."""
    key = Key("scribing")
    with openai_sdk(gateway, key) as client:
        yield client, key


def test_the_model_of_a_form_was_not_seen(transcribing, gateway, mock):
    client, key = transcribing
    sound = bytes(range(256)) * 8_000
    answer = client.audio.transcriptions.create(model="scribe", file=("a.wav", sound, "audio/wav"))
    assert answer.text == "water over stone"
    sent = mock.only_request()["body"]
    assert 'name="model"\r\n\r\ngpt-4o-transcribe\r\n' in sent and "\r\nscribe\r\n" not in sent
    line = gateway.line(key=key.name)
    assert (line["model"], line["upstream_model"], line["source"]) == ("scribe", "gpt-4o-transcribe", "provider")
    assert line["reserved_micros"] > line["cost_micros"] > 0

    with pytest.raises(openai.PermissionDeniedError):
        client.audio.transcriptions.create(model="gpt-4o-transcribe", file=("a.wav", sound, "audio/wav"))


def test_a_form_goes_to_the_next_provider(gateway, key, openai_client, mock):
    mock.script(mock.openai(status=503, times=1))
    answer = openai_client.audio.transcriptions.create(model="scribe", file=("a.wav", b"RIFF", "audio/wav"))
    assert answer.text == "water over stone"
    first, second = mock.requests()
    assert [name in request["body"] for name, request in zip(SCRIBES, (first, second))] == [True, True]
    assert gateway.line(key=key.name)["upstream_model"] == SCRIBES[1]


@pytest.mark.parametrize("edit", [("\r\n", "\n"), ('name="model"', "name=model"), ("--b--", "--b")])
def test_a_form_that_servers_may_read_otherwise_is_refused_to_a_key_with_models(transcribing, gateway, mock, edit):
    _, key = transcribing
    form = '--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nscribe\r\n--b--\r\n'
    with gateway.http(key) as http:
        kind = {"content-type": "multipart/form-data; boundary=b"}
        answer = http.post("/v1/audio/transcriptions", content=form.replace(*edit), headers=kind)
    assert answer.status_code == 403, answer.text
    assert mock.requests() == []


@pytest.mark.parametrize("path, body", [
    ("/v1/chat/completions", {"json": {"model": "any", "messages": [{"role": "user", "content": "hi"}]}}),
    ("/v1/moderations", {"json": {"model": "any", "input": "hi"}}),
    ("/v1/files", {"files": {"file": ("input.jsonl", b"{}\n")}, "data": {"purpose": "batch"}}),
])
def test_a_call_to_a_provider_with_another_base_path_broke_the_filter(gateway, key, http, mock, path, body):
    for _ in range(4):
        answer = http.post(path, headers={"x-weirgate-provider": "elsewhere"}, **body)
        assert answer.status_code == 200, answer.text
    assert {request["path"] for request in mock.requests()} == {path.replace("/v1", "/openai/v1")}
    assert "panicked" not in gateway.process.output()
