// Signs of what is unread, outside the page: in its title, its icon and the app's badge; and, by choice and for this device, a
// notification of the system and a soft sound. They are off until somebody chooses them, and only then the browser is asked.
//
// That something is to be told is decided where all tabs are known (`switchboard.js`), so that one tab does it and none where the reader
// looks already.

import { call } from "./call.js";
import { localStorageIfAny } from "./draft.js";
import { signsOf } from "./roster.js";
import { here, shown } from "./sidebar.js";
import { words } from "./words.js";

/** @typedef {import("./roster.js").RoomLine} RoomLine */
/** What somebody wants to be told of. @typedef {"off" | "concerns" | "all"} Choice */

/** So much of a message stands in a notification, in characters. */
const EXCERPT = 140;
/** Of what came at once so many are told. */
const MOST_TOLD = 3;

/** @param {"notify" | "sound"} what */
const keyOf = (what) => `parlor.${what}`;

/**
 * @param {"notify" | "sound"} what
 * @returns {Choice}
 */
function choice(what) {
  const kept = localStorageIfAny()?.getItem(keyOf(what));
  return kept === "concerns" || kept === "all" ? kept : "off";
}

export class Signs {
  #base;
  /** @type {Iterable<RoomLine>} */
  #lines = [];

  /**
   * @param {string} me
   * @param {(address: string) => void} go
   */
  constructor(me, go) {
    this.me = me;
    this.go = go;
    this.#base = document.title;
    const again = () => this.#draw();
    document.addEventListener("visibilitychange", again);
    window.addEventListener("focus", again);
    // A room that is renamed.
    document.addEventListener("parlor-room", (event) => this.title(`${/** @type {CustomEvent} */ (event).detail.name} · Parlor`));
  }

  /** @param {string} base what the page is called, without signs */
  title(base) {
    this.#base = base;
    this.#draw();
  }

  /** @param {Iterable<RoomLine>} lines */
  heard(lines) {
    this.#lines = [...lines];
    this.#draw();
  }

  #draw() {
    // What one is just reading is no news.
    const seen = document.hidden || !document.hasFocus() ? "" : here();
    const { concerns, unread } = signsOf([...this.#lines].filter(({ id }) => id !== seen));
    const sign = concerns > 0 ? `(${shown(concerns)}) ` : unread ? "• " : "";
    const title = sign + this.#base;
    if (document.title !== title) document.title = title;
    const icon = /** @type {HTMLLinkElement | null} */ (document.querySelector("link[rel=icon]"));
    const href = icon?.href.replace(/parlor(-unread)?\.svg$/, unread ? "parlor-unread.svg" : "parlor.svg");
    if (icon && href && icon.href !== href) icon.href = href;
    const app = /** @type {any} */ (navigator);
    if (!app.setAppBadge) return;
    const badge = concerns > 0 ? app.setAppBadge(concerns) : unread ? app.setAppBadge() : app.clearAppBadge();
    badge.catch(() => {});
  }

  /** @param {import("./roster.js").News[]} news */
  async tell(news) {
    const wanted = (/** @type {Choice} */ choice) => news.filter(({ concerns }) => choice === "all" || (choice === "concerns" && concerns));
    if (wanted(choice("sound")).length > 0) sound();
    if (!("Notification" in globalThis) || Notification.permission !== "granted") return;
    for (const { room, name } of wanted(choice("notify")).slice(0, MOST_TOLD)) await this.#notify(room, name);
  }

  /**
   * @param {string} room
   * @param {string} name
   */
  async #notify(room, name) {
    const { ok, data } = await call("GET", `/api/rooms/${room}/messages?limit=5&view=text`, { as: this.me });
    const message = ok ? data.messages.findLast((/** @type {any} */ one) => one.author.id !== this.me && !["queued", "streaming", "deleted"].includes(one.state)) : null;
    const said = message ? `${message.author.name}: ${message.text.slice(0, EXCERPT)}` : words.somethingNew;
    try {
      // One of a room replaces the one before.
      const note = new Notification(name, { body: said, tag: `parlor ${room}`, lang: document.documentElement.lang });
      note.onclick = () => {
        note.close();
        window.focus();
        this.go(message ? `/rooms/${room}?around=${message.id}#m-${message.id}` : `/rooms/${room}`);
      };
    } catch {
      // Some phones only let service workers do this.
    }
  }
}

/** Two short notes, softly. */
function sound() {
  if (!("AudioContext" in globalThis)) return;
  const audio = new AudioContext();
  const end = () => { if (audio.state !== "closed") audio.close(); };
  // Nobody has touched this page yet: browsers keep it silent.
  if (audio.state !== "running") {
    audio.resume().catch(() => {});
    setTimeout(() => { if (audio.state !== "running") end(); }, 1_000);
  }
  const now = audio.currentTime;
  for (const [at, pitch] of [[0, 659], [0.11, 880]]) {
    const note = audio.createOscillator();
    const loud = audio.createGain();
    note.frequency.value = pitch;
    loud.gain.setValueAtTime(0, now + at);
    loud.gain.linearRampToValueAtTime(0.06, now + at + 0.015);
    loud.gain.exponentialRampToValueAtTime(0.0005, now + at + 0.3);
    note.connect(loud).connect(audio.destination);
    note.start(now + at);
    note.stop(now + at + 0.32);
    if (at > 0) note.onended = end;
  }
}

/** The choices, where they stand on a page. */
class SignChoices extends HTMLElement {
  connectedCallback() {
    this.hidden = false;
    const refused = /** @type {HTMLElement} */ (this.querySelector("[role=status]"));
    for (const select of /** @type {NodeListOf<HTMLSelectElement>} */ (this.querySelectorAll("select"))) {
      const what = select.name === "sound" ? "sound" : "notify";
      select.value = choice(what);
      select.onchange = async () => {
        refused.hidden = true;
        if (select.value === "off") {
          localStorageIfAny()?.removeItem(keyOf(what));
        } else if (what === "sound" || (await Notification.requestPermission()) === "granted") {
          localStorageIfAny()?.setItem(keyOf(what), select.value);
          if (what === "sound") sound();
        } else {
          select.value = "off";
          refused.hidden = false;
        }
      };
      if (what === "notify" && !("Notification" in globalThis)) select.disabled = true;
    }
  }
}

customElements.define("sign-choices", SignChoices);
