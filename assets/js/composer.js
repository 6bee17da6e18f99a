// Where one writes. It keeps the draft, knows what is replied to and what goes with it, completes names, commands and emoji, and says
// `parlor-send` when something is to be sent and `parlor-edit-last` when Up is pressed in an empty field.

import { Attachments, filesOf } from "./attach.js";
import { call } from "./call.js";
import { people, wanted } from "./complete.js";
import { NOTHING, draftIn, followed, localStorageIfAny } from "./draft.js";
import { offersOf } from "./emoji.js";
import { sends, showEnter, turnEnter } from "./enter.js";
import { fit } from "./fit.js";
import { onKey } from "./ime.js";
import { Picker } from "./picker.js";
import { uuid7 } from "./uuid7.js";
import { words } from "./words.js";

/** @typedef {import("./draft.js").Draft} Draft */
/** @typedef {import("./complete.js").Somebody} Somebody */

/** What looks like a command is the server's to read. */
const COMMAND = /^[/／]{1,2}[a-z]+(\s|$)/i;
/** While one writes, the others hear of it every so often, in ms. */
const TYPING = 4_000;

/**
 * Files that were on their way when their room was left, and whether its message waits for them: whoever comes back finds them.
 * @type {Map<string, { files: Attachments, whenUploaded: boolean }>}
 */
const underWay = new Map();

class ChatComposer extends HTMLElement {
  /** @type {Draft["reply"]} */
  #reply = null;
  /** What was kept when this tab last wrote or looked. @type {Draft | null} */
  #kept = null;
  /** The message is sent as soon as its files have arrived. */
  #whenUploaded = false;
  /** A command that is not answered yet, or was not: asked again it keeps its id. @type {{ text: string, id: string } | null} */
  #command = null;
  #busy = false;
  #typed = -Infinity;
  /** @type {AbortController | undefined} */
  #life;

  connectedCallback() {
    const room = (this.room = /** @type {HTMLElement} */ (this.closest("chat-room")));
    this.form = /** @type {HTMLFormElement} */ (this.querySelector("form"));
    const text = (this.text = /** @type {HTMLTextAreaElement} */ (this.querySelector("textarea")));
    this.chip = /** @type {HTMLElement} */ (this.querySelector(".replying"));
    this.notice = /** @type {HTMLElement} */ (this.querySelector(".composer-notice"));
    this.store = draftIn(localStorageIfAny(), room.dataset.me ?? "", room.dataset.room ?? "");
    this.#life = new AbortController();
    const { signal } = this.#life;
    this.everybody = [.../** @type {HTMLTemplateElement} */ (room.querySelector("template#people")).content.querySelectorAll("b")].map((one) => ({
      id: one.dataset.id ?? "", name: one.textContent ?? "", assistant: "assistant" in one.dataset,
    }));
    const chips = /** @type {HTMLElement} */ (this.querySelector(".chips"));
    const left = underWay.get(room.dataset.room ?? "");
    underWay.delete(room.dataset.room ?? "");
    const changed = () => this.#uploaded();
    left?.files.move(room, chips, changed);
    this.files = left?.files ?? new Attachments(room, chips, changed);
    // An empty field needs no complaint: nothing is sent.
    this.form.noValidate = true;
    this.#restore(left !== undefined);
    if (left?.whenUploaded) {
      this.#whenUploaded = true;
      this.#say(words.waitsForFiles);
    }
    // The picker hears the keys first.
    new Picker(text, /** @type {HTMLElement} */ (this.querySelector(".composer-box")), completions(this), signal);
    room.addEventListener("parlor-complete", (event) => {
      const { field, host, signal } = /** @type {CustomEvent} */ (event).detail;
      new Picker(field, host, completions(this, false), signal);
    }, { signal });
    onKey(text, (event) => this.#key(event), { signal });
    this.form.addEventListener("submit", (event) => this.#submit(event), { signal });
    text.addEventListener("input", () => this.#input(), { signal });
    text.addEventListener("paste", (event) => this.#bring(event, event.clipboardData), { signal });
    this.addEventListener("click", (event) => this.#click(event), { signal });
    const picked = /** @type {HTMLInputElement} */ (this.querySelector("input[type=file]"));
    picked.addEventListener("change", () => { this.files?.add(picked.files ?? []); picked.value = ""; text.focus(); }, { signal });
    this.#drop(room, signal);
    // What another tab writes, and what it wrote while this one slept.
    window.addEventListener("storage", (event) => { if (event.key === this.store?.key) this.#follow(); }, { signal });
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.#follow(); }, { signal });
    showEnter(this);
    keepAboveKeyboard(signal);
    if (matchMedia("(hover: hover)").matches && !location.hash) text.focus({ preventScroll: true });
  }

  disconnectedCallback() {
    this.#life?.abort();
    const { files, room } = this;
    if (!files || !room) return;
    // They go on meanwhile, and so does the message that waits for them.
    if (files.waiting || files.failed) underWay.set(room.dataset.room ?? "", { files, whenUploaded: this.#whenUploaded });
    else files.clear();
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

  /**
   * Who can be named from now on.
   * @param {{ members: { id: string, name: string }[], assistants: { id: string, name: string }[] }} room
   */
  knows({ members, assistants }) {
    this.everybody = [...assistants.map(({ id, name }) => ({ id, name, assistant: true })), ...members.map(({ id, name }) => ({ id, name, assistant: false }))];
  }

  /** Those who can be named, who was active lately first. */
  get around() {
    const authors = [...new Set([...(this.room?.querySelectorAll(".messages > .message") ?? [])].reverse().map((one) => /** @type {HTMLElement} */ (one).dataset.author))];
    const last = ({ id = "" }) => (authors.includes(id) ? authors.indexOf(id) : Infinity);
    return (this.everybody ?? []).filter(({ id }) => id !== this.room?.dataset.me).sort((a, b) => (last(a) === last(b) ? 0 : last(a) - last(b)));
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

  // ---- the draft

  /**
   * What the server sent back comes first (it was refused, or a link asked for a reply), then what was kept here.
   * @param {boolean} carried whether the files are here already
   */
  #restore(carried) {
    const { text, chip, store } = this;
    if (!text || !chip || !store) return;
    const kept = (this.#kept = store.read());
    if (!chip.hidden) {
      const word = (/** @type {string} */ name) => chip.querySelector(name)?.textContent ?? "";
      this.#showReply({ id: /** @type {HTMLInputElement} */ (chip.querySelector("input")).value, author: word(".replying-author"), excerpt: word(".replying-excerpt") });
    } else if (kept?.reply) {
      this.#showReply(kept.reply);
    }
    if (text.value === "" && kept) text.value = kept.text;
    if (kept?.files?.length && !carried) this.files?.restore(kept.files);
    fit(text);
  }

  /** @returns {Draft} */
  get #draft() {
    return { text: this.text?.value ?? "", reply: this.#reply, files: this.files?.files };
  }

  #keep() {
    this.store?.write(this.#draft);
    this.#kept = this.store?.read() ?? null;
  }

  #follow() {
    const { text, store } = this;
    if (!text || !store || this.#busy) return;
    const now = store.read();
    const draft = followed(this.#draft, this.#kept, now);
    this.#kept = now;
    if (!draft) return;
    text.value = draft.text;
    this.#showReply(draft.reply);
    this.files?.restore(draft.files ?? []);
    fit(text);
  }

  // ---- writing

  #input() {
    if (this.text) fit(this.text);
    this.#whenUploaded = false;
    if (this.notice?.classList.contains("error")) this.#say("");
    this.#keep();
    const now = performance.now();
    if (this.text?.value.trim() && now - this.#typed > TYPING) {
      this.#typed = now;
      this.#call("typing");
    }
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const empty = this.text?.value === "" && !this.files?.files.length;
    if (sends(event)) {
      event.preventDefault();
      this.form?.requestSubmit();
    } else if (event.key === "ArrowUp" && empty && !event.shiftKey && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      this.dispatchEvent(new CustomEvent("parlor-edit-last", { bubbles: true }));
    } else if (event.key === "Escape" && this.#reply) {
      event.preventDefault();
      this.reply(null);
    }
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const target = event.target instanceof Element ? event.target : this;
    if (target.closest(".replying-stop")) {
      event.preventDefault();
      this.reply(null);
    } else if (target.closest(".enter-hint")) {
      turnEnter();
      showEnter(document);
      this.text?.focus();
    } else if (target.closest(".notice-close")) {
      this.#say("");
      this.text?.focus();
    }
  }

  // ---- files

  /**
   * @param {Event} event
   * @param {DataTransfer | null} data
   */
  #bring(event, data) {
    const files = filesOf(data);
    if (files.length === 0) return;
    event.preventDefault();
    this.files?.add(files);
  }

  /**
   * The whole room takes what is dropped.
   * @param {HTMLElement} room
   * @param {AbortSignal} signal
   */
  #drop(room, signal) {
    const over = (/** @type {boolean} */ is) => room.toggleAttribute("data-drop", is);
    const carries = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") ?? false;
    room.addEventListener("dragover", (event) => { if (carries(event)) { event.preventDefault(); over(true); } }, { signal });
    // It is left for its own parts all the time.
    room.addEventListener("dragleave", (event) => { if (!(event.relatedTarget instanceof Node && room.contains(event.relatedTarget))) over(false); }, { signal });
    room.addEventListener("drop", (event) => {
      over(false);
      if (!carries(event)) return;
      event.preventDefault();
      this.files?.add(event.dataTransfer?.files ?? []);
      this.text?.focus();
    }, { signal });
  }

  #uploaded() {
    const { files, store } = this;
    if (this.isConnected) this.#keep();
    // Another page is shown. What was written here stays what it is.
    else store?.write({ ...(store.read() ?? NOTHING), files: files?.files });
    if (files?.waiting) return;
    if (!this.isConnected && !files?.failed) underWay.delete(this.room?.dataset.room ?? "");
    if (!this.#whenUploaded) return;
    this.#whenUploaded = false;
    this.#send();
  }

  // ---- sending

  /** @param {SubmitEvent} event */
  #submit(event) {
    event.preventDefault();
    this.#send();
  }

  #send() {
    const { text, files } = this;
    if (!text || !files || this.#busy) return;
    if (files.waiting) {
      this.#whenUploaded = true;
      return this.#say(words.waitsForFiles);
    }
    // What did not arrive is tried again or taken away by hand: a message must not lose it silently.
    if (files.failed) return this.#say(words.fileFailed, true);
    if (text.value.trim() === "" && files.files.length === 0) return;
    if (COMMAND.test(text.value)) return this.#do(text.value);
    this.dispatchEvent(new CustomEvent("parlor-send", { bubbles: true, detail: { text: text.value, reply: this.#reply, files: files.files } }));
    this.#clear();
  }

  #clear() {
    const { text } = this;
    if (!text) return;
    text.value = "";
    this.#say("");
    this.#showReply(null);
    this.files?.clear();
    this.#keep();
    // The others hear at once of what is written next.
    this.#typed = -Infinity;
    fit(text);
    text.focus();
  }

  /**
   * Has the server do what was typed. The text stays until it has.
   * @param {string} typed
   */
  async #do(typed) {
    const { text } = this;
    this.#command = this.#command?.text === typed ? this.#command : { text: typed, id: uuid7() };
    this.#busy = true;
    const answer = await this.#call("commands", { ...this.#command, ...(this.#reply ? { reply_to: this.#reply.id } : {}), ...(this.files?.files.length ? { files: this.files.files.map(({ id }) => id) } : {}) });
    this.#busy = false;
    if (!answer.ok) return this.#say(answer.message ?? words.unreachable, true);
    this.#command = null;
    if (text?.value === typed) this.#clear();
    this.#say(answer.data?.notice ?? "");
  }

  /**
   * @param {string} what
   * @param {unknown} [body]
   */
  #call(what, body) {
    return call("POST", `/api/rooms/${this.room?.dataset.room}/${what}`, { body, as: this.room?.dataset.me });
  }

  /**
   * A line above the field that only this reader sees, until it is sent away.
   * @param {string} sentence
   * @param {boolean} [isError]
   */
  #say(sentence, isError = false) {
    this.querySelector(".composer > p.flash")?.remove();
    const { notice } = this;
    if (!notice) return;
    notice.classList.toggle("error", isError);
    notice.classList.toggle("notice", !isError);
    notice.hidden = sentence === "";
    /** @type {HTMLElement} */ (notice.querySelector("[role=status]")).textContent = sentence;
  }
}

/**
 * What the picker offers where one writes.
 * @param {ChatComposer} composer
 * @param {boolean} [commands] whether they can be given there
 */
function completions(composer, commands = true) {
  const hints = /** @type {HTMLTemplateElement} */ (composer.querySelector("template#commands")).content;
  return async (/** @type {string} */ text, /** @type {number} */ caret) => {
    const what = wanted(text, caret);
    if (!what || (!commands && ["command", "named"].includes(what.kind))) return null;
    const { kind, from, query } = what;
    if (kind === "emoji") return { from, offers: await offersOf(query) };
    if (kind === "command") {
      const lines = /** @type {HTMLElement[]} */ ([...hints.children]).filter((line) => line.dataset.word?.startsWith(query.toLowerCase()));
      // What is whole needs no completion: Enter sends it.
      if (lines.some((line) => line.dataset.word === query.toLowerCase())) return null;
      return { from, offers: lines.map((line) => ({ label: `/${line.dataset.word}`, hint: line.textContent ?? "", insert: `/${line.dataset.word} ` })) };
    }
    const found = people(kind === "named" ? composer.around.filter((one) => one.assistant) : composer.around, query);
    if (kind === "named" && found.some(({ name }) => name.toLowerCase() === query.trim().toLowerCase())) return null;
    const sign = kind === "named" ? "" : "@";
    return { from, offers: found.map(({ name, assistant }) => ({ label: name, hint: assistant ? composer.dataset.assistant : "", insert: `${sign}${name} ` })) };
  };
}

/**
 * Where a keyboard on the screen covers the page instead of making it smaller, the page is made smaller here.
 * @param {AbortSignal} signal
 */
function keepAboveKeyboard(signal) {
  const view = window.visualViewport;
  view?.addEventListener("resize", () => {
    const covered = view.scale > 1.01 ? 0 : Math.max(0, Math.round(window.innerHeight - view.height));
    document.documentElement.style.setProperty("--keyboard", `${covered}px`);
    if (covered > 0) window.scrollTo(0, 0);
  }, { signal });
}

customElements.define("chat-composer", ChatComposer);
export { ChatComposer };
