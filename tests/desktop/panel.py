"""A desktop panel for tests: it shows trays, reads their menu and clicks in it, all over D-Bus.

The program under test cannot tell it from a real one: it answers as `org.kde.StatusNotifierWatcher` and
speaks `com.canonical.dbusmenu` with the menu.
"""

from dataclasses import dataclass, field

from gi.repository import GLib

from machine import wait
from service import Service

MENU = "com.canonical.dbusmenu"
ITEM = "org.kde.StatusNotifierItem"

@dataclass
class Item:
    """One item of the menu as the panel would draw it."""

    id: int
    label: str
    kind: str
    is_enabled: bool
    is_checked: bool
    children: list["Item"] = field(default_factory=list)


class Panel(Service):
    """Shows trays on one bus. It has to be there before the program starts."""

    name = "org.kde.StatusNotifierWatcher"
    path = "/StatusNotifierWatcher"
    interface = """<node><interface name='org.kde.StatusNotifierWatcher'>
      <method name='RegisterStatusNotifierItem'><arg type='s' direction='in'/></method>
      <method name='RegisterStatusNotifierHost'><arg type='s' direction='in'/></method>
      <property name='RegisteredStatusNotifierItems' type='as' access='read'/>
      <property name='IsStatusNotifierHostRegistered' type='b' access='read'/>
      <property name='ProtocolVersion' type='i' access='read'/>
    </interface></node>"""

    def __init__(self, address: str):
        super().__init__(address)
        self._items: list[tuple[str, str]] = []

    def called(self, sender: str, method: str, arguments: tuple) -> None:
        if method == "RegisterStatusNotifierItem":
            # ayatana passes an object's path; its bus name is the sender's.
            self._items.append((sender, arguments[0]))

    def properties(self) -> dict[str, GLib.Variant]:
        return {
            "RegisteredStatusNotifierItems": GLib.Variant("as", [sender + path for sender, path in self._items]),
            "IsStatusNotifierHostRegistered": GLib.Variant("b", True),
            "ProtocolVersion": GLib.Variant("i", 0),
        }

    @property
    def count(self) -> int:
        """How many trays have come."""
        return len(self._items)

    def _property(self, name: str):
        wait(lambda: self._items, "a tray")
        owner, path = self._items[-1]
        return self.ask(owner, path, "org.freedesktop.DBus.Properties", "Get", GLib.Variant("(ss)", (ITEM, name)))[0]

    def icon(self) -> str:
        """Path of the icon that is shown."""
        return self._property("IconName")

    def status(self) -> str:
        """`Active` while the tray wants to be seen."""
        return self._property("Status")

    def menu(self) -> list[Item]:
        """The menu as it is now, separators left out."""
        path = self._property("Menu")
        _, root = self.ask(self._items[-1][0], path, MENU, "GetLayout", GLib.Variant("(iias)", (0, -1, [])))
        return item(root).children

    def labels(self) -> list[str]:
        return [item.label for item in self.menu()]

    def find(self, *path: str) -> Item | None:
        """The item that is called so, or begins so, below those of the words before."""
        items = self.menu()
        for label in path:
            called = [item for item in items if item.label == label]
            found = next(iter(called + [item for item in items if item.label.startswith(label)]), None)
            if found is None:
                return None
            items = found.children
        return found

    def click(self, *path: str) -> None:
        """Clicks an item as a panel does."""
        found = wait(lambda: self.find(*path), f"{' > '.join(path)} in the menu {self.labels()}")
        assert found.is_enabled, f"{path[-1]} cannot be clicked"
        arguments = GLib.Variant("(isvu)", (found.id, "clicked", GLib.Variant("i", 0), 0))
        self.ask(self._items[-1][0], self._property("Menu"), MENU, "Event", arguments)

    def checked(self) -> list[str]:
        """Labels of the items with a check."""
        return [item.label for item in self.menu() if item.is_checked]


def item(raw) -> Item:
    number, properties, children = raw
    inner = [item(child) for child in children]
    return Item(
        id=number,
        # One underscore marks a key, two are one that is meant.
        label=properties.get("label", "").replace("__", "\0").replace("_", "").replace("\0", "_"),
        kind=properties.get("type", "standard"),
        is_enabled=properties.get("enabled", True),
        is_checked=properties.get("toggle-state", 0) == 1,
        children=[child for child in inner if child.kind != "separator"],
    )
