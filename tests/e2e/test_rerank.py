"""Documents ranked by Cohere or by Jina, whichever of the two APIs the client speaks."""

import json

import pytest
from support.gateway import Gateway

COHERE, JINA = "rerank-v3.5", "jina-reranker-v2-base-multilingual"
DOCUMENTS = ["green field", "water over stone", "over water"]
ASKED = {"query": "water over stone", "documents": DOCUMENTS, "top_n": 2}
# A search of Cohere's costs $0.002.
SEARCH = 2_000


def change(config):
    jina = {"provider": "jina", "model": JINA}
    cohere = {"provider": "cohere", "model": COHERE}
    config["providers"]["jina"] = {**config["providers"]["openai"]}
    models = {"by-cohere": [cohere], "by-jina": [jina], "cohere-then-jina": [cohere, jina], "jina-then-cohere": [jina, cohere]}
    config["models"] += [{"name": name, "deployments": deployments} for name, deployments in models.items()]
    config["prices"] = {JINA: {"input": 1000, "output": 0}}


@pytest.fixture(scope="module")
def ranking():
    with Gateway(change) as gateway:
        yield gateway


@pytest.fixture
def gateway(ranking):
    ranking.mock.reset()
    return ranking


def places(answer):
    assert answer.status_code == 200, answer.text
    return [(result["index"], result["relevance_score"]) for result in answer.json()["results"]]


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
@pytest.mark.parametrize("model, at", [("by-cohere", ("/v2/rerank", COHERE)), ("by-jina", ("/v1/rerank", JINA))])
def test_either_api_reaches_either_provider(gateway, key, http, mock, path, model, at):
    answer = http.post(path, json={"model": model, **ASKED})
    assert places(answer) == [(1, 1.0), (2, pytest.approx(2 / 3))]
    sent = mock.only_request()
    assert (sent["path"], json.loads(sent["body"])["model"]) == at
    line = gateway.line(key=key.name)
    assert (line["operation"], line["status"], line["source"], line["model"]) == ("rerank", 200, "provider", model)
    assert line["upstream_model"] == at[1] and line["output"] == 0
    if model == "by-cohere":
        assert (line["searches"], line["input"], line["cost_micros"]) == (1, 0, SEARCH)
    else:
        # 7 words at a thousand micro-dollars.
        assert (line.get("searches"), line["input"], line["cost_micros"]) == (None, 7, 7_000)


def test_every_search_is_reserved_and_charged(gateway, key, http):
    answer = http.post("/v2/rerank", json={"model": "by-cohere", "query": "water", "documents": ["water"] * 250})
    assert answer.json()["meta"]["billed_units"]["search_units"] == 3
    line = gateway.line(key=key.name)
    assert (line["searches"], line["cost_micros"], line["reserved_micros"]) == (3, 3 * SEARCH, 3 * SEARCH)


def test_another_provider_takes_over(gateway, key, http, mock):
    mock.script(mock.cohere(status=503))
    body = {"model": "cohere-then-jina", "return_documents": True, **ASKED}
    answer = http.post("/v1/rerank", json=body)
    assert [index for index, _ in places(answer)] == [1, 2]
    # It is asked for what the first could not give.
    assert answer.json()["results"][0]["document"] == {"text": "water over stone"}
    assert "x-weirgate-dropped-fields" not in answer.headers
    assert [request["path"] for request in mock.requests()] == ["/v2/rerank", "/v1/rerank"]
    line = gateway.line(key=key.name)
    assert (line["provider"], line["attempts"]) == ("jina", 2)
    mock.reset()
    mock.script(mock.openai(status=500))
    assert len(places(http.post("/v2/rerank", json={"model": "jina-then-cohere", **ASKED}))) == 2
    assert [request["path"] for request in mock.requests()] == ["/v1/rerank", "/v2/rerank"]


def test_documents_of_jinas_reach_cohere_as_texts(http, mock):
    documents = [{"text": "green field"}, "water", {"text": "stone", "title": "over"}]
    body = {"model": "by-cohere", "query": "water", "documents": documents, "return_documents": True}
    answer = http.post("/v1/rerank", json=body)
    assert places(answer)[0] == (1, 1.0)
    assert answer.headers["x-weirgate-dropped-fields"] == "return_documents"
    sent = json.loads(mock.only_request()["body"])
    assert sent["documents"][:2] == ["green field", "water"]
    assert json.loads(sent["documents"][2]) == {"text": "stone", "title": "over"}


def test_what_only_cohere_knows_is_not_sent_to_others(http, mock):
    answer = http.post("/v2/rerank", json={"model": "by-jina", "max_tokens_per_doc": 100, **ASKED})
    assert len(places(answer)) == 2 and answer.headers["x-weirgate-dropped-fields"] == "max_tokens_per_doc"
    assert "max_tokens_per_doc" not in json.loads(mock.only_request()["body"])


def test_a_failure_costs_nothing_and_is_told(gateway, key, http, mock):
    mock.script(mock.cohere(status=429))
    answer = http.post("/v2/rerank", json={"model": "by-cohere", **ASKED})
    assert answer.status_code == 429 and "Too Many Requests" in answer.json()["message"]
    line = gateway.line(key=key.name)
    assert (line["operation"], line["status"], line["cost_micros"]) == ("rerank", 429, 0)


def test_a_model_that_ranks_nothing_is_refused(http, mock):
    answer = http.post("/v1/rerank", json={"model": "claude-sonnet-4-5", **ASKED})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "dialect_not_available")
    refused = http.post("/v2/rerank", json={"model": "claude-sonnet-4-5", **ASKED})
    assert "claude-sonnet-4-5" in refused.json()["message"]
    assert mock.requests() == []
