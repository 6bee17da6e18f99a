// A server of the tests, a network that can be lost, and people with a Firefox each, driven over WebDriver BiDi.
//
// Everything is a process of its own on a folder of its own, ends with the test by its id, and waits for facts, each for a bounded time.
// It needs Debian's firefox-esr, the debug binary, and puppeteer-core in the cache that ./test keeps; what is missing is a failure.

import { spawn, execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { connect, createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

/** Longer than anything takes on a busy machine: whoever waits so long has failed, in ms. */
export const PATIENCE = 20_000;
export const PASSWORD = "four small blue words";

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "parlor");
const program = join(process.env.CARGO_TARGET_DIR ?? join(cache, "target"), "debug", "parlor");
const { default: puppeteer } = await import(pathToFileURL(createRequire(join(cache, "node", "x.js")).resolve("puppeteer-core")).href);

/** Ends a process and waits until it has. */
async function end(child, signal = "SIGTERM") {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((done) => child.once("exit", done));
  child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await ended;
  clearTimeout(timer);
}

/** The real program on a folder and a port of its own. */
export class Server {
  static async start() {
    const server = new Server();
    server.folder = mkdtempSync(join(tmpdir(), "parlor-firefox-"));
    server.gates = join(server.folder, "gates");
    mkdirSync(server.gates);
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("PARLOR_")));
    server.env = { ...env, PARLOR_DATA: join(server.folder, "data") };
    server.process = spawn(program, ["serve", "--listen", "127.0.0.1:0", "--model", "off", "--posts-per-minute", "6000"], { env: server.env, stdio: ["ignore", "pipe", "pipe"] });
    server.log = "";
    server.process.stderr.on("data", (text) => { server.log += text; });
    server.url = await new Promise((ready, failed) => {
      const timer = setTimeout(() => failed(new Error(`the server does not start: ${server.log}`)), PATIENCE);
      server.process.once("error", failed);
      server.process.once("exit", () => failed(new Error(`the server ended: ${server.log}`)));
      createInterface(server.process.stdout).on("line", (line) => {
        const [, url] = /^Parlor is ready: (\S+)/.exec(line) ?? [];
        if (url) { clearTimeout(timer); ready(url); }
      });
    });
    return server;
  }

  /** Runs a command line on its data. */
  async cli(...words) {
    const { stdout } = await promisify(execFile)(program, words, { env: this.env, timeout: PATIENCE });
    return stdout.trim();
  }

  /** Puts the assistant into a room that does what a question's script says. */
  async assistant(room) {
    await this.cli("assistant", "add", "echo", "--speaks", "always", "--room", room, "--provider", "scripted", "--model", `echo?tokens_per_second=1000&gates=${encodeURIComponent(this.gates)}`);
  }

  /** Lets every script that waits for this go on. */
  open(gate) {
    writeFileSync(join(this.gates, gate), "");
  }

  async end() {
    await end(this.process);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The network between somebody and the server. */
export class Network {
  #open = new Set();
  #cut = false;

  static async to(url) {
    const network = new Network();
    const { hostname, port } = new URL(url);
    network.server = createServer((near) => {
      if (network.#cut) return near.destroy();
      const far = connect(Number(port), hostname);
      for (const [from, to] of [[near, far], [far, near]]) {
        network.#open.add(from);
        from.on("error", () => {}).on("close", () => { network.#open.delete(from); to.destroy(); });
        from.pipe(to);
      }
    });
    await new Promise((listening) => network.server.listen(0, "127.0.0.1", listening));
    network.url = `http://127.0.0.1:${network.server.address().port}`;
    return network;
  }

  cut() {
    this.#cut = true;
    for (const socket of this.#open) socket.destroy();
  }

  mend() {
    this.#cut = false;
  }

  async end() {
    this.cut();
    await new Promise((closed) => this.server.close(closed));
  }
}

/** Somebody with a Firefox that shows one page. */
export class Person {
  /** What the console said against us. @type {string[]} */
  complaints = [];

  /**
   * @param {string} name
   * @param {string} origin
   */
  static async at(name, origin) {
    const person = new Person();
    Object.assign(person, { name, origin });
    person.browser = await puppeteer.launch({
      browser: "firefox",
      executablePath: process.env.PARLOR_FIREFOX ?? "/usr/bin/firefox-esr",
      headless: true,
      timeout: 60_000,
      defaultViewport: { width: 1200, height: 800 },
      // It talks to nobody but us.
      extraPrefsFirefox: {
        "app.update.enabled": false,
        "browser.safebrowsing.malware.enabled": false,
        "browser.safebrowsing.phishing.enabled": false,
        "datareporting.policy.dataSubmissionEnabled": false,
        "extensions.update.enabled": false,
        "network.captive-portal-service.enabled": false,
        "network.connectivity-service.enabled": false,
        "services.settings.server": "data:,#remote-settings-dummy/v1",
        "toolkit.telemetry.enabled": false,
        "intl.accept_languages": "en-GB, en",
      },
    });
    person.page = await person.browser.newPage();
    person.page.setDefaultTimeout(PATIENCE);
    person.page.on("console", (message) => { if (message.type() === "error") person.complaints.push(message.text()); });
    person.page.on("pageerror", (error) => person.complaints.push(String(error)));
    return person;
  }

  async end() {
    const child = this.browser.process();
    // In order if it can be, by its id if not.
    await Promise.race([this.browser.close().catch(() => {}), new Promise((done) => setTimeout(done, 10_000).unref())]);
    if (child) await end(child, "SIGKILL");
  }

  async goes(path) {
    await this.page.goto(new URL(path, this.origin).href, { waitUntil: "load", timeout: PATIENCE });
  }

  /** Waits until something is so in the page, and gives what it found. */
  async waits(what, look, ...values) {
    try {
      const found = await this.page.waitForFunction(look, { timeout: PATIENCE, polling: 50 }, ...values);
      return await found.jsonValue();
    } catch (error) {
      const shown = await this.page.evaluate(() => `${location.href}\n${document.body?.innerText}`).catch(() => "nothing");
      throw new Error(`${this.name} waits in vain for ${what} (${error}). The page: ${shown}`);
    }
  }

  async opens(room) {
    await this.goes(`/rooms/${room}`);
    await this.isCaughtUp();
  }

  async isCaughtUp() {
    await this.waits("the room is caught up", () => document.documentElement.dataset.live === "caught-up");
  }

  /** Fills the page's form and sends it. */
  async fills(form, fields) {
    await this.waits(`the form ${form}`, (form) => !!document.querySelector(form), form);
    for (const [name, value] of Object.entries(fields)) await this.page.type(`${form} [name="${name}"]`, value);
    await Promise.all([this.page.waitForNavigation({ timeout: PATIENCE }), this.page.click(`${form} button:not([type=button])`)]);
  }

  /** Writes into the composer and sends it, by keys. */
  async says(text) {
    await this.page.focus("#text");
    await this.page.keyboard.type(text);
    await this.page.keyboard.press("Enter");
  }

  /** A call as the page's script makes it. */
  async calls(method, path, body) {
    return await this.page.evaluate(async (method, path, body) => {
      const answer = await fetch(path, { method, headers: { accept: "application/json", "content-type": "application/json" }, body: body && JSON.stringify(body) });
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
      return answer.status === 204 ? null : answer.json();
    }, method, path, body);
  }

  /** Asks the scripted assistant; gives the question's id. */
  async asks(room, ...lines) {
    return (await this.calls("POST", `/api/rooms/${room}/messages`, { text: `Please\n\n\`\`\`script\n${lines.join("\n")}\n\`\`\`` })).id;
  }

  /** Waits for a message with this text; gives its id. */
  async sees(text) {
    return await this.waits(`“${text}”`, (text) => [...document.querySelectorAll(".messages > .message[data-id]")].find((m) => m.querySelector(":scope > .body").textContent.trim() === text)?.dataset.id, text);
  }

  /** Waits until a message is in this state and says this. */
  async seesOf(id, state, text) {
    await this.waits(`${state} “${text}”`, (id, state, text) => {
      const message = document.getElementById(`m-${id}`);
      return message?.dataset.state === state && message.querySelector(":scope > .body").innerText.trim() === text;
    }, id, state, text);
  }

  /** The assistant's reply to a question. */
  async replyTo(question) {
    return await this.waits("the reply", (question) => {
      const all = [...document.querySelectorAll(".messages > .message")];
      return all.slice(all.findIndex((m) => m.dataset.id === question) + 1).find((m) => m.dataset.kind === "assistant")?.dataset.id;
    }, question);
  }

  /** Chooses an action of the toolbar that comes to a message under the mouse. */
  async acts(id, action) {
    await this.page.hover(`#m-${id} > .head`);
    await this.waits("the toolbar", (id) => !!document.querySelector(`#m-${id} .actions`), id);
    await this.page.click(`#m-${id} .actions [data-act=${action}]`);
  }

  /** All that is in the log: each message's id, state and text. */
  async log() {
    return await this.page.evaluate(() => [...document.querySelectorAll(".messages > .message")].map((m) => [m.dataset.id, m.dataset.state, m.querySelector(":scope > .body").innerHTML]));
  }
}
