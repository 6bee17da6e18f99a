// A tab's line to the switchboard: joins with its cursor, passes on what it hears, and joins again whenever it may have missed something.
//
// It has the same face as a stream of the tab's own (`Live`), and knows nothing of workers: it is handed something that connects. It
// promises: the cursor is that of the newest frame that was passed on, whatever else the stream brings for the sake of other tabs;
// a switchboard that falls silent is called anew; one that does not answer, or speaks otherwise, is given up aloud.

import { parseCursor } from "./cursor.js";
import { SILENCE } from "./live.js";
import { PROTOCOL } from "./switchboard.js";

/** A switchboard that has not answered for so long is not there, in ms. */
export const WELCOME = 10_000;
/** One that breaks off so soon after it was called, in ms, and that again, will go on doing so. */
const SOON = 5_000;
/** What was taken is acknowledged after so many. */
const SOME = 32;

/** @typedef {import("./switchboard.js").ToTab} ToTab */
/** @typedef {import("./switchboard.js").ToSwitchboard} ToSwitchboard */
/**
 * @typedef {Object} World
 * @property {(hears: (message: ToTab) => void, broken: (why: string) => void, closed: () => void) => { post(message: ToSwitchboard): void, watch(lock: string): void, close(): void }} connect
 *   `broken`: it will not work; `closed`: the other side is gone, which `watch` tells at once where it can
 * @property {(then: () => void, ms: number) => any} later
 * @property {(timer: any) => void} cancel
 * @property {() => number} now
 */
/**
 * @typedef {Object} Listener
 * @property {(news: import("./roster.js").News[]) => void} [tell] what the reader is to be told of, by this tab and no other
 * @property {() => Extract<ToSwitchboard, { say: "looks" }>} [looks]
 * @property {import("./live.js").Listener["heard"]} heard
 * @property {import("./live.js").Listener["status"]} status
 * @property {import("./live.js").Listener["lost"]} lost
 * @property {() => boolean} growing whether replies are shown that are not at their end
 * @property {(why: string) => void} broken there is no switchboard; somebody else has to go on from `cursor`
 */

export class Line {
  /** @type {ReturnType<World["connect"]> | null} */
  #port = null;
  #welcomed = false;
  #calledAt = 0;
  /** Calls in a row that were short. */
  #short = 0;
  #lastHeard = 0;
  /** The last that was taken. */
  #n = 0;
  #ended = false;
  /** @type {any} */
  #timer = null;

  /**
   * @param {string} cursor empty for the list of rooms alone
   * @param {World} world
   * @param {Listener} listener
   */
  constructor(cursor, world, listener) {
    this.cursor = cursor;
    this.world = world;
    this.listener = listener;
  }

  open() {
    this.#close();
    if (this.#ended) return;
    this.#welcomed = false;
    this.#calledAt = this.#lastHeard = this.world.now();
    this.#n = 0;
    /** @type {ReturnType<World["connect"]>} */
    let port;
    // What a former port still says is not heard.
    const mine = (/** @type {() => void} */ then) => { if (port && port === this.#port) then(); };
    try {
      port = this.world.connect((message) => mine(() => this.#hears(message)), (why) => mine(() => this.#broken(why)), () => mine(() => this.#closed()));
    } catch (error) {
      return this.#broken(String(error));
    }
    this.#port = port;
    this.listener.status("connecting");
    this.#join();
    this.#awaitWelcome();
  }

  /** Something is missing in what was just heard. */
  gap() {
    this.#port?.post({ say: "gap", n: this.#n, cursor: this.cursor });
  }

  /** @param {boolean} [surely] */
  wake(surely = false) {
    if (this.#ended) return;
    if (!this.#port || this.world.now() - this.#lastHeard > SILENCE) this.open();
    else this.#port.post({ say: "wake", surely });
  }

  rest() {
    this.#close();
  }

  end() {
    this.#ended = true;
    this.#close();
  }

  #close() {
    this.world.cancel(this.#timer);
    const port = this.#port;
    this.#port = null;
    port?.post({ say: "leave" });
    port?.close();
  }

  #join() {
    this.#port?.post({ say: "join", cursor: this.cursor, growing: this.listener.growing() });
    this.looks();
  }

  /** Says where the reader looks, after that has changed. */
  looks() {
    const now = this.listener.looks?.();
    if (now) this.#port?.post(now);
  }

  /** @param {ToTab} message */
  #hears(message) {
    this.#lastHeard = this.world.now();
    if ("n" in message) this.#n = message.n;
    switch (message.say) {
      case "welcome":
        if (message.protocol !== PROTOCOL) return this.#broken("it is of another version");
        this.#welcomed = true;
        this.world.cancel(this.#timer);
        if (message.lock) this.#port?.watch(message.lock);
        return this.#listenForSilence();
      case "frame":
        this.#frame(message);
        if (message.n % SOME === 0) this.#got();
        return;
      case "status":
        return this.listener.status(message.status);
      case "alive":
        return this.#got();
      case "tell":
        return this.listener.tell?.(message.news);
      case "lost":
        this.end();
        return this.listener.lost(message.why);
      case "behind":
        return this.#join();
      case "full":
        return this.#broken("it has too many rooms");
      case "broken":
        return this.#broken(message.why);
    }
  }

  /** @param {{ event: string, id: string, text: string }} frame */
  #frame({ event, id, text }) {
    this.listener.heard(event, JSON.parse(text), id, text);
    // The stream may go back for another tab's sake: what is known here does not become unknown.
    const [known, now] = [parseCursor(this.cursor), parseCursor(id)];
    if (now && (known?.epoch !== now.epoch || known.seq < now.seq || event === "reset")) this.cursor = id;
  }

  #got() {
    this.#port?.post({ say: "got", n: this.#n });
  }

  /** @param {string} why */
  #broken(why) {
    this.end();
    this.listener.broken(why);
  }

  /** The worker is gone, which happens with the tab that housed it: the next call starts another one. */
  #closed() {
    this.#short = Math.abs(this.world.now() - this.#calledAt) < SOON ? this.#short + 1 : 0;
    if (this.#short > 1) this.#broken("it breaks off");
    else this.open();
  }

  /** In two halves: whoever slept or was frozen during one of them hears in the other what came meanwhile. */
  #awaitWelcome(half = 1) {
    this.#timer = this.world.later(() => {
      if (half === 1) this.#awaitWelcome(2);
      else this.#broken("it does not answer");
    }, WELCOME / 2);
  }

  #listenForSilence() {
    const now = this.world.now();
    // A clock that was set back says nothing about the other side.
    this.#lastHeard = Math.min(this.#lastHeard, now);
    const left = SILENCE - (now - this.#lastHeard);
    if (left <= 0) this.open();
    else this.#timer = this.world.later(() => this.#listenForSilence(), left);
  }
}
