"""A body that ends in trailers is never called complete by Envoy, so it must not pass unseen."""

import json
import socket

import h2.config
import h2.connection
import h2.events
import pytest

TRAILERS = [("x-trailer", "1")]


def post_with_trailers(gateway, key, path, body):
    """One HTTP/2 request whose body ends in trailers; returns the status and the answer's body."""
    host, port = gateway.address.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        http = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        http.initiate_connection()
        http.send_headers(1, [
            (":method", "POST"), (":path", path), (":scheme", "http"), (":authority", gateway.address),
            ("authorization", f"Bearer {key.secret}"), ("content-type", "application/json"),
        ])
        http.send_data(1, json.dumps(body).encode())
        http.send_headers(1, TRAILERS, end_stream=True)
        connection.sendall(http.data_to_send())
        status, answer = None, b""
        while True:
            for event in http.receive_data(connection.recv(65536)):
                if isinstance(event, h2.events.ResponseReceived):
                    status = int(dict(event.headers)[":status"])
                elif isinstance(event, h2.events.DataReceived):
                    answer += event.data
                elif isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset)):
                    return status, answer.decode()
            connection.sendall(http.data_to_send())


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
def test_trailers_do_not_switch_off_the_guard(gateway, key, mock, path):
    denied = [{"role": "user", "content": "project x"}]
    status, text = post_with_trailers(gateway, key, path, {"model": "gpt-4o", "messages": denied, "input": denied})
    assert (status, json.loads(text)["error"]["code"]) == (400, "trailers_not_supported")
    assert mock.requests() == []
