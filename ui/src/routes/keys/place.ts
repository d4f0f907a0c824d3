import type { Place } from "$lib/nav";

export const place: Place = { path: "/keys", label: "Keys & Money", icon: "keys", order: 5 };
