import type { Place } from "$lib/nav";

export const place: Place = { path: "/shield", label: "Shield", icon: "shield", order: 4 };
