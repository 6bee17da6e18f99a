// Times as the reader's clock shows them, groups of one author, and days.

import { locale } from "./locale.js";
import { words } from "./words.js";

/** Messages of one author within this time stand under one name, in ms. */
const GROUP = 5 * 60 * 1000;

const clock = new Intl.DateTimeFormat(locale, { hour: "numeric", minute: "2-digit" });
const day = new Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long" });
const dayOfYear = new Intl.DateTimeFormat(locale, { day: "numeric", month: "long", year: "numeric" });
const full = new Intl.DateTimeFormat(locale, { dateStyle: "long", timeStyle: "short" });

/** @param {ParentNode} root */
export function localise(root) {
  for (const time of root.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const text = "full" in time.dataset ? full.format(at) : "day" in time.dataset ? dayOfYear.format(at) : clock.format(at);
    if (time.textContent !== text) time.textContent = text;
    time.title = full.format(at);
  }
}

/**
 * Puts a message in relation to the one before it: under its name, as its answer, at the head of a new day or of what is new.
 * @param {HTMLElement} message
 * @param {HTMLElement | null} before
 * @param {boolean} [first] of those that the reader has not read
 */
export function arrange(message, before, first = false) {
  const quote = /** @type {HTMLElement | null} */ (message.querySelector(":scope > .quote"));
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
  return new Date(a).toDateString() === new Date(b).toDateString();
}

/** @param {number} at */
function dayWords(at) {
  const date = new Date(at);
  return date.getFullYear() === new Date().getFullYear() ? day.format(date) : dayOfYear.format(date);
}

/**
 * A time of the day.
 * @param {number} at
 */
export function clockWords(at) {
  return clock.format(at);
}
