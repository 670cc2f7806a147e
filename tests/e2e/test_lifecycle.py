"""Parts that start, end and fail, and what clients and operators see of it."""

import json
import os
import re
import signal
import socket
import subprocess

import openai
import pytest
from support.clients import openai_sdk, steer
from support.gateway import ENVIRONMENT, Gateway
from support.mock import OPENAI_KEY
from support.parts import Parts
from support.paths import ENVOY, FILTERS, WEIRGATE
from support.ports import free_ports
from support.process import children, command_lines, is_running
from support.prompts import HELLO
from support.waiting import wait_until

CHAT = {"model": "gpt-4o", "messages": HELLO}


def chat(gateway, key, **fields):
    with gateway.http(key) as client:
        return client.post("/v1/chat/completions", json={**CHAT, **fields})


def check_unavailable(answer):
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) >= 1
    error = answer.json()["error"]
    assert error["message"] and error["type"] == "service_unavailable"


@pytest.fixture(scope="module")
def whole_parts():
    with Parts() as parts:
        parts.wait_ready()
        yield parts


@pytest.fixture
def parts(whole_parts):
    """A gateway in parts that runs; a test that ends a part need not start it again."""
    if whole_parts.service.popen.poll() is not None:
        whole_parts.start_service()
    if whole_parts.envoy.popen.poll() is not None:
        whole_parts.start_envoy()
    whole_parts.wait_ready()
    whole_parts.mock.reset()
    return whole_parts


def test_serve_and_render_make_the_gateway_that_up_makes(parts):
    key = parts.new_key()
    assert chat(parts, key).status_code == 200
    assert chat(parts, key, model="claude-sonnet-4-5").status_code == 200
    assert len(parts.lines(2, key=key.name)) == 2


def test_a_service_that_was_killed_is_told_in_the_envelope_and_may_come_back(parts):
    key = parts.new_key()
    parts.service.kill()
    check_unavailable(chat(parts, key))
    with openai_sdk(parts, key) as client, pytest.raises(openai.InternalServerError):
        client.chat.completions.create(**CHAT)
    assert parts.mock.requests() == []
    parts.start_service()
    parts.wait_ready()
    assert chat(parts, key).status_code == 200
    assert parts.line(key=key.name, status=200)


@pytest.mark.parametrize("model", ["gpt-4o", "claude-sonnet-4-5"])
def test_a_stream_goes_on_when_the_service_is_killed(parts, model):
    """Also one that is translated: that is done in Envoy."""
    key = parts.new_key()
    with openai_sdk(parts, key) as client:
        stream = client.chat.completions.create(
            model=model, messages=HELLO, stream=True, extra_headers=steer(tokens=20, chunk_delay_ms=50)
        )
        next(iter(stream))
        parts.service.kill()
        choices = [chunk.choices[0] for chunk in stream]
    assert sum(bool(choice.delta.content) for choice in choices) == 20
    assert choices[-1].finish_reason == "stop"


def test_envoy_may_be_killed_and_started_again_and_readyz_tells_the_truth(parts):
    key = parts.new_key()
    assert parts.readyz() == (200, "ready\n")
    parts.envoy.kill()
    status, reason = parts.readyz()
    assert status == 503 and "cannot reach envoy" in reason
    parts.start_envoy()
    parts.wait_ready()
    assert chat(parts, key).status_code == 200


def test_a_reservation_outlives_an_envoy_that_is_killed(parts):
    """Nobody settles it then; until it expires it is held against the key, and operators see it."""
    key = parts.new_key()
    with openai_sdk(parts, key) as client:
        stream = client.chat.completions.create(stream=True, extra_headers=steer(tokens=50, stall_after=11), **CHAT)
        next(iter(stream))
        parts.envoy.kill()
    usage = parts.usage()
    (row,) = [row for row in usage["keys"] if row["key"] == key.name]
    assert row["reserved_micros"] > 0 and row["spent_micros"] == 0 and usage["open_reservations"] >= 1


@pytest.mark.parametrize("missing", ["prompt-guard", "token-counter", "provider-select", "decide"])
def test_readyz_is_no_when_a_filter_is_missing_from_envoys_chain(missing):
    def without(yaml):
        # The filter of the listener: the first of that name. An item of a list ends where the next begins.
        item = rf"^( *)- name: weirgate\.{missing}\n(?:\1  .*\n)+"
        edited, count = re.subn(item, "", yaml, count=1, flags=re.M)
        assert count == 1
        return edited

    with Parts(edit=without) as parts:
        answering = lambda: "cannot reach" not in parts.readyz()[1]
        wait_until(answering, "Envoy listens", patience=60)
        status, reason = parts.readyz()
        assert status == 503, reason
        assert "chain" in reason or "decide" in reason or "answered" in reason


def test_requests_pass_without_the_service_where_that_is_wished_and_no_key_leaks():
    def change(config):
        config["on_service_failure"] = "pass"

    with Parts(change) as parts:
        parts.wait_ready()
        key = parts.new_key()
        parts.service.kill()
        answer = chat(parts, key)
        assert answer.status_code == 200, answer.text
        assert answer.json()["choices"][0]["message"]["content"]
        request = parts.mock.only_request()
        assert key.secret not in json.dumps(request)
        assert request["headers"]["authorization"] == f"Bearer {OPENAI_KEY}"
        assert not [name for name in request["headers"] if name.startswith("x-weirgate")]
        # The guard is in Envoy and stands without the service too.
        assert chat(parts, key, messages=[{"role": "user", "content": "project x"}]).status_code == 400


def envoy_of(gateway):
    (pid,) = children(gateway.process.pid)
    return pid


def test_sigterm_ends_both_and_leaves_nothing_behind():
    with Gateway() as gateway:
        assert os.listdir(gateway.temporary)
        envoy = envoy_of(gateway)
        assert gateway.process.stop(signal.SIGTERM) == 0
        assert not is_running(envoy)
        assert os.listdir(gateway.temporary) == []
        assert not [line for line in command_lines() if str(gateway.temporary) in line]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_under_way_at_the_end_is_still_reserved_after_the_restart(how):
    """Nobody knows how far the streams had come, so what they hold is not given back."""
    with Gateway() as gateway:
        key = gateway.new_key()
        with openai_sdk(gateway, key) as client:
            client.chat.completions.create(extra_headers=steer(tokens=5), **CHAT)
            spent = gateway.line(key=key.name)["cost_micros"]
            stream = client.chat.completions.create(stream=True, extra_headers=steer(tokens=50, stall_after=11), **CHAT)
            next(iter(stream))
            envoy = envoy_of(gateway)
            gateway.process.stop(how)
        wait_until(lambda: not is_running(envoy), "Envoy ends")
        gateway.restart()
        usage = gateway.usage()
        (row,) = [row for row in usage["keys"] if row["key"] == key.name]
        assert row["reserved_micros"] > 0 and row["spent_micros"] == spent and usage["open_reservations"] == 1


def test_sigkill_of_weirgate_leaves_no_envoy_behind():
    with Gateway() as gateway:
        envoy = envoy_of(gateway)
        gateway.process.kill()
        wait_until(lambda: not is_running(envoy), "Envoy ends")


def test_weirgate_ends_and_says_why_when_envoy_dies():
    with Gateway() as gateway:
        os.kill(envoy_of(gateway), signal.SIGKILL)
        assert gateway.process.wait() != 0
        assert "envoy ended" in gateway.process.output()
        assert os.listdir(gateway.temporary) == []


def up_with(gateway, envoy, filters, config=None):
    """Starts a gateway that cannot run, and waits for its end."""
    arguments = [WEIRGATE, "up", "-c", config or gateway.config_file, "--envoy", envoy, "--filters", filters]
    return subprocess.run(arguments, env=gateway.environment(), capture_output=True, text=True, timeout=90)


@pytest.fixture
def stopped_gateway():
    """A gateway that was ended, with its files still there."""
    with Gateway() as gateway:
        gateway.process.stop()
        yield gateway


@pytest.mark.parametrize("what", ["listen", "admin"])
def test_an_address_that_is_taken_is_told(stopped_gateway, what):
    host, port = stopped_gateway.config[what].rsplit(":", 1)
    with socket.create_server((host, int(port))):
        ended = up_with(stopped_gateway, ENVOY, FILTERS)
    assert ended.returncode != 0
    assert port in ended.stderr and "in use" in ended.stderr.lower()
    assert os.listdir(stopped_gateway.temporary) == []


def test_a_second_gateway_on_the_same_address_is_refused():
    """Envoys share a port silently, so both would have got some of the clients."""
    with Gateway() as first:
        config = {**first.config, "admin": f"127.0.0.1:{free_ports(1)[0]}", "ledger": str(first.folder / "second")}
        file = first.folder / "second.yaml"
        file.write_text(json.dumps(config))
        ended = up_with(first, ENVOY, FILTERS, file)
        assert ended.returncode != 0 and first.address in ended.stderr
        assert chat(first, first.new_key()).status_code == 200


def test_envoys_own_words_are_shown_when_it_refuses_its_configuration(stopped_gateway, tmp_path):
    for name in ("provider-select", "prompt-guard", "token-counter"):
        (tmp_path / f"{name}.wasm").write_bytes(b"no wasm")
    ended = up_with(stopped_gateway, ENVOY, tmp_path)
    assert ended.returncode != 0
    assert "wasm" in ended.stderr.lower() and "is ready" not in ended.stdout
    assert os.listdir(stopped_gateway.temporary) == []


def test_an_envoy_that_is_not_there_is_told(stopped_gateway):
    ended = up_with(stopped_gateway, "/no/envoy", FILTERS)
    assert ended.returncode != 0 and "/no/envoy" in ended.stderr
    assert os.listdir(stopped_gateway.temporary) == []


def test_filters_that_are_not_there_are_told(stopped_gateway):
    ended = up_with(stopped_gateway, ENVOY, "/no/filters")
    assert ended.returncode != 0 and "/no/filters" in ended.stderr
    assert os.listdir(stopped_gateway.temporary) == []


BROKEN = """\
listen: 127.0.0.1
providers:
  openai: {dialect: opnai, api_key: k}
  claude: {dialect: anthropic, api_key: "${E2E_IS_NOT_SET}"}
models:
  - name: gpt-4o
    deployments: [{provider: opena, model: gpt-4o}]
    colour: red
keys:
  - {name: demo, key: short}
guard:
  rules:
    - {name: bad, action: deny, pattern: "("}
"""
# The line, what stands at the column that is named, and words that the message must hold.
PROBLEMS = [
    (1, "127.0.0.1", "127.0.0.1"),
    (3, "opnai", 'did you mean "openai"'),
    (4, '"${E2E', "E2E_IS_NOT_SET"),
    (7, "opena,", 'did you mean "openai"'),
    (8, "red", "colour"),
    (10, "short", "16 characters"),
    (13, '"("', "pattern"),
]


def check(text, tmp_path, **environment):
    file = tmp_path / "weirgate.yaml"
    file.write_text(text)
    return subprocess.run([WEIRGATE, "check", "-c", file], capture_output=True, text=True, env={**os.environ, **environment})


def test_check_shows_every_error_with_its_place(tmp_path):
    checked = check(BROKEN, tmp_path)
    assert checked.returncode != 0
    told = [line for line in checked.stderr.splitlines() if ": line " in line]
    for (line, at, words), said in zip(PROBLEMS, told):
        column = BROKEN.splitlines()[line - 1].index(at) + 1
        assert f"line {line}, column {column}: " in said, said
        assert words in said, said
    assert len(told) == len(PROBLEMS), checked.stderr


def test_check_shows_where_a_file_is_no_yaml(tmp_path):
    checked = check("listen: [\nproviders: {", tmp_path)
    assert checked.returncode != 0 and re.search(r"line \d+, column \d+", checked.stderr)


BUDGET_WITHOUT_PRICE = """
providers: {p: {dialect: openai}}
models: [{name: mine, deployments: [{provider: p, model: of-my-own}]}]
keys: [{name: k, key: sixteen-characters-or-more, limits: {budget: {usd: 5}}}]
"""


def test_check_warns_of_a_budget_beside_a_model_without_a_price(tmp_path):
    checked = check(BUDGET_WITHOUT_PRICE, tmp_path)
    assert checked.returncode == 0
    assert 'warning' in checked.stderr and 'the model "mine" has a deployment without a price' in checked.stderr


def test_up_without_filters_says_how_to_get_them(tmp_path):
    file = tmp_path / "weirgate.yaml"
    file.write_text("store: {folder: none}\n" + BUDGET_WITHOUT_PRICE)
    started = subprocess.run([WEIRGATE, "up", "-c", file, "--filters", tmp_path], capture_output=True, text=True, timeout=30)
    assert started.returncode == 1
    for words in (f"the filters are not in {tmp_path}", "make filters", "--filters"):
        assert words in started.stderr


def test_import_of_a_file_that_is_no_map_names_the_file(tmp_path):
    file = tmp_path / "map.json"
    file.write_text("no json")
    imported = subprocess.run([WEIRGATE, "prices", "import", file], capture_output=True, text=True)
    assert imported.returncode == 1 and f"{file}: " in imported.stderr


def test_check_is_content_with_the_configuration_of_these_tests(shared_gateway, tmp_path):
    checked = check(shared_gateway.config_file.read_text(), tmp_path, **ENVIRONMENT)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_service_ends_when_told_to_while_envoy_is_connected(parts):
    assert chat(parts, parts.new_key()).status_code == 200
    parts.service.popen.terminate()
    wait_until(lambda: parts.service.popen.poll() is not None, "the service has ended")
    assert parts.service.popen.returncode == 0
