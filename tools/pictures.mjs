// Takes the pictures of the README: fills an empty server with people, rooms and what they say, and looks at it in Chromium.
// Run by tools/pictures. Everything is bounded; what is started here ends with it.

import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

const { default: puppeteer } = await import(pathToFileURL(createRequire(join(process.env.PARLOR_NODE, "x.js")).resolve("puppeteer-core")).href);
const program = process.env.PARLOR_PROGRAM;
const target = process.argv[2];
const run = promisify(execFile);

const PASSWORD = "four small blue words";
const PATIENCE = 30_000;
/** All pictures together, in bytes: everyone who looks at the README loads them. */
const LIMIT = 300_000;
const QUALITY = 78;
/** Tokens of an answer each second, and the time before the first, in ms. */
const PACE = 100;
const THOUGHT = 300;

// ---- what the assistant says

/** The day of the meal: the next Friday after today. */
const friday = new Date(Date.now() + (((5 - new Date().getDay() + 6) % 7) + 1) * 86_400_000);

const ANSWERS = [
  {
    to: "tries again",
    reasoning: "They ask for the delay between attempts. Exponential backoff with full jitter is the usual answer; the cap matters more than the base. A short function, then the numbers.",
    text: `Yes. Wait twice as long after each failure, and add some **jitter**, so that a thousand clients do not knock at the same moment:

\`\`\`rust
/// The time before attempt \`n\`, with full jitter.
fn delay(n: u32, rng: &mut impl Rng) -> Duration {
    let cap = BASE.saturating_mul(1 << n.min(6));
    rng.random_range(Duration::ZERO..=cap)
}
\`\`\`

With a base of 250 ms the upper bound grows like this:

| attempt | at most | on average |
|---|---:|---:|
| 1 | 0.5 s | 0.25 s |
| 3 | 2 s | 1 s |
| 6 | 16 s | 8 s |

The mean of the $n$-th delay is half of its bound, $\\bar{t}_n = \\frac{1}{2}\\, b \\cdot 2^n$, so six attempts take about 16 s in all.`,
  },
  {
    to: "海报",
    reasoning: "要一张简单的海报：时间、地点、菜单、谁负责什么，再写两步做法。",
    text: `可以这样写：

### 周五一起做饭 🍜

**时间**：${friday.getMonth() + 1} 月 ${friday.getDate()} 日，晚上六点半\\
**地点**：二楼厨房

| 菜 | 谁来做 | 需要 |
|---|---|---|
| 麻婆豆腐 | 李雷 | 豆腐、郫县豆瓣 |
| 番茄炒蛋 | 韩梅梅 | 番茄、鸡蛋 |
| 米饭 | Ada | 米三杯 |

1. 先把豆腐切成两厘米见方的小块，用盐水焯一下；
2. 再炒香豆瓣和花椒，最后下豆腐，小火煮五分钟。

如果人数超过八个，$n$ 个人大约需要 $0.15\\,n$ 公斤米。`,
  },
  {
    to: "will that last",
    text: `At this rate **19 days** are left:

$$t = \\frac{200 - 162}{2} = 19$$

See what is large before you delete anything:

\`\`\`sh
du -xh /srv | sort -h | tail -5
\`\`\`

Most of the time it is one of these:

| what | can it go? |
|---|---|
| build caches | yes, they grow back |
| images | the unused ones |
| logs | once they are packed |

To keep it from coming back, let a weekly job remove what nobody has used for a month, and`,
    // It says no more until the picture is taken.
    held: true,
  },
];

/** A text in pieces about as large as tokens are. */
const pieces = (text) => text.match(/\s*(?:\p{Script=Han}{1,2}|[^\s\p{Script=Han}]{1,5})|\s+$/gu) ?? [];

let letGo;
const taken = new Promise((done) => { letGo = done; });

/** A model's server: an answer for each question that is asked here. */
const models = createServer((asked, answer) => {
  let body = "";
  asked.setEncoding("utf8").on("data", (text) => { body += text; }).on("end", async () => {
    const question = JSON.stringify(JSON.parse(body).messages.at(-1).content);
    const found = ANSWERS.find(({ to }) => question.includes(to));
    if (!found) return answer.writeHead(404).end();
    answer.writeHead(200, { "content-type": "text/event-stream" });
    const send = (more) => answer.write(`data: ${JSON.stringify({ id: "1", object: "chat.completion.chunk", created: 0, model: "qwen3-14b", choices: [], ...more })}\n\n`);
    const say = (delta, finish_reason = null) => send({ choices: [{ index: 0, delta, finish_reason }] });
    const all = [...pieces(found.reasoning ?? "").map((reasoning_content) => ({ reasoning_content })), ...pieces(found.text).map((content) => ({ content }))];
    const begun = Date.now() + THOUGHT;
    for (let sent = 0; sent < all.length; ) {
      const due = Math.min(all.length, Math.floor(((Date.now() - begun) / 1000) * PACE) + 1);
      while (sent < due) say(all[sent++]);
      await new Promise((later) => setTimeout(later, 5));
    }
    if (found.held) await taken;
    say({}, "stop");
    send({ usage: { prompt_tokens: 400, completion_tokens: all.length, total_tokens: 400 + all.length } });
    answer.end("data: [DONE]\n\n");
  });
});
await new Promise((listening) => models.listen(0, "127.0.0.1", listening));

// ---- the server and its people

const folder = mkdtempSync(join(tmpdir(), "parlor-pictures-"));
let server;
let browser;
process.on("exit", () => {
  server?.kill("SIGKILL");
  browser?.process()?.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});
for (const sign of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(sign, () => process.exit(1));
setTimeout(() => { console.error("This takes too long."); process.exit(1); }, 300_000).unref();

class Person {
  cookie = "";

  constructor(url, name) {
    Object.assign(this, { url, name });
  }

  /** Sends a request; a form where the body is one. Gives the answer's JSON or text. */
  async ask(method, path, body) {
    const form = body instanceof URLSearchParams;
    const answer = await fetch(this.url + path, {
      method,
      redirect: "manual",
      headers: { cookie: this.cookie, origin: this.url, ...(body && !form && { "content-type": "application/json" }) },
      body: form ? body : body && JSON.stringify(body),
      signal: AbortSignal.timeout(PATIENCE),
    });
    for (const line of answer.headers.getSetCookie()) this.cookie = line.split(";")[0];
    const text = await answer.text();
    if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return answer.headers.get("content-type")?.includes("json") ? JSON.parse(text) : text;
  }

  /** Makes an account: the first one, or one that was invited. */
  join(path) {
    return this.ask("POST", path, new URLSearchParams({ name: this.name, password: PASSWORD }));
  }

  async room(name, topic, others, more = {}) {
    const { id } = await this.ask("POST", "/api/rooms", { name, topic, ...more });
    for (const { name } of others) await this.ask("POST", `/api/rooms/${id}/members`, { name });
    return id;
  }

  async talk(other) {
    const { people } = await this.ask("GET", "/api/people");
    return (await this.ask("POST", `/api/people/${people.find(({ name }) => name === other.name).id}/talk`, {})).id;
  }

  async says(room, text) {
    return (await this.ask("POST", `/api/rooms/${room}/messages`, { text })).id;
  }

  reacts(room, id, emoji) {
    return this.ask("POST", `/api/rooms/${room}/messages/${id}/reactions`, { emoji, on: true });
  }

  /** What a room says last, once nothing grows any more. */
  async answered(room) {
    for (const end = Date.now() + PATIENCE; Date.now() < end; await new Promise((later) => setTimeout(later, 100))) {
      const last = (await this.ask("GET", `/api/rooms/${room}/messages`)).messages.at(-1);
      if (last.kind === "assistant" && last.state === "complete") return last.id;
    }
    throw new Error("no answer has come");
  }

  async reads(...rooms) {
    for (const room of rooms) await this.ask("POST", `/api/rooms/${room}/read`, { seq: (await this.ask("GET", `/api/rooms/${room}`)).head });
  }

  likes(room) {
    return this.ask("PUT", `/api/rooms/${room}/favourite`);
  }
}

/** An empty server with five people and an assistant, all in its first room. */
async function begin(data) {
  const env = { ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("PARLOR_"))), PARLOR_DATA: data };
  server = spawn(program, ["serve", "--listen", "127.0.0.1:0", "--model", "off", "--posts-per-minute", "6000"], { env, stdio: ["ignore", "pipe", "ignore"] });
  const url = await new Promise((ready, failed) => {
    server.once("exit", () => failed(new Error("the server does not start")));
    createInterface(server.stdout).on("line", (line) => { const found = /^Parlor is ready: (\S+)/.exec(line); if (found) ready(found[1]); });
  });
  const [ada, ...others] = ["Ada Lovelace", "Bob", "Grace", "韩梅梅", "李雷"].map((name) => new Person(url, name));
  await ada.join("/setup");
  const [invitation] = /\/invite\/[^"<\s]+/.exec(await ada.ask("POST", "/people/invites", new URLSearchParams({ uses: others.length, days: 1 })));
  for (const person of others) await person.join(invitation);
  const { rooms: [{ id }] } = await ada.ask("GET", "/api/rooms");
  await ada.ask("PATCH", `/api/rooms/${id}`, { name: "Help desk", topic: "Ask sage first" });
  await run(program, ["assistant", "remove", "Parlor"], { env });
  await run(program, ["assistant", "add", "sage", "--provider", "openai", "--model", "qwen3-14b", "--base-url", `http://127.0.0.1:${models.address().port}/v1`, "--room", id], { env });
  return { id, people: [ada, ...others] };
}

/** Those who are seen together. */
const TOGETHER = [["Ada Lovelace", "sage", "Grace"], ["李雷", "sage", "韩梅梅"]];
/** Colours of avatars, which stand in a circle. */
const COLOURS = 12;

/** Colours follow from ids, which are not ours to choose: servers are begun until those who are seen together differ well. */
async function beginInColours() {
  for (let round = 0; round < 60; round += 1) {
    const begun = await begin(join(folder, String(round)));
    const page = await begun.people[0].ask("GET", `/rooms/${begun.id}/members`);
    const colours = new Map([...page.matchAll(/\bhue-(\d+)"(?:(?!\bhue-).)*?<bdi class="row-name">([^<]+)</gs)].map(([, hue, name]) => [name, Number(hue)]));
    const apart = (one, other) => { const steps = Math.abs(colours.get(one) - colours.get(other)); return Math.min(steps, COLOURS - steps); };
    if (TOGETHER.every(([a, b, c]) => [apart(a, b), apart(b, c), apart(a, c)].every((steps) => steps > 1))) return begun;
    const ended = new Promise((done) => server.once("exit", done));
    server.kill("SIGKILL");
    await ended;
  }
  throw new Error("they always look too much alike");
}

const { id: help, people } = await beginInColours();
const [ada, bob, grace, mei, lei] = people;
const { url } = ada;

const { assistants: [sage] } = await ada.ask("GET", `/api/rooms/${help}/members`);
const hire = (person, room) => person.ask("PATCH", `/api/rooms/${room}/assistants/${sage.id}`, { speaks: "mention" });

// ---- what they say; the room in which something was said last stands first in its list

const design = await ada.room("Design", "", [bob, grace]);
await grace.says(design, "The new icons are in: one stroke, two colours.");
const ideas = await ada.room("New ideas", "", [bob, grace, mei]);
await bob.says(ideas, "A room that tidies itself up after a month.");
const notes = await ada.room("Release notes", "", [bob, grace]);
await bob.says(notes, "1.8 is out.");
const statistics = await ada.room("Statistics", "", [grace, mei]);
await mei.says(statistics, "The median is enough here.");
await ada.reads(help, design, ideas, notes, statistics);
const reading = await ada.room("Reading", "", [grace, bob]);
await grace.says(reading, "@Ada Lovelace which chapter is next?");
const board = await ada.room("Board", "", [grace, bob], { private: true });
await bob.says(board, "The minutes are ready.");
const withGrace = await grace.talk(ada);
await grace.says(withGrace, "Have you seen the new figures?");
await grace.says(withGrace, "They are better than we hoped.");
const withMei = await mei.talk(ada);
await mei.says(withMei, "Thank you for the book!");

const photos = await mei.room("摄影", "", [lei]);
await mei.says(photos, "湖边的照片放在这里了。");
const guide = await mei.room("新人指南", "", [lei]);
await mei.says(guide, "第一周：先读这一页。");
await lei.reads(photos, guide);
const badminton = await mei.room("羽毛球", "", [lei]);
await mei.says(badminton, "周三晚上还有一块场地。");
const books = await mei.room("读书会", "", [lei]);
await mei.says(books, "@李雷 下个月读哪一本？");
const meiAndLei = await mei.talk(lei);
await mei.says(meiAndLei, "豆腐我来买。");
await mei.says(meiAndLei, "你还缺什么？");
const adaAndLei = await ada.talk(lei);
await ada.says(adaAndLei, "I bring the rice.");
await lei.reads(adaAndLei);

const engineering = await ada.room("Engineering", "The stream protocol, and what it costs", [bob, grace, lei]);
await hire(ada, engineering);
await ada.likes(engineering);
await lei.likes(engineering);
await bob.says(engineering, "When the server restarts, all clients come back within the same second.");
await grace.says(engineering, "I saw it on Monday: a thousand connections in 300 ms, and then silence.");
await ada.says(engineering, "@sage how long should a client wait before it tries again? Please show the `retry` delay in Rust.");
const advice = await ada.answered(engineering);
await ada.reacts(engineering, advice, "👍");
await bob.reacts(engineering, advice, "👍");
await grace.reacts(engineering, advice, "❤️");
await grace.says(engineering, "Full jitter it is. @Ada Lovelace will you open the pull request?");

const kitchen = await lei.room("周末做饭", "周五晚上六点半，二楼厨房", [mei, ada, grace]);
await hire(lei, kitchen);
await lei.likes(kitchen);
await ada.likes(kitchen);
await grace.says(kitchen, "我带水果和茶。");
await mei.says(kitchen, "我已经订好厨房了，六点以后都可以用。");
await lei.says(kitchen, "@sage 请帮我们写一张海报，写上菜单和做法。");
const poster = await lei.answered(kitchen);
await mei.reacts(kitchen, poster, "👍");
await ada.reacts(kitchen, poster, "👍");
await lei.reacts(kitchen, poster, "🍜");
await mei.says(kitchen, "写得很清楚，我今晚打印出来。");
await ada.reads(engineering, kitchen);
await lei.reads(engineering, kitchen);

// ---- the pictures

browser = await puppeteer.launch({
  executablePath: process.env.PARLOR_CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--lang=en-US",
    // A mouse, which the machine that takes them need not have: stars and dots wait for it.
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4",
  ],
});

/** The zone in which it is this hour now: whenever the pictures are taken, their clocks show a time at which people talk. */
function zoneAt(hour) {
  const ahead = ((((hour - new Date().getUTCHours() + 12) % 24) + 24) % 24) - 12;
  return `Etc/GMT${ahead > 0 ? "-" : "+"}${Math.abs(ahead)}`;
}

/** Opens a room as somebody sees it, waits until `there` holds in it, and takes its picture. */
async function take(name, { as, room, view, hour, scheme = "light", language = "en", there = () => true }) {
  const context = await browser.createBrowserContext();
  const [cookie, value] = as.cookie.split("=");
  await context.setCookie(
    { name: cookie, value, domain: "127.0.0.1", path: "/", httpOnly: true },
    { name: "parlor_lang", value: language, domain: "127.0.0.1", path: "/" },
  );
  const page = await context.newPage();
  await page.setViewport({ deviceScaleFactor: 2, ...view });
  await page.emulateTimezone(zoneAt(hour));
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(`${url}/rooms/${room}`, { waitUntil: "load", timeout: PATIENCE });
  await page.waitForFunction(() => document.documentElement.dataset.live === "caught-up" && customElements.get("chat-composer"), { timeout: PATIENCE });
  await page.waitForFunction(there, { timeout: PATIENCE });
  // The field is ready to be written in, and the picture shows it at rest.
  await page.evaluate(() => document.activeElement?.blur());
  await page.evaluate(async () => {
    await document.fonts.ready;
    await Promise.all(document.getAnimations().map((one) => one.finished.catch(() => {})));
  });
  // The reader's mark, the list of rooms and the end of the log settle within moments: the same height, at its end, four times in a row.
  const drawn = () => page.evaluate(() => {
    const log = document.querySelector(".log");
    return { height: log.scrollHeight, away: Math.round(log.scrollHeight - log.clientHeight - log.scrollTop) };
  });
  let last;
  for (let same = 0, n = 0; same < 3; n += 1) {
    if (n > 50) throw new Error(`${name}: the page does not come to rest`);
    await new Promise((later) => setTimeout(later, 200));
    const now = await drawn();
    same = now.height === last?.height && now.away <= 1 ? same + 1 : 0;
    last = now;
  }
  const file = join(target, `${name}.webp`);
  await page.screenshot({ path: file, type: "webp", quality: QUALITY });
  await context.close();
  const { size } = statSync(file);
  console.log(`${relative(process.cwd(), file)}: ${view.width * 2} × ${view.height * 2}, ${size.toLocaleString("en")} bytes`);
  return size;
}

let size = await take("room", { as: ada, room: engineering, view: { width: 1240, height: 912 }, hour: 10 });
size += await take("chinese", { as: lei, room: kitchen, view: { width: 1240, height: 836 }, hour: 20, language: "zh-Hans" });
await bob.says(help, "The build machine's disk: 162 of 200 GB, and 2 GB more each day.");
await ada.says(help, "@sage how long will that last, and what can we delete?");
size += await take("phone", {
  as: ada,
  room: help,
  view: { width: 390, height: 844, isMobile: true, hasTouch: true },
  hour: 21,
  scheme: "dark",
  there: () => document.querySelector('.message[data-state="streaming"] > .body')?.textContent.trimEnd().endsWith("a month, and"),
});
letGo();
await browser.close();
if (size > LIMIT) {
  console.error(`Together they have ${size.toLocaleString("en")} bytes, and may have ${LIMIT.toLocaleString("en")}.`);
  process.exit(1);
}
process.exit(0);
