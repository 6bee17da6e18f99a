// The life of a stream: opened with the cursors of its rooms, listened to, closed at every doubt and opened again.
//
// It knows nothing of a page, so that it can run in a worker; what it needs of the world is handed in. It promises: every
// frame is passed on in order; a cursor moves only after its frame was passed on; one stream at a time; after a failure it
// comes back by itself, unless the reader is no longer who opened it.

import { wait } from "./backoff.js";
import { formatCursor, parseCursor } from "./cursor.js";

/** A stream that says nothing for so long is dead: heartbeats come every 15 s. In ms. */
export const SILENCE = 40_000;

/** Frames that move the cursor. */
const DURABLE = new Set(["message", "room", "caught-up", "reset"]);
const EVENTS = [...DURABLE, "draft", "delta", "rooms", "people", "heartbeat", "bye"];

/** @typedef {"connecting" | "caught-up" | "offline"} Status */
/**
 * Why a stream is not coming back: `signed-out` nobody is signed in, `other-person` somebody else is, `gone` the room is not there
 * for this reader, `stale` the server refuses what we hold.
 * @typedef {"signed-out" | "other-person" | "gone"} Loss
 */
/**
 * @typedef {Object} World
 * @property {(url: string) => EventSource} open
 * @property {(path: string) => Promise<{ status: number, data: any }>} get status 0 where nothing was reached
 * @property {(then: () => void, ms: number) => any} later
 * @property {(timer: any) => void} cancel
 * @property {() => number} now
 * @property {() => number} random
 */
/**
 * @typedef {Object} Listener
 * @property {(event: string, data: any) => void} heard
 * @property {(status: Status) => void} status
 * @property {(why: Loss, room?: string) => void} lost
 */

export class Live {
  /** @type {Map<string, import("./cursor.js").Cursor>} */
  #cursors = new Map();
  /** Rooms that have not been caught up since the stream was opened. @type {Set<string>} */
  #behind = new Set();
  /** @type {EventSource | null} */
  #source = null;
  #failures = 0;
  #lastHeard = 0;
  #opened = false;
  #ended = false;
  #resting = false;
  /** @type {any} */
  #silence = null;
  /** @type {any} */
  #retry = null;

  /**
   * @param {string} me the reader's id
   * @param {World} world
   * @param {Listener} listener
   */
  constructor(me, world, listener) {
    this.me = me;
    this.world = world;
    this.listener = listener;
  }

  /**
   * Follows a room from a cursor on.
   * @param {string} text
   */
  follow(text) {
    const cursor = parseCursor(text);
    if (!cursor) return;
    this.#cursors.set(cursor.room, cursor);
    this.#open();
  }

  /** @param {string} room */
  drop(room) {
    this.#cursors.delete(room);
    this.#behind.delete(room);
    if (this.#cursors.size === 0) this.end();
  }

  /** @param {string} room */
  cursor(room) {
    const cursor = this.#cursors.get(room);
    return cursor ? formatCursor(cursor) : null;
  }

  /** Something is missing: the stream brings it when it is opened again from the last cursor. */
  gap() {
    // A gap that comes again at once must not become a loop without a pause.
    this.#failures += 1;
    if (this.#failures === 1) this.#open();
    else this.#again();
  }

  /**
   * The reader or the network is back. `surely` when whatever was open is known to be dead (the page was frozen).
   * @param {boolean} [surely]
   */
  wake(surely = false) {
    if (this.#ended) return;
    const fresh = this.#source !== null && this.#opened && this.world.now() - this.#lastHeard < SILENCE / 2;
    this.#resting = false;
    if (fresh && !surely) return;
    this.#failures = 0;
    this.#open();
  }

  /** Gives the connection up until `wake`. */
  rest() {
    this.#resting = true;
    this.#close();
  }

  end() {
    this.#ended = true;
    this.#close();
  }

  #close() {
    this.world.cancel(this.#silence);
    this.world.cancel(this.#retry);
    this.#silence = this.#retry = null;
    this.#source?.close();
    this.#source = null;
  }

  #open() {
    this.#close();
    if (this.#ended || this.#resting || this.#cursors.size === 0) return;
    this.#opened = false;
    this.#behind = new Set(this.#cursors.keys());
    this.#lastHeard = this.world.now();
    this.listener.status("connecting");
    const at = [...this.#cursors.values()].map((cursor) => `at=${formatCursor(cursor)}`).join("&");
    const source = this.world.open(`/live?${at}&view=html&as=${this.me}`);
    this.#source = source;
    for (const name of EVENTS) {
      source.addEventListener(name, (event) => {
        if (source === this.#source) this.#frame(name, /** @type {MessageEvent} */ (event));
      });
    }
    source.addEventListener("open", () => {
      if (source !== this.#source) return;
      this.#opened = true;
      this.#lastHeard = this.world.now();
    });
    source.addEventListener("error", () => {
      if (source === this.#source) this.#failed();
    });
    this.#listenForSilence();
  }

  /**
   * @param {string} name
   * @param {MessageEvent} event
   */
  #frame(name, event) {
    this.#opened = true;
    this.#lastHeard = this.world.now();
    const data = JSON.parse(event.data);
    if (name === "bye") return this.#bye(data);
    if (DURABLE.has(name) && !this.#cursors.has(data.room)) return;
    this.listener.heard(name, data);
    if (!DURABLE.has(name)) return;
    // Not before it was passed on: whoever fails in the middle gets it again.
    const cursor = parseCursor(event.lastEventId);
    if (cursor && this.#cursors.has(cursor.room)) this.#cursors.set(cursor.room, cursor);
    if (name !== "caught-up") return;
    this.#behind.delete(data.room);
    if (this.#behind.size > 0) return;
    this.#failures = 0;
    this.listener.status("caught-up");
  }

  /** @param {{ why: string, room?: string }} bye */
  #bye({ why, room }) {
    if (room) {
      this.drop(room);
      this.listener.lost("gone", room);
    } else if (why === "signed-out" || why === "expired") {
      this.end();
      this.listener.lost("signed-out");
    } else if (why === "renew") {
      this.#open();
    } else {
      this.#failed();
    }
  }

  /** An EventSource does not say why it failed; what it might be is asked for, and the rest is waited out. */
  async #failed() {
    const neverOpened = !this.#opened;
    this.#close();
    this.listener.status("offline");
    this.#failures += 1;
    const turn = this.#again();
    if (!neverOpened) return;
    const loss = await this.#ask();
    if (!loss || this.#ended || this.#retry !== turn) return;
    this.end();
    this.listener.lost(...loss);
  }

  /** @returns {Promise<[Loss, string?] | null>} */
  async #ask() {
    const me = await this.world.get("/api/me");
    if (me.status === 401) return ["signed-out"];
    if (me.status !== 200) return null;
    if (me.data?.id !== this.me) return ["other-person"];
    for (const room of this.#cursors.keys()) {
      const { status } = await this.world.get(`/api/rooms/${room}`);
      if (status === 404 || status === 403) return ["gone", room];
    }
    return null;
  }

  #again() {
    this.#close();
    this.#retry = this.world.later(() => this.#open(), wait(this.#failures, this.world.random));
    return this.#retry;
  }

  #listenForSilence() {
    const left = SILENCE - (this.world.now() - this.#lastHeard);
    if (left <= 0) return this.#failed();
    this.#silence = this.world.later(() => this.#listenForSilence(), left);
  }
}
