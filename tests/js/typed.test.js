// What is typed: what can be completed, what Enter does, which draft is shown.

import assert from "node:assert/strict";
import { test } from "node:test";

import { emoji, inCode, people, wanted } from "../../assets/js/complete.js";
import { draftIn, followed } from "../../assets/js/draft.js";
import { sends } from "../../assets/js/enter.js";

const at = (text) => {
  const caret = text.indexOf("|");
  const found = wanted(text.replace("|", ""), caret);
  return found && [found.kind, found.from, found.query];
};

test("names are completed where the server would find them", () => {
  assert.deepEqual(at("@|"), ["person", 0, ""]);
  assert.deepEqual(at("ask @Ad| now"), ["person", 4, "Ad"]);
  assert.deepEqual(at("问@小|"), ["person", 1, "小"]);
  assert.deepEqual(at("你好，＠|"), ["person", 3, ""]);
  assert.deepEqual(at("(@Ada Love|"), ["person", 1, "Ada Love"]);
  assert.deepEqual(at("𠮷@a|"), ["person", 2, "a"]);
  for (const none of ["ada@exam|", "Zoë@a|", "x_@a|", "@ada\n|", "@ |", "plain|", `@${"a".repeat(70)}|`]) assert.equal(at(none), null, none);
});

test("nothing is completed in code", () => {
  for (const code of ["`@a|", "see `x @a|", "```\n@a|", "~~~js\nx\n@a|", "``a ` @a|", "```\na\n```\n```\n@a|", "`x :smi|"]) assert.equal(at(code), null, code);
  for (const text of ["`x` @a|", "```\nx\n```\n@a|", "`x\n\n@a|", "``a`` @a|"]) assert.ok(at(text), text);
  assert.equal(inCode("a `b` c"), false);
});

test("commands are completed at the very beginning, and the assistants that they name", () => {
  assert.deepEqual(at("/|"), ["command", 0, ""]);
  assert.deepEqual(at("/To|"), ["command", 0, "To"]);
  assert.deepEqual(at("／t|"), ["command", 0, "t"]);
  assert.deepEqual(at("/ask |"), ["named", 5, ""]);
  assert.deepEqual(at("/stop Par|"), ["named", 6, "Par"]);
  assert.deepEqual(at("/ask @Par|"), ["person", 5, "Par"]);
  for (const none of [" /|", "x /t|", "/etc/|", "/8|", "/topic So|"]) assert.equal(at(none), null, none);
});

test("emoji are completed from two letters on, and times are none", () => {
  assert.deepEqual(at("hi :sm|"), ["emoji", 3, "sm"]);
  assert.deepEqual(at("好:sm|"), ["emoji", 1, "sm"]);
  for (const none of [":s|", "10:30|", "std::io|", "a:bc|", ":)|"]) assert.equal(at(none), null, none);
});

test("people are found by the beginning of any word, and in Chinese by any part", () => {
  const all = ["Ada Lovelace", "Bob", "王小明", "Parlor", "Jean-Luc"].map((name) => ({ id: name, name, assistant: false }));
  const found = (query) => people(all, query).map(({ name }) => name);
  assert.deepEqual(found("").length, 5);
  assert.deepEqual(found("lo"), ["Ada Lovelace"]);
  assert.deepEqual(found("ADA L"), ["Ada Lovelace"]);
  assert.deepEqual(found("小明"), ["王小明"]);
  assert.deepEqual(found("luc"), ["Jean-Luc"]);
  assert.deepEqual(found("ove"), []);
});

test("emoji: the exact name, those used lately, those that begin with it, then the rest, none twice", () => {
  const all = [["heart_eyes", "😍"], ["heart", "❤️"], ["broken_heart", "💔"], ["sweetheart", "💗"], ["red_heart", "❤️"]];
  assert.deepEqual(emoji(all, "heart", []).map(({ sign }) => sign), ["❤️", "😍", "💔", "💗"]);
  assert.deepEqual(emoji(all, "hea", ["💔"]).map(({ sign }) => sign), ["💔", "😍", "❤️", "💗"]);
});

test("Enter sends or breaks the line, as it was chosen", () => {
  const key = (more) => ({ key: "Enter", shiftKey: false, altKey: false, ctrlKey: false, metaKey: false, ...more });
  assert.equal(sends(key(), true), true);
  assert.equal(sends(key({ shiftKey: true }), true), false);
  assert.equal(sends(key({ ctrlKey: true }), true), true);
  assert.equal(sends(key(), false), false);
  assert.equal(sends(key({ shiftKey: true }), false), false);
  assert.equal(sends(key({ ctrlKey: true }), false), true);
  assert.equal(sends(key({ metaKey: true }), false), true);
  assert.equal(sends(key({ key: "a", ctrlKey: true }), false), false);
  assert.equal(sends(key({ altKey: true }), true), false);
});

test("a tab follows the draft of another one, and never loses its own", () => {
  const draft = (text, files = []) => ({ text, reply: null, files });
  assert.deepEqual(followed(draft("a"), draft("a"), draft("ab")), draft("ab"));
  assert.equal(followed(draft("mine"), draft("a"), draft("ab")), null, "something else stands here");
  assert.equal(followed(draft("ab"), draft("a"), draft("ab")), null, "it is the same");
  assert.equal(followed(draft("a"), draft("a"), null).text, "", "it was sent there");
  assert.equal(followed(draft(""), null, draft("new")).text, "new");
  assert.equal(followed(draft("a", [{ id: "f", name: "f" }]), draft("a"), draft("b")), null, "a file is a part of it");
});

test("files and a reply are a draft without any text", () => {
  const map = new Map();
  const disk = { getItem: (key) => map.get(key) ?? null, setItem: (key, value) => map.set(key, value), removeItem: (key) => map.delete(key) };
  const kept = draftIn(disk, "ada", "r1");
  const files = [{ id: "f1", name: "a.png" }];
  kept.write({ text: "", reply: null, files });
  assert.deepEqual(kept.read().files, files);
  kept.write({ text: "", reply: null, files: [] });
  assert.equal(map.size, 0);
});
