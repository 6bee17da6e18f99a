// What brings a page its room and the list of rooms: lines to the switchboard that all tabs share, or, where there is none, a stream of
// its own. A page without a room has one for the list; a page with one takes the list from it.

import { Line } from "./line.js";
import { Live } from "./live.js";
import { trusted } from "./trusted.js";
import { world } from "./world.js";

/**
 * @typedef {Object} Connection
 * @property {boolean} shared
 * @property {() => void} gap
 * @property {(surely?: boolean) => void} wake
 * @property {() => void} rest
 * @property {() => void} end
 */
/** @typedef {Omit<import("./line.js").Listener, "broken"> & { way: (shared: boolean) => void }} Listener `way`: which of the two it is now */

/** What the list hears of a stream that a room has to itself. @type {Set<(data: any) => void>} */
const lists = new Set();
/** Rooms of this page that have a stream to themselves, */
let own = 0;
/** and what is to be done when one gets it. */
let alone = () => {};

/**
 * @param {string} me the reader's id
 * @param {string} cursor
 * @param {Listener} listener
 * @returns {Connection}
 */
export function connect(me, cursor, listener) {
  /** @type {Line | Live} */
  let stream;
  let resting = false;
  const goAlone = (/** @type {string} */ from) => {
    const live = new Live(me, world, {
      ...listener,
      heard(event, data, id, text) {
        if (event === "rooms") for (const hears of lists) hears(data);
        listener.heard(event, data, id, text);
      },
    });
    stream = live;
    own += 1;
    alone();
    listener.way(false);
    if (resting) live.rest();
    live.follow(from);
  };
  if ("SharedWorker" in globalThis) {
    const line = new Line(cursor, { connect: (...told) => port(me, ...told), later: world.later, cancel: world.cancel, now: world.now }, {
      ...listener,
      broken(why) {
        console.warn(`The stream is not shared with other tabs: ${why}`);
        goAlone(line.cursor);
      },
    });
    stream = line;
    listener.way(true);
    line.open();
  } else {
    goAlone(cursor);
  }
  return {
    get shared() { return stream instanceof Line; },
    gap: () => stream.gap(),
    wake: (surely) => { resting = false; stream.wake(surely); },
    rest: () => { resting = true; stream.rest(); },
    end: () => {
      if (stream instanceof Live) own -= 1;
      stream.end();
    },
  };
}

/** Whether connections are: over HTTP/2 they are not, and a hidden tab may keep its own. */
export function scarce() {
  const [navigation] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
  return !["h2", "h3"].includes(navigation?.nextHopProtocol);
}

/**
 * @typedef {Object} Lobby
 * @property {() => void} looks says where the reader looks, after that has changed
 * @property {(surely?: boolean) => void} wake
 * @property {() => void} rest
 * @property {boolean} shared
 */

/**
 * Brings the list of rooms.
 * @param {string} me
 * @param {Required<Pick<import("./line.js").Listener, "heard" | "lost" | "looks" | "tell">>} listener
 * @returns {Lobby}
 */
export function lobby(me, listener) {
  const { heard, lost, tell } = listener;
  /** @type {Line | null} */
  let line = null;
  /** @type {Live | null} */
  let live = null;
  const goAlone = () => {
    line = null;
    const stream = (live = new Live(me, world, { heard, lost, status() {} }));
    lists.add((data) => heard("rooms", data, "", ""));
    alone = () => stream.rest();
    if (own === 0) live.lobby();
  };
  if ("SharedWorker" in globalThis) {
    line = new Line("", { connect: (...told) => port(me, ...told), later: world.later, cancel: world.cancel, now: world.now }, {
      ...listener, status() {}, growing: () => false, tell, broken: goAlone,
    });
  }
  // A room of this page joins first, with its cursor: one stream is opened for both.
  setTimeout(() => {
    if (line) line.open();
    else goAlone();
  });
  return {
    looks() {
      line?.looks();
      // A room may have come into the page, or left it.
      if (own > 0) return live?.rest();
      if (document.hidden) return;
      live?.wake();
      live?.lobby();
    },
    wake: (surely) => {
      line?.wake(surely);
      if (own === 0) live?.wake(surely);
    },
    rest: () => (line ?? live)?.rest(),
    get shared() { return line !== null; },
  };
}

/**
 * A port to this person's worker. Its address has the build in it, so a tab from before an upgrade has a worker of its own.
 * @param {string} me
 * @param {(message: any) => void} hears
 * @param {(why: string) => void} broken
 * @param {() => void} closed
 */
function port(me, hears, broken, closed) {
  const worker = new SharedWorker(trusted.createScriptURL(new URL("./worker.js", import.meta.url).href), { name: `parlor ${me} ${world.lang}`, type: "module" });
  const over = new AbortController();
  const { signal } = over;
  worker.addEventListener("error", () => broken("its script does not run"), { signal });
  worker.port.addEventListener("message", (event) => hears(event.data), { signal });
  worker.port.addEventListener("close", closed, { signal });
  worker.port.start();
  return {
    post: (/** @type {any} */ message) => worker.port.postMessage(message),
    // Whoever gets this lock has outlived the worker. Where there are no locks (plain http) its silence tells, after a while.
    watch(/** @type {string} */ lock) { navigator.locks?.request(lock, { mode: "shared", signal }, closed).catch(() => {}); },
    close() {
      over.abort();
      worker.port.close();
    },
  };
}
