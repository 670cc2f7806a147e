"""A Redis server that loses nothing that it has answered, and that a test may kill."""

import re
import socket

from .paths import ROOT
from .ports import free_ports
from .process import Process
from .waiting import wait_until

SERVER = ROOT / ".tools/bin/redis-server"


class Redis:
    def __init__(self, folder):
        self._folder = folder / "redis"
        self._folder.mkdir()
        (self.port,) = free_ports(1)
        self.url = f"redis://127.0.0.1:{self.port}"
        self._runs = 0
        self.start()

    def start(self):
        self._runs += 1
        durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        arguments = [SERVER, "--port", self.port, "--bind", "127.0.0.1", "--dir", self._folder, *durable]
        self._process = Process(arguments, self._folder / f"redis-{self._runs}.log")
        wait_until(self._answers, "Redis answers")

    def kill(self):
        self._process.kill()

    def tail(self):
        return self._process.tail()

    def calls(self, command):
        """How often the server has run a command."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(b"INFO commandstats\r\n")
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                answer += connection.recv(65536)
        found = re.search(rf"cmdstat_{command}:calls=(\d+)", answer.decode())
        return int(found[1]) if found else 0

    def _answers(self):
        assert self._process.popen.poll() is None, self._process.tail()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False
