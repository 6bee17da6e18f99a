// Times as the reader's clock shows them.

import { locale } from "./locale.js";

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
 * A day as the line at its head names it.
 * @param {number} at
 */
export function dayWords(at) {
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
