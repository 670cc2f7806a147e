"""The admin API through real processes: what it makes is in force at once, and outlives them."""

import json
import subprocess
import threading
from datetime import datetime, timedelta, timezone

import httpx2
import openai
import pytest
from support.admin import ADMIN, VIEWER, Api, with_admins
from support.clients import anthropic_sdk, openai_sdk, steer
from support.gateway import Gateway
from support.parts import Parts
from support.paths import WEIRGATE
from support.prompts import HELLO
from support.waiting import wait_until

CHECKSUM = "a-secret-of-checksums"
TEAM_ADMIN = "weirgate-key-of-purples-admin"


class Made:
    """A key that the API has made, as the SDKs' fixtures want it."""

    def __init__(self, answer):
        self.name, self.secret = answer["name"], answer["key"]


def configure(config):
    with_admins(config)
    config["admins"].append({"name": "pam", "key": TEAM_ADMIN, "role": "team_admin", "team": "purple"})
    config["key_checksum"] = CHECKSUM


@pytest.fixture(scope="module")
def managed_gateway():
    with Gateway(configure) as gateway:
        yield gateway


@pytest.fixture
def gateway(managed_gateway):
    managed_gateway.mock.reset()
    return managed_gateway


@pytest.fixture
def api(gateway):
    with Api(gateway) as api:
        yield api


@pytest.fixture
def name(request):
    """A name that no other test uses."""
    return request.node.name.replace("[", "-").replace("]", "")[:100]


def chat(gateway, key, model="gpt-4o", **options):
    with openai_sdk(gateway, key) as client:
        return client.chat.completions.create(model=model, messages=HELLO, **options)


def status(gateway, key, model="gpt-4o", path="/v1/chat/completions"):
    with gateway.http(key) as http:
        return http.post(path, json={"model": model, "messages": HELLO}).status_code


def refusal(gateway, key, model="gpt-4o", path="/v1/chat/completions"):
    with gateway.http(key) as http:
        answer = http.post(path, json={"model": model, "messages": HELLO})
    return answer.status_code, answer.json()["error"]["code"]


def test_a_key_is_used_at_once_and_its_requests_are_its_principals(gateway, api, name):
    api.post("/organizations", name="acme")
    api.post("/teams", name="red", organization="acme")
    api.post("/users", name="ann", team="red")
    key = Made(api.post("/keys", name=name, user="ann", tags=["night"]))
    chat(gateway, key, extra_headers=steer(tokens=12))
    line = gateway.line(key=name)
    assert (line["user"], line["team"], line["organization"], line["tags"]) == ("ann", "red", "acme", ["night"])
    rows = wait_until(lambda: api.get("/spend", group_by="organization,team,user,key", key=name)["rows"], "it is summed")
    assert (rows[0]["user"], rows[0]["cost_micros"]) == ("ann", line["cost_micros"])
    assert api.text("/spend", group_by="tag", tag="night", format="csv").splitlines()[1].startswith("night,1,0,")


def test_the_old_secret_is_accepted_for_its_grace_period(gateway, api, name):
    first = Made(api.post("/keys", name=name))
    second = Made(api.post(f"/keys/{name}/rotate", grace_seconds=3600))
    assert (status(gateway, first), status(gateway, second)) == (200, 200)
    third = Made(api.act(f"/keys/{name}/rotate"))
    assert refusal(gateway, first) == refusal(gateway, second) == (401, "invalid_api_key")
    assert status(gateway, third) == 200


def test_a_grace_period_ends(gateway, api, name):
    first = Made(api.post("/keys", name=name))
    api.post(f"/keys/{name}/rotate", grace_seconds=1)
    wait_until(lambda: refusal_of_expiry(gateway, first), "the grace period is over")


def refusal_of_expiry(gateway, key):
    with gateway.http(key) as http:
        answer = http.get("/v1/models")
    return answer.status_code == 401 and answer.json()["error"]["code"] == "expired_api_key"


def test_an_owner_rotates_their_own_key(gateway, api, name):
    first = Made(api.post("/keys", name=name))
    with Api(gateway, first.secret) as own:
        assert own.get("/me")["key"]["name"] == name
        second = Made(own.act("/me/rotate"))
        assert own.answer("GET", "/keys").status_code == 401, "the old secret is gone"
    with Api(gateway, second.secret) as own:
        assert own.answer("GET", "/keys").status_code == 403
    assert (status(gateway, first), status(gateway, second)) == (401, 200)


def test_an_owner_calls_from_the_networks_of_the_key(gateway, api, name):
    key = api.post("/keys", name=name, networks=["127.0.0.0/8", "::1"])["key"]
    with Api(gateway, key) as own:
        assert own.answer("GET", "/me").status_code == 200
        api.patch(f"/keys/{name}", networks=["10.0.0.0/8"])
        assert own.answer("GET", "/me").status_code == 403


def test_a_key_is_blocked_and_unblocked(gateway, api, name):
    key = Made(api.post("/keys", name=name))
    api.act(f"/keys/{name}/block")
    assert refusal(gateway, key) == (403, "blocked_api_key")
    api.act(f"/keys/{name}/unblock")
    assert status(gateway, key) == 200


def test_a_key_expires(gateway, api, name):
    soon = datetime.now(timezone.utc) + timedelta(hours=1)
    key = Made(api.post("/keys", name=name, expires_at=soon.isoformat()))
    assert status(gateway, key) == 200
    past = datetime.now(timezone.utc) - timedelta(seconds=1)
    assert api.patch(f"/keys/{name}", expires_at=past.isoformat())["status"] == "expired"
    assert refusal(gateway, key) == (401, "expired_api_key")


@pytest.mark.parametrize(
    "scope, refused",
    [
        ({"models": ["claude-sonnet-4-5"]}, "model_not_allowed"),
        ({"providers": ["claude"]}, "provider_not_allowed"),
        ({"operations": ["messages"]}, "operation_not_allowed"),
        ({"networks": ["10.0.0.0/8"]}, "network_not_allowed"),
    ],
    ids=["model", "provider", "operation", "network"],
)
def test_a_key_is_scoped(gateway, api, name, scope, refused):
    key = Made(api.post("/keys", name=name, **scope))
    code, word = refusal(gateway, key)
    assert code == 403 and word == refused
    if refused != "network_not_allowed":
        with anthropic_sdk(gateway, key) as client:
            client.messages.create(model="claude-sonnet-4-5", max_tokens=5, messages=HELLO)
    api.patch(f"/keys/{name}", **{field: None for field in scope})
    assert status(gateway, key) == 200


def test_a_limit_is_in_force_at_once(gateway, api, name):
    key = Made(api.post("/keys", name=name, limits=[{"name": "few", "measure": "requests", "amount": 2, "window": "day"}]))
    assert [status(gateway, key) for _ in range(3)] == [200, 200, 429]
    (standing,) = api.get("/standings", key=name)["items"]
    assert (standing["limit"], standing["used"] + standing["reserved"], standing["remaining"]) == ("few", 2, 0)
    api.patch(f"/keys/{name}", limits=[{"name": "few", "measure": "requests", "amount": 3, "window": "day"}])
    assert [status(gateway, key) for _ in range(2)] == [200, 429]
    api.patch(f"/keys/{name}", limits=None)
    assert status(gateway, key) == 200


def test_a_limit_of_nobody_is_in_force_at_once(gateway, api, name):
    key = Made(api.post("/keys", name=name))
    api.post("/limits", name=name, measure="requests", amount=1, window="day", only={"keys": [name]})
    assert [status(gateway, key) for _ in range(2)] == [200, 429]
    api.delete(f"/limits/{name}")
    assert status(gateway, key) == 200


def test_a_deleted_key_is_not_known(gateway, api, name):
    key = Made(api.post("/keys", name=name))
    api.delete(f"/keys/{name}")
    assert refusal(gateway, key) == (401, "invalid_api_key")


def test_the_audit_log_shows_before_and_after_and_no_hash(gateway, api, name):
    api.post("/users", name=name, metadata={"desk": "7"})
    api.patch(f"/users/{name}", metadata={"desk": "8"})
    api.post("/keys", name=name)
    changes = api.get("/audit", name=name)["items"]
    assert [(change["action"], change["kind"]) for change in changes] == [
        ("create", "key"), ("update", "user"), ("create", "user"),
    ]
    assert (changes[1]["before"]["metadata"], changes[1]["after"]["metadata"]) == ({"desk": "7"}, {"desk": "8"})
    assert changes[1]["actor"] == "root" and "digest" not in json.dumps(changes)
    with Api(gateway, VIEWER) as viewer:
        assert viewer.answer("GET", "/audit").status_code == 403


def test_nothing_secret_is_in_the_logs(gateway, api, name):
    made = api.post("/keys", name=name)
    api.answer("POST", "/keys", content="{", headers={"content-type": "application/json"})
    log = gateway.process.output()
    for secret in (made["key"], ADMIN, CHECKSUM):
        assert secret not in log


def test_the_command_does_what_the_api_does(gateway, name):
    def weirgate(*arguments, key=ADMIN):
        environment = {**gateway.environment(), "WEIRGATE_ADMIN_URL": gateway.admin, "WEIRGATE_ADMIN_KEY": key}
        return subprocess.run([WEIRGATE, *arguments], capture_output=True, text=True, env=environment)

    made = weirgate("keys", "create", name, "--set", "models=gpt-4o", "--set", "metadata.desk=7", "--json")
    assert made.returncode == 0, made.stderr
    key = Made(json.loads(made.stdout))
    assert status(gateway, key) == 200
    rotated = json.loads(weirgate("keys", "rotate", name, "--grace-seconds", "60", "--json").stdout)
    assert status(gateway, Made(rotated)) == status(gateway, key) == 200
    listed = weirgate("keys", "list").stdout
    (row,) = [line for line in listed.splitlines() if line.startswith(name)]
    assert "active" in row and rotated["key"][:12] in row and rotated["key"] not in listed
    assert "status: blocked" in weirgate("keys", "block", name).stdout
    assert weirgate("keys", "update", name, "--set", "models=null").returncode == 0
    gateway.lines(3, key=name)
    spend = weirgate("spend", "--group-by", "key", "--only", f"key={name}", "--format", "csv").stdout
    assert spend.splitlines()[1].startswith(f"{name},3,0,")
    assert "update" in weirgate("audit", "--name", name).stdout
    assert weirgate("keys", "delete", name).returncode == 0
    missing = weirgate("keys", "show", name)
    assert (missing.returncode, missing.stderr) == (1, f'weirgate: there is no key "{name}"\n')
    refused = weirgate("keys", "list", key="nobody")
    assert refused.returncode == 1 and "not known" in refused.stderr


def test_a_restart_knows_everything():
    with Gateway(configure) as gateway:
        with Api(gateway) as api:
            limits = [{"name": "few", "measure": "requests", "amount": 2, "window": "day"}]
            key = Made(api.post("/keys", name="k", limits=limits))
            second = Made(api.post("/keys/k/rotate", grace_seconds=3600))
            assert status(gateway, key) == 200
            gateway.line(key="k")
        gateway.restart()
        with Api(gateway) as api:
            assert [status(gateway, each) for each in (key, second)] == [200, 429]
            assert len(api.get("/audit")["items"]) == 2
            assert api.get("/spend", key="k")["rows"][0]["requests"] >= 1


def test_a_service_that_is_killed_loses_no_change_that_was_answered():
    answered = set()
    with Parts(configure) as gateway:
        for kills in range(1, 4):
            make_keys_until_the_service_is_killed(gateway, f"k{kills}", answered)
            gateway.start_service()
            with Api(gateway) as api:
                known = {item["name"] for item in every(api, "/keys") if item["source"] == "api"}
            assert answered <= known
            # Of the change that was under way nobody was told: it may have been made or not.
            assert len(known - answered) <= kills


def make_keys_until_the_service_is_killed(gateway, prefix, answered):
    """Kills the service while keys are made, and adds the names of those that were answered."""
    under_way = threading.Event()

    def kill():
        under_way.wait(30)
        gateway.service.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with Api(gateway) as api:
        for number in range(100_000):
            try:
                api.post("/keys", name=f"{prefix}-{number}")
            except httpx2.TransportError:
                break
            answered.add(f"{prefix}-{number}")
            if number == 20:
                under_way.set()
    killer.join()


def every(api, path):
    items, cursor = [], {}
    while True:
        page = api.get(path, limit=1000, **cursor)
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = {"cursor": page["next_cursor"]}


def test_a_forged_key_is_refused_by_the_filter_alone():
    with Parts(configure) as gateway:
        gateway.wait_ready()
        with Api(gateway) as api:
            key = Made(api.post("/keys", name="k"))
        forged = Made({"name": "forged", "key": key.secret[:-6] + "000000"})
        assert status(gateway, key) == 200
        assert refusal(gateway, forged) == (401, "invalid_api_key")
        gateway.service.kill()
        assert refusal(gateway, forged) == (401, "invalid_api_key")
        with anthropic_sdk(gateway, forged) as client, pytest.raises(Exception) as error:
            client.messages.create(model="claude-sonnet-4-5", max_tokens=5, messages=HELLO)
        assert error.value.status_code == 401 and error.value.body["type"] == "error"
        # A genuine key gets as far as the service, which is gone.
        assert refusal(gateway, key) == (503, "gateway_unavailable")


def test_a_teams_admin_does_not_learn_whose_a_name_is(gateway, api, name):
    api.post("/teams", name="purple")
    api.post("/keys", name=name)
    with Api(gateway, TEAM_ADMIN) as own:
        own.post("/keys", name=f"{name}-own", team="purple")
        make = lambda name: own.answer("POST", "/keys", json={"name": name, "team": "purple"})
        # Nobody's, the file's, and one of the team itself.
        answers = [make(taken) for taken in (name, "only-claude", f"{name}-own")]
    assert [answer.status_code for answer in answers] == [409, 409, 409]
    assert len({answer.text for answer in answers}) == 1 and name not in answers[0].text


def test_check_names_the_place_of_a_forged_key_and_not_the_key(tmp_path):
    forged = "sk-wg-" + 38 * "0"
    config = {
        "providers": {"openai": {"dialect": "openai"}},
        "keys": [{"name": "k", "key": forged}],
        "key_checksum": CHECKSUM,
    }
    file = tmp_path / "weirgate.yaml"
    file.write_text(json.dumps(config))
    checked = subprocess.run([WEIRGATE, "check", "--config", file], capture_output=True, text=True)
    told = checked.stdout + checked.stderr
    assert checked.returncode == 1 and "keys[0].key: begins with sk-wg-" in told, told
    assert forged not in told and CHECKSUM not in told


def test_the_api_is_closed_without_admins():
    with Gateway() as gateway, Api(gateway) as api:
        answer = api.answer("GET", "/keys")
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "no_admins")
