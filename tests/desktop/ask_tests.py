"""Asks: told by notification, answered there or in the window."""

from contextlib import contextmanager

from app import Zos
from driver import Window, selector
from machine import Machine, wait
from panel import Panel
from service import Notifications

ASKING = """# The room of our best customer.
title: Acme Corp
outbound_deny:
  - {term: Project Falcon, action: ask}   # not before May
"""
ASKED = "tell me about Project Falcon"
CONFIG = "ask: {timeout_s: 9}\n"


@contextmanager
def told():
    """zOS in the tray, and a desktop that shows notifications."""
    with Machine() as machine:
        address = machine.env["DBUS_SESSION_BUS_ADDRESS"]
        panel = machine.also(Panel(address))
        desktop = machine.also(Notifications(address))
        zos = Zos(machine, {"acme": ASKING}, "acme", CONFIG).start("--hidden")
        wait(lambda: panel.count, "the tray")
        yield zos, desktop


@contextmanager
def window():
    with Machine() as machine:
        machine.also(Panel(machine.env["DBUS_SESSION_BUS_ADDRESS"]))
        zos = Zos(machine, {"acme": ASKING}, "acme", CONFIG)
        with Window(zos) as page:
            yield zos, page


def test_an_ask_is_told_and_its_buttons_answer():
    with told() as (zos, desktop):
        held = zos.call_held(ASKED)
        number, title, body, actions = wait(lambda: desktop.shown, "a notification")[0]
        assert title == "zOS asks · acme", title
        assert "messages[0].content" in body and "demo/echo" in body, body
        # A notification may show on a locked screen, and stays in a list.
        assert "Falcon" not in title + body, body
        assert actions == [
            "default", "Show", "redact", "Redact & send", "allow_once", "Allow once", "deny", "Keep blocked",
        ], actions
        desktop.click(number, "allow_once")
        assert held.result().status == 200
        wait(lambda: desktop.closed == [number], "the end of the notification")
        held = zos.call_held(ASKED)
        number = wait(lambda: desktop.shown[1:], "another notification")[0][0]
        desktop.click(number, "deny")
        assert held.result().status == 400
        held = zos.call_held(ASKED)
        number = wait(lambda: desktop.shown[2:], "a third notification")[0][0]
        desktop.click(number, "redact")
        answer = held.result()
        assert answer.status == 200, answer.body


def test_the_body_of_a_notification_opens_the_window_and_decides_nothing():
    with told() as (zos, desktop):
        held = zos.call_held(ASKED)
        number = wait(lambda: desktop.shown, "a notification")[0][0]
        desktop.click(number + 7, "allow_once")
        desktop.click(number, "default")
        wait(lambda: "WebKitWebProces" in zos.processes().values(), "the window")
        assert not held.done()
        desktop.click(number, "deny")
        assert held.result().status == 400


def test_another_program_on_the_bus_cannot_answer():
    with told() as (zos, desktop):
        held = zos.call_held(ASKED)
        number = wait(lambda: desktop.shown, "a notification")[0][0]
        zos.machine.tool(
            "dbus-send", "--session", "--type=signal", "/org/freedesktop/Notifications",
            "org.freedesktop.Notifications.ActionInvoked", f"uint32:{number}", "string:allow_once",
        )
        assert held.result().status == 400, "a signal of somebody else let the call through"


def test_an_ask_shows_in_the_window_and_is_answered_there():
    with window() as (zos, page):
        page.by("address")
        assert not page.all(selector("asks-count"))
        held = zos.call_held(ASKED)
        wait(lambda: page.all(selector("asks-count")), "the count at the side", 2)
        page.press("nav-shield")
        page.by("ask-held")
        assert "Falcon" not in page.words(), page.words()
        page.picture("ask")
        page.press("ask-redact")
        assert held.result().status == 200
        wait(lambda: not page.all(selector("ask")), "no ask any more", 2)
        assert not page.all(selector("asks-count"))
        page.shows("Redacted")
        page.by("no-asks")


def test_always_changes_the_file_and_says_what_was_written():
    with window() as (zos, page):
        page.press("nav-shield")
        held = zos.call_held(ASKED)
        page.press("ask-always")
        page.press("confirm-yes")
        assert held.result().status == 200
        assert "contexts/acme.yml" in page.text("written"), page.text("written")
        text = (zos.home / "contexts/acme.yml").read_text()
        assert "action: warn" in text and "# not before May" in text, text
        wait(lambda: zos.call(ASKED).status == 200, "the rule that only warns")
