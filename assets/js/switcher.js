// Goes anywhere by a few letters: to a room, a direct talk, a person to talk with, an open room to join.
//
// A dialog with a combobox: the focus stays in the field, and what Enter would do is marked in the list.

import { call } from "./call.js";
import { onKey } from "./ime.js";
import { ranked } from "./rank.js";
import { here, shown } from "./sidebar.js";
import { words } from "./words.js";

/** More than so many are not shown: who wants others types another letter. */
const MOST = 12;

/** @typedef {{ name: string, less?: number, says: string, icon: string, sign?: string, unread?: boolean, go: () => Promise<string | null> }} Item `go` gives the address, or null if it cannot be reached */

export class Switcher {
  /** People and open rooms, as far as they have been asked for. @type {{ people: { id: string, name: string }[], open: { id: string, name: string }[] }} */
  #others = { people: [], open: [] };
  /** @type {Item[]} */
  #items = [];
  #at = 0;
  /** @type {HTMLDialogElement | null} */
  #dialog = null;

  /**
   * @param {string} me
   * @param {import("./sidebar.js").Sidebar} sidebar
   * @param {(address: string) => void} go
   */
  constructor(me, sidebar, go) {
    this.me = me;
    this.sidebar = sidebar;
    this.go = go;
  }

  open() {
    if (this.#dialog || document.querySelector("dialog[open]")) return;
    const dialog = (this.#dialog = document.createElement("dialog"));
    dialog.className = "switcher";
    dialog.setAttribute("aria-label", words.switcher.title);
    const field = (this.field = document.createElement("input"));
    const list = (this.list = document.createElement("ul"));
    const none = (this.none = document.createElement("p"));
    list.id = "switcher-list";
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", words.switcher.title);
    none.className = "hint";
    none.setAttribute("role", "status");
    for (const [name, value] of Object.entries({
      type: "text", role: "combobox", "aria-expanded": "true", "aria-controls": list.id, "aria-autocomplete": "list", "aria-label": words.switcher.field,
      placeholder: words.switcher.field, autocomplete: "off", autocapitalize: "none", spellcheck: "false", enterkeyhint: "go",
    })) field.setAttribute(name, value);
    dialog.append(field, list, none);
    field.addEventListener("input", () => this.#fill(0));
    onKey(field, (event) => this.#key(event));
    list.addEventListener("pointermove", (event) => { const at = this.#under(event); if (at >= 0 && at !== this.#at) this.#mark(at); });
    list.addEventListener("click", (event) => { const at = this.#under(event); if (at >= 0) this.#take(at); });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    const live = () => this.#fill(this.#at);
    document.addEventListener("parlor-rooms", live);
    dialog.addEventListener("close", () => {
      document.removeEventListener("parlor-rooms", live);
      dialog.remove();
      this.#dialog = null;
    });
    document.body.append(dialog);
    dialog.showModal();
    this.#fill(0);
    this.#ask();
  }

  async #ask() {
    const [people, rooms] = await Promise.all([call("GET", "/api/people"), call("GET", "/api/rooms")]);
    if (people.ok) this.#others.people = people.data.people;
    if (rooms.ok) this.#others.open = rooms.data.rooms.filter((/** @type {any} */ room) => room.member === false);
    if (this.#dialog) this.#fill(this.#at);
  }

  /** All that one can go to: one's rooms, the latest first, then people, then rooms to join. @returns {Item[]} */
  #all() {
    const lines = this.sidebar.latest;
    const talks = new Set(lines.filter(({ kind }) => kind === "direct").map(({ name }) => name));
    const place = here();
    return [
      // Who switches wants to be elsewhere.
      ...[...lines.filter(({ id }) => id !== place), ...lines.filter(({ id }) => id === place)].map((line) => ({
        name: line.name,
        says: [line.id === place ? words.switcher.here : "", line.unread > 0 ? words.unreadCount(line.unread) : ""].filter(Boolean).join(" · "),
        icon: line.kind === "direct" ? "talk" : line.private ? "lock" : "room",
        unread: line.unread > 0,
        // Of a talk all is counted in words already.
        sign: line.mentions > 0 && line.kind !== "direct" ? shown(line.mentions) : "",
        go: async () => `/rooms/${line.id}`,
      })),
      ...this.#others.people.filter(({ id, name }) => id !== this.me && !talks.has(name)).map(({ id, name }) => ({
        name,
        less: 0.5,
        says: words.switcher.talk,
        icon: "people",
        go: async () => {
          const { ok, data } = await call("POST", `/api/people/${id}/talk`, { as: this.me });
          return ok ? `/rooms/${data.id}` : null;
        },
      })),
      ...this.#others.open.filter(({ id }) => !this.sidebar.lines.has(id)).map(({ id, name }) => ({
        name,
        less: 0.5,
        says: words.switcher.join,
        icon: "plus",
        go: async () => {
          const { ok } = await call("POST", `/api/rooms/${id}/members`, { body: {}, as: this.me });
          return ok ? `/rooms/${id}` : null;
        },
      })),
    ];
  }

  /** @param {number} at */
  #fill(at) {
    const { field, list, none } = this;
    if (!field || !list || !none) return;
    this.#items = ranked(this.#all(), field.value).slice(0, MOST);
    const sprite = (document.querySelector("nav use")?.getAttribute("href") ?? "").replace(/#.*/, "");
    list.replaceChildren(...this.#items.map(({ name, says, icon, unread, sign }, index) => {
      const option = document.createElement("li");
      option.id = `switcher-${index}`;
      option.setAttribute("role", "option");
      if (unread) option.dataset.unread = "";
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("class", "icon");
      svg.setAttribute("aria-hidden", "true");
      const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
      use.setAttribute("href", `${sprite}#${icon}`);
      svg.append(use);
      const title = document.createElement("bdi");
      title.className = "side-name";
      title.textContent = name;
      option.append(svg, title);
      if (says) {
        const more = document.createElement("span");
        more.className = "row-sub";
        more.textContent = says;
        option.append(" ", more);
      }
      if (sign) {
        const badge = document.createElement("span");
        badge.className = "side-badge";
        badge.setAttribute("aria-hidden", "true");
        badge.textContent = sign;
        option.append(badge);
      }
      return option;
    }));
    none.textContent = this.#items.length === 0 ? words.switcher.none : "";
    this.#mark(Math.min(at, this.#items.length - 1));
  }

  /** @param {number} at */
  #mark(at) {
    this.#at = Math.max(at, 0);
    [...(this.list?.children ?? [])].forEach((option, index) => option.setAttribute("aria-selected", String(index === this.#at)));
    const marked = this.list?.children[this.#at];
    if (marked) this.field?.setAttribute("aria-activedescendant", marked.id);
    else this.field?.removeAttribute("aria-activedescendant");
    marked?.scrollIntoView({ block: "nearest" });
  }

  /** @param {Event} event */
  #under(event) {
    const option = event.target instanceof Element ? event.target.closest("[role=option]") : null;
    return option ? [...(this.list?.children ?? [])].indexOf(option) : -1;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const count = this.#items.length;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && count > 0) this.#mark((this.#at + step + count) % count);
    else if (event.key === "Enter") this.#take(this.#at);
    else if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) this.#dialog?.close();
    else return;
    event.preventDefault();
  }

  /** @param {number} at */
  async #take(at) {
    const item = this.#items[at];
    if (!item) return;
    const address = await item.go();
    if (!address) {
      if (this.none) this.none.textContent = words.unreachable;
      return;
    }
    this.#dialog?.close();
    this.go(address);
  }
}
