// The messages of a room as the page shows them: each in its place, and those that grow.
//
// What is to be shown comes from the room's replica. Of a message only what differs is touched, so that selection, focus and scroll
// stay; and nothing moves that the reader did not move.

import { arrange, place } from "./arrange.js";
import { Extent } from "./extent.js";
import { blocksOf, copyAttributes, morph, morphList, parse } from "./markup.js";
import { queues } from "./queues.js";
import { Reading } from "./reading.js";
import { Replica, isOpen } from "./replica.js";
import { Follow } from "./scroll.js";
import { words } from "./words.js";

/** @typedef {import("./replica.js").Row} Row */
/** @typedef {import("./replica.js").PartName} PartName */
/** @typedef {import("./due.js").Work} Work */

/** Where the server's markup of an answer begins. */
const BODY = '<div class="body prose">';
/** Attributes of a message that the page itself has set. */
const OURS = ["data-follows", "data-answers", "data-day", "data-new", "data-editing", "data-marked", "tabindex"];

export class Log {
  /** @type {Map<string, HTMLElement>} */
  #articles = new Map();
  /** What the page shows of growing texts, block by block: what the server sent, and the nodes that it became. @type {Map<string, { markup: string, nodes: ChildNode[] }[]>} */
  #shown = new Map();
  /** Messages of others that came after this place, while the reader was elsewhere. @type {Set<string>} */
  #unseen = new Set();
  #base = 0;

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
    this.#base = Number(element.dataset.head);
    for (const article of articles) {
      const { id = "", seq, rev, attempt, state = "" } = article.dataset;
      this.#articles.set(id, article);
      this.replica.seed({ id, seq: Number(seq), rev: Number(rev), attempt: Number(attempt), state });
    }

    this.follow = new Follow(this.box, this.list, () => this.moved(), signal);
    this.follow.whole = () => this.replica.to === Infinity;
    this.reading = new Reading(this, signal);
    this.arrange();
    this.extent = new Extent(this, signal);
    this.pill.addEventListener("click", () => this.latest(), { signal });
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
    this.extent.fit([Infinity]);
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
    // They stand in order, and those that wait to be sent are the last.
    let last = /** @type {HTMLElement | null} */ (this.list.lastElementChild);
    while (last && place(last) === Infinity) last = /** @type {HTMLElement | null} */ (last.previousElementSibling);
    return last ? place(last) : -Infinity;
  }

  /**
   * @param {Work} due
   * @returns {{ drawn: boolean, came: Row[] }} whether all of it could be drawn, and what others have said meanwhile
   */
  draw({ rows, parts, beyond }) {
    const { follow, replica } = this;
    follow.before();
    /** @type {Row[]} */
    const came = [];
    for (const row of [...[...rows.values()].map(({ row }) => row), ...beyond]) if (this.#counts(row)) came.push(row);
    this.reading.hears(came);
    this.extent.fit([...rows.values()].filter(({ row }) => !this.#articles.has(row.id)).map(({ row }) => row.seq));
    let drawn = true;
    // One message that cannot be drawn must not keep the others from being so.
    const attempt = (/** @type {() => void} */ draw) => {
      try {
        draw();
      } catch (error) {
        console.error(error);
        drawn = false;
      }
    };
    // A page of the room may have been fetched since, with a newer version.
    const stale = (/** @type {Row} */ row) => row.rev < (replica.rows.get(row.id)?.rev ?? 0);
    for (const { row, cleared } of rows.values()) if (replica.shows(row) && !stale(row)) attempt(() => this.#put(row, cleared));
    for (const { id, part, from } of parts.values()) attempt(() => this.#grow(id, part, from));
    if (rows.size > 0) this.arrange();
    // What only grows while the end is followed is not measured here: if it has become higher, the log's observer of sizes hears so.
    if (rows.size === 0 && beyond.length === 0 && follow.following) {
      follow.down();
    } else {
      follow.stay();
      this.moved();
    }
    if ([...rows.values()].some(({ row, before }) => before && isOpen(before.state) && !isOpen(row.state))) this.reading.ended();
    return { drawn, came };
  }

  /**
   * Whether a row is news: a message of somebody else that came after the page was last at its end.
   * @param {Row} row
   */
  #counts(row) {
    if (row.seq <= this.#base || row.author?.id === this.me) return false;
    if (row.state === "deleted") this.#unseen.delete(row.id);
    else if (!this.#unseen.has(row.id)) return this.#unseen.add(row.id);
    return false;
  }

  /**
   * Puts a row where it belongs.
   * @param {Row} row
   * @param {boolean} cleared
   */
  #put(row, cleared) {
    const [fresh, same] = this.#parse(row);
    if (!fresh) return;
    const old = this.#articles.get(row.id);
    if (!old) {
      this.#articles.set(row.id, fresh);
      return this.#insert(fresh);
    }
    const keep = isOpen(row.state) && !cleared;
    if (!keep) this.#end(row.id);
    this.#merge(old, fresh, keep, same);
    // It was pending, at the end; now it has its place.
    const next = /** @type {HTMLElement | null} */ (old.nextElementSibling);
    const last = /** @type {HTMLElement | null} */ (old.previousElementSibling);
    if ((next && place(next) < place(old)) || (last && place(last) > place(old))) this.#insert(old);
  }

  /**
   * The message that a row is. Of a reply that has just ended nearly all is drawn already: what is not to be compared need not be made.
   * @param {Row} row
   * @returns {[HTMLElement | null, number]} and how many nodes the page shows as they are, which it lacks at the beginning of its answer
   */
  #parse({ id, state, html = "" }) {
    const begin = html.indexOf(BODY) + BODY.length;
    let [at, same] = [begin, 0];
    if (!isOpen(state) && begin >= BODY.length) {
      for (const { markup, nodes } of this.#shown.get(`${id} answer`) ?? []) {
        if (!html.startsWith(markup, at)) break;
        at += markup.length;
        same += nodes.length;
      }
    }
    return [/** @type {HTMLElement | null} */ (parse(html.slice(0, begin) + html.slice(at)).firstElementChild), same];
  }

  /** @param {string} id of what grows no more */
  #end(id) {
    for (const part of ["answer", "reasoning"]) this.#shown.delete(`${id} ${part}`);
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
   * @param {number} same nodes that `fresh` lacks at the beginning of its answer
   */
  #merge(old, fresh, keep, same) {
    const focused = focusIn(old);
    copyAttributes(old, fresh, (name) => OURS.includes(name));
    const olds = new Map([...old.children].filter((child) => !(child instanceof HTMLElement && "local" in child.dataset)).map((child) => [slot(child), child]));
    /** @type {Element | null} */
    let last = null;
    for (const child of [...fresh.children]) {
      const known = olds.get(slot(child));
      olds.delete(slot(child));
      let now = child;
      if (known && slot(child) === "body") now = keep ? known : body(known, child, same);
      else if (known && slot(child) === "reasoning") now = reasoning(known, child, keep);
      else if (known && known.isEqualNode(child)) now = known;
      else if (known && slot(child) === "state") now = restate(known, child);
      else if (known) now = /** @type {Element} */ (morph(known, child));
      if (last ? last.nextElementSibling !== now : old.firstElementChild !== now) {
        if (last) last.after(now);
        else old.prepend(now);
      }
      last = now;
    }
    for (const gone of olds.values()) gone.remove();
    focused?.();
  }

  /**
   * Draws the blocks of a growing text from the first that changed.
   * @param {string} id
   * @param {PartName} part
   * @param {number} from
   */
  #grow(id, part, from) {
    const article = this.#articles.get(id);
    const container = article?.querySelector(part === "answer" ? ":scope > .body" : ":scope > .reasoning > .thought");
    if (!article || !container) return;
    const blocks = this.replica.blocks(id, part);
    const key = `${id} ${part}`;
    const known = this.#shown.get(key);
    const start = known ? Math.min(from, known.length) : 0;
    const old = known ? known.slice(start).flatMap(({ nodes }) => nodes) : blocksOf(container);
    const fresh = blocks.slice(start).map((markup) => ({ markup, nodes: blocksOf(parse(markup)) }));
    const focused = focusIn(article);
    const now = morphList(container, old, fresh.flatMap(({ nodes }) => nodes), null);
    let at = 0;
    for (const block of fresh) block.nodes = now.slice(at, (at += block.nodes.length));
    this.#shown.set(key, [...(known?.slice(0, start) ?? []), ...fresh]);
    focused?.();
  }

  arrange() {
    const { line } = this.reading;
    /** @type {HTMLElement | null} */
    let before = null;
    // Whether the line is in the window is known only where the window begins before it.
    let above = this.replica.from === 0 || (line !== null && this.replica.from <= line);
    for (const message of /** @type {HTMLCollectionOf<HTMLElement>} */ (this.list.children)) {
      const first = line !== null && above && place(message) > line && message.dataset.author !== this.me && message.dataset.seq !== undefined;
      if (first) above = false;
      arrange(message, before, first);
      before = message;
    }
    queues(this.list);
  }

  /** The line before what is new stands elsewhere. */
  redraw() {
    this.follow.before();
    this.arrange();
    this.follow.stay();
    this.moved();
  }

  /**
   * Shows messages that were fetched, with what has grown of them since.
   * @param {Row[]} rows
   */
  show(rows) {
    for (const row of rows) {
      if (!this.replica.shows(row)) continue;
      this.#put(row, false);
      for (const part of /** @type {PartName[]} */ (["answer", "reasoning"])) if (this.replica.blocks(row.id, part).length > 0) this.#grow(row.id, part, 0);
    }
  }

  /**
   * Takes a message out of the page.
   * @param {string} id
   * @param {HTMLElement} article
   */
  forget(id, article) {
    const focused = article.contains(document.activeElement);
    article.remove();
    this.#articles.delete(id);
    this.#end(id);
    if (focused) this.box.focus({ preventScroll: true });
  }

  // ---- moving

  /** The view has moved, or what is in it has changed. */
  moved() {
    const { pill, follow, replica } = this;
    const end = replica.to === Infinity && (follow.following || follow.distance < 1);
    if (end) {
      this.#base = Math.max(this.#base, this.newest);
      this.#unseen.clear();
    }
    const hidden = end || (this.#unseen.size === 0 && follow.distance < 400 && replica.to === Infinity);
    if (pill.hidden !== hidden) pill.hidden = hidden;
    const text = words.pill(this.#unseen.size);
    if (pill.textContent !== text) pill.textContent = text;
    this.reading.look();
    this.element.dispatchEvent(new CustomEvent("parlor-moved"));
  }

  /** Goes to the end of the room, wherever the window is. */
  async latest() {
    if (this.replica.to === Infinity) return this.follow.toEnd();
    const here = `/rooms/${this.room}`;
    const opened = await this.extent.open("");
    // The reader may have gone on meanwhile: what is said of the history then is another page's.
    if (opened === undefined || location.pathname !== here) return;
    if (!opened) return location.assign(here);
    history.replaceState(history.state, "", here);
    this.follow.following = true;
    this.follow.stay();
    this.moved();
  }
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
 * @param {number} same nodes at the beginning that stay as they are
 */
function body(old, fresh, same = 0) {
  morphList(old, blocksOf(old).slice(same), blocksOf(fresh), null);
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

/**
 * The buttons are new ones: none must become another under the finger that is about to press it.
 * @param {Element} old
 * @param {Element} fresh
 */
function restate(old, fresh) {
  copyAttributes(old, fresh);
  old.replaceChildren(...fresh.childNodes);
  return old;
}

/**
 * Remembers what has the focus within a message, so that what takes its place gets it, or at least the message.
 * @param {HTMLElement} message
 * @returns {(() => void) | undefined} to be called when the message has changed
 */
function focusIn(message) {
  const element = document.activeElement;
  if (!(element instanceof HTMLElement) || element === message || !message.contains(element)) return undefined;
  const same = [element.localName, ...["href", "data-act", "class"].filter((name) => element.hasAttribute(name)).map((name) => `[${name}="${CSS.escape(element.getAttribute(name) ?? "")}"]`)].join("");
  return () => {
    if (message.contains(document.activeElement)) return;
    // A button is not replaced by another one that happens to look alike: who was about to press it would press that.
    const next = element.localName === "button" ? null : message.querySelector(same);
    focus(next instanceof HTMLElement ? next : message);
  };
}

/**
 * Gives the focus to a message, or to something in it, without moving the view.
 * @param {HTMLElement} element
 */
export function focus(element) {
  if (element.matches(".message")) element.tabIndex = -1;
  element.focus({ preventScroll: true });
}
