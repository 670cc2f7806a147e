"""A process with its output in a file."""

import os
import signal
import subprocess
from pathlib import Path

from .waiting import wait_until

_GRACE = 15


class Ended(AssertionError):
    """The process ended before it did what was waited for."""


class Process:
    def __init__(self, arguments, log, environment=None):
        self.log = Path(log)
        with self.log.open("ab") as output:
            self.popen = subprocess.Popen(
                [str(argument) for argument in arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
            )

    @property
    def pid(self):
        return self.popen.pid

    def output(self):
        return self.log.read_text(errors="replace")

    def tail(self, lines=40):
        return "\n".join(self.output().splitlines()[-lines:])

    def wait_for_line(self, text, patience=60):
        def seen():
            if text in self.output():
                return True
            if self.popen.poll() is not None:
                raise Ended(f"{self.popen.args[0]} ended with {self.popen.returncode}\n{self.tail()}")
            return False

        wait_until(seen, f"{self.popen.args[0]} says {text!r}", patience)

    def wait(self, patience=_GRACE):
        return self.popen.wait(patience)

    def stop(self, how=signal.SIGTERM):
        """Ends the process and returns its exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(how)
        try:
            return self.popen.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait(_GRACE)
            raise

    def kill(self):
        return self.stop(signal.SIGKILL)


def children(pid):
    """The process ids of the children of a process."""
    return [other for other in _pids() if _parent_and_state(other)[0] == pid]


def is_running(pid):
    """Whether a process runs; one that ended and was not waited for does not."""
    return _parent_and_state(pid)[1] not in ("", "Z", "X")


def command_lines():
    """The command lines of all processes."""
    lines = []
    for pid in _pids():
        try:
            lines.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return lines


def _pids():
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _parent_and_state(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0, ""
    state, parent = stat.rsplit(")", 1)[1].split()[:2]
    return int(parent), state
