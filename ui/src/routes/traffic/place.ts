import type { Place } from "$lib/nav";

export const place: Place = { path: "/traffic", label: "Traffic", icon: "traffic", order: 3 };
