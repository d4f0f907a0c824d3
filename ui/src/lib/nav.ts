import type { IconName } from "$lib/components/icons";

/** Entry of the navigation. A screen exports one as `place` from `place.ts` in its folder. */
export interface Place {
  /** Address behind the `#`. */
  path: string;
  label: string;
  icon: IconName;
  /** Rank in the navigation, lowest first; no two screens share one. */
  order: number;
}

const found = import.meta.glob<{ place: Place }>("../routes/*/place.ts", { eager: true });

/** Entries of all screens, in the order of the navigation. */
export const places: readonly Place[] = Object.values(found)
  .map(({ place }) => place)
  .sort((a, b) => a.order - b.order);

/** Whether a screen at `pathname` belongs to `place`. */
export function isAt(place: Place, pathname: string): boolean {
  return place.path === "/" ? pathname === "/" : pathname === place.path || pathname.startsWith(`${place.path}/`);
}
