// The life of a stream: opened with the cursors of its rooms, listened to, closed at every doubt and opened again.
//
// It knows nothing of a page, so that it can run in a worker; what it needs of the world is handed in. It promises: every
// frame of a room that is followed is passed on in order; a cursor moves only after its frame was passed on; one stream at a
// time; after a failure it comes back by itself, unless the reader is no longer who opened it.

import { wait } from "./backoff.js";
import { formatCursor, parseCursor } from "./cursor.js";

/** A stream that says nothing for so long is dead: heartbeats come every 15 s. In ms. */
export const SILENCE = 40_000;
/** The clock is looked at so often, in ms. Whoever looks much later than meant has slept, and the network with it. */
const LOOK = 10_000;
/** Whatever opens the stream anew so shortly after it was opened has the same reason, in ms. */
const JUST_NOW = 1_000;
/** A stream that has lived so long was no failure; and one that takes longer to open may well be one. In ms. */
const LASTING = 15_000;
/** One that is asked to renew itself sooner than this would do nothing else, in ms. */
const SHORT = 10_000;
/** After so long without a gap the next one is the first again, in ms. */
const CALM = 30_000;
/** So many frames of rooms that nobody follows any more are worth opening the stream without them. */
const UNWANTED = 500;

/** Frames that move the cursor. */
const DURABLE = new Set(["message", "room", "caught-up", "reset"]);
const EVENTS = [...DURABLE, "draft", "delta", "rooms", "people", "heartbeat", "bye"];

/** @typedef {"connecting" | "caught-up" | "offline"} Status */
/**
 * Why a stream is not coming back: `signed-out` nobody is signed in, `other-person` somebody else is, `gone` the room is not there
 * for this reader.
 * @typedef {"signed-out" | "other-person" | "gone"} Loss
 */
/**
 * @typedef {Object} World
 * @property {string} lang the tag of the language that frames are to speak
 * @property {(url: string) => EventSource} open
 * @property {(path: string) => Promise<{ status: number, data: any }>} get status 0 where nothing was reached
 * @property {(then: () => void, ms: number) => any} later
 * @property {(timer: any) => void} cancel
 * @property {() => number} now
 * @property {() => number} random
 */
/**
 * @typedef {Object} Listener
 * @property {(event: string, data: any, id: string, text: string) => void} heard a frame, what it says, its cursor if it has one, and its data as it came
 * @property {(status: Status) => void} status
 * @property {(why: Loss, room?: string) => void} lost
 */

export class Live {
  /** @type {Map<string, import("./cursor.js").Cursor>} */
  #cursors = new Map();
  /** Rooms that have not been caught up since the stream was opened. @type {Set<string>} */
  #behind = new Set();
  /** Whether the stream is wanted for the list of rooms alone, too. */
  #lobby = false;
  /** @type {EventSource | null} */
  #source = null;
  #failures = 0;
  #gaps = 0;
  #lastGap = -Infinity;
  #openedAt = -Infinity;
  #lastHeard = 0;
  #opened = false;
  /** Whether a frame has come since the stream was opened. */
  #begun = false;
  #unwanted = 0;
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
   * Follows a room from a cursor on; of two cursors of one room from the earlier.
   * @param {string} text
   */
  follow(text) {
    this.#take(text);
    this.#open();
  }

  /** Brings the list of the reader's rooms, with or without a room to follow. */
  lobby() {
    this.#lobby = true;
    if (!this.#source) this.#open();
  }

  /** @param {string} room */
  drop(room) {
    this.#cursors.delete(room);
    this.#behind.delete(room);
    if (this.#cursors.size === 0 && !this.#lobby) this.end();
  }

  /** @param {string} room */
  cursor(room) {
    const cursor = this.#cursors.get(room);
    return cursor ? formatCursor(cursor) : null;
  }

  /**
   * Whether all of a room that there is has been passed on.
   * @param {string} room
   */
  isCaughtUp(room) {
    return this.#source !== null && this.#cursors.has(room) && !this.#behind.has(room);
  }

  /** Whether a stream was opened and has said nothing yet: who follows a room from its cursor on hears all of it. */
  get isFresh() {
    return this.#source !== null && !this.#begun;
  }

  /**
   * Something is missing: the stream brings it when it is opened again from the last cursor, or from this one if it is earlier.
   * @param {string} [text]
   */
  gap(text) {
    if (text) this.#take(text);
    if (!this.#source) return;
    // A gap that comes again at once must not become a loop without a pause.
    const now = this.world.now();
    this.#gaps = Math.abs(now - this.#lastGap) < CALM ? this.#gaps + 1 : 1;
    this.#lastGap = now;
    if (this.#gaps === 1) return this.#open();
    this.listener.status("connecting");
    this.#again(this.#gaps);
  }

  /**
   * The reader or the network is back. `surely` when whatever was open is known to be dead (the page was frozen).
   * @param {boolean} [surely]
   */
  wake(surely = false) {
    if (this.#ended) return;
    this.#resting = false;
    if (this.#source) {
      const now = this.world.now();
      // Twenty tabs that hear the network come back mean one and the same thing.
      const lively = this.#opened ? now - this.#lastHeard < SILENCE / 2 : Math.abs(now - this.#openedAt) < LASTING;
      if (surely ? Math.abs(now - this.#openedAt) < JUST_NOW : lively) return;
    }
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

  /** @param {string} text */
  #take(text) {
    const cursor = parseCursor(text);
    if (!cursor) return;
    const known = this.#cursors.get(cursor.room);
    // Of two epochs the server knows which one counts: it says so with a reset, and its cursor is taken.
    if (known && (known.epoch !== cursor.epoch || known.seq < cursor.seq)) return;
    this.#cursors.set(cursor.room, cursor);
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
    if (this.#ended || this.#resting || (this.#cursors.size === 0 && !this.#lobby)) return;
    this.#opened = this.#begun = false;
    this.#unwanted = 0;
    this.#behind = new Set(this.#cursors.keys());
    this.#openedAt = this.#lastHeard = this.world.now();
    const at = [...this.#cursors.values()].map((cursor) => `at=${formatCursor(cursor)}&`).join("");
    const source = this.world.open(`/live?${at}view=html&lang=${this.world.lang}&rooms=1&people=1&as=${this.me}`);
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
    this.listener.status("connecting");
  }

  /**
   * @param {string} name
   * @param {MessageEvent} event
   */
  #frame(name, event) {
    this.#opened = this.#begun = true;
    this.#lastHeard = this.world.now();
    const data = JSON.parse(event.data);
    if (name === "bye") return this.#bye(data);
    if (data.room !== undefined && !this.#cursors.has(data.room)) return this.#ignore();
    const durable = DURABLE.has(name);
    this.listener.heard(name, data, durable ? event.lastEventId : "", event.data);
    if (!durable) return;
    // Not before it was passed on: whoever fails in the middle gets it again.
    const cursor = parseCursor(event.lastEventId);
    if (cursor && this.#cursors.has(cursor.room)) this.#cursors.set(cursor.room, cursor);
    if (name !== "caught-up" || !this.#behind.delete(data.room) || this.#behind.size > 0) return;
    this.listener.status("caught-up");
  }

  /** A room that was dropped stays in the open stream, since opening it anew would trouble the others; unless it talks on and on. */
  #ignore() {
    this.#unwanted += 1;
    if (this.#unwanted > UNWANTED) this.#open();
  }

  /** @param {{ why: string, room?: string }} bye */
  #bye({ why, room }) {
    if (room) {
      if (!this.#cursors.has(room)) return;
      this.drop(room);
      this.listener.lost("gone", room);
    } else if (why === "signed-out" || why === "expired") {
      this.end();
      this.listener.lost("signed-out");
    } else if (why === "renew" && this.world.now() - this.#openedAt >= SHORT) {
      this.#open();
    } else {
      this.#failed();
    }
  }

  /** An EventSource does not say why it failed; what it might be is asked for, and the rest is waited out. */
  #failed() {
    const neverOpened = !this.#opened;
    // Being caught up is not enough: a server may say so to everybody, and fail right after it, again and again.
    if (this.#lastHeard - this.#openedAt >= LASTING) this.#failures = 0;
    this.#failures += 1;
    const turn = this.#again(this.#failures);
    this.listener.status("offline");
    if (neverOpened) this.#ask(() => this.#ended || this.#retry !== turn);
  }

  /** @param {() => boolean} moot whether the answer comes too late to matter */
  async #ask(moot) {
    const me = await this.world.get("/api/me");
    if (moot()) return;
    if (me.status === 401 || (me.status === 200 && me.data?.id !== this.me)) {
      this.end();
      return this.listener.lost(me.status === 401 ? "signed-out" : "other-person");
    }
    if (me.status !== 200) return;
    for (const room of [...this.#cursors.keys()]) {
      const { status } = await this.world.get(`/api/rooms/${room}`);
      // As long as one room is there the stream is not refused for the others: it takes leave of them.
      if (moot() || (status !== 404 && status !== 403)) return;
      this.drop(room);
      this.listener.lost("gone", room);
    }
  }

  /** @param {number} failures */
  #again(failures) {
    this.#close();
    this.#retry = this.world.later(() => this.#open(), wait(failures, this.world.random));
    return this.#retry;
  }

  #listenForSilence() {
    const looked = this.world.now();
    this.#silence = this.world.later(() => {
      const now = this.world.now();
      // A clock that was set back says nothing about the stream.
      this.#lastHeard = Math.min(this.#lastHeard, now);
      const silent = now - this.#lastHeard;
      if (silent > SILENCE / 2 && now - looked > 2 * LOOK) this.#open();
      else if (silent >= SILENCE) this.#failed();
      else this.#listenForSilence();
    }, Math.min(LOOK, SILENCE - (looked - this.#lastHeard)));
  }
}
