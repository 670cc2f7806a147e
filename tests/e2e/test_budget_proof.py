"""Nobody spends more than a budget, and nothing that was generated goes uncharged, whatever dies. `make prove-budgets` runs the same at
full size."""

import pytest
from support.clients import steer
from support.gateway import Gateway, Key
from support.prompts import HELLO
from support.proof import COST, KEY, SCENARIOS, TOKENS, Rig

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


def test_a_provider_that_never_answers_is_charged_as_reserved():
    """It may have generated all the time, and bills that."""
    with Rig("embedded", 10, kind=Gateway, timeouts={"request": "1s", "silence": "1s"}) as rig:
        with rig.gateway.http(Key(KEY)) as client:
            body = {"model": "gpt-4o", "messages": HELLO, "max_tokens": TOKENS}
            assert client.post("/v1/chat/completions", json=body, headers=steer(stall=True)).status_code == 504
            assert client.post("/v1/chat/completions", json=body, headers=steer(status=500)).status_code == 500
        late, failed = rig.gateway.lines(2, key=KEY)
        assert (late["source"], late["cost_micros"]) == ("reserved", COST)
        assert (failed["source"], failed["cost_micros"]) == ("nothing", 0)
