"""A machine for one test: a display, a session bus and a home of its own, gone afterwards.

Nothing of the person who runs the tests is reached: the environment is built anew.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PATIENCE_S = 15.0

# A bus that starts no service by itself: what a test did not start is not there.
BUS = """<busconfig>
  <type>session</type>
  <listen>unix:dir={folder}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


def wait(condition, what: str, seconds: float = PATIENCE_S):
    """Waits until the condition gives something true, and returns it. `what` says what did not come."""
    end = time.monotonic() + seconds
    while True:
        if found := condition():
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.02)


def free_port() -> int:
    """A port of this machine that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Machine:
    """A display, a bus, a home. Use it in a `with`."""

    def __init__(self, display: bool = True, bus: bool = True):
        self._wants = (display, bus)
        self._ends = contextlib.ExitStack()
        self.env: dict[str, str] = {}

    def __enter__(self) -> "Machine":
        try:
            return self._begin()
        except BaseException:
            self._ends.close()
            raise

    def __exit__(self, *_) -> None:
        self._ends.close()

    def _begin(self) -> "Machine":
        self.folder = Path(tempfile.mkdtemp(prefix="zos-desktop-test-"))
        self._ends.callback(shutil.rmtree, self.folder, ignore_errors=True)
        runtime, user = self.folder / "run", self.folder / "user"
        # Programs of the test's own, found before the system's.
        self.programs = self.folder / "bin"
        runtime.mkdir(mode=0o700)
        user.mkdir()
        self.programs.mkdir()
        self.home = self.folder / "zos"
        self.env = {
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "HOME": str(user),
            "XDG_RUNTIME_DIR": str(runtime),
            "XDG_DATA_HOME": str(user / ".local/share"),
            "XDG_CONFIG_HOME": str(user / ".config"),
            "XDG_CACHE_HOME": str(user / ".cache"),
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            "GDK_BACKEND": "x11",
            "LIBGL_ALWAYS_SOFTWARE": "1",
            # No accessibility bus and no settings service: they would outlive the test.
            "NO_AT_BRIDGE": "1",
            "GSETTINGS_BACKEND": "memory",
            "ZOS_LOG": "debug",
        }
        display, bus = self._wants
        if display:
            self.env["DISPLAY"] = self._start_display()
        # An address that nobody answers, so that no library starts a bus of its own.
        nowhere = f"unix:path={runtime}/no-bus"
        self.env["DBUS_SESSION_BUS_ADDRESS"] = self.start_bus() if bus else nowhere
        return self

    def _start_display(self) -> str:
        reading, writing = os.pipe()
        command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1400x900x24", "-nolisten", "tcp"]
        process = self.start(command, pass_fds=[writing])
        os.close(writing)
        with os.fdopen(reading) as answers:
            number = answers.readline().strip()
        assert number, f"Xvfb gave no display (it ended with {process.poll()})"
        return f":{number}"

    def start_bus(self) -> str:
        """A session bus of its own; its address."""
        config = self.folder / "bus.conf"
        config.write_text(BUS.format(folder=self.env["XDG_RUNTIME_DIR"]))
        command = ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address=1"]
        process = self.start(command, stdout=subprocess.PIPE, text=True)
        address = process.stdout.readline().strip()
        assert address, "dbus-daemon gave no address"
        return address

    def start(self, command: list[str], env: dict[str, str] | None = None, **options) -> subprocess.Popen:
        """Starts a process that ends with the machine, its children included."""
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.DEVNULL)
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(command, env=env or self.env, start_new_session=True, **options)
        self._ends.callback(end, process)
        return process

    def also(self, context):
        """Enters another context that ends before the machine."""
        return self._ends.enter_context(context)

    def tool(self, *command: str, check: bool = True, **options) -> str:
        """Runs a tool on this machine and returns what it says."""
        options.setdefault("timeout", PATIENCE_S)
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, check=False, **options)
        assert not check or done.returncode == 0, f"{command[0]}: {done.stderr or done.stdout}"
        return done.stdout


def end(process: subprocess.Popen) -> None:
    """Ends a process and what it started."""
    for kind, seconds in ((signal.SIGTERM, 8), (signal.SIGKILL, 8)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, kind)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            break
    # What the process left behind in its group.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
