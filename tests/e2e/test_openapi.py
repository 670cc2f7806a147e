"""The OpenAPI document against the server: Schemathesis makes requests of it, good ones and bad ones, and checks the answers."""

import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from support.admin import ADMIN, Api, with_admins
from support.gateway import Gateway

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture(scope="module")
def gateway():
    def change(config):
        with_admins(config)
        config["cache"] = {}

    with Gateway(change) as gateway:
        yield gateway


def schemathesis(gateway, key, seconds, *options):
    """Runs every check that Schemathesis has, for so long."""
    document = f"{gateway.admin}/admin/v1/openapi.json"
    run = subprocess.run(
        [SCHEMATHESIS, "--config-file", CONFIGURATION, "run", document, "--no-color", "--continue-on-failure"]
        + ["--header", f"Authorization: Bearer {key}", "--max-time", str(seconds), "--seed", "1", *options],
        capture_output=True,
        text=True,
        cwd=gateway.folder,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_the_document_and_the_server_agree(gateway):
    told = schemathesis(gateway, ADMIN, 40)
    count = len(operations(gateway))
    assert f"Selected: {count}/{count}" in told and f"Tested: {count}" in told, told


def test_they_agree_for_the_owner_of_a_key(gateway):
    with Api(gateway) as api:
        key = api.post("/keys", name="owner")["key"]
        # Rotating would end the key with which all other requests are made.
        schemathesis(gateway, key, 5, "--include-path", "/me")
        assert api.get("/keys/owner")["status"] == "active"


def test_the_document_is_open_to_everybody(gateway):
    found = operations(gateway)
    assert len({operation["operationId"] for operation in found}) == len(found)
    assert all(operation["summary"] and operation["tags"] for operation in found)


def operations(gateway):
    document = httpx2.get(f"{gateway.admin}/admin/v1/openapi.json").json()
    return [operation for item in document["paths"].values() for operation in item.values()]
