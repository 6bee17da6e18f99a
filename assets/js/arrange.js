// Where a message stands, and how it stands to the one before it: groups of one author, and days.

import { dayWords } from "./times.js";
import { words } from "./words.js";

/** Messages of one author within this time stand under one name, in ms. */
const GROUP = 5 * 60 * 1000;
const DAY = 24 * 60 * 60 * 1000;

/**
 * Puts a message in relation to the one before it: under its name, as its answer, at the head of a new day or of what is new.
 * @param {HTMLElement} message
 * @param {HTMLElement | null} before
 * @param {boolean} [first] of those that the reader has not read
 */
export function arrange(message, before, first = false) {
  // It stands before all else. Asking a message for it would search all that the message says.
  const [start] = /** @type {HTMLCollectionOf<HTMLElement>} */ (message.children);
  const quote = start?.matches(".quote") ? start : null;
  const at = Number(message.dataset.at ?? Date.now());
  const last = before ? Number(before.dataset.at ?? Date.now()) : NaN;
  const newDay = before ? !sameDay(at, last) : true;
  // Replies never follow: each stands for itself, with its own state.
  const follows = !newDay && !first && message.dataset.kind === "person" && before?.dataset.author === message.dataset.author && at - last < GROUP && !quote;
  set(message, "answers", quote && before?.dataset.id === quote.dataset.quote ? "" : undefined);
  set(message, "follows", follows ? "" : undefined);
  set(message, "day", newDay ? dayWords(at) : undefined);
  set(message, "new", first ? words.new : undefined);
}

/**
 * Where a message stands; a pending one after all others.
 * @param {HTMLElement} article
 */
export function place(article) {
  return article.dataset.seq === undefined ? Infinity : Number(article.dataset.seq);
}

/**
 * @param {HTMLElement} element
 * @param {"follows" | "answers" | "day" | "new"} name
 * @param {string | undefined} value
 */
function set(element, name, value) {
  if (element.dataset[name] === value) return;
  if (value === undefined) delete element.dataset[name];
  else element.dataset[name] = value;
}

/**
 * @param {number} a
 * @param {number} b
 */
function sameDay(a, b) {
  // Days with the same number are weeks apart. All messages are compared whenever one comes, so nothing is written out.
  return Math.abs(a - b) < 7 * DAY && new Date(a).getDate() === new Date(b).getDate();
}
