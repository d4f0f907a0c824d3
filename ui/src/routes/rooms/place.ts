import type { Place } from "$lib/nav";

export const place: Place = { path: "/rooms", label: "Rooms", icon: "rooms", order: 2 };
