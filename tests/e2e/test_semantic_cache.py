"""Answers that were given before, to questions that mean the same."""

from pathlib import Path

import pytest
from support.admin import Api, with_admins
from support.clients import openai_sdk, steer
from support.configuration import key as key_settings
from support.gateway import Gateway, Key
from support.prompts import asks_for_weather
from support.waiting import wait_until

LIST = "How do I convert a list to a tuple in Python?"
LIST_TOO = "How can I convert a list to a tuple in Python?"
MODEL = str(Path(__file__).parents[2] / ".tools/models/all-minilm-l6-v2.onnx")


def semantic(**more):
    # A machine that runs other tests too needs time; nothing is checked by chance.
    return {"model": MODEL, "timeout": "500ms", "check_percent": 0, "cpu_percent": 400, **more}


def cached(settings, **more):
    def change(config):
        config["cache"] = {"timeout": "1s", "semantic": settings, **more}
        with_admins(config)
        config["prices"] = {"gpt-4o": {"input": 0, "output": 10}}
        config["keys"] += [key_settings(name) for name in ("first", "second")]

    return change


@pytest.fixture(scope="module")
def gateway():
    with Gateway(cached(semantic())) as gateway:
        yield gateway


def ask(gateway, text, key=None, headers=None, **more):
    body = {"model": "gpt-4o", "temperature": 0, "messages": [{"role": "user", "content": text}], **more}
    with gateway.http(key or Key("first")) as client:
        answer = client.post("/v1/chat/completions", json=body, headers={**steer(tokens=5), **(headers or {})})
    assert answer.status_code == 200, answer.text
    return answer


def found(answer):
    return answer.headers["x-weirgate-cache"], answer.headers.get("x-weirgate-cache-kind")


def test_a_question_that_means_the_same_is_given_the_answer(gateway):
    first = ask(gateway, LIST)
    assert found(first) == ("miss", None)
    second = ask(gateway, LIST_TOO)
    assert found(second) == ("hit", "semantic")
    assert 0.9 < float(second.headers["x-weirgate-cache-similarity"]) < 1
    assert second.json()["choices"] == first.json()["choices"]
    assert gateway.line(cache="semantic")["saved_micros"] == 50
    assert 'weirgate_cache_semantic_lookups_total{outcome="sure"} 1' in gateway.metrics()


def test_a_stream_is_given_it_too(gateway):
    first = ask(gateway, "What is the capital of France?").json()["choices"][0]["message"]["content"]
    with openai_sdk(gateway, Key("first")) as client:
        messages = [{"role": "user", "content": "Which is the capital of France?"}]
        raw = client.chat.completions.with_raw_response.create(
            model="gpt-4o", temperature=0, messages=messages, stream=True
        )
        text = "".join(chunk.choices[0].delta.content or "" for chunk in raw.parse() if chunk.choices)
    assert raw.headers["x-weirgate-cache-kind"] == "semantic" and text == first


@pytest.mark.parametrize(
    "one, other",
    [
        ("How many people live in Berlin in 2019?", "How many people live in Berlin in 2020?"),
        ("What are the opening hours on Sunday?", "What are the opening hours on Monday?"),
        ("How long is a walk of 5 miles?", "How long is a walk of 5 kilometers?"),
        ("Can the Basic plan be refunded?", "Can the Basic plan not be refunded?"),
        ("What is the refund policy of Ryanair?", "What is the refund policy of Lufthansa?"),
        ("How do I convert TOML to YAML?", "How do I convert YAML to TOML?"),
        ("What does Bryant think of James?", "What does James think of Bryant?"),
        ("What does os.path.join do?", "What does os.path.split do?"),
        ("What is a weir?", "Was ist ein Wehr?"),
    ],
)
def test_what_differs_in_little_is_another_question(gateway, one, other):
    for text in (one, other):
        assert found(ask(gateway, text)) == ("miss", None)


def test_all_but_the_question_has_to_be_equal(gateway):
    ask(gateway, "How do I learn to swim fast?")
    like = "How can I learn to swim fast?"
    user = {"role": "user", "content": like}
    others = [
        dict(key=Key("second")),
        dict(model="renamed"),
        dict(seed=1),
        dict(max_tokens=50),
        dict(tools=asks_for_weather()["tools"]),
        dict(messages=[{"role": "system", "content": "be brief"}, user]),
        dict(messages=[{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}, user]),
        dict(headers={"cache-control": "no-cache"}),
    ]
    assert [found(ask(gateway, like, **other))[0] for other in others] == ["miss"] * len(others)
    # Nothing of this was kept for the plain question, but by the last, which is the same.
    assert found(ask(gateway, like)) == ("hit", "exact")


def test_who_says_who_he_is_shares_nothing(gateway):
    ask(gateway, "My name is Ann, how do I say hello?")
    assert found(ask(gateway, "My name is Ann, how do I say hello please?")) == ("miss", None)


def test_an_answer_that_is_called_wrong_is_not_given_again(gateway):
    key = Key("second")
    ask(gateway, LIST, key)
    hit = ask(gateway, LIST_TOO, key)
    assert found(hit) == ("hit", "semantic")
    with Api(gateway) as api:
        api.post("/cache/feedback", entry=hit.headers["x-weirgate-cache-entry"], wrong=True)
    assert found(ask(gateway, LIST_TOO, key)) == ("miss", None)


def test_questions_survive_a_restart():
    with Gateway(cached(semantic())) as gateway:
        ask(gateway, LIST)
        file = next(gateway.folder.glob("*store*")) / "questions.jsonl"
        wait_until(lambda: file.exists() and LIST in file.read_text(), "the question is written")
        gateway.restart()
        assert found(ask(gateway, LIST_TOO)) == ("hit", "semantic")


def test_shadow_mode_gives_nothing_and_tells_what_would_have_been_right():
    with Gateway(cached(semantic(mode="shadow"))) as gateway:
        ask(gateway, LIST, headers=steer(text="Use tuple(values)."))
        same = ask(gateway, LIST_TOO, headers=steer(text="Use tuple(values)."))
        other = ask(gateway, "How can I convert a list to a tuple in Python please?", headers=steer(text="Bread needs flour."))
        assert found(same) == found(other) == ("miss", None)
        lookups = 'weirgate_cache_semantic_lookups_total{outcome="shadow"}'
        assert wait_until(lambda: lookups in gateway.metrics(), "it is counted")
        right = 'weirgate_cache_semantic_checked_total{given="true",right="true"} 1'
        wait_until(lambda: right in gateway.metrics(), "the answers are compared")


def test_a_kept_answer_that_differs_from_a_providers_is_trusted_less():
    with Gateway(cached(semantic(check_percent=100))) as gateway:
        ask(gateway, LIST, headers=steer(text="Use tuple(values)."))
        assert found(ask(gateway, LIST_TOO, headers=steer(text="Bread needs flour.")))[0] == "miss"
        wrong = 'weirgate_cache_semantic_checked_total{given="true",right="false"} 1'
        wait_until(lambda: wrong in gateway.metrics(), "the answers are compared")


def test_a_providers_model_embeds():
    def change(config):
        cached({})(config)
        url = f"http://127.0.0.1:{config['providers']['openai']['base_url'].rsplit(':', 1)[1].split('/')[0]}/v1/embeddings"
        config["cache"]["semantic"] = {
            "embedder": "provider", "url": url, "model": "text-embedding-3-small", "key": "${OPENAI_API_KEY}",
            "timeout": "500ms", "min_similarity": 0.8, "check_percent": 0,
        }

    with Gateway(change) as gateway:
        ask(gateway, LIST)
        assert found(ask(gateway, LIST_TOO)) == ("hit", "semantic")
        paths = [request["path"] for request in gateway.mock.requests()]
        assert paths.count("/v1/embeddings") == 2 and len(paths) == 3
