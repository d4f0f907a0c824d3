import { expect, it } from "vitest";
import { isAt, places } from "./nav";

const at = (pathname: string) => places.filter((place) => isAt(place, pathname)).map(({ label }) => label);

it("marks one place for every address", () => {
  expect(at("/")).toEqual(["Now"]);
  expect(at("/rooms")).toEqual(["Rooms"]);
  expect(at("/rooms/keys")).toEqual(["Rooms"]);
  expect(at("/keys")).toEqual(["Keys & Money"]);
  expect(at("/roomsX")).toEqual([]);
});
