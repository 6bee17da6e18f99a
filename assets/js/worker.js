// The shared worker of one person's tabs: the switchboard, with ports. Its name says whose it is, and in which language they read.

import { Live } from "./live.js";
import { Switchboard } from "./switchboard.js";
import { uuid7 } from "./uuid7.js";
import { world } from "./world.js";

/** @type {any} */
const scope = globalThis;
const [, me, lang] = scope.name.split(" ");

/** Held until the worker ends, in order or not: tabs wait for it to become free. */
const lock = `parlor.worker.${uuid7()}`;
/** @type {Promise<Switchboard>} */
const switchboard = new Promise((begin) => {
  const begins = (/** @type {string | undefined} */ lock = undefined) => begin(new Switchboard({ live: (listener) => new Live(me, { ...world, lang }, listener), later: world.later, cancel: world.cancel, lock }));
  if (!navigator.locks) return begins();
  navigator.locks.request(lock, () => { begins(lock); return new Promise(() => {}); }).catch(() => begins());
});

// Whatever was not caught has left something undone. Tabs that go on alone, from their own cursors, miss nothing.
scope.addEventListener("error", async (/** @type {ErrorEvent} */ { message }) => (await switchboard).fails(message || "it failed"));

scope.addEventListener("connect", async (/** @type {MessageEvent} */ { ports: [port] }) => {
  const hears = (await switchboard).connect((message) => port.postMessage(message));
  port.addEventListener("message", (event) => hears(event.data));
  // A tab that ended without a word. Where browsers do not tell, it is missed after a minute.
  port.addEventListener("close", () => hears({ say: "leave" }));
  port.start();
});
