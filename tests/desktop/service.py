"""A service on a session bus, for tests that stand in for a part of a desktop."""

import threading

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

LONGEST_MS = 5000


class Service:
    """Owns a name on a bus and answers for one object. Use it in a `with`."""

    name: str
    path: str
    interface: str

    def __init__(self, address: str):
        self._address = address

    def __enter__(self):
        flags = Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION
        self._bus = Gio.DBusConnection.new_for_address_sync(self._address, flags, None, None)
        # The bus ends before us; that must not end the tests.
        self._bus.set_exit_on_close(False)
        self._loop = GLib.MainLoop()
        self._thread = threading.Thread(target=self._loop.run, daemon=True)
        interface = Gio.DBusNodeInfo.new_for_xml(self.interface).interfaces[0]
        self._bus.register_object(self.path, interface, self._called, self._read, None)
        self._thread.start()
        bus = "org.freedesktop.DBus"
        self.ask(bus, "/org/freedesktop/DBus", bus, "RequestName", GLib.Variant("(su)", (self.name, 0)))
        return self

    def __exit__(self, *_) -> None:
        self._loop.quit()
        self._thread.join(5)
        self._bus.close_sync(None)

    def ask(self, name: str, path: str, interface: str, method: str, arguments: GLib.Variant):
        """Calls somebody else on the bus."""
        return self._bus.call_sync(name, path, interface, method, arguments, None, Gio.DBusCallFlags.NONE,
                                   LONGEST_MS, None).unpack()

    def _called(self, _bus, sender, _path, _interface, method, arguments, invocation):
        invocation.return_value(self.called(sender, method, arguments.unpack()))

    def _read(self, _bus, _sender, _path, _interface, name):
        return self.properties()[name]

    def tell(self, signal: str, arguments: GLib.Variant) -> None:
        """Tells everybody who listens."""
        interface = Gio.DBusNodeInfo.new_for_xml(self.interface).interfaces[0].name
        self._bus.emit_signal(None, self.path, interface, signal, arguments)

    def called(self, sender: str, method: str, arguments: tuple) -> GLib.Variant | None:
        """Somebody called a method; the answer, where it has one."""

    def properties(self) -> dict[str, GLib.Variant]:
        """What the object says of itself."""
        return {}


class SilentPrompter(Service):
    """Asks for the keychain's password, and nobody ever answers: the person is not at the screen."""

    name = "org.gnome.keyring.SystemPrompter"
    path = "/org/gnome/keyring/Prompter"
    interface = """<node><interface name='org.gnome.keyring.internal.Prompter'>
      <method name='BeginPrompting'><arg type='o' direction='in'/></method>
      <method name='PerformPrompt'>
        <arg type='o' direction='in'/><arg type='s' direction='in'/>
        <arg type='a{sv}' direction='in'/><arg type='s' direction='in'/>
      </method>
      <method name='StopPrompting'><arg type='o' direction='in'/></method>
    </interface></node>"""

    def __init__(self, address: str):
        super().__init__(address)
        self.prompts = 0

    def called(self, sender: str, method: str, arguments: tuple) -> None:
        self.prompts += method == "BeginPrompting"


class Notifications(Service):
    """Shows notifications, and clicks on them as a person would."""

    name = "org.freedesktop.Notifications"
    path = "/org/freedesktop/Notifications"
    interface = """<node><interface name='org.freedesktop.Notifications'>
      <method name='Notify'>
        <arg type='s' direction='in'/><arg type='u' direction='in'/><arg type='s' direction='in'/>
        <arg type='s' direction='in'/><arg type='s' direction='in'/><arg type='as' direction='in'/>
        <arg type='a{sv}' direction='in'/><arg type='i' direction='in'/><arg type='u' direction='out'/>
      </method>
      <method name='CloseNotification'><arg type='u' direction='in'/></method>
      <signal name='ActionInvoked'><arg type='u'/><arg type='s'/></signal>
      <signal name='NotificationClosed'><arg type='u'/><arg type='u'/></signal>
    </interface></node>"""

    def __init__(self, address: str):
        super().__init__(address)
        # Number, title, body and buttons of each that came.
        self.shown: list[tuple[int, str, str, list[str]]] = []
        self.closed: list[int] = []
        self._coming: list[tuple[int, str, str, list[str]]] = []

    def _called(self, *arguments) -> None:
        super()._called(*arguments)
        # Only now: nobody can click what its sender has no number for yet.
        self.shown += self._coming
        self._coming = []

    def called(self, sender: str, method: str, arguments: tuple) -> GLib.Variant | None:
        if method == "Notify":
            number = len(self.shown) + 1
            self._coming.append((number, arguments[3], arguments[4], arguments[5]))
            return GLib.Variant("(u)", (number,))
        self.closed.append(arguments[0])
        return None

    def click(self, number: int, action: str) -> None:
        self.tell("ActionInvoked", GLib.Variant("(us)", (number, action)))
