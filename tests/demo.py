#!/usr/bin/env python3
"""Shows what the gateway does, against the mock provider, and the ledger's line for each request.

Needs nothing but Python's own library. Starts everything on free ports, ends everything, and exits 0 only if each
scene went as it says.
"""

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
KEY, POOR_KEY = "demo-key-of-the-team", "demo-key-with-a-budget"
PATIENCE = 60

CONFIG = """
listen: 127.0.0.1:{port}
admin: 127.0.0.1:{admin}
providers:
  openai: {{dialect: openai, base_url: "{openai}/v1", api_key: mock}}
  anthropic: {{dialect: anthropic, base_url: "{anthropic}/v1", api_key: mock}}
models:
  - name: gpt-4o
    deployments: [{{provider: openai, model: gpt-4o}}]
  - name: claude
    deployments: [{{provider: anthropic, model: claude-sonnet-4-5}}]
  - name: chat
    deployments: [{{provider: anthropic, model: claude-sonnet-4-5}}, {{provider: openai, model: gpt-4o}}]
keys:
  - {{name: team, key: {key}}}
  - {{name: poor, key: {poor_key}, limits: {{budget: {{usd: 0.0005, period: total}}}}}}
guard:
  rules:
    - {{name: project-names, action: deny, pattern: "(?i)project x"}}
ledger: {ledger}
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_for(what, condition):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise SystemExit(f"demo: gave up waiting for {what}")


class Demo:
    def __init__(self, folder):
        self.folder = folder
        self.ledger = folder / "ledger.jsonl"
        self.seen = 0
        self.processes = []

    def start(self):
        port_file = self.folder / "mock.ports"
        self.spawn("mock-provider", "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--port-file", str(port_file))
        wait_for("the mock provider", port_file.exists)
        openai, anthropic = (f"http://127.0.0.1:{port}" for port in port_file.read_text().split())
        self.mock = openai
        self.port, admin = free_ports(2)
        config = self.folder / "weirgate.yaml"
        config.write_text(CONFIG.format(port=self.port, admin=admin, openai=openai, anthropic=anthropic, key=KEY,
                                        poor_key=POOR_KEY, ledger=self.ledger))
        gateway = self.spawn("weirgate", "up", "-c", str(config), "--envoy", str(ROOT / ".tools/bin/envoy"),
                             "--filters", str(ROOT / "target/filters"))
        log = self.folder / "weirgate.log"

        def ready():
            if gateway.poll() is not None:
                raise SystemExit(f"demo: the gateway did not start\n{log.read_text()}")
            return "weirgate is ready" in log.read_text()

        wait_for("the gateway", ready)

    def spawn(self, name, *arguments):
        program = ROOT / "target" / os.environ.get("PROFILE", "debug") / name
        log = open(self.folder / f"{name}.log", "w")
        process = subprocess.Popen([program, *arguments], stdout=log, stderr=subprocess.STDOUT)
        self.processes.append(process)
        return process

    def stop(self):
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=PATIENCE)

    def script(self, rules):
        request = urllib.request.Request(f"{self.mock}/mock/script", json.dumps(rules).encode(), method="PUT")
        urllib.request.urlopen(request).read()

    def chat(self, key=KEY, **body):
        """One chat; returns status, headers and body. The answer of a stream is the list of its events."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        answer = connection.getresponse()
        return connection, answer

    def plain(self, **body):
        connection, answer = self.chat(**body)
        text = json.loads(answer.read())
        connection.close()
        return answer, text

    def line(self):
        """The next line of the ledger."""
        lines = wait_for("a line of the ledger", lambda: self.read_lines())
        self.seen += 1
        return lines[0]

    def read_lines(self):
        if not self.ledger.exists():
            return []
        complete = self.ledger.read_text().rpartition("\n")[0].splitlines()
        return [json.loads(line) for line in complete[self.seen:]]


def show(title, said, line):
    print(f"\n== {title}\n   {said}")
    fields = ["key", "model", "upstream_model", "status", "error", "attempts", "input", "output", "source",
              "cost_micros", "latency_ms"]
    print("   ledger: " + ", ".join(f"{field}={line[field]}" for field in fields if line[field] != ""))


def expect(condition, what):
    if not condition:
        raise SystemExit(f"demo: expected {what}")


def user(text):
    return [{"role": "user", "content": text}]


def text_of(events):
    deltas = (choice["delta"].get("content") or "" for event in events for choice in event["choices"])
    return "".join(deltas)


def events_of(answer):
    for raw in answer:
        if raw.startswith(b"data: ") and raw.strip() != b"data: [DONE]":
            yield json.loads(raw[6:])


def scenes(demo):
    answer, body = demo.plain(model="gpt-4o", messages=user("Hello"))
    expect(answer.status == 200, f"an answer, got {body}")
    show("A chat", body["choices"][0]["message"]["content"], demo.line())

    connection, answer = demo.chat(model="gpt-4o", messages=user("Hello"), stream=True)
    events = list(events_of(answer))
    connection.close()
    expect(len(events) > 3 and all(event["choices"] for event in events), "events without an extra usage chunk")
    show("The same, streamed", f"{text_of(events)} ({len(events)} events)", demo.line())

    answer, body = demo.plain(model="claude", messages=user("Hello"))
    expect(answer.status == 200, f"an answer, got {body}")
    show("The same API, answered by a provider that speaks Anthropic's", body["choices"][0]["message"]["content"],
         demo.line())

    tool = {"type": "function", "function": {"name": "get_weather", "description": "The weather of a city", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}
    answer, body = demo.plain(model="claude", messages=user("What is the weather in Delft?"), tools=[tool])
    calls = body["choices"][0]["message"].get("tool_calls")
    expect(calls and calls[0]["function"]["name"] == "get_weather", f"a tool call, got {body}")
    show("A tool call, translated both ways", json.dumps(calls[0]["function"]), demo.line())

    demo.script([{"match": {"path": "/v1/messages"}, "then": {"status": 503}, "times": 1}])
    answer, body = demo.plain(model="chat", messages=user("Hello"))
    expect(answer.status == 200 and answer.headers["x-weirgate-attempts"] == "2", "an answer of the second provider")
    show("The first provider fails, the second answers", body["choices"][0]["message"]["content"], demo.line())

    answer, body = demo.plain(model="gpt-4o", messages=user("Tell me about Project X"))
    expect(answer.status == 400 and body["error"]["code"] == "guard_refused", f"a refusal, got {body}")
    show("The guard refuses", body["error"]["message"], demo.line())

    answer, body = demo.plain(key=POOR_KEY, model="gpt-4o", messages=user("Hello"), max_tokens=1000)
    expect(answer.status == 429 and body["error"]["code"] == "budget_exceeded", f"a refusal, got {body}")
    show("The budget refuses", body["error"]["message"], demo.line())

    demo.script([{"match": {"path": "/v1/chat/completions"}, "then": {"tokens": 50, "stall-after": 12}, "times": 1}])
    connection, answer = demo.chat(model="gpt-4o", messages=user("Hello"), stream=True)
    events = []
    for event in events_of(answer):
        events.append(event)
        if len(events) == 12:
            break
    connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()
    line = demo.line()
    expect(line["error"] == "client_left" and line["cost_micros"] > 0, f"an aborted stream that is charged, got {line}")
    show("The client leaves a stream, and what was sent is charged", text_of(events), line)


def main():
    with tempfile.TemporaryDirectory(prefix="weirgate-demo-") as folder:
        demo = Demo(pathlib.Path(folder))
        try:
            demo.start()
            scenes(demo)
        finally:
            demo.stop()
    print("\nEverything went as it should.")


if __name__ == "__main__":
    sys.exit(main())
