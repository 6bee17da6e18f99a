// What is half written, kept for each room and person until it is sent.
//
// All tabs of a room share one draft: a tab that shows what was kept last takes over what another one makes of it. One in which
// something else stands keeps its own, and whatever is typed next, in whichever tab, is what is kept.

/** @typedef {{ id: string, name: string, kind?: string, url?: string }} File a file that has been uploaded */
/** @typedef {{ text: string, reply: { id: string, author: string, excerpt: string } | null, files?: File[] }} Draft */

/** @type {Draft} */
export const NOTHING = { text: "", reply: null };

/**
 * @param {Pick<Storage, "getItem" | "setItem" | "removeItem"> | null} storage
 * @param {string} person
 * @param {string} room
 */
export function draftIn(storage, person, room) {
  const key = `parlor.draft.${person}.${room}`;
  return {
    key,
    /** @returns {Draft | null} */
    read() {
      try {
        return JSON.parse(storage?.getItem(key) ?? "null");
      } catch {
        return null;
      }
    },
    /** @param {Draft} draft */
    write(draft) {
      try {
        if (isNothing(draft)) storage?.removeItem(key);
        else storage?.setItem(key, JSON.stringify(draft));
      } catch {
        // A full or forbidden storage only means that a reload forgets it.
      }
    },
  };
}

/** @param {Draft} draft */
const isNothing = ({ text, reply, files }) => text.trim() === "" && !reply && !files?.length;

/**
 * What a tab shows after another one has written: that, unless something else stands here than was kept before.
 * @param {Draft} here
 * @param {Draft | null} before what was kept when this tab last looked
 * @param {Draft | null} now
 * @returns {Draft | null} nothing where it stays as it is
 */
export function followed(here, before, now) {
  const same = (/** @type {Draft} */ a, /** @type {Draft} */ b) => JSON.stringify([a.text, a.reply, a.files ?? []]) === JSON.stringify([b.text, b.reply, b.files ?? []]);
  return same(here, before ?? NOTHING) && !same(here, now ?? NOTHING) ? (now ?? NOTHING) : null;
}

/** The browser's storage, or null where it is switched off: merely to name it can throw. */
export function localStorageIfAny() {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null;
  }
}
