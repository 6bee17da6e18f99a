// Many tabs of one person on one stream: whatever comes in whatever order, each shows in the end what the server has.
//
// The server here is a few lines with rows, a growing reply in each room and streams that fail; time is turned by hand, and what is
// said between a tab and the switchboard waits until chance delivers it.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Line, WELCOME } from "../../assets/js/line.js";
import { Live, SILENCE } from "../../assets/js/live.js";
import { Replica } from "../../assets/js/replica.js";
import { PROTOCOL, SWEEP, Switchboard } from "../../assets/js/switchboard.js";
import { chance } from "./random.js";

const EPOCH = `${"0".repeat(31)}7`;
const room = (number) => `019ab000-0000-7000-8000-00000000000${number}`;
const cursorOf = (room, seq) => `${room}.${EPOCH}.${seq}`;

/** Time and the timers in it. */
function clock() {
  let now = 0;
  let timers = [];
  return {
    now: () => now,
    later(then, ms) {
      const timer = { then, at: now + ms };
      timers.push(timer);
      return timer;
    },
    cancel: (timer) => { timers = timers.filter((one) => one !== timer); },
    pass(ms, between = () => {}) {
      const end = now + ms;
      for (;;) {
        const next = timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
        if (!next) break;
        timers = timers.filter((one) => one !== next);
        now = Math.max(now, next.at);
        next.then();
        between();
      }
      now = end;
      between();
    },
    /** Sleep: time goes on, timers do not. */
    jump(ms) {
      now += ms;
      for (const timer of timers) timer.at += ms;
    },
    get timers() { return timers.length; },
  };
}

/** Rooms with rows and growing replies, and streams of them. */
class Server {
  rooms = new Map();
  streams = new Set();
  opened = 0;
  up = true;

  /** @param time the clock of its heartbeats */
  constructor(time) {
    this.time = time;
  }

  room(id) {
    if (!this.rooms.has(id)) this.rooms.set(id, { id, head: 0, rows: new Map() });
    return this.rooms.get(id);
  }

  /** A row is made or changed. */
  write(id, key, more = {}) {
    const place = this.room(id);
    const old = place.rows.get(key);
    place.head += 1;
    const row = { seq: place.head, attempt: 0, state: "complete", ...old, ...more, room: id, id: key, rev: place.head, html: `${key} at ${place.head}` };
    if (row.state !== "streaming") delete row.text;
    place.rows.set(key, row);
    this.tell(id, "message", this.frame(row), cursorOf(id, place.head));
  }

  frame({ text, ...row }) {
    return row;
  }

  grow(id, key, piece) {
    const row = this.room(id).rows.get(key);
    const text = row.text ?? "";
    row.text = text + piece;
    this.tell(id, "delta", { room: id, id: key, attempt: row.attempt, part: "answer", off: text.length, len: row.text.length, block: 0, keep: text.length, html: [piece] });
  }

  tell(id, event, data, cursor = "") {
    for (const stream of this.streams) if (stream.rooms.has(id)) stream.queue.push([event, data, cursor]);
  }

  open(url) {
    this.opened += 1;
    const at = new URL(url, "http://x").searchParams.getAll("at");
    const listeners = {};
    const stream = {
      url, at, rooms: new Set(at.map((cursor) => cursor.slice(0, 36))), queue: [], closed: false,
      addEventListener: (name, then) => { listeners[name] = then; },
      close: () => { stream.closed = true; this.streams.delete(stream); this.time.cancel(stream.pulse); },
      breaks: () => { if (!stream.closed) listeners.error?.({}); },
      /** Hands out so many frames. */
      gives: (count) => {
        for (; count > 0 && stream.queue.length > 0 && !stream.closed; count--) {
          const [event, data, lastEventId] = stream.queue.shift();
          if (event === "open") listeners.open?.({});
          else listeners[event]?.({ data: JSON.stringify(data), lastEventId });
        }
      },
    };
    if (!this.up) {
      stream.queue.push(["error", {}]);
      this.streams.add(stream);
      return stream;
    }
    stream.queue.push(["open"]);
    for (const cursor of at) {
      const [id, , seq] = cursor.split(".");
      const place = this.room(id);
      const rows = [...place.rows.values()].filter(({ rev }) => rev > Number(seq)).sort((a, b) => a.rev - b.rev);
      for (const row of rows) stream.queue.push(["message", this.frame(row), cursorOf(id, row.rev)]);
      for (const row of place.rows.values()) {
        if (row.text) stream.queue.push(["draft", { room: id, id: row.id, attempt: row.attempt, part: "answer", len: row.text.length, blocks: [row.text] }, ""]);
      }
      stream.queue.push(["caught-up", { room: id, seq: place.head }, cursorOf(id, place.head)]);
    }
    this.streams.add(stream);
    const beat = () => {
      if (!this.streams.has(stream)) return;
      stream.queue.push(["heartbeat", {}]);
      stream.pulse = this.time.later(beat, 15_000);
    };
    stream.pulse = this.time.later(beat, 15_000);
    return stream;
  }
}

/** A server, a switchboard, and tabs that are opened and closed. */
function stage(luck = null) {
  const time = clock();
  const server = new Server(time);
  const posts = [];
  const live = (listener) => new Live("ada", {
    open: (url) => server.open(url),
    get: async () => ({ status: 0, data: null }),
    later: time.later, cancel: time.cancel, now: time.now, random: () => 1,
  }, listener);
  const switchboard = new Switchboard({ live, later: time.later, cancel: time.cancel });
  const tabs = new Set();

  class Tab {
    status = [];
    lost = [];
    broken = [];
    resets = 0;
    calls = 0;
    frozen = false;
    asleep = [];
    caughtUp = false;
    /** Loaded now: the rows as they are, texts that grow included, which only the page shows. */
    constructor(id) {
      this.room = id;
      this.load();
    }

    load() {
      this.line?.end();
      const place = server.room(this.room);
      this.replica = new Replica();
      this.shrunk = [];
      for (const row of place.rows.values()) this.replica.seed(server.frame(row));
      this.caughtUp = false;
      this.line = new Line(cursorOf(this.room, place.head), {
        connect: (hears, broken, closed) => this.connect(hears, broken, closed),
        // The timers of a frozen tab wait too.
        later: (then, ms) => {
          const timer = { over: false };
          timer.at = time.later(() => (this.frozen ? this.asleep.push(timer) : this.dead || then()), ms);
          timer.then = then;
          return timer;
        },
        cancel: (timer) => { if (timer) { timer.over = true; time.cancel(timer.at); } },
        now: time.now,
      }, {
        heard: (event, data) => this.heard(event, data),
        status: (status) => { this.status.push(status); if (status !== "caught-up") this.caughtUp = false; },
        lost: (why) => this.lost.push(why),
        growing: () => this.replica.isGrowing,
        broken: (why) => this.broken.push(why),
      });
      this.line.open();
    }

    connect(hears) {
      this.calls += 1;
      const tell = switchboard.connect((message) => posts.push({ to: this, message, then: hears }));
      let open = true;
      return {
        post: (message) => { if (open) posts.push({ from: this, message, then: tell }); },
        close: () => { open = false; },
      };
    }

    thaws() {
      this.frozen = false;
      for (const timer of this.asleep.splice(0)) if (!timer.over) timer.then();
    }

    heard(event, data) {
      assert.equal(data.room, this.room, "nothing of other rooms");
      if (event === "reset") this.resets += 1;
      if (event === "caught-up") this.caughtUp = true;
      if (event === "message") this.replica.message(data);
      if (event === "draft") this.replica.draft(data);
      if (event === "delta" && this.replica.delta(data)?.what === "gap") this.line.gap();
    }

    closes() {
      tabs.delete(this);
      this.line.end();
    }

    /** Without a word. */
    crashes() {
      tabs.delete(this);
      this.dead = true;
    }

    get shown() {
      return [...this.replica.rows.values()].sort((a, b) => a.seq - b.seq).map(({ id, rev, state }) => [id, rev, state, this.replica.blocks(id, "answer").join("")]);
    }

    get stored() {
      return [...server.room(this.room).rows.values()].sort((a, b) => a.seq - b.seq).map(({ id, rev, state, text }) => [id, rev, state, text ?? ""]);
    }
  }

  const stuck = (post) => (post.to ?? post.from).dead || (post.to?.frozen ?? post.from?.frozen);
  return {
    time, server, switchboard, tabs, posts, Tab,
    opens(id) {
      const tab = new Tab(id);
      tabs.add(tab);
      return tab;
    },
    /** Delivers one thing that waits: the next of a tab, of the switchboard to a tab, or of a stream. */
    step() {
      const ways = new Map();
      for (const post of posts) {
        const way = post.to ?? post.then;
        if (!stuck(post) && !ways.has(way)) ways.set(way, post);
      }
      const streams = [...server.streams].filter(({ queue }) => queue.length > 0);
      const choices = [...ways.values(), ...streams];
      if (choices.length === 0) return false;
      const choice = choices[luck ? luck.below(choices.length) : 0];
      if ("queue" in choice) choice.gives(1);
      else {
        posts.splice(posts.indexOf(choice), 1);
        choice.then(choice.message);
      }
      return true;
    },
    settle() {
      for (let n = 0; this.step(); n++) assert.ok(n < 200_000, "it comes to rest");
    },
    /** Time goes by, and what is said arrives. */
    pass(ms) {
      time.pass(ms, () => this.settle());
    },
  };
}

const holds = (s, tabs = s.tabs, what = "") => {
  for (const tab of tabs) {
    assert.deepEqual(tab.shown, tab.stored, `${what} the tab shows the rows`);
    assert.ok(tab.caughtUp, `${what} and says so`);
    assert.deepEqual([tab.broken, tab.resets], [[], 0], what);
  }
};

test("tabs of one room and of several share one stream", () => {
  const s = stage();
  s.server.write(room(1), "m1");
  const tabs = [s.opens(room(1)), s.opens(room(1)), s.opens(room(2))];
  s.settle();
  assert.equal(s.server.streams.size, 1);
  s.server.write(room(1), "m2");
  s.server.write(room(2), "m3");
  s.settle();
  holds(s, tabs);
  assert.equal(s.server.streams.size, 1);
});

test("a page as new as the stream, with nothing in it that grows, costs the others nothing", () => {
  const s = stage();
  const first = s.opens(room(1));
  s.settle();
  s.server.write(room(1), "m1");
  s.settle();
  const opened = s.server.opened;
  const late = s.opens(room(1));
  s.settle();
  holds(s, [first, late]);
  assert.equal(s.server.opened, opened);
});

test("who joins with an older cursor gets what was missed, and the others are as they were", () => {
  const s = stage();
  const first = s.opens(room(1));
  const late = s.opens(room(1));
  s.settle();
  // It was away while three rows came, and its cursor is from before.
  late.line.rest();
  s.settle();
  for (const id of ["m1", "m2", "m3"]) s.server.write(room(1), id);
  s.settle();
  assert.equal(late.shown.length, 0);
  late.line.wake(true);
  s.settle();
  holds(s, [first, late]);
});

test("who joins with a newer cursor gets what comes, and the others what they lack", () => {
  const s = stage();
  const first = s.opens(room(1));
  s.settle();
  s.server.write(room(1), "m1");
  s.server.write(room(1), "m2", { state: "streaming", attempt: 1 });
  s.server.grow(room(1), "m2", "One ");
  // The stream has not brought it yet, but the page already has it.
  const late = s.opens(room(1));
  s.server.grow(room(1), "m2", "two");
  s.settle();
  holds(s, [first, late]);
});

test("who joins in the middle of a growing reply gets the draft", () => {
  const s = stage();
  const first = s.opens(room(1));
  s.settle();
  s.server.write(room(1), "m1", { state: "streaming", attempt: 1 });
  s.server.grow(room(1), "m1", "One ");
  s.settle();
  const late = s.opens(room(1));
  s.settle();
  assert.equal(late.shown[0][3], "One ");
  s.server.grow(room(1), "m1", "two");
  s.settle();
  holds(s, [first, late]);
});

test("closing any tab, also the first, opens nothing anew; the last takes the stream along", () => {
  for (const order of [[0, 1, 2], [2, 1, 0], [1, 0, 2]]) {
    const s = stage();
    const tabs = [s.opens(room(1)), s.opens(room(2)), s.opens(room(1))];
    s.settle();
    const opened = s.server.opened;
    for (const [n, at] of order.entries()) {
      tabs[at].closes();
      s.settle();
      s.server.write(room(1), `m${n}`);
      s.server.write(room(2), `m${n}`);
      s.settle();
      holds(s);
      assert.equal(s.server.opened, opened);
    }
    assert.equal(s.server.streams.size, 0);
    assert.equal(s.switchboard.size, 0);
    s.pass(600_000);
    assert.equal(s.server.opened, opened);
    assert.equal(s.time.timers, 0, "nothing ticks for nobody");
  }
});

test("a room that nobody follows is left out at the next opening, and at once if it talks on", () => {
  const s = stage();
  const gone = s.opens(room(1));
  const left = s.opens(room(2));
  s.settle();
  gone.closes();
  s.settle();
  const opened = s.server.opened;
  for (let i = 0; i < 600; i++) s.server.write(room(1), "m1");
  s.server.write(room(2), "m2");
  s.settle();
  assert.equal(s.server.opened, opened + 1);
  assert.deepEqual([...[...s.server.streams][0].rooms], [room(2)]);
  holds(s, [left]);
});

test("a gap is mended once for all tabs of a room", () => {
  const s = stage();
  const tabs = [s.opens(room(1)), s.opens(room(1)), s.opens(room(1))];
  s.settle();
  s.server.write(room(1), "m1", { state: "streaming", attempt: 1 });
  s.server.grow(room(1), "m1", "One ");
  s.settle();
  const opened = s.server.opened;
  s.server.grow(room(1), "m1", "two ");
  const [stream] = s.server.streams;
  stream.queue.pop();
  s.server.grow(room(1), "m1", "three");
  s.settle();
  assert.equal(s.server.opened, opened + 1);
  holds(s, tabs);
});

test("a tab that ended without a word is forgotten, and its stream with it", () => {
  const s = stage();
  const dead = s.opens(room(1));
  const left = s.opens(room(2));
  s.settle();
  dead.crashes();
  s.pass(SWEEP * 6);
  assert.equal(s.switchboard.size, 1);
  left.closes();
  s.settle();
  assert.equal(s.server.streams.size, 0);
});

test("what waits for a frozen tab is bounded, and it catches up when it wakes", () => {
  const s = stage();
  const frozen = s.opens(room(1));
  const lively = s.opens(room(1));
  s.settle();
  frozen.frozen = true;
  for (let i = 0; i < 10_000; i++) {
    s.server.write(room(1), `m${i % 50}`);
    if (i % 20 === 0) s.settle();
  }
  s.settle();
  assert.ok(s.posts.length <= 2100, `${s.posts.length} wait`);
  holds(s, [lively]);
  frozen.thaws();
  s.settle();
  // So far behind that it starts anew, alone.
  assert.deepEqual([frozen.resets, lively.resets], [1, 0]);
  frozen.resets = 0;
  frozen.load();
  s.settle();
  holds(s);
});

test("a tab that was frozen for a while is left behind, and joins again by itself", () => {
  const s = stage();
  const frozen = s.opens(room(1));
  const lively = s.opens(room(1));
  s.settle();
  frozen.frozen = true;
  s.pass(SWEEP * 6);
  assert.equal(s.switchboard.size, 1);
  const before = s.posts.length;
  for (let i = 0; i < 100; i++) s.server.write(room(1), `m${i}`);
  s.settle();
  assert.equal(s.posts.length, before, "nothing more is said to it");
  frozen.thaws();
  s.settle();
  holds(s, [frozen, lively]);
});

test("a big burst is not too much for a tab that takes it", () => {
  const s = stage();
  const tab = s.opens(room(1));
  s.settle();
  tab.line.rest();
  s.settle();
  for (let i = 0; i < 450; i++) s.server.write(room(1), `m${i}`);
  tab.line.wake(true);
  // The stream gives all of it before the tab takes anything.
  while (s.server.streams.size === 0) s.step();
  [...s.server.streams][0].gives(1000);
  s.settle();
  holds(s);
  assert.equal(tab.calls, 2, "one call at first and one on waking");
});

test("the state of the connection is every tab's", () => {
  const s = stage();
  const tabs = [s.opens(room(1)), s.opens(room(2))];
  s.settle();
  [...s.server.streams][0].breaks();
  s.settle();
  for (const tab of tabs) assert.equal(tab.status.at(-1), "offline");
  s.pass(1000);
  for (const tab of tabs) assert.equal(tab.status.at(-1), "caught-up");
  holds(s);
});

test("twenty tabs that wake at once open one stream", () => {
  const s = stage();
  for (let i = 0; i < 20; i++) s.opens(room(1 + (i % 4)));
  s.settle();
  s.time.pass(5000);
  const opened = s.server.opened;
  for (const tab of s.tabs) tab.line.wake(true);
  s.settle();
  assert.equal(s.server.opened, opened + 1);
  holds(s);
});

test("after a sleep nothing is missing, at the latest 40 s later", () => {
  const s = stage();
  s.opens(room(1));
  s.opens(room(2));
  s.settle();
  s.server.write(room(1), "m1");
  // The network forgot us: what is written comes to nobody.
  const [stream] = s.server.streams;
  s.server.streams.delete(stream);
  s.time.jump(8 * 3600_000);
  s.server.write(room(1), "m2");
  s.server.write(room(2), "m3");
  s.pass(10_000);
  holds(s, s.tabs, "at the first look at the clock");
});

test("a clock that is set back does not make a dead stream look alive", () => {
  const s = stage();
  s.opens(room(1));
  s.settle();
  s.server.streams.clear();
  s.time.jump(-3600_000);
  s.server.write(room(1), "m1");
  // A look at the clock, the silence from there on, and a first pause.
  s.pass(10_000 + SILENCE + 1000);
  holds(s);
});

test("a silent network is noticed, and everything is there afterwards", () => {
  const s = stage();
  const tabs = [s.opens(room(1)), s.opens(room(1)), s.opens(room(3))];
  s.settle();
  s.server.streams.clear();
  for (const id of [room(1), room(3)]) s.server.write(id, "m1");
  s.pass(SILENCE + 1000);
  holds(s, tabs);
});

test("who signed out, or somebody else, ends it for every tab; who comes then begins anew", async () => {
  for (const [answer, why] of [[{ status: 401 }, "signed-out"], [{ status: 200, data: { id: "bob" } }, "other-person"]]) {
    const time = clock();
    const sources = [];
    const heard = [[], []];
    const live = (listener) => new Live("ada", {
      open: (url) => { const on = {}; const source = { url, on, close() {}, addEventListener: (name, then) => { on[name] = then; } }; sources.push(source); return source; },
      get: async () => answer,
      later: time.later, cancel: time.cancel, now: time.now, random: () => 1,
    }, listener);
    const switchboard = new Switchboard({ live, later: time.later, cancel: time.cancel });
    for (const [n, list] of heard.entries()) switchboard.connect((message) => list.push(message))({ say: "join", cursor: cursorOf(room(n + 1), 5), growing: false });
    sources.at(-1).on.error({});
    await new Promise((done) => setImmediate(done));
    for (const list of heard) assert.deepEqual(list.at(-1), { say: "lost", why });
    assert.equal(switchboard.size, 0);
    const opened = sources.length;
    time.pass(600_000);
    assert.equal(sources.length, opened, "it does not try again");
    switchboard.connect(() => {})({ say: "join", cursor: cursorOf(room(1), 5), growing: false });
    assert.equal(sources.length, opened + 1);
  }
});

test("a room that is taken away concerns its tabs alone", () => {
  const s = stage();
  const out = [s.opens(room(1)), s.opens(room(1))];
  const stays = s.opens(room(2));
  s.settle();
  s.server.tell(room(1), "bye", { why: "revoked", room: room(1) });
  s.settle();
  for (const tab of out) assert.deepEqual(tab.lost, ["gone"]);
  assert.deepEqual(stays.lost, []);
  const opened = s.server.opened;
  s.server.write(room(2), "m1");
  s.settle();
  holds(s, [stays]);
  assert.equal(s.server.opened, opened);
});

test("a switchboard that does not answer, or is of another version, is given up aloud", () => {
  for (const [say, wait] of [[() => {}, WELCOME], [(hears) => hears({ say: "welcome", protocol: PROTOCOL + 1 }), 0], [null, 0]]) {
    const time = clock();
    const broken = [];
    let hears = () => {};
    const line = new Line(cursorOf(room(1), 5), {
      connect(...told) {
        if (!say) throw new TypeError("refused");
        hears = told[0];
        return { post() {}, watch() {}, close() {} };
      },
      later: time.later, cancel: time.cancel, now: time.now,
    }, { heard() {}, status() {}, lost() {}, growing: () => false, broken: (why) => broken.push(why) });
    line.open();
    say?.(hears);
    time.pass(wait);
    assert.equal(broken.length, 1);
    assert.equal(line.cursor, cursorOf(room(1), 5), "where to go on from");
    assert.equal(time.timers, 0);
  }
});

test("a switchboard that falls silent is called anew, and one that breaks off again and again is given up", () => {
  const time = clock();
  const calls = [];
  const broken = [];
  const line = new Line(cursorOf(room(1), 5), {
    connect(hears, failed, closed) {
      calls.push({ hears, closed });
      return { post() {}, watch() {}, close() {} };
    },
    later: time.later, cancel: time.cancel, now: time.now,
  }, { heard() {}, status() {}, lost() {}, growing: () => false, broken: (why) => broken.push(why) });
  line.open();
  calls[0].hears({ say: "welcome", protocol: PROTOCOL });
  for (let n = 1; n < 10; n++) {
    time.pass(SWEEP);
    calls[0].hears({ say: "alive", n });
  }
  assert.equal(calls.length, 1);
  time.pass(SILENCE);
  assert.equal(calls.length, 2);
  calls[1].hears({ say: "welcome", protocol: PROTOCOL });
  time.pass(6000);
  calls[1].closed();
  assert.equal(calls.length, 3, "the worker's house is gone, another is built");
  calls[2].closed();
  assert.deepEqual([calls.length, broken.length], [4, 0]);
  calls[3].closed();
  assert.deepEqual([calls.length, broken.length], [4, 1]);
});

test("more rooms than an address can name are not shared", () => {
  const s = stage();
  const id = (n) => `019ab000-0000-7000-8000-${String(n).padStart(12, "0")}`;
  for (let n = 0; n < 64; n++) s.opens(id(n));
  const over = s.opens(id(64));
  const known = s.opens(id(3));
  s.settle();
  assert.equal(over.broken.length, 1);
  assert.equal(known.broken.length, 0);
});

test("a page of another epoch starts anew alone", () => {
  const s = stage();
  const first = s.opens(room(1));
  s.settle();
  const opened = s.server.opened;
  const said = [];
  const tell = s.switchboard.connect((message) => said.push(message));
  tell({ say: "join", cursor: `${room(1)}.${"0".repeat(31)}8.9`, growing: false });
  assert.deepEqual(said.filter(({ say }) => say === "frame").map(({ event, text }) => [event, JSON.parse(text)]), [["reset", { room: room(1), why: "other-epoch" }]]);
  tell({ say: "leave" });
  s.server.write(room(1), "m1");
  s.settle();
  assert.equal(s.server.opened, opened);
  holds(s, [first]);
});

test("a tab that is far behind starts anew alone, before the server has everybody start anew", () => {
  const s = stage();
  const first = s.opens(room(1));
  const late = s.opens(room(1));
  s.settle();
  late.line.rest();
  s.settle();
  for (let i = 0; i < 150; i++) s.server.write(room(1), `m${i}`);
  s.settle();
  const opened = s.server.opened;
  late.line.wake(true);
  s.settle();
  assert.deepEqual([first.resets, late.resets, s.server.opened], [0, 1, opened]);
});

test("a switchboard that fails is done without, by all of its tabs", () => {
  const s = stage();
  const tabs = [s.opens(room(1)), s.opens(room(2))];
  s.settle();
  s.switchboard.fails("it failed");
  s.settle();
  for (const tab of tabs) assert.deepEqual(tab.broken, ["it failed"]);
  assert.deepEqual([s.switchboard.size, s.server.streams.size], [0, 0]);
});

test("joins, leaves, frames, gaps, failures, frosts and sleep in any order: each tab ends with the rows", () => {
  for (let seed = 1; seed <= 400; seed++) {
    const luck = chance(seed);
    const { below } = luck;
    const s = stage(luck);
    const growing = () => [...s.server.rooms.values()].flatMap(({ id, rows }) => [...rows.values()].filter(({ state }) => state === "streaming").map((row) => [id, row]));
    const pick = (list) => list[below(list.length)];
    const tabs = () => [...s.tabs];
    const deeds = [
      () => s.opens(room(1 + below(3))),
      () => s.opens(room(1 + below(3))),
      () => pick(tabs())?.closes(),
      () => { if (below(4) === 0) pick(tabs())?.crashes(); },
      () => pick(tabs())?.line.rest(),
      () => pick(tabs())?.line.wake(below(2) === 0),
      () => { const tab = pick(tabs()); if (tab?.frozen) tab.thaws(); else if (tab) tab.frozen = true; },
      () => s.server.write(room(1 + below(3)), `m${below(9)}`, { state: "complete" }),
      () => s.server.write(room(1 + below(3)), `m${below(9)}`, { state: "complete" }),
      () => {
        const [id, key] = [room(1 + below(3)), `r${below(3)}`];
        const old = s.server.room(id).rows.get(key);
        if (old) delete old.text;
        s.server.write(id, key, { state: "streaming", attempt: (old?.attempt ?? 0) + 1 });
      },
      () => { const found = pick(growing()); if (found) s.server.grow(found[0], found[1].id, pick(["a", "bc", "字😀"])); },
      () => { const found = pick(growing()); if (found) s.server.grow(found[0], found[1].id, pick(["d ", "e"])); },
      () => { const found = pick(growing()); if (found) s.server.write(found[0], found[1].id, { state: pick(["complete", "stopped", "interrupted"]) }); },
      // The network loses what is under way with the stream, or all of it in silence, or a delta gets lost.
      () => pick([...s.server.streams])?.breaks(),
      () => { const stream = pick([...s.server.streams]); if (stream) s.server.streams.delete(stream); },
      () => { const stream = pick([...s.server.streams]); const at = stream?.queue.findLastIndex(([event]) => event === "delta"); if (at >= 0) stream.queue.splice(at, 1); },
      () => { s.server.up = below(3) > 0; },
      () => s.server.tell(room(1), "bye", { why: pick(["renew", "slow", "shutdown"]) }),
      () => s.time.jump(below(2) ? 120_000 : -60_000),
      // Within a browser nothing takes as long as a worker may take to answer.
      () => { for (let n = below(8); n > 0; n--) { s.time.pass(below(WELCOME / 3)); s.settle(); } },
    ];
    for (let i = 0; i < 150; i++) {
      pick(deeds)();
      for (let n = below(12); n > 0; n--) s.step();
    }
    s.server.up = true;
    for (const tab of s.tabs) {
      tab.thaws();
      tab.line.wake(false);
    }
    s.settle();
    // Both silences, one after the other, and the longest pause: a delta that was lost is noticed with the next.
    s.pass(200_000);
    for (const [id, row] of growing()) s.server.grow(id, row.id, "end");
    s.pass(60_000);
    for (const tab of s.tabs) {
      // What is too far behind starts anew; here nothing is.
      assert.deepEqual(tab.lost, [], `seed ${seed}`);
    }
    holds(s, s.tabs, `seed ${seed}:`);
    assert.ok(s.server.streams.size <= 1, `seed ${seed}: one stream`);
    const rooms = new Set([...s.tabs].map((tab) => tab.room));
    const followed = new Set([...s.server.streams].flatMap((stream) => [...stream.rooms]));
    for (const id of rooms) assert.ok(followed.has(id), `seed ${seed}`);
    assert.equal(s.switchboard.size, s.tabs.size, `seed ${seed}: crashed tabs are forgotten`);
    for (const tab of tabs()) tab.closes();
    s.settle();
    assert.deepEqual([s.server.streams.size, s.time.timers], [0, 0], `seed ${seed}: nothing is left`);
  }
});
