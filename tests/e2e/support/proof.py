"""What is spent against what was generated, while everything that can die dies.

Each scenario sends requests with one key on one budget through real Envoys and real services, and compares the budget, what the
gateway has charged, and what the mock provider counted as generated. A token of output costs TOKEN micro-dollars and the prompt
nothing, so whoever counts the prompt does not matter.
"""

import asyncio
import signal
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx2

from .clients import steer
from .configuration import key as key_settings
from .configuration import secret
from .gateway import Gateway
from .parts import Parts
from .prompts import HELLO
from .redis import Redis
from .waiting import wait_until

STORES = ("embedded", "redis")
TOKENS = 10
TOKEN = 10
COST = TOKENS * TOKEN
KEY = "proven"
# A request whose end nobody reports is charged so soon after it began.
TIMEOUTS = {"request": "4s", "silence": "4s", "settle": "1s"}
PATIENCE = 90


@dataclass
class Result:
    name: str
    store: str
    requests: int
    limit_micros: int
    spent_micros: int
    upstream_micros: int
    lost_micros: int

    def as_json(self):
        return asdict(self)


class Rig(ExitStack):
    """Gateways that share a store and a budget for so many requests."""

    def __init__(self, store, budget_requests, gateways=1, kind=Parts, timeouts=None, default_tokens=TOKENS):
        super().__init__()
        self.store, self._kind, self._count = store, kind, gateways
        self._timeouts = timeouts or TIMEOUTS
        self._default_tokens = default_tokens
        self.limit = budget_requests * COST

    def __enter__(self):
        super().__enter__()
        try:
            if self.store == "redis":
                folder = Path(self.enter_context(tempfile.TemporaryDirectory(prefix="proof-")))
                self.redis = Redis(folder)
                self.callback(self.redis.kill)
            self.gateways = [self.enter_context(self._kind(self._change)) for _ in range(self._count)]
            for gateway in self.gateways:
                if isinstance(gateway, Parts):
                    gateway.wait_ready()
            self.gateway = self.gateways[0]
        except BaseException:
            self.close()
            raise
        return self

    def _change(self, config):
        config["prices"] = {"gpt-4o": {"input": 0, "output": TOKEN}}
        config["timeouts"] = self._timeouts
        config["default_output_tokens"] = self._default_tokens
        usd = f"{self.limit / 1_000_000:.6f}"
        config["keys"] = [key_settings(KEY, limits=[{"name": "budget", "usd": usd, "window": "total"}])]
        if self.store == "redis":
            config["store"] = {"redis": self.redis.url, "timeout": "2s"}

    def row(self, gateway=None):
        (row,) = (gateway or self.gateway).usage()["keys"]
        return row

    def nothing_is_held(self):
        try:
            return self.row()["reserved_micros"] == 0
        except (AssertionError, httpx2.TransportError):
            return False

    def result(self, name, requests):
        """The result, once every request has ended and is settled or has expired."""
        for gateway in self.gateways:
            mock = gateway.mock
            wait_until(lambda mock=mock: mock.stats()["in_flight"] == 0, "the providers are done", PATIENCE)
        wait_until(self.nothing_is_held, "nothing is held any more", PATIENCE)
        generated = sum(entry["output_tokens"] for gateway in self.gateways for entry in gateway.mock.ledger())
        spent, upstream = self.row()["spent_micros"], generated * TOKEN
        return Result(name, self.store, requests, self.limit, spent, upstream, max(0, upstream - spent))


async def send(gateways, count, connections, body=None, headers=None, leave_after=None, meanwhile=None):
    """Sends that many requests, spread over the gateways, and returns their statuses; 0 where the connection broke. `meanwhile` runs
    while they are under way."""
    body = {"model": "gpt-4o", "messages": HELLO, "max_tokens": TOKENS} | (body or {})
    headers = {"authorization": f"Bearer {secret(KEY)}", **(headers or {})}
    limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
    gate = asyncio.Semaphore(connections)
    async with ExitStackOfClients(gateways, headers, limits) as clients:

        async def one(number):
            client = clients[number % len(clients)]
            async with gate:
                while True:
                    try:
                        return await attempt(client, number)
                    except httpx2.ConnectError:
                        # Nobody is there just now, so nothing was asked of anybody.
                        await asyncio.sleep(0.05)
                    except httpx2.HTTPError:
                        return 0

        async def attempt(client, number):
            async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
                chunks = 0
                async for _ in answer.aiter_bytes():
                    chunks += 1
                    if leave_after is not None and chunks > leave_after(number):
                        break
                return answer.status_code

        tasks = [asyncio.create_task(one(number)) for number in range(count)]
        if meanwhile:
            await meanwhile()
        return await asyncio.gather(*tasks)


class ExitStackOfClients:
    def __init__(self, gateways, headers, limits):
        self._clients = [
            httpx2.AsyncClient(base_url=gateway.url, headers=headers, limits=limits, timeout=120)
            for gateway in gateways
        ]

    async def __aenter__(self):
        return self._clients

    async def __aexit__(self, *_):
        for client in self._clients:
            await client.aclose()


def concurrent(store, requests=2000, budget=100):
    """All at once on a budget for few of them."""
    with Rig(store, budget, kind=Gateway) as rig:
        asyncio.run(send(rig.gateways, requests, requests, headers=steer(tokens=TOKENS, latency_ms=200)))
        return rig.result("concurrent", requests)


def replicas(store, requests=2000, budget=100):
    """The same through two services and two Envoys that share the store."""
    with Rig(store, budget, gateways=2, kind=Gateway) as rig:
        asyncio.run(send(rig.gateways, requests, requests, headers=steer(tokens=TOKENS, latency_ms=200)))
        return rig.result("two replicas", requests)


def aborted(store, requests=400, budget=1000):
    """Clients that leave streams at different places."""
    with Rig(store, budget, kind=Gateway) as rig:
        slow = steer(tokens=TOKENS, chunk_delay_ms=2)
        asyncio.run(
            send(rig.gateways, requests, 64, {"stream": True}, slow, leave_after=lambda number: number % (TOKENS + 2))
        )
        return rig.result("aborted streams", requests)


def without_usage(store, requests=400, budget=1000):
    """A provider that never says what it used."""
    with Rig(store, budget, kind=Gateway) as rig:
        silent = steer(tokens=TOKENS, no_usage=True)
        asyncio.run(send(rig.gateways, requests, 64, {"stream": True}, silent))
        return rig.result("streams without usage", requests)


def uncapped(store, requests=100, budget=50):
    """Streams that set no cap and generate ten times what was reserved for them."""
    with Rig(store, budget, kind=Gateway) as rig:
        long = steer(tokens=10 * TOKENS, chunk_delay_ms=10)
        asyncio.run(send(rig.gateways, requests, 32, {"stream": True, "max_tokens": None}, long))
        return rig.result("uncapped streams", requests)


def killing(name, what):
    """Requests under way while something is killed with SIGKILL and started again, over and over."""

    def scenario(store, requests=2000, budget=1000, kills=5):
        with Rig(store, budget) as rig:

            async def meanwhile():
                for _ in range(kills):
                    await asyncio.sleep(0.4)
                    await asyncio.to_thread(what, rig)

            slow = steer(tokens=TOKENS, chunk_delay_ms=5)
            asyncio.run(send(rig.gateways, requests, 100, {"stream": True}, slow, meanwhile=meanwhile))
            return rig.result(name, requests)

    return scenario


def _kill_service(rig):
    rig.gateway.service.stop(signal.SIGKILL)
    rig.gateway.start_service()


def _kill_envoy(rig):
    rig.gateway.envoy.stop(signal.SIGKILL)
    rig.gateway.start_envoy()


def _kill_redis(rig):
    rig.redis.kill()
    rig.redis.start()


SCENARIOS = {
    "concurrent": (concurrent, STORES),
    "two replicas": (replicas, ("redis",)),
    "aborted streams": (aborted, STORES),
    "streams without usage": (without_usage, STORES),
    "uncapped streams": (uncapped, STORES),
    "service killed": (killing("service killed", _kill_service), STORES),
    "envoy killed": (killing("envoy killed", _kill_envoy), STORES),
    "redis killed": (killing("redis killed", _kill_redis), ("redis",)),
}
