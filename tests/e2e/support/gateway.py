"""A gateway of real processes: the mock provider, the service, and Envoy with the filters."""

import itertools
import json
import os
import shutil
import tempfile
from pathlib import Path

import httpx2

from .admin import ADMIN
from .configuration import configuration, pool_name, secret
from .mock import ANTHROPIC_KEY, BEDROCK_KEY, COHERE_KEY, GEMINI_KEY, OPENAI_KEY, RESPONSES_KEY, Mock
from .paths import ENVOY, FILTERS, WEIRGATE
from .ports import free_ports
from .process import Ended, Process
from .waiting import wait_until

ENVIRONMENT = {
    "OPENAI_API_KEY": OPENAI_KEY,
    "ANTHROPIC_API_KEY": ANTHROPIC_KEY,
    "GEMINI_API_KEY": GEMINI_KEY,
    "RESPONSES_API_KEY": RESPONSES_KEY,
    "BEDROCK_API_KEY": BEDROCK_KEY,
    "COHERE_API_KEY": COHERE_KEY,
}
_ATTEMPTS = 3

# Gateways that run now, so that a failed test can show their logs.
RUNNING = []


class Key:
    """A virtual key; its name appears in the ledger, its secret in requests."""

    def __init__(self, name):
        self.name = name
        self.secret = secret(name)


class Gateway:
    """`weirgate up` on free ports, as a context manager. `change` edits the configuration before it is written."""

    def __init__(self, change=None):
        self._change = change or (lambda config: None)
        self._keys = itertools.count()
        self._runs = 0
        self.process = None

    def __enter__(self):
        # pytest's own folders have names too long for a Unix socket.
        self.folder = Path(tempfile.mkdtemp(prefix="e2e-"))
        # A temporary folder of its own shows what a gateway leaves behind.
        self.temporary = self.folder / "tmp"
        self.temporary.mkdir()
        self.mock = Mock(self.folder)
        RUNNING.append(self)
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            self.stop()
        finally:
            RUNNING.remove(self)
            self.mock.stop()
            shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self):
        for attempt in range(_ATTEMPTS):
            self.write_configuration()
            self.process = self.spawn()
            try:
                self.process.wait_for_line("weirgate is ready")
                return
            except Ended as ended:
                taken = "cannot listen" in str(ended) or "in use" in str(ended)
                if not taken or attempt + 1 == _ATTEMPTS:
                    raise

    def stop(self):
        if self.process is not None:
            self.process.stop()

    def restart(self):
        """Ends the gateway and starts it again, with the same files and the same ports."""
        self.process.stop()
        self.process = self.spawn()
        self.process.wait_for_line("weirgate is ready")

    def write_configuration(self):
        """Writes weirgate.yaml with free ports."""
        port, admin = free_ports(2)
        self.address, self.admin_address = f"127.0.0.1:{port}", f"127.0.0.1:{admin}"
        self.url, self.admin = f"http://{self.address}", f"http://{self.admin_address}"
        self.ledger_file = self.folder / "ledger.jsonl"
        self.config = configuration(self.mock, self.address, self.admin_address, self.ledger_file)
        self._change(self.config)
        self.config_file = self.folder / "weirgate.yaml"
        self.config_file.write_text(json.dumps(self.config, indent=1))

    def spawn(self):
        return self.run("up", WEIRGATE, "up", "-c", self.config_file, "--envoy", ENVOY, "--filters", FILTERS)

    def run(self, name, *arguments):
        self._runs += 1
        return Process(arguments, self.folder / f"{name}-{self._runs}.log", self.environment())

    def environment(self):
        """The environment of everything that is started."""
        return {**os.environ, **ENVIRONMENT, "TMPDIR": str(self.temporary)}

    def new_key(self):
        return Key(pool_name(next(self._keys)))

    def http(self, key=None, **options):
        """A plain HTTP client, for what no SDK would send."""
        headers = {"authorization": f"Bearer {key.secret}"} if key else {}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=60, **options)

    def lines(self, count, **fields):
        """The ledger's lines with these fields, once there are `count`. More are an error."""
        found = wait_until(
            lambda: _at_least(count, self._matching(fields)), f"the ledger has {count} lines of {fields}"
        )
        assert len(found) == count, found
        return found

    def line(self, **fields):
        return self.lines(1, **fields)[0]

    def _matching(self, fields):
        return [line for line in self.ledger() if all(line.get(name) == value for name, value in fields.items())]

    def ledger(self):
        """All lines of the ledger."""
        if not self.ledger_file.exists():
            return []
        # The last line may be half written.
        whole = self.ledger_file.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line.endswith("}")]

    def usage(self):
        return self._operators("/usage").json()

    def metrics(self):
        return self._operators("/metrics").text

    def readyz(self):
        answer = httpx2.get(f"{self.admin}/readyz", timeout=10)
        return answer.status_code, answer.text

    def _operators(self, path):
        # With admins in the configuration, only they see usage.
        headers = {"authorization": f"Bearer {ADMIN}"} if "admins" in self.config else {}
        answer = httpx2.get(f"{self.admin}{path}", headers=headers, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer

    def logs(self):
        """The ends of the logs, for a test that failed."""
        log = self.process.tail() if self.process else "(not started)"
        return f"-- weirgate and Envoy\n{log}\n-- mock provider\n{self.mock.tail()}"


def _at_least(count, found):
    return found if len(found) >= count else None
