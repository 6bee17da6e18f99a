// A room in the page: frames of the stream become what is seen. What is seen is the log's, what is written the writing place's.
//
// Facts to wait for, in tests and styles: `data-live` of the root element (`connecting`, `caught-up`, `offline`), `data-stream` of it
// (`shared` with the other tabs, or this tab's `own`), and `data-seq` of this element, the room's number up to which everything is on screen.

import { Actions } from "./actions.js";
import { localise } from "./times.js";
import { keepCode } from "./code.js";
import { connect, scarce } from "./connection.js";
import { Due } from "./due.js";
import { Log } from "./log.js";
import { readable } from "./markup.js";
import { Places } from "./places.js";
import { Reactions, markMine } from "./reactions.js";
import { Members } from "./members.js";
import "./page.js";
import { Status } from "./status.js";
import { words } from "./words.js";
import { Writing } from "./writing.js";

/** @typedef {import("./replica.js").Row} Row */

/** So many names stand in the head of a room. */
const NAMES = 3;
/** A connection may be away so long before it is mentioned, in ms. */
const PATIENCE = 5_000;
/** A hidden tab keeps a stream of its own so long, in ms: plain HTTP/1.1 gives all tabs together six connections. */
const HIDDEN = 10_000;
/** Pages that must start anew do so within this time, not all at once, in ms. */
const SPREAD = 5_000;
/** A page that cannot draw something starts anew no sooner than so long after it began, in ms: what fails once may fail again. */
const SELDOM = 60_000;
/** A reply without text says how long it has been thinking from here on, in s. */
const LONG = 2;

class ChatRoom extends HTMLElement {
  /** @type {AbortController | undefined} */
  #life;
  /** Work for the next frame of the screen. */
  #due = new Due();
  #scheduled = false;
  #leaving = false;
  #roomRev = 0;
  /** When a reply without text was first seen, in ms. @type {Map<string, number>} */
  #since = new Map();

  connectedCallback() {
    this.#life = new AbortController();
    const { signal } = this.#life;
    this.room = this.dataset.room ?? "";
    this.me = this.dataset.me ?? "";
    this.offline = /** @type {HTMLElement} */ (this.querySelector(".offline"));
    this.status = new Status(this.querySelector(":scope > [role=status]"), words, (then, ms) => setTimeout(then, ms));
    const box = /** @type {HTMLElement} */ (this.querySelector(".log"));

    // Until now the log was drawn from its end; the same view, counted from its beginning.
    const fromEnd = -box.scrollTop;
    document.documentElement.dataset.live = "connecting";
    box.scrollTop = box.scrollHeight - box.clientHeight - fromEnd;

    localise(this);
    markMine(document);
    const log = (this.log = new Log(this, signal));
    this.dataset.seq = this.dataset.head;
    this.places = new Places(log, fromEnd < 1, signal);
    const writing = (this.writing = new Writing(log, (why) => this.#lost(why), (text) => this.#say(text), signal));
    const actions = new Actions({ element: this, id: this.room, me: this.me, reply: (message) => writing.reply(message), react: (message) => reactions.offer(message), say: (text) => this.#say(text), changed: () => log.follow.stay() }, box, signal);
    keepCode(box, (text) => this.#say(text), signal);
    const reactions = new Reactions(this, (message, sentence) => actions.complain(message, sentence), signal);
    this.addEventListener("parlor-edit-last", () => {
      const mine = log.mine();
      if (mine) actions.edit(mine);
    }, { signal });
    new Members(this, signal);
    this.#connect(signal);
    this.#watch(signal);
  }

  disconnectedCallback() {
    this.#life?.abort();
    this.connection?.end();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    document.documentElement.removeAttribute("data-live");
  }

  // ---- the stream

  /** @param {AbortSignal} signal */
  #connect(signal) {
    let shared = true;
    // Whenever a stream of its own may have been opened behind the reader's back: at first, after the shared one broke, by the network.
    const restIfHidden = () => {
      if (document.hidden && !shared && scarce()) this.#after(HIDDEN, () => { if (!shared) this.connection?.rest(); }, "hidden");
    };
    const connection = (this.connection = connect(this.me ?? "", this.dataset.cursor ?? "", {
      heard: (event, data) => this.#heard(event, data),
      status: (status) => this.#status(status),
      lost: (why) => this.#lost(why),
      growing: () => this.log?.replica.isGrowing ?? false,
      way: (now) => {
        shared = now;
        document.documentElement.dataset.stream = shared ? "shared" : "own";
        restIfHidden();
      },
    }));
    const wake = (/** @type {boolean} */ surely) => {
      connection.wake(surely);
      this.writing?.wake();
      restIfHidden();
    };
    document.addEventListener("visibilitychange", () => {
      this.#cancel("hidden");
      if (document.hidden) restIfHidden();
      else wake(false);
    }, { signal });
    window.addEventListener("online", () => wake(true), { signal });
    // A page that is kept for "back" must not hold a connection, and what it held is dead when it returns.
    window.addEventListener("pagehide", () => connection.rest(), { signal });
    window.addEventListener("pageshow", (event) => {
      if (!event.persisted) return;
      if (!this.#leaving) return wake(true);
      // It was left because it is not this reader's any more: nothing of it may be seen, and the server says what is.
      document.body.replaceChildren();
      location.reload();
    }, { signal });
  }

  /**
   * @param {string} event
   * @param {any} data
   */
  #heard(event, data) {
    const { log } = this;
    if (data.room !== this.room || !log) return;
    switch (event) {
      case "message":
        return this.#take(log.replica.message(data), data.rev);
      case "draft":
        return this.#take(log.replica.draft(data));
      case "delta":
        return this.#take(log.replica.delta(data));
      case "people":
        this.dispatchEvent(new CustomEvent("parlor-people", { detail: data }));
        return;
      case "room":
        if (data.rev > this.#roomRev) this.#due.room(data);
        return this.#soon(data.rev);
      case "caught-up":
        this.#due.caughtUp(true);
        return this.#soon(data.seq);
      case "reset":
        return this.#after(Math.random() * SPREAD, () => location.reload(), "reload");
    }
  }

  /**
   * @param {import("./replica.js").Change} change
   * @param {number} [seq]
   */
  #take(change, seq) {
    if (change?.what === "gap") return this.connection?.gap();
    if (!change && seq === undefined) return;
    this.#due.take(change);
    // What nobody sees need not be drawn piece by piece.
    if (change?.what !== "part" || !document.hidden) this.#soon(seq);
  }

  /**
   * Draws with the next frame of the screen; a hidden page has none, but must not fall behind either.
   * @param {number} [seq]
   */
  #soon(seq) {
    if (seq !== undefined) this.#due.upTo(seq);
    if (this.#scheduled) return;
    this.#scheduled = true;
    let done = false;
    const draw = () => {
      if (done) return;
      done = true;
      this.#scheduled = false;
      if (this.isConnected) this.#draw();
    };
    if (!document.hidden) requestAnimationFrame(draw);
    setTimeout(draw, 100);
  }

  #draw() {
    const { work: due, more } = this.#due.next(document.hidden);
    if (more) this.#soon();
    /** @type {{ drawn: boolean, came: Row[] }} */
    let { drawn, came } = { drawn: false, came: [] };
    try {
      if (due.room) this.#rename(due.room);
      ({ drawn, came } = this.log?.draw(due) ?? { drawn: true, came: [] });
    } catch (error) {
      console.error(error);
    }
    // It is said when it has been drawn: that is work, too.
    setTimeout(() => {
      for (const { row, before } of due.rows.values()) this.#announce(row, before);
      for (const row of came) if (row.kind === "person" && !document.hidden) this.status?.came(row.author?.name ?? "", readable(this.log?.get(row.id)?.querySelector(":scope > .body")));
    });
    // What is not on screen is not said to be, and a fresh page has it, unless it is that which cannot be drawn.
    if (!drawn) {
      this.#due.broken();
      return this.#after(Math.max(0, SELDOM - performance.now()) + Math.random() * SPREAD, () => location.reload(), "redraw");
    }
    if (due.seq !== null) this.dataset.seq = String(Math.max(due.seq, Number(this.dataset.seq)));
    if (due.caughtUp) this.#caughtUp();
  }

  /**
   * @param {import("./live.js").Status} status
   */
  #status(status) {
    // "Caught up" is said when it is on screen, not when it was heard; and what was heard before does not count any more.
    if (status === "caught-up") return;
    this.#due.caughtUp(false);
    document.documentElement.dataset.live = status;
    this.#after(PATIENCE, () => {
      if (document.documentElement.dataset.live === "caught-up" || !this.offline) return;
      this.offline.hidden = false;
      this.log?.follow.stay();
    }, "patience");
  }

  #caughtUp() {
    document.documentElement.dataset.live = "caught-up";
    this.#cancel("patience");
    if (this.offline) this.offline.hidden = true;
    this.writing?.wake();
  }

  /** @param {"signed-out" | "other-person" | "gone"} why */
  #lost(why) {
    if (this.#leaving) return;
    this.#leaving = true;
    if (why === "signed-out") location.assign(`/sign-in?next=${encodeURIComponent(location.pathname)}`);
    else if (why === "gone") location.assign("/rooms");
    else location.reload();
  }

  // ---- the rest

  /**
   * @param {Row} row
   * @param {Row | undefined} before
   */
  #announce(row, before) {
    const name = row.author?.name ?? "";
    if (row.kind !== "assistant" || before?.state === row.state) return;
    if (row.state === "streaming") this.#say(words.answering(name));
    else if (row.state === "complete") this.#say(words.finished(name));
    else if (row.state === "stopped") this.#say(words.stopped(name));
    else if (row.state === "failed" || row.state === "interrupted") this.#say(words.brokenOff(name));
  }

  /** @param {string} text */
  #say(text) {
    this.status?.say(text);
  }

  /** @param {{ kind?: string, rev: number, name: string, topic: string, private: boolean, members: { id: string, name: string }[], assistants: { id: string, name: string }[] }} room */
  #rename({ kind, ...room }) {
    this.#roomRev = room.rev;
    // A direct talk is called as the other is.
    if (kind === "direct") room.name = room.members.find(({ id }) => id !== this.me)?.name ?? document.querySelector(".room-title h1 bdi")?.textContent ?? room.name;
    const set = (/** @type {string} */ where, /** @type {string} */ text) => {
      const element = document.querySelector(where);
      if (element && element.textContent !== text) element.textContent = text;
    };
    set(".room-title h1 bdi", room.name);
    set(".room-topic", room.topic);
    set(".room-names", words.who([...room.assistants, ...room.members].map(({ name }) => name), NAMES));
    this.dispatchEvent(new CustomEvent("parlor-room", { bubbles: true, detail: room }));
    this.writing?.knows(room);
  }

  /**
   * Counts the seconds of replies that have no text yet, while somebody looks; and draws what has grown while nobody did.
   * @param {AbortSignal} signal
   */
  #watch(signal) {
    /** @type {ReturnType<typeof setInterval> | undefined} */
    let tick;
    const look = () => {
      clearInterval(tick);
      if (document.hidden || signal.aborted) return;
      tick = setInterval(() => this.#tick(), 1000);
      if (this.#due.grown) this.#soon();
    };
    look();
    document.addEventListener("visibilitychange", look, { signal });
    signal.addEventListener("abort", look);
  }

  #tick() {
    const now = Date.now();
    const waiting = /** @type {NodeListOf<HTMLElement>} */ (this.querySelectorAll('.message[data-state="streaming"]'));
    for (const article of waiting) {
      const key = `${article.dataset.id} ${article.dataset.attempt}`;
      if (article.querySelector(".body")?.hasChildNodes()) {
        this.#since.delete(key);
        continue;
      }
      const since = this.#since.get(key) ?? now;
      this.#since.set(key, since);
      const seconds = Math.round((now - since) / 1000);
      const thinking = /** @type {HTMLElement | null} */ (article.querySelector(".thinking"));
      if (thinking && seconds >= LONG) thinking.dataset.elapsed = words.elapsed(seconds);
    }
    if (waiting.length === 0) this.#since.clear();
  }

  /** Timers with a name, one of each. @type {Map<string, ReturnType<typeof setTimeout>>} */
  #timers = new Map();

  /**
   * @param {number} ms
   * @param {() => void} then
   * @param {string} name
   */
  #after(ms, then, name) {
    if (!this.#timers.has(name)) this.#timers.set(name, setTimeout(() => { this.#timers.delete(name); then(); }, ms));
  }

  /** @param {string} name */
  #cancel(name) {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}

customElements.define("chat-room", ChatRoom);
