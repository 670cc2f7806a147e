"""How providers know that a request is the gateway's: signatures, tokens, and keys in files."""

import json
import os

import openai
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from support.clients import anthropic_sdk, openai_sdk
from support.cloud import Cloud
from support.gateway import Gateway
from support.parts import Parts
from support.paths import FILTERS, WEIRGATE
from support.prompts import HELLO
from support.waiting import wait_until

NOVA = "amazon.nova-lite-v1:0"
PRO = "amazon.nova-pro-v1:0"
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0"
AWS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "AWS_SESSION_TOKEN": "a-session/token+of==the-tests",
}
SECRET = "client~secret.of-the/tests"


class GatewayTo(Gateway):
    """A gateway with these providers, each with models, and with this environment."""

    def __init__(self, providers, models, environment=()):
        def change(config):
            config["providers"].update(providers)
            config["models"] += [{"name": name, "deployments": list(to)} for name, to in models.items()]

        super().__init__(change)
        self._environment = dict(environment)

    def environment(self):
        # Not the machine's own credentials.
        machine = {name: value for name, value in super().environment().items() if not name.startswith("AWS_")}
        return machine | {"AWS_EC2_METADATA_DISABLED": "true"} | self._environment


def to(provider, model):
    return {"provider": provider, "model": model}


def ask(gateway, model, content="Hello", **more):
    with openai_sdk(gateway, gateway.new_key()) as client:
        messages = [{"role": "user", "content": content}]
        return client.chat.completions.create(model=model, messages=messages, max_tokens=9, **more)


@pytest.fixture
def cloud():
    with Cloud() as cloud:
        yield cloud


# Signatures


@pytest.fixture(scope="module")
def signing():
    with Cloud() as cloud:
        providers = {
            "signed": {"dialect": "converse", "base_url": cloud.url, "aws": {"region": "us-east-1"}},
            "invoked": {"preset": "bedrock-anthropic", "base_url": cloud.url, "aws": {"region": "us-east-1"}},
            "compatible": {
                "dialect": "openai",
                "base_url": f"{cloud.url}/openai/v1",
                "aws": {"region": "eu-west-1", "service": "bedrock-mantle"},
            },
        }
        models = {
            "nova": [to("signed", NOVA)],
            PRO: [to("signed", PRO)],
            "profile": [to("signed", ARN)],
            "claude": [to("invoked", ARN)],
            "gpt-oss": [to("compatible", "openai.gpt-oss-120b-1:0")],
            "nova-then-claude": [to("signed", NOVA), to("claude", "claude-sonnet-4-5")],
            "twice": [to("signed", NOVA), to("signed", ARN)],
        }
        with GatewayTo(providers, models, AWS) as gateway:
            gateway.cloud = cloud
            yield gateway


@pytest.fixture
def signed(signing):
    signing.cloud.requests.clear()
    signing.mock.reset()
    return signing


def signature(request, url, region="us-east-1", service="bedrock"):
    """The header `authorization` that this request must have, computed by Amazon's own library."""
    given = request.headers["authorization"]
    names = given.split("SignedHeaders=")[1].split(",")[0].split(";")
    headers = {name: request.headers[name] for name in names}
    again = AWSRequest(request.method, url + request.target, headers=headers, data=request.body)
    again.context["timestamp"] = request.headers["x-amz-date"]
    signer = SigV4Auth(Credentials(AWS["AWS_ACCESS_KEY_ID"], AWS["AWS_SECRET_ACCESS_KEY"]), service, region)
    canonical = signer.canonical_request(again)
    text = signer.string_to_sign(again, canonical)
    scope = signer.credential_scope(again)
    access = AWS["AWS_ACCESS_KEY_ID"]
    signed = f"SignedHeaders={';'.join(names)}, Signature={signer.signature(text, again)}"
    return given, f"AWS4-HMAC-SHA256 Credential={access}/{scope}, {signed}"


@pytest.mark.parametrize(
    ("model", "target"),
    [
        ("nova", "/model/amazon.nova-lite-v1%3A0/converse"),
        ("profile", f"/model/{ARN.replace(':', '%3A').replace('/', '%2F')}/converse"),
        ("claude", f"/model/{ARN.replace(':', '%3A').replace('/', '%2F')}/invoke"),
    ],
)
def test_a_translated_request_is_signed_as_amazon_does(signed, model, target):
    answer = ask(signed, model)
    assert answer.choices[0].message.content == "Hello from the cloud" and answer.usage.total_tokens == 9
    (request,) = signed.cloud.requests
    assert request.target == target
    assert request.headers["host"] == f"127.0.0.1:{signed.cloud.port}"
    assert request.headers["x-amz-security-token"] == AWS["AWS_SESSION_TOKEN"]
    names = request.headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    assert {"host", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"} <= set(names)
    given, expected = signature(request, signed.cloud.url)
    assert given == expected
    (message,) = json.loads(request.body)["messages"]
    assert message["role"] == "user" and message["content"][0]["text"] == "Hello"


def test_a_long_body_is_signed_too(signed):
    text = "All work and no play makes Jack a dull boy. " * 70_000
    assert ask(signed, "nova", text).choices
    (request,) = signed.cloud.requests
    assert len(request.body) > 3_000_000
    given, expected = signature(request, signed.cloud.url)
    assert given == expected


def test_a_request_that_is_not_translated_is_signed(signed):
    assert ask(signed, "gpt-oss").choices
    (request,) = signed.cloud.requests
    assert request.target == "/openai/v1/chat/completions"
    assert json.loads(request.body)["model"] == "openai.gpt-oss-120b-1:0"
    given, expected = signature(request, signed.cloud.url, "eu-west-1", "bedrock-mantle")
    assert given == expected


@pytest.mark.parametrize("name", [PRO, PRO.replace(":", "%3A"), "nova"])
def test_a_request_in_the_providers_own_dialect_is_signed(signed, name):
    body = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
    with signed.http(signed.new_key()) as client:
        answer = client.post(f"/model/{name}/converse", json=body)
    assert answer.status_code == 200, answer.text
    (request,) = signed.cloud.requests
    assert json.loads(request.body) == body
    given, expected = signature(request, signed.cloud.url)
    assert given == expected


def test_what_a_client_has_signed_does_not_reach_the_provider(signed):
    theirs = {"x-amz-date": "20200101T000000Z", "x-amz-security-token": "theirs", "x-amz-other": "theirs"}
    assert ask(signed, "nova", extra_headers=theirs).choices
    (request,) = signed.cloud.requests
    assert "theirs" not in str(request.headers) and "2020" not in request.headers["x-amz-date"]
    given, expected = signature(request, signed.cloud.url)
    assert given == expected


def test_each_attempt_is_signed_anew_and_the_next_provider_sees_no_signature(signed):
    signed.cloud._statuses.append(503)
    assert ask(signed, "twice").choices
    first, second = signed.cloud.requests
    assert first.target != second.target
    for request in (first, second):
        given, expected = signature(request, signed.cloud.url)
        assert given == expected
    signed.cloud._statuses.append(503)
    assert ask(signed, "nova-then-claude").choices
    request = signed.mock.only_request()
    assert not [name for name in request["headers"] if name.startswith("x-amz")]
    assert "authorization" not in request["headers"]


def test_a_containers_credentials_are_found(cloud):
    cloud.credentials = {
        "AccessKeyId": AWS["AWS_ACCESS_KEY_ID"],
        "SecretAccessKey": AWS["AWS_SECRET_ACCESS_KEY"],
        "Token": AWS["AWS_SESSION_TOKEN"],
        "Expiration": "2099-01-01T00:00:00Z",
    }
    providers = {"signed": {"dialect": "converse", "base_url": cloud.url, "aws": {"region": "us-east-1"}}}
    environment = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{cloud.url}/credentials"}
    with GatewayTo(providers, {"nova": [to("signed", NOVA)]}, environment) as gateway:

        def is_signed():
            ask(gateway, "nova")
            return "authorization" in cloud.requests[-1].headers

        wait_until(is_signed, "there are credentials")
        assert cloud.credential_requests
        given, expected = signature(cloud.requests[-1], cloud.url)
        assert given == expected


def test_without_credentials_requests_go_unsigned_and_the_gateway_runs(cloud):
    providers = {"signed": {"dialect": "converse", "base_url": cloud.url, "aws": {"region": "us-east-1"}}}
    with GatewayTo(providers, {"nova": [to("signed", NOVA)]}, {"AWS_EC2_METADATA_DISABLED": "false"}) as gateway:
        assert ask(gateway, "nova").choices
    assert cloud.keys() == [None]


def test_no_secret_is_in_the_rendered_configuration_or_the_log(signed):
    rendered = signed.run("render", *render(signed))
    rendered.wait()
    assert "host_rewrite" in rendered.output()
    for text in (rendered.output(), signed.process.output()):
        assert AWS["AWS_SECRET_ACCESS_KEY"] not in text and AWS["AWS_SESSION_TOKEN"] not in text


def render(gateway):
    return [WEIRGATE, "render", "-c", gateway.config_file, "--filters", FILTERS]


# Tokens


def oauth(cloud, **more):
    return {
        "dialect": "openai",
        "base_url": f"{cloud.url}/v1",
        "oauth": {
            "token_url": f"{cloud.url}/tenant/oauth2/v2.0/token",
            "client_id": "the-client",
            "client_secret": "${CLIENT_SECRET}",
            "scopes": ["https://cognitiveservices.azure.com/.default"],
        }
        | more,
    }


def with_oauth(cloud, **more):
    return GatewayTo({"entra": oauth(cloud, **more)}, {"m": [to("entra", "gpt-4o")]}, {"CLIENT_SECRET": SECRET})


@pytest.mark.parametrize("client_auth", ["header", "body"])
def test_a_token_is_got_for_the_clients_secret(cloud, client_auth):
    with with_oauth(cloud, client_auth=client_auth, params={"audience": "https://api.example/"}) as gateway:
        assert ask(gateway, "m").choices
        assert ask(gateway, "m").choices
        assert len(cloud.tokens) == 1, "one for all clusters of the provider"
        keys = {key for key in cloud.keys()}
        assert keys and keys <= {f"Bearer {token}" for token in cloud.tokens}
        form = cloud.token_requests[0]
        assert form["grant_type"] == "client_credentials" and form["in_header"] == (client_auth == "header")
        assert (form["client_id"], form["client_secret"]) == ("the-client", SECRET)
        assert form["scope"] == "https://cognitiveservices.azure.com/.default"
        assert form["audience"] == "https://api.example/"
        rendered = gateway.run("render", *render(gateway))
        rendered.wait()
        assert SECRET not in rendered.output() + gateway.process.output()
        assert not [token for token in cloud.tokens if token in gateway.process.output()]


def test_a_token_is_renewed_before_it_ends(cloud):
    cloud.lifetime = 4
    with with_oauth(cloud) as gateway:
        used = lambda: ask(gateway, "m").choices and len(set(cloud.keys())) >= 3
        wait_until(used, "a third token is used")
        # None was used after its end, and no request failed.
        assert set(cloud.keys()) <= {f"Bearer {token}" for token in cloud.tokens}


def test_a_token_server_that_is_away_is_asked_again(cloud):
    cloud.broken = True
    with with_oauth(cloud) as gateway:
        wait_until(lambda: len(cloud.token_requests) >= 2, "it was asked twice")
        assert not answers(gateway, "m")
        assert cloud.requests == []
        cloud.broken = False
        wait_until(lambda: answers(gateway, "m"), "a token has come")
        log = gateway.process.output()
        assert log.count("a token for the provider cannot be got") == 1 and "unavailable: not now, ..." in log
        assert log.count("there is a token for the provider again") == 1 and SECRET not in log


# Files


def put(path, text):
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    os.replace(new, path)


def test_a_key_in_a_file_is_followed_without_a_restart_and_without_a_failed_request(cloud, tmp_path):
    file = tmp_path / "token"
    put(file, "first-key\n")
    providers = {"vertex": {"dialect": "openai", "base_url": f"{cloud.url}/v1", "api_key_file": str(file)}}
    with GatewayTo(providers, {"m": [to("vertex", "gpt-4o")]}) as gateway:
        assert ask(gateway, "m").choices
        assert cloud.keys() == ["Bearer first-key"]
        for key in ("second-key", "third-key"):
            put(file, f"  {key} \n")
            wait_until(lambda: ask(gateway, "m").choices and cloud.keys()[-1] == f"Bearer {key}", f"{key} is used")
        # Written in place.
        file.write_text("fourth-key")
        wait_until(lambda: ask(gateway, "m").choices and cloud.keys()[-1] == "Bearer fourth-key", "it is used")
        rendered = gateway.run("render", *render(gateway))
        rendered.wait()
        assert "-key" not in rendered.output().replace("api-key", "").replace("x-goog-api-key", "")
        for key in ("first", "second", "third", "fourth"):
            assert f"{key}-key" not in gateway.process.output()


def test_a_key_that_is_missing_is_said_once_and_found_when_it_comes(cloud, tmp_path):
    file = tmp_path / "token"
    providers = {
        "vertex": {
            "preset": "vertex",
            "base_url": f"{cloud.url}/v1/projects/p/locations/l/publishers/google",
            "api_key_file": str(file),
        }
    }
    models = {"m": [to("vertex", "gemini-2.5-flash")]}
    with GatewayTo(providers, models) as gateway:
        assert gateway.http(gateway.new_key()).post(
            "/v1/chat/completions", json={"model": "gpt-4o", "messages": HELLO}
        ).status_code == 200
        with pytest.raises(openai.APIStatusError):
            ask(gateway, "m")
        assert cloud.requests == []
        put(file, "a-key")
        wait_until(lambda: answers(gateway, "m"), "the key is used")
        assert cloud.keys()[-1] == "Bearer a-key"
        assert "x-goog-api-key" not in cloud.requests[-1].headers
        put(file, "\n")
        wait_until(lambda: not answers(gateway, "m"), "the key is taken back")
        assert gateway.process.output().count("the provider has no key") == 2
        assert gateway.process.output().count("it is empty") == 1
        put(file, "another-key")
        wait_until(lambda: answers(gateway, "m"), "the key is used")
        assert cloud.keys()[-1] == "Bearer another-key"


def answers(gateway, model):
    try:
        return ask(gateway, model).choices
    except openai.APIStatusError as error:
        assert error.status_code == 401, error
        return None


def test_a_service_that_comes_back_gives_the_key_that_is_there_then(cloud, tmp_path):
    file = tmp_path / "token"
    put(file, "first-key")
    provider = {"dialect": "openai", "base_url": f"{cloud.url}/v1", "api_key_file": str(file)}

    def change(config):
        config["providers"]["p"] = provider
        config["models"].append({"name": "m", "deployments": [to("p", "gpt-4o")]})

    with Parts(change) as gateway:
        gateway.wait_ready()
        assert ask(gateway, "m").choices
        gateway.service.stop()
        put(file, "second-key")
        gateway.start_service()
        gateway.wait_ready()
        wait_until(lambda: answers(gateway, "m") and cloud.keys()[-1] == "Bearer second-key", "the new key is used")
        assert set(cloud.keys()) == {"Bearer first-key", "Bearer second-key"}


# Queries


def test_every_path_to_a_provider_has_its_query(cloud):
    provider = {
        "preset": "azure-dated",
        "base_url": f"{cloud.url}/openai/deployments/d",
        "query": {"api-version": "2024-10-21"},
        "api_key": "a-key",
    }
    with GatewayTo({"azure": provider}, {"m": [to("azure", "gpt-4o")]}) as gateway:
        with anthropic_sdk(gateway, gateway.new_key()) as client:
            assert client.messages.create(model="m", max_tokens=9, messages=HELLO).content
        assert ask(gateway, "m").choices
        assert ask(gateway, "m", extra_query={"api-version": "1999", "more": "1"}).choices
    path = "/openai/deployments/d/chat/completions?"
    dated = "api-version=2024-10-21"
    assert [request.target for request in cloud.requests] == [path + dated, path + dated, path + "more=1&" + dated]
    assert {request.headers["api-key"] for request in cloud.requests} == {"a-key"}
