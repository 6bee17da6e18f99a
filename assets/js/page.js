// What every page has: the list of rooms and the ways to move about, times as the reader's clock shows them, safe input methods, and
// links that can be copied. It runs once, and stays while pages change in its middle.

import { copy } from "./actions.js";
import { localise } from "./times.js";
import { keepCode } from "./code.js";
import { lobby, scarce } from "./connection.js";
import "./formulas.js";
import { guardForms } from "./ime.js";
import { listen } from "./keys.js";
import { Navigation } from "./navigate.js";
import { risen } from "./roster.js";
import { keepShell } from "./shell.js";
import { Sidebar, here } from "./sidebar.js";
import { Signs } from "./signs.js";
import { Switcher } from "./switcher.js";
import { words } from "./words.js";

/** A page without a room that is hidden gives its stream up after so long where connections are scarce, in ms. */
const HIDDEN = 10_000;

class CopyField extends HTMLElement {
  connectedCallback() {
    const field = this.querySelector("input");
    if (!field || this.querySelector("button")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = words.copy;
    button.addEventListener("click", async () => {
      await copy(field.value);
      button.textContent = words.copied;
    });
    field.addEventListener("focus", () => field.select());
    this.append(button);
  }
}

/**
 * @param {HTMLElement} nav
 * @param {string} me
 */
function inhabit(nav, me) {
  const sidebar = new Sidebar(nav, me);
  const says = document.getElementById("says");
  const navigation = new Navigation((title) => {
    signs.title(title);
    sidebar.arrive();
    if (says) says.textContent = title;
    rooms.looks();
  });
  const go = (/** @type {string} */ address) => navigation.go(address);
  const signs = new Signs(me, go);
  const switcher = new Switcher(me, sidebar, go);
  const list = listen({
    find: () => switcher.open(),
    search() {
      const field = /** @type {HTMLInputElement | null} */ (document.querySelector("#main [type=search]"));
      const link = /** @type {HTMLElement | null} */ (document.querySelector(".room-search"));
      field?.focus();
      if (field) field.select();
      else if (link) link.click();
      else go("/search");
    },
    step(step, unread) {
      const room = sidebar.next(step, unread);
      if (room) go(`/rooms/${room}`);
    },
  });
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-does]") : null;
    if (!(button instanceof HTMLElement) || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    if (nav.matches(":popover-open")) nav.hidePopover();
    if (button.dataset.does === "find") switcher.open();
    else list();
  }, { capture: true });
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (nav.querySelectorAll("[data-does]"))) button.hidden = false;

  signs.heard(sidebar.lines.values());
  const rooms = lobby(me, {
    heard(event, data) {
      if (event !== "rooms") return;
      // Where all windows share a stream, one of them is asked to tell.
      signs.tell(risen(sidebar.lines, data.rooms), !rooms.shared);
      sidebar.heard(data);
      signs.heard(sidebar.lines.values());
    },
    lost(why) {
      // A room finds out by itself.
      if (here()) return;
      if (why === "signed-out") location.assign(`/sign-in?next=${encodeURIComponent(location.pathname)}`);
      else location.reload();
    },
    looks: () => ({ say: "looks", at: document.hidden || !document.hasFocus() ? null : here(), touched: navigator.userActivation?.hasBeenActive ?? false }),
    tell: (news) => signs.tell(news),
  });
  /** @type {any} */
  let resting;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(resting);
    rooms.looks();
    if (!document.hidden) rooms.wake();
    else if (!rooms.shared && scarce()) resting = setTimeout(() => rooms.rest(), HIDDEN);
  });
  for (const event of ["focus", "blur"]) window.addEventListener(event, () => rooms.looks());
  document.addEventListener("pointerdown", () => setTimeout(() => rooms.looks()), { once: true });
  window.addEventListener("online", () => rooms.wake(true));
  window.addEventListener("pagehide", () => rooms.rest());
  window.addEventListener("pageshow", (event) => { if (event.persisted) rooms.wake(true); });
}

customElements.define("copy-field", CopyField);
localise(document);
keepCode(document.body);
guardForms();
keepShell();
const nav = document.querySelector("nav.side");
if (nav instanceof HTMLElement) inhabit(nav, document.documentElement.dataset.me ?? "");
