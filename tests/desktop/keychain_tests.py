"""Provider keys and a real keychain (gnome-keyring) on a bus of its own."""

import http.server
import json
import subprocess
import threading
import time
from contextlib import contextmanager

from app import Zos
from driver import Window, selector
from machine import Machine, wait
from panel import Panel
from service import SilentPrompter

SECRET = "sk-test-0123456789-needle"
ROOM = {"acme": "isolation: hard\n"}


class Provider(http.server.BaseHTTPRequestHandler):
    """Lists one model to whoever brings the right key."""

    def do_GET(self):
        is_right = self.headers.get("authorization") == f"Bearer {SECRET}"
        self.server.seen.append(self.headers.get("authorization"))
        body = json.dumps({"object": "list", "data": [{"id": "one", "object": "model"}]} if is_right else {"error": {"message": "bad key"}}).encode()
        self.send_response(200 if is_right else 401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextmanager
def provider():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider) as server:
        server.seen = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


@contextmanager
def house(keychain: str):
    """A machine whose keychain is `open`, `locked` or `none`, with a provider that wants a key."""
    with Machine() as machine, provider() as server:
        machine.also(Panel(machine.env["DBUS_SESSION_BUS_ADDRESS"]))
        if keychain != "none":
            unlock(machine)
        server.prompter = machine.also(SilentPrompter(machine.env["DBUS_SESSION_BUS_ADDRESS"]))
        if keychain == "locked":
            lock(machine)
        zos = Zos(machine, ROOM, "acme")
        (zos.home / "routing").mkdir()
        (zos.home / "routing/fleet.yml").write_text(
            "version: 1\nproviders:\n  mine: {api: openai, "
            f"base_url: 'http://127.0.0.1:{server.server_port}/v1', key: 'keychain:mine'}}\n"
        )
        yield zos, server


def unlock(machine: Machine) -> None:
    """A keychain with a collection that is open. The password has to end its line."""
    command = ["gnome-keyring-daemon", "--unlock", "--components=secrets", "--foreground"]
    daemon = machine.start(command, stdin=subprocess.PIPE, text=True)
    daemon.stdin.write("password\n")
    daemon.stdin.close()
    wait(lambda: "ok" in machine.tool("sh", "-c", "echo -n x | secret-tool store --label=probe probe 1 && echo ok", check=False), "the keychain")
    machine.tool("secret-tool", "clear", "probe", "1")


def lock(machine: Machine) -> None:
    machine.tool("gdbus", "call", "--session", "--dest", "org.freedesktop.secrets", "--object-path", "/org/freedesktop/secrets",
                 "--method", "org.freedesktop.Secret.Service.Lock", "['/org/freedesktop/secrets/collection/login']")


def stored(machine: Machine) -> str:
    return machine.tool("secret-tool", "search", "--all", "--unlock", "service", "zos", check=False)


def enter_key(page: Window) -> None:
    page.press("nav-keys")
    card = selector("provider-mine")
    page.press("key-set", card)
    page.type(f"{card} {selector('key-input')}", SECRET)
    page.press("key-save", card)


def test_a_key_goes_into_the_keychain_and_never_comes_back():
    with house("open") as (zos, server), Window(zos) as page:
        enter_key(page)
        page.shows("is stored")
        found = wait(lambda: stored(zos.machine) if SECRET in stored(zos.machine) else "", "the key in the keychain")
        assert "mine" in found, found
        assert SECRET not in page.script("return document.documentElement.outerHTML")
        assert not page.script("return [...document.querySelectorAll('input')].some((input) => input.value.includes(arguments[0]))", SECRET)
        for path in ("providers", "status", "audit", "keys", "contexts"):
            answer = page.later("const done = arguments[1]; fetch('/zos/v1/' + arguments[0]).then((a) => a.text()).then(done)", path)
            assert SECRET not in answer, path
        page.press("provider-test", selector("provider-mine"))
        page.one(f"{selector('test-result')}[data-ok='true']")
        assert server.seen == [f"Bearer {SECRET}"], server.seen
        page.picture("keys")
        for path in zos.home.rglob("*"):
            assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
        page.press("key-delete", selector("provider-mine"))
        page.press("confirm-yes")
        wait(lambda: SECRET not in stored(zos.machine), "the end of the key")


def test_without_a_keychain_it_says_so_and_serves():
    with house("none") as (zos, _), Window(zos) as page:
        begun = time.monotonic()
        enter_key(page)
        problem = page.one(f"{selector('provider-mine')} [role='alert'], {selector('provider-mine')} .problem")
        assert time.monotonic() - begun < 10
        said = page.ask("GET", f"/element/{problem}/text")
        assert "keychain" in said and "locked" not in said, said
        page.picture("no-keychain")
        assert zos.call().status == 200


def test_a_locked_keychain_does_not_hang():
    with house("locked") as (zos, server), Window(zos) as page:
        page.by("address")
        begun = time.monotonic()
        enter_key(page)
        page.one(f"{selector('provider-mine')} [role='alert'], {selector('provider-mine')} .problem")
        assert time.monotonic() - begun < 15, "it waited for the prompt"
        assert server.prompter.prompts, "the keychain was not locked: nobody was asked"
        assert zos.call().status == 200
        begun = time.monotonic()
        page.press("nav-now")
        page.by("address")
        assert time.monotonic() - begun < 5
        page.picture("locked-keychain")
