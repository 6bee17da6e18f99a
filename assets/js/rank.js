// What fits to what was typed, and how well. Knows no page.

/** As people type: without regard to case, width and accents. @param {string} text */
export function plain(text) {
  return text.normalize("NFKD").replace(/\p{Mn}/gu, "").toLowerCase().trim();
}

/**
 * How well a name fits: the smaller the better, null not at all. From its beginning, from the beginning of a word, anywhere (what is
 * written without spaces has no beginnings of words), and at last letter by letter in this order.
 * @param {string} name
 * @param {string} typed
 * @returns {number | null}
 */
export function fits(name, typed) {
  const [where, what] = [plain(name), plain(typed)];
  if (!what) return 0;
  if (where === what) return 0;
  if (where.startsWith(what)) return 1;
  const at = where.indexOf(what);
  if (at > 0) return isWordAt(where, what) ? 2 : 3;
  let next = 0;
  const letters = [...what].filter((letter) => letter !== " ");
  for (const letter of where) if (letter === letters[next]) next += 1;
  return next === letters.length ? 4 : null;
}

/**
 * @param {string} where
 * @param {string} what
 */
function isWordAt(where, what) {
  for (let at = where.indexOf(what); at >= 0; at = where.indexOf(what, at + 1)) if (!/[\p{L}\p{N}]/u.test(where[at - 1])) return true;
  return false;
}

/**
 * Those that fit, the best first; among equals the order that they have. Where nothing is typed, all as they are.
 * @template {{ name: string, less?: number }} Item
 * @param {Item[]} items `less`: takes something back from how well it fits
 * @param {string} typed
 * @returns {Item[]}
 */
export function ranked(items, typed) {
  return items
    .map((item, order) => ({ item, order, how: fits(item.name, typed) }))
    .filter(({ how }) => how !== null)
    .sort((a, b) => /** @type {number} */ (a.how) + (a.item.less ?? 0) - (/** @type {number} */ (b.how) + (b.item.less ?? 0)) || a.order - b.order)
    .map(({ item }) => item);
}
