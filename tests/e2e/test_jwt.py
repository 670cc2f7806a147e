"""JSON Web Tokens in place of keys: Envoy checks them, and their claims say whose a request is."""

import base64
import hashlib
import hmac
import json
import subprocess
import time

import httpx2
import pytest
from support.gateway import Gateway
from support.paths import WEIRGATE
from support.prompts import HELLO
from support.waiting import wait_until

SECRET = b"a-secret-that-only-the-issuer-and-this-test-know"
ISSUER = "https://issuer.example"
BODY = {"model": "gpt-4o", "messages": HELLO, "max_tokens": 5}


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(secret=SECRET, **claims):
    claims = {"iss": ISSUER, "aud": "weirgate", "exp": int(time.time()) + 600, "sub": "ann", "group": "red", **claims}
    claims = {name: value for name, value in claims.items() if value is not None}
    head = {"alg": "HS256", "typ": "JWT", "kid": "k"}
    signed = f"{encode(json.dumps(head).encode())}.{encode(json.dumps(claims).encode())}"
    return f"{signed}.{encode(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


@pytest.fixture(scope="module")
def token_gateway(tmp_path_factory):
    jwks = tmp_path_factory.mktemp("jwks") / "jwks.json"
    key = {"kty": "oct", "alg": "HS256", "kid": "k", "k": encode(SECRET)}
    jwks.write_text(json.dumps({"keys": [key]}))

    def change(config):
        config["jwt"] = {
            "issuer": ISSUER,
            "audiences": ["weirgate"],
            "jwks_file": str(jwks),
            "claims": {"user": "sub", "team": "group", "role": "realm.roles", "tags": "labels"},
        }
        per_user = {"name": "each", "requests": 2, "window": "year", "per": ["user"]}
        config["teams"] = [{"name": "red", "models": ["gpt-4o"], "limits": [per_user]}, {"name": "blue"}]
        admins = {"name": "guests", "requests": 1, "window": "year", "only": {"tags": ["role=guest"]}}
        config["limits"] = [admins]

    with Gateway(change) as gateway:
        yield gateway


@pytest.fixture
def gateway(token_gateway):
    token_gateway.mock.reset()
    return token_gateway


def ask(gateway, bearer, **more):
    headers = {"authorization": f"Bearer {bearer}"}
    return httpx2.post(f"{gateway.url}/v1/chat/completions", json=BODY | more, headers=headers, timeout=30)


def test_a_token_says_whose_a_request_is(gateway):
    bearer = token(sub="bob", labels=["one", "two"], realm={"roles": ["dev"]})
    assert ask(gateway, bearer).status_code == 200
    line = wait_until(
        lambda: [line for line in gateway.ledger() if line.get("user") == "bob"], "the ledger has it"
    )[0]
    assert (line["key"], line["team"], line["tags"]) == ("jwt*", "red", ["role=dev", "one", "two"])
    assert bearer not in json.dumps(gateway.mock.only_request())


def test_each_user_has_limits_of_their_own(gateway):
    assert [ask(gateway, token(sub="carol")).status_code for _ in range(3)] == [200, 200, 429]
    assert ask(gateway, token(sub="dave")).status_code == 200


def test_a_role_is_a_tag_that_limits_can_count(gateway):
    guest = token(sub="eve", realm={"roles": ["guest"]})
    assert [ask(gateway, guest).status_code for _ in range(2)] == [200, 429]


def test_a_team_bounds_the_models(gateway):
    refused = ask(gateway, token(sub="frank"), model="claude-sonnet-4-5")
    assert refused.status_code == 403 and refused.json()["error"]["code"] == "model_not_allowed"
    assert ask(gateway, token(sub="frank", group="blue"), model="claude-sonnet-4-5").status_code == 200


@pytest.mark.parametrize(
    "bad, why",
    [
        ({"secret": b"another-secret-that-the-issuer-does-not-know"}, "verification fails"),
        ({"exp": 1}, "expired"),
        ({"iss": "https://else.example"}, "issuer"),
        ({"aud": "else"}, "Audiences"),
    ],
    ids=["signature", "expired", "issuer", "audience"],
)
def test_a_token_that_does_not_hold_opens_nothing_and_is_not_called_an_unknown_key(gateway, bad, why):
    answer = ask(gateway, token(**bad))
    error = answer.json()["error"]
    assert answer.status_code == 401 and error["code"] == "invalid_token"
    assert error["message"].startswith("the token is not accepted: ") and why in error["message"]
    assert gateway.mock.requests() == []


def test_a_key_that_is_not_known_is_not_called_a_bad_token(gateway):
    answer = ask(gateway, "a-key-that-nobody-knows")
    assert answer.status_code == 401 and answer.json()["error"]["code"] == "invalid_api_key"
    without = httpx2.post(f"{gateway.url}/v1/chat/completions", json=BODY, timeout=30)
    assert without.json()["error"]["code"] == "missing_api_key"


def test_a_file_of_the_issuers_keys_that_is_not_there_is_an_error_of_check(gateway, tmp_path):
    config = json.loads(gateway.config_file.read_text())
    config["jwt"]["jwks_file"] = str(tmp_path / "none.json")
    file = tmp_path / "weirgate.yaml"
    file.write_text(json.dumps(config))
    checked = subprocess.run([WEIRGATE, "check", "-c", file], capture_output=True, text=True, env=gateway.environment())
    assert checked.returncode == 1
    assert f"jwt.jwks_file: there is no file {tmp_path / 'none.json'}" in checked.stderr


def test_a_token_without_an_algorithm_opens_nothing(gateway):
    head, claims, _ = token().split(".")
    unsigned = encode(json.dumps({"alg": "none", "typ": "JWT"}).encode())
    assert ask(gateway, f"{unsigned}.{claims}.").status_code == 401


def test_a_token_must_name_its_user_and_a_known_team(gateway):
    assert ask(gateway, token(sub=None)).json()["error"]["code"] == "invalid_token"
    assert ask(gateway, token(group="unheard-of")).json()["error"]["code"] == "unknown_team"
    assert ask(gateway, token(group=None)).json()["error"]["code"] == "unknown_team"


def test_keys_work_beside_tokens_and_clients_cannot_claim_anything(gateway):
    assert ask(gateway, gateway.new_key().secret).status_code == 200
    claimed = {"x-weirgate-claims": "{}", "x-jwt-payload": "e30"}
    with httpx2.Client(base_url=gateway.url, headers=claimed) as client:
        assert client.post("/v1/chat/completions", json=BODY).status_code == 401
