"""The mock provider and its control API."""

import httpx2

from .paths import MOCK_PROVIDER
from .process import Process
from .waiting import wait_until

OPENAI_KEY = "sk-openai-of-the-provider"
ANTHROPIC_KEY = "sk-anthropic-of-the-provider"
GEMINI_KEY = "AIza-gemini-of-the-provider"
RESPONSES_KEY = "sk-responses-of-the-provider"
BEDROCK_KEY = "bedrock-api-key-of-the-provider"
COHERE_KEY = "cohere-key-of-the-provider"


class Mock:
    """One mock provider with a side for every API that it speaks, each on a port of its own."""

    def __init__(self, folder):
        self._port_file = folder / "mock-ports"
        listen = ["--listen", "127.0.0.1:0"] * 6
        self._process = Process([MOCK_PROVIDER, *listen, "--port-file", self._port_file], folder / "mock.log")
        wait_until(self._port_file.exists, "the mock provider listens")
        ports = map(int, self._port_file.read_text().split())
        self.openai_port, self.anthropic_port, self.gemini_port, *others = ports
        self.responses_port, self.converse_port, self.cohere_port = others
        self._control = httpx2.Client(base_url=f"http://127.0.0.1:{self.openai_port}", timeout=30)

    def stop(self):
        self._control.close()
        self._process.kill()

    def tail(self):
        return self._process.tail()

    def reset(self):
        self._ask("DELETE", "")

    def script(self, *rules):
        """Steers requests by rules; see `tests/mock-provider/src/script.rs`."""
        self._ask("PUT", "/script", json=list(rules))

    def openai(self, times=None, **then):
        """The rule that all requests to the OpenAI side are answered so."""
        return _rule(self.openai_port, times, then)

    def anthropic(self, times=None, **then):
        """The rule that all requests to the Anthropic side are answered so."""
        return _rule(self.anthropic_port, times, then)

    def gemini(self, times=None, **then):
        """The rule that all requests to the Gemini side are answered so."""
        return _rule(self.gemini_port, times, then)

    def responses(self, times=None, **then):
        """The rule that all requests to the side of OpenAI's responses are answered so."""
        return _rule(self.responses_port, times, then)

    def converse(self, times=None, **then):
        """The rule that all requests to the Bedrock side are answered so."""
        return _rule(self.converse_port, times, then)

    def cohere(self, times=None, **then):
        """The rule that all requests to the Cohere side are answered so."""
        return _rule(self.cohere_port, times, then)

    def ledger(self, ended=0):
        """The mock's own account, once that many requests have ended."""
        return self._ask("GET", f"/ledger?wait={ended}")

    def wait_begun(self, count):
        """Waits until that many requests have arrived."""
        return self._ask("GET", f"/stats?wait-begun={count}")

    def stats(self):
        return self._ask("GET", "/stats")

    def requests(self):
        """The raw requests as they arrived."""
        return self._ask("GET", "/requests")

    def only_request(self):
        (request,) = self.requests()
        return request

    def _ask(self, method, path, **rest):
        answer = self._control.request(method, f"/mock{path}", **rest)
        assert answer.status_code == 200, answer.text
        return answer.json()


def _rule(port, times, then):
    rule = {"match": {"port": port}, "then": {name.replace("_", "-"): value for name, value in then.items()}}
    return rule if times is None else {**rule, "times": times}
