// The world as streams see it, in a page and in a worker.

import { call } from "./call.js";

/** @type {import("./live.js").World} */
export const world = {
  // Workers are told theirs by name.
  lang: globalThis.document?.documentElement.lang ?? "en",
  open: (url) => new EventSource(url),
  get: (path) => call("GET", path),
  later: (then, ms) => setTimeout(then, ms),
  cancel: (timer) => clearTimeout(timer),
  now: () => Date.now(),
  random: () => Math.random(),
};
