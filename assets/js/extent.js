// How much of a room is in its page: what lies beyond the edges is fetched when the reader comes near, and what is far from what is read
// goes when there would be too much.

import { clone } from "./actions.js";
import { place } from "./arrange.js";
import { call } from "./call.js";
import { firstBelow } from "./scroll.js";
import { words } from "./words.js";

/** @typedef {import("./replica.js").Row} Row */

/** Messages fetched at a time. */
const PAGE = 50;
/** At most so many messages are in the page; */
const MANY = 300;
/** when there would be more, so many stay, */
const FEW = 240;
/** and at least so many on each side of what is read. */
const BESIDE = 60;
/** What could not be fetched is asked for again after so long, in ms. */
const PATIENCE = 5_000;

export class Extent {
  /** What is being fetched now. @type {{ way: "older" | "newer" | "elsewhere" } | null} */
  #fetching = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #later;

  /**
   * @param {import("./log.js").Log} log
   * @param {AbortSignal} signal
   */
  constructor(log, signal) {
    this.log = log;
    this.edges = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) this.#load(entry.target.className === "older" ? "older" : "newer");
    }, { root: log.box, rootMargin: "800px 0px" });
    this.#watch();
    signal.addEventListener("abort", () => { this.edges.disconnect(); clearTimeout(this.#later); });
  }

  /**
   * Makes room for messages that come: at most a few hundred are here, and what goes is what is farthest from what is read.
   * @param {number[]} coming their places
   */
  fit(coming) {
    const { list, replica, follow, box } = this.log;
    const total = list.children.length + coming.length;
    if (total <= MANY) return;
    const children = /** @type {HTMLElement[]} */ ([...list.children]);
    const read = follow.following ? undefined : children[firstBelow(list.children, box.getBoundingClientRect().top + box.clientHeight / 2)];
    const places = [...children.map(place), ...coming].filter(Number.isFinite).sort((a, b) => a - b);
    const at = read ? places.findLastIndex((seq) => seq <= place(read)) : places.length - 1;
    const excess = total - FEW;
    const above = Math.max(0, at - BESIDE);
    const below = Math.max(0, places.length - 1 - at - BESIDE);
    const start = Math.min(above, above > below ? excess : Math.max(0, excess - below));
    const end = Math.min(below, excess - start);
    if (start > 0) this.#gone("older", (seq) => seq < places[start], { from: places[start] });
    if (end > 0) this.#gone("newer", (seq) => seq > places[places.length - 1 - end], { to: places[places.length - 1 - end] });
    replica.narrow({});
    this.#edges();
  }

  /**
   * Takes messages out of the page; they are fetched again when they are looked for.
   * @param {"older" | "newer"} way
   * @param {(seq: number) => boolean} which by their places; those that wait to be sent have none
   * @param {{ from?: number, to?: number }} window
   */
  #gone(way, which, window) {
    // What is being fetched ends where the log began until now: it would leave a hole.
    if (this.#fetching?.way === way) this.#fetched();
    for (const [id, article] of this.log.all()) if (article.dataset.seq !== undefined && which(place(article))) this.log.forget(id, article);
    this.log.replica.narrow(window);
  }

  /** @param {"older" | "newer"} way */
  async #load(way) {
    if (this.#fetching) return;
    const seqs = this.log.all().map(([, article]) => place(article)).filter(Number.isFinite);
    if (seqs.length === 0) return;
    const rows = await this.#fetch(way, way === "older" ? `before=${Math.min(...seqs)}` : `after=${Math.max(...seqs)}`);
    if (!rows) return;
    const { found, more } = rows;
    this.log.follow.before();
    this.#show(found, way === "older" ? { from: more ? found[0].seq : 0 } : { to: more ? found[found.length - 1].seq : Infinity });
  }

  /**
   * Shows another part of the room in place of what is here. Where in it, is for the caller to say.
   * @param {string} where `around=ID`, or nothing for its end
   * @returns {Promise<boolean | undefined>} whether it could be fetched; nothing if the reader went on meanwhile
   */
  async open(where) {
    if (this.#fetching) this.#fetched();
    const rows = await this.#fetch("elsewhere", where);
    if (!rows) return rows === undefined ? undefined : false;
    const { found, before, after } = rows;
    for (const [id, article] of this.log.all()) if (article.dataset.seq !== undefined) this.log.forget(id, article);
    this.log.replica.close();
    this.log.follow.following = false;
    this.#show(found, { from: before ? found[0].seq : 0, to: after ? found[found.length - 1].seq : Infinity });
    return true;
  }

  /**
   * @param {"older" | "newer" | "elsewhere"} way
   * @param {string} where
   */
  async #fetch(way, where) {
    const { replica, room, element } = this.log;
    const fetching = (this.#fetching = { way });
    replica.fetching = true;
    const answer = await call("GET", `/api/rooms/${room}/messages?${where}&limit=${PAGE}&view=html`);
    if (this.#fetching !== fetching || !element.isConnected) return undefined;
    this.#fetched();
    if (!answer.ok) {
      // What looks at the edges speaks only when they come into sight; it must be asked again.
      clearTimeout(this.#later);
      this.#later = setTimeout(() => this.#watch(), PATIENCE);
      return null;
    }
    /** @type {Row[]} */
    const found = answer.data.messages;
    const some = found.length > 0;
    return { found, more: some && answer.data.more, before: some && answer.data.more_before, after: some && answer.data.more_after };
  }

  #fetched() {
    this.#fetching = null;
    this.log.replica.fetching = false;
  }

  /**
   * Widens what is shown.
   * @param {Row[]} found
   * @param {{ from?: number, to?: number }} window
   */
  #show(found, window) {
    const { log } = this;
    const rows = log.replica.widen(found, window);
    this.fit(rows.filter((row) => !log.get(row.id)).map((row) => row.seq));
    log.show(rows);
    log.replica.narrow({});
    log.arrange();
    this.#edges();
    log.follow.stay();
    log.moved();
  }

  /** Shows or takes away the links to what lies beyond, and watches both anew: they may still be in sight. */
  #edges() {
    const { element, list, replica, room } = this.log;
    for (const way of /** @type {const} */ (["older", "newer"])) {
      let edge = /** @type {HTMLElement | null} */ (element.querySelector(`.${way}`));
      if (way === "older" ? replica.from === 0 : replica.to === Infinity) {
        edge?.remove();
        continue;
      }
      if (!edge) {
        edge = clone(element, "older-messages");
        edge.className = way;
        if (way === "older") list.before(edge);
        else list.after(edge);
        if (way === "newer") /** @type {HTMLElement} */ (edge.querySelector("a")).textContent = words.newest;
      }
      if (way === "older") edge.querySelector("a")?.setAttribute("href", `/rooms/${room}?before=${replica.from}`);
    }
    this.#watch();
  }

  #watch() {
    this.edges.disconnect();
    for (const edge of this.log.element.querySelectorAll(".older, .newer")) this.edges.observe(edge);
  }
}
