// What has come and is not drawn yet, and how much of it the next frame of the screen shows.
//
// Changes go in, work for a frame comes out; nothing here knows the page or a clock. Of several versions of a message only the newest is
// drawn, but what they cleared stays cleared.

import { isOpen } from "./replica.js";

/** @typedef {import("./replica.js").Change} Change */
/** @typedef {import("./replica.js").PartName} PartName */
/** @typedef {import("./replica.js").Row} Row */
/**
 * Work for one frame. `room`: what the room is now. When it is drawn, everything is on screen up to the room's number `seq`, if that is
 * given, and if `caughtUp`, all there is.
 * @typedef {{ rows: Map<string, { row: Row, before?: Row, cleared: boolean }>, parts: Map<string, { id: string, part: PartName, from: number }>, beyond: Row[], room: any, seq: number | null, caughtUp: boolean }} Work
 */

/** In so many frames in a row not all is drawn that is there; and of more messages than this all are drawn at once. */
export const FEW = 3;

/** @returns {Work} */
const nothing = () => ({ rows: new Map(), parts: new Map(), beyond: [], room: null, seq: null, caughtUp: false });

export class Due {
  #work = nothing();
  /** Frames since all was drawn. */
  #frames = 0;

  /** Whether texts have grown that are not drawn. */
  get grown() {
    return this.#work.parts.size > 0;
  }

  /** @param {any} room */
  room(room) {
    this.#work.room = room;
  }

  /** @param {number} seq the room's number that is on screen when all is drawn that is there now */
  upTo(seq) {
    this.#work.seq = Math.max(seq, this.#work.seq ?? 0);
  }

  /** @param {boolean} is what is there now all that there is */
  caughtUp(is) {
    this.#work.caughtUp = is;
  }

  /** @param {Change} change any but a gap */
  take(change) {
    const { rows, parts, beyond } = this.#work;
    if (change?.what === "beyond") {
      beyond.push(change.row);
    } else if (change?.what === "row") {
      const { row, before, cleared } = change;
      const earlier = rows.get(row.id);
      rows.set(row.id, { row, before: earlier ? earlier.before : before, cleared: cleared || (earlier?.cleared ?? false) });
      if (cleared || !isOpen(row.state)) for (const part of ["answer", "reasoning"]) parts.delete(`${row.id} ${part}`);
    } else if (change?.what === "part") {
      const key = `${change.id} ${change.part}`;
      parts.set(key, { ...change, from: Math.min(change.from, parts.get(key)?.from ?? Infinity) });
    }
  }

  /**
   * What is to be drawn now. Where that is a little, one message, or the texts that grow: a slow machine is late with all of it together.
   * @param {boolean} whole nobody looks
   * @returns {{ work: Work, more: boolean }} and whether more is there already
   */
  next(whole) {
    const work = this.#work;
    this.#work = nothing();
    const { rows: [first, ...rest], parts, seq, caughtUp } = work;
    if (whole || !first || rest.length + parts.size === 0 || rest.length >= FEW || (this.#frames += 1) > FEW) {
      this.#frames = 0;
      return { work, more: false };
    }
    Object.assign(this.#work, { rows: new Map(rest), parts, seq, caughtUp });
    return { work: { ...work, rows: new Map([first]), parts: new Map(), seq: null, caughtUp: false }, more: true };
  }

  /** Something could not be drawn: what is left of it says nothing of what is on screen. */
  broken() {
    Object.assign(this.#work, { seq: null, caughtUp: false });
  }
}
