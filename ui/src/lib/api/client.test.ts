import { afterEach, expect, it, vi } from "vitest";
import { Client } from "./client";
import { ApiFailure } from "./failure";

afterEach(() => vi.unstubAllGlobals());

function stub(status: number, body: string | null) {
  const fetch = vi.fn<(url: string, init: RequestInit) => Promise<Response>>(async () => new Response(body, { status }));
  vi.stubGlobal("fetch", fetch);
  return fetch;
}

const open = (token: string | null = "t0ken", refused: () => void = () => undefined) => new Client({ token: () => token, refused });
const failure = (call: Promise<unknown>) => call.then(() => null, (thrown: unknown) => thrown as ApiFailure);

it("sends the token in a header, the body as a string, and names in the path escaped", async () => {
  const fetch = stub(200, '{"etag":"2"}');
  const written = await open().put("/zos/v1/contexts/{name}", { yaml: "a: 1" }, { at: { name: "a/b c" } });
  expect(written).toEqual({ etag: "2" });
  const [url, init] = fetch.mock.calls[0] ?? [];
  expect(url).toBe("/zos/v1/contexts/a%2Fb%20c");
  expect(init?.headers).toMatchObject({ authorization: "Bearer t0ken", "content-type": "application/json" });
  expect(init?.body).toBe('{"yaml":"a: 1"}');
});

it("sends no token where there is none, and only the filters that are set", async () => {
  const fetch = stub(200, '{"records":[]}');
  await open(null).get("/zos/v1/audit", { query: { context: "", verdict: "deny", client: undefined, limit: 5 } });
  const [url, init] = fetch.mock.calls[0] ?? [];
  expect(url).toBe("/zos/v1/audit?verdict=deny&limit=5");
  expect(init?.headers).not.toHaveProperty("authorization");
});

it("reads the parts of a refusal", async () => {
  stub(422, '{"error":{"code":"zos_invalid_context","message":"Not valid.","hint":"Fix it.","problems":[{"line":3}]}}');
  const problem = await failure(open().get("/zos/v1/status"));
  expect(problem).toMatchObject({ status: 422, code: "zos_invalid_context", message: "Not valid.", hint: "Fix it.", problems: [{ line: 3 }] });
});

it("tells the gate when the token is refused", async () => {
  stub(401, '{"error":{"code":"zos_unauthorized","message":"No."}}');
  const refused = vi.fn();
  expect(await failure(open("old", refused).get("/zos/v1/status"))).toMatchObject({ code: "zos_unauthorized" });
  expect(refused).toHaveBeenCalledOnce();
});

it.each([
  ["an answer that is not JSON", 200, "<html>"],
  ["a refusal that is not ours", 502, "<html>"],
  ["a refusal without a code", 500, "{}"],
])("calls %s garbled", async (_, status, body) => {
  stub(status, body);
  expect(await failure(open().get("/zos/v1/status"))).toMatchObject({ code: "ui_garbled", status });
});

it("says that zOS does not answer when there is no answer", async () => {
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("refused")));
  expect(await failure(open().get("/zos/v1/status"))).toMatchObject({ code: "ui_unreachable", status: 0 });
});

it("takes an empty answer as nothing", async () => {
  stub(204, null);
  expect(await open().delete("/zos/v1/keys/{id}", { at: { id: "k1" } })).toBeUndefined();
});
