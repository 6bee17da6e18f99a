// The list of rooms over the shared stream: who joins without a room gets the list alone, and one of all tabs tells the news.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Switchboard } from "../../assets/js/switchboard.js";

const EPOCH = `${"0".repeat(31)}7`;
const GARDEN = "019ab000-0000-7000-8000-000000000001";
const line = (more = {}) => ({ id: GARDEN, name: "Garden", kind: "room", private: false, head: 5, at: 1, read: 5, unread: 0, mentions: 0, favourite: false, writing: false, ...more });

function stage() {
  /** What the switchboard has done with its stream. */
  const done = [];
  let listener;
  const live = (given) => {
    listener = given;
    return {
      lobby: () => done.push("lobby"), follow: (cursor) => done.push(cursor), drop: (room) => done.push(`drop ${room}`), end: () => done.push("end"),
      cursor: () => null, isCaughtUp: () => true, isFresh: false, gap() {}, wake() {},
    };
  };
  const switchboard = new Switchboard({ live, later: () => 0, cancel: () => {} });
  return {
    done, switchboard,
    joins(cursor, looks) {
      const heard = [];
      const tell = switchboard.connect((message) => heard.push(message));
      tell({ say: "join", cursor, growing: false });
      if (looks) tell({ say: "looks", touched: false, at: null, ...looks });
      const frames = (event) => heard.filter((message) => message.say === "frame" && message.event === event).map(({ text }) => JSON.parse(text));
      return { tell, frames, told: () => heard.filter(({ say }) => say === "tell").flatMap(({ news }) => news.map(({ room }) => room)) };
    },
    brings: (event, data) => listener.heard(event, data, "", JSON.stringify(data)),
  };
}

test("who joins gets the list as it is by then, whole, and what changes after that", () => {
  const s = stage();
  const first = s.joins("");
  assert.deepEqual(s.done, ["lobby"]);
  s.brings("rooms", { all: true, rooms: [line()] });
  s.brings("rooms", { rooms: [line({ unread: 1, head: 6 })] });
  const late = s.joins("");
  assert.deepEqual(late.frames("rooms"), [{ all: true, rooms: [line({ unread: 1, head: 6 })] }]);
  s.brings("rooms", { rooms: [], gone: [GARDEN] });
  assert.deepEqual(late.frames("rooms").at(-1), { rooms: [], gone: [GARDEN] });
  assert.equal(first.frames("rooms").length, 3);
});

test("a tab that leaves its room keeps the stream, and the last one ends it", () => {
  const s = stage();
  const list = s.joins("");
  const room = s.joins(`${GARDEN}.${EPOCH}.5`);
  s.brings("people", { room: GARDEN, here: ["ada"], count: 1, typing: [] });
  assert.deepEqual(list.frames("people"), [], "nothing of rooms");
  assert.equal(s.joins(`${GARDEN}.${EPOCH}.5`).frames("people").length, 1, "who is there is known to who comes later");
  room.tell({ say: "leave" });
  assert.ok(!s.done.includes("end"));
  s.switchboard.fails("over");
  assert.equal(s.done.at(-1), "end");
});

test("news is told by one tab, by one that was touched if there is one, and by none where the reader looks", () => {
  const s = stage();
  const tabs = [s.joins("", {}), s.joins("", { touched: true }), s.joins("", {})];
  s.brings("rooms", { all: true, rooms: [line()] });
  assert.deepEqual(tabs.map((tab) => tab.told()), [[], [], []], "what was there before is no news");
  s.brings("rooms", { rooms: [line({ unread: 1, head: 6 })] });
  assert.deepEqual(tabs.map((tab) => tab.told()), [[], [GARDEN], []]);
  tabs[2].tell({ say: "looks", at: GARDEN, touched: true });
  s.brings("rooms", { rooms: [line({ unread: 2, head: 7 })] });
  assert.deepEqual(tabs.map((tab) => tab.told()), [[], [GARDEN], []], "somebody reads it already");
  tabs[2].tell({ say: "looks", at: "", touched: true });
  tabs[1].tell({ say: "leave" });
  s.brings("rooms", { rooms: [line({ unread: 3, head: 8 })] });
  assert.deepEqual([tabs[0].told(), tabs[2].told()], [[], [GARDEN]]);
});
