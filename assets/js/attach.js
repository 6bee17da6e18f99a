// Files that go with a message: uploaded as soon as they are picked, pasted or dropped, so that the message itself waits for nothing but them.

import { clone } from "./actions.js";
import { words } from "./words.js";

/** @typedef {import("./draft.js").File} Uploaded */
/**
 * @typedef {Object} Item
 * @property {HTMLElement} chip
 * @property {File} [file] what is to be uploaded
 * @property {Uploaded} [done] what was
 * @property {XMLHttpRequest} [request] while it is
 * @property {string} [preview]
 */

/** Those that are in this window alone: on their way, or waiting for another try. @type {Set<Item>} */
const unkept = new Set();
/** @param {Event} event */
const ask = (event) => event.preventDefault();

/** Who is about to leave the page is asked while something would be lost, and only then: listening keeps some browsers from keeping the page. */
function guard() {
  (unkept.size > 0 ? addEventListener : removeEventListener)("beforeunload", ask);
}

export class Attachments {
  /** @type {Item[]} */
  #items = [];

  /**
   * @param {HTMLElement} room
   * @param {HTMLElement} list
   * @param {() => void} changed
   */
  constructor(room, list, changed) {
    this.room = room;
    this.list = list;
    this.changed = changed;
  }

  /**
   * The room is shown anew.
   * @param {HTMLElement} room
   * @param {HTMLElement} list
   * @param {() => void} changed
   */
  move(room, list, changed) {
    this.room = room;
    this.list = list;
    this.changed = changed;
    list.append(...this.#items.map(({ chip }) => chip));
  }

  get files() {
    return this.#items.flatMap(({ done }) => done ?? []);
  }

  /** Those that are on their way, and those that did not arrive. */
  get waiting() {
    return this.#items.some((item) => item.request);
  }

  get failed() {
    return this.#items.some((item) => !item.request && !item.done);
  }

  /** @param {Iterable<File>} files */
  add(files) {
    for (const file of files) {
      const item = this.#show(file.name, file.type.startsWith("image/") ? URL.createObjectURL(file) : undefined);
      item.file = file;
      this.#upload(item);
    }
  }

  /**
   * Shows just these, which have been uploaded before.
   * @param {Uploaded[]} files
   */
  restore(files) {
    this.clear();
    for (const done of files) this.#show(done.name, done.kind === "image" ? `${done.url}?w=360` : undefined).done = done;
    this.changed();
  }

  /** They belong to a message now. */
  clear() {
    for (const item of [...this.#items]) this.#remove(item);
  }

  /**
   * @param {string} name
   * @param {string} [picture]
   */
  #show(name, picture) {
    const chip = clone(this.room, "file-chip");
    /** @type {Item} */
    const item = { chip, preview: picture };
    const image = /** @type {HTMLImageElement} */ (chip.querySelector("img"));
    image.hidden = !picture;
    if (picture) image.src = picture;
    /** @type {HTMLElement} */ (chip.querySelector(".chip-name")).textContent = name;
    const [again, remove] = chip.querySelectorAll("button");
    remove.ariaLabel = words.removeFile(name);
    remove.addEventListener("click", () => {
      const next = chip.nextElementSibling ?? chip.previousElementSibling;
      if (item.done) this.#discard(item.done.id);
      this.#remove(item);
      this.changed();
      const place = next?.querySelector("button:last-child") ?? this.room.querySelector("#text");
      if (place instanceof HTMLElement) place.focus();
    });
    again.addEventListener("click", () => this.#upload(item));
    this.#items.push(item);
    this.list.append(chip);
    return item;
  }

  /** @param {Item} item */
  #remove(item) {
    item.request?.abort();
    if (item.preview?.startsWith("blob:")) URL.revokeObjectURL(item.preview);
    item.chip.remove();
    unkept.delete(item);
    guard();
    this.#items = this.#items.filter((one) => one !== item);
  }

  /** @param {Item} item */
  #upload(item) {
    const { file, chip } = item;
    if (!file) return;
    const [again] = chip.querySelectorAll("button");
    const bar = /** @type {HTMLProgressElement} */ (chip.querySelector("progress"));
    const error = /** @type {HTMLElement} */ (chip.querySelector(".chip-error"));
    again.hidden = true;
    bar.hidden = false;
    bar.ariaLabel = words.uploading(file.name);
    error.textContent = "";
    const request = (item.request = new XMLHttpRequest());
    unkept.add(item);
    guard();
    const ended = () => {
      item.request = undefined;
      bar.hidden = true;
      if (request.status === 201) item.done = request.response;
      else {
        // What the server does not want it will not want the next time.
        again.hidden = request.status >= 400 && request.status < 500 && ![408, 429].includes(request.status);
        error.textContent = request.response?.error?.message ?? words.unreachable;
      }
      if (item.done || again.hidden) unkept.delete(item);
      guard();
      this.changed();
    };
    request.upload.onprogress = ({ loaded, total }) => { bar.value = loaded / (total || 1); };
    request.onload = request.onerror = ended;
    request.open("POST", `${this.#path()}?name=${encodeURIComponent(file.name)}&as=${this.room.dataset.me}`);
    request.responseType = "json";
    request.setRequestHeader("accept", "application/json");
    request.send(file);
    this.changed();
  }

  /** @param {string} id */
  #discard(id) {
    fetch(`${this.#path()}/${id}?as=${this.room.dataset.me}`, { method: "DELETE" }).catch(() => {});
  }

  #path() {
    return `/api/rooms/${this.room.dataset.room}/files`;
  }
}

/**
 * The files of a paste or a drop: text that was copied with a picture of itself (from a table or a page) is text.
 * @param {DataTransfer | null} data
 * @returns {File[]}
 */
export function filesOf(data) {
  return data && !data.types.includes("text/plain") ? [...data.files] : [];
}
