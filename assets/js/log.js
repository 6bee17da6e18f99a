// The messages of a room as the page shows them: each in its place, those that grow, those beyond the edges, and what the reader looks at.
//
// What is to be shown comes from the room's replica. Of a message only what differs is touched, so that selection, focus and scroll
// stay; and nothing moves that the reader did not move.

import { clone } from "./actions.js";
import { arrange } from "./arrange.js";
import { call } from "./call.js";
import { blocksOf, copyAttributes, morph, morphList, parse } from "./markup.js";
import { Replica, isOpen } from "./replica.js";
import { Follow } from "./scroll.js";
import { words } from "./words.js";

/** @typedef {import("./replica.js").Row} Row */
/** @typedef {import("./replica.js").PartName} PartName */
/** What is to be drawn. @typedef {{ rows: Map<string, { row: Row, before?: Row, cleared: boolean }>, parts: Map<string, { id: string, part: PartName, from: number }> }} Due */

/** Messages fetched at a time. */
const PAGE = 50;
/** More than this many messages are thinned out to so many while one reads the end. */
const MANY = 300;
const FEW = 200;
/** To one who reads so far from the end, in CSS pixels, what comes beyond so many is not shown before it is looked for. */
const FAR = 5_000;
/** What could not be fetched is asked for again after so long, in ms. */
const PATIENCE = 5_000;

export class Log {
  /** @type {Map<string, HTMLElement>} */
  #articles = new Map();
  /** What the page shows of growing texts, block by block. @type {Map<string, ChildNode[][]>} */
  #shown = new Map();
  #unseen = 0;
  #loading = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #later;

  /**
   * Takes over what the server has drawn.
   * @param {HTMLElement} element of the room
   * @param {AbortSignal} signal
   */
  constructor(element, signal) {
    this.element = element;
    this.room = element.dataset.room ?? "";
    this.me = element.dataset.me ?? "";
    this.box = /** @type {HTMLElement} */ (element.querySelector(".log"));
    this.list = /** @type {HTMLElement} */ (element.querySelector(".messages"));
    this.pill = /** @type {HTMLButtonElement} */ (element.querySelector(".pill"));

    const articles = /** @type {HTMLElement[]} */ ([...this.list.querySelectorAll(":scope > .message")]);
    const seqs = articles.map(place);
    this.replica = new Replica({
      from: "older" in element.dataset && seqs.length > 0 ? seqs[0] : 0,
      to: "newer" in element.dataset && seqs.length > 0 ? seqs[seqs.length - 1] : Infinity,
    });
    for (const article of articles) {
      const { id = "", seq, rev, attempt, state = "" } = article.dataset;
      this.#articles.set(id, article);
      this.replica.seed({ id, seq: Number(seq), rev: Number(rev), attempt: Number(attempt), state });
    }
    this.arrange();

    this.follow = new Follow(this.box, /** @type {HTMLElement} */ (element.querySelector(".log-column")), () => this.#showPill(), signal);
    this.edges = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) this.#load(entry.target.className === "older" ? "older" : "newer");
    }, { root: this.box, rootMargin: "800px 0px" });
    for (const edge of element.querySelectorAll(".older, .newer")) this.edges.observe(edge);
    signal.addEventListener("abort", () => { this.edges.disconnect(); clearTimeout(this.#later); });
    this.box.addEventListener("click", (event) => this.#jump(event), { signal });
    this.pill.addEventListener("click", () => this.#toLatest(), { signal });
  }

  // ---- what is in it

  /** @param {string} id */
  get(id) {
    return this.#articles.get(id);
  }

  /** All that is here. */
  all() {
    return [...this.#articles];
  }

  /** The newest message of the reader's own that is at its end. */
  mine() {
    return /** @type {HTMLElement[]} */ ([...this.list.querySelectorAll(`.message[data-author="${this.me}"][data-state="complete"]`)]).pop();
  }

  /**
   * @param {string} id
   * @param {HTMLElement} article
   */
  add(id, article) {
    this.#articles.set(id, article);
    this.#insert(article);
    this.arrange();
  }

  /** @param {string} id */
  remove(id) {
    this.#articles.get(id)?.remove();
    this.#articles.delete(id);
  }

  /** The place of the newest message that is here. */
  get newest() {
    return Math.max(...[...this.#articles.values()].map(place).filter(Number.isFinite));
  }

  /**
   * @param {Due} due
   * @returns {boolean} whether all of it could be drawn
   */
  draw({ rows, parts }) {
    const { follow } = this;
    follow.before();
    let came = 0;
    let all = true;
    // One message that cannot be drawn must not keep the others from being so.
    const attempt = (/** @type {() => void} */ draw) => {
      try {
        draw();
      } catch (error) {
        console.error(error);
        all = false;
      }
    };
    for (const { row, cleared } of rows.values()) attempt(() => { if (this.#put(row, cleared) && row.author?.id !== this.me) came += 1; });
    for (const { id, part, from } of parts.values()) attempt(() => this.#grow(id, part, from));
    if (rows.size > 0) this.arrange();
    if (follow.following) this.#thin();
    else this.#close();
    follow.stay();
    if (!follow.following) this.#unseen += came;
    this.#showPill();
    return all;
  }

  /**
   * Puts a row where it belongs.
   * @param {Row} row
   * @param {boolean} cleared
   * @returns {boolean} whether it is new on screen
   */
  #put(row, cleared) {
    const fresh = /** @type {HTMLElement | null} */ (parse(row.html ?? "").firstElementChild);
    if (!fresh) return false;
    const old = this.#articles.get(row.id);
    if (!old) {
      this.#articles.set(row.id, fresh);
      this.#insert(fresh);
      return true;
    }
    const keep = isOpen(row.state) && !cleared;
    if (!keep) for (const part of ["answer", "reasoning"]) this.#shown.delete(`${row.id} ${part}`);
    this.#merge(old, fresh, keep);
    // It was pending, at the end; now it has its place.
    const next = /** @type {HTMLElement | null} */ (old.nextElementSibling);
    const last = /** @type {HTMLElement | null} */ (old.previousElementSibling);
    if ((next && place(next) < place(old)) || (last && place(last) > place(old))) this.#insert(old);
    return false;
  }

  /** @param {HTMLElement} article */
  #insert(article) {
    // Nearly always it belongs to the end.
    let before = /** @type {HTMLElement | null} */ (this.list.lastElementChild);
    while (before && (before === article || place(before) > place(article))) before = /** @type {HTMLElement | null} */ (before.previousElementSibling);
    if (before) before.after(article);
    else this.list.prepend(article);
  }

  /**
   * Makes a message like `fresh`. What its texts show stays if `keep`; what the page itself has put into it stays always.
   * @param {HTMLElement} old
   * @param {HTMLElement} fresh
   * @param {boolean} keep
   */
  #merge(old, fresh, keep) {
    const hadFocus = old.contains(document.activeElement) && document.activeElement !== old;
    copyAttributes(old, fresh, (name) => ["data-follows", "data-answers", "data-day", "data-editing"].includes(name));
    const olds = new Map([...old.children].filter((child) => !(child instanceof HTMLElement && "local" in child.dataset)).map((child) => [slot(child), child]));
    /** @type {Element | null} */
    let last = null;
    for (const child of [...fresh.children]) {
      const known = olds.get(slot(child));
      olds.delete(slot(child));
      let now = child;
      if (known && slot(child) === "body") now = keep ? known : body(known, child);
      else if (known && slot(child) === "reasoning") now = reasoning(known, child, keep);
      // A button must not become another one under the finger that is about to press it.
      else if (known && known.isEqualNode(child)) now = known;
      else if (known && slot(child) !== "state") now = /** @type {Element} */ (morph(known, child));
      else known?.remove();
      if (last ? last.nextElementSibling !== now : old.firstElementChild !== now) {
        if (last) last.after(now);
        else old.prepend(now);
      }
      last = now;
    }
    for (const gone of olds.values()) gone.remove();
    if (hadFocus && !old.contains(document.activeElement)) {
      old.tabIndex = -1;
      old.focus({ preventScroll: true });
    }
  }

  /**
   * Draws the blocks of a growing text from the first that changed.
   * @param {string} id
   * @param {PartName} part
   * @param {number} from
   */
  #grow(id, part, from) {
    const container = this.#articles.get(id)?.querySelector(part === "answer" ? ":scope > .body" : ":scope > .reasoning > .thought");
    if (!container) return;
    const blocks = this.replica.blocks(id, part);
    const key = `${id} ${part}`;
    const known = this.#shown.get(key);
    const start = known ? Math.min(from, known.length) : 0;
    const old = known ? known.slice(start).flat() : blocksOf(container);
    const fresh = blocks.slice(start).map((block) => blocksOf(parse(block)));
    const now = morphList(container, old, fresh.flat(), null);
    let at = 0;
    const counted = fresh.map((nodes) => now.slice(at, (at += nodes.length)));
    this.#shown.set(key, [...(known?.slice(0, start) ?? []), ...counted]);
  }

  arrange() {
    /** @type {HTMLElement | null} */
    let before = null;
    for (const message of /** @type {HTMLCollectionOf<HTMLElement>} */ (this.list.children)) {
      arrange(message, before);
      before = message;
    }
  }

  /** At most a few hundred messages stay; what is taken away is fetched again when it is looked for. */
  #thin() {
    const { list, replica } = this;
    if (list.children.length <= MANY || replica.to !== Infinity) return;
    // What is being fetched ends where the log begins now: a log that begins later would have a hole.
    if (this.#loading) return;
    const keep = /** @type {HTMLElement} */ (list.children[list.children.length - FEW]);
    // So many that wait to be sent.
    if (keep.dataset.seq === undefined) return;
    while (list.firstElementChild && list.firstElementChild !== keep) {
      const gone = /** @type {HTMLElement} */ (list.firstElementChild);
      this.#articles.delete(gone.dataset.id ?? "");
      for (const part of ["answer", "reasoning"]) this.#shown.delete(`${gone.dataset.id} ${part}`);
      gone.remove();
    }
    replica.forgetBefore(Number(keep.dataset.seq));
    this.#edge("older", true);
  }

  /** A page that is left open at an old message must not grow with all that is said. */
  #close() {
    const { list, replica } = this;
    if (list.children.length <= MANY || replica.to !== Infinity || this.#loading || this.follow.distance < FAR) return;
    replica.closeAfter(this.newest);
    this.#edge("newer", true);
  }

  // ---- older and newer

  /** @param {"older" | "newer"} way */
  async #load(way) {
    const { replica, follow } = this;
    if (this.#loading) return;
    this.#loading = replica.fetching = true;
    const seqs = [...this.#articles.values()].map(place).filter(Number.isFinite);
    const edge = way === "older" ? `before=${Math.min(...seqs)}` : `after=${Math.max(...seqs)}`;
    const answer = await call("GET", `/api/rooms/${this.room}/messages?${edge}&limit=${PAGE}&view=html`);
    this.#loading = replica.fetching = false;
    if (!this.element.isConnected) return;
    // What looks at the edge speaks only when it comes into sight; it must be asked again.
    if (!answer.ok) {
      clearTimeout(this.#later);
      this.#later = setTimeout(() => this.#edge(way, true), PATIENCE);
      return;
    }
    /** @type {Row[]} */
    const rows = answer.data.messages;
    const more = answer.data.more && rows.length > 0;
    const window = way === "older" ? { from: more ? rows[0].seq : 0 } : { to: more ? rows[rows.length - 1].seq : Infinity };
    follow.before();
    for (const row of replica.widen(rows, window)) {
      this.#put(row, false);
      for (const part of /** @type {PartName[]} */ (["answer", "reasoning"])) if (replica.blocks(row.id, part).length > 0) this.#grow(row.id, part, 0);
    }
    this.arrange();
    this.#edge(way, more);
    follow.stay();
    this.#showPill();
  }

  /**
   * Shows or takes away the link to what lies beyond, and watches both anew: they may still be in sight, and the other one may have
   * come into it during this load.
   * @param {"older" | "newer"} way
   * @param {boolean} more
   */
  #edge(way, more) {
    let edge = /** @type {HTMLElement | null} */ (this.element.querySelector(`.${way}`));
    if (!more) {
      edge?.remove();
    } else {
      if (!edge) {
        edge = clone(this.element, "older-messages");
        edge.className = way;
        if (way === "older") this.list.before(edge);
        else this.list.after(edge);
        const link = /** @type {HTMLElement} */ (edge.querySelector("a"));
        if (way === "newer") link.textContent = words.newest;
      }
      const first = /** @type {HTMLElement | null} */ (this.list.firstElementChild);
      if (way === "older") edge.querySelector("a")?.setAttribute("href", `/rooms/${this.room}?before=${first?.dataset.seq}`);
    }
    this.edges.disconnect();
    for (const edge of this.element.querySelectorAll(".older, .newer")) this.edges.observe(edge);
  }

  // ---- moving

  #showPill() {
    const { pill, follow, replica } = this;
    if (follow.following) this.#unseen = 0;
    pill.hidden = follow.following || (this.#unseen === 0 && follow.distance < 400 && replica.to === Infinity);
    const text = words.pill(this.#unseen);
    if (pill.textContent !== text) pill.textContent = text;
  }

  #toLatest() {
    if (this.replica.to !== Infinity) return location.assign(`/rooms/${this.room}`);
    this.follow.toEnd();
  }

  /**
   * Links to messages that are here do not leave the page.
   * @param {MouseEvent} event
   */
  #jump(event) {
    if (!(event.target instanceof Element) || event.metaKey || event.ctrlKey || event.shiftKey || event.defaultPrevented) return;
    const link = /** @type {HTMLAnchorElement | null} */ (event.target.closest("a.quote, a.at"));
    const target = link && document.getElementById(link.hash.slice(1));
    if (!target) return;
    event.preventDefault();
    this.follow.letGo();
    location.hash = link.hash;
    target.scrollIntoView({ block: "center" });
  }
}

/**
 * Where a message stands; a pending one after all others.
 * @param {HTMLElement} article
 */
function place(article) {
  return article.dataset.seq === undefined ? Infinity : Number(article.dataset.seq);
}

/**
 * The part of a message that an element is.
 * @param {Element} child
 */
function slot(child) {
  return child.classList[0] ?? child.nodeName;
}

/**
 * @param {Element} old
 * @param {Element} fresh
 */
function body(old, fresh) {
  morphList(old, blocksOf(old), blocksOf(fresh), null);
  copyAttributes(old, fresh);
  return old;
}

/**
 * @param {Element} old
 * @param {Element} fresh
 * @param {boolean} keep
 */
function reasoning(old, fresh, keep) {
  const thought = old.querySelector(":scope > .thought");
  const now = fresh.querySelector(":scope > .thought");
  if (thought && now && !keep) body(thought, now);
  return old;
}
