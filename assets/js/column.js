// The third column of a room: a page of this server beside the log, on a small screen in a sheet over it. There is one, for whatever wants it.
//
// A link in the room with `data-column` leads to a page that is whole without script; pressed plainly, it opens here that element of the page
// which has `data-column-part="NAME"`. The part has one `h2 tabindex="-1"`, which names the column and gets the focus unless something in the
// part has `autofocus`, and a button with `data-close`. The link is `aria-expanded` meanwhile, closes the column when it is pressed again, and
// gets the focus back. Escape closes too. What cannot be shown is gone to, as by any link.
//
// Inside, such links and forms (GET) replace the part; a part of the same name is changed in place, so that a field keeps its text and focus.
// A form asks after a pause in typing. A link with `data-column="more"` adds what its page has in `[data-column-rows]`, and takes over what that
// page has in its own place; arrows lead through the rows' links, from a search field on. A part with `data-column-stays` goes along when another
// room comes, where there is room for it, and is there again as it was left when it is opened anew.
// After each change the column says `parlor-column`, which bubbles; `refresh` asks for the same again.

import { onKey } from "./ime.js";
import { localise } from "./times.js";
import { morph, parseDocument } from "./markup.js";
import { words } from "./words.js";

/** So wide a page has room for a third column. */
const WIDE = matchMedia("(min-width: 64rem)");
/** A form asks when nothing was typed for so long, in ms. */
const PAUSE = 200;

/** What was shown last of each kind that stays, by the path of the link to it. @type {Map<string, string>} */
const last = new Map();
/** What goes along from the room that is left to the one that comes. @type {{ part: Element, address: string, path?: string, top: number } | null} */
let along = null;

export class RoomColumn extends HTMLElement {
  /** @type {AbortController | undefined} */
  #life;
  /** @type {AbortController | undefined} */
  #under;
  /** @type {HTMLAnchorElement | null} */
  #opener = null;
  #address = "";
  #top = 0;
  /** @type {any} */
  #pause;

  connectedCallback() {
    const room = (this.room = /** @type {HTMLElement} */ (this.closest("chat-room")));
    this.#life = new AbortController();
    const { signal } = this.#life;
    const openers = /** @type {NodeListOf<HTMLAnchorElement>} */ (room.querySelectorAll(".room-head [data-column]"));
    for (const link of openers) {
      link.setAttribute("role", "button");
      link.setAttribute("aria-expanded", "false");
    }
    room.addEventListener("click", (event) => this.#click(event), { signal });
    onKey(room, (event) => {
      if (event.key !== " " || !(event.target instanceof HTMLElement) || !event.target.matches("a[data-column][role=button]")) return;
      event.preventDefault();
      event.target.click();
    }, { signal });
    onKey(this, (event) => {
      const step = event.altKey ? 0 : { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const all = /** @type {HTMLElement[]} */ ([...this.querySelectorAll("[type=search], [data-column-rows] a")]);
      const at = all.indexOf(/** @type {HTMLElement} */ (event.target));
      if (!step || at < 0) return;
      event.preventDefault();
      all[at + step]?.focus();
    }, { signal });
    this.addEventListener("submit", (event) => {
      const form = /** @type {HTMLFormElement} */ (event.target);
      if (!form.matches("[data-column]")) return;
      event.preventDefault();
      this.#load(`${form.action}?${new URLSearchParams(/** @type {any} */ (new FormData(form)))}`, () => this.#say(words.unreachable));
    }, { signal });
    for (const what of ["input", "compositionend"]) {
      this.addEventListener(what, (event) => {
        clearTimeout(this.#pause);
        const form = /** @type {Element} */ (event.target).closest("form");
        if (form?.matches("[data-column]") && !(/** @type {InputEvent} */ (event).isComposing)) this.#pause = setTimeout(() => form.requestSubmit(), PAUSE);
      }, { signal });
    }
    this.addEventListener("scroll", () => { this.#top = this.scrollTop; }, { signal, passive: true });
    this.addEventListener("toggle", (event) => { if (/** @type {ToggleEvent} */ (event).newState === "closed" && !WIDE.matches) this.#close(); }, { signal });
    WIDE.addEventListener("change", () => this.#close(), { signal });
    room.addEventListener("parlor-escape", (event) => {
      if (!this.#address || event.defaultPrevented) return;
      event.preventDefault();
      this.#close();
    }, { signal });
    if (!along || !WIDE.matches) return;
    this.#opener = [...openers].find(({ pathname }) => pathname === along?.path) ?? null;
    this.#address = along.address;
    this.replaceChildren(along.part);
    this.#show();
    this.scrollTop = along.top;
  }

  disconnectedCallback() {
    const part = this.firstElementChild;
    if (part?.matches("[data-column-stays]") && WIDE.matches) {
      along = { part, address: this.#address, path: this.#opener?.pathname, top: this.#top };
      // The room that comes is here at once, or none is.
      setTimeout(() => { along = null; });
    }
    this.#life?.abort();
    this.#under?.abort();
    clearTimeout(this.#pause);
  }

  /** Name of the part that is shown; empty where the column is closed. */
  get shows() {
    return /** @type {HTMLElement | null} */ (this.firstElementChild)?.dataset.columnPart ?? "";
  }

  /** Asks for what is shown again, and leaves it where that fails. */
  refresh() {
    if (this.#address) this.#load(this.#address, () => {});
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const { target } = event;
    if (!(target instanceof Element) || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = /** @type {HTMLAnchorElement | null} */ (target.closest("a[href]"));
    const inside = this.contains(target);
    // Who goes somewhere from a sheet wants to see it.
    if (inside && (target.closest("[data-close]") || (link && !link.matches("[data-column]") && !WIDE.matches))) return this.#close();
    if (!link?.matches("[data-column]") || event.defaultPrevented) return;
    event.preventDefault();
    if (link === this.#opener) return this.#close();
    const plainly = () => location.assign(link.href);
    if (link.dataset.column === "more") return this.#load(link.href, plainly, link);
    if (!inside) this.#opens(link);
    this.#load((inside ? null : last.get(link.pathname)) ?? link.href, plainly);
  }

  /** @param {HTMLAnchorElement | null} opener */
  #opens(opener) {
    this.#opener?.setAttribute("aria-expanded", "false");
    this.#opener = opener;
    opener?.setAttribute("aria-expanded", "true");
  }

  /**
   * Only the last that is asked for is shown.
   * @param {string} address
   * @param {() => void} failed
   * @param {Element} [more] after which rows are added
   */
  async #load(address, failed, more) {
    clearTimeout(this.#pause);
    this.#under?.abort();
    const { signal } = (this.#under = new AbortController());
    if (!more) this.#address = address;
    try {
      const answer = await fetch(address, { headers: { accept: "text/html" }, cache: "no-store", redirect: "error", signal });
      const part = answer.ok ? parseDocument(await answer.text()).querySelector("[data-column-part]") : null;
      if (signal.aborted) return;
      if (!part) throw new Error(`${address} has no part for the column`);
      localise(part);
      this.#take(/** @type {HTMLElement} */ (document.adoptNode(part)), more);
    } catch {
      if (!signal.aborted) failed();
    }
  }

  /**
   * @param {HTMLElement} part
   * @param {Element} [more]
   */
  #take(part, more) {
    const old = this.firstElementChild;
    if (more) {
      const rows = [...(part.querySelector("[data-column-rows]")?.children ?? [])];
      this.querySelector("[data-column-rows]")?.append(...rows);
      const next = part.querySelector("[data-column=more]");
      if (next) more.replaceWith(next);
      else more.remove();
      /** @type {HTMLElement | null | undefined} */ (rows[0]?.querySelector("a"))?.focus();
    } else if (old && this.shows === part.dataset.columnPart) {
      morph(old, part);
    } else {
      this.replaceChildren(part);
      this.#show();
      this.scrollTop = 0;
      const field = /** @type {HTMLInputElement | null} */ (part.querySelector("[autofocus]"));
      (field ?? part.querySelector("h2"))?.focus({ preventScroll: true });
      field?.select();
    }
    if (this.#opener && "columnStays" in part.dataset) last.set(this.#opener.pathname, this.#address);
    this.dispatchEvent(new CustomEvent("parlor-column", { bubbles: true }));
  }

  #show() {
    this.setAttribute("aria-label", this.querySelector("h2")?.textContent ?? "");
    this.#opens(this.#opener);
    if (!WIDE.matches) return this.matches(":popover-open") || this.showPopover();
    this.dataset.open = "";
    this.room?.toggleAttribute("data-three", true);
  }

  #close() {
    if (!this.#address) return;
    const inside = this.contains(document.activeElement);
    const opener = this.#opener;
    this.#under?.abort();
    clearTimeout(this.#pause);
    this.#address = "";
    this.#opens(null);
    delete this.dataset.open;
    this.room?.removeAttribute("data-three");
    if (this.matches(":popover-open")) this.hidePopover();
    this.replaceChildren();
    if (inside) opener?.focus({ preventScroll: true });
  }

  /** @param {string} text */
  #say(text) {
    const status = this.querySelector("[role=status]");
    if (status) status.textContent = text;
  }
}

customElements.define("room-column", RoomColumn);
