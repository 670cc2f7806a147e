"""Owners are told by webhook how much of their limits is used: each share once, signed, and whatever dies meanwhile."""

import json
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.clients import steer
from support.configuration import key as key_settings
from support.gateway import Gateway, Key
from support.parts import Parts
from support.prompts import HELLO
from support.redis import Redis
from support.waiting import wait_until
from support.webhook import SECRET, Receiver

TOKENS = 10
# A token of output costs ten micro-dollars, so a request costs a hundred.
PRICE = {"gpt-4o": {"input": 0, "output": 10}}
BODY = {"model": "gpt-4o", "messages": HELLO, "max_tokens": TOKENS}
SHARES = [("limit.threshold", 50), ("limit.threshold", 80), ("limit.reached", 100)]


def month(requests, **settings):
    return {"name": "month", "usd": f"{requests * 100 / 1_000_000:.6f}", "window": "month", **settings}


def change(receiver, **alert):
    def edit(config):
        config["prices"] = PRICE
        config["organizations"] = [{"name": "acme"}]
        config["teams"] = [
            {"name": "red", "organization": "acme", "limits": [month(10, warn_at=[50, 80], mode="soft")]},
            {"name": "blue", "limits": [month(10, warn_at=[50])]},
        ]
        config["keys"] += [
            key_settings("of-red", team="red"),
            key_settings("of-blue", team="blue"),
            key_settings("calls", limits=[{"name": "calls", "requests": 2, "window": "year"}]),
        ]
        config["alerts"] = [{"url": receiver.url, "secret": SECRET, "retry_after": "100ms", **alert}]

    return edit


def ask(gateway, key, count=1):
    with gateway.http(Key(key)) as client, ThreadPoolExecutor(4) as threads:
        send = lambda _: client.post("/v1/chat/completions", json=BODY, headers=steer(tokens=TOKENS)).status_code
        return sorted(threads.map(send, range(count)))


def outbox(gateway):
    file = gateway.folder / "weirgate-store/alerts.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return [json.loads(line) for line in lines]


def written(gateway, count):
    """The messages of the outbox, once there are that many."""
    messages = lambda: [line for line in outbox(gateway) if "body" in line]
    return wait_until(lambda: messages() if len(messages()) >= count else None, f"{count} alerts are written down")


@pytest.fixture(scope="module")
def told_gateway():
    with Receiver() as receiver, Gateway(change(receiver)) as gateway:
        gateway.receiver = receiver
        yield gateway


@pytest.fixture
def gateway(told_gateway):
    told_gateway.mock.reset()
    told_gateway.receiver.deliveries.clear()
    return told_gateway


def test_each_share_is_told_once_although_requests_go_on(gateway):
    assert set(ask(gateway, "of-red", 25)) == {200}
    gateway.lines(25, key="of-red")
    deliveries = gateway.receiver.wait(3)
    assert sorted(gateway.receiver.told(), key=lambda told: told[1]) == SHARES
    assert len({delivery.id for delivery in deliveries}) == 3
    for delivery in deliveries:
        event = delivery.event
        assert delivery.is_signed() and not delivery.is_signed("another-secret-of-some-length")
        assert abs(time.time() - int(delivery.headers["webhook-timestamp"])) < 60
        assert delivery.headers["content-type"] == "application/json"
        assert event["id"] == delivery.id
        assert event["limit"]["name"] == "month" and event["limit"]["mode"] == "soft"
        assert event["limit"]["owner"] == {"kind": "team", "name": "red"}
        assert (event["limit"]["amount"], event["limit"]["amount_usd"]) == (1000, "0.001")
        assert event["used"] * 100 >= event["percent"] * 1000
        assert event["window_start"] < event["time"] < event["resets_at"]
    assert set(gateway.receiver.paths) == {"/hooks/limits?token=not-for-logs"}
    # Nothing is left to be sent, and nothing comes when more is used.
    ask(gateway, "of-red", 5)
    gateway.lines(30, key="of-red")
    metrics = lambda: 'weirgate_alert_deliveries_total{outcome="delivered"} 3' in gateway.metrics()
    wait_until(metrics, "the metrics count the deliveries")
    assert "weirgate_alerts_waiting 0" in gateway.metrics()
    gateway.receiver.wait(3)


def test_the_first_refusal_is_told(gateway):
    assert ask(gateway, "calls", 2) == [200, 200]
    gateway.lines(2, key="calls")
    assert set(ask(gateway, "calls", 5)) == {429}
    deliveries = gateway.receiver.wait(2)
    assert sorted(gateway.receiver.told()) == [("limit.reached", 100), ("limit.refused", 100)]
    refused = next(delivery.event for delivery in deliveries if delivery.event["type"] == "limit.refused")
    assert refused["limit"]["measure"] == "requests" and refused["limit"]["mode"] == "hard"
    assert refused["limit"]["owner"] == {"kind": "key", "name": "calls"}
    assert (refused["used"], refused["reserved"]) == (2, 0)


def test_an_answer_of_500_is_followed_by_another_attempt():
    with Receiver([500, 503, 429]) as receiver, Gateway(change(receiver, events=["threshold"])) as gateway:
        ask(gateway, "of-blue", 5)
        deliveries = receiver.wait(4)
        assert len({(delivery.id, delivery.body) for delivery in deliveries}) == 1
        assert all(delivery.is_signed() for delivery in deliveries)
        wait_until(lambda: {"done": 1} in outbox(gateway), "the delivery is done")


@pytest.mark.parametrize("status", [302, 410, 400])
def test_what_is_refused_is_not_sent_again(status):
    with Receiver([status]) as receiver, Gateway(change(receiver, only={"teams": ["blue"]})) as gateway:
        ask(gateway, "of-red", 12)
        ask(gateway, "of-blue", 5)
        wait_until(lambda: "an alert was refused" in gateway.process.output(), "the log says so")
        wait_until(lambda: {"done": 1} in outbox(gateway), "nothing more is to be done")
        assert receiver.told() == [("limit.threshold", 50)]
        output = gateway.process.output()
        assert f"the answer was {status}" in output and "/hooks/limits" in output
        assert "not-for-logs" not in output and SECRET not in output


def certificate(folder):
    """A file with a key and a certificate for localhost that signs itself."""
    key, file = folder / "key.pem", folder / "certificate.pem"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    names += ["-addext", "basicConstraints=critical,CA:FALSE"]
    command = ["openssl", "req", "-x509", *curve, *names, "-keyout", key, "-out", file]
    subprocess.run(command, check=True, capture_output=True)
    file.write_text(key.read_text() + file.read_text())
    return file


def test_tls_is_used_and_checked(tmp_path, monkeypatch):
    trusted, unknown = tmp_path / "trusted", tmp_path / "unknown"
    trusted.mkdir()
    unknown.mkdir()
    file = certificate(trusted)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    with Receiver(certificate=file) as receiver, Receiver(certificate=certificate(unknown)) as stranger:

        def both(config):
            change(receiver)(config)
            config["alerts"].append({"url": stranger.url, "secret": SECRET})

        with Gateway(both) as gateway:
            ask(gateway, "of-blue", 5)
            (delivery,) = receiver.wait(1)
            assert delivery.is_signed()
            wait_until(lambda: "an alert is sent again later" in gateway.process.output(), "the log says so")
            assert "certificate" in gateway.process.output()
            assert stranger.deliveries == []


def test_a_service_that_was_killed_sends_what_it_had_not_sent():
    receiver = Receiver()
    with Parts(change(receiver, retry_after="1h")) as gateway, ExitStack() as stack:
        gateway.wait_ready()
        ask(gateway, "of-blue", 5)
        (message,) = written(gateway, 1)
        gateway.lines(5, key="of-blue")
        gateway.service.kill()
        # What a process leaves that was killed while it wrote.
        with (gateway.folder / "weirgate-store/alerts.jsonl").open("a") as file:
            file.write('{"number":2,"id":"msg_to')
        stack.enter_context(receiver)
        gateway.start_service()
        (delivery,) = receiver.wait(1)
        assert delivery.id == message["id"] and delivery.body.decode() == message["body"]
        assert delivery.is_signed()
        wait_until(lambda: {"done": 1} in outbox(gateway), "the delivery is done")
        # And only once, however often it starts.
        gateway.service.kill()
        gateway.start_service()
        wait_until(lambda: outbox(gateway) == [], "the outbox is made anew")
        gateway.wait_ready()
        ask(gateway, "of-blue", 1)
        gateway.lines(6, key="of-blue")
        receiver.wait(1)


def test_services_that_share_a_store_tell_of_a_share_once():
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="alerts-")))
        redis = Redis(folder)
        stack.callback(redis.kill)
        receiver = stack.enter_context(Receiver())

        def shared(config):
            change(receiver)(config)
            config["store"] = {"redis": redis.url, "timeout": "2s", "folder": str(Path(config["ledger"]).parent / "store")}

        gateways = [stack.enter_context(Gateway(shared)) for _ in range(2)]
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(lambda gateway: ask(gateway, "of-red", 15), gateways))
        for gateway in gateways:
            gateway.lines(15, key="of-red")
        receiver.wait(3)
        assert sorted(receiver.told(), key=lambda told: told[1]) == SHARES
