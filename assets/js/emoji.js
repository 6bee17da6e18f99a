// The emoji by their short names, fetched once when first needed, and those that this device used lately.

import { emoji } from "./complete.js";
import { localStorageIfAny } from "./draft.js";

const KEY = "parlor.emoji";
/** So many are remembered. */
const LATELY = 12;
/** For who has used none yet. */
export const FREQUENT = ["👍", "❤️", "😄", "🎉", "👀"];

/** @type {Promise<[string, string][]> | undefined} */
let fetched;

/** @returns {Promise<[string, string][]>} short name and emoji; empty while they cannot be had */
export function allEmoji() {
  const { emoji: address = "" } = /** @type {HTMLElement} */ (document.querySelector("chat-composer")).dataset;
  fetched ??= fetch(address).then((answer) => answer.json()).then(Object.entries).catch(() => {
    fetched = undefined;
    return [];
  });
  return /** @type {Promise<[string, string][]>} */ (fetched);
}

/**
 * What a picker offers for a beginning of a name.
 * @param {string} query
 * @param {string[]} recent
 */
export async function offersOf(query, recent = recentEmoji()) {
  return emoji(await allEmoji(), query, recent).map(({ name, sign }) => ({ sign, label: `:${name}:`, insert: sign, taken: () => usedEmoji(sign) }));
}

/** @returns {string[]} the last first */
export function recentEmoji() {
  try {
    const kept = JSON.parse(localStorageIfAny()?.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter((one) => typeof one === "string") : [];
  } catch {
    return [];
  }
}

/** @param {string} emoji */
export function usedEmoji(emoji) {
  try {
    localStorageIfAny()?.setItem(KEY, JSON.stringify([emoji, ...recentEmoji().filter((one) => one !== emoji)].slice(0, LATELY)));
  } catch {
    // Then it is not remembered.
  }
}
