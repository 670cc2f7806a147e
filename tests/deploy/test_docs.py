"""What the documents promise, as far as a program can check it."""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
WEIRGATE = ROOT / "target/debug/weirgate"
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Values for what examples refer to.
VARIABLES = {
    "OPENAI_API_KEY": "sk-none",
    "ANTHROPIC_API_KEY": "sk-ant-none",
    "GROQ_API_KEY": "gsk-none",
    "RESEARCH_KEY": "a-key-for-these-tests",
}
VARIABLES |= {"ADMIN_KEY": "a-key-for-these-tests", "WEIRGATE_KEY_CHECKSUM": "a-secret-for-these-tests"}
VARIABLES["WEIRGATE_ADMIN_KEY"] = "another-key-for-these-tests"
VARIABLES["WEIRGATE_ALERT_SECRET"] = "a-secret-for-these-tests"
VARIABLES["DATABASE_PASSWORD"] = "secret"
VARIABLES["PRICE_FILE"] = str(ROOT / "ext-proc-server/src/policy/prices/prices.json")


def named(path):
    return str(path.relative_to(ROOT))


def examples():
    """Blocks of YAML that stand behind the comment <!-- checked -->: whole configuration files."""
    for document in DOCUMENTS:
        for number, text in enumerate(re.findall(r"<!-- checked -->\n```yaml\n(.*?)```", document.read_text(), re.S)):
            yield pytest.param(text, id=f"{named(document)}-{number}")


@pytest.mark.parametrize("text", list(examples()))
def test_an_example_is_a_valid_configuration(text, tmp_path):
    file = tmp_path / "weirgate.yaml"
    file.write_text(text)
    result = subprocess.run([WEIRGATE, "check", "--config", file], capture_output=True, text=True, env=VARIABLES)
    assert result.returncode == 0, result.stderr


def test_the_reference_describes_every_field_that_is_read():
    # The names of rates stand with the price itself.
    source = ROOT / "ext-proc-server/src"
    files = [*sorted((source / "config").glob("*.rs")), source / "policy/prices/entry.rs"]
    load = "".join(file.read_text().split("#[cfg(test)]")[0] for file in files)
    read = set(re.findall(r'(?:get|need|list|named)\(\s*"(\w+)"', load))
    read |= set(re.findall(r'\(&mut fields,\s*"(\w+)"', load)) | set(re.findall(r'\("(\w+)", Measure', load))
    read |= set(re.findall(r'(?:read|claim)\("(\w+)"\)', load)) | set(re.findall(r'\("(\w+)", &mut', load))
    assert {"listen", "deployments", "requests_per_minute", "silence", "cache_write_1h", "batch_percent"} <= read
    reference = (ROOT / "docs/configuration.md").read_text()
    rows = re.findall(r"^\| (`.*)", reference, re.M)
    described = {word for row in rows for code in re.findall(r"`([^`]*)`", row) for word in re.findall(r"\w+", code)}
    whole = next(each for each in examples() if each.id.startswith("docs/configuration.md"))
    example = set(re.findall(r"(\w+):", whole.values[0]))
    # It stands in place of jwks_url.
    assert read - {"jwks_file"} <= example, f"not in the example: {read - example}"
    assert read - {"guard", "rules", "prices"} <= described


def anchor(heading):
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_lead_somewhere(document):
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("http://", "https://")):
            continue
        path, _, fragment = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        assert file.exists(), target
        if fragment:
            headings = re.findall(r"^#+ (.*)", file.read_text(), re.M)
            assert fragment in {anchor(heading) for heading in headings}, target
