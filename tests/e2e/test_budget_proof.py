"""Nobody spends more than a budget, and nothing that was generated goes uncharged, whatever dies. `make prove-budgets` runs the same at
full size."""

import pytest
from support.proof import SCENARIOS

# Without an entry a scenario runs at its full size.
SMALLER = {
    "two replicas": {"requests": 1000},
    "aborted streams": {"requests": 200},
    "streams without usage": {"requests": 200},
    "uncapped streams": {"requests": 60},
    "service killed": {"requests": 500, "kills": 2},
    "envoy killed": {"requests": 500, "kills": 2},
    "redis killed": {"requests": 500, "kills": 2},
}
CASES = [(name, store) for name, (_, stores) in SCENARIOS.items() for store in stores]


@pytest.mark.parametrize(("name", "store"), CASES, ids=[f"{name} ({store})" for name, store in CASES])
def test_spend_stays_in_the_budget_and_covers_what_was_generated(name, store):
    scenario, _ = SCENARIOS[name]
    result = scenario(store, **SMALLER.get(name, {}))
    assert 0 < result.spent_micros <= result.limit_micros, result
    assert 0 < result.upstream_micros <= result.spent_micros, result
