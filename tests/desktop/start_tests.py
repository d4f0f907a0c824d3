"""Starting and not starting: displays, ports, second starts, the log."""

import socket
import subprocess
import time

from app import Zos
from machine import Machine, wait
from panel import Panel

HARD = "isolation: hard\n"


def ended(machine: Machine, command: list[str], seconds: float = 15):
    """Runs a command that is to end by itself; its code, what it said, and how long it took."""
    process = machine.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    begun = time.monotonic()
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out + err, time.monotonic() - begun


def test_without_a_display_it_says_so_and_ends_with_2():
    for name in (None, ":987"):
        with Machine(display=False) as machine:
            if name:
                machine.env["DISPLAY"] = name
            code, said, took = ended(machine, Zos(machine).command())
            assert code == 2, (code, said)
            assert "display" in said and "zos serve" in said and "panicked" not in said, said
            assert took < 5, took


def test_a_wrong_command_line_ends_with_2():
    with Machine(display=False) as machine:
        code, said, _ = ended(machine, [*Zos(machine).command(), "--listen", "x"])
        assert code == 2 and "--listen" in said, (code, said)


def test_a_hidden_start_serves_and_makes_no_webview():
    with Machine() as machine:
        machine.also(Panel(machine.env["DBUS_SESSION_BUS_ADDRESS"]))
        zos = Zos(machine, {"acme": HARD}, "acme").start("--hidden")
        assert zos.call().status == 200
        assert not [name for name in zos.processes().values() if name.startswith("WebKit")], zos.processes()
        print(f"   hidden: {zos.memory_mb():.0f} MB")


def test_start_to_port_and_memory():
    with Machine() as machine:
        panel = machine.also(Panel(machine.env["DBUS_SESSION_BUS_ADDRESS"]))
        zos = Zos(machine, {"acme": HARD}, "acme")
        begun = time.monotonic()
        zos.start()
        took = time.monotonic() - begun
        wait(lambda: "WebKitWebProces" in zos.processes().values(), "the window's process")
        time.sleep(2)
        shown = zos.memory_mb()
        press(machine, "ctrl+w")
        wait(lambda: "WebKitWebProces" not in zos.processes().values(), "the end of the window's process")
        time.sleep(1)
        closed = zos.memory_mb()
        begun = time.monotonic()
        panel.click("Open zOS")
        wait(lambda: "the page is loaded" in zos.log().rpartition("window closed")[2], "the page again")
        print(f"   launch to port {took * 1000:.0f} ms; open again {(time.monotonic() - begun) * 1000:.0f} ms; "
              f"window {shown:.0f} MB, closed {closed:.0f} MB")
        assert took < 10
        assert closed < shown - 50, "closing the window gave nothing back"


def press(machine: Machine, keys: str) -> None:
    """A key in the window. Without a window manager the focus is ours to give."""
    window = wait(lambda: windows(machine), "the window")[-1]
    machine.tool("xdotool", "windowfocus", "--sync", window)
    machine.tool("xdotool", "key", keys)


def test_closing_the_window_leaves_the_gateway_serving():
    with Machine() as machine:
        panel = machine.also(Panel(machine.env["DBUS_SESSION_BUS_ADDRESS"]))
        zos = Zos(machine, {"acme": HARD}, "acme").start()
        wait(lambda: "WebKitWebProces" in zos.processes().values(), "the window's process")
        wait(lambda: panel.count, "the tray")
        press(machine, "ctrl+w")
        wait(lambda: "WebKitWebProces" not in zos.processes().values(), "the end of the window's process")
        assert zos.call().status == 200
        panel.click("Open zOS")
        wait(lambda: "WebKitWebProces" in zos.processes().values(), "the window again")
        state = zos.state()
        assert state["active"] == "acme" and state["theirs"] == {"kept": True}, state
        assert state["window"]["width"] >= 640, state


def test_ctrl_q_ends_it_in_order():
    with Machine() as machine:
        machine.also(Panel(machine.env["DBUS_SESSION_BUS_ADDRESS"]))
        zos = Zos(machine).start()
        zos.call()
        press(machine, "ctrl+q")
        wait(lambda: zos.process.poll() is not None, "the end")
        assert zos.process.returncode == 0, zos.log()
        assert '"kind":"stop"' in last_line(zos), last_line(zos)


def test_a_signal_ends_it_in_order():
    with Machine() as machine:
        zos = Zos(machine).start("--hidden")
        zos.process.terminate()
        wait(lambda: zos.process.poll() is not None, "the end")
        assert zos.process.returncode == 0, zos.log()
        assert '"kind":"stop"' in last_line(zos), last_line(zos)


def last_line(zos: Zos) -> str:
    """The newest record."""
    files = sorted(path for path in (zos.home / "gateway/audit").rglob("*.jsonl"))
    return files[-1].read_text().splitlines()[-1] if files else ""


def test_a_second_start_shows_the_window_of_the_first():
    with Machine() as machine:
        machine.also(Panel(machine.env["DBUS_SESSION_BUS_ADDRESS"]))
        zos = Zos(machine).start("--hidden")
        wait(lambda: "WebKitWebProces" not in zos.processes().values(), "no window")
        code, said, _ = ended(machine, zos.command("--hidden"))
        assert code == 0, (code, said)
        time.sleep(0.5)
        assert "WebKitWebProces" not in zos.processes().values(), "a hidden second start showed the window"
        code, said, _ = ended(machine, zos.command())
        assert code == 0, (code, said)
        wait(lambda: "WebKitWebProces" in zos.processes().values(), "the window of the first")
        assert zos.call().status == 200


def test_another_home_is_another_zos():
    with Machine() as machine:
        first = Zos(machine).start("--hidden")
        machine.home = machine.folder / "other"
        second = Zos(machine).start("--hidden")
        assert first.call().status == second.call().status == 200


def windows(machine: Machine) -> list[str]:
    """Every window or dialog of zOS that is to be seen."""
    return machine.tool("xdotool", "search", "--onlyvisible", "--name", "^zOS$", check=False).split()


def closes_its_dialog(machine: Machine, command: list[str]) -> tuple[int, str]:
    """Starts what is to end with a dialog, closes it, and returns the code and what was said."""
    before = set(windows(machine))
    process = machine.start(command, stderr=subprocess.PIPE, text=True)
    dialog = wait(lambda: set(windows(machine)) - before, "the dialog").pop()
    assert process.poll() is None, "it did not wait for the dialog"
    machine.tool("xdotool", "windowfocus", "--sync", dialog)
    machine.tool("xdotool", "key", "Escape")
    _, said = process.communicate(timeout=10)
    return process.returncode, said


def test_a_home_in_use_is_told_in_a_dialog():
    with Machine() as machine:
        zos = Zos(machine).start("--hidden")
        # Another session: over its bus the first one cannot be found.
        machine.env["DBUS_SESSION_BUS_ADDRESS"] = machine.start_bus()
        code, said = closes_its_dialog(machine, zos.command())
        assert code == 2, (code, said)
        assert "panicked" not in said and "is in use by another process" in said, said
        assert ".lock" not in said, said
        assert zos.call().status == 200


def test_a_home_that_is_a_file_is_told():
    with Machine() as machine:
        path = machine.folder / "file"
        path.write_text("x")
        code, said = closes_its_dialog(machine, [Zos(machine).command()[0], "--home", str(path)])
        assert code == 2, (code, said)
        assert "Not a directory" in said or "not a folder" in said, said
        assert "panicked" not in said, said


def test_a_taken_port_is_told_in_the_tray_and_tried_again():
    with Machine() as machine:
        panel = machine.also(Panel(machine.env["DBUS_SESSION_BUS_ADDRESS"]))
        zos = Zos(machine)
        with socket.create_server(("127.0.0.1", zos.port)):
            zos.start("--hidden", listens=False)
            wait(lambda: panel.count and panel.labels()[0].startswith("Not listening"), "the tray's words")
            assert str(zos.port) in panel.labels()[0], panel.labels()
            assert not panel.find("Copy endpoint").is_enabled
            panel.click("Try again")
            time.sleep(0.5)
            assert panel.labels()[0].startswith("Not listening"), panel.labels()
        assert zos.process.poll() is None
        panel.click("Try again")
        wait(zos.is_up, "the port")
        wait(lambda: not panel.labels()[0].startswith("Not listening"), "the tray's words")
        assert panel.find("Try again") is None, panel.labels()
        assert panel.find("Copy endpoint").is_enabled


def test_without_a_session_bus_it_serves_and_keeps_its_window():
    with Machine(bus=False) as machine:
        zos = Zos(machine).start()
        wait(lambda: "WebKitWebProces" in zos.processes().values(), "the window's process")
        time.sleep(1)
        press(machine, "ctrl+w")
        time.sleep(1)
        assert zos.process.poll() is None and "WebKitWebProces" in zos.processes().values(), zos.processes()
        assert zos.call().status == 200


def test_nothing_of_a_call_is_in_the_log():
    with Machine() as machine:
        machine.env["ZOS_LOG"] = "trace"
        zos = Zos(machine, {"acme": "isolation: hard\noutbound_deny: [Project Falcon]\n"}, "acme").start("--hidden")
        assert zos.call("walnuts and say: hazelnuts").status == 200
        assert zos.call("about project falcon", x_api_key="sk-private").status == 400
        log = zos.log()
        assert "listening" in log, log
        for word in ("walnuts", "hazelnuts", "alcon", "sk-private"):
            assert word not in log, word
        assert (zos.home / "logs/zos.log").is_symlink()
        assert (zos.home / "logs").stat().st_mode & 0o077 == 0
