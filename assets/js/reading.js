// What the reader of a room has read: what was on screen for a moment, in a window that they look at. And where what is new begins:
// one line that stands until they have read past it and come back.

import { clockWords } from "./times.js";
import { call } from "./call.js";
import { ReadMark } from "./mark.js";
import { firstBelow } from "./scroll.js";
import { words } from "./words.js";

/** On screen for so long means read, in ms. */
const MOMENT = 500;

/** Nothing was shown in this document yet. */
let first = true;

export class Reading {
  /** What comes after this place is new; null where nothing is. @type {number | null} */
  line = null;
  /** The line has been in sight, or was sent away. */
  #met = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #was = true;
  /** Something was made unread again: until the reader comes back, looking at it does not read it. */
  #resting = false;
  #heard = -Infinity;

  /**
   * @param {import("./log.js").Log} log
   * @param {AbortSignal} signal
   */
  constructor(log, signal) {
    this.log = log;
    const { element, room, me } = log;
    const { read, head } = element.dataset;
    this.bar = /** @type {HTMLElement | null} */ (element.querySelector(".unread"));
    this.mark = new ReadMark(Number(read ?? head), {
      tell: async (seq) => {
        if (read === undefined) return true;
        const { ok, status } = await call("POST", `/api/rooms/${room}/read`, { body: { seq }, as: me });
        return ok || (status >= 400 && status < 500 && status !== 429);
      },
      later: (then, ms) => setTimeout(then, ms),
      now: () => performance.now(),
    });
    // A reload is no coming back.
    const [navigation] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
    const kept = first && navigation?.type === "reload" ? history.state?.line : undefined;
    first = false;
    this.line = kept !== undefined ? kept : this.bar?.dataset.first ? Number(read) : null;
    history.replaceState({ ...history.state, line: this.line }, "");
    this.#was = this.present;
    const changed = () => this.#changed();
    document.addEventListener("visibilitychange", changed, { signal });
    for (const event of ["focus", "blur"]) window.addEventListener(event, changed, { signal });
    for (const event of ["toggle", "close"]) document.addEventListener(event, changed, { signal, capture: true });
    this.bar?.addEventListener("click", (event) => this.#click(event), { signal });
    document.addEventListener("parlor-rooms", (event) => {
      const line = /** @type {CustomEvent<Map<string, { read: number, unread: number }>>} */ (event).detail.get(room);
      if (line) this.told(line);
    }, { signal });
    signal.addEventListener("abort", () => clearTimeout(this.#timer));
  }

  /** Whether somebody looks at this page, and nothing stands in front of it. */
  get present() {
    return document.visibilityState === "visible" && document.hasFocus() && !document.querySelector("dialog:modal, .side:popover-open");
  }

  /** The message under the line, if it is in the page. */
  get first() {
    return /** @type {HTMLElement[]} */ ([...this.log.list.children]).find((message) => message.dataset.new !== undefined) ?? null;
  }

  /**
   * Others have said something, and it is not on screen yet. What comes while nobody looks is new to whoever comes back.
   * @param {import("./replica.js").Row[]} rows
   */
  hears(rows) {
    if (rows.length === 0 || this.line !== null || this.present) return;
    this.#draw(Math.min(this.mark.read, Math.min(...rows.map(({ seq }) => seq)) - 1), false);
  }

  /** The view has moved, or what is in it has changed. */
  look() {
    this.#showBar();
    if (this.#timer !== undefined || this.#resting || this.log.newest <= this.mark.read || !this.present) return;
    const seen = this.#seen();
    if (seen <= this.mark.read) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (!this.present) return;
      this.mark.saw(Math.min(seen, this.#seen()));
      this.look();
    }, MOMENT);
  }

  /** All of it has been read: the reader says so. */
  all() {
    this.mark.saw(Math.max(Number(this.log.element.dataset.seq), this.log.newest));
    this.mark.again();
    this.#draw(null);
  }

  /** A reply that is in view has ended: until now the server did not count it as read. */
  ended() {
    this.#remind();
  }

  /**
   * What the server says of this room in a `rooms` frame: read in another tab, or made unread again.
   * @param {{ read: number, unread: number }} room
   */
  told({ read, unread }) {
    const back = read < this.#heard;
    this.#heard = read;
    if (back) {
      this.#resting = true;
      this.mark.knows(read);
      return this.#draw(read);
    }
    if (read > this.mark.read) this.mark.knows(read);
    // What else comes at this moment is drawn first: whoever asks now where things stand has all of it laid out twice.
    if (unread > 0) setTimeout(() => this.#remind(), MOMENT);
  }

  /** What is in view is said to be read once more. */
  #remind() {
    if (this.log.element.isConnected && !this.#resting && this.present && this.#seen() >= this.mark.read) this.mark.again();
  }

  /** The place of the last message whose end is in view. */
  #seen() {
    const { box, list } = this.log;
    const { top } = box.getBoundingClientRect();
    const children = /** @type {HTMLCollectionOf<HTMLElement>} */ (list.children);
    for (let at = firstBelow(list.children, top + box.clientHeight + 1) - 1; at >= 0; at--) {
      if (children[at].getBoundingClientRect().bottom < top) return -Infinity;
      if (children[at].dataset.seq !== undefined) return Number(children[at].dataset.seq);
    }
    return -Infinity;
  }

  #changed() {
    const { present } = this;
    if (present === this.#was) return;
    this.#was = present;
    if (!present) return;
    this.#resting = false;
    // Whoever has read past the line and comes back finds it gone, or before what has come since.
    const first = this.first;
    if (this.line !== null && first && Number(first.dataset.seq) <= this.mark.read) {
      const more = [...this.log.list.children].some((message) => message instanceof HTMLElement && Number(message.dataset.seq) > this.mark.read && message.dataset.author !== this.log.me);
      this.#draw(more ? this.mark.read : null);
    }
    this.look();
  }

  /**
   * @param {number | null} line
   * @param {boolean} [now]
   */
  #draw(line, now = true) {
    this.line = line;
    this.#met = false;
    if (location.pathname === `/rooms/${this.log.room}`) history.replaceState({ ...history.state, line }, "");
    // What the server has said of what is new was of the line before.
    if (this.bar) for (const name of ["count", "since", "first"]) delete this.bar.dataset[name];
    if (now) this.log.redraw();
  }

  /** Above the view, or above what is in the page, begins something new. */
  #showBar() {
    const { bar, line, log } = this;
    if (!bar) return;
    if (line === null) {
      this.#met = true;
      if (!bar.hidden) bar.hidden = true;
      return;
    }
    const { first } = this;
    const top = log.box.getBoundingClientRect().top;
    const at = first ? first.getBoundingClientRect().top - top : -Infinity;
    if (first && at >= 0 && at < log.box.clientHeight) this.#met = true;
    const { count, since } = bar.dataset;
    const news = /** @type {HTMLElement[]} */ (first && !count ? [...log.list.children].filter((message) => message instanceof HTMLElement && Number(message.dataset.seq) > Number(line) && message.dataset.author !== log.me) : []);
    const many = Number(count ?? news.length);
    bar.hidden = this.#met || at > 0 || many === 0;
    if (bar.hidden) return;
    const link = /** @type {HTMLElement} */ (bar.querySelector("a"));
    const text = words.unread(many, clockWords(Number(since ?? first?.dataset.at)));
    if (link.textContent !== text) link.textContent = text;
  }

  /** @param {MouseEvent} event */
  async #click(event) {
    const { bar, log } = this;
    if (!bar || !(event.target instanceof Element)) return;
    event.preventDefault();
    if (event.target.closest("button")) return this.all();
    this.#met = true;
    const id = bar.dataset.first;
    const opened = this.first ? true : id ? await log.extent.open(`around=${id}`) : false;
    if (opened === undefined) return;
    if (!opened) return location.assign(/** @type {HTMLAnchorElement} */ (bar.querySelector("a")).href);
    // A little of what was read before stays in sight above it.
    if (this.first) log.follow.show(this.first, log.box.clientHeight / 4);
  }
}
