import type { Place } from "$lib/nav";

export const place: Place = { path: "/", label: "Now", icon: "now", order: 1 };
