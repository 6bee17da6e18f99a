// Following the end of the log, and staying where the reader is.
//
// It follows only while the reader is near the end. Any movement upward, by wheel, finger or key, lets go at once, and only
// coming back to the end takes hold again. While it does not follow, what is read stays in its place whatever grows above.

/** Nearer than this to the end counts as at the end, in CSS pixels. */
export const NEAR = 64;

export class Follow {
  #top = 0;
  /** How large the log and what is in it were then. */
  #size = "";
  /** What is read, and where it stands. @type {{ message: HTMLElement, top: number } | null} */
  #anchor = null;

  /**
   * @param {HTMLElement} log the element that scrolls
   * @param {HTMLElement} column what is in it
   * @param {() => void} changed called when following begins or ends, and when the reader has moved
   * @param {AbortSignal} signal
   */
  constructor(log, column, changed, signal) {
    this.log = log;
    this.column = column;
    this.changed = changed;
    this.following = false;
    this.touch = 0;
    const passive = { passive: true, signal };
    log.addEventListener("wheel", (event) => { if (event.deltaY < 0) this.letGo(); }, passive);
    log.addEventListener("touchstart", (event) => { this.touch = event.touches[0].clientY; }, passive);
    log.addEventListener("touchmove", (event) => { if (event.touches[0].clientY > this.touch + 2) this.letGo(); }, passive);
    log.addEventListener("keydown", (event) => {
      if (["ArrowUp", "PageUp", "Home"].includes(event.key) || (event.key === " " && event.shiftKey)) this.letGo();
    }, { signal });
    log.addEventListener("scroll", () => this.#scrolled(), passive);
    const sizes = new ResizeObserver(() => this.stay());
    sizes.observe(log);
    sizes.observe(column);
    signal.addEventListener("abort", () => sizes.disconnect());
  }

  /** How far the end is, in CSS pixels. */
  get distance() {
    return this.log.scrollHeight - this.log.clientHeight - this.log.scrollTop;
  }

  letGo() {
    if (!this.following || this.log.scrollHeight <= this.log.clientHeight) return;
    this.following = false;
    this.changed();
  }

  toEnd() {
    this.following = true;
    this.stay();
    this.changed();
  }

  /** Remembers what is read: before the log changes, and wherever the reader has come to. */
  before() {
    this.#anchor = null;
    if (this.following) return;
    const edge = this.log.getBoundingClientRect().top;
    const messages = /** @type {NodeListOf<HTMLElement>} */ (this.column.querySelectorAll(".messages > .message"));
    // They stand in order, so the first that can be seen is found by halving.
    let [low, high] = [0, messages.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (messages[middle].getBoundingClientRect().bottom <= edge) low = middle + 1;
      else high = middle;
    }
    const message = messages[low];
    if (message) this.#anchor = { message, top: message.getBoundingClientRect().top };
  }

  /** After it: the end is shown as before, or what was read is where it was. */
  stay() {
    if (this.following) {
      this.log.scrollTop = this.log.scrollHeight;
    } else if (this.#anchor?.message.isConnected) {
      const moved = this.#anchor.message.getBoundingClientRect().top - this.#anchor.top;
      if (Math.abs(moved) >= 0.5) this.log.scrollTop += moved;
    }
    this.#top = this.log.scrollTop;
    this.#size = this.#sizeNow();
  }

  #sizeNow() {
    return `${this.log.clientWidth} ${this.log.clientHeight} ${this.log.scrollHeight}`;
  }

  #scrolled() {
    const top = this.log.scrollTop;
    const { distance } = this;
    // A screen that was turned, or a keyboard that came up, moves the log without the reader.
    const size = this.#sizeNow();
    if (size !== this.#size && (this.following || this.#anchor)) return this.stay();
    this.#size = size;
    // Upward by the scroll bar or by a jump; a log that only became shorter is still at its end.
    if (top < this.#top && distance > NEAR) this.following = false;
    else if ((top > this.#top && distance <= NEAR) || distance <= 1) this.following = true;
    this.#top = top;
    this.before();
    this.changed();
  }
}
