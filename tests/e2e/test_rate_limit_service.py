"""The same limits for an Envoy that uses nothing but its own rate limit filter."""

import json

import httpx2
import pytest
from support.configuration import key as key_settings
from support.configuration import secret
from support.parts import Parts
from support.paths import ENVOY
from support.ports import free_ports
from support.waiting import wait_until

TYPES = "type.googleapis.com/envoy.extensions"


def ratelimit_envoy(port, service_port, upstream_port):
    """An Envoy that asks the service before it passes a request on to anything."""
    header = lambda name, key: {"request_headers": {"header_name": name, "descriptor_key": key, "skip_if_absent": True}}
    actions = [header("x-team", "team"), header("x-api-key", "api_key"), header("x-measure", "measure")]
    actions += [header("x-kind", "kind")]
    route = {
        "match": {"prefix": "/"},
        "route": {"cluster": "anything"},
    }
    manager = {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "s",
        "route_config": {
            "virtual_hosts": [
                {"name": "all", "domains": ["*"], "routes": [route], "rate_limits": [{"actions": actions}]}
            ]
        },
        "http_filters": [
            {
                "name": "ratelimit",
                "typed_config": {
                    "@type": f"{TYPES}.filters.http.ratelimit.v3.RateLimit",
                    "domain": "any",
                    "failure_mode_deny": True,
                    "timeout": "2s",
                    "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
                    "rate_limit_service": {
                        "transport_api_version": "V3",
                        "grpc_service": {"envoy_grpc": {"cluster_name": "weirgate"}},
                    },
                },
            },
            {"name": "router", "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"}},
        ],
    }
    endpoints = lambda port: [{"lb_endpoints": [{"endpoint": {"address": address(port)}}]}]
    address = lambda port: {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {
        "static_resources": {
            "listeners": [
                {
                    "name": "l",
                    "address": address(port),
                    "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
                }
            ],
            "clusters": [
                {
                    "name": "weirgate",
                    "typed_extension_protocol_options": {
                        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                            "@type": f"{TYPES}.upstreams.http.v3.HttpProtocolOptions",
                            "explicit_http_config": {"http2_protocol_options": {}},
                        }
                    },
                    "load_assignment": {
                        "cluster_name": "weirgate",
                        "endpoints": endpoints(service_port),
                    },
                },
                {"name": "anything", "load_assignment": {"cluster_name": "anything", "endpoints": endpoints(upstream_port)}},
            ],
        }
    }


class RateLimited(Parts):
    """The service, and an Envoy that knows of Weirgate only the rate limit service."""

    def start_envoy(self):
        (self.port,) = free_ports(1)
        service_port = int(self.config["service"].rsplit(":", 1)[1])
        file = self.folder / "ratelimit.json"
        file.write_text(json.dumps(ratelimit_envoy(self.port, service_port, self.mock.openai_port)))
        self.envoy = self.run("envoy", ENVOY, "--disable-hot-restart", "--log-level", "warn", "-c", file)
        wait_until(self._listens, "Envoy listens")

    def _listens(self):
        assert self.envoy.popen.poll() is None, self.envoy.tail()
        try:
            return httpx2.get(f"http://127.0.0.1:{self.port}/mock/stats").status_code
        except httpx2.TransportError:
            return False

    def ask(self, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx2.get(f"http://127.0.0.1:{self.port}/mock/stats", headers=headers, timeout=10)


@pytest.fixture(scope="module")
def limited():
    def change(config):
        config["teams"] = [
            {"name": "red", "limits": [{"name": "calls", "requests": 3, "window": "bucket 1h"}]},
            {"name": "blue", "limits": [{"name": "spent", "tokens": 2, "window": "day"}]},
        ]
        config["keys"].append(key_settings("of-red", team="red", limits=[]))
        config["keys"].append(key_settings("blocked", blocked=True))
        config["keys"].append(key_settings("old", expires_at="2020-01-01T00:00:00Z"))
        config["limits"] = [
            {"name": "searches", "requests": 2, "window": "year", "per": ["tag"], "only": {"tags": ["kind=search"]}}
        ]

    with RateLimited(change) as gateway:
        yield gateway


def test_a_teams_limit_holds_for_any_route_whoever_names_the_team(limited):
    assert limited.ask(x_team="red").status_code == 200
    answer = limited.ask(x_api_key=secret("of-red"))
    assert answer.status_code == 200 and answer.headers["x-ratelimit-remaining"] == "1"
    assert limited.ask(x_team="red").status_code == 200
    refused = limited.ask(x_team="red")
    assert refused.status_code == 429
    assert limited.ask(x_team="green").status_code == 200


def test_what_no_dimension_is_named_for_is_a_tag(limited):
    assert [limited.ask(x_kind="search").status_code for _ in range(4)] == [200, 200, 429, 429]
    assert limited.ask(x_kind="other").status_code == 200


@pytest.mark.parametrize(
    "key, why",
    [
        ("sk-wg-somebody-made-this-up", "invalid_api_key"),
        (secret("blocked"), "blocked_api_key"),
        (f"Bearer {secret('old')}", "expired_api_key"),
    ],
    ids=["unknown", "blocked", "expired"],
)
def test_nobody_escapes_limits_with_a_key_that_is_not_accepted(limited, key, why):
    refused = limited.ask(x_api_key=key)
    assert (refused.status_code, refused.headers["x-weirgate-error"]) == (429, why)
    # Neither does naming a team that has room.
    assert limited.ask(x_api_key=key, x_team="green").status_code == 429
    assert "x-weirgate-error" not in limited.ask(x_team="green").headers


def test_tokens_are_counted_although_they_do_not_fit(limited):
    # They have been used when they are counted, so the third is refused and counts all the same.
    ask = lambda: limited.ask(x_team="blue", x_measure="tokens").status_code
    assert [ask() for _ in range(4)] == [200, 200, 429, 429]


def test_without_the_service_the_filter_does_as_it_is_configured(limited):
    limited.service.stop()
    assert limited.ask(x_team="green").status_code == 500
    limited.start_service()
    wait_until(lambda: limited.ask(x_team="green").status_code == 200, "the service is back")
    assert limited.ask(x_team="red").status_code == 429
