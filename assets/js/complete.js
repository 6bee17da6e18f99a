// What can be completed where one writes: whom `@` names, which command `/` begins, which emoji `:` stands for.
//
// Only text and lists; the picker shows what is found here.

/** @typedef {{ kind: "person" | "command" | "named" | "emoji", from: number, query: string }} Wanted */
/** @typedef {{ id: string, name: string, assistant: boolean }} Somebody */

/** Longest name that is looked for, in UTF-16 units. */
const LONGEST = 64;
/** So many are offered at once. */
const OFFERED = 12;

/** Scripts that put no spaces between words: what stands before a sign there does not hold it. */
const EAST_ASIAN = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}]/u;
const IN_WORD = /[\p{L}\p{N}\p{M}_]/u;

/**
 * What is being written at the caret, if it can be completed.
 * @param {string} text
 * @param {number} caret
 * @returns {Wanted | null}
 */
export function wanted(text, caret) {
  const before = text.slice(0, caret);
  const command = /^[/／]([a-z]*)$/i.exec(before);
  if (command) return { kind: "command", from: 0, query: command[1] };
  const named = /^([/／](?:ask|stop|retry|continue|model)\s+)([^@＠\s].*)?$/is.exec(before);
  if (named) return { kind: "named", from: named[1].length, query: named[2] ?? "" };
  const emoji = /:([a-z0-9_+-]{2,})$/i.exec(before);
  if (emoji && stands(before, emoji.index) && before[emoji.index - 1] !== ":" && !inCode(before)) return { kind: "emoji", from: emoji.index, query: emoji[1] };
  const at = Math.max(before.lastIndexOf("@"), before.lastIndexOf("＠"));
  const query = before.slice(at + 1);
  if (at < 0 || query.length > LONGEST || /^\s|\n/.test(query) || !stands(before, at) || inCode(before)) return null;
  return { kind: "person", from: at, query };
}

/**
 * Whether a sign at this place is no part of a word, as the server sees it.
 * @param {string} text
 * @param {number} at
 */
function stands(text, at) {
  const last = [...text.slice(Math.max(0, at - 2), at)].pop() ?? "";
  return !IN_WORD.test(last) || EAST_ASIAN.test(last);
}

/**
 * Whether the end of a text is inside code: in a fence, or behind a backtick that nothing closes.
 * @param {string} text
 */
export function inCode(text) {
  let fence = "";
  let paragraph = "";
  for (const line of text.split("\n")) {
    const mark = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1] ?? "";
    if (fence === "" && mark) fence = mark;
    else if (fence !== "" && mark.startsWith(fence) && line.trim() === mark) fence = "";
    else if (fence === "") paragraph = line.trim() === "" ? "" : `${paragraph}\n${line}`;
    if (mark) paragraph = "";
  }
  if (fence !== "") return true;
  /** @type {string[]} */
  const runs = paragraph.match(/`+/g) ?? [];
  for (let i = 0; i < runs.length; i++) {
    const close = runs.indexOf(runs[i], i + 1);
    if (close < 0) return true;
    i = close;
  }
  return false;
}

/** @param {string} text */
const fold = (text) => text.normalize("NFKC").toLowerCase();

/**
 * Those whom a query may mean: by the beginning of any word of their name, and in Chinese by any part of it.
 * @param {Somebody[]} everybody who was active lately first
 * @param {string} query
 */
export function people(everybody, query) {
  const key = fold(query);
  const fits = (/** @type {string} */ name) => name.startsWith(key) || name.split(/[\s\-_.']+/).some((word) => word.startsWith(key)) || (EAST_ASIAN.test(key) && name.includes(key));
  return everybody.filter(({ name }) => fits(fold(name))).slice(0, OFFERED);
}

/**
 * Emoji whose short name holds the query, the best first: those used lately, those that begin with it, those of which a word does.
 * @param {[string, string][]} all short name and emoji
 * @param {string} query
 * @param {string[]} recent emoji that were used lately, the last first
 */
export function emoji(all, query, recent) {
  const key = query.toLowerCase();
  const rank = (/** @type {string} */ name, /** @type {string} */ sign) => {
    const at = name.indexOf(key);
    if (at < 0) return Infinity;
    if (name === key) return -1000;
    const used = recent.indexOf(sign);
    if (used >= 0) return used - 100;
    return at === 0 ? 0 : /[_-]/.test(name[at - 1]) ? 1 : 2;
  };
  const seen = new Set();
  return all
    .map(([name, sign], order) => ({ name, sign, order, rank: rank(name, sign) }))
    .filter((one) => one.rank < Infinity)
    .sort((a, b) => a.rank - b.rank || a.order - b.order)
    .filter(({ sign }) => !seen.has(sign) && seen.add(sign))
    .slice(0, OFFERED);
}
