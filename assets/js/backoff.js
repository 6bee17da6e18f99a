// How long to wait before trying again: longer with each failure, never the same for all, so that a server
// that comes back is not met by everybody at once.

/** The longest wait, in ms. */
export const LONGEST = 30_000;
/** The first wait, in ms. */
const FIRST = 1_000;

/**
 * @param {number} failures how many in a row, from 1
 * @param {() => number} random from 0 to 1
 * @returns {number} ms, between half of the step and the whole of it
 */
export function wait(failures, random) {
  const step = Math.min(LONGEST, FIRST * 2 ** Math.min(Math.max(failures, 1) - 1, 10));
  return Math.round(step / 2 + (random() * step) / 2);
}
