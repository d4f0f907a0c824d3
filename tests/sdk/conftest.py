"""A real `zos serve` on a scratch home, and a provider that says what a test tells it."""

import json
import os
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ZOS = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "zos"


class Provider(ThreadingHTTPServer):
    """Answers every call with `answer`: a JSON value, or a list of event texts."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = {}
        self.received = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append((self.path, dict(self.headers), body))
        answer = self.server.answer
        is_stream = isinstance(answer, list)
        data = "".join(answer).encode() if is_stream else json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "text/event-stream" if is_stream else "application/json")
        self.send_header("connection", "close")
        self.end_headers()
        # Single bytes, so that nothing depends on how the network cuts a stream.
        for at in range(0, len(data), 1 if is_stream else len(data)):
            self.wfile.write(data[at : at + (1 if is_stream else len(data))])
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def provider():
    server = Provider()
    yield server
    server.shutdown()


@pytest.fixture
def zos(tmp_path, provider):
    """The address of a gateway whose room denies "Project Falcon" and has a small budget elsewhere."""
    yield from serve(tmp_path, fleet(provider, anthropic="anthropic", openai="openai"))


@pytest.fixture
def crossed(tmp_path, provider):
    """The same gateway, where each API's models are behind a provider that speaks the other one."""
    yield from serve(tmp_path, fleet(provider, anthropic="openai", openai="anthropic"))


def fleet(provider, **defaults):
    url = f"http://127.0.0.1:{provider.server_port}"
    return (f'version: 1\nproviders:\n  anthropic: {{api: anthropic, base_url: "{url}", key: none}}\n'
            f'  openai: {{api: openai, base_url: "{url}/v1", key: none}}\n'
            f"default_provider: {{anthropic: {defaults['anthropic']}, openai: {defaults['openai']}}}\n")


def serve(tmp_path, fleet):
    files = {
        # What each API documents for a refusal; the forms for known clients are proven in tests/it/refusals.rs.
        "gateway/config.yml": "refusals: reference\n",
        "contexts/acme.yml": "outbound_deny: [Project Falcon]\n",
        "contexts/poor.yml": "budget: {daily_tokens: 1}\n",
        "state.json": '{"active": "acme"}',
        "routing/fleet.yml": fleet,
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    command = [ZOS, "serve", "--home", tmp_path, "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        address = re.search(r"http://[\d.:]+", process.stdout.readline())
        assert address, "zos serve did not say where it listens"
        yield address.group()
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()
