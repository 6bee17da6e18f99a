// Who is in a room: a column beside the log, on a small screen a sheet, with who is here just now; and the line that says who writes.
//
// The list itself is a page of its own, of which this takes the middle. Without script the link leads to the room's settings.

import { parseDocument } from "./markup.js";
import { words } from "./words.js";

/** More names than this are not said of who writes. */
const NAMES = 2;
/** Somebody who hears the page is told that others write no more often, in ms. */
const SELDOM = 30_000;
/** So wide a page has room for a third column. */
const WIDE = "(min-width: 64rem)";

class RoomMembers extends HTMLElement {
  /** @type {AbortController | undefined} */
  #life;
  /** @type {Set<string>} */
  #here = new Set();
  /** @type {Map<string, string>} */
  #names = new Map();
  #told = -Infinity;
  #open = false;

  connectedCallback() {
    const room = (this.room = /** @type {HTMLElement} */ (this.closest("chat-room")));
    this.#life = new AbortController();
    const { signal } = this.#life;
    this.link = /** @type {HTMLElement} */ (room.querySelector(".room-who"));
    this.typing = /** @type {HTMLElement} */ (room.querySelector(".typing"));
    this.typing.hidden = false;
    for (const one of /** @type {NodeListOf<HTMLElement>} */ (/** @type {HTMLTemplateElement | null} */ (room.querySelector("template#people"))?.content.querySelectorAll("b") ?? [])) {
      this.#names.set(one.dataset.id ?? "", one.textContent ?? "");
    }
    this.link.setAttribute("role", "button");
    this.link.setAttribute("aria-expanded", "false");
    this.link.addEventListener("click", (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      if (this.#open) this.#close();
      else this.#show();
    }, { signal });
    this.link.addEventListener("keydown", (event) => { if (event.key === " ") { event.preventDefault(); this.link?.click(); } }, { signal });
    this.addEventListener("click", (event) => { if (event.target instanceof Element && event.target.closest("[data-close]")) this.#close(); }, { signal });
    this.addEventListener("toggle", (event) => { if (/** @type {ToggleEvent} */ (event).newState === "closed" && !matchMedia(WIDE).matches) this.#close(); }, { signal });
    matchMedia(WIDE).addEventListener("change", () => { if (this.#open) this.#close(); }, { signal });
    room.addEventListener("parlor-people", (event) => this.#heard(/** @type {CustomEvent} */ (event).detail), { signal });
    room.addEventListener("parlor-room", (event) => {
      const { members, assistants } = /** @type {CustomEvent} */ (event).detail;
      this.#names = new Map([...members, ...assistants].map(({ id, name }) => [id, name]));
      if (this.#open) this.#fetch();
    }, { signal });
    room.addEventListener("parlor-escape", (event) => {
      if (!this.#open || event.defaultPrevented) return;
      event.preventDefault();
      this.#close();
    }, { signal });
  }

  disconnectedCallback() {
    this.#life?.abort();
  }

  async #show() {
    this.#open = true;
    this.link?.setAttribute("aria-expanded", "true");
    if (!(await this.#fetch())) return location.assign(this.link?.getAttribute("href") ?? "");
    if (!this.#open) return;
    if (matchMedia(WIDE).matches) this.dataset.open = "";
    else if (!this.matches(":popover-open")) this.showPopover();
    const title = this.querySelector("h2");
    if (title) title.tabIndex = -1;
    title?.focus({ preventScroll: true });
  }

  #close() {
    const inside = this.contains(document.activeElement);
    this.#open = false;
    this.link?.setAttribute("aria-expanded", "false");
    delete this.dataset.open;
    if (this.matches(":popover-open")) this.hidePopover();
    this.replaceChildren();
    if (inside) this.link?.focus({ preventScroll: true });
  }

  async #fetch() {
    try {
      const answer = await fetch(`/rooms/${this.room?.dataset.room}/members`, { headers: { accept: "text/html" }, cache: "no-store", redirect: "error", signal: this.#life?.signal });
      const part = answer.ok ? parseDocument(await answer.text()).querySelector(".members-list") : null;
      if (!part) return false;
      const fresh = document.adoptNode(part);
      this.replaceChildren(fresh);
      this.#mark();
      return true;
    } catch {
      return this.#life?.signal.aborted ?? false;
    }
  }

  /** @param {{ here: string[], typing: string[] }} people */
  #heard({ here, typing }) {
    this.#here = new Set(here);
    this.#mark();
    const names = typing.filter((id) => id !== this.room?.dataset.me).map((id) => this.#names.get(id)).filter((name) => name !== undefined);
    const text = names.length > NAMES ? words.manyType : names.length > 0 ? words.types(names) : "";
    if (!this.typing || this.typing.textContent === text) return;
    this.typing.textContent = text;
    // Seen at once, heard now and then.
    const heard = text !== "" && performance.now() - this.#told > SELDOM;
    if (heard) this.#told = performance.now();
    this.typing.setAttribute("aria-live", heard ? "polite" : "off");
  }

  #mark() {
    for (const row of /** @type {NodeListOf<HTMLElement>} */ (this.querySelectorAll("[data-person]"))) {
      const here = this.#here.has(row.dataset.person ?? "");
      row.toggleAttribute("data-here", here);
      const says = row.querySelector(".is-here");
      if (says) says.textContent = here ? words.isHere : "";
    }
  }
}

customElements.define("room-members", RoomMembers);
