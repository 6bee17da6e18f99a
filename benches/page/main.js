// Measures the page in Chromium, and prints tables in Markdown: what it weighs, when it is there, and how it bears a long reply.
// Run by tools/page. What is a property of our page (weights, requests, layout shift, nothing lost) has a limit, and breaking it is an
// error; times depend on the machine and are printed alone.

import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { createRequire } from "node:module";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

import { takeDelta, takeDraft } from "../../assets/js/growth.js";
import { countFormulas, reply } from "./reply.js";

const { default: puppeteer } = await import(pathToFileURL(createRequire(join(process.env.PARLOR_NODE, "x.js")).resolve("puppeteer-core")).href);
const program = process.env.PARLOR_PROGRAM;
const quick = process.argv.includes("quick");
/** Only the reply, on the slow machine: for work on what draws it. */
const grow = process.argv.includes("grow");

/**
 * Limits of what a room weighs when it is opened for the first time, in bytes on the way with all heads, and in requests.
 */
const LIMITS = { html: 60_000, script: 50_000, style: 25_000, requests: 20, shift: 0.001 };
const PASSWORD = "four small blue words";
/** Pieces of the reply each second, as a fast model gives them. */
const PACE = 150;
const PIECES = reply(quick ? 1000 : 4000);
const ROUNDS = quick ? 1 : 5;
/** A telephone far from the city: 1.6 Mbit/s down, 150 ms there and back. */
const SLOW = { offline: false, latency: 150, downloadThroughput: 1.6e6 / 8, uploadThroughput: 0.75e6 / 8 };
const FAST = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 };

const broken = [];
const number = (value, digits = 0) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const table = (title, head, rows) => console.log(`\n**${title}**\n\n| ${head.join(" | ")} |\n|${"---|".repeat(head.length)}\n${rows.map((row) => `| ${row.join(" | ")} |`).join("\n")}`);
const note = (text) => process.stderr.write(`${text}\n`);

// ---- a model's server, which says the reply piece by piece

const models = createServer((asked, answer) => {
  asked.resume().on("end", async () => {
    answer.writeHead(200, { "content-type": "text/event-stream" });
    const send = (delta, finish_reason = null) => answer.write(`data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", created: 0, model: "long", choices: [{ index: 0, delta, finish_reason }] })}\n\n`);
    const begun = Date.now();
    for (let sent = 0; sent < PIECES.length; ) {
      const due = Math.min(PIECES.length, Math.floor(((Date.now() - begun) / 1000) * PACE) + 1);
      while (sent < due) send({ content: PIECES[sent++] });
      await new Promise((later) => setTimeout(later, 5));
    }
    send({}, "stop");
    answer.end("data: [DONE]\n\n");
  });
});
await new Promise((listening) => models.listen(0, "127.0.0.1", listening));

// ---- the server, a person, a room of fifty messages

const folder = mkdtempSync(join(tmpdir(), "parlor-page-"));
const env = { ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("PARLOR_"))), PARLOR_DATA: join(folder, "data") };
const server = spawn(program, ["serve", "--listen", "127.0.0.1:0", "--model", "off", "--posts-per-minute", "6000"], { env, stdio: ["ignore", "pipe", "ignore"] });
let browser;
process.on("exit", () => {
  server.kill("SIGKILL");
  browser?.process()?.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});
const url = await new Promise((ready, failed) => {
  server.once("exit", () => failed(new Error("the server does not start")));
  createInterface(server.stdout).on("line", (line) => { const found = /^Parlor is ready: (\S+)/.exec(line); if (found) ready(found[1]); });
});

/** A request of our own, as Ada. */
let cookie = "";
async function ask(method, path, body) {
  const form = typeof body === "string";
  const answer = await fetch(url + path, { method, redirect: "manual", headers: { cookie, origin: url, accept: "application/json", ...(body && { "content-type": form ? "application/x-www-form-urlencoded" : "application/json" }) }, body: form ? body : body && JSON.stringify(body) });
  for (const line of answer.headers.getSetCookie()) cookie = line.split(";")[0];
  if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.headers.get("content-type")?.includes("json") ? answer.json() : null;
}
await ask("POST", "/setup", `name=Ada&password=${encodeURIComponent(PASSWORD)}`);
const rooms = [];
for (const name of ["Kitchen", "Hall"]) {
  const { id } = await ask("POST", "/api/rooms", { name });
  const words = PIECES.join("").split(" ");
  for (let n = 0; n < 50; n += 1) await ask("POST", `/api/rooms/${id}/messages`, { text: n % 5 ? `${n}: ${words.slice(n, n + 30 + n).join(" ").replaceAll(/[`$|]/g, "")}` : `${n}:\n\n\`\`\`rust\nlet x = ${n};\n\`\`\`\n\n- one\n- two` });
  rooms.push(id);
}
const [quiet, hall] = rooms;
await promisify(execFile)(program, ["assistant", "add", "long", "--provider", "openai", "--model", "long", "--base-url", `http://127.0.0.1:${models.address().port}/v1`, "--speaks", "always", "--room", hall], { env });

browser = await puppeteer.launch({
  executablePath: process.env.PARLOR_CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--lang=en-US"],
  defaultViewport: { width: 1280, height: 900 },
});

/** A fresh profile in which Ada is signed in. */
async function profile() {
  const context = await browser.createBrowserContext();
  const [name, value] = cookie.split("=");
  await context.setCookie({ name, value, domain: "127.0.0.1", path: "/", httpOnly: true });
  return context;
}

// ---- loading

const OBSERVE = () => {
  globalThis.seen = { shift: 0, long: [], moved: [] };
  new PerformanceObserver((list) => { for (const entry of list.getEntries()) {
      // The caret at the end of what grows is no element, and is there to move.
      if (entry.hadRecentInput || entry.sources.every(({ node }) => !node)) continue;
      seen.shift += entry.value;
      for (const { node, previousRect: was, currentRect: is } of entry.sources) seen.moved.push(`${node?.nodeName ?? "something gone"}.${node?.className ?? node?.parentElement?.className} from ${was.x},${was.y} ${was.width}×${was.height} to ${is.x},${is.y} ${is.width}×${is.height}`);
    }
  }).observe({ type: "layout-shift", buffered: true });
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) seen.long.push({ at: entry.startTime, ms: entry.duration, style: entry.styleAndLayoutStart ? entry.startTime + entry.duration - entry.styleAndLayoutStart : 0, by: entry.scripts.map((script) => `${script.sourceURL.split("/").pop()} ${script.invoker} ${Math.round(script.duration)} ms (layout forced ${Math.round(script.forcedStyleAndLayoutDuration)})`) });
  }).observe({ type: "long-animation-frame", buffered: true });
  customElements.whenDefined("chat-composer").then(() => { seen.ready = performance.now(); });
  new MutationObserver(() => { if (document.documentElement?.dataset.live === "caught-up") seen.live ??= performance.now(); }).observe(document, { subtree: true, attributes: true, attributeFilter: ["data-live"] });
};

/** Opens the room in a page and says what came and when. */
async function load(page, network) {
  const client = await page.createCDPSession();
  await client.send("Network.enable");
  await client.send("Network.emulateNetworkConditions", network);
  const kinds = new Map();
  const came = { requests: 0, html: 0, script: 0, style: 0, other: 0 };
  client.on("Network.responseReceived", ({ requestId, type, response }) => {
    // A live stream goes on, and what comes from a cache did not travel.
    if (response.mimeType === "text/event-stream" || response.fromDiskCache || response.fromServiceWorker || response.fromPrefetchCache) return;
    kinds.set(requestId, { Document: "html", Script: "script", Stylesheet: "style" }[type] ?? "other");
  });
  client.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const kind = kinds.get(requestId);
    if (!kind || encodedDataLength === 0) return;
    came.requests += 1;
    came[kind] += encodedDataLength;
  });
  await page.evaluateOnNewDocument(OBSERVE);
  await page.goto(`${url}/rooms/${quiet}`, { waitUntil: "load", timeout: 60_000 });
  await page.waitForFunction(() => globalThis.seen?.live && seen.ready, { timeout: 60_000 });
  const times = await page.evaluate(async () => {
    await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn, 300)));
    const [navigation] = performance.getEntriesByType("navigation");
    return { paint: performance.getEntriesByName("first-contentful-paint")[0].startTime, parsed: navigation.domContentLoadedEventEnd, ready: seen.ready, live: seen.live, shift: seen.shift, moved: seen.moved };
  });
  await client.detach();
  return { ...came, ...times };
}

/** The worker of the site has what it keeps, and stands before the network that is measured. */
async function withWorker(context, page, network) {
  await page.waitForFunction(() => navigator.serviceWorker.controller?.state === "activated", { timeout: 60_000 });
  for (const target of browser.targets().filter((target) => target.type() === "service_worker" && target.browserContext() === context)) {
    const client = await target.createCDPSession();
    await client.send("Network.enable");
    await client.send("Network.emulateNetworkConditions", network);
  }
}

const rows = [];
for (const [name, network] of grow ? [] : [["this machine", FAST], ["1.6 Mbit/s, 150 ms", SLOW]]) {
  const [cold, warm] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    const context = await profile();
    const page = await context.newPage();
    cold.push(await load(page, network));
    await withWorker(context, page, network);
    const again = await context.newPage();
    await page.close();
    warm.push(await load(again, network));
    await context.close();
  }
  for (const [kind, all] of [["for the first time", cold], ["again", warm]]) {
    const middle = (what) => median(all.map((one) => one[what]));
    rows.push([name, kind, number(middle("requests")), number(middle("html")), number(middle("script")), number(middle("style")), number(middle("other")), number(middle("paint")), number(middle("ready")), number(middle("live")), Math.max(...all.map((one) => one.shift)).toFixed(4)]);
    for (const one of all) {
      for (const what of ["html", "script", "style", "requests", "shift"]) if (one[what] > LIMITS[what]) broken.push(`${name}, ${kind}: ${what} is ${one[what]}, and may be ${LIMITS[what]}`);
      for (const moved of one.moved) note(`${name}, ${kind}: it moved: ${moved}`);
    }
  }
  note(`loaded: ${name}`);
}
if (!grow) table("A room of 50 messages is opened", ["network", "", "requests", "html, B", "scripts, B", "styles, B", "other, B", "first paint, ms", "can be written in, ms", "follows the room, ms", "layout shift"], rows);

// ---- a reply grows

/** The frames of the hall's stream, as they come off the wire. */
function listen(cursor, heard) {
  let rest = "";
  const asked = request(`${url}/live?at=${encodeURIComponent(cursor)}&view=html`, { headers: { cookie, accept: "text/event-stream" } }, (answer) => {
    answer.setEncoding("utf8");
    answer.on("data", (text) => {
      const parts = (rest + text).split("\n\n");
      rest = parts.pop();
      for (const part of parts) heard(/^event: (.*)$/m.exec(part)?.[1], JSON.parse(/^data: (.*)$/m.exec(part)?.[1] ?? "null"), Buffer.byteLength(part) + 2);
    });
  });
  asked.end();
  return () => asked.destroy();
}

/** What the page's main thread does, task by task: begins to listen; what it gives, gives the tasks' own times on the processor, in ms. */
async function trace(client) {
  const events = [];
  client.on("Tracing.dataCollected", ({ value }) => events.push(...value));
  const complete = new Promise((done) => client.once("Tracing.tracingComplete", done));
  await client.send("Tracing.start", { transferMode: "ReportEvents", traceConfig: { includedCategories: ["toplevel", "devtools.timeline"] } });
  return async () => {
    await client.send("Tracing.end");
    await complete;
    // The thread that draws is the one that lays out.
    const threads = new Map();
    for (const { name, pid, tid } of events) if (name === "Layout") threads.set(`${pid} ${tid}`, (threads.get(`${pid} ${tid}`) ?? 0) + 1);
    const [[thread]] = [...threads].sort(([, a], [, b]) => b - a);
    const ours = events.filter(({ ph, pid, tid, tdur }) => ph === "X" && tdur && `${pid} ${tid}` === thread);
    const tasks = ours.filter(({ name }) => /RunTask$/.test(name));
    /** What the thread did, by kind of work and in all; work within other work counts in both. */
    const spent = new Map();
    for (const { name, tdur } of ours) spent.set(name, (spent.get(name) ?? 0) + tdur / 1000);
    const inside = tasks.toSorted((a, b) => b.tdur - a.tdur).slice(0, 4).map((task) => ours.filter((event) => event !== task && event.tdur > 2000 && event.ts >= task.ts && event.ts + event.dur <= task.ts + task.dur).map(({ name, tdur }) => `${name} ${Math.round(tdur / 1000)}`).join(", "));
    return { tasks: tasks.map(({ tdur }) => tdur / 1000), spent, inside };
  };
}

const growth = [];
let wire;
for (const slowdown of quick || grow ? [6] : [1, 6]) {
  const context = await profile();
  const page = await context.newPage();
  const client = await page.createCDPSession();
  await page.evaluateOnNewDocument(OBSERVE);
  await page.goto(`${url}/rooms/${hall}`, { waitUntil: "load" });
  await page.waitForFunction(() => globalThis.seen?.live && seen.ready);
  await page.waitForFunction(() => !navigator.serviceWorker || navigator.serviceWorker.controller);
  // What loading costs is measured above: here the page has settled.
  await new Promise((settled) => setTimeout(settled, 2_000));
  const bytes = { ours: 0, frames: 0, beat: 0, quarter: 0, each: 0 };
  let [shown, reply, last] = [{ len: 0, blocks: [] }, "", 0];
  const { cursor } = await ask("GET", `/api/rooms/${hall}`);
  const stop = listen(cursor, (event, data, size) => {
    if (event === "message" && data.kind === "assistant") reply = data.id;
    if (!["message", "draft", "delta"].includes(event) || (data.id !== reply && event !== "message")) return;
    bytes.ours += size;
    if (event === "draft") takeDraft(shown, data);
    if (event !== "delta") return;
    bytes.frames += 1;
    takeDelta(shown, data);
    const whole = Buffer.byteLength(JSON.stringify(shown.blocks.join("")));
    bytes.beat += whole;
    if (Date.now() - last >= 250) { bytes.quarter += whole; last = Date.now(); }
  });
  await client.send("Emulation.setCPUThrottlingRate", { rate: slowdown });
  await page.evaluate(() => { seen.long.length = 0; seen.moved.length = 0; seen.shift = 0; seen.gaps = []; let last = performance.now(); const tick = (now) => { seen.gaps.push(now - last); last = now; requestAnimationFrame(tick); }; requestAnimationFrame(tick); });
  const profiled = Boolean(process.env.PARLOR_TRACE);
  if (profiled) await client.send("Profiler.enable").then(() => client.send("Profiler.start"));
  const tasks = await trace(client);
  const before = await page.evaluate(() => document.querySelectorAll('.message[data-kind="assistant"]').length);
  await ask("POST", `/api/rooms/${hall}/messages`, { text: "Explain how words are compared." });
  await page.waitForFunction((before) => {
    const replies = [...document.querySelectorAll('.message[data-kind="assistant"]')];
    return replies.length > before && replies.pop().dataset.state === "complete";
  }, { timeout: 300_000, polling: 250 }, before);
  const seen = await page.evaluate(() => ({ ...seen, formulas: document.querySelectorAll('.message[data-kind="assistant"]:last-child math').length, codes: document.querySelectorAll('.message[data-kind="assistant"]:last-child pre').length, following: Math.round(document.querySelector(".log").scrollHeight - document.querySelector(".log").clientHeight - document.querySelector(".log").scrollTop) }));
  const { tasks: busy, spent, inside } = await tasks();
  if (profiled) writeFileSync(process.env.PARLOR_TRACE, JSON.stringify((await client.send("Profiler.stop")).profile));
  await client.send("Emulation.setCPUThrottlingRate", { rate: 1 });
  stop();
  const long = seen.long.filter(({ ms }) => ms > 50);
  const sorted = seen.gaps.slice(1).sort((a, b) => a - b);
  growth.push([`${slowdown} ×`, number(bytes.frames), number(sorted[Math.floor(sorted.length / 2)], 1), number(sorted[Math.floor(sorted.length * 0.99)], 1), number(Math.max(0, ...seen.long.map(({ ms }) => ms))), number(long.length), number(Math.max(...busy)), number(busy.filter((ms) => ms > 50).length), seen.shift.toFixed(4), number(seen.formulas), number(seen.codes)]);
  if (seen.shift > LIMITS.shift) broken.push(`a reply at ${slowdown} ×: layout shift is ${seen.shift}`);
  if (seen.following > 1) broken.push(`a reply at ${slowdown} ×: the end is ${seen.following} px away`);
  for (const moved of seen.moved) note(`${slowdown} ×: it moved: ${moved}`);
  for (const one of long.sort((a, b) => b.ms - a.ms).slice(0, 5)) note(`${slowdown} ×: a frame of ${Math.round(one.ms)} ms at ${Math.round(one.at)}, style and layout ${Math.round(one.style)} ms; ${one.by.join("; ")}`);
  note(`${slowdown} ×: ms on the processor: ${[...spent].sort(([, a], [, b]) => b - a).slice(0, 14).map(([name, ms]) => `${name} ${Math.round(ms)}`).join(", ")}`);
  for (const one of inside) note(`${slowdown} ×: in one of the longest tasks, ms: ${one}`);
  wire = bytes;
  note(`grown at ${slowdown} ×`);
  await context.close();
}
table(`A reply of ${number(PIECES.length)} tokens grows in a room of 50 messages, ${PACE} tokens a second`, ["processor slowed down", "frames of the stream", "p50 between two drawn frames, ms", "p99, ms", "longest frame, ms", "frames over 50 ms", "longest task on the processor, ms", "tasks over 50 ms", "layout shift", "formulas drawn", "code blocks"], growth);

const text = PIECES.join("");
let each = 0;
for (let n = 0, so = 0; n < PIECES.length; n += 1) { so += Buffer.byteLength(PIECES[n]); each += so; }
const rebroadcast = (bytes) => [number(bytes), `${number(bytes / wire.ours)} ×`];
table(`Bytes to each viewer of that reply (${number(PIECES.length)} tokens, ${number(text.length)} characters, ${countFormulas(text)} formulas)`, ["", "bytes", "beside ours"], [
  ["the text itself, as Markdown", number(Buffer.byteLength(text)), `${(Buffer.byteLength(text) / wire.ours).toFixed(2)} ×`],
  ["Parlor: what changes, rendered, every 33 ms, and the whole once at the end", number(wire.ours), "1 ×"],
  ["the rendered message as a whole every 33 ms", ...rebroadcast(wire.beat)],
  ["the rendered message as a whole 4 times a second", ...rebroadcast(wire.quarter)],
  ["the text so far as a whole with each token, as Mattermost's Agents plugin sends it", ...rebroadcast(each)],
]);
console.log(`\nMeasured on ${cpus().length} cores of ${cpus()[0].model.trim()}, ${(await browser.version()).replace("/", " ")}; loading is the median of ${ROUNDS}.`);

await browser.close();
for (const line of broken) note(`BROKEN: ${line}`);
process.exit(broken.length > 0 ? 1 : 0);
