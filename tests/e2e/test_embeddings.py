"""OpenAI's embeddings from providers that embed by another API, asked for with OpenAI's own SDK."""

import json
import math

import openai
import pytest
from support.gateway import Gateway

GEMINI, COHERE = "gemini-embedding-001", "embed-v4.0"
TITAN, COHERE_AT_BEDROCK = "amazon.titan-embed-text-v2:0", "cohere.embed-v4:0"
TEXTS = ["water over stone", "green field"]
WORDS = 5


def to(provider, model):
    return {"provider": provider, "model": model}


def change(config):
    models = {
        GEMINI: [to("gemini", GEMINI)],
        "embedder": [to("gemini", GEMINI)],
        COHERE: [to("cohere", COHERE)],
        "titan": [to("bedrock", TITAN)],
        "cohere-at-bedrock": [to("bedrock", COHERE_AT_BEDROCK)],
        "cohere-then-openai": [to("cohere", COHERE), to("openai", "text-embedding-3-small")],
    }
    config["models"] += [{"name": name, "deployments": deployments} for name, deployments in models.items()]


@pytest.fixture(scope="module")
def embedding():
    with Gateway(change) as gateway:
        yield gateway


@pytest.fixture
def gateway(embedding):
    embedding.mock.reset()
    return embedding


LISTS = [
    (GEMINI, "/v1beta/models/gemini-embedding-001:batchEmbedContents", None),
    (COHERE, "/v2/embed", WORDS),
    ("cohere-at-bedrock", "/model/cohere.embed-v4%3A0/invoke", None),
]


@pytest.mark.parametrize("model, path, tokens", LISTS, ids=["gemini", "cohere", "bedrock"])
def test_a_list_of_texts_is_embedded(gateway, key, openai_client, mock, model, path, tokens):
    """By default the SDK asks for base64, and makes numbers of it itself."""
    answer = openai_client.embeddings.create(model=model, input=TEXTS)
    assert [one.index for one in answer.data] == [0, 1] and answer.object == "list"
    vectors = [one.embedding for one in answer.data]
    assert all(len(vector) == 256 and math.isclose(math.hypot(*vector), 1, rel_tol=1e-5) for vector in vectors)
    assert vectors[0] != vectors[1]
    assert mock.only_request()["path"] == path
    numbers = openai_client.embeddings.create(model=model, input=TEXTS, encoding_format="float")
    assert [one.embedding for one in numbers.data] == [pytest.approx(vector) for vector in vectors]
    if tokens is None:
        assert answer.usage is None
    else:
        assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (tokens, tokens)
    for line in gateway.lines(2, key=key.name):
        assert (line["operation"], line["status"], line["model"]) == ("embeddings", 200, model)
        if tokens is None:
            # What a provider does not count is charged as it was reserved, by the size of the request.
            assert line["source"] == "reserved" and line["cost_micros"] > 0
        else:
            assert (line["source"], line["input"], line["output"]) == ("provider", tokens, 0)


def test_titan_embeds_one_text(gateway, key, openai_client, mock):
    answer = openai_client.embeddings.create(model="titan", input=TEXTS[0], dimensions=512)
    assert len(answer.data[0].embedding) == 512 and answer.usage.prompt_tokens == 3
    assert answer.model == TITAN
    assert mock.only_request()["path"] == "/model/amazon.titan-embed-text-v2%3A0/invoke"
    line = gateway.line(key=key.name)
    assert (line["operation"], line["input"], line["source"]) == ("embeddings", 3, "provider")


def test_titan_does_not_embed_several_texts(openai_client, mock):
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        openai_client.embeddings.create(model="titan", input=TEXTS)
    assert (refused.value.code, refused.value.param) == ("unsupported_field", "input")
    assert mock.requests() == []


@pytest.mark.parametrize("model", [GEMINI, COHERE, "titan"])
def test_tokens_of_openais_models_are_refused(openai_client, model):
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        openai_client.embeddings.create(model=model, input=[[1, 2, 3]])
    assert refused.value.param == "input"


def test_a_provider_is_told_what_the_client_asks_of_it(openai_client, mock):
    answer = openai_client.embeddings.with_raw_response.create(
        model=COHERE, input=TEXTS, dimensions=1024, user="ann", extra_body={"input_type": "search_query"}
    )
    assert answer.headers["x-weirgate-dropped-fields"] == "user"
    sent = json.loads(mock.only_request()["body"])
    assert sent["input_type"] == "search_query" and "user" not in sent
    assert len(answer.parse().data[0].embedding) == 1024


def test_gemini_gets_its_own_names(openai_client):
    answer = openai_client.embeddings.create(
        model=GEMINI, input=TEXTS, dimensions=768, extra_body={"taskType": "RETRIEVAL_QUERY"}
    )
    assert len(answer.data[1].embedding) == 768


@pytest.mark.parametrize("side, model", [("gemini", GEMINI), ("cohere", COHERE), ("converse", "titan")])
def test_errors_come_in_openais_envelope(gateway, key, openai_client, mock, side, model):
    mock.script(getattr(mock, side)(status=429))
    with pytest.raises(openai.RateLimitError) as refused:
        openai_client.embeddings.create(model=model, input="x")
    assert "mock: Too Many Requests" in refused.value.message and refused.value.type
    line = gateway.line(key=key.name)
    assert (line["operation"], line["status"], line["cost_micros"]) == ("embeddings", 429, 0)


def test_what_the_provider_refuses_is_told(openai_client):
    with pytest.raises(openai.BadRequestError) as refused:
        openai_client.embeddings.create(model=COHERE, input=TEXTS, dimensions=77)
    assert "output_dimension" in refused.value.message


def test_another_provider_takes_over(openai_client, mock):
    mock.script(mock.cohere(status=503))
    answer = openai_client.embeddings.create(model="cohere-then-openai", input=TEXTS)
    assert len(answer.data) == 2
    assert [request["path"] for request in mock.requests()] == ["/v2/embed", "/v1/embeddings"]


def test_a_provider_without_embeddings_is_not_asked(openai_client, mock):
    with pytest.raises(openai.BadRequestError) as refused:
        openai_client.embeddings.create(model="claude-sonnet-4-5", input="x")
    assert refused.value.code == "dialect_not_available" and mock.requests() == []


def test_geminis_sdk_could_not_embed_under_another_name(gemini_client, mock):
    answer = gemini_client.models.embed_content(model="embedder", contents=TEXTS)
    assert len(answer.embeddings) == len(TEXTS)
    sent = mock.only_request()
    assert sent["path"] == f"/v1beta/models/{GEMINI}:batchEmbedContents"
    assert {request["model"] for request in json.loads(sent["body"])["requests"]} == {f"models/{GEMINI}"}
