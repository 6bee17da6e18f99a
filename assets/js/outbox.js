// Posts that are not yet answered: kept until the server has them, also over a reload, and sent once each.
//
// A post keeps its id from the first try to the last, so the server takes it once however often it comes; several tabs
// may send the same one without harm. It belongs to the person who wrote it: the store is that person's, and every
// request says whose it is, so nobody else's session sends it. Nothing here knows the page or the network.

import { wait } from "./backoff.js";

/** A server may ask to be left alone for so long, in s; a mistyped answer must not keep a post back for ever. */
const LONGEST = 600;
/** Another tab may be sending for so long, in ms: somewhat longer than a request may take. If it still is, it was frozen while it did, */
const TURN = 35_000;
/** and is given no more than this until it lets go. */
const SHORT_TURN = 1_000;

/** @typedef {{ id: string, room: string, text: string, reply_to: string | null, files?: { id: string, name: string }[], refused?: string }} Post */
/** @typedef {{ all(): Post[], put(post: Post): void, remove(id: string): void }} Store */
/** @typedef {{ status: number, data?: any, code?: string, message?: string, retryAfter?: number }} Answer */
/**
 * @typedef {Object} World
 * @property {(post: Post) => Promise<Answer>} send status 0 where nothing was reached
 * @property {(post: Post, what: "sent" | "waiting" | "refused", seq?: number) => void} changed `seq`: the place that it was given
 * @property {(why: "signed-out" | "other-person") => void} lost
 * @property {(then: () => void, ms: number) => any} later
 * @property {(timer: any) => void} cancel
 * @property {() => number} random
 * @property {(then: () => Promise<void>) => Promise<void>} exclusive one tab at a time, where the browser can
 */

export class Outbox {
  #failures = 0;
  #running = false;
  #again = false;
  /** @type {any} */
  #timer = null;

  /**
   * @param {Store} store
   * @param {World} world
   */
  constructor(store, world) {
    this.store = store;
    this.world = world;
  }

  /** @param {string} [room] */
  posts(room) {
    return this.store
      .all()
      .filter((post) => room === undefined || post.room === room)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** @param {Post} post */
  add(post) {
    this.store.put(post);
    return this.run();
  }

  /** @param {string} id */
  retry(id) {
    const post = this.posts().find((one) => one.id === id);
    if (post) this.store.put({ ...post, refused: undefined });
    return this.wake();
  }

  /** @param {string} id */
  discard(id) {
    this.store.remove(id);
  }

  /** The network or the reader is back: tries now. */
  wake() {
    this.#failures = 0;
    return this.run();
  }

  /** Sends what waits, one after the other, so that posts keep their order. */
  async run() {
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#running = true;
    this.world.cancel(this.#timer);
    try {
      do {
        this.#again = false;
        await this.world.exclusive(() => this.#sendAll());
      } while (this.#again);
    } finally {
      this.#running = false;
    }
  }

  async #sendAll() {
    for (;;) {
      // Read anew each time: another tab may have sent it meanwhile.
      const post = this.posts().find((one) => one.refused === undefined);
      if (!post) return;
      const answer = await this.world.send(post);
      if (!this.#settle(post, answer)) return;
    }
  }

  /**
   * @param {Post} post
   * @param {Answer} answer
   * @returns {boolean} whether to go on with the next
   */
  #settle(post, { status, data, code, message, retryAfter }) {
    if (status >= 200 && status < 300) {
      this.#failures = 0;
      this.store.remove(post.id);
      this.world.changed(post, "sent", data?.seq);
      return true;
    }
    if (status === 401 || code === "other_person") {
      this.world.lost(status === 401 ? "signed-out" : "other-person");
      return false;
    }
    if (status === 0 || status === 408 || status === 425 || status === 429 || status >= 500) {
      this.#failures += 1;
      this.world.cancel(this.#timer);
      const pause = Math.max(wait(this.#failures, this.world.random), Math.min(retryAfter ?? 0, LONGEST) * 1000);
      this.#timer = this.world.later(() => this.run(), pause);
      this.world.changed(post, "waiting");
      return false;
    }
    // A refusal for good: it stays, with what the server said, if it said anything, until its writer decides.
    const refused = { ...post, refused: message ?? "" };
    if (this.store.all().some((one) => one.id === post.id)) this.store.put(refused);
    this.world.changed(refused, "refused");
    return true;
  }
}

/**
 * Has one tab at a time do something, where the browser has locks and gives them. It is a courtesy that keeps the order of posts and
 * saves requests; with ids that are taken once nothing depends on it, so a lock that nobody gives back is not waited for.
 * @param {Pick<LockManager, "request"> | undefined} locks
 * @param {string} name
 * @param {(ms: number) => AbortSignal} [within]
 * @returns {World["exclusive"]}
 */
export function byTurns(locks, name, within = (ms) => AbortSignal.timeout(ms)) {
  let turn = TURN;
  return async (then) => {
    if (!locks) return then();
    let begun = false;
    try {
      await locks.request(name, { signal: within(turn) }, () => {
        begun = true;
        turn = TURN;
        return then();
      });
    } catch (error) {
      if (begun) throw error;
      turn = SHORT_TURN;
      return then();
    }
  };
}

/**
 * A person's posts in a Web Storage, one key each: tabs that write at the same time never overwrite each other's. What the storage
 * does not take (it is full, or switched off) is kept in memory for as long as the page lives.
 * @param {Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length"> | null} storage
 * @param {string} person
 * @returns {Store}
 */
export function postsIn(storage, person) {
  const prefix = `parlor.outbox.${person}.`;
  /** @type {Map<string, Post>} */
  const memory = new Map();
  return {
    all() {
      const posts = new Map(memory);
      for (let i = 0; storage && i < storage.length; i++) {
        const key = storage.key(i);
        if (!key?.startsWith(prefix)) continue;
        try {
          const post = JSON.parse(storage.getItem(key) ?? "");
          posts.set(post.id, post);
        } catch {
          // Not ours, or cut short by a full disk: nothing that could be sent.
        }
      }
      return [...posts.values()];
    },
    put(post) {
      try {
        if (!storage) throw new Error("no storage");
        storage.setItem(prefix + post.id, JSON.stringify(post));
        memory.delete(post.id);
      } catch {
        memory.set(post.id, post);
      }
    },
    remove(id) {
      memory.delete(id);
      storage?.removeItem(prefix + id);
    },
  };
}
