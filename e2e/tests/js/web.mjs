// The demo page in a headless Chromium, as a person uses it, with one node killed on the way; every value is checked.
// Arguments: --root <checkout>, --program <tkms>, --dir <directory of the devnet>, --port-base <port>,
// --chromium <program>, --screenshot <file>.
import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";

const text = { type: "string" };
const { values: args } = parseArgs({
  options: { root: text, program: text, dir: text, "port-base": text, chromium: text, screenshot: text },
});
const require = createRequire(`${args.root}/package.json`);
const { chromium } = require("playwright-core");

/** Key generation included, on a busy machine; in milliseconds. */
const START_TIME = 600_000;
/** One action of the page: a proof takes a minute where there is one core only. */
const ACTION_TIME = 300_000;
/** How errors begin that the page shows. */
const REFUSED = "the page says";
const DEPLOYMENT = `${args.dir}/deployment.json`;

const start = Date.now();
const say = (what) => console.log(`${((Date.now() - start) / 1000).toFixed(1).padStart(6)} s  ${what}`);

async function startDevnet() {
  rmSync(DEPLOYMENT, { force: true });
  const flags = ["--until-stdin-closes", "--dir", args.dir, "--root", args.root, "--port-base", args["port-base"]];
  const devnet = spawn(args.program, ["devnet", ...flags], { stdio: ["pipe", "inherit", "inherit"] });
  const ended = new Promise((resolve) => devnet.on("exit", resolve));
  while (!existsSync(DEPLOYMENT)) {
    if (devnet.exitCode !== null) throw new Error(`tkms devnet ended with ${devnet.exitCode}`);
    if (Date.now() - start > START_TIME) throw new Error("the devnet is not ready in time");
    await new Promise((wake) => setTimeout(wake, 200));
  }
  const stop = async () => {
    devnet.stdin.end();
    await ended;
  };
  return { deployment: JSON.parse(readFileSync(DEPLOYMENT)), stop };
}

/** Presses the button of a form and waits for a line of the log with this text; an error there ends the test. */
async function act(page, form, expected) {
  const before = await page.locator("#log li").count();
  await page.click(`#${form} button`);
  const outcome = page.waitForFunction(
    ([form, before]) => {
      const lines = [...document.querySelectorAll("#log li")].slice(before);
      const idle = !document.querySelector(`#${form} button`).disabled;
      return idle && lines.length > 0 ? lines.map((line) => [line.className, line.textContent]) : undefined;
    },
    [form, before],
    { timeout: ACTION_TIME },
  );
  const lines = await (await outcome).jsonValue();
  const failed = lines.find(([kind]) => kind === "error");
  if (failed) throw new Error(`${REFUSED}: ${failed[1]}`);
  if (!lines.at(-1)[1].includes(expected)) throw new Error(`${form}: ${lines.at(-1)[1]}`);
  say(`${form}: ${lines.at(-1)[1].trim()}`);
}

/** As `act`, where the page must say no, for this reason. */
async function refused(page, form, reason) {
  const error = await act(page, form, "").then(
    () => undefined,
    (error) => error,
  );
  if (!error?.message.includes(reason) || !error.message.startsWith(REFUSED)) {
    throw new Error(`${form} should have been refused (${reason}): ${error?.message ?? "it was not"}`);
  }
  say(`${form} refused, as it must be`);
}

async function expectOutput(page, id, expected) {
  const found = await page.locator(`#${id}`).textContent();
  if (found !== expected) throw new Error(`${id} shows ${found}, not ${expected}`);
}

async function load(page, deployment) {
  await page.goto(deployment.demoUrl);
  if (!(await page.evaluate(() => crossOriginIsolated))) throw new Error("the page is not isolated: no threads");
  const loaded = () => !document.querySelector("#connect button").disabled;
  await page.waitForFunction(loaded, undefined, { timeout: ACTION_TIME });
  say("the page has its client and keys");
}

/** The one who mints: all the client can do, the second half of it with a node dead. */
async function minter(page, deployment) {
  await load(page, deployment);
  await act(page, "connect", "deployed");
  await act(page, "mint", "minted");
  await expectOutput(page, "balance", "encrypted");
  await act(page, "reveal", "put together");
  await expectOutput(page, "balance", "1000");

  process.kill(deployment.nodes[1].pid, "SIGKILL");
  say("node 2 is killed");
  // Anew, so that the client is made with the node dead too
  await load(page, deployment);
  await act(page, "connect", "connected");
  await act(page, "transfer", "sent");
  await act(page, "reveal", "put together");
  await expectOutput(page, "balance", "700");
  await act(page, "publish", "signed by a quorum");
  await expectOutput(page, "supply", "1000");
}

/** The receiver, who may not mint, connects to the same token and reads for the other once that is allowed. */
async function receiver(page, deployment) {
  const [first, second] = deployment.accounts.map(({ address }) => address);
  await page.selectOption("#account", "1");
  await act(page, "connect", "connected");
  if (!(await page.locator("#mint button").isDisabled())) throw new Error("a stranger may mint");
  await act(page, "reveal", "put together");
  await expectOutput(page, "balance", "300");
  await page.selectOption("#owner", first);
  await refused(page, "reveal-of", "has not delegated");
  await expectOutput(page, "balance-of", "encrypted");

  await page.selectOption("#account", "0");
  await act(page, "connect", "connected");
  await page.selectOption("#friend", second);
  await act(page, "delegate", "may read my balance");
  await page.selectOption("#account", "1");
  await act(page, "connect", "connected");
  await act(page, "reveal-of", "put together");
  await expectOutput(page, "balance-of", "700");
}

/** The page as its second user leaves it: both balances revealed. */
async function picture(page) {
  await act(page, "reveal", "put together");
  await expectOutput(page, "balance", "300");
  await page.screenshot({ path: args.screenshot, fullPage: true });
}

async function drive(page, deployment) {
  await minter(page, deployment);
  await receiver(page, deployment);
  if (args.screenshot) await picture(page);
  // A key that is none is said so, and the page goes on
  await page.fill("#key", "0x1234");
  await refused(page, "connect", "");
}

const { deployment, stop } = await startDevnet();
let browser;
try {
  // Without a sandbox: containers seldom allow one, and the only pages are ours
  browser = await chromium.launch({ executablePath: args.chromium, args: ["--no-sandbox"] });
  const page = await browser.newPage({ viewport: { width: 1100, height: 900 } });
  // A click ends when the page has time for it, which is after a proof
  page.setDefaultTimeout(ACTION_TIME);
  page.on("pageerror", (error) => say(`page: ${error.message}`));
  page.on("console", (message) => message.type() === "error" && say(`console: ${message.text()}`));
  await drive(page, deployment);
  say("every value was what it had to be");
} finally {
  await browser?.close();
  await stop();
}
