// The list of rooms beside every page: the server draws it whole, and here it goes on living, by what the stream says of all rooms.
//
// It tells the page with `parlor-rooms` on the document, whenever something has changed, and keeps the lines for whoever asks.
// Nothing in it changes places under the mouse or the focus: the order is put right when both have left.

import { clone } from "./actions.js";
import { call } from "./call.js";
import { localStorageIfAny } from "./draft.js";
import { MOST, byActivity, groupOf, merge, nextOf } from "./roster.js";
import { words } from "./words.js";

/** @typedef {import("./roster.js").RoomLine} RoomLine */

/** Room of the page that is shown; empty where it shows none. */
export const here = () => /** @type {HTMLElement | null} */ (document.querySelector("chat-room"))?.dataset.room ?? "";

/** @param {number} count */
export const shown = (count) => (count >= MOST ? `${MOST - 1}+` : String(count));

/** What has come is drawn so much later, in ms: that of which it speaks comes at the same moment, and the reader looks there. */
const LATER = 30;

export class Sidebar {
  /** @type {Map<string, RoomLine>} */
  lines;
  #late = false;
  #scheduled = false;
  /** What each item shows. @type {WeakMap<HTMLElement, RoomLine>} */
  #drawn = new WeakMap();

  /**
   * @param {HTMLElement} nav
   * @param {string} me
   */
  constructor(nav, me) {
    this.nav = nav;
    this.me = me;
    this.lines = new Map(this.#items().map((item) => [item.dataset.room ?? "", lineOf(item)]));
    this.#fold();
    this.#sheet();
    nav.addEventListener("submit", (event) => this.#star(event));
    for (const left of ["pointerleave", "focusout"]) nav.addEventListener(left, () => { if (this.#late) setTimeout(() => this.#draw()); });
    this.arrive();
  }

  /** @param {{ all?: boolean, rooms: RoomLine[], gone?: string[] }} frame */
  heard(frame) {
    this.lines = merge(this.lines, frame);
    document.dispatchEvent(new CustomEvent("parlor-rooms", { detail: this.lines }));
    // Where nobody looks timers are slow, and drawing costs nothing.
    if (document.hidden) return this.#draw();
    // Before a frame, not between two: nothing asks there where things stand.
    if (!this.#scheduled) setTimeout(() => requestAnimationFrame(() => this.#draw()), LATER);
    this.#scheduled = true;
  }

  /** Another page is shown. */
  arrive() {
    const room = here() || (/^\/rooms\/([0-9a-f-]{36})/.exec(location.pathname)?.[1] ?? "");
    for (const link of this.nav.querySelectorAll("a[href]")) {
      const current = link instanceof HTMLElement && (link.dataset.room ? link.dataset.room === room : link.getAttribute("href") === location.pathname);
      if (current) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (!this.nav.matches(":popover-open")) return;
    this.nav.hidePopover();
    // It says so later than what has come wants the focus.
    const main = document.getElementById("main");
    if (main) main.inert = false;
  }

  /** The rooms, the latest first. */
  get latest() {
    return [...this.lines.values()].sort(byActivity);
  }

  /**
   * The room above or below the one that is shown, as the list stands.
   * @param {1 | -1} step
   * @param {boolean} unread
   */
  next(step, unread) {
    const items = this.#items().map(({ dataset: { room = "" } }) => ({ id: room, unread: (this.lines.get(room)?.unread ?? 0) > 0 }));
    return nextOf(items, here(), step, unread)?.id;
  }

  #items() {
    return /** @type {HTMLElement[]} */ ([...this.nav.querySelectorAll("li[data-room]")]);
  }

  #draw() {
    this.#scheduled = false;
    const items = new Map(this.#items().map((item) => [item.dataset.room ?? "", item]));
    // The mouse or the focus may be on one of them.
    const still = this.nav.matches(":hover, :focus-within") && !this.nav.matches(":popover-open");
    this.#late = false;
    for (const [id, item] of items) if (!this.lines.has(id)) item.remove();
    for (const group of /** @type {NodeListOf<HTMLElement>} */ (this.nav.querySelectorAll("[data-group]"))) {
      const list = /** @type {HTMLElement} */ (group.querySelector("ul"));
      const lines = this.latest.filter((line) => groupOf(line) === group.dataset.group);
      /** @type {Element | null} */
      let last = null;
      for (const line of lines) {
        const known = items.get(line.id);
        const item = known ?? clone(document, "side-item");
        if (this.#drawn.get(item) !== line) fill(item, line);
        this.#drawn.set(item, line);
        const placed = known?.parentElement === list;
        if (!placed || (!still && (last ? last.nextElementSibling !== item : list.firstElementChild !== item))) {
          // Moving takes the focus away.
          const focused = item.contains(document.activeElement) ? document.activeElement : null;
          if (last) last.after(item);
          else list.prepend(item);
          if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
        } else if (still && last && last.nextElementSibling !== item) {
          this.#late = true;
        }
        last = item;
      }
      group.hidden = list.childElementCount === 0 && group.dataset.group !== "rooms";
    }
  }

  /** What is folded stays so on this device. */
  #fold() {
    const store = localStorageIfAny();
    for (const group of /** @type {NodeListOf<HTMLDetailsElement>} */ (this.nav.querySelectorAll("details[data-group]"))) {
      const key = `parlor.folded.${group.dataset.group}`;
      if (store?.getItem(key)) group.open = false;
      group.addEventListener("toggle", () => {
        if (group.open) store?.removeItem(key);
        else store?.setItem(key, "1");
      });
    }
  }

  /** On a phone the list is a sheet: while it is open, nothing beside it can be reached. */
  #sheet() {
    const main = document.getElementById("main");
    this.nav.addEventListener("toggle", (event) => {
      if (event.target !== this.nav || !main) return;
      const open = /** @type {ToggleEvent} */ (event).newState === "open";
      main.inert = open;
      if (open) /** @type {HTMLElement | null} */ (this.nav.querySelector("[aria-current]"))?.focus();
    });
    // A screen that has become wide has no sheet.
    matchMedia("(min-width: 48rem)").addEventListener("change", () => { if (this.nav.matches(":popover-open")) this.nav.hidePopover(); });
  }

  /** @param {SubmitEvent} event */
  async #star(event) {
    const form = /** @type {HTMLFormElement} */ (event.target);
    const line = this.lines.get(/** @type {HTMLElement | null} */ (form.closest("li[data-room]"))?.dataset.room ?? "");
    if (!form.matches(".side-star") || !line) return;
    event.preventDefault();
    const favourite = !line.favourite;
    // As if it were done, since it nearly always is.
    this.heard({ rooms: [{ ...line, favourite }] });
    this.#draw();
    const { ok } = await call(favourite ? "PUT" : "DELETE", `/api/rooms/${line.id}/favourite`, { as: this.me });
    const now = this.lines.get(line.id);
    if (!ok && now) this.heard({ rooms: [{ ...now, favourite: !favourite }] });
  }
}

/**
 * What the server has drawn of a room.
 * @param {HTMLElement} item
 * @returns {RoomLine}
 */
function lineOf({ dataset, children: [link] }) {
  return {
    id: dataset.room ?? "",
    name: link.querySelector(".side-name")?.textContent ?? "",
    kind: dataset.kind === "direct" ? "direct" : "room",
    private: "private" in dataset,
    head: 0,
    at: Number(dataset.at),
    read: 0,
    unread: Number(dataset.unread ?? 0),
    mentions: Number(dataset.mentions ?? 0),
    favourite: "favourite" in dataset,
    writing: "writing" in dataset,
  };
}

/**
 * @param {HTMLElement} item
 * @param {RoomLine} line
 */
function fill(item, line) {
  const { id, name, kind, unread, mentions, favourite, writing } = line;
  const set = (/** @type {string} */ key, /** @type {string | false} */ value) => {
    if (value === false) delete item.dataset[key];
    else if (item.dataset[key] !== value) item.dataset[key] = value;
  };
  set("room", id);
  set("kind", kind);
  set("at", String(line.at));
  set("unread", unread > 0 && String(unread));
  set("mentions", mentions > 0 && String(mentions));
  set("private", line.private && "");
  set("favourite", favourite && "");
  set("writing", writing && "");
  const write = (/** @type {string} */ where, /** @type {string} */ text) => {
    const element = /** @type {HTMLElement} */ (item.querySelector(where));
    if (element.textContent !== text) element.textContent = text;
    return element;
  };
  write(".side-name", name);
  const count = kind === "direct" ? unread : mentions;
  write(".side-badge", count > 0 ? shown(count) : "").hidden = count === 0;
  write(".side-says", words.line(line));
  const link = /** @type {HTMLAnchorElement} */ (item.querySelector("a"));
  if (link.dataset.room !== id) {
    link.dataset.room = id;
    link.href = `/rooms/${id}`;
    if (id === here()) link.setAttribute("aria-current", "page");
  }
  const use = /** @type {Element} */ (item.querySelector("use"));
  const icon = (use.getAttribute("href") ?? "").replace(/#.*/, `#${kind === "direct" ? "talk" : line.private ? "lock" : "room"}`);
  if (use.getAttribute("href") !== icon) use.setAttribute("href", icon);
  const form = /** @type {HTMLFormElement} */ (item.querySelector("form"));
  form.action = `/rooms/${id}/favourite`;
  /** @type {HTMLInputElement} */ (form.querySelector("input")).value = String(!favourite);
  const star = /** @type {HTMLElement} */ (form.querySelector("button"));
  star.setAttribute("aria-pressed", String(favourite));
  star.setAttribute("aria-label", words.favourite(name));
}
