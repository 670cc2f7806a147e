"""Fixtures: one gateway for all tests that need no special one, and a fresh key for each test."""

import pytest
from support.clients import anthropic_sdk, bedrock_sdk, gemini_sdk, openai_sdk
from support.gateway import RUNNING, Gateway
from support.paths import ENVOY, FILTERS, MOCK_PROVIDER, WEIRGATE


def pytest_configure():
    missing = [str(path) for path in (WEIRGATE, MOCK_PROVIDER, FILTERS, ENVOY) if not path.exists()]
    if missing:
        pytest.exit(f"not built: {', '.join(missing)}; run `make setup filters build`", returncode=2)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for gateway in RUNNING:
            report.sections.append((f"gateway at {gateway.url}", gateway.logs()))
    return report


@pytest.fixture(scope="session")
def shared_gateway():
    with Gateway() as gateway:
        yield gateway


@pytest.fixture
def gateway(shared_gateway):
    """The shared gateway, its providers unsteered and without a past."""
    shared_gateway.mock.reset()
    return shared_gateway


@pytest.fixture
def mock(gateway):
    return gateway.mock


@pytest.fixture
def key(gateway):
    """A key that no other test uses."""
    return gateway.new_key()


@pytest.fixture
def http(gateway, key):
    with gateway.http(key) as client:
        yield client


@pytest.fixture
def openai_client(gateway, key):
    with openai_sdk(gateway, key) as client:
        yield client


@pytest.fixture
def anthropic_client(gateway, key):
    with anthropic_sdk(gateway, key) as client:
        yield client


@pytest.fixture
def gemini_client(gateway, key):
    with gemini_sdk(gateway, key) as client:
        yield client


@pytest.fixture
def bedrock_client(gateway, key):
    client = bedrock_sdk(gateway, key)
    yield client
    client.close()
