"""What deploy/ holds, checked as far as a machine without a Docker engine can."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import jsonschema
import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
WEIRGATE = ROOT / "target/debug/weirgate"
DOCKERFILES = sorted(DEPLOY.glob("docker/*.Dockerfile"))
COMPOSE_FILES = [DEPLOY / "docker-compose.yaml", DEPLOY / "docker-compose.providers.yaml"]
CONFIGURATIONS = sorted([*DEPLOY.glob("*.yaml"), *DEPLOY.glob("docker/*.yaml")], key=str)
CONFIGURATIONS = [path for path in CONFIGURATIONS if path not in COMPOSE_FILES]
SCRIPTS = [
    *(path for folder in ("deploy", "envoy", "filters", "tests") for path in sorted((ROOT / folder).glob("*.sh"))),
    ROOT / ".ci/run",
]
# What the files may refer to.
VARIABLES = {
    "WEIRGATE_KEY": "a-key-for-these-tests",
    "WEIRGATE_PORT": "8080",
    "WEIRGATE_ADMIN_PORT": "9900",
    "WEIRGATE_LEDGER": "/nowhere/ledger.jsonl",
    "OPENAI_API_KEY": "sk-none",
    "ANTHROPIC_API_KEY": "sk-ant-none",
    "MOCK_URL": "http://127.0.0.1:9100",
}


def environment(**changes):
    """This process's environment without what would lead a test elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WEIRGATE")}
    kept = {name: value for name, value in kept.items() if name not in VARIABLES}
    return {**kept, **changes}


def tool(name):
    """A program that came with a Python package, or is on PATH."""
    beside = pathlib.Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found, f"{name} is missing: it is in tests/requirements.txt"
    return found


def envoy():
    ours = ROOT / ".tools/bin/envoy"
    found = os.environ.get("WEIRGATE_ENVOY") or (str(ours) if ours.exists() else shutil.which("envoy"))
    assert found, "envoy is missing: run make setup"
    return found


def run(*command, **options):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=ROOT, **options)
    assert result.returncode == 0, f"{command[0]} {command[1]}\n{result.stdout}{result.stderr}"
    return result.stdout


def named(path):
    return str(path.relative_to(ROOT))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- configurations


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=named)
def test_a_configuration_is_valid_and_envoy_takes_what_is_rendered_from_it(path, tmp_path):
    variables = environment(**VARIABLES)
    run(WEIRGATE, "check", "--config", path, env=variables)
    rendered = run(WEIRGATE, "render", "--config", path, "--filters", ROOT / "target/filters", env=variables)
    for secret in ("sk-none", "sk-ant-none"):
        assert secret not in rendered, "a provider's key was copied into Envoy's configuration"
    file = tmp_path / "envoy.yaml"
    file.write_text(rendered)
    run(envoy(), "--mode", "validate", "-c", file, env=variables)


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=named)
def test_a_configuration_names_every_variable_it_needs(path):
    settings = re.sub(r"(?m)^\s*#.*", "", path.read_text())
    needed = set(re.findall(r"\$\{(\w+)\}", settings))
    assert needed <= VARIABLES.keys()
    result = subprocess.run(
        [WEIRGATE, "check", "--config", path], capture_output=True, text=True, env=environment(), cwd=ROOT
    )
    assert result.returncode == 1
    assert set(re.findall(r"variable (\w+) is not set", result.stderr)) == needed


# --- containers


@pytest.mark.parametrize("path", DOCKERFILES, ids=named)
def test_hadolint_has_nothing_to_say(path):
    run(tool("hadolint"), path)


@pytest.mark.parametrize("path", DOCKERFILES, ids=named)
def test_images_are_pinned_and_run_as_nobody_in_particular(path):
    lines = path.read_text().splitlines()
    stages = {line.split()[-1] for line in lines if line.startswith("FROM ") and " AS " in line}
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
    for base in bases:
        assert base in stages or re.search(r":.*(\d+\.\d+\.\d+|-\d{8})", base), f"{base} is not pinned"
    assert "USER 10001:10001" in lines


@pytest.mark.parametrize("path", COMPOSE_FILES, ids=named)
def test_a_compose_file_is_what_the_specification_says(path):
    # check-jsonschema carries the schema of https://github.com/compose-spec/compose-spec (Apache-2.0).
    check_jsonschema = pytest.importorskip("check_jsonschema")
    folder = pathlib.Path(check_jsonschema.__file__).parent / "builtin_schemas/vendor"
    schema = json.loads((folder / "compose-spec.json").read_text())
    jsonschema.validate(yaml.safe_load(path.read_text()), schema)


def services():
    return yaml.safe_load((DEPLOY / "docker-compose.yaml").read_text())["services"]


@pytest.mark.parametrize("name", sorted(services()))
def test_a_container_may_do_little(name):
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert not service.get("privileged")
    assert name == "render" or "healthcheck" in service
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:"), f"{port} is open to the network"
    assert re.search(r":\d+\.\d+\.\d+$", service["image"])


@pytest.mark.parametrize("path", COMPOSE_FILES, ids=named)
def test_the_files_that_a_compose_file_names_are_there(path):
    file = yaml.safe_load(path.read_text())
    for service in file["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DEPLOY / source).is_file() if source.startswith(".") else source in ("envoy-config", "ledger")
        if build := service.get("build"):
            context = (DEPLOY / build["context"]).resolve()
            dockerfile = context / build["dockerfile"]
            assert dockerfile.is_file()
            if target := build.get("target"):
                assert f" AS {target}\n" in dockerfile.read_text()


def test_a_build_gets_every_member_of_the_workspace():
    members = re.search(r"^members = \[(.*?)\]", (ROOT / "Cargo.toml").read_text(), re.M | re.S).group(1)
    folders = [member.removesuffix("/*") for member in re.findall(r'"([^"]+)"', members)]
    for ignored in DEPLOY.glob("docker/*.dockerignore"):
        let_in = [line[1:] for line in ignored.read_text().splitlines() if line.startswith("!")]
        assert set(folders) <= set(let_in), named(ignored)


def test_the_versions_are_the_repositorys():
    version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M).group(1)
    assert {service["image"].split(":")[1] for service in services().values()} == {version}
    envoy_version = re.search(r"^version=(.*)", (ROOT / "envoy/setup.sh").read_text(), re.M).group(1)
    assert f"FROM envoyproxy/envoy:v{envoy_version}\n" in (DEPLOY / "docker/envoy.Dockerfile").read_text()


@pytest.mark.parametrize("files", [COMPOSE_FILES[:1], COMPOSE_FILES], ids=["mock", "providers"])
def test_docker_reads_the_compose_files(files):
    if not shutil.which("docker") or subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker compose is not here")
    named_files = [part for path in files for part in ("-f", path)]
    run("docker", "compose", *named_files, "config", "--quiet", env=environment(**VARIABLES))


# --- scripts


@pytest.mark.parametrize("path", SCRIPTS, ids=named)
def test_shellcheck_has_no_warning(path):
    run(tool("shellcheck"), "--severity=warning", path)


@pytest.mark.parametrize(
    ("keys", "configuration"),
    [
        ({"OPENAI_API_KEY": "a", "ANTHROPIC_API_KEY": "b"}, "deploy/weirgate.yaml"),
        ({"OPENAI_API_KEY": "a", "ANTHROPIC_API_KEY": ""}, "deploy/openai.yaml"),
        ({"ANTHROPIC_API_KEY": "b"}, "deploy/anthropic.yaml"),
    ],
)
def test_run_takes_the_configuration_that_the_keys_call_for(keys, configuration, tmp_path):
    fake = tmp_path / "weirgate"
    fake.write_text('#!/bin/sh\necho "called: $*; key: ${#WEIRGATE_KEY}"\n')
    fake.chmod(0o755)
    output = run(DEPLOY / "run.sh", "", env=environment(WEIRGATE=str(fake), **keys))
    assert f"called: up --config {configuration}; key: 35" in output
    assert re.search(r"export WEIRGATE_KEY=wg-[0-9a-f]{32}\n", output)


@pytest.mark.parametrize(("key", "is_printed"), [("${WEIRGATE_KEY}", True), ("a-key-of-my-own", False)])
def test_run_printed_a_key_that_a_file_of_ones_own_does_not_know(key, is_printed, tmp_path):
    fake, config = tmp_path / "weirgate", tmp_path / "mine.yaml"
    fake.write_text('#!/bin/sh\necho "called: $*"\n')
    fake.chmod(0o755)
    config.write_text(f"keys: [{{name: mine, key: '{key}'}}]\n")
    output = run(DEPLOY / "run.sh", "", env=environment(WEIRGATE=str(fake), WEIRGATE_CONFIG=str(config)))
    assert f"called: up --config {config}" in output
    assert ("export WEIRGATE_KEY=wg-" in output) is is_printed


@pytest.fixture
def mock_gateway(tmp_path):
    """`deploy/run.sh` with the mock provider: the process, its address and the operators' address."""
    port, admin = free_port(), free_port()
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    variables = environment(
        WEIRGATE_KEY=VARIABLES["WEIRGATE_KEY"],
        WEIRGATE_PORT=str(port),
        WEIRGATE_ADMIN_PORT=str(admin),
        WEIRGATE_ENVOY=envoy(),
        TMPDIR=str(temporary),
    )
    log = (tmp_path / "log").open("w+")
    process = subprocess.Popen(
        [DEPLOY / "run.sh"], env=variables, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while "is ready" not in (tmp_path / "log").read_text():
        assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
        time.sleep(0.05)
    yield process, f"127.0.0.1:{port}", f"127.0.0.1:{admin}"
    if process.poll() is None:
        process.terminate()
        process.wait(timeout=20)
    assert not list(temporary.iterdir()), "run.sh left a folder behind"


def members(session):
    """The processes of a session, but for those that have ended and wait to be reaped."""
    listed = subprocess.run(["ps", "-o", "stat=,cmd=", "-s", str(session)], capture_output=True, text=True).stdout
    return [line for line in listed.splitlines() if not line.startswith("Z")]


@pytest.mark.parametrize("whom", ["the script", "its group"])
def test_run_answers_from_the_mock_and_leaves_nothing_behind(mock_gateway, whom):
    process, clients, _ = mock_gateway
    body = {"model": "claude", "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"Authorization": f"Bearer {VARIABLES['WEIRGATE_KEY']}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://{clients}/v1/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer)["choices"][0]["message"]["content"].startswith("Hello from the mock")
    if whom == "the script":
        process.send_signal(signal.SIGTERM)
    else:
        # What a terminal does on Ctrl-C.
        os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=20) == 0
    assert members(process.pid) == []


@pytest.mark.parametrize("name", ["weirgate", "envoy"])
def test_a_healthcheck_tells_health_from_its_lack(mock_gateway, name):
    _, _, admin = mock_gateway
    command = services()[name]["healthcheck"]["test"]
    assert command[0] == "CMD"
    there = [re.sub(r"/dev/tcp/[^/]+/\d+", "/dev/tcp/" + admin.replace(":", "/"), part) for part in command[1:]]
    assert subprocess.run(there, capture_output=True, timeout=10).returncode == 0
    not_there = [part.replace("z HTTP", "x HTTP") for part in there]
    assert subprocess.run(not_there, capture_output=True, timeout=10).returncode != 0
