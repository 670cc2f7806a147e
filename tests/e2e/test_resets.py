"""Clients that take their requests back at once."""

import socket
import struct
import threading

import pytest
from support.gateway import Gateway
from support.prompts import HELLO
from support.waiting import wait_until

BODY = b'{"model":"gpt-4o","max_tokens":5,"messages":[{"role":"user","content":"hello"}]}'
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %s\r\ncontent-length: %d\r\n\r\n"
SOCKETS = 16
ANSWERS = 60


@pytest.fixture(scope="module")
def gateway():
    with Gateway() as gateway:
        yield gateway


def reset(address, secret):
    """Sends a request and resets its connection without waiting."""
    with socket.create_connection(address) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(HEAD % (secret.encode(), len(BODY)) + BODY)


@pytest.mark.parametrize("known", [False, True], ids=["without a key", "with a key"])
def test_resets_of_one_client_hurt_no_other_and_hold_nothing(gateway, known):
    """Once they ended the one connection between Envoy and the service, and left reservations that nobody settled."""
    host, port = gateway.address.split(":")
    secret = gateway.new_key().secret if known else "a-key-that-nobody-knows"
    over = threading.Event()

    def storm():
        while not over.is_set():
            reset((host, int(port)), secret)
            # Faster, two cores would have no time for anybody.
            over.wait(0.01)

    threads = [threading.Thread(target=storm) for _ in range(SOCKETS)]
    for thread in threads:
        thread.start()
    try:
        with gateway.http(gateway.new_key()) as client:
            body = {"model": "gpt-4o", "max_tokens": 5, "messages": HELLO}
            statuses = {client.post("/v1/chat/completions", json=body).status_code for _ in range(ANSWERS)}
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert statuses == {200}
    wait_until(lambda: gateway.usage()["open_reservations"] == 0, "nothing is held")
