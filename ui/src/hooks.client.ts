import { session } from "$lib/house";
import type { HandleClientError } from "@sveltejs/kit";

/** Runs before the router reads the address. */
export function init(): void {
  session.takeFromAddress();
  // A token link opened in a tab that already shows the screens arrives as a mere change of the
  // fragment. These listeners come before the router's own.
  for (const type of ["popstate", "hashchange"] as const) {
    window.addEventListener(type, (event) => {
      if (session.takeFromAddress()) event.stopImmediatePropagation();
    });
  }
}

export const handleError: HandleClientError = ({ error, status }) => {
  if (status === 404) return { message: "The address leads nowhere." };
  console.error(error);
  return { message: "It met something unforeseen. Reload the page, and tell us if it happens again." };
};
