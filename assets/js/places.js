// Where in a room the reader is: links to messages, the way back, and finding the place again after a reload. And walking through
// the messages by keyboard.
//
// Each entry of the history remembers the message at the top of the view and how far from the edge it stood.

import { focus } from "./log.js";

/** Nothing has moved for so long: the place is worth remembering, in ms. */
const REST = 250;
/** What a key scrolls of the view's height, or in CSS pixels. */
const SCREEN = 0.875;
const LINE = 40;

export class Places {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {import("./log.js").Log} log
   * @param {boolean} atEnd whether the page was drawn from its end
   * @param {AbortSignal} signal
   */
  constructor(log, atEnd, signal) {
    this.log = log;
    const { element, box } = log;
    this.#begin(atEnd);
    element.addEventListener("parlor-moved", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.keep(), REST);
    }, { signal });
    window.addEventListener("pagehide", () => this.keep(), { signal });
    window.addEventListener("popstate", () => this.#back(), { signal });
    element.addEventListener("click", (event) => this.#click(event), { signal });
    document.addEventListener("keydown", (event) => this.#key(event), { signal });
    // Escape, when nothing was left to be closed.
    element.addEventListener("parlor-escape", (event) => {
      if (event.defaultPrevented || document.querySelector(":popover-open")) return;
      log.reading.all();
      if (box.contains(document.activeElement)) /** @type {HTMLElement | null} */ (element.querySelector("#text"))?.focus();
    }, { signal });
    signal.addEventListener("abort", () => clearTimeout(this.#timer));
  }

  /** Remembers where the reader is. */
  keep() {
    clearTimeout(this.#timer);
    // The history may be somewhere else already, while that page is on its way.
    if (!this.#here) return;
    const place = this.log.follow.place;
    // A message that waits to be sent is not there after a reload.
    const log = place?.message.dataset.id ? { id: place.message.dataset.id, top: place.top } : this.log.follow.following ? { end: true } : undefined;
    if (log) history.replaceState({ ...history.state, log }, "");
  }

  /** Whether this entry of the history is of this room. */
  get #here() {
    return location.pathname === `/rooms/${this.log.room}`;
  }

  /** @param {boolean} atEnd */
  #begin(atEnd) {
    const { follow, element } = this.log;
    const kept = history.state?.log;
    const named = location.hash.slice(3) || element.dataset.around;
    const first = named ? this.log.get(named) : undefined;
    if (kept) return this.#return(kept);
    if (first) {
      this.#arrive(first, location.hash !== "");
      // Until everything is loaded the browser goes to the named message by its own rules.
      if (document.readyState !== "complete") window.addEventListener("load", () => { if (first.isConnected) follow.show(first); }, { once: true });
      return;
    }
    follow.following = atEnd && follow.whole();
    follow.stay();
  }

  /**
   * Goes to a message, with a way back. One that is not here is fetched.
   * @param {string} id
   * @param {string} address
   */
  async jump(id, address) {
    const { log } = this;
    this.keep();
    if (!log.get(id) && (await log.extent.open(`around=${encodeURIComponent(id)}`)) === undefined) return;
    // The reader may have gone on meanwhile: what is said of the history then is another page's.
    if (!this.#here) return;
    const message = log.get(id);
    if (!message) return location.assign(address);
    history.pushState({ line: log.reading.line }, "", address);
    this.#arrive(message, true);
    this.keep();
  }

  /**
   * @param {HTMLElement} message
   * @param {boolean} focused
   */
  #arrive(message, focused) {
    this.log.follow.show(message);
    for (const marked of this.log.list.querySelectorAll("[data-marked]")) marked.removeAttribute("data-marked");
    // Without a look in between, a mark that is set again would not begin again.
    void message.offsetWidth;
    message.dataset.marked = "";
    if (focused) focus(message);
  }

  #back() {
    if (!this.#here) return;
    if (!this.#here) return;
    const kept = history.state?.log;
    if (kept) return this.#return(kept);
    // An address that was written by hand.
    const id = location.hash.slice(3);
    const message = this.log.get(id);
    if (message) this.#arrive(message, true);
  }

  /** @param {{ id?: string, top?: number, end?: boolean }} kept */
  async #return({ id, top, end }) {
    const { log } = this;
    if (end || !id) {
      if (!log.follow.whole()) return log.latest();
      log.follow.following = true;
      return log.follow.stay();
    }
    if (!log.get(id)) await log.extent.open(`around=${id}`);
    const message = log.get(id);
    if (message) log.follow.show(message, top);
  }

  /**
   * Links to messages do not leave the page.
   * @param {MouseEvent} event
   */
  #click(event) {
    if (!(event.target instanceof Element) || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || event.defaultPrevented) return;
    const link = /** @type {HTMLAnchorElement | null} */ (event.target.closest("a[href*='#m-']"));
    if (!link || link.pathname !== `/rooms/${this.log.room}`) return;
    event.preventDefault();
    this.jump(link.hash.slice(3), link.href);
  }

  // ---- keys

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.defaultPrevented || event.isComposing || event.keyCode === 229 || event.ctrlKey || event.metaKey) return;
    const { key, altKey, shiftKey } = event;
    const on = event.target instanceof HTMLElement ? event.target : document.body;
    const writes = on.isContentEditable || on.matches("textarea, input, select");
    const inLog = this.log.box.contains(on);
    const step = altKey ? { PageUp: -1, PageDown: 1 }[key] : inLog && !writes && !shiftKey ? { k: -1, j: 1 }[key] : undefined;
    if (step) this.#walk(step);
    else if (altKey || shiftKey || !this.#scroll(key, on, writes)) return;
    event.preventDefault();
  }

  /**
   * To the message before or after the one that has the focus; at first to the last one in view.
   * @param {number} step
   */
  #walk(step) {
    const { box, list, follow } = this.log;
    const from = /** @type {HTMLElement | null | undefined} */ (document.activeElement?.closest(".messages > .message"));
    const view = box.getBoundingClientRect();
    const inView = () => /** @type {HTMLElement | undefined} */ ([...list.children].findLast((message) => message.getBoundingClientRect().top < view.top + box.clientHeight));
    const to = /** @type {HTMLElement | null | undefined} */ (from ? (step < 0 ? from.previousElementSibling : from.nextElementSibling) : inView());
    if (!to) return;
    const { top, bottom, height } = to.getBoundingClientRect();
    const below = bottom - view.top - box.clientHeight;
    if (top < view.top || height > box.clientHeight) follow.scroll(top - view.top - LINE);
    else if (below > 0) follow.scroll(Math.min(below + LINE, top - view.top));
    focus(to);
  }

  /**
   * Keys that scroll do so wherever the focus is, as long as nothing else needs them.
   * @param {string} key
   * @param {HTMLElement} on
   * @param {boolean} writes
   */
  #scroll(key, on, writes) {
    const { box, element, follow } = this.log;
    const nowhere = on === document.body || on.matches("main, chat-room");
    const pages = writes && on.id === "text" && element.contains(on);
    const by = { PageUp: -SCREEN, PageDown: SCREEN }[key];
    if (by && (nowhere || pages)) return follow.scroll(by * box.clientHeight);
    if (!nowhere) return false;
    const line = { ArrowUp: -LINE, ArrowDown: LINE }[key];
    if (line) return follow.scroll(line);
    if (key === "Home") return follow.scroll(-box.scrollTop);
    if (key === "End") return follow.scroll(box.scrollHeight);
    return false;
  }
}
