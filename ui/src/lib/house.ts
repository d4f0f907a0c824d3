/** The one of each that all screens share. */
import { Client } from "./api";
import { House } from "./state/house.svelte";
import { Notices } from "./state/notices.svelte";
import { Session } from "./state/session.svelte";

export const session = new Session();
export const client = new Client({ token: () => session.token(), refused: () => session.refused() });
export const house = new House(client, session.desktop);
export const notices = new Notices();
