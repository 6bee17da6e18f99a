// What can be done with a message: one toolbar that comes to the message under the pointer or the focus, editing in its place,
// and the small forms of replies, sent without leaving the page.

import { call } from "./call.js";
import { fit } from "./fit.js";
import { sends, showEnter } from "./enter.js";
import { onKey } from "./ime.js";
import { words } from "./words.js";

/**
 * @typedef {Object} Room what the toolbar asks of the room
 * @property {HTMLElement} element
 * @property {string} id
 * @property {string} me
 * @property {(message: HTMLElement) => void} reply
 * @property {(message: HTMLElement) => void} react
 * @property {(text: string) => void} say to the status line
 * @property {() => void} changed the size of a message changed
 */

export class Actions {
  /** @type {HTMLElement} */
  #bar;
  #going = false;
  /** Where the mouse was last, to tell its movement from that of what lies under it. */
  #mouse = "";

  /**
   * @param {Room} room
   * @param {HTMLElement} log
   * @param {AbortSignal} signal
   */
  constructor(room, log, signal) {
    this.room = room;
    this.log = log;
    this.#bar = clone(room.element, "message-actions");
    log.addEventListener("pointerover", (event) => this.#pointed(event), { signal });
    log.addEventListener("pointerleave", () => this.#go(), { signal });
    log.addEventListener("focusin", (event) => this.#come(event.target), { signal });
    log.addEventListener("focusout", (event) => { if (!(event.relatedTarget instanceof Node && log.contains(event.relatedTarget))) this.#go(true); }, { signal });
    log.addEventListener("click", (event) => this.#click(event), { signal });
    log.addEventListener("submit", (event) => this.#submit(event), { signal });
    this.#bar.addEventListener("keydown", (event) => this.#walk(event), { signal });
  }

  /** @param {PointerEvent} event */
  #pointed(event) {
    if (event.pointerType !== "mouse") return;
    const here = `${event.screenX} ${event.screenY}`;
    const rests = here === this.#mouse;
    this.#mouse = here;
    // What a key has scrolled under a resting mouse does not take the toolbar from the message that has the focus.
    if (rests && this.log.querySelector(".message :focus-visible")) return;
    this.#come(event.target);
  }

  /** @param {EventTarget | null} target */
  #come(target) {
    const message = target instanceof Element ? /** @type {HTMLElement | null} */ (target.closest(".message")) : null;
    if (!message || message === this.#bar.parentElement) return;
    // Whoever is in the toolbar by keyboard keeps it, wherever the mouse happens to lie.
    if (this.#bar.contains(document.activeElement)) return;
    const { state, author, kind, attempt } = message.dataset;
    if (!message.dataset.id || state === "deleted" || "editing" in message.dataset) return this.#go();
    const mine = author === this.room.me;
    // An owner of the room may delete what others said, and who asked for a reply may delete that.
    const { manage } = this.room.element.dataset;
    const asked = attempt === "1" && message.dataset.asked === this.room.me;
    const open = state === "queued" || state === "streaming";
    /** @type {Record<string, boolean>} */
    const may = { copy: !open, retry: kind === "assistant" && state === "complete" && Number(attempt) > 0, edit: mine && state === "complete", delete: mine || asked || manage !== undefined };
    for (const button of /** @type {NodeListOf<HTMLElement>} */ (this.#bar.querySelectorAll("[data-act]"))) {
      const act = button.dataset.act ?? "";
      button.hidden = may[act] === false;
      button.classList.remove("done");
      if (act === "reply") button.setAttribute("href", `?reply_to=${message.dataset.id}`);
    }
    // Called from the dots by keyboard, it stands beside them for as long as it is there: what moves under the mouse cannot be clicked.
    this.#bar.classList.toggle("beside", target instanceof Element && target.matches(".more:focus-visible"));
    message.append(this.#bar);
  }

  #go(always = false) {
    // Taking away what has the focus moves the focus, which calls this again in the middle.
    if (this.#going || (!always && this.#bar.contains(document.activeElement))) return;
    this.#going = true;
    this.#bar.remove();
    this.#going = false;
  }

  /**
   * Left and right within the toolbar, Escape back to the message.
   * @param {KeyboardEvent} event
   */
  #walk(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) {
      const buttons = /** @type {HTMLElement[]} */ ([...this.#bar.querySelectorAll("[data-act]:not([hidden])")]);
      const at = buttons.indexOf(/** @type {HTMLElement} */ (document.activeElement));
      buttons[(at + step + buttons.length) % buttons.length]?.focus();
      event.preventDefault();
    } else if (event.key === "Escape") {
      event.preventDefault();
      const more = this.#bar.parentElement?.querySelector(".more");
      this.#go(true);
      if (more instanceof HTMLElement) more.focus();
    }
  }

  /** @param {MouseEvent} event */
  #click(event) {
    if (!(event.target instanceof Element) || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const message = /** @type {HTMLElement | null} */ (event.target.closest(".message"));
    if (!message) return;
    const act = /** @type {HTMLElement | null} */ (event.target.closest(".actions [data-act]"));
    if (act) {
      event.preventDefault();
      return this.#act(act, message);
    }
    // With a mouse the toolbar is there already, and the dots lead to the message's page; a finger has no hover.
    if (event.target.closest(".more") && !matchMedia("(hover: hover)").matches && message.dataset.state !== "deleted") {
      event.preventDefault();
      if (this.#bar.parentElement === message) this.#go(true);
      else this.#come(message);
    }
  }

  /**
   * @param {HTMLElement} button
   * @param {HTMLElement} message
   */
  async #act(button, message) {
    switch (button.dataset.act) {
      case "reply":
        this.#go(true);
        return this.room.reply(message);
      case "copy": {
        const answer = await call("GET", this.#path(message));
        if (answer.ok) return this.#copied(button, answer.data.text);
        return this.room.say(answer.message ?? words.unreachable);
      }
      case "link":
        return this.#copied(button, new URL(`/rooms/${this.room.id}?around=${message.dataset.id}#${message.id}`, location.href).href);
      case "retry":
        return this.#post(message, "retry");
      case "react":
        this.#go(true);
        return this.room.react(message);
      case "edit":
        this.#go(true);
        return this.edit(message);
      case "delete":
        return this.#delete(message);
    }
  }

  /**
   * @param {HTMLElement} button
   * @param {string} text
   */
  async #copied(button, text) {
    await copy(text);
    button.classList.add("done");
    this.room.say(words.copied);
  }

  /** @param {SubmitEvent} event */
  #submit(event) {
    const form = /** @type {HTMLFormElement} */ (event.target);
    const message = /** @type {HTMLElement | null} */ (form.closest(".message"));
    const act = form.dataset.act;
    if (!act || !message) return;
    event.preventDefault();
    this.#post(message, act, form);
  }

  /**
   * Stop, retry or continue, of the attempt that is shown.
   * @param {HTMLElement} message
   * @param {string} act
   * @param {HTMLFormElement} [form]
   */
  async #post(message, act, form) {
    // Not disabled: a button that is loses the focus.
    const state = form?.closest(".state");
    if (state?.hasAttribute("aria-busy")) return;
    state?.setAttribute("aria-busy", "true");
    const answer = await call("POST", `${this.#path(message)}/${act}`, { body: { attempt: Number(message.dataset.attempt) }, as: this.room.me });
    state?.removeAttribute("aria-busy");
    // What became of it comes with the stream, as for everybody else.
    if (!answer.ok) this.complain(message, answer.message ?? words.unreachable);
  }

  /** @param {HTMLElement} message */
  #delete(message) {
    const dialog = /** @type {HTMLDialogElement} */ (this.room.element.querySelector("#delete-message"));
    dialog.returnValue = "";
    dialog.addEventListener("close", async () => {
      const more = message.querySelector(":scope > .head > .more");
      if (more instanceof HTMLElement) more.focus({ preventScroll: true });
      if (dialog.returnValue !== "delete") return;
      const answer = await call("DELETE", this.#path(message), { as: this.room.me });
      if (!answer.ok) this.complain(message, answer.message ?? words.unreachable);
    }, { once: true });
    dialog.showModal();
  }

  /**
   * Turns the message into a form; the text as it was written is fetched for it.
   * @param {HTMLElement} message
   */
  async edit(message) {
    if ("editing" in message.dataset) return;
    message.dataset.editing = "";
    const answer = await call("GET", this.#path(message));
    if (!answer.ok) {
      delete message.dataset.editing;
      return this.complain(message, answer.message ?? words.unreachable);
    }
    const form = /** @type {HTMLFormElement} */ (clone(this.room.element, "edit-message"));
    const text = /** @type {HTMLTextAreaElement} */ (form.querySelector("textarea"));
    const error = /** @type {HTMLElement} */ (form.querySelector(".flash"));
    // Two messages can be edited at a time: labels need ids of their own.
    text.id = `edit-${message.dataset.id}`;
    form.querySelector("label")?.setAttribute("for", text.id);
    text.value = answer.data.text;
    /** The version that was fetched is the one that is replaced, whatever comes meanwhile. */
    const { rev } = answer.data;
    const life = new AbortController();
    const close = () => {
      life.abort();
      form.remove();
      delete message.dataset.editing;
      this.room.changed();
      /** @type {HTMLElement | null} */ (this.room.element.querySelector("#text"))?.focus();
    };
    form.querySelector("[data-act=cancel]")?.addEventListener("click", close);
    // What is completed while one writes is completed here too; it hears the keys first.
    this.room.element.dispatchEvent(new CustomEvent("parlor-complete", { detail: { field: text, host: form, signal: life.signal } }));
    onKey(text, (event) => {
      if (event.key === "Escape") {
        event.preventDefault();
        event.stopPropagation();
        close();
      } else if (sends(event)) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      event.stopPropagation();
      if (text.value === answer.data.text || text.value.trim() === "") return close();
      const save = /** @type {HTMLButtonElement} */ (form.querySelector(".primary"));
      save.disabled = true;
      const replace = async (/** @type {number} */ on) => call("PATCH", this.#path(message), { body: { text: text.value, rev: on }, as: this.room.me });
      let saved = await replace(rev);
      if (saved.code === "changed") {
        // Somebody has reacted, or what it answers has changed: its text is still the one that is replaced.
        const now = await call("GET", this.#path(message));
        if (now.ok && now.data.text === answer.data.text) saved = await replace(now.data.rev);
      }
      save.disabled = false;
      if (saved.ok) return close();
      error.textContent = saved.code === "changed" ? words.changed : (saved.message ?? words.unreachable);
      error.hidden = false;
      this.room.changed();
    });
    text.addEventListener("input", () => { fit(text); this.room.changed(); });
    message.querySelector(":scope > .body")?.after(form);
    showEnter(form);
    fit(text);
    this.room.changed();
    text.focus();
    text.setSelectionRange(text.value.length, text.value.length);
  }

  /**
   * @param {HTMLElement} message
   * @param {string} [sentence]
   */
  complain(message, sentence = words.unreachable) {
    message.querySelector(":scope > .complaint")?.remove();
    const line = document.createElement("p");
    line.className = "complaint flash error";
    line.dataset.local = "";
    line.setAttribute("role", "alert");
    line.textContent = sentence;
    message.append(line);
    this.room.changed();
  }

  /** @param {HTMLElement} message */
  #path(message) {
    return `/api/rooms/${this.room.id}/messages/${message.dataset.id}`;
  }
}

/**
 * A copy of what a template of the page holds.
 * @param {ParentNode} root
 * @param {string} id
 * @returns {HTMLElement}
 */
export function clone(root, id) {
  const template = /** @type {HTMLTemplateElement} */ (root.querySelector(`template#${id}`));
  return /** @type {HTMLElement} */ (document.importNode(template.content, true).firstElementChild);
}

/** @param {string} text */
export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // On plain http there is no clipboard but this old one, which copies a selection.
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "sr-only";
  const focused = document.activeElement;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
}
