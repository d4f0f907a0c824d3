// Walks the screens in a headless browser against any zOS that answers (`zos serve`, or the mock),
// uses them as a person would, and looks for what must not be: serious accessibility findings,
// console errors, missing texts, broken flows.
//
//     node tests/screens.mjs BASE_URL ADMIN_TOKEN [FOLDER_FOR_PICTURES]
//     node tests/screens.mjs http://127.0.0.1:8788 "$(cat ~/.zos/gateway/admin.token)"
//
// Exit code 0: all well; 1: something was found; 2: wrong use. It makes two rooms and a zOS key, and
// takes them away again; it makes demo calls, which stay in the log. Not twice within a minute: a rule that
// is met more than five times a minute holds no calls. CHROMIUM names the browser.
import { createRequire } from "node:module";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [base, token, pictures] = process.argv.slice(2);
if (!base || !token) {
  console.error("usage: node tests/screens.mjs BASE_URL ADMIN_TOKEN [FOLDER_FOR_PICTURES]");
  process.exit(2);
}
const address = `${base.replace(/\/$/, "")}/zos/`;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WAIT_MS = 5_000;
const found = [];
const report = (text) => {
  found.push(text);
  console.error(`✗ ${text}`);
};
/** Refused requests that a step provokes on purpose; the browser logs each as an error. */
let provoked = [];

// Also tells at once when nothing answers, or the token is wrong.
const activeBefore = (await api("GET", "active")).context;
const profile = mkdtempSync(join(tmpdir(), "zos-screens-"));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
browser.setDefaultTimeout(WAIT_MS);
if (pictures) mkdirSync(pictures, { recursive: true });

try {
  const page = await watched();
  await step("sign in", () => signIn(page));
  await step("rooms and switching", () => rooms(page));
  await step("firewall list", () => firewall(page));
  await step("unsaved changes", () => unsaved(page));
  await step("live calls", () => live(page));
  await step("shield", () => shield(page));
  await step("asks", () => asks(page));
  await step("canon", () => canon(page));
  await step("memory", () => memory(page));
  await step("keys", () => keys(page));
  await step("token in the address", () => tokenLink());
  await step("look at every screen", () => look(page));
  await step("delete rooms", () => deleteRooms(page));
} finally {
  await cleanUp();
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}
console.log(found.length === 0 ? "screens: all well" : `screens: ${found.length} finding(s)`);
process.exit(found.length === 0 ? 0 : 1);

async function watched() {
  const page = await browser.newPage();
  await page.setViewportSize({ width: 1180, height: 760 });
  page.on("pageerror", (error) => report(`page error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() !== "error") return;
    if (provoked.some((status) => message.text().includes(`status of ${status}`))) return;
    report(`console: ${message.text()}`);
  });
  return page;
}

async function step(name, task) {
  try {
    await task();
    console.log(`✓ ${name}`);
  } catch (error) {
    report(`${name}: ${error.message.split("\n").slice(0, 3).join(" ")}`);
    if (pictures) for (const [index, page] of browser.pages().entries()) await page.screenshot({ path: join(pictures, `failed-${name.replaceAll(" ", "-")}-${index}.png`) }).catch(() => undefined);
  }
}

function must(condition, text) {
  if (!condition) throw new Error(text);
}

function at(page, id) {
  return page.getByTestId(id);
}

async function go(page, place) {
  await page.evaluate((hash) => (location.hash = hash), `#${place}`);
}

async function signIn(page) {
  await page.goto(address);
  await at(page, "sign-in").waitFor();
  await audit(page, "sign-in");
  provoked = [401];
  await at(page, "token").fill("wrong-token");
  await at(page, "sign-in-go").click();
  await at(page, "sign-in-problem").waitFor();
  provoked = [];
  await at(page, "token").fill(token);
  await page.keyboard.press("Enter");
  await at(page, "address").or(at(page, "listen-error")).first().waitFor();
  must((await page.getByRole("heading", { level: 1 }).textContent()) === "Now", "Now does not open after signing in");
  const kept = await page.evaluate(() => [Object.values(localStorage), document.cookie, location.href].join());
  must(!kept.includes(token), "the token is kept outside sessionStorage");
}

async function makeRoom(page, title) {
  await go(page, "/rooms");
  await at(page, "new-room-open").click();
  await at(page, "new-room-title").fill(title);
  await at(page, "new-room-create").click();
  await at(page, "outbound-deny").waitFor();
}

async function rooms(page) {
  await makeRoom(page, "Screens A");
  await makeRoom(page, "Screens B");
  await at(page, "nav-now").click();
  for (const [name, title] of [["screens-b", "Screens B"], ["screens-a", "Screens A"]]) {
    await at(page, "room-switch").selectOption(name);
    await at(page, "side-room").filter({ hasText: title }).waitFor();
    must((await api("GET", "active")).context === name, `the API does not say that ${name} is active`);
  }
  await go(page, "/rooms");
  await at(page, "activate-screens-b").click();
  await at(page, "room-screens-b").getByTestId("room-active").waitFor();
}

async function firewall(page) {
  await go(page, "/rooms/screens-a");
  const list = at(page, "outbound-deny");
  await list.getByTestId("entry-add").click();
  must(await page.evaluate(() => document.activeElement?.getAttribute("data-testid") === "entry-value"), "the cursor is not in the new row");
  await page.keyboard.type("Project Falcon");
  await list.getByTestId("entry-add").click();
  await list.getByTestId("entry-value").nth(1).fill("project falcon");
  await page.getByText("already in the list").waitFor();
  must(await at(page, "save").isDisabled(), "a doubled entry can be saved");
  await list.getByTestId("entry-remove").nth(1).click();
  await at(page, "save").click();
  await at(page, "save-bar").waitFor({ state: "detached" });
  await at(page, "tab-file").click();
  must((await at(page, "file-text").inputValue()).includes("Project Falcon"), "the file does not show the new term");
  await audit(page, "room file");
  await at(page, "tab-lists").click();
  await at(page, "try-input").fill("Über 🦅 we say: Project Falcon 🦅 flies.");
  await at(page, "try-go").click();
  await at(page, "try-verdict").filter({ hasText: "Denied" }).waitFor();
  const marked = await at(page, "highlighted").locator("mark").evaluate((mark) => {
    for (const extra of mark.querySelectorAll(".unseen, sup")) extra.remove();
    return mark.textContent;
  });
  must(marked === "Project Falcon", `marked is "${marked}"`);
  await audit(page, "room tried");
}

async function unsaved(page) {
  await go(page, "/rooms/screens-a");
  await at(page, "confidential").getByTestId("entry-add").click();
  await page.keyboard.type("never saved");
  await at(page, "nav-keys").click();
  await at(page, "confirm-no").click();
  must((await at(page, "save-bar").count()) === 1, "the edit is gone though it was kept");
  await at(page, "nav-keys").click();
  await at(page, "confirm-yes").click();
  await page.getByRole("heading", { level: 1, name: "Keys" }).waitFor();
  must(!JSON.stringify(await api("GET", "contexts/screens-a")).includes("never saved"), "a discarded edit was saved");
}

async function live(page) {
  await go(page, "/");
  await at(page, "room-switch").waitFor();
  must((await call("screens-a", "Hello")) === 200, "the demo model does not answer");
  await at(page, "last-calls").getByTestId("demo-badge").first().waitFor();
  must((await call("screens-a", "What about Project Falcon?")) === 400, "a denied word passes");
  await at(page, "last-blocks").getByTestId("record").first().click();
  await at(page, "receipt").filter({ hasText: "zos_firewall_request" }).waitFor();
  await audit(page, "receipt");
  await at(page, "receipt-close").click();
  await at(page, "receipt").waitFor({ state: "detached" });
  await at(page, "filter-room").selectOption("screens-a");
  await at(page, "filter-verdict").selectOption("allow");
  await at(page, "records").filter({ hasText: "demo/echo" }).waitFor();
  must((await at(page, "records").locator('[data-verdict="deny"]').count()) === 0, "the verdict filter lets others through");
}

async function shield(page) {
  await go(page, "/");
  await at(page, "pause").click();
  await at(page, "pause-5").click();
  await at(page, "paused").filter({ hasText: "nothing is blocked" }).waitFor();
  await go(page, "/keys");
  await at(page, "resume").click();
  await at(page, "paused").waitFor({ state: "detached" });
  must((await api("GET", "status")).shield.paused === false, "the shield is still paused");
}

/** A call that a rule holds, answered on the screen: once, by keyboard, and not at all. */
async function asks(page) {
  const room = await api("GET", "contexts/screens-a");
  const outbound_deny = [...room.outbound_deny, { term: "Heron plan", action: "ask" }];
  await api("PUT", "contexts/screens-a", { outbound_deny, etag: room.etag });
  await go(page, "/shield");
  await at(page, "no-asks").waitFor();
  must((await at(page, "asks-count").count()) === 0, "asks are counted where there are none");
  const answered = async (how, decision, status) => {
    const answer = call("screens-a", `What about the Heron plan, ${decision}?`);
    await at(page, "ask").getByTestId("ask-held").waitFor();
    must((await at(page, "asks-count").textContent()).startsWith("1"), "the ask is not counted at the side");
    must(!(await page.content()).includes("Heron"), "the page shows what was found");
    await how();
    must((await answer) === status, `${decision}: the call did not end with ${status}`);
    await at(page, "ask").waitFor({ state: "detached" });
    await at(page, "answered-ask").first().and(page.locator(`[data-decision="${decision}"]`)).waitFor();
  };
  await answered(() => at(page, "ask-allow").click(), "allow_once", 200);
  await answered(async () => {
    await at(page, "ask-redact").focus();
    await page.keyboard.press("Enter");
  }, "redact", 200);
  await answered(() => at(page, "ask-deny").click(), "deny", 400);
  await answered(async () => {
    await at(page, "ask-always").click();
    await audit(page, "always");
    await at(page, "confirm-yes").click();
  }, "always", 200);
  await at(page, "written").filter({ hasText: "contexts/screens-a.yml" }).waitFor();
  must((await call("screens-a", "What about the Heron plan?")) === 200, "a rule that only warns holds the call");
  // One more for the pictures.
  const now = await api("GET", "contexts/screens-a");
  await api("PUT", "contexts/screens-a", { outbound_deny, etag: now.etag });
  void call("screens-a", "What about the Heron plan, again?").catch(() => undefined);
  await at(page, "ask").waitFor();
}

async function canon(page) {
  await go(page, "/rooms/screens-a");
  await at(page, "tab-canon").click();
  await at(page, "canon").waitFor();
  const view = await api("GET", "canon?context=screens-a");
  if (view.text === "") {
    await at(page, "no-canon").waitFor();
  } else {
    must((await at(page, "canon-digest").textContent()) === view.digest, "another digest than the API's");
    const lines = at(page, "canon-lines").locator("li");
    must((await lines.count()) === view.lines.length, "a line of the canon is missing");
    must((await lines.first().textContent()).includes(`${view.lines[0].file}:${view.lines[0].file_line}`), "a line does not say where it was written");
  }
  await audit(page, "canon");
  if (pictures) await page.screenshot({ path: join(pictures, "canon.png") });
}

/** The memory of the room, loaded anew. */
async function openMemory(page) {
  await go(page, "/shield");
  await page.getByRole("heading", { level: 1, name: "Shield" }).waitFor();
  await go(page, "/rooms/screens-a");
  await at(page, "tab-memory").click();
}

async function memory(page) {
  const propose = (text) => api("POST", "memory", { context: "screens-a", text, subject: "heron flight", source: "model" });
  const first = await propose("The heron flies at dawn.");
  await openMemory(page);
  await at(page, "proposal").filter({ hasText: "at dawn" }).getByTestId("accept").click();
  await at(page, "memory").filter({ hasText: "at dawn" }).waitFor();
  await at(page, "no-review").waitFor();
  const second = await propose("The heron flies at noon.");
  const third = await propose("<b>The heron</b> rests at night.");
  await openMemory(page);
  const noon = at(page, "proposal").filter({ hasText: "at noon" });
  await noon.getByTestId("supersedes").filter({ hasText: "at dawn" }).waitFor();
  await at(page, "proposal").filter({ hasText: "<b>The heron</b>" }).waitFor();
  await audit(page, "memory");
  if (pictures) await page.screenshot({ path: join(pictures, "memory.png") });
  await at(page, "proposal").filter({ hasText: "at night" }).getByTestId("reject").click();
  await noon.getByTestId("accept").click();
  await at(page, "no-review").waitFor();
  await at(page, "memory-search").fill("heron");
  await page.keyboard.press("Enter");
  await at(page, "memory").filter({ hasText: "at noon" }).filter({ hasText: "Before: The heron flies at dawn." }).waitFor();
  for (const { id } of [first, second, third]) await api("DELETE", `memory/screens-a/${id}`).catch(() => undefined);
}

async function keys(page) {
  await go(page, "/keys");
  await at(page, "provider-demo").waitFor();
  await at(page, "spending").waitFor();
  await at(page, "provider-demo").getByTestId("provider-test").click();
  await at(page, "provider-demo").getByTestId("test-result").waitFor();
  await at(page, "key-client").fill("screens-check");
  await at(page, "key-room").selectOption("screens-a");
  await at(page, "key-create").click();
  const value = (await at(page, "new-key-value").textContent()) ?? "";
  must(value.startsWith("zos_"), "no key is shown");
  await audit(page, "new key");
  await at(page, "new-key-done").click();
  must(!(await page.content()).includes(value), "the key is still in the page");
  const row = page.locator('[data-testid="zos-key"][data-client="screens-check"]');
  await row.getByTestId("revoke").click();
  await audit(page, "confirm");
  await at(page, "confirm-yes").click();
  await row.waitFor({ state: "detached" });
}

async function tokenLink() {
  const page = await watched();
  await page.goto(`${address}#token=${encodeURIComponent(token)}`);
  await page.getByRole("heading", { level: 1, name: "Now" }).waitFor();
  must(!page.url().includes("token"), "the token stays in the address");
  await at(page, "sign-out").click();
  await at(page, "sign-in").waitFor();
  await page.evaluate((fragment) => (location.hash = fragment), `token=${encodeURIComponent(token)}`);
  await page.getByRole("heading", { level: 1, name: "Now" }).waitFor();
  must(!page.url().includes("token"), "the token stays in the address of an open tab");
  await page.close();
}

/** Every screen in both themes and two sizes. */
async function look(page) {
  const screens = [["/", "Now"], ["/rooms", "Rooms"], ["/rooms/screens-a", "Screens A"], ["/traffic", "Traffic"], ["/shield", "Shield"], ["/keys", "Keys"]];
  for (const [width, height] of [[1180, 760], [640, 480]]) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme });
      for (const [place, heading] of screens) {
        await go(page, place);
        await page.getByRole("heading", { level: 1, name: heading }).waitFor();
        await page.waitForFunction(() => !document.querySelector('[data-testid="waiting"]'));
        const spill = await page.evaluate(() => document.querySelector("main").scrollWidth - document.querySelector("main").clientWidth);
        if (spill > 0) report(`${heading} at ${width}: ${spill} px wider than the window`);
        await audit(page, `${heading} ${colorScheme} ${width}`);
        if (pictures) await page.screenshot({ path: join(pictures, `${heading.toLowerCase().replaceAll(" ", "-")}-${colorScheme}-${width}.png`) });
      }
    }
  }
}

async function deleteRooms(page) {
  for (const name of ["screens-a", "screens-b"]) {
    await go(page, `/rooms/${name}`);
    await at(page, "room-delete").click();
    await at(page, "confirm-yes").click();
    await page.getByRole("heading", { level: 1, name: "Rooms" }).waitFor();
    await at(page, `room-${name}`).waitFor({ state: "detached" });
  }
}

async function audit(page, where) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }),
  );
  for (const { id, impact, help, nodes } of violations) {
    const text = `${where}: ${id} (${impact}): ${help}: ${nodes[0]?.target.join(" ")}`;
    if (impact === "serious" || impact === "critical") report(text);
    else console.log(`  note: ${text}`);
  }
}

async function api(method, path, body = undefined) {
  const headers = { authorization: `Bearer ${token}`, ...(body && { "content-type": "application/json" }) };
  const answer = await fetch(`${address}v1/${path}`, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text === "" ? null : JSON.parse(text);
}

async function call(context, content) {
  const answer = await fetch(`${base.replace(/\/$/, "")}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-zos-context": context },
    body: JSON.stringify({ model: "demo/echo", messages: [{ role: "user", content }] }),
  });
  await answer.text();
  return answer.status;
}

/** Takes the rooms away that a failed step left behind, and makes active what was. */
async function cleanUp() {
  for (const { id } of (await api("GET", "approvals")).approvals) await api("POST", `approvals/${id}`, { decision: "deny" });
  for (const name of ["screens-a", "screens-b"]) {
    const left = await api("GET", `contexts/${name}`).catch(() => null);
    if (left) await api("DELETE", `contexts/${name}?etag=${left.etag}`).catch((error) => console.log(`  note: ${error.message}`));
  }
  const isThere = (await api("GET", "contexts")).contexts.some(({ name, builtin }) => name === activeBefore && !builtin);
  if (isThere) await api("PUT", "active", { context: activeBefore });
}
