// Signs of what is unread, outside the page: in its title, its icon and the app's badge; and, by choice and for this device, a
// notification of the system and a soft sound. They are off until somebody chooses them, and only then the browser is asked.
//
// Which tab is to tell is decided where all tabs of a stream are known (`switchboard.js`). A browser may have several streams all the same:
// for windows of two languages or builds, or one for each window. So whatever is told is taken first, by one window, and where the reader
// looks already it is taken for nothing.

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
/** Windows that show what is new to their reader have so long to take it before others, in ms. */
const GRACE = 300;
/** By then all windows see what one of them has stored, in ms. */
const SEEN = 10_000;

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
    const seen = looked();
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

  /**
   * @param {import("./roster.js").News[]} news
   * @param {boolean} [tells] whether this window may have to
   */
  async tell(news, tells = true) {
    take(news.filter(({ room }) => room === looked()));
    if (!tells) return;
    // What was chosen before it came.
    const [sounds, notes] = [choice("sound"), choice("notify")];
    await new Promise((go) => setTimeout(go, GRACE));
    const taken = await take(news);
    const wanted = (/** @type {Choice} */ choice) => taken.filter(({ concerns }) => choice === "all" || (choice === "concerns" && concerns));
    if (wanted(sounds).length > 0) sound();
    if (!("Notification" in globalThis) || Notification.permission !== "granted") return;
    for (const { room, name } of wanted(notes).slice(0, MOST_TOLD)) await this.#notify(room, name);
  }

  /**
   * @param {string} room
   * @param {string} name
   */
  async #notify(room, name) {
    const answer = await call("GET", `/api/rooms/${room}/messages?limit=5&view=text`, { as: this.me });
    const message = answer.ok ? answer.data.messages.findLast((/** @type {any} */ one) => one.author.id !== this.me && !["queued", "streaming", "deleted"].includes(one.state)) : null;
    const body = message ? `${message.author.name}: ${message.text.slice(0, EXCERPT)}` : words.somethingNew;
    const data = message ? `/rooms/${room}?around=${message.id}#m-${message.id}` : `/rooms/${room}`;
    // One of a room replaces the one before.
    const how = { body, data, tag: `parlor ${room}`, lang: document.documentElement.lang };
    try {
      const note = new Notification(name, how);
      note.onclick = () => {
        note.close();
        window.focus();
        this.go(data);
      };
    } catch {
      // Phones only let service workers do this.
      (await navigator.serviceWorker?.getRegistration())?.showNotification(name, how);
    }
  }
}

/** The room that the reader has before their eyes, if any. */
function looked() {
  return document.hidden || !document.hasFocus() ? "" : here();
}

/**
 * Takes what no other window of this browser has taken.
 * @param {import("./roster.js").News[]} news
 */
async function take(news) {
  if (news.length === 0) return news;
  const store = localStorageIfAny();
  const taken = [];
  for (const one of news) {
    const key = `parlor.told.${one.room}`;
    if (Number(store?.getItem(key)) >= one.head || !(await first(`${key}.${one.head}`))) continue;
    store?.setItem(key, String(one.head));
    taken.push(one);
  }
  return taken;
}

/**
 * Whether this window is the first to ask for a name. What one window has stored another may see only a moment later, but a lock is one
 * for all: it is held until that moment is over. Plain http has no locks: there two windows may be first.
 * @param {string} name
 * @returns {Promise<boolean>}
 */
function first(name) {
  if (!navigator.locks) return Promise.resolve(true);
  return new Promise((is) => navigator.locks.request(name, { ifAvailable: true }, (lock) => {
    is(lock !== null);
    return lock && new Promise((over) => setTimeout(over, SEEN));
  }));
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
