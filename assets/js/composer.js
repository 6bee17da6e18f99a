// Where one writes. It keeps the draft, knows what is replied to, and says `parlor-send` when something is to be sent and
// `parlor-edit-last` when Up is pressed in an empty field.

import { draftIn, localStorageIfAny } from "./draft.js";
import { fit } from "./fit.js";
import { composing } from "./ime.js";

/** @typedef {import("./draft.js").Draft} Draft */

class ChatComposer extends HTMLElement {
  /** @type {Draft["reply"]} */
  #reply = null;
  /** @type {AbortController | undefined} */
  #life;

  connectedCallback() {
    const room = /** @type {HTMLElement} */ (this.closest("chat-room"));
    this.form = /** @type {HTMLFormElement} */ (this.querySelector("form"));
    this.text = /** @type {HTMLTextAreaElement} */ (this.querySelector("textarea"));
    this.chip = /** @type {HTMLElement} */ (this.querySelector(".replying"));
    this.store = draftIn(localStorageIfAny(), room.dataset.me ?? "", room.dataset.room ?? "");
    this.#life = new AbortController();
    const { signal } = this.#life;
    // An empty field needs no complaint: nothing is sent.
    this.form.noValidate = true;
    this.#restore();
    this.form.addEventListener("submit", (event) => this.#submit(event), { signal });
    this.text.addEventListener("input", () => { fit(/** @type {HTMLTextAreaElement} */ (this.text)); this.#keep(); }, { signal });
    this.text.addEventListener("keydown", (event) => this.#key(event), { signal });
    this.chip.querySelector(".replying-stop")?.addEventListener("click", (event) => { event.preventDefault(); this.reply(null); }, { signal });
    if (matchMedia("(hover: hover)").matches && !location.hash) this.text.focus({ preventScroll: true });
  }

  disconnectedCallback() {
    this.#life?.abort();
  }

  /**
   * Makes the next message a reply, or no longer one.
   * @param {Draft["reply"]} to
   */
  reply(to) {
    this.#showReply(to);
    this.#keep();
    this.text?.focus();
  }

  /** @param {Draft["reply"]} to */
  #showReply(to) {
    this.#reply = to;
    const chip = /** @type {HTMLElement} */ (this.chip);
    const field = /** @type {HTMLInputElement} */ (chip.querySelector("input"));
    chip.hidden = !to;
    field.disabled = !to;
    field.value = to?.id ?? "";
    /** @type {HTMLElement} */ (chip.querySelector(".replying-author")).textContent = to?.author ?? "";
    /** @type {HTMLElement} */ (chip.querySelector(".replying-excerpt")).textContent = to?.excerpt ?? "";
  }

  /** What the server sent back comes first (it was refused, or a link asked for a reply), then what was kept here. */
  #restore() {
    const { text, chip, store } = this;
    if (!text || !chip || !store) return;
    const kept = store.read();
    if (!chip.hidden) {
      const word = (/** @type {string} */ name) => chip.querySelector(name)?.textContent ?? "";
      this.#showReply({ id: /** @type {HTMLInputElement} */ (chip.querySelector("input")).value, author: word(".replying-author"), excerpt: word(".replying-excerpt") });
    } else if (kept?.reply) {
      this.#showReply(kept.reply);
    }
    if (text.value === "" && kept) text.value = kept.text;
    fit(text);
  }

  #keep() {
    this.store?.write({ text: this.text?.value ?? "", reply: this.#reply });
  }

  /** @param {SubmitEvent} event */
  #submit(event) {
    event.preventDefault();
    const { text } = this;
    if (!text || text.value.trim() === "") return;
    this.dispatchEvent(new CustomEvent("parlor-send", { bubbles: true, detail: { text: text.value, reply: this.#reply } }));
    text.value = "";
    this.querySelector(".composer > .flash")?.remove();
    this.#showReply(null);
    this.#keep();
    fit(text);
    text.focus();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (composing(event)) return;
    const empty = this.text?.value === "";
    if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      if (!empty) this.form?.requestSubmit();
    } else if (event.key === "ArrowUp" && empty && !event.shiftKey && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      this.dispatchEvent(new CustomEvent("parlor-edit-last", { bubbles: true }));
    } else if (event.key === "Escape" && this.#reply) {
      event.preventDefault();
      this.reply(null);
    }
  }
}

customElements.define("chat-composer", ChatComposer);
export { ChatComposer };
