// The small pure modules.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { LONGEST, wait } from "../../assets/js/backoff.js";
import { formatCursor, parseCursor } from "../../assets/js/cursor.js";
import { draftIn } from "../../assets/js/draft.js";
import { composing } from "../../assets/js/ime.js";
import { uuid7 } from "../../assets/js/uuid7.js";

test("cursors read back as they were written, and rubbish is none", () => {
  const text = `019ab000-0000-7000-8000-000000000001.${"ab".repeat(16)}.42`;
  assert.equal(formatCursor(parseCursor(text)), text);
  assert.equal(parseCursor(text).seq, 42);
  for (const bad of ["", "x", `${text}.1`, text.replace(".42", ".042"), text.replace(".42", ".-1"), ` ${text}`]) assert.equal(parseCursor(bad), null, bad);
});

test("waits grow, stay below the longest, and differ", () => {
  assert.deepEqual([1, 2, 3, 9, 99].map((n) => wait(n, () => 1)), [1000, 2000, 4000, LONGEST, LONGEST]);
  assert.equal(wait(1, () => 0), 500);
});

test("ids are version 7, in order, and never twice", () => {
  const ids = [];
  for (let i = 0; i < 20_000; i++) ids.push(uuid7(1_795_437_065_123 + Math.floor(i / 5_000)));
  // A clock that is set back.
  ids.push(uuid7(1_000));
  assert.deepEqual([...ids].sort(), ids);
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(parseInt(ids[0].slice(0, 13).replace("-", ""), 16), 1_795_437_065_123);
});

test("the Enter of an input method is known in each browser's way", () => {
  const key = (more) => ({ isComposing: false, keyCode: 13, timeStamp: 1000, ...more });
  assert.equal(composing(key(), -Infinity), false);
  assert.equal(composing(key({ isComposing: true }), -Infinity), true, "Chromium, Firefox");
  assert.equal(composing(key({ keyCode: 229 }), -Infinity), true, "older ones");
  assert.equal(composing(key(), 995), true, "Safari's late key");
  assert.equal(composing(key(), 700), false, "the next Enter sends");
});

test("drafts are kept for each person and room, and a storage that fails only forgets", () => {
  const map = new Map();
  const disk = { getItem: (key) => map.get(key) ?? null, setItem: (key, value) => map.set(key, value), removeItem: (key) => map.delete(key) };
  const draft = draftIn(disk, "ada", "r1");
  draft.write({ text: "half", reply: null });
  assert.deepEqual(draft.read(), { text: "half", reply: null });
  assert.equal(draftIn(disk, "bob", "r1").read(), null);
  draft.write({ text: "  ", reply: null });
  assert.equal(map.size, 0);
  const broken = draftIn({ getItem: () => "{", setItem() { throw new Error("full"); }, removeItem() {} }, "ada", "r1");
  broken.write({ text: "half", reply: null });
  assert.equal(broken.read(), null);
});

test("a call ends in time, whatever the network does, and half an answer is none", async () => {
  const { call } = await import("../../assets/js/call.js");
  const fetched = mock.method(globalThis, "fetch");
  const says = (status, body) => fetched.mock.mockImplementation(async () => new Response(body, { status }));
  try {
    says(200, '{"id":"a"}');
    assert.deepEqual((await call("GET", "/x")).data, { id: "a" });
    says(200, '{"id":"');
    assert.deepEqual(await call("GET", "/x"), { ok: false, status: 0, data: null });
    const done = await call("POST", "/x", { body: {} });
    assert.deepEqual([done.ok, done.status], [true, 200], "what was done is done");
    says(503, "<html>");
    assert.equal((await call("GET", "/x")).status, 503);

    mock.timers.enable({ apis: ["setTimeout"] });
    fetched.mock.mockImplementation((url, { signal }) => new Promise((_, fail) => signal.addEventListener("abort", () => fail(signal.reason))));
    const waiting = call("POST", "/x", { body: { text: "a".repeat(9_000) } });
    let over = false;
    waiting.then(() => { over = true; });
    mock.timers.tick(38_000);
    await new Promise((done) => setImmediate(done));
    assert.equal(over, false, "much text takes longer");
    mock.timers.tick(2_000);
    assert.equal((await waiting).status, 0);
  } finally {
    mock.timers.reset();
    mock.restoreAll();
  }
});
