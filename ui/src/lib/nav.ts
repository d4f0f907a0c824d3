import type { IconName } from "$lib/components/icons";

/** The screens, in the order of the navigation. A new screen adds one line here. */
export interface Place {
  /** Address behind the `#`. */
  path: string;
  label: string;
  icon: IconName;
}

export const places: readonly Place[] = [
  { path: "/", label: "Now", icon: "now" },
  { path: "/rooms", label: "Rooms", icon: "rooms" },
  { path: "/traffic", label: "Traffic", icon: "traffic" },
  { path: "/shield", label: "Shield", icon: "shield" },
  { path: "/keys", label: "Keys & Money", icon: "keys" },
];

/** Whether a screen at `pathname` belongs to `place`. */
export function isAt(place: Place, pathname: string): boolean {
  return place.path === "/" ? pathname === "/" : pathname === place.path || pathname.startsWith(`${place.path}/`);
}
