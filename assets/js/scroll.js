// Following the end of the log, and staying where the reader is.
//
// It follows only while the reader is near the end. Any movement upward, by wheel, finger, key or scroll bar, lets go at once, and
// only moving down to the end takes hold again. While it does not follow, what is read stays in its place whatever grows, folds or
// goes above or below. Browsers that keep places themselves are told not to: it is done here, in all of them alike.

/** Nearer than this to the end counts as at the end, in CSS pixels. */
export const NEAR = 64;
/** Farther than any log is long, in CSS pixels. */
const FAR = 1e7;
/** What was clicked stays under the finger while its click may still change sizes, in ms. */
const CLICK = 400;
/** Elements whose children are read one by one. */
const LISTS = ".message, .body, .thought, .reasoning, ul, ol, li, blockquote";
/** What stands beside the text, or above it. */
const BESIDE = ".avatar, .actions, [hidden]";
/** What opens and closes. */
const FOLDS = "summary, [aria-expanded], .code .fold";

/** Something that is read, and where it stood. @typedef {{ element: Element, top: number, message: Element, messageTop: number }} Anchor */

export class Follow {
  #top = 0;
  /** How large the log was then, and what is in it. */
  #width = 0;
  #height = 0;
  #length = 0;
  /** What stands at the middle of the view: it stays when what is in the log changes. @type {Anchor | null} */
  #middle = null;
  /** What stands at its top edge: it stays when the view itself changes. @type {Anchor | null} */
  #first = null;
  /** What was just clicked, and until when that counts. @type {{ anchor: Anchor, until: number } | null} */
  #clicked = null;

  /**
   * @param {HTMLElement} log the element that scrolls
   * @param {HTMLElement} list the messages in it
   * @param {() => void} changed called when following begins or ends, and when the view has moved or changed
   * @param {AbortSignal} signal
   */
  constructor(log, list, changed, signal) {
    this.log = log;
    this.list = list;
    this.changed = changed;
    this.following = false;
    /** Whether what is in the log goes to the end of the room; else there is nothing to follow. @type {() => boolean} */
    this.whole = () => true;
    let touch = 0;
    const passive = { passive: true, signal };
    log.addEventListener("wheel", (event) => { if (event.deltaY < 0) this.letGo(); }, passive);
    log.addEventListener("touchstart", (event) => { touch = event.touches[0].clientY; }, passive);
    log.addEventListener("touchmove", (event) => { if (event.touches[0].clientY > touch + 2) this.letGo(); }, passive);
    log.addEventListener("keydown", (event) => {
      if (["ArrowUp", "PageUp", "Home"].includes(event.key) || (event.key === " " && event.shiftKey)) this.letGo();
    }, { signal });
    log.addEventListener("click", (event) => {
      const fold = event.target instanceof Element ? event.target.closest(FOLDS) : null;
      if (fold) this.#clicked = { anchor: opened(fold, log), until: performance.now() + CLICK };
    }, { signal, capture: true });
    log.addEventListener("scroll", () => this.#scrolled(), passive);
    const sizes = new ResizeObserver(() => { this.stay(); this.changed(); });
    sizes.observe(log);
    sizes.observe(/** @type {Element} */ (list.parentElement));
    signal.addEventListener("abort", () => sizes.disconnect());
  }

  /** How far the end is, in CSS pixels. */
  get distance() {
    return this.log.scrollHeight - this.log.clientHeight - this.log.scrollTop;
  }

  letGo() {
    if (!this.following || this.log.scrollHeight <= this.log.clientHeight) return;
    this.following = false;
    this.#look();
    this.changed();
  }

  toEnd() {
    const near = this.distance < 2 * this.log.clientHeight && !matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.following = true;
    if (near) this.log.scrollTo({ top: this.log.scrollHeight, behavior: "smooth" });
    else this.stay();
    this.changed();
  }

  /**
   * Shows a message: at the middle of the view, or where it stood before.
   * @param {Element} message
   * @param {number} [top] of it, below the top of the view
   */
  show(message, top) {
    this.following = false;
    const box = message.getBoundingClientRect();
    // What is higher than the view begins at its top.
    const wanted = top ?? Math.max(this.log.clientHeight / 8, (this.log.clientHeight - box.height) / 2);
    this.log.scrollTop += box.top - this.log.getBoundingClientRect().top - wanted;
    this.#settle();
    this.#look();
    this.changed();
  }

  /**
   * Moves the view, as the reader wants it.
   * @param {number} by in CSS pixels
   */
  scroll(by) {
    if (by < 0) this.letGo();
    this.log.scrollTop += by;
    return true;
  }

  /** The message at the top edge, and how far below that edge it begins: whoever comes back finds it there. */
  get place() {
    const message = this.#first?.message;
    if (this.following || !(message instanceof HTMLElement) || !message.isConnected) return null;
    return { message, top: message.getBoundingClientRect().top - this.log.getBoundingClientRect().top };
  }

  /** Remembers what is read, before the log changes. */
  before() {
    // As long as the reader has not moved it is what it was: remembering it anew would lose a part of a pixel each time.
    if (!this.following && !this.#middle) this.#look();
  }

  /** After it, where there is only more at the end that is followed. */
  down() {
    if (this.#clicked && performance.now() >= this.#clicked.until) this.#clicked = null;
    if (this.#clicked) this.stay();
    else this.log.scrollTop = FAR;
  }

  /** After it: the end is shown as before, or what was read is where it was. */
  stay() {
    const { log } = this;
    const clicked = this.#clicked && performance.now() < this.#clicked.until && log.scrollHeight !== this.#length ? this.#clicked.anchor : null;
    const resized = log.clientWidth !== this.#width || log.clientHeight !== this.#height;
    const shorter = log.scrollHeight < this.#length;
    if (clicked) {
      this.#clicked = null;
      keep(log, clicked);
      // Even a little that was unfolded would move when the end is followed.
      this.following = this.distance < 1 && (this.following || (shorter && this.whole()));
      this.#look();
    } else if (this.following) {
      log.scrollTop = log.scrollHeight;
    } else if (this.#middle && this.#first) {
      keep(log, resized ? this.#first : this.#middle);
      // The other one stands elsewhere now.
      if (resized) this.#middle = this.#at(0.5);
      else this.#first = this.#at(0);
      if (shorter && this.distance < 1 && this.whole()) this.following = true;
    }
    this.#settle();
  }

  #settle() {
    const { log } = this;
    [this.#top, this.#width, this.#height, this.#length] = [log.scrollTop, log.clientWidth, log.clientHeight, log.scrollHeight];
  }

  #scrolled() {
    const { log, distance } = this;
    const top = log.scrollTop;
    // The browser tells of our own movements too, and later: they say nothing of the reader.
    if (top === this.#top) return;
    // A screen that was turned, a keyboard that came up or a log that became shorter move the log without the reader.
    const forced = log.clientWidth !== this.#width || log.clientHeight !== this.#height || log.scrollHeight < this.#length;
    if (forced && (this.following || this.#middle)) {
      this.stay();
      return this.changed();
    }
    if (top < this.#top) this.following &&= distance < 1;
    else if (distance <= NEAR && this.whole()) this.following = true;
    this.#settle();
    this.#look();
    this.changed();
  }

  #look() {
    this.#middle = this.#first = null;
    if (this.following) return;
    this.#middle = this.#at(0.5);
    this.#first = this.#at(0);
  }

  /**
   * What stands at that part of the view's height: the innermost block of text.
   * @param {number} part
   * @returns {Anchor | null}
   */
  #at(part) {
    const box = this.log.getBoundingClientRect();
    const y = box.top + this.log.clientHeight * part;
    const message = this.list.children[firstBelow(this.list.children, y)] ?? this.list.lastElementChild;
    if (!message) return null;
    let element = message;
    while (element.matches(LISTS)) {
      const next = [...element.children].find((child) => !child.matches(BESIDE) && child.getBoundingClientRect().bottom > y);
      if (!next) break;
      element = next;
      if (next.getBoundingClientRect().top > y) break;
    }
    return anchor(element);
  }
}

/**
 * They stand in order, so the first that ends below a line is found by halving.
 * @param {HTMLCollection} elements
 * @param {number} y
 */
export function firstBelow(elements, y) {
  let [low, high] = [0, elements.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (elements[middle].getBoundingClientRect().bottom <= y) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * @param {Element} element
 * @returns {Anchor}
 */
function anchor(element) {
  const message = element.closest(".message") ?? element;
  return { element, top: element.getBoundingClientRect().top, message, messageTop: message.getBoundingClientRect().top };
}

/**
 * What shall stay where it is when something is opened or closed: the control. That of code is at its end: there it is the top that
 * stays, and comes into view if the code is folded from somewhere below.
 * @param {Element} control
 * @param {HTMLElement} log
 * @returns {Anchor}
 */
function opened(control, log) {
  const code = control.closest(".code");
  if (!(control instanceof HTMLInputElement) || !code) return anchor(control);
  const top = anchor(code);
  return control.checked ? top : { ...top, top: Math.max(top.top, log.getBoundingClientRect().top) };
}

/**
 * Scrolls by as much as it has moved. If it is not there any more, its message stands for it.
 * @param {HTMLElement} log
 * @param {Anchor} anchor
 */
function keep(log, { element, top, message, messageTop }) {
  let moved = 0;
  if (element.isConnected) moved = element.getBoundingClientRect().top - top;
  else if (message.isConnected) moved = message.getBoundingClientRect().top - messageTop;
  if (Math.abs(moved) >= 0.5) log.scrollTop += moved;
}
