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
        self.called(sender, method, arguments.unpack())
        invocation.return_value(None)

    def _read(self, _bus, _sender, _path, _interface, name):
        return self.properties()[name]

    def called(self, sender: str, method: str, arguments: tuple) -> None:
        """Somebody called a method."""

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
