#!/usr/bin/env python3
"""Runs every budget scenario at full size against both stores, and writes target/proof/budgets.json."""

import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))

from support.proof import SCENARIOS  # noqa: E402

OUT = ROOT / "target/proof/budgets.json"


def main():
    results, failed = [], 0
    print(f"{'scenario':24} {'store':9} {'requests':>8} {'limit':>9} {'spent':>9} {'upstream':>9} {'lost':>6}")
    for name, (scenario, stores) in SCENARIOS.items():
        for store in stores:
            begun = time.monotonic()
            result = scenario(store)
            results.append(result.as_json())
            bad = result.spent_micros > result.limit_micros or result.lost_micros > 0
            failed += bad
            print(
                f"{name:24} {store:9} {result.requests:8} {result.limit_micros:9} {result.spent_micros:9} "
                f"{result.upstream_micros:9} {result.lost_micros:6}  {time.monotonic() - begun:5.1f} s"
                + ("  FAILED" if bad else ""),
                flush=True,
            )
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"scenarios": results}, indent=1) + "\n")
    print(f"written to {OUT.relative_to(ROOT)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
