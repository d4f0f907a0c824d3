"""The window, driven by WebDriver over the real screens."""

import os
import socket
from contextlib import contextmanager

from app import Zos
from driver import Window, selector
from machine import Machine, wait
from panel import Panel

ACME = """# The room of our best customer.
title: Acme Corp
isolation: hard        # every doubt fails closed
outbound_deny:
  - Project Falcon     # not before May
budget: {daily_tokens: 200000}
theirs: kept
"""
HOME = "title: At home\nisolation: open\n"


@contextmanager
def window(rooms: dict[str, str] | None = None, active: str | None = None):
    with Machine() as machine:
        machine.also(Panel(machine.env["DBUS_SESSION_BUS_ADDRESS"]))
        zos = Zos(machine, rooms if rooms is not None else {"acme": ACME, "home": HOME}, active or ("acme" if rooms is None else None))
        with Window(zos) as page:
            yield zos, page


def test_now_shows_the_address_and_a_call_as_it_happens():
    with window() as (zos, page):
        assert page.text("address") == zos.address
        page.picture("now-empty")
        assert page.script("return location.href").startswith("zos://localhost/zos/"), page.script("return location.href")
        page.shows("Nothing has come through yet.")
        assert zos.call().status == 200
        wait(lambda: page.all(selector("record")), "the call on the page", 2)
        page.shows("demo/echo", 2)
        assert zos.call("about project falcon").status == 400
        wait(lambda: page.all(f"{selector('last-blocks')} {selector('record')}"), "the block on the page", 2)
        page.picture("now-calls")


def test_the_room_is_switched_and_the_next_call_knows():
    with window() as (zos, page):
        page.click(f"{selector('room-switch')} option[value='home']")
        wait(lambda: zos.state()["active"] == "home", "the active room")
        # The file is written first, and in force a moment later.
        wait(lambda: zos.call().headers["x-zos-context"] == "home", "a call in the new room", 1)
        wait(lambda: page.text("side-room").endswith("At home"), "the room at the side")


def test_what_is_switched_elsewhere_shows_at_once():
    with window() as (zos, page):
        page.one(selector("room-switch"))
        (zos.home / "state.json").write_text('{"active": "home"}')
        wait(lambda: page.text("side-room").endswith("At home"), "the room at the side", 2)


def test_a_term_is_added_and_blocks_and_comments_stay():
    with window() as (zos, page):
        assert zos.call("the walnut plan").status == 200
        page.press("nav-rooms")
        page.shows("At home")
        page.picture("rooms")
        page.click(f"{selector('room-acme')} a")
        deny = selector("outbound-deny")
        page.press("entry-add", deny)
        page.type(f"{deny} li:last-child {selector('entry-value')}", "Walnut Plan")
        page.picture("room")
        page.press("save")
        path = zos.home / "contexts/acme.yml"
        wait(lambda: "Walnut Plan" in path.read_text(), f"the term in the file: {page.words()[:500]!r}")
        text = path.read_text()
        for kept in ("# The room of our best customer.", "# every doubt fails closed", "- Project Falcon     # not before May", "theirs: kept"):
            assert kept in text, text
        wait(lambda: zos.call("the walnut plan").status == 400, "the block")


def test_a_pause_is_plain_and_can_be_ended():
    with window() as (zos, page):
        page.press("pause")
        page.press("pause-15")
        page.one(selector("paused"))
        assert zos.call("about project falcon").status == 200
        page.picture("paused")
        page.press("resume")
        wait(lambda: zos.call("about project falcon").status == 400, "the shield again")


def test_a_taken_port_is_told_in_words():
    with Machine() as machine:
        machine.also(Panel(machine.env["DBUS_SESSION_BUS_ADDRESS"]))
        zos = Zos(machine, {"acme": ACME}, "acme")
        with socket.create_server(("127.0.0.1", zos.port)), Window(zos) as page:
            said = page.text("listen-error")
            assert f"{zos.port} is taken" in said, said
            page.picture("taken-port")
            page.press("listen-again")
            page.shows("It still does not listen.")
            page.by("listen-error")


def test_listening_again_is_seen_on_the_page():
    with Machine() as machine:
        machine.also(Panel(machine.env["DBUS_SESSION_BUS_ADDRESS"]))
        zos = Zos(machine, {"acme": ACME}, "acme")
        taken = socket.create_server(("127.0.0.1", zos.port))
        with Window(zos) as page:
            page.by("listen-error")
            taken.close()
            page.press("listen-again")
            assert page.text("address") == zos.address
            assert not page.all(selector("listen-again"))
            assert zos.call().status == 200


def test_the_page_can_do_nothing_but_what_it_needs():
    with window() as (_, page):
        page.by("address")
        for command in ("plugin:autostart|enable", "plugin:window|set_title", "plugin:event|emit", "plugin:shell|open"):
            said = page.later("const done = arguments[1]; window.__TAURI__.core.invoke(arguments[0]).then(() => done('allowed'), (e) => done(String(e)))", command)
            assert "not allowed" in said or "not found" in said, (command, said)
        # An endless answer would never come through the scheme: it is refused, not waited for.
        assert page.later("fetch('/zos/v1/events').then((a) => arguments[0](a.status))") == 406
        # No other origin can be reached, neither the network nor our own port.
        for address in ("http://127.0.0.1:1/", "https://example.org/", "zos://elsewhere/zos/v1/status"):
            said = page.later("const done = arguments[1]; fetch(arguments[0]).then(() => done('reached'), (e) => done(e.name))", address)
            assert said == "TypeError", (address, said)
        assert page.script("try { return eval('1+1') } catch (e) { return e.name }") == "EvalError"


def test_the_page_cannot_leave_and_web_links_open_in_the_browser():
    with window() as (zos, page):
        page.by("address")
        opened = zos.machine.folder / "opened"
        browser = zos.machine.programs / "xdg-open"
        browser.write_text(f'#!/bin/sh\necho "$1 ${{GDK_GL-unset}}" >>{opened}\n')
        browser.chmod(0o755)
        here = page.script("return location.href")
        for address in ("zos://localhost/elsewhere", "file:///etc/passwd", "data:text/html,x", f"{zos.address}/zos/", "https://example.org/a"):
            page.script("const a = document.createElement('a'); a.href = arguments[0]; document.body.append(a); a.click(); a.remove()", address)
        wait(opened.exists, "the browser")
        page.script("window.open('https://example.org/b')")
        page.by("address")
        assert page.script("return location.href") == here
        # Not with our own wishes about the graphics driver.
        lines = opened.read_text().splitlines()
        assert lines[0] == "https://example.org/a unset" and all(" unset" in line for line in lines), lines
        assert not [line for line in lines if "example.org" not in line], lines


def test_what_a_room_holds_is_not_left_in_the_webviews_folders():
    with window() as (zos, page):
        page.press("nav-rooms")
        page.click(f"{selector('room-acme')} a")
        page.by("outbound-deny")
        page.press("nav-traffic")
        for folder, _, files in os.walk(zos.machine.folder / "user"):
            for name in files:
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    content = file.read()
                assert b"Falcon" not in content and b"Acme Corp" not in content, path


def test_a_copy_button_copies():
    with window() as (zos, page):
        page.by("address")
        page.press("copy-address")
        wait(lambda: zos.machine.tool("xclip", "-selection", "clipboard", "-out", check=False) == zos.address, "the address in the clipboard")


def test_a_first_start_without_files_shows_the_way():
    with window(rooms={}) as (zos, page):
        page.shows("Nothing has come through yet.")
        line = page.text("curl")
        assert line.startswith("curl "), line
        answer = zos.machine.tool("sh", "-c", line)
        assert "choices" in answer, answer
        wait(lambda: page.all(selector("record")), "the call on the page", 2)
