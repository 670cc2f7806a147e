"""Free TCP ports."""

import random
import socket

# Below the range from which the kernel takes the ports of outgoing connections.
_RANGE = range(20_000, 32_000)


def free_ports(count):
    """Ports that nobody listens on now. Another process may still be faster, so whoever starts on them must retry."""
    sockets = []
    try:
        for port in random.sample(_RANGE, len(_RANGE)):
            if len(sockets) == count:
                break
            candidate = socket.socket()
            try:
                candidate.bind(("127.0.0.1", port))
                sockets.append(candidate)
            except OSError:
                candidate.close()
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
