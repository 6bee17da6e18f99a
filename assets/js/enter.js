// What Enter does where one writes: it sends, or it breaks the line. Each device keeps its own choice.

import { localStorageIfAny } from "./draft.js";

const KEY = "parlor.enter";

export const enterSends = () => localStorageIfAny()?.getItem(KEY) !== "breaks";

/**
 * Whether this key sends.
 * @param {Pick<KeyboardEvent, "key" | "shiftKey" | "altKey" | "ctrlKey" | "metaKey">} event
 * @param {boolean} [enter] whether Enter alone does
 */
export function sends({ key, shiftKey, altKey, ctrlKey, metaKey }, enter = enterSends()) {
  return key === "Enter" && !altKey && (enter ? !shiftKey : ctrlKey || metaKey);
}

/** The other way from now on. */
export function turnEnter() {
  try {
    localStorageIfAny()?.setItem(KEY, enterSends() ? "breaks" : "sends");
  } catch {
    // A full storage keeps it as it was.
  }
}

/**
 * Says how it is, where the page has words for both ways, and to keyboards on a screen.
 * @param {ParentNode} root
 */
export function showEnter(root) {
  const way = enterSends() ? "sends" : "breaks";
  const mac = /Mac|iP/.test(navigator.platform);
  for (const hint of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-breaks]"))) {
    hint.textContent = (hint.dataset[way] ?? "").replace("Ctrl+", mac ? "⌘" : "Ctrl+");
  }
  for (const field of root.querySelectorAll("textarea")) field.enterKeyHint = way === "sends" ? "send" : "enter";
}
