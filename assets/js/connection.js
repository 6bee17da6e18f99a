// What brings a page its room: the line to the switchboard that all tabs share, or, where there is none, a stream of its own.

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
  const alone = (/** @type {string} */ from) => {
    const live = new Live(me, world, listener);
    stream = live;
    listener.way(false);
    if (resting) live.rest();
    live.follow(from);
  };
  if ("SharedWorker" in globalThis) {
    const line = new Line(cursor, { connect: (...told) => port(me, ...told), later: world.later, cancel: world.cancel, now: world.now }, {
      ...listener,
      broken(why) {
        console.warn(`The stream is not shared with other tabs: ${why}`);
        alone(line.cursor);
      },
    });
    stream = line;
    listener.way(true);
    line.open();
  } else {
    alone(cursor);
  }
  return {
    get shared() { return stream instanceof Line; },
    gap: () => stream.gap(),
    wake: (surely) => { resting = false; stream.wake(surely); },
    rest: () => { resting = true; stream.rest(); },
    end: () => stream.end(),
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
  worker.addEventListener("error", () => broken("its script does not run"));
  worker.port.addEventListener("message", (event) => hears(event.data));
  worker.port.addEventListener("close", closed);
  worker.port.start();
  const over = new AbortController();
  return {
    post: (/** @type {any} */ message) => worker.port.postMessage(message),
    // Whoever gets this lock has outlived the worker. Where there are no locks (plain http) its silence tells, after a while.
    watch(/** @type {string} */ lock) { navigator.locks?.request(lock, { mode: "shared", signal: over.signal }, closed).catch(() => {}); },
    close() {
      over.abort();
      worker.port.close();
    },
  };
}
