// The list of rooms: what frames make of it, its order, what is news, and what fits to what was typed.

import assert from "node:assert/strict";
import { test } from "node:test";

import { fits, ranked } from "../../assets/js/rank.js";
import { byActivity, groupOf, merge, nextOf, risen, signsOf } from "../../assets/js/roster.js";

const line = (id, more = {}) => ({ id, name: id, kind: "room", private: false, head: 1, at: 1, read: 0, unread: 0, mentions: 0, favourite: false, writing: false, ...more });
const known = (...lines) => new Map(lines.map((one) => [one.id, one]));

test("a whole list replaces what was known, changes do so line by line", () => {
  const first = merge(null, { all: true, rooms: [line("a"), line("b")] });
  const second = merge(first, { rooms: [line("b", { unread: 2 }), line("c")], gone: ["a"] });
  assert.deepEqual([...second.keys()], ["b", "c"]);
  assert.equal(second.get("b").unread, 2);
  assert.deepEqual([...first.keys()], ["a", "b"], "what was handed out stays as it was");
  assert.deepEqual([...merge(second, { all: true, rooms: [] }).keys()], []);
});

test("news is what has come, not what was set back, nor a room that is new here", () => {
  const before = known(line("a", { head: 5, read: 5 }), line("talk", { kind: "direct", head: 5, read: 5 }), line("full", { head: 5, unread: 100, mentions: 100 }));
  const news = (...lines) => risen(before, lines).map(({ room, concerns }) => [room, concerns]);
  assert.deepEqual(news(line("a", { head: 6, read: 5, unread: 1 })), [["a", false]]);
  assert.deepEqual(news(line("a", { head: 6, read: 5, unread: 1, mentions: 1 })), [["a", true]]);
  assert.deepEqual(news(line("talk", { head: 6, read: 5, unread: 1, kind: "direct" })), [["talk", true]]);
  assert.deepEqual(news(line("a", { head: 5, read: 3, unread: 2 })), [], "unread again");
  assert.deepEqual(news(line("a", { head: 7, read: 5 })), [], "a change that brings nothing to read");
  assert.deepEqual(news(line("new", { unread: 9 })), []);
  assert.deepEqual(news(line("full", { head: 6, at: 2, unread: 100, mentions: 100 })), [["full", true]], "more than can be counted");
  assert.deepEqual(news(line("full", { head: 6, at: 1, unread: 100, mentions: 100 })), []);
});

test("groups, and the latest activity first", () => {
  assert.deepEqual([line("a"), line("b", { kind: "direct" }), line("c", { kind: "direct", favourite: true })].map(groupOf), ["rooms", "talks", "favourites"]);
  assert.deepEqual([line("b", { at: 1 }), line("a", { at: 1 }), line("c", { at: 2 })].sort(byActivity).map(({ id }) => id), ["c", "a", "b"]);
});

test("signs count what concerns the reader", () => {
  assert.deepEqual(signsOf([line("a", { unread: 5, mentions: 2 }), line("b", { unread: 1, kind: "direct", mentions: 0 })]), { concerns: 3, unread: true });
  assert.deepEqual(signsOf([line("a", { unread: 5 })]), { concerns: 0, unread: true });
  assert.deepEqual(signsOf([line("a")]), { concerns: 0, unread: false });
});

test("the next room, around the end, and the next unread one", () => {
  const items = ["a", "b", "c"].map((id) => ({ id, unread: id === "a" }));
  const next = (...how) => nextOf(items, ...how)?.id;
  assert.equal(next("a", 1, false), "b");
  assert.equal(next("c", 1, false), "a");
  assert.equal(next("a", -1, false), "c");
  assert.equal(next("c", -1, true), "a");
  assert.equal(next("a", 1, true), undefined, "one is there already");
  assert.equal(next("", 1, false), "a");
  assert.equal(next("", -1, false), "c");
  assert.equal(nextOf([], "a", 1, false), undefined);
});

test("what fits, and how well", () => {
  assert.equal(fits("Kitchen", "kit"), 1);
  assert.equal(fits("The Kitchen", "kit"), 2);
  assert.equal(fits("厨房与花园", "花园"), 3);
  assert.equal(fits("Kitchen", "ktn"), 4);
  assert.equal(fits("Kitchen", "nk"), null);
  assert.equal(fits("Café au lait", "cafe"), 1);
  assert.equal(fits("ＡＢＣ", "abc"), 0);
  assert.equal(fits("Re-kit kitchen", "kitchen"), 2, "a later beginning of a word counts");
});

test("the best fit first, then the order there was", () => {
  const names = (typed, ...items) => ranked(items.map((name) => ({ name })), typed).map(({ name }) => name);
  assert.deepEqual(names("", "Zoo", "Attic"), ["Zoo", "Attic"]);
  assert.deepEqual(names("ga", "Saga", "The Garden", "Garden", "Gable"), ["Garden", "Gable", "The Garden", "Saga"]);
  assert.deepEqual(names("xyz", "Garden"), []);
  assert.deepEqual(ranked([{ name: "Bob", less: 1 }, { name: "Bobbins" }], "bob").map(({ name }) => name), ["Bob", "Bobbins"]);
});
