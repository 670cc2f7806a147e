"""The weirgate.yaml that most tests use. It is written as JSON, which is YAML too."""

# Every test gets a key of its own, so that it finds its own lines in the ledger.
POOL = 2_000
# Anthropic's models as clouds serve them, with the mock's names of the dialects.
HOSTED = {"eu.anthropic.claude-sonnet-4-5-20250929-v1:0": "invoke", "claude-sonnet-4-5@20250929": "rawpredict"}
# The mock's names of all dialects whose bodies are Anthropic's.
ANTHROPICS = ("anthropic", *HOSTED.values())
# Nothing listens there.
CLOSED = "http://127.0.0.1:1/v1"


def secret(name):
    return f"weirgate-key-of-{name}"


def key(name, **settings):
    return {"name": name, "key": secret(name), **settings}


def pool_name(number):
    return f"test-{number}"


def configuration(mock, listen, admin, ledger):
    openai, claude = {"provider": "openai", "model": "gpt-4o"}, {"provider": "claude", "model": "claude-sonnet-4-5"}
    down_openai = {"provider": "down-openai", "model": "gpt-4o"}
    down_claude = {"provider": "down-claude", "model": "claude-sonnet-4-5"}
    model = lambda name, *deployments: {"name": name, "deployments": list(deployments)}
    return {
        "listen": listen,
        "admin": admin,
        "ledger": str(ledger),
        "providers": {
            "openai": {
                "dialect": "openai",
                "base_url": f"http://127.0.0.1:{mock.openai_port}/v1",
                "api_key": "${OPENAI_API_KEY}",
            },
            "claude": {
                "dialect": "anthropic",
                "base_url": f"http://127.0.0.1:{mock.anthropic_port}/v1",
                "api_key": "${ANTHROPIC_API_KEY}",
            },
            "gemini": {
                "dialect": "gemini",
                "base_url": f"http://127.0.0.1:{mock.gemini_port}/v1beta",
                "api_key": "${GEMINI_API_KEY}",
            },
            "openai-responses": {
                "dialect": "responses",
                "base_url": f"http://127.0.0.1:{mock.responses_port}/v1",
                "api_key": "${RESPONSES_API_KEY}",
            },
            "bedrock": {
                "dialect": "converse",
                "base_url": f"http://127.0.0.1:{mock.converse_port}",
                "api_key": "${BEDROCK_API_KEY}",
            },
            "claude-invoke": {
                "dialect": "invoke",
                "base_url": f"http://127.0.0.1:{mock.converse_port}",
                "api_key": "${BEDROCK_API_KEY}",
            },
            "claude-rawpredict": {
                "dialect": "rawpredict",
                "base_url": f"http://127.0.0.1:{mock.gemini_port}/v1/projects/p/locations/l/publishers/anthropic",
                "api_key": "${GEMINI_API_KEY}",
            },
            "cohere": {
                "dialect": "cohere",
                "base_url": f"http://127.0.0.1:{mock.cohere_port}/v2",
                "api_key": "${COHERE_API_KEY}",
            },
            "down-openai": {"dialect": "openai", "base_url": CLOSED, "api_key": "sk-down"},
            "down-claude": {"dialect": "anthropic", "base_url": CLOSED, "api_key": "sk-down"},
        },
        "models": [
            model("gpt-4o", openai),
            model("renamed", {"provider": "openai", "model": "gpt-4o-mini"}),
            model("claude-sonnet-4-5", claude),
            model("gemini-2.5-flash", {"provider": "gemini", "model": "gemini-2.5-flash"}),
            model("gemini-3-pro", {"provider": "gemini", "model": "gemini-3-pro-preview"}),
            model("gpt-5-pro", {"provider": "openai-responses", "model": "gpt-5-pro"}),
            model("gpt-4.1", {"provider": "openai-responses", "model": "gpt-4.1"}),
            model("amazon.nova-lite-v1:0", {"provider": "bedrock", "model": "amazon.nova-lite-v1:0"}),
            model("command-a", {"provider": "cohere", "model": "command-a"}),
            *[model(name, {"provider": f"claude-{dialect}", "model": name}) for name, dialect in HOSTED.items()],
            model("openai-then-claude", openai, claude),
            model("claude-then-openai", claude, openai),
            model("down-openai-then-claude", down_openai, claude),
            model("down-claude-then-openai", down_claude, openai),
            model("down-claude-then-gemini", down_claude, {"provider": "gemini", "model": "gemini-2.5-flash"}),
            model("down", down_openai),
            model("down-claude", down_claude),
        ],
        "passthrough": "openai",
        "keys": [key("only-claude", models=["claude-sonnet-4-5"])] + [key(pool_name(n)) for n in range(POOL)],
        "guard": {"rules": [{"name": "no-project-x", "action": "deny", "pattern": "(?i)project x"}]},
        "envoy": {"concurrency": 2},
    }
