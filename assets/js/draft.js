// What is half written, kept for each room and person until it is sent.

/** @typedef {{ text: string, reply: { id: string, author: string, excerpt: string } | null }} Draft */

/**
 * @param {Pick<Storage, "getItem" | "setItem" | "removeItem"> | null} storage
 * @param {string} person
 * @param {string} room
 */
export function draftIn(storage, person, room) {
  const key = `parlor.draft.${person}.${room}`;
  return {
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
        if (draft.text.trim() === "" && !draft.reply) storage?.removeItem(key);
        else storage?.setItem(key, JSON.stringify(draft));
      } catch {
        // A full or forbidden storage only means that a reload forgets it.
      }
    },
  };
}

/** The browser's storage, or null where it is switched off: merely to name it can throw. */
export function localStorageIfAny() {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null;
  }
}
