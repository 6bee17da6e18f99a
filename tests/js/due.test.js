import assert from "node:assert/strict";
import { test } from "node:test";

import { Due, FEW } from "../../assets/js/due.js";
import { chance } from "./random.js";

const row = (id, rev, state = "complete", cleared = false) => ({ what: "row", row: { id, seq: Number(id.slice(1)), rev, state, attempt: 0 }, before: undefined, cleared });
const part = (id, from) => ({ what: "part", id, part: "answer", from });
const ids = ({ rows }) => [...rows.keys()];

test("a question and its answer are drawn one after the other, and only then is it said that both are", () => {
  const due = new Due();
  due.take(row("m1", 1));
  due.take(row("m2", 2, "streaming"));
  due.take(part("m2", 0));
  due.upTo(2);
  due.caughtUp(true);

  const frames = [due.next(false), due.next(false), due.next(false)];
  assert.deepEqual(frames.map(({ work }) => [ids(work), [...work.parts.keys()], work.seq, work.caughtUp]), [
    [["m1"], [], null, false],
    [["m2"], [], null, false],
    [[], ["m2 answer"], 2, true],
  ]);
  assert.deepEqual(frames.map(({ more }) => more), [true, true, false]);
});

test("many messages, or what nobody looks at, are drawn at once", () => {
  const due = new Due();
  for (let n = 0; n <= FEW; n++) due.take(row(`m${n}`, n));
  assert.equal(due.next(false).work.rows.size, FEW + 1);
  for (const id of ["m7", "m8"]) due.take(row(id, 9));
  due.take(part("m7", 0));
  const { work, more } = due.next(true);
  assert.deepEqual([ids(work), work.parts.size, more], [["m7", "m8"], 1, false]);
});

test("the room and what lies beyond the page come once, with the first that is drawn", () => {
  const due = new Due();
  for (const id of ["m1", "m2"]) due.take(row(id, 1));
  due.take({ what: "beyond", row: { id: "m9" } });
  due.room({ name: "Kitchen" });
  const frames = [due.next(false), due.next(false)].map(({ work }) => [ids(work), work.beyond.map(({ id }) => id), work.room]);
  assert.deepEqual(frames, [[["m1"], ["m9"], { name: "Kitchen" }], [["m2"], [], null]]);
});

test("what was heard before a connection was lost does not count as all", () => {
  const due = new Due();
  due.upTo(7);
  due.upTo(5);
  due.caughtUp(true);
  due.caughtUp(false);
  const { work } = due.next(false);
  assert.deepEqual([work.seq, work.caughtUp], [7, false]);
});

test("a text waits for so many messages and no more, each time", () => {
  const due = new Due();
  for (let round = 0; round < 2; round++) {
    const sizes = [];
    for (let n = 0; n <= FEW + 1; n++) {
      due.take(row(`m${n}`, n));
      due.take(part("m9", n));
      const { work, more } = due.next(false);
      sizes.push([work.rows.size, work.parts.size]);
      if (!more) break;
    }
    assert.deepEqual(sizes, [[1, 0], [1, 0], [1, 0], [1, 1]], `round ${round}`);
  }
});

test("what could not be drawn keeps the rest from saying that it is on screen", () => {
  const due = new Due();
  for (const id of ["m1", "m2"]) due.take(row(id, 1));
  due.upTo(1);
  due.caughtUp(true);
  due.next(false);
  due.broken();
  const { work } = due.next(false);
  assert.deepEqual([ids(work), work.seq, work.caughtUp], [["m2"], null, false]);
});

test("whatever comes between the frames is drawn: the newest of each message, cleared if anything cleared it, texts from their first change, and soon", () => {
  for (let seed = 1; seed <= 500; seed++) {
    const { below } = chance(seed);
    const due = new Due();
    /** What a page would show that drew every change by itself. */
    const wanted = new Map();
    const shown = new Map();
    /** From which block on the text of each is out of date. */
    const grown = new Map();
    let [seq, waiting, cleared] = [0, 0, new Set()];
    const change = () => {
      const id = `m${below(4)}`;
      if (below(2)) {
        const clears = below(4) === 0;
        const state = below(2) ? "streaming" : "complete";
        due.take(row(id, ++seq, state, clears));
        if (clears || state === "complete") grown.delete(id);
        due.upTo(seq);
        wanted.set(id, seq);
        if (clears) cleared.add(id);
      } else {
        const from = below(5);
        due.take(part(id, from));
        grown.set(id, Math.min(from, grown.get(id) ?? Infinity));
      }
    };
    const draw = () => {
      const was = due.grown;
      const { work, more } = due.next(below(10) === 0);
      for (const { row, cleared: clears } of work.rows.values()) {
        shown.set(row.id, row.rev);
        assert.equal(clears, cleared.has(row.id), `seed ${seed}: ${row.id} cleared`);
        cleared.delete(row.id);
      }
      for (const { id, from } of work.parts.values()) {
        assert.equal(from, grown.get(id), `seed ${seed}: the text of ${id}`);
        grown.delete(id);
      }
      waiting = was && work.parts.size === 0 && due.grown ? waiting + 1 : 0;
      assert.ok(waiting <= FEW, `seed ${seed}: a text waits for ${waiting} frames`);
      if (work.seq !== null) assert.deepEqual([...shown].sort(), [...wanted].sort(), `seed ${seed}: not all is on screen up to ${work.seq}`);
      return more;
    };
    for (let n = 0; n < 60; n++) below(3) ? change() : draw();
    let frames = 0;
    while (draw()) assert.ok((frames += 1) <= FEW, `seed ${seed}: it does not end`);
    assert.deepEqual([...shown].sort(), [...wanted].sort(), `seed ${seed}`);
    assert.equal(due.grown, false);
    assert.equal(grown.size, 0, `seed ${seed}: a text was not drawn`);
  }
});

test("of versions that came together the newest is drawn, against what was there before all of them", () => {
  const due = new Due();
  const streaming = { state: "streaming" };
  due.take({ ...row("m1", 2), before: streaming });
  due.take({ ...row("m1", 3), before: { state: "complete" } });
  const { row: now, before } = due.next(false).work.rows.get("m1");
  assert.equal(now.rev, 3);
  assert.equal(before, streaming);
});

test("a text is drawn from the first block that changed, and not at all when its message ended", () => {
  const due = new Due();
  for (const from of [4, 2, 3]) due.take(part("m1", from));
  due.take(part("m2", 1));
  due.take(row("m2", 5, "stopped"));
  due.next(false);
  assert.deepEqual([...due.next(false).work.parts.values()].map(({ id, from }) => [id, from]), [["m1", 2]]);
});
