// Who is in a room, in its third column with marks of who is here just now; and the line that says who writes.

import "./column.js";
import { words } from "./words.js";

/** @typedef {{ id: string, name: string }} Named */

/** More names than this are not said of who writes. */
const NAMES = 2;
/** Somebody who hears the page is told that others write no more often, in ms. */
const SELDOM = 30_000;

export class Members {
  /** @type {Set<string>} */
  #here = new Set();
  /** @type {Map<string, string>} */
  #names = new Map();
  #told = -Infinity;

  /**
   * @param {HTMLElement} room
   * @param {AbortSignal} signal
   */
  constructor(room, signal) {
    this.room = room;
    this.typing = /** @type {HTMLElement} */ (room.querySelector(".typing"));
    this.typing.hidden = false;
    for (const one of /** @type {NodeListOf<HTMLElement>} */ (/** @type {HTMLTemplateElement | null} */ (room.querySelector("template#people"))?.content.querySelectorAll("b") ?? [])) {
      this.#names.set(one.dataset.id ?? "", one.textContent ?? "");
    }
    room.addEventListener("parlor-people", (event) => this.#heard(/** @type {CustomEvent} */ (event).detail), { signal });
    room.addEventListener("parlor-column", () => this.#mark(), { signal });
    room.addEventListener("parlor-room", (event) => {
      const { members, assistants } = /** @type {{ members: Named[], assistants: Named[] }} */ (/** @type {CustomEvent} */ (event).detail);
      this.#names = new Map([...members, ...assistants].map(({ id, name }) => [id, name]));
      const column = /** @type {import("./column.js").RoomColumn | null} */ (room.querySelector("room-column"));
      if (column?.shows === "members") column.refresh();
    }, { signal });
  }

  /** @param {{ here: string[], typing: string[] }} people */
  #heard({ here, typing }) {
    this.#here = new Set(here);
    this.#mark();
    const names = typing.filter((id) => id !== this.room.dataset.me).map((id) => this.#names.get(id)).filter((name) => name !== undefined);
    const text = names.length > NAMES ? words.manyType : names.length > 0 ? words.types(names) : "";
    if (this.typing.textContent === text) return;
    this.typing.textContent = text;
    // Seen at once, heard now and then.
    const heard = text !== "" && performance.now() - this.#told > SELDOM;
    if (heard) this.#told = performance.now();
    this.typing.setAttribute("aria-live", heard ? "polite" : "off");
  }

  #mark() {
    for (const row of /** @type {NodeListOf<HTMLElement>} */ (this.room.querySelectorAll("room-column [data-person]"))) {
      const here = this.#here.has(row.dataset.person ?? "");
      row.toggleAttribute("data-here", here);
      const says = row.querySelector(".is-here");
      if (says) says.textContent = here ? words.isHere : "";
    }
  }
}
