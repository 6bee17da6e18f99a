// What a screen reader is told, calmly: the newest word on assistants at once, what people say gathered for a moment.
//
// Nothing here knows the page but for the element that speaks.

/** What people say is gathered for so long, in ms. */
const GATHER = 1_500;
/** More than so many messages are only counted. */
const MANY = 2;
/** So much of a message is told. */
const BEGINNING = 100;

export class Status {
  /** @type {{ name: string, text: string }[]} */
  #came = [];

  /**
   * @param {{ textContent: string | null } | null} element
   * @param {{ says: (name: string, text: string) => string, came: (count: number) => string }} words
   * @param {(then: () => void, ms: number) => unknown} later
   */
  constructor(element, words, later) {
    this.element = element;
    this.words = words;
    this.later = later;
  }

  /** @param {string} text */
  say(text) {
    if (this.element) this.element.textContent = text;
  }

  /**
   * Somebody has said something.
   * @param {string} name
   * @param {string} text
   */
  came(name, text) {
    if (this.#came.push({ name, text }) > 1) return;
    this.later(() => {
      const came = this.#came;
      this.#came = [];
      this.say(came.length > MANY || came.some(({ text }) => text.trim() === "") ? this.words.came(came.length) : came.map(({ name, text }) => this.words.says(name, beginning(text))).join(" "));
    }, GATHER);
  }
}

/** @param {string} text */
function beginning(text) {
  const line = [...text.trim().replace(/\s+/g, " ")];
  return line.length > BEGINNING ? `${line.slice(0, BEGINNING).join("")}…` : line.join("");
}
