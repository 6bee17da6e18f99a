// Telling how far one has read, saying what came, and the order of messages in groups and days.

import assert from "node:assert/strict";
import { test } from "node:test";

import { arrange } from "../../assets/js/arrange.js";
import { ReadMark } from "../../assets/js/mark.js";
import { Status } from "../../assets/js/status.js";
import { words } from "../../assets/js/words.js";
import { chance } from "./random.js";

/** A world whose clock is moved by hand. `refuse` says how many calls fail. */
function world(refuse = 0) {
  let now = 0;
  const timers = [];
  const told = [];
  return {
    told,
    tell: async (seq) => {
      told.push([now, seq]);
      return refuse-- <= 0;
    },
    later: (then, ms) => timers.push([now + Math.max(0, ms), then]),
    now: () => now,
    async pass(ms) {
      const until = now + ms;
      for (;;) {
        timers.sort((a, b) => a[0] - b[0]);
        if (!timers[0] || timers[0][0] > until) break;
        const [at, then] = timers.shift();
        now = Math.max(now, at);
        then();
        await new Promise(setImmediate);
      }
      now = until;
    },
  };
}

test("what was read is told at most once a second, and never goes back", async () => {
  for (let seed = 1; seed <= 100; seed++) {
    const { below } = chance(seed);
    const here = world(below(3));
    const mark = new ReadMark(10, here);
    let most = 10;
    for (let step = 0; step < 60; step++) {
      const seq = below(200);
      mark.saw(seq);
      most = Math.max(most, seq);
      await here.pass(below(400));
    }
    await here.pass(60_000);
    for (const [at, [then, seq]] of here.told.entries()) {
      if (at === 0) continue;
      const [before, less] = here.told[at - 1];
      assert.ok(then - before >= 1000, `seed ${seed}: twice within a second`);
      assert.ok(seq >= less, `seed ${seed}: back from ${less} to ${seq}`);
    }
    assert.equal(here.told.at(-1)?.[1] ?? 10, most, `seed ${seed}: the last is told`);
    const count = here.told.length;
    mark.saw(most);
    await here.pass(60_000);
    assert.equal(here.told.length, count, "nothing is told twice");
  }
});

test("what failed is told again, later and with what was read meanwhile", async () => {
  const here = world(1);
  const mark = new ReadMark(0, here);
  mark.saw(5);
  await here.pass(10);
  mark.saw(7);
  await here.pass(4_000);
  assert.deepEqual(here.told, [[0, 5]]);
  await here.pass(2_000);
  assert.deepEqual(here.told, [[0, 5], [5_000, 7]]);
});

test("a reply that could not be read before it ended is told again", async () => {
  const here = world();
  const mark = new ReadMark(0, here);
  mark.saw(5);
  await here.pass(5_000);
  mark.again();
  await here.pass(5_000);
  assert.deepEqual(here.told.map(([, seq]) => seq), [5, 5]);
});

test("what the server knows already is not told, and what was made unread is unread", async () => {
  const here = world();
  const mark = new ReadMark(5, here);
  mark.knows(9);
  mark.saw(8);
  await here.pass(5_000);
  mark.knows(3);
  await here.pass(5_000);
  assert.deepEqual([here.told, mark.read], [[], 3]);
  mark.saw(4);
  await here.pass(5_000);
  assert.deepEqual(here.told.map(([, seq]) => seq), [4]);
});

test("messages are told with name and beginning, many only by their number", () => {
  const element = { textContent: "" };
  const timers = [];
  const status = new Status(element, words, (then) => timers.push(then));
  status.came("Bob", "  Hello\n there ");
  status.came("Eve", "字".repeat(150));
  assert.equal(element.textContent, "", "a moment of silence first");
  timers.shift()();
  assert.equal(element.textContent, `Bob: Hello there Eve: ${"字".repeat(100)}…`);
  for (let n = 0; n < 3; n++) status.came("Bob", `${n}`);
  assert.equal(timers.length, 1);
  timers.shift()();
  assert.equal(element.textContent, "3 new messages");
  status.came("Bob", "");
  timers.shift()();
  assert.equal(element.textContent, "1 new message");
});

/** A message as far as its arrangement goes. */
const message = ({ id, at, author, kind = "person", to }) => ({
  dataset: { id, at: String(at), author, kind },
  children: to ? [{ matches: (/** @type {string} */ what) => what === ".quote", dataset: { quote: to } }] : [],
});

test("groups end at another author, five minutes, a reply, a day of the reader's and the line; at nothing else", () => {
  const [MINUTE, DAY] = [60_000, 86_400_000];
  for (const zone of ["UTC", "Asia/Shanghai", "America/St_Johns", "Pacific/Kiritimati"]) {
    process.env.TZ = zone;
    for (let seed = 1; seed <= 50; seed++) {
      const { below } = chance(seed);
      let at = Date.UTC(2026, 10, 1 + below(28), below(24), below(60));
      let before = null;
      for (let n = 0; n < 60; n++) {
        at += [0, 1, MINUTE, 5 * MINUTE - 1, 5 * MINUTE, 60 * MINUTE, DAY, (28 + below(4)) * DAY][below(below(4) ? 6 : 8)];
        const facts = { id: `m${n}`, at, author: `p${below(2)}`, kind: below(5) === 0 ? "assistant" : "person", to: below(6) === 0 ? `m${n - 1 - below(2)}` : undefined };
        const first = below(10) === 0;
        const now = message(facts);
        arrange(now, before, first);
        const local = (time) => new Date(time).toLocaleDateString("en", { timeZone: zone });
        const newDay = !before || local(at) !== local(Number(before.dataset.at));
        const follows = !newDay && !first && !facts.to && facts.kind === "person" && before.dataset.author === facts.author && at - Number(before.dataset.at) < 5 * MINUTE;
        assert.deepEqual(
          ["follows", "day", "new", "answers"].map((name) => name in now.dataset),
          [follows, newDay, first, facts.to !== undefined && facts.to === before?.dataset.id],
          `${zone}, seed ${seed}, message ${n}`,
        );
        before = now;
      }
    }
  }
});
