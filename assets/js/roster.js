// The reader's rooms as their lists show them: what frames say of them, their order and their groups. Knows no page.

/**
 * A line of a `rooms` frame.
 * @typedef {{ id: string, name: string, kind: "room" | "direct", private: boolean, head: number, at: number, read: number,
 *   unread: number, mentions: number, favourite: boolean, writing: boolean }} RoomLine
 */
/** Something new in a room, up to `head`. `concerns`: it names the reader, answers them, or is said to them alone. @typedef {{ room: string, name: string, head: number, concerns: boolean }} News */

/** Counts end here: what the server says to be so many may be more. */
export const MOST = 100;

/**
 * What is known after a frame.
 * @param {Map<string, RoomLine> | null} known
 * @param {{ all?: boolean, rooms: RoomLine[], gone?: string[] }} frame
 */
export function merge(known, { all, rooms, gone = [] }) {
  const now = new Map(all ? [] : known);
  for (const line of rooms) now.set(line.id, line);
  for (const id of gone) now.delete(id);
  return now;
}

/**
 * What is new in these lines. A room that was not known before is no news: its reader has just come into it.
 * @param {Map<string, RoomLine>} known
 * @param {RoomLine[]} lines
 * @returns {News[]}
 */
export function risen(known, lines) {
  return lines.flatMap((line) => {
    const before = known.get(line.id);
    // A mark that was set back, "unread from here", raises the count too.
    if (!before || line.head <= before.head || line.read < before.read) return [];
    const more = line.unread > before.unread || (line.unread >= MOST && line.at > before.at);
    const concerns = line.kind === "direct" || line.mentions > before.mentions || (line.mentions >= MOST && line.at > before.at);
    return more ? [{ room: line.id, name: line.name, head: line.head, concerns }] : [];
  });
}

/** @typedef {"favourites" | "rooms" | "talks"} Group */

/**
 * @param {RoomLine} line
 * @returns {Group}
 */
export function groupOf({ favourite, kind }) {
  if (favourite) return "favourites";
  return kind === "direct" ? "talks" : "rooms";
}

/**
 * The latest activity first; by name where that is the same.
 * @param {RoomLine} a
 * @param {RoomLine} b
 */
export function byActivity(a, b) {
  return b.at - a.at || a.name.localeCompare(b.name) || (a.id < b.id ? -1 : 1);
}

/**
 * How much of it concerns the reader: all that is said to them alone, and where they are named. Others' talk is only there or not.
 * @param {Iterable<RoomLine>} lines
 */
export function signsOf(lines) {
  let concerns = 0;
  let unread = false;
  for (const line of lines) {
    concerns += line.kind === "direct" ? line.unread : line.mentions;
    unread ||= line.unread > 0;
  }
  return { concerns, unread };
}

/**
 * The next room in a list from where one is, around its end; only unread ones if wanted.
 * @template {{ id: string, unread: boolean }} Item
 * @param {Item[]} items as they stand in the list
 * @param {string} here
 * @param {1 | -1} step
 * @param {boolean} unread
 * @returns {Item | undefined}
 */
export function nextOf(items, here, step, unread) {
  const at = items.findIndex(({ id }) => id === here);
  for (let i = 1; i <= items.length; i++) {
    const from = at < 0 && step < 0 ? 0 : at;
    const item = items[(((from + i * step) % items.length) + items.length) % items.length];
    if (item.id !== here && (!unread || item.unread)) return item;
  }
  return undefined;
}
