// How far a room has been read, and telling the server so: never less than before, at most once a second, and again if it fails.
//
// Nothing here knows the page or a network.

/** Between two calls, in ms. */
const EVERY = 1_000;
/** After one that failed, in ms. */
const PATIENCE = 5_000;

/**
 * @typedef {Object} World
 * @property {(seq: number) => Promise<boolean>} tell whether it was taken, or never will be
 * @property {(then: () => void, ms: number) => unknown} later
 * @property {() => number} now in ms
 */

export class ReadMark {
  /** What the server knows. */
  #told;
  #waiting = false;
  #last = -Infinity;

  /**
   * @param {number} read up to this place
   * @param {World} world
   */
  constructor(read, world) {
    this.read = read;
    this.#told = read;
    this.world = world;
  }

  /** @param {number} seq that has been on screen */
  saw(seq) {
    if (!(seq > this.read)) return;
    this.read = seq;
    this.#soon();
  }

  /** The server counts something up to here as unread that could not be read before: a reply that has come to its end. */
  again() {
    this.#told = -Infinity;
    this.#soon();
  }

  /**
   * What the server knows, from wherever. It goes back only where the reader wants something to be unread again.
   * @param {number} seq
   */
  knows(seq) {
    this.#told = seq;
    this.read = seq;
  }

  #soon(ms = 0) {
    if (this.#waiting) return;
    this.#waiting = true;
    const { now, later } = this.world;
    later(() => this.#tell(), Math.max(ms, this.#last + EVERY - now()));
  }

  async #tell() {
    const { world, read } = this;
    let taken = true;
    if (read > this.#told) {
      this.#last = world.now();
      taken = await world.tell(read);
      if (taken) this.#told = Math.max(this.#told, read);
    }
    this.#waiting = false;
    if (this.read > this.#told) this.#soon(taken ? 0 : PATIENCE);
  }
}
