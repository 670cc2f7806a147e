"""Waiting for a condition, never for a time."""

import time

PATIENCE = 15.0
_POLL = 0.02


def wait_until(condition, what, patience=PATIENCE):
    """Calls `condition` until it is truthy, and returns what it gave."""
    deadline = time.monotonic() + patience
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"waited {patience:.0f} s in vain until {what}"
        time.sleep(_POLL)
