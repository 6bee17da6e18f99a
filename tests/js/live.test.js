import assert from "node:assert/strict";
import { test } from "node:test";

import { Live, SILENCE } from "../../assets/js/live.js";

const ROOM = "019ab000-0000-7000-8000-000000000001";
const OTHER = "019ab000-0000-7000-8000-000000000002";
const cursor = (seq, room = ROOM) => `${room}.${"0".repeat(31)}7.${seq}`;
/** Lets promises settle: no timer of the world is involved. */
const settle = () => new Promise((done) => setImmediate(done));

/** A world with a clock that is turned by hand. */
function world(answers = {}) {
  let now = 0;
  let timers = [];
  const sources = [];
  const heard = [];
  const statuses = [];
  const lost = [];
  const live = new Live("ada", {
    lang: "en",
    open(url) {
      const listeners = {};
      const source = {
        url,
        closed: false,
        addEventListener: (name, then) => { listeners[name] = then; },
        close() { this.closed = true; },
        says: (event, data, lastEventId = "") => listeners[event]?.({ data: JSON.stringify(data), lastEventId }),
        opens: () => listeners.open?.({}),
        breaks: () => listeners.error?.({}),
      };
      sources.push(source);
      return source;
    },
    get: async (path) => answers[path] ?? { status: 0, data: null },
    later(then, ms) {
      const timer = { then, at: now + ms };
      timers.push(timer);
      return timer;
    },
    cancel: (timer) => { timers = timers.filter((one) => one !== timer); },
    now: () => now,
    random: () => 1,
  }, { heard: (event, data) => heard.push([event, data]), status: (status) => statuses.push(status), lost: (...why) => lost.push(why) });
  return {
    live, sources, heard, statuses, lost,
    get source() { return sources.at(-1); },
    /** Time goes by and timers come too late. */
    sleep(ms) { now += ms; },
    pass(ms) {
      const end = now + ms;
      for (;;) {
        const next = timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
        if (!next) break;
        timers = timers.filter((one) => one !== next);
        now = Math.max(now, next.at);
        next.then();
      }
      now = end;
    },
  };
}

test("it opens with its cursors and comes back with the newest", () => {
  const w = world();
  w.live.follow(cursor(5));
  assert.equal(w.source.url, `/live?at=${cursor(5)}&view=html&lang=en&rooms=1&people=1&as=ada`);
  w.source.opens();
  w.source.says("message", { room: ROOM, rev: 6 }, cursor(6));
  w.source.says("delta", { room: ROOM }, cursor(6));
  w.source.says("caught-up", { room: ROOM, seq: 6 }, cursor(6));
  assert.deepEqual(w.heard.map(([event]) => event), ["message", "delta", "caught-up"]);
  assert.deepEqual(w.statuses, ["connecting", "caught-up"]);
  w.source.breaks();
  assert.equal(w.source.closed, true);
  w.pass(1000);
  assert.equal(w.sources.length, 2);
  assert.equal(w.source.url, `/live?at=${cursor(6)}&view=html&lang=en&rooms=1&people=1&as=ada`);
});

test("silence of 40 s is a failure, and any frame is a sign of life", () => {
  const w = world();
  w.live.follow(cursor(5));
  w.source.opens();
  for (let i = 0; i < 10; i++) {
    w.pass(15_000);
    w.source.says("heartbeat", {});
  }
  assert.equal(w.sources.length, 1);
  w.pass(SILENCE + 1000);
  assert.equal(w.sources.length, 2);
});

test("waits grow to half a minute, and a stream that lasts forgets them", () => {
  const w = world();
  w.live.follow(cursor(5));
  const waits = [];
  for (let i = 0; i < 8; i++) {
    const before = w.sources.length;
    w.source.opens();
    w.source.breaks();
    let waited = 0;
    while (w.sources.length === before) { w.pass(500); waited += 500; }
    waits.push(waited);
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  // Caught up, and broken off at once: a server that does so to all must not have all of them back a second later.
  w.source.opens();
  w.source.says("caught-up", { room: ROOM, seq: 5 }, cursor(5));
  w.source.breaks();
  w.pass(29_000);
  assert.equal(w.sources.length, 9);
  w.pass(1000);
  assert.equal(w.sources.length, 10);
  w.source.opens();
  w.pass(15_000);
  w.source.says("heartbeat", {});
  w.source.breaks();
  w.pass(1000);
  assert.equal(w.sources.length, 11);
});

test("caught up is said when all rooms are", () => {
  const w = world();
  w.live.follow(cursor(5));
  w.live.follow(cursor(9, OTHER));
  assert.equal(w.source.url, `/live?at=${cursor(5)}&at=${cursor(9, OTHER)}&view=html&lang=en&rooms=1&people=1&as=ada`);
  w.source.says("caught-up", { room: ROOM, seq: 5 }, cursor(5));
  assert.equal(w.statuses.at(-1), "connecting");
  w.source.says("caught-up", { room: OTHER, seq: 9 }, cursor(9, OTHER));
  assert.equal(w.statuses.at(-1), "caught-up");
});

test("why it failed is asked for, since an EventSource does not say", async () => {
  for (const [answers, expected] of [
    [{ "/api/me": { status: 401 } }, ["signed-out"]],
    [{ "/api/me": { status: 200, data: { id: "bob" } } }, ["other-person"]],
    [{ "/api/me": { status: 200, data: { id: "ada" } }, [`/api/rooms/${ROOM}`]: { status: 404 } }, ["gone", ROOM]],
  ]) {
    const w = world(answers);
    w.live.follow(cursor(5));
    w.source.breaks();
    await settle();
    assert.deepEqual(w.lost, [expected]);
    w.pass(120_000);
    assert.equal(w.sources.length, 1, "it does not come back");
  }
  const w = world({ "/api/me": { status: 200, data: { id: "ada" } }, [`/api/rooms/${ROOM}`]: { status: 200 } });
  w.live.follow(cursor(5));
  w.source.breaks();
  await settle();
  assert.deepEqual(w.lost, []);
  w.pass(1000);
  assert.equal(w.sources.length, 2);
});

test("every bye is understood", () => {
  const renew = world();
  renew.live.follow(cursor(5));
  renew.source.opens();
  renew.pass(15_000);
  renew.source.says("bye", { why: "renew" });
  assert.equal(renew.sources.length, 2, "at once");
  renew.source.says("bye", { why: "renew" });
  assert.equal(renew.sources.length, 2, "but not without a pause");
  renew.pass(1000);
  assert.equal(renew.sources.length, 3);

  const shutdown = world();
  shutdown.live.follow(cursor(5));
  shutdown.source.says("bye", { why: "shutdown" });
  assert.equal(shutdown.sources.length, 1, "not at once");
  shutdown.pass(1000);
  assert.equal(shutdown.sources.length, 2);

  for (const why of ["signed-out", "expired"]) {
    const w = world();
    w.live.follow(cursor(5));
    w.source.says("bye", { why });
    assert.deepEqual(w.lost, [["signed-out"]]);
    w.pass(120_000);
    assert.equal(w.sources.length, 1);
  }

  const revoked = world();
  revoked.live.follow(cursor(5));
  revoked.live.follow(cursor(9, OTHER));
  revoked.source.says("bye", { why: "revoked", room: OTHER });
  assert.deepEqual(revoked.lost, [["gone", OTHER]]);
  assert.equal(revoked.source.closed, false, "the other room goes on");
  revoked.source.says("message", { room: OTHER, rev: 10 }, cursor(10, OTHER));
  assert.deepEqual(revoked.heard, []);
});

test("a reset moves the cursor to the head, and is passed on", () => {
  const w = world();
  w.live.follow(cursor(5));
  w.source.says("reset", { room: ROOM, why: "too-far" }, cursor(900));
  assert.equal(w.live.cursor(ROOM), cursor(900));
  assert.deepEqual(w.heard, [["reset", { room: ROOM, why: "too-far" }]]);
});

test("a gap reopens at once, and gaps that go on are paced", () => {
  const w = world();
  w.live.follow(cursor(5));
  w.live.gap();
  assert.equal(w.sources.length, 2);
  w.live.gap();
  assert.equal(w.sources.length, 2);
  w.pass(2000);
  assert.equal(w.sources.length, 3);
});

test("a tab that rests holds no connection and catches up when it is woken", () => {
  const w = world();
  w.live.follow(cursor(5));
  w.source.says("message", { room: ROOM, rev: 6 }, cursor(6));
  w.live.rest();
  assert.equal(w.source.closed, true);
  w.pass(600_000);
  assert.equal(w.sources.length, 1);
  w.live.wake();
  assert.equal(w.source.url, `/live?at=${cursor(6)}&view=html&lang=en&rooms=1&people=1&as=ada`);
  w.source.opens();
  w.live.wake();
  assert.equal(w.sources.length, 2, "a lively stream is left alone");
  w.live.wake(true);
  assert.equal(w.sources.length, 2, "what was opened just now is not opened again");
  w.pass(2000);
  w.live.wake(true);
  assert.equal(w.sources.length, 3, "a frozen one is not left alone");
});

test("what a closed stream still says is not heard", () => {
  const w = world();
  w.live.follow(cursor(5));
  const old = w.source;
  w.live.gap();
  old.says("message", { room: ROOM, rev: 6 }, cursor(6));
  old.breaks();
  assert.deepEqual(w.heard, []);
  assert.equal(w.live.cursor(ROOM), cursor(5));
  assert.equal(w.sources.length, 2);
});

test("of several rooms only those are lost that are not there", async () => {
  const w = world({ "/api/me": { status: 200, data: { id: "ada" } }, [`/api/rooms/${ROOM}`]: { status: 404 }, [`/api/rooms/${OTHER}`]: { status: 200 } });
  w.live.follow(cursor(5));
  w.live.follow(cursor(9, OTHER));
  w.source.breaks();
  await settle();
  assert.deepEqual(w.lost, [["gone", ROOM]]);
  w.pass(1000);
  assert.equal(w.source.url, `/live?at=${cursor(9, OTHER)}&view=html&lang=en&rooms=1&people=1&as=ada`);
});

test("an answer that says nothing about who reads is no reason to leave", async () => {
  const w = world({ "/api/me": { status: 0, data: null } });
  w.live.follow(cursor(5));
  w.source.breaks();
  await settle();
  assert.deepEqual(w.lost, []);
  w.pass(1000);
  assert.equal(w.sources.length, 2);
});

test("a timer that comes late by a sleep opens at once; one that comes late beside a lively stream does not", () => {
  const w = world();
  w.live.follow(cursor(5));
  w.source.opens();
  w.sleep(3600_000);
  w.pass(0);
  assert.equal(w.sources.length, 2);
  w.source.opens();
  w.sleep(60_000);
  w.source.says("heartbeat", {});
  w.pass(10_000);
  assert.equal(w.sources.length, 2);
});

test("a stream that is just being opened is left alone by who only looks again", () => {
  const w = world();
  w.live.follow(cursor(5));
  w.pass(14_000);
  w.live.wake();
  assert.equal(w.sources.length, 1);
  w.pass(2000);
  w.live.wake();
  assert.equal(w.sources.length, 2, "it takes too long");
});

test("a cursor of another time does not take the place of the one that is followed", () => {
  const w = world();
  w.live.follow(cursor(5));
  w.live.gap(`${ROOM}.${"0".repeat(31)}8.3`);
  assert.equal(w.live.cursor(ROOM), cursor(5));
});

test("the list of rooms needs no room, and outlasts the last one", () => {
  const w = world();
  w.live.lobby();
  assert.equal(w.source.url, "/live?view=html&lang=en&rooms=1&people=1&as=ada");
  w.live.lobby();
  assert.equal(w.sources.length, 1);
  w.source.says("rooms", { all: true, rooms: [] });
  assert.deepEqual(w.heard.map(([event]) => event), ["rooms"]);
  w.live.follow(cursor(5));
  assert.equal(w.source.url, `/live?at=${cursor(5)}&view=html&lang=en&rooms=1&people=1&as=ada`);
  w.live.drop(ROOM);
  assert.ok(!w.source.closed);
  assert.equal(w.sources.length, 2);
});
