// One text of a reply while it grows: a list of blocks of markup, and how much of the source they show.
//
// `len` and `keep` count UTF-16 units, which is what JavaScript's strings count. The strings are those that the server
// sent; nothing is read back from the page.

/** @typedef {{ len: number, blocks: string[] }} Growth */
/** @typedef {{ len: number, blocks: string[] }} Draft */
/** @typedef {{ off: number, len: number, block: number, keep: number, html: string[] }} Delta */

/** @returns {Growth} */
export function nothing() {
  return { len: 0, blocks: [] };
}

/**
 * Takes the whole of what is stored, unless more than that is shown.
 * @param {Growth} growth
 * @param {Draft} draft
 * @returns {number | null} the first block that may have changed; null if the draft is ignored
 */
export function takeDraft(growth, draft) {
  if (draft.len < growth.len) return null;
  let same = 0;
  while (same < growth.blocks.length && same < draft.blocks.length && growth.blocks[same] === draft.blocks[same]) same += 1;
  growth.len = draft.len;
  growth.blocks = draft.blocks.slice();
  return same;
}

/**
 * Takes what was added.
 * @param {Growth} growth
 * @param {Delta} delta
 * @returns {number | null | "gap"} the first block that changed; null if nothing is to be shown; "gap" if something between is missing
 */
export function takeDelta(growth, delta) {
  if (delta.off < growth.len) return null;
  if (delta.off > growth.len) return "gap";
  if (delta.html.length === 0) {
    growth.len = delta.len;
    return null;
  }
  // What cannot be joined means that we hold something else than the server thinks: a gap like any other.
  const before = growth.blocks[delta.block] ?? "";
  if (delta.block > growth.blocks.length || delta.keep > before.length) return "gap";
  growth.blocks.length = Math.min(growth.blocks.length, delta.block);
  growth.blocks.push(before.slice(0, delta.keep) + delta.html[0], ...delta.html.slice(1));
  growth.len = delta.len;
  return delta.block;
}
