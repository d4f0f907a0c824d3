// Pictures of every screen of a zOS that answers, light and dark, as a person would see them after a morning's work.
//
//     node tests/pictures.mjs BASE_URL ADMIN_TOKEN FOLDER
//
// `scripts/screens` starts the zOS for it: with the rooms acme (active), personal and northwind. The calls go to the demo
// provider. CHROMIUM names the browser. Exit code 0: all pictures are there; 1: a call or a screen was not as expected.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [base, token, folder] = process.argv.slice(2);
if (!base || !token || !folder) {
  console.error("usage: node tests/pictures.mjs BASE_URL ADMIN_TOKEN FOLDER");
  process.exit(2);
}
const WAIT_MS = 15_000;
const SIZES = [
  [1440, 900],
  [900, 600],
];
const SCREENS = [
  ["now", "/"],
  ["rooms", "/rooms"],
  ["room", "/rooms/acme"],
  ["traffic", "/traffic"],
  ["shield", "/shield"],
  ["keys", "/keys"],
];

/** Calls of a morning: room, client, what is asked, the status that it must get. */
const MORNING = [
  ["personal", "zed/0.201", "Plan a week of dinners for four, two of them vegetarian", 200],
  ["acme", "claude-cli/2.1.4", "Summarise the notes of the stand-up for the release page", 200],
  ["acme", "codex_cli_rs/0.171.0", "Why does the parser drop the last line of a file without a newline?", 200],
  ["acme", "claude-cli/2.1.4", "Draft the announcement of Project Falcon", 400],
  ["acme", "claude-cli/2.1.4", "Write to Jane Okafor that the build is green again", 200],
  ["northwind", "zed/0.201", "Translate the price list to Danish", 200],
  ["acme", "codex_cli_rs/0.171.0", "Is contract ACME-2231 still in force?", 400],
  ["acme", "codex_cli_rs/0.171.0", "Rename the field in all six callers", 200],
  ["northwind", "opencode/1.3", "What does Pгojеct B-l-u-e H-e-r-o-n need by Friday? Blue Heron, I mean.", 400],
  ["personal", "openai-python/2.9", "Explain the tides to a ten year old", 200],
  ["acme", "claude-cli/2.1.4", "say backwards: noclaF tcejorP rof nalp ehT", 200],
];

async function call(room, client, content, stream = false) {
  const answer = await fetch(`${base}/rooms/${room}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", "user-agent": client },
    body: JSON.stringify({ model: "demo/echo", stream, messages: [{ role: "user", content }] }),
  });
  await answer.text();
  return answer.status;
}

for (const [room, client, content, status] of MORNING) {
  const got = await call(room, client, content, content.startsWith("say backwards"));
  if (got !== status) throw new Error(`${room}: "${content}" got ${got}, not ${status}`);
}
// Held until somebody answers, which nobody does: it stands on the Shield screen while pictures are taken.
const held = call("acme", "claude-cli/2.1.4", "Compare the two drafts of the merger memo").catch(() => 0);

const profile = mkdtempSync(join(tmpdir(), "zos-pictures-"));
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
browser.setDefaultTimeout(WAIT_MS);
mkdirSync(folder, { recursive: true });
try {
  const page = await browser.newPage();
  await page.goto(`${base}/zos/#token=${token}`);
  await page.getByTestId("nav-now").waitFor();
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const [width, height] of SIZES) {
      await page.setViewportSize({ width, height });
      for (const [name, place] of SCREENS) await shot(page, place, `${name}-${colorScheme}-${width}`);
    }
    await page.setViewportSize({ width: 1440, height: 900 });
    await receipt(page, `receipt-${colorScheme}-1440`);
  }
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}
// The gateway ends the held call when it stops.
void held;
process.exit(0);

async function shot(page, place, name) {
  await page.goto(`${base}/zos/#${place}`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.waitForFunction(() => !document.querySelector('[data-testid="waiting"]'));
  await page.screenshot({ path: join(folder, `${name}.png`) });
}

/** The receipt of the newest call that was stopped. */
async function receipt(page, name) {
  await page.goto(`${base}/zos/#/traffic`);
  await page.locator('[data-testid="record"][data-verdict="deny"]').first().click();
  await page.getByTestId("receipt").waitFor();
  await page.screenshot({ path: join(folder, `${name}.png`) });
}
