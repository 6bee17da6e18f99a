// A list above a field that completes what is being written there: a combobox whose list takes the keys only while it is open, and
// never those of an input method.

import { onKey } from "./ime.js";

/**
 * @typedef {Object} Offer one line of the list
 * @property {string} label
 * @property {string} [sign] an emoji or the like, before it
 * @property {string} [hint] behind it
 * @property {string} insert what takes the place of what was written
 * @property {() => void} [taken]
 */
/** @typedef {{ from: number, offers: Offer[] }} Found */

let count = 0;

export class Picker {
  /** @type {Found | null} */
  #found = null;
  #at = 0;
  #turn = 0;
  /** Where the list was sent away; it stays so until something else is written. */
  #closedAt = -1;
  /** What was taken last, and the text since: whom it names is settled, though a longer name may begin so too. */
  #taken = { from: -1, value: "" };

  /**
   * @param {HTMLTextAreaElement | HTMLInputElement} field
   * @param {HTMLElement} host the list stands above it
   * @param {(text: string, caret: number) => Found | null | Promise<Found | null>} find
   * @param {AbortSignal} signal
   */
  constructor(field, host, find, signal) {
    this.field = field;
    this.find = find;
    this.list = document.createElement("ul");
    this.list.className = "picker";
    this.list.id = `picker-${++count}`;
    this.list.role = "listbox";
    this.list.ariaLabel = field.labels?.[0]?.textContent ?? field.ariaLabel ?? "";
    this.list.hidden = true;
    host.append(this.list);
    field.setAttribute("aria-autocomplete", "list");
    field.addEventListener("input", (event) => { if (!(event instanceof InputEvent && event.isComposing)) this.look(); }, { signal });
    field.addEventListener("compositionend", () => this.look(), { signal });
    field.addEventListener("blur", () => this.close(), { signal });
    document.addEventListener("selectionchange", () => { if (this.#found && document.activeElement === field) this.look(); }, { signal });
    onKey(field, (event) => this.#key(event), { signal });
    // The field keeps the focus, whatever is pressed in the list.
    this.list.addEventListener("pointerdown", (event) => event.preventDefault(), { signal });
    this.list.addEventListener("click", (event) => {
      const option = event.target instanceof Element ? event.target.closest("[role=option]") : null;
      if (option) this.#take([...this.list.children].indexOf(option));
    }, { signal });
  }

  get open() {
    return this.#found !== null;
  }

  /** Offers what fits now. */
  async look() {
    const turn = ++this.#turn;
    const { selectionStart, selectionEnd, value } = this.field;
    const found = selectionStart === null || selectionStart !== selectionEnd ? null : await this.find(value, selectionStart);
    if (turn !== this.#turn) return;
    if (found?.from !== this.#closedAt) this.#closedAt = -1;
    const settled = found?.from === this.#taken.from && value === this.#taken.value;
    if (!found || found.offers.length === 0 || this.#closedAt >= 0 || settled) return this.close();
    if (this.#found && JSON.stringify(this.#found) === JSON.stringify(found)) return;
    this.#found = found;
    this.list.replaceChildren(...found.offers.map((offer, i) => this.#line(offer, i)));
    this.list.hidden = false;
    this.field.setAttribute("role", "combobox");
    this.field.setAttribute("aria-controls", this.list.id);
    this.field.ariaExpanded = "true";
    this.#go(0);
  }

  close() {
    this.#turn += 1;
    if (!this.#found) return;
    this.#found = null;
    this.list.hidden = true;
    for (const name of ["role", "aria-controls", "aria-expanded", "aria-activedescendant"]) this.field.removeAttribute(name);
  }

  /**
   * @param {Offer} offer
   * @param {number} i
   */
  #line({ sign, label, hint }, i) {
    const line = document.createElement("li");
    line.role = "option";
    line.id = `${this.list.id}-${i}`;
    for (const [name, text] of /** @type {const} */ ([["sign", sign], ["label", label], ["hint", hint]])) {
      if (!text) continue;
      const part = document.createElement(name === "label" ? "bdi" : "span");
      part.className = `picker-${name}`;
      part.textContent = text;
      line.append(part, " ");
    }
    return line;
  }

  /** @param {number} at */
  #go(at) {
    const lines = /** @type {HTMLElement[]} */ ([...this.list.children]);
    this.#at = (at + lines.length) % lines.length;
    lines.forEach((line, i) => { line.ariaSelected = String(i === this.#at); });
    lines[this.#at].scrollIntoView({ block: "nearest" });
    this.field.setAttribute("aria-activedescendant", lines[this.#at].id);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (!this.#found || event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
    const { key } = event;
    if (key === "ArrowDown" || key === "ArrowUp") this.#go(this.#at + (key === "ArrowDown" ? 1 : -1));
    else if (key === "Enter" || key === "Tab") this.#take(this.#at);
    else if (key === "Escape") {
      this.#closedAt = this.#found.from;
      this.close();
    } else return;
    // Nobody else hears of it: neither is anything sent, nor a dialog closed.
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  /** @param {number} at */
  #take(at) {
    const { field } = this;
    const found = this.#found;
    const offer = found?.offers[at];
    if (!found || !offer) return;
    const caret = field.selectionStart ?? field.value.length;
    this.close();
    field.focus();
    // No second space where one stands already.
    const next = field.value[caret] === " " && offer.insert.endsWith(" ") ? caret + 1 : caret;
    this.#taken = { from: found.from, value: field.value.slice(0, found.from) + offer.insert + field.value.slice(next) };
    field.setSelectionRange(found.from, next);
    // This way it can be undone by keyboard.
    if (!document.execCommand("insertText", false, offer.insert)) {
      field.setRangeText(offer.insert, found.from, next, "end");
      field.dispatchEvent(new InputEvent("input", { bubbles: true }));
    }
    offer.taken?.();
  }
}
