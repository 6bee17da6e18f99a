import assert from "node:assert/strict";
import { test } from "node:test";

import { Replica } from "../../assets/js/replica.js";
import { chance } from "./random.js";

const row = (id, rev, more = {}) => ({ id, seq: Number(id.slice(1)), rev, state: "complete", attempt: 0, html: `<article>${id} ${rev}</article>`, ...more });
const versions = (replica) => [...replica.rows.values()].map(({ id, rev }) => `${id}@${rev}`).sort();

test("message frames in any order and number give the newest row of each", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const { below, shuffle } = chance(seed);
    const frames = [];
    let rev = 0;
    for (let i = 0; i < 30; i++) frames.push(row(`m${1 + below(8)}`, ++rev));
    const newest = new Map(frames.map((frame) => [frame.id, frame]));
    const expected = [...newest.values()].map(({ id, rev }) => `${id}@${rev}`).sort();

    const replica = new Replica();
    const shown = new Map();
    const multiset = shuffle([...frames, ...frames.filter(() => below(2)), ...frames.filter(() => below(3) === 0)]);
    for (const frame of multiset) {
      const change = replica.message(frame);
      if (change) shown.set(change.row.id, change.row.rev);
    }
    assert.deepEqual(versions(replica), expected, `seed ${seed}`);
    assert.deepEqual([...shown].map(([id, rev]) => `${id}@${rev}`).sort(), expected, `seed ${seed}: the page shows something else`);
  }
});

test("a stale version is ignored", () => {
  const replica = new Replica();
  replica.seed(row("m1", 5));
  assert.equal(replica.message(row("m1", 5)), null);
  assert.equal(replica.message(row("m1", 4)), null);
  assert.equal(replica.message(row("m1", 6)).what, "row");
});

/** A reply as the server tells of it: its blocks after each piece of text. */
function story({ below }) {
  const steps = [{ len: 0, blocks: [] }];
  let blocks = [];
  let len = 0;
  for (let i = 0; i < 25; i++) {
    const kind = below(10);
    len += 1 + below(9);
    if (kind === 0) blocks = [...blocks]; // text that shows nothing yet
    else if (blocks.length === 0 || kind < 3) blocks = [...blocks, `<p>block ${i}</p>`];
    else if (kind === 3) blocks = blocks.map((block, at) => (at === below(blocks.length) ? block.replace("<p>", `<p class="c${i}">`) : block));
    else if (kind === 4 && blocks.length > 1) blocks = [...blocks.slice(0, -2), `<ul><li>${i}</li></ul>`];
    else blocks = [...blocks.slice(0, -1), blocks.at(-1).replace(/<\/(p|ul)>$/, ` 字${i}😀</$1>`)];
    steps.push({ len, blocks });
  }
  return steps;
}

/** The delta between two steps, with what is common at the start left out, or less of it. */
function delta(before, after, { below }) {
  if (before.blocks.join("\0") === after.blocks.join("\0")) return { off: before.len, len: after.len, block: 0, keep: 0, html: [] };
  let block = 0;
  while (block < before.blocks.length && block < after.blocks.length - 1 && before.blocks[block] === after.blocks[block]) block += 1;
  const old = before.blocks[block] ?? "";
  const now = after.blocks[block] ?? "";
  let keep = 0;
  while (keep < old.length && keep < now.length && old[keep] === now[keep]) keep += 1;
  keep = below(keep + 1);
  return { off: before.len, len: after.len, block, keep, html: [now.slice(keep), ...after.blocks.slice(block + 1)] };
}

test("deltas cut anywhere, repeated, and with drafts in between give the same blocks", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const luck = chance(seed);
    const steps = story(luck);
    const replica = new Replica();
    replica.message(row("m1", 1, { state: "streaming", attempt: 1 }));
    const frame = { id: "m1", attempt: 1, part: "answer" };
    let at = 0;
    while (at < steps.length - 1) {
      const next = Math.min(steps.length - 1, at + 1 + luck.below(4));
      const change = delta(steps[at], steps[next], luck);
      assert.notEqual(replica.delta({ ...frame, ...change })?.what, "gap", `seed ${seed}`);
      at = next;
      assert.deepEqual(replica.blocks("m1", "answer"), steps[at].blocks, `seed ${seed}, step ${at}`);
      if (luck.below(3) === 0) assert.equal(replica.delta({ ...frame, ...change }), null, "a delta that comes again is ignored");
      if (luck.below(4) === 0) {
        const older = steps[luck.below(at)];
        if (older.len < steps[at].len) assert.equal(replica.draft({ ...frame, ...older }), null, "a draft shorter than what is shown is ignored");
      }
      if (luck.below(4) === 0) {
        at = Math.min(steps.length - 1, at + luck.below(5));
        replica.draft({ ...frame, ...steps[at] });
      }
      assert.deepEqual(replica.blocks("m1", "answer"), steps[at].blocks, `seed ${seed}, step ${at}`);
    }
  }
});

test("a change names the first block that differs, so that blocks before it are not touched", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const luck = chance(seed);
    const steps = story(luck);
    const replica = new Replica();
    replica.message(row("m1", 1, { state: "streaming", attempt: 1 }));
    let page = [];
    for (let at = 1; at < steps.length; at++) {
      const change = luck.below(4) === 0
        ? replica.draft({ id: "m1", attempt: 1, part: "answer", ...steps[at] })
        : replica.delta({ id: "m1", attempt: 1, part: "answer", ...delta(steps[at - 1], steps[at], luck) });
      if (change) page = [...page.slice(0, change.from), ...replica.blocks("m1", "answer").slice(change.from)];
      assert.deepEqual(page, steps[at].blocks, `seed ${seed}, step ${at}`);
    }
  }
});

test("what is missing is a gap, and a draft heals it", () => {
  const replica = new Replica();
  replica.message(row("m1", 1, { state: "streaming", attempt: 1 }));
  const frame = { id: "m1", attempt: 1, part: "answer" };
  assert.equal(replica.delta({ ...frame, off: 4, len: 8, block: 0, keep: 0, html: ["<p>x</p>"] }).what, "gap");
  assert.equal(replica.draft({ ...frame, len: 8, blocks: ["<p>whole</p>"] }).what, "part");
  assert.equal(replica.delta({ ...frame, off: 8, len: 9, block: 0, keep: 99, html: ["!"] }).what, "gap", "more is to be kept than there is");
  assert.equal(replica.delta({ ...frame, off: 8, len: 9, block: 2, keep: 0, html: ["!"] }).what, "gap", "a block after the next");
  assert.deepEqual(replica.blocks("m1", "answer"), ["<p>whole</p>"]);
});

test("drafts and deltas count only for a row that is being written, in this attempt", () => {
  const frame = { id: "m1", attempt: 1, part: "answer" };
  const one = { ...frame, len: 3, blocks: ["<p>one</p>"] };
  const replica = new Replica();
  assert.equal(replica.draft(one), null, "unknown row");
  replica.message(row("m1", 1, { state: "queued", attempt: 1 }));
  assert.equal(replica.draft(one), null, "queued row");
  replica.message(row("m1", 2, { state: "streaming", attempt: 2 }));
  assert.equal(replica.draft(one), null, "earlier attempt");
  assert.equal(replica.draft({ ...one, attempt: 3 }), null, "later attempt");
  assert.equal(replica.draft({ ...one, attempt: 2 }).what, "part");
  replica.message(row("m1", 3, { state: "complete", attempt: 2 }));
  assert.equal(replica.delta({ ...frame, attempt: 2, off: 3, len: 4, block: 0, keep: 6, html: ["!</p>"] }), null, "ended row");
  assert.deepEqual(replica.blocks("m1", "answer"), []);
});

test("an open row keeps what is shown, a higher attempt clears it", () => {
  const replica = new Replica();
  replica.message(row("m1", 1, { state: "streaming", attempt: 1 }));
  replica.draft({ id: "m1", attempt: 1, part: "answer", len: 3, blocks: ["<p>one</p>"] });
  const edited = replica.message(row("m1", 2, { state: "streaming", attempt: 1 }));
  assert.equal(edited.cleared, false);
  assert.deepEqual(replica.blocks("m1", "answer"), ["<p>one</p>"]);
  replica.message(row("m1", 3, { state: "stopped", attempt: 1 }));
  const again = replica.message(row("m1", 4, { state: "queued", attempt: 2 }));
  assert.equal(again.cleared, true);
  assert.deepEqual(replica.blocks("m1", "answer"), []);
  assert.equal(replica.message(row("m1", 5, { state: "streaming", attempt: 2 })).cleared, false);
});

test("answer and reasoning grow apart", () => {
  const replica = new Replica();
  replica.message(row("m1", 1, { state: "streaming", attempt: 1 }));
  replica.delta({ id: "m1", attempt: 1, part: "reasoning", off: 0, len: 2, block: 0, keep: 0, html: ["<p>hm</p>"] });
  replica.delta({ id: "m1", attempt: 1, part: "answer", off: 0, len: 3, block: 0, keep: 0, html: ["<p>yes</p>"] });
  assert.deepEqual([replica.blocks("m1", "reasoning"), replica.blocks("m1", "answer")], [["<p>hm</p>"], ["<p>yes</p>"]]);
});

test("rows outside the window are remembered while an older page loads", () => {
  const replica = new Replica({ from: 10 });
  replica.fetching = true;
  assert.equal(replica.message(row("m5", 20)).what, "beyond", "not shown");
  const shown = replica.widen([row("m4", 2), row("m5", 3), row("m6", 30)], { from: 4 });
  assert.deepEqual(shown.map(({ id, rev }) => `${id}@${rev}`), ["m4@2", "m5@20", "m6@30"]);
  assert.deepEqual(replica.message(row("m4", 31)).row.rev, 31);
});

test("around an old message newer rows wait until the page has come to them", () => {
  const replica = new Replica({ from: 10, to: 12 });
  replica.fetching = true;
  assert.equal(replica.message(row("m40", 40)).what, "beyond");
  assert.deepEqual(replica.widen([row("m13", 13)], { to: 13 }).map(({ id }) => id), ["m13"]);
  assert.deepEqual(replica.widen([row("m14", 14)], { to: Infinity }).map(({ id }) => id), ["m14", "m40"]);
});

test("what is thinned out is fetched again, never older than a frame that came meanwhile", () => {
  const replica = new Replica();
  for (let n = 1; n <= 5; n++) replica.message(row(`m${n}`, n));
  replica.narrow({ from: 4 });
  replica.fetching = true;
  assert.equal(replica.message(row("m2", 9)).what, "beyond");
  assert.deepEqual(replica.widen([row("m1", 1), row("m2", 2), row("m3", 3)], { from: 0 }).map(({ rev }) => rev), [1, 9, 3]);
});

test("a window that would begin nowhere stays as it is", () => {
  const replica = new Replica();
  replica.message(row("m1", 1));
  replica.narrow({ from: NaN });
  assert.equal(replica.from, 0);
  assert.equal(replica.message(row("m1", 2))?.what, "row");
});

test("of rows outside the window only the version is kept, and what is fetched later has the rest", () => {
  const replica = new Replica();
  for (let n = 1; n <= 3; n++) replica.message(row(`m${n}`, n));
  replica.narrow({ to: 3 });
  assert.equal(replica.message(row("m4", 4)).what, "beyond");
  assert.equal(replica.message(row("m5", 5, { state: "streaming", attempt: 1 })).what, "beyond");
  assert.deepEqual(["m4", "m5"].map((id) => replica.rows.get(id)?.html), [undefined, undefined]);
  assert.equal(replica.message(row("m4", 4)), null, "an old version stays one");
  // What grows out of sight is there when it comes into it.
  assert.equal(replica.draft({ id: "m5", attempt: 1, part: "answer", len: 3, blocks: ["One"] }), null);
  const shown = replica.widen([row("m4", 4), row("m5", 5, { state: "streaming", attempt: 1 })], { to: Infinity });
  assert.deepEqual(shown.map(({ id, html }) => [id, html]), [["m4", "<article>m4 4</article>"], ["m5", "<article>m5 5</article>"]]);
  assert.deepEqual(replica.blocks("m5", "answer"), ["One"]);
  replica.narrow({ to: -Infinity });
  assert.equal(replica.to, Infinity);
});

test("what grows goes on growing while it is out of the window", () => {
  const replica = new Replica();
  for (let n = 1; n <= 3; n++) replica.message(row(`m${n}`, n));
  replica.message(row("m4", 4, { state: "streaming", attempt: 1 }));
  replica.draft({ id: "m4", attempt: 1, part: "answer", len: 3, blocks: ["<p>one</p>"] });
  replica.narrow({ to: 2 });
  assert.deepEqual([...replica.rows.keys()], ["m1", "m2", "m4"]);
  assert.equal(replica.delta({ id: "m4", attempt: 1, part: "answer", off: 3, len: 4, block: 0, keep: 6, html: ["!</p>"] }), null);
  replica.widen([row("m3", 3), row("m4", 4, { state: "streaming", attempt: 1 })], { to: Infinity });
  assert.deepEqual(replica.blocks("m4", "answer"), ["<p>one!</p>"]);
});

test("a window that is opened elsewhere has what was fetched and what came meanwhile, and nothing else", () => {
  const replica = new Replica({ from: 10, to: 12 });
  for (let n = 10; n <= 12; n++) replica.message(row(`m${n}`, n));
  replica.message(row("m99", 99));
  replica.fetching = true;
  replica.message(row("m40", 120));
  replica.message(row("m121", 121));
  replica.fetching = false;
  replica.close();
  const shown = replica.widen([row("m40", 40), row("m41", 41), row("m99", 99)], { from: 40, to: Infinity });
  replica.narrow({});
  assert.deepEqual(shown.map(({ id, rev }) => `${id}@${rev}`), ["m40@120", "m41@41", "m99@99", "m121@121"]);
  assert.deepEqual([...replica.rows.keys()].sort(), ["m121", "m40", "m41", "m99"]);
});

test("windows moved about at random show just the newest rows of their places", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const { below } = chance(seed);
    /** The server's rows, by place. */
    const server = new Map();
    let head = 0;
    const post = () => { head += 1; server.set(head, row(`m${head}`, head)); return server.get(head); };
    const edit = () => { const place = 1 + below(head); head += 1; server.set(head, null); const at = [...server.keys()].filter((n) => server.get(n) && n <= place).pop(); const now = row(`m${at}`, head, { seq: at }); server.set(at, now); return now; };
    for (let n = 0; n < 30; n++) post();
    const rows = (from, to) => [...server.values()].filter((r) => r && r.seq >= from && r.seq <= to);
    const replica = new Replica();
    const page = new Map();
    const put = (r) => { if (!page.has(r.id) || page.get(r.id).rev < r.rev) page.set(r.id, r); };
    const drop = () => { for (const r of page.values()) if (!replica.shows(r)) page.delete(r.id); };
    for (const r of rows(0, Infinity)) { replica.seed(r); page.set(r.id, r); }
    const hear = (r) => { const change = replica.message(r); if (change?.what === "row") put(change.row); };
    for (let step = 0; step < 60; step++) {
      const what = below(6);
      if (what === 0) hear(post());
      else if (what === 1) hear(edit());
      else if (what === 2 && page.size > 6) {
        const places = [...page.values()].map((r) => r.seq).sort((a, b) => a - b);
        if (below(2)) replica.narrow({ from: places[1 + below(3)] });
        else replica.narrow({ to: places[places.length - 2 - below(3)] });
        drop();
      } else if (what === 3 && replica.from > 0) {
        replica.fetching = true;
        const fetched = rows(0, replica.from - 1).slice(-5);
        if (below(2)) hear(edit());
        replica.fetching = false;
        for (const r of replica.widen(fetched, { from: fetched.length < 5 ? 0 : fetched[0].seq })) put(r);
      } else if (what === 4 && replica.to < Infinity) {
        replica.fetching = true;
        const fetched = rows(replica.to + 1, Infinity).slice(0, 5);
        if (below(2)) hear(post());
        replica.fetching = false;
        for (const r of replica.widen(fetched, { to: fetched.length < 5 ? Infinity : fetched[4].seq })) put(r);
      } else if (what === 5) {
        replica.fetching = true;
        const latest = rows(0, Infinity).slice(-5);
        if (below(2)) hear(post());
        replica.fetching = false;
        replica.close();
        page.clear();
        for (const r of replica.widen(latest, { from: latest[0].seq, to: Infinity })) put(r);
        replica.narrow({});
      }
      const wanted = rows(replica.from, replica.to).map((r) => `${r.id}@${r.rev}`).sort();
      assert.deepEqual([...page.values()].map((r) => `${r.id}@${r.rev}`).sort(), wanted, `seed ${seed}, step ${step}, ${what}`);
    }
  }
});
