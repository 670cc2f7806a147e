"""A gateway whose service and Envoy are processes that the test starts and ends, one by one."""

import subprocess

import httpx2

from .gateway import Gateway
from .paths import ENVOY, FILTERS, WEIRGATE
from .ports import free_ports
from .process import Process
from .waiting import wait_until


class Parts(Gateway):
    """`weirgate serve`, and Envoy with what `weirgate render` wrote. `edit` changes that text before Envoy reads it."""

    def __init__(self, change=None, edit=lambda yaml: yaml):
        def with_service(config):
            service, envoy_admin = free_ports(2)
            config["service"] = f"127.0.0.1:{service}"
            config["envoy"] = {"concurrency": 2, "admin": f"127.0.0.1:{envoy_admin}"}
            if change:
                change(config)

        super().__init__(with_service)
        self._edit = edit
        self.service = self.envoy = None

    def _start(self):
        self.write_configuration()
        render = [WEIRGATE, "render", "-c", self.config_file, "--filters", FILTERS]
        rendered = subprocess.run(render, capture_output=True, text=True, env=self.environment())
        assert rendered.returncode == 0, rendered.stderr
        self.envoy_file = self.folder / "envoy.yaml"
        self.envoy_file.write_text(self._edit(rendered.stdout))
        self.start_service()
        self.start_envoy()

    def stop(self):
        for process in (self.envoy, self.service):
            if process is not None:
                process.stop()

    def start_service(self):
        self.service = self.run("serve", WEIRGATE, "serve", "-c", self.config_file)
        wait_until(self._operators_answer, "the service answers")

    def start_envoy(self):
        self.envoy = self.run("envoy", ENVOY, "--disable-hot-restart", "--log-level", "warn", "-c", self.envoy_file)

    def wait_ready(self):
        wait_until(lambda: self.readyz()[0] == 200, "the gateway is ready", patience=60)

    def logs(self):
        running = {"serve": self.service, "envoy": self.envoy}
        return "\n".join(f"-- {name}\n{process.tail()}" for name, process in running.items() if process)

    def _operators_answer(self):
        assert self.service.popen.poll() is None, f"the service ended\n{self.service.tail()}"
        try:
            return httpx2.get(f"{self.admin}/healthz").status_code == 200
        except httpx2.TransportError:
            return False
