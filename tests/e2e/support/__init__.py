"""What the tests stand on: a gateway of real processes, and ways to wait for what they do."""
