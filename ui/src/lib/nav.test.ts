import { expect, it } from "vitest";
import { isAt, places } from "./nav";

it("has every screen once, in one order", () => {
  const screens = Object.keys(import.meta.glob("../routes/*/+page.svelte"));
  expect(places).toHaveLength(screens.length);
  expect(new Set(places.map(({ order }) => order)).size).toBe(places.length);
  expect(new Set(places.map(({ path }) => path)).size).toBe(places.length);
  expect(places.map(({ label }) => label)).toEqual(["Now", "Rooms", "Traffic", "Shield", "Keys & Money"]);
});

const at = (pathname: string) => places.filter((place) => isAt(place, pathname)).map(({ label }) => label);

it("marks one place for every address", () => {
  expect(at("/")).toEqual(["Now"]);
  expect(at("/rooms")).toEqual(["Rooms"]);
  expect(at("/rooms/keys")).toEqual(["Rooms"]);
  expect(at("/keys")).toEqual(["Keys & Money"]);
  expect(at("/roomsX")).toEqual([]);
});
