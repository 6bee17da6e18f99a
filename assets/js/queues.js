// Replies that wait say for what: for the question that their assistant is answering now, and how many are before them.
//
// What is known here is what the page shows of this room. An assistant may also be busy elsewhere: then it just waits.

import { isOpen } from "./replica.js";
import { words } from "./words.js";

/** @param {Element} list of messages */
export function queues(list) {
  /** Whose question an assistant is answering, and how many wait here. @type {Map<string, { name: string, count: number }>} */
  const before = new Map();
  for (const article of /** @type {HTMLCollectionOf<HTMLElement>} */ (list.children)) {
    const { author = "", state = "" } = article.dataset;
    if (!isOpen(state)) continue;
    const known = before.get(author);
    const line = /** @type {HTMLElement | null} */ (article.querySelector(".thinking"));
    if (state === "queued" && line) {
      if (known) line.dataset.queue = words.queue(known.name, known.count);
      else delete line.dataset.queue;
    }
    if (known) known.count += 1;
    else before.set(author, { name: article.querySelector(".facts > .asked bdi")?.textContent ?? "", count: 1 });
  }
}
