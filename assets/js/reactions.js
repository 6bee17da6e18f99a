// Reactions: one's own are pressed, a press adds or takes back, and a small panel offers the usual ones and finds the others.

import { clone } from "./actions.js";
import { call } from "./call.js";
import { FREQUENT, offersOf, recentEmoji, usedEmoji } from "./emoji.js";
import { onKey } from "./ime.js";
import { Picker } from "./picker.js";

/**
 * Marks what the reader has chosen: the markup is the same for everybody.
 * @param {ParentNode} root
 */
export function markMine(root) {
  const me = /** @type {HTMLElement | null} */ (globalThis.document?.querySelector("chat-room"))?.dataset.me;
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll(".reaction"))) {
    button.ariaPressed = String(me !== undefined && (button.dataset.by ?? "").split(" ").includes(me));
  }
}

export class Reactions {
  /** @type {HTMLElement | undefined} */
  #panel;
  /** What was asked for last. @type {Promise<any>} */
  #last = Promise.resolve();

  /**
   * @param {HTMLElement} room
   * @param {(message: HTMLElement, sentence: string | undefined) => void} complain
   * @param {AbortSignal} signal
   */
  constructor(room, complain, signal) {
    this.room = room;
    this.complain = complain;
    room.addEventListener("submit", (event) => {
      const { submitter } = event;
      const message = /** @type {HTMLElement | null} */ (submitter?.closest(".reactions") ? submitter.closest(".message") : null);
      if (!(submitter instanceof HTMLButtonElement) || !message) return;
      event.preventDefault();
      this.#react(message, submitter.value, submitter.ariaPressed !== "true", submitter);
    }, { signal });
    document.addEventListener("pointerdown", (event) => { if (!(event.target instanceof Node && this.#panel?.contains(event.target))) this.#close(); }, { signal });
  }

  /**
   * Offers emoji for this message.
   * @param {HTMLElement} message
   */
  offer(message) {
    this.#close();
    const panel = (this.#panel = clone(this.room, "react"));
    const life = new AbortController();
    const close = () => {
      this.#close();
      /** @type {HTMLElement | null} */ (message.querySelector(":scope > .head > .more"))?.focus({ preventScroll: true });
    };
    const choose = (/** @type {string} */ emoji) => {
      usedEmoji(emoji);
      close();
      this.#react(message, emoji, true);
    };
    const row = /** @type {HTMLElement} */ (panel.querySelector(".react-row"));
    for (const emoji of [...new Set([...recentEmoji(), ...FREQUENT])].slice(0, FREQUENT.length)) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "plain icon-button";
      button.textContent = emoji;
      button.addEventListener("click", () => choose(emoji));
      row.append(button);
    }
    const field = /** @type {HTMLInputElement} */ (panel.querySelector("input"));
    new Picker(field, panel, async (text) => ({
      from: 0,
      offers: text.trim() === "" ? [] : (await offersOf(text.trim().replaceAll(":", ""))).map((offer) => ({ ...offer, taken: () => choose(offer.insert) })),
    }), life.signal);
    onKey(panel, (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      close();
    }, { signal: life.signal });
    panel.addEventListener("focusout", (event) => { if (event.relatedTarget instanceof Node && !panel.contains(event.relatedTarget)) this.#close(); }, { signal: life.signal });
    panel.addEventListener("parlor-closed", () => life.abort());
    message.append(panel);
    field.focus({ preventScroll: true });
    panel.scrollIntoView({ block: "nearest" });
  }

  #close() {
    const panel = this.#panel;
    this.#panel = undefined;
    panel?.dispatchEvent(new Event("parlor-closed"));
    panel?.remove();
  }

  /**
   * @param {HTMLElement} message
   * @param {string} emoji
   * @param {boolean} on
   * @param {HTMLElement} [button] it shows at once what was pressed, so that the next press takes that back
   */
  async #react(message, emoji, on, button) {
    if (button) button.ariaPressed = String(on);
    // In the order of the presses, whatever the network does.
    const answer = await (this.#last = this.#last.then(() => call("POST", `/api/rooms/${this.room.dataset.room}/messages/${message.dataset.id}/reactions`, { body: { emoji, on }, as: this.room.dataset.me })));
    // What became of it comes with the stream, as for everybody else.
    if (answer.ok) return;
    if (button) button.ariaPressed = String(!on);
    this.complain(message, answer.message);
  }
}
