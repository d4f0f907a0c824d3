"""The tray, read and clicked over D-Bus."""

import json
import os
import time
from contextlib import contextmanager

from app import Zos
from machine import Machine, wait
from panel import Panel

ACME = """title: Acme Corp
isolation: hard
outbound_deny:
  - Project Falcon
budget: {daily_tokens: 200000}
"""
HOME = "title: At home\nisolation: open\n"
ASKING = "title: Acme Corp\noutbound_deny:\n  - {term: Project Falcon, action: ask}\n"
A_SECOND = 1.0


@contextmanager
def tray(rooms: dict[str, str], active: str | None, config: str = ""):
    with Machine() as machine:
        panel = machine.also(Panel(machine.env["DBUS_SESSION_BUS_ADDRESS"]))
        zos = Zos(machine, rooms, active, config).start("--hidden")
        wait(lambda: panel.count, "the tray")
        wait(lambda: panel.labels()[0] != "Starting…", "the status line")
        yield zos, panel


def soon(condition, what: str) -> None:
    """It happens within a second."""
    wait(condition, what, A_SECOND)


def test_the_menu_holds_every_item_in_order():
    with tray({"acme": ACME, "home": HOME}, "acme") as (_, panel):
        labels = panel.labels()
        assert labels == [
            "Acme Corp · shield on · 0 of 200,000 tokens", "Acme Corp", "At home",
            "Pause shield", "Copy endpoint", "Open zOS", "Start at login", "Quit zOS",
        ], labels
        assert not panel.menu()[0].is_enabled
        assert panel.status() == "Active"
        spans = [item.label for item in panel.find("Pause shield").children]
        assert spans == ["5 minutes", "15 minutes", "1 hour", "Until I resume"], spans
        copies = [item.label for item in panel.find("Copy endpoint").children]
        assert copies == ["OpenAI base URL", "Anthropic base URL", "curl test line"], copies


def test_a_click_on_a_room_switches_file_check_and_next_call():
    with tray({"acme": ACME, "home": HOME}, "acme") as (zos, panel):
        assert zos.call().headers["x-zos-context"] == "acme"
        assert panel.checked() == ["Acme Corp"]
        icon = panel.icon()
        panel.click("At home")
        soon(lambda: zos.state()["active"] == "home", "the active room in state.json")
        assert zos.call().headers["x-zos-context"] == "home"
        soon(lambda: panel.checked() == ["At home"], f"the check: {panel.checked()}")
        soon(lambda: panel.icon() != icon, "another icon for a room that only observes")
        assert panel.labels()[0].startswith("At home · observes only"), panel.labels()
        assert zos.state()["theirs"] == {"kept": True}
        # A toolkit would take the check away from what is clicked while it is checked.
        panel.click("At home")
        time.sleep(0.5)
        assert panel.checked() == ["At home"], panel.checked()
        panel.click("Acme Corp")
        soon(lambda: panel.checked() == ["Acme Corp"], "the check")


def test_a_switch_governs_the_next_call_soon():
    with tray({"acme": ACME, "home": HOME}, "acme") as (zos, panel):
        target = panel.find("At home")
        assert target
        begun = time.monotonic()
        panel.click("At home")
        wait(lambda: zos.call().headers["x-zos-context"] == "home", "the switch")
        print(f"   click to governed call: {(time.monotonic() - begun) * 1000:.0f} ms, finding the item and the call included")
        assert time.monotonic() - begun < 1


def test_rooms_come_and_go_with_their_files():
    with tray({"acme": ACME}, "acme") as (zos, panel):
        path = zos.write_room("site", "title: R&D _site_\n")
        soon(lambda: "R&D _site_" in panel.labels(), f"the new room: {panel.labels()}")
        zos.write_room("site", "title: Renamed\n")
        soon(lambda: "Renamed" in panel.labels(), "the new title")
        path.unlink()
        soon(lambda: panel.labels()[1:3] == ["Acme Corp", "Pause shield"], f"its end: {panel.labels()}")
        zos.write_room("torn", "isolation: [")
        soon(lambda: panel.find("torn (its file is broken)"), f"the broken room: {panel.labels()}")
        assert not panel.find("torn").is_enabled


def test_a_switch_by_file_moves_the_check():
    with tray({"acme": ACME, "home": HOME}, "acme") as (zos, panel):
        (zos.home / "state.next").write_text(json.dumps({"active": "home"}))
        os.replace(zos.home / "state.next", zos.home / "state.json")
        soon(lambda: panel.checked() == ["At home"], f"the check: {panel.checked()}")


def test_more_than_eight_rooms_lead_to_the_window():
    rooms = {f"r{number:02}": f"title: Room {number:02}\n" for number in range(12)}
    with tray(rooms, "r11") as (zos, panel):
        shown = [label for label in panel.labels() if label.startswith("Room ")][1:]
        assert len(shown) == 8 and shown[-1] == "Room 11", shown
        assert panel.checked() == ["Room 11"]
        panel.click("More rooms")
        wait(lambda: "WebKitWebProces" in zos.processes().values(), "the window")
        for number in range(4, 11):
            (zos.home / f"contexts/r{number:02}.yml").unlink()
        soon(lambda: panel.find("More rooms") is None, "the end of the item")
        rooms = [label for label in panel.labels()[1:] if label.startswith("Room ")]
        assert rooms == ["Room 00", "Room 01", "Room 02", "Room 03", "Room 11"], rooms


def test_a_pause_lets_calls_pass_until_it_is_resumed():
    with tray({"acme": ACME}, "acme") as (zos, panel):
        denied = "tell me about Project Falcon"
        assert zos.call(denied).status == 400
        icon = panel.icon()
        panel.click("Pause shield", "5 minutes")
        soon(lambda: panel.find("Resume shield (back at "), f"the way back: {panel.labels()}")
        assert panel.find("Pause shield") is None
        assert "shield paused until" in panel.labels()[0], panel.labels()
        soon(lambda: panel.icon() != icon, "another icon")
        assert zos.call(denied).status == 200
        panel.click("Resume shield")
        soon(lambda: panel.find("Pause shield"), "the pause again")
        assert panel.find("Resume shield") is None
        assert zos.call(denied).status == 400
        panel.click("Pause shield", "Until I resume")
        soon(lambda: panel.find("Resume shield"), "the way back")
        assert "(" not in panel.find("Resume shield").label
        decisions = [line for line in log_lines(zos) if line["kind"] == "decision"]
        assert [line["detail"] for line in decisions] == [
            "shield paused for 5 min", "shield resumed", "shield paused until resumed",
        ], decisions


def log_lines(zos: Zos) -> list[dict]:
    """Every record of the log."""
    files = sorted((zos.home / "gateway/audit").rglob("*.jsonl"))
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def test_tokens_are_counted_in_the_status_line():
    with tray({"acme": ACME}, "acme") as (zos, panel):
        zos.call("Hello")
        soon(lambda: " 0 of " not in panel.labels()[0], f"the tokens: {panel.labels()[0]}")


def test_an_endpoint_is_copied():
    with tray({"acme": ACME}, "acme") as (zos, panel):
        def clipboard() -> str:
            return zos.machine.tool("xclip", "-selection", "clipboard", "-out", check=False)

        panel.click("Copy endpoint", "OpenAI base URL")
        wait(lambda: clipboard() == f"{zos.address}/v1", f"the address, not {clipboard()!r}")
        panel.click("Copy endpoint", "Anthropic base URL")
        wait(lambda: clipboard() == zos.address, f"the address, not {clipboard()!r}")
        panel.click("Copy endpoint", "curl test line")
        line = wait(lambda: clipboard() if clipboard().startswith("curl ") else "", "the line")
        answer = zos.machine.tool("sh", "-c", line)
        assert json.loads(answer)["choices"], answer


def test_start_at_login_writes_and_removes_the_entry():
    with tray({"acme": ACME}, "acme") as (zos, panel):
        entry = zos.machine.folder / "user/.config/autostart/zos.desktop"
        panel.click("Start at login")
        soon(entry.exists, "the entry")
        text = entry.read_text()
        assert f'--hidden --home "{zos.home}"' in text, text
        soon(lambda: "Start at login" in panel.checked(), "the check")
        panel.click("Start at login")
        soon(lambda: not entry.exists(), "its end")
        soon(lambda: "Start at login" not in panel.checked(), "no check")


def test_quit_ends_in_order():
    with tray({"acme": ACME}, "acme") as (zos, panel):
        zos.call()
        panel.click("Quit zOS")
        wait(lambda: zos.process.poll() is not None, "the end")
        assert zos.process.returncode == 0, zos.log()
        assert log_lines(zos)[-1]["kind"] == "stop", log_lines(zos)[-1]


def test_what_is_refused_is_told_in_the_tray():
    with tray({"acme": ACME, "home": HOME}, "acme") as (zos, panel):
        # A folder in the way of the file: the wish cannot be kept.
        (zos.home / "state.json").unlink()
        (zos.home / "state.json").mkdir()
        panel.click("At home")
        wait(lambda: panel.labels()[0].startswith("Not done: "), f"the refusal: {panel.labels()}")
        assert panel.checked() != ["At home"], panel.checked()


def test_an_ask_is_counted_and_its_call_can_be_let_through_when_it_was_late():
    with tray({"acme": ASKING}, "acme", "ask: {timeout_s: 2}\n") as (zos, panel):
        icon = panel.icon()
        assert panel.find("1 ask waiting") is None and panel.find("Allow last block once") is None
        asked = "tell me about Project Falcon"
        held = zos.call_held(asked)
        soon(lambda: panel.labels()[1] == "1 ask waiting…", f"the ask: {panel.labels()}")
        soon(lambda: panel.icon() != icon, "another icon while an ask waits")
        dotted = panel.icon()
        assert panel.find("Allow last block once") is None, "the call is not blocked yet"
        assert held.result().status == 400
        late = wait(lambda: panel.find("Allow last block once: "), f"the way to let it through: {panel.labels()}")
        labels = panel.labels()
        assert labels.index("Acme Corp") + 1 == labels.index(late.label) == labels.index("Pause shield") - 1, labels
        assert "Falcon" not in late.label, late.label
        panel.click("Allow last block once")
        soon(lambda: panel.find("1 ask waiting") is None, f"no ask any more: {panel.labels()}")
        assert panel.find("Allow last block once") is None
        soon(lambda: panel.icon() != dotted, "an icon without the dot")
        assert zos.call(asked).status == 200
        # Once.
        assert zos.call_held(asked).result().status == 400
        details = [line["detail"] for line in log_lines(zos) if line["kind"] == "decision"]
        assert len(details) == 1 and details[0].endswith(": allow_once"), details


def test_the_asks_in_the_tray_lead_to_the_window():
    with tray({"acme": ASKING}, "acme", "ask: {timeout_s: 8}\n") as (zos, panel):
        held = zos.call_held("Project Falcon")
        panel.click("1 ask waiting")
        wait(lambda: "WebKitWebProces" in zos.processes().values(), "the window")
        held.result()
