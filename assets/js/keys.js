// All keys in one table: what they do, and the sheet that lists them.

import { onKey } from "./ime.js";
import { words } from "./words.js";

/**
 * @typedef {Object} Key
 * @property {string[][]} keys as the sheet shows them, each with what is held with it
 * @property {string} says
 * @property {(event: KeyboardEvent) => boolean} [is]
 * @property {boolean} [typing] it counts while one types too
 * @property {(event: KeyboardEvent) => unknown} [does] nothing where it is only listed: whoever has the focus does it. False: it did nothing
 */

const apple = /Mac|iP(hone|ad|od)/.test(navigator.platform);
const MOD = apple ? "⌘" : "Ctrl";
const ALT = apple ? "⌥" : "Alt";
const SHIFT = apple ? "⇧" : "Shift";

/** Exactly these are held. @param {KeyboardEvent} event @param {string} [held] */
const holds = ({ ctrlKey, metaKey, altKey, shiftKey }, held = "") =>
  (apple ? metaKey : ctrlKey) === held.includes("mod") && (apple ? ctrlKey : metaKey) === false && altKey === held.includes("alt") && (held.includes("any") || shiftKey === held.includes("shift"));

/**
 * @param {{ find: () => void, search: () => void, step: (step: 1 | -1, unread: boolean) => void, escape: () => boolean, list: () => void }} does
 * @returns {Key[]}
 */
function table({ find, search, step, escape, list }) {
  /** @param {"ArrowUp" | "ArrowDown"} key @param {string} held */
  const arrow = (key, held) => (/** @type {KeyboardEvent} */ event) => event.key === key && holds(event, held);
  return [
    { keys: [[MOD, "K"]], says: words.keys.find, typing: true, is: (event) => event.key.toLowerCase() === "k" && holds(event, "mod"), does: find },
    { keys: [["/"]], says: words.keys.search, is: (event) => event.key === "/" && holds(event, "any"), does: search },
    { keys: [[ALT, "↑"], ["↓"]], says: words.keys.rooms, typing: true, is: arrow("ArrowUp", "alt"), does: () => step(-1, false) },
    { keys: [], says: "", typing: true, is: arrow("ArrowDown", "alt"), does: () => step(1, false) },
    { keys: [[ALT, SHIFT, "↑"], ["↓"]], says: words.keys.unread, typing: true, is: arrow("ArrowUp", "alt shift"), does: () => step(-1, true) },
    { keys: [], says: "", typing: true, is: arrow("ArrowDown", "alt shift"), does: () => step(1, true) },
    { keys: [["Esc"]], says: words.keys.escape, typing: true, is: (event) => event.key === "Escape" && holds(event), does: escape },
    { keys: [["?"]], says: words.keys.list, is: (event) => event.key === "?" && holds(event, "any"), does: list },
    { keys: [["Enter"]], says: words.keys.send },
    { keys: [[SHIFT, "Enter"]], says: words.keys.line },
    { keys: [["↑"]], says: words.keys.edit },
    { keys: [["@"], ["/"], [":"]], says: words.keys.complete },
    { keys: [[ALT, "PgUp"], ["PgDn"]], says: words.keys.walk },
    { keys: [["Tab"]], says: words.keys.actions },
  ];
}

/** @param {EventTarget | null} target */
const types = (target) => target instanceof HTMLElement && (target.isContentEditable || target.matches("textarea, select, input:not([type=checkbox], [type=radio], [type=button])"));

/**
 * Listens to the keys of every page.
 * @param {{ find: () => void, search: () => void, step: (step: 1 | -1, unread: boolean) => void }} does
 * @returns {() => void} opens the sheet
 */
export function listen(does) {
  const list = () => open(keys);
  const keys = table({ ...does, escape, list });
  onKey(document, (event) => {
    // A dialog has keys of its own.
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const key = keys.find((key) => key.is?.(event));
    if (!key?.does || (!key.typing && types(event.target))) return;
    if (key.does(event) !== false) event.preventDefault();
  });
  return list;
}

/** Whoever is innermost around the focus and has something to close does so, and says by `preventDefault` that it is enough. */
function escape() {
  const { activeElement: focused } = document;
  const from = focused?.closest("#main") ? focused : (document.querySelector("chat-room") ?? document);
  const told = new CustomEvent("parlor-escape", { bubbles: true, cancelable: true });
  return !from.dispatchEvent(told);
}

/** @param {Key[]} keys */
function open(keys) {
  if (document.querySelector("dialog[open]")) return;
  const dialog = document.createElement("dialog");
  dialog.className = "keys";
  dialog.setAttribute("aria-labelledby", "keys-title");
  const title = document.createElement("h2");
  title.id = "keys-title";
  title.textContent = words.keys.title;
  const rows = document.createElement("dl");
  for (const { keys: all, says } of keys) {
    if (!says) continue;
    const row = document.createElement("div");
    const name = document.createElement("dt");
    const what = document.createElement("dd");
    what.textContent = says;
    all.forEach((held, index) => {
      if (index > 0) name.append(" / ");
      held.forEach((key, index) => {
        if (index > 0) name.append(" ");
        const cap = document.createElement("kbd");
        cap.textContent = key;
        name.append(cap);
      });
    });
    row.append(name, what);
    rows.append(row);
  }
  const form = document.createElement("form");
  form.method = "dialog";
  form.className = "dialog-buttons";
  const close = document.createElement("button");
  close.textContent = words.close;
  form.append(close);
  dialog.append(title, rows, form);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  dialog.showModal();
}
