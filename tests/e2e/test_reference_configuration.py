"""The configurations under envoy/ are what `weirgate render` writes, and Envoy takes them."""

import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = ["gateway.yaml", "provider-select.yaml", "prompt-guard.yaml", "token-counter.yaml"]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("envoy")
    subprocess.run([ROOT / "envoy/render.sh", folder], check=True)
    return folder


@pytest.mark.parametrize("name", FILES)
def test_the_reference_is_what_is_rendered(rendered, name):
    assert (ROOT / "envoy" / name).read_text() == (rendered / name).read_text(), "run `make envoy-config`"


@pytest.mark.parametrize("name", FILES)
def test_envoy_takes_the_reference(rendered, name, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "x")
    local = rendered / f"local-{name}"
    local.write_text((rendered / name).read_text().replace("/etc/weirgate/filters", str(ROOT / "target/filters")))
    check = [ROOT / ".tools/bin/envoy", "--mode", "validate", "-c", local]
    answer = subprocess.run(check, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr[-2000:]
