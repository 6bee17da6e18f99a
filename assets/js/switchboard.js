// One stream for all tabs of a person: whom its frames go to, and from where it has to be opened for who joins.
//
// It runs in a shared worker and knows nothing of one: tabs are functions that take what is said to them. It promises: a tab
// that has joined gets every frame of its room, in order, from its own cursor on, and then `caught-up`; who leaves costs the
// others nothing; the stream follows no room that nobody listens to, and ends with the last tab. What is said to a tab that
// does not answer is bounded: it is left behind, and joins again with its cursor when it wakes.
//
// Who joins without a cursor wants the list of rooms alone. All get that list, whole when they join and then what changes in it, and
// who is in their room. When something new is in a room that nobody looks at, one of the tabs without a room is asked to tell.

import { parseCursor } from "./cursor.js";
import { merge, risen } from "./roster.js";

/** How tabs and this understand each other. Scripts of two versions that meet do not pretend to. */
export const PROTOCOL = 2;
/** Tabs are asked for a sign of life so often, in ms, */
export const SWEEP = 15_000;
/** and left behind when they have missed so many. */
const SILENT = 3;
/** What may wait for a tab to take it: frames, and UTF-16 units in them. Catching up brings a quarter of that at once. */
const MOST = 2_000;
const MUCH = 16 * 2 ** 20;
/**
 * A tab so many changes behind its room starts anew alone, rather than having everybody catch up with it. It is well below what the
 * server brings at once, 500 rows and 4 MiB: beyond that it would have all tabs of the room start anew.
 */
const FAR = 100;
/** More rooms than this make an address that is too long for some proxies. */
const ROOMS = 64;

/**
 * What is said to a tab. `n` counts what it has to acknowledge; `lock` is the name of one that is held for as long as the switchboard lives.
 * @typedef {{ say: "welcome", protocol: number, lock?: string }
 *   | { say: "frame", n: number, event: string, id: string, text: string }
 *   | { say: "status", n: number, status: import("./live.js").Status }
 *   | { say: "alive", n: number }
 *   | { say: "tell", news: import("./roster.js").News[] }
 *   | { say: "lost", why: import("./live.js").Loss }
 *   | { say: "full" }
 *   | { say: "broken", why: string }
 *   | { say: "behind" }} ToTab
 */
/**
 * What a tab says. `growing`: whether it shows replies that are not at their end; `n`: the last it has taken; `looks`: what its reader
 * has before their eyes, and whether they have touched it, which browsers want before a page may sound.
 * @typedef {{ say: "join", cursor: string, growing: boolean }
 *   | { say: "gap", n: number, cursor: string }
 *   | { say: "got", n: number }
 *   | { say: "wake", surely: boolean }
 *   | { say: "looks", at: string | null, touched: boolean }
 *   | { say: "leave" }} ToSwitchboard
 */
/**
 * @typedef {Object} World
 * @property {(listener: import("./live.js").Listener) => import("./live.js").Live} live
 * @property {(then: () => void, ms: number) => any} later
 * @property {(timer: any) => void} cancel
 * @property {string} [lock]
 */
/**
 * @typedef {Object} Tab
 * @property {(message: ToTab) => void} post
 * @property {string} room
 * @property {number} n the last that was sent
 * @property {number} opening what was sent when the stream was last opened
 * @property {{ n: number, size: number }[]} waiting what it has not acknowledged
 * @property {number} size of all that
 * @property {number} silent signs of life that it has missed in a row
 * @property {string | null} at the room that its reader looks at, empty for another page; null where nobody looks
 * @property {boolean} touched
 */

export class Switchboard {
  /** @type {Set<Tab>} */
  #tabs = new Set();
  /** @type {import("./live.js").Live | null} */
  #live = null;
  /** @type {any} */
  #sweep = null;
  /** The reader's rooms, once they are known. @type {Map<string, import("./roster.js").RoomLine> | null} */
  #lines = null;
  /** Who is in the rooms that are followed: the newest frame of each. @type {Map<string, string>} */
  #people = new Map();

  /** @param {World} world */
  constructor(world) {
    this.world = world;
  }

  /** How many tabs listen. */
  get size() {
    return this.#tabs.size;
  }

  /**
   * A new tab.
   * @param {(message: ToTab) => void} post
   * @returns {(message: ToSwitchboard) => void} what is to be called with whatever it says; `leave` also if it is found gone
   */
  connect(post) {
    /** @type {Tab} */
    const tab = { post, room: "", n: 0, opening: 0, waiting: [], size: 0, silent: 0, at: null, touched: false };
    post({ say: "welcome", protocol: PROTOCOL, lock: this.world.lock });
    return (message) => {
      tab.silent = 0;
      if (message.say === "join") this.#join(tab, message);
      // Whoever was left behind says so many things before it knows; they are about what is over.
      else if (this.#tabs.has(tab)) this.#hears(tab, message);
    };
  }

  /**
   * It cannot be relied on any more: each tab goes on without it.
   * @param {string} why
   */
  fails(why) {
    for (const tab of [...this.#tabs]) {
      tab.post({ say: "broken", why });
      this.#forget(tab);
    }
  }

  /**
   * @param {Tab} tab
   * @param {Exclude<ToSwitchboard, { say: "join" }>} message
   */
  #hears(tab, message) {
    switch (message.say) {
      case "got":
        while (tab.waiting.length > 0 && tab.waiting[0].n <= message.n) tab.size -= /** @type {{ size: number }} */ (tab.waiting.shift()).size;
        return;
      case "gap":
        // Tabs of one room see the same gap; the first of them has it mended.
        if (message.n >= tab.opening) this.#live?.gap(message.cursor);
        return;
      case "wake":
        return this.#live?.wake(message.surely);
      case "looks":
        tab.at = message.at;
        tab.touched = message.touched;
        return;
      case "leave":
        return this.#forget(tab);
    }
  }

  /**
   * @param {Tab} tab
   * @param {{ cursor: string, growing: boolean }} from
   */
  #join(tab, { cursor: text, growing }) {
    const cursor = parseCursor(text);
    if (!cursor && text) return;
    if (!cursor) return this.#wait(tab);
    if (this.#tabs.has(tab) && tab.room !== cursor.room) this.#forget(tab);
    const rooms = new Set([...this.#tabs].map(({ room }) => room));
    if (rooms.size >= ROOMS && !rooms.has(cursor.room)) return tab.post({ say: "full" });
    Object.assign(tab, { room: cursor.room, waiting: [], size: 0 });
    this.#tabs.add(tab);
    this.#sweep ??= this.world.later(() => this.#lookAround(), SWEEP);
    const live = (this.#live ??= this.#start());
    this.#greet(tab);

    const known = parseCursor(live.cursor(cursor.room) ?? "");
    if (known && known.epoch !== cursor.epoch) {
      // The others go on from where they are. If it is this stream that is of yesterday, it is told so when it opens: at once, if it waits.
      this.#frame(tab, "reset", "", JSON.stringify({ room: cursor.room, why: "other-epoch" }));
      return live.wake();
    }
    const ours = known?.seq ?? NaN;
    if (cursor.seq < ours - FAR) return this.#frame(tab, "reset", "", JSON.stringify({ room: cursor.room, why: "too-far" }));
    // What was just opened from there or before brings all of it, texts that grow too.
    if (live.isFresh && cursor.seq >= ours) return;
    // A page that is as new as the stream, with nothing in it that grows, lacks nothing.
    if (cursor.seq === ours && !growing && live.isCaughtUp(cursor.room)) return this.#frame(tab, "caught-up", text, JSON.stringify({ room: cursor.room, seq: ours }));
    live.follow(text);
  }

  /**
   * Has a tab listen to the list of rooms alone.
   * @param {Tab} tab
   */
  #wait(tab) {
    Object.assign(tab, { room: "", waiting: [], size: 0 });
    this.#tabs.add(tab);
    this.#sweep ??= this.world.later(() => this.#lookAround(), SWEEP);
    (this.#live ??= this.#start()).lobby();
    this.#greet(tab);
  }

  /**
   * Tells a tab what is no part of any room's order of changes.
   * @param {Tab} tab
   */
  #greet(tab) {
    if (this.#lines) this.#frame(tab, "rooms", "", JSON.stringify({ all: true, rooms: [...this.#lines.values()] }));
    const people = this.#people.get(tab.room);
    if (people) this.#frame(tab, "people", "", people);
  }

  /** @param {any} data of a frame `rooms` */
  #rooms(data) {
    const news = this.#lines ? risen(this.#lines, data.rooms) : [];
    this.#lines = merge(this.#lines, data);
    const lobby = [...this.#tabs].filter((tab) => tab.room === "");
    // Where the reader looks they see it themselves.
    const unseen = news.filter(({ room }) => !lobby.some((tab) => tab.at === room));
    const teller = lobby.find((tab) => tab.touched && tab.silent === 0) ?? lobby.find((tab) => tab.silent === 0) ?? lobby[0];
    if (unseen.length > 0) teller?.post({ say: "tell", news: unseen });
  }

  #start() {
    const live = this.world.live({
      heard: (event, data, id, text) => {
        if (event === "heartbeat") return;
        if (event === "people") this.#people.set(data.room, text);
        if (event === "rooms") this.#rooms(data);
        for (const tab of [...this.#tabs]) if (data.room === undefined || data.room === tab.room) this.#frame(tab, event, id, text);
      },
      status: (status) => {
        for (const tab of [...this.#tabs]) {
          this.#send(tab, { say: "status", n: tab.n + 1, status }, 0);
          if (status === "connecting") tab.opening = tab.n;
        }
      },
      lost: (why, room) => {
        // Without a room it is over for all, and who joins after that begins anew.
        if (room === undefined && this.#live === live) this.#live = this.#lines = null;
        for (const tab of [...this.#tabs]) {
          if (room !== undefined && room !== tab.room) continue;
          tab.post({ say: "lost", why });
          this.#forget(tab);
        }
      },
    });
    return live;
  }

  /**
   * @param {Tab} tab
   * @param {string} event
   * @param {string} id
   * @param {string} text
   */
  #frame(tab, event, id, text) {
    this.#send(tab, { say: "frame", n: tab.n + 1, event, id, text }, text.length);
  }

  /**
   * @param {Tab} tab
   * @param {ToTab & { n: number }} message
   * @param {number} size
   */
  #send(tab, message, size) {
    if (!this.#tabs.has(tab)) return;
    tab.n = message.n;
    tab.waiting.push({ n: tab.n, size });
    tab.size += size;
    tab.post(message);
    if (tab.waiting.length > MOST || tab.size > MUCH) this.#leaveBehind(tab);
  }

  /** @param {Tab} tab */
  #leaveBehind(tab) {
    tab.post({ say: "behind" });
    this.#forget(tab);
  }

  /** @param {Tab} tab */
  #forget(tab) {
    if (!this.#tabs.delete(tab)) return;
    if (this.#tabs.size === 0) {
      this.#live?.end();
      this.#live = this.#lines = null;
      this.#people.clear();
      this.world.cancel(this.#sweep);
      this.#sweep = null;
    } else if (![...this.#tabs].some(({ room }) => room === tab.room)) {
      this.#people.delete(tab.room);
      if (tab.room) this.#live?.drop(tab.room);
    }
  }

  #lookAround() {
    // Counted, not timed: a machine that slept has not made its tabs any slower.
    for (const tab of [...this.#tabs]) {
      if (tab.silent >= SILENT) {
        this.#leaveBehind(tab);
        continue;
      }
      tab.silent += 1;
      this.#send(tab, { say: "alive", n: tab.n + 1 }, 0);
    }
    this.#sweep = this.#tabs.size > 0 ? this.world.later(() => this.#lookAround(), SWEEP) : null;
  }
}
