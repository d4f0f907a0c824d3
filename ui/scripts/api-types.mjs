// Writes src/lib/api/schema.d.ts from ../docs/openapi.json.
//
// Operation ids are left out first: the document repeats some ("list" for rooms, keys and providers),
// and the generator would give all of them the types of the last one. The screens name an operation
// by its path and method, which cannot collide.
import openapiTS, { astToString, COMMENT_HEADER } from "openapi-typescript";
import { readFileSync, writeFileSync } from "node:fs";

const document = JSON.parse(readFileSync(new URL("../../docs/openapi.json", import.meta.url), "utf8"));
for (const operations of Object.values(document.paths)) {
  for (const operation of Object.values(operations)) delete operation.operationId;
}
const types = astToString(await openapiTS(document));
writeFileSync(new URL("../src/lib/api/schema.d.ts", import.meta.url), COMMENT_HEADER + types);
