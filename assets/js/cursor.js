// Where a reader stands in a room: `<room>.<epoch>.<seq>`, the `id` of every durable frame.

/** @typedef {{ room: string, epoch: string, seq: number }} Cursor */

/**
 * @param {string} text
 * @returns {Cursor | null}
 */
export function parseCursor(text) {
  const match = /^([0-9a-f-]{36})\.([0-9a-f]{32})\.(0|[1-9][0-9]{0,15})$/.exec(text);
  return match ? { room: match[1], epoch: match[2], seq: Number(match[3]) } : null;
}

/** @param {Cursor} cursor */
export function formatCursor({ room, epoch, seq }) {
  return `${room}.${epoch}.${seq}`;
}
