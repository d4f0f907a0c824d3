export { Client } from "./client";
export { ApiFailure } from "./failure";
export type * from "./types";
