// A room as far as this page knows it: the newest version of each message, and the texts that grow.
//
// Frames go in, and what is to be done to the page comes out. Nothing here knows the page, a network or a clock.
// Invariants: a row's `rev` never falls; a growing text belongs to the attempt of its row and never shrinks while that
// lasts; rows outside the window are not shown, and of them only versions are remembered, or whole while a page is being fetched
// that might be older.

import { nothing, takeDelta, takeDraft } from "./growth.js";

/** @typedef {"answer" | "reasoning"} PartName */
/** @typedef {import("./growth.js").Growth} Growth */
/**
 * A message as its frame brings it. Fields that are not needed here are left alone.
 * @typedef {{ id: string, seq: number, rev: number, state: string, attempt: number, html?: string, author?: { id: string, name: string }, kind?: string, [more: string]: unknown }} Row
 */
/** @typedef {{ attempt: number, answer: Growth, reasoning: Growth }} Growing */
/**
 * What is to be done to the page. `row`: put it in its place; `cleared` says that what its texts show is of an earlier attempt.
 * `beyond`: there is news of a row outside the window. `part`: its blocks changed from `from` on. `gap`: something is missing, open
 * the stream again.
 * @typedef {{ what: "row" | "beyond", row: Row, before: Row | undefined, cleared: boolean } | { what: "part", id: string, part: PartName, from: number } | { what: "gap" } | null} Change
 */

/** @param {string} state */
export function isOpen(state) {
  return state === "queued" || state === "streaming";
}

export class Replica {
  /**
   * @param {{ from?: number, to?: number }} [window] the places (`seq`) that the page shows
   */
  constructor({ from = 0, to = Infinity } = {}) {
    this.from = from;
    this.to = to;
    /** Whether rows are being fetched. */
    this.fetching = false;
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    /** @type {Map<string, Growing>} */
    this.growing = new Map();
  }

  /**
   * A row that the page already shows.
   * @param {Row} row
   */
  seed(row) {
    this.rows.set(row.id, row);
  }

  /** Whether there are replies that are not at their end. */
  get isGrowing() {
    return [...this.rows.values()].some(({ state }) => isOpen(state));
  }

  /** @param {Row} row */
  shows(row) {
    return row.seq >= this.from && row.seq <= this.to;
  }

  /**
   * @param {Row} row
   * @returns {Change}
   */
  message(row) {
    const known = this.rows.get(row.id);
    if (known && known.rev >= row.rev) return null;
    // Whatever is fetched after this is no older, so its version is enough.
    this.rows.set(row.id, this.fetching || this.shows(row) ? row : version(row));
    const cleared = known !== undefined && row.attempt > known.attempt;
    if (cleared || !isOpen(row.state)) this.growing.delete(row.id);
    return { what: this.shows(row) ? "row" : "beyond", row, before: known, cleared };
  }

  /**
   * @param {{ id: string, attempt: number, part: PartName, len: number, blocks: string[] }} draft
   * @returns {Change}
   */
  draft(draft) {
    const growth = this.#growth(draft);
    const from = growth && takeDraft(growth, draft);
    return from === null ? null : this.#part(draft, from);
  }

  /**
   * @param {{ id: string, attempt: number, part: PartName, off: number, len: number, block: number, keep: number, html: string[] }} delta
   * @returns {Change}
   */
  delta(delta) {
    const growth = this.#growth(delta);
    const from = growth && takeDelta(growth, delta);
    if (from === "gap") return { what: "gap" };
    return from === null ? null : this.#part(delta, from);
  }

  /**
   * The blocks of a growing text.
   * @param {string} id
   * @param {PartName} part
   */
  blocks(id, part) {
    return this.growing.get(id)?.[part].blocks ?? [];
  }

  /**
   * Widens the window by rows that were fetched, and says what to show in it: of each row the newest that is known.
   * Rows that are remembered from frames and lie in the new part of the window come with them.
   * @param {Row[]} rows
   * @param {{ from?: number, to?: number }} window
   * @returns {Row[]} in order
   */
  widen(rows, { from = this.from, to = this.to }) {
    const seen = { from: this.from, to: this.to };
    this.from = Math.min(this.from, from);
    this.to = Math.max(this.to, to);
    for (const row of rows) {
      const known = this.rows.get(row.id);
      if (!known || known.rev < row.rev || known.html === undefined) this.rows.set(row.id, row);
    }
    return [...this.rows.values()]
      .filter((row) => this.shows(row) && (row.seq < seen.from || row.seq > seen.to))
      .sort((a, b) => a.seq - b.seq);
  }

  /**
   * Narrows the window: what lies outside is forgotten, and is fetched again when it is looked for.
   * @param {{ from?: number, to?: number }} window
   */
  narrow({ from = this.from, to = this.to }) {
    // A window that would begin nowhere stays as it is.
    if (!(from <= to)) return;
    this.from = from;
    this.to = to;
    for (const row of [...this.rows.values()]) {
      if (this.shows(row)) continue;
      // What grows outside goes on growing, so that it is whole when it is looked for.
      if (isOpen(row.state)) this.rows.set(row.id, version(row));
      else this.rows.delete(row.id);
    }
  }

  /** Closes the window, to open it elsewhere: what has come is kept until it is narrowed again. */
  close() {
    this.from = Infinity;
    this.to = -Infinity;
  }

  /**
   * Where a draft or delta goes: only to a row that is being written, in this very attempt.
   * @param {{ id: string, attempt: number, part: PartName }} frame
   * @returns {Growth | null}
   */
  #growth({ id, attempt, part }) {
    const row = this.rows.get(id);
    if (row?.state !== "streaming" || row.attempt !== attempt) return null;
    let growing = this.growing.get(id);
    if (growing?.attempt !== attempt) {
      growing = { attempt, answer: nothing(), reasoning: nothing() };
      this.growing.set(id, growing);
    }
    return growing[part] ?? null;
  }

  /**
   * @param {{ id: string, part: PartName }} frame
   * @param {number} from
   * @returns {Change}
   */
  #part({ id, part }, from) {
    const row = this.rows.get(id);
    return row && this.shows(row) ? { what: "part", id, part, from } : null;
  }
}

/**
 * What is remembered of a row that is not shown.
 * @param {Row} row
 * @returns {Row}
 */
function version({ id, seq, rev, state, attempt }) {
  return { id, seq, rev, state, attempt };
}
