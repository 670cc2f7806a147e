"""Where the parts are. Each can be set by an environment variable, to test another build."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def _path(variable, default):
    return ROOT / os.environ.get(variable, default)


WEIRGATE = _path("E2E_WEIRGATE", "target/debug/weirgate")
MOCK_PROVIDER = _path("E2E_MOCK_PROVIDER", "target/debug/mock-provider")
FILTERS = _path("E2E_FILTERS", "target/filters")
ENVOY = _path("E2E_ENVOY", ".tools/bin/envoy")
