// The shared worker of one person's tabs: the switchboard, with ports. Its name says whose it is.

import { Live } from "./live.js";
import { Switchboard } from "./switchboard.js";
import { world } from "./world.js";

/** @type {any} */
const scope = globalThis;
const me = scope.name.slice("parlor-".length);
const switchboard = new Switchboard({ live: (listener) => new Live(me, world, listener), later: world.later, cancel: world.cancel });

scope.addEventListener("connect", (/** @type {MessageEvent} */ { ports: [port] }) => {
  const hears = switchboard.connect((message) => port.postMessage(message));
  port.addEventListener("message", (event) => hears(event.data));
  // A tab that ended without a word. Where browsers do not tell, it is missed after a minute.
  port.addEventListener("close", () => hears({ say: "leave" }));
  port.start();
});
