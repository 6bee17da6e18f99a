// What the script says, in English.

const numbers = new Intl.NumberFormat("en");
const plural = new Intl.PluralRules("en");

/**
 * @param {number} count
 * @param {string} one
 * @param {string} other
 */
const some = (count, one, other) => `${numbers.format(count)} ${plural.select(count) === "one" ? one : other}`;

export const en = {
  /** @param {string} name */
  answering: (name) => `${name} is answering`,
  /** @param {string} name */
  finished: (name) => `${name} finished`,
  /** @param {string} name */
  stopped: (name) => `${name} was stopped`,
  /** @param {string} name */
  brokenOff: (name) => `${name} could not finish`,
  /** @param {number} count */
  pill: (count) => (count > 0 ? `${numbers.format(count)} new · jump to latest` : "Jump to latest"),
  /**
   * @param {string[]} names
   * @param {number} shown
   */
  who: (names, shown) => (names.length <= shown + 1 ? names.join(", ") : `${names.slice(0, shown).join(", ")} and ${numbers.format(names.length - shown)} more`),
  /** @param {number} seconds */
  elapsed: (seconds) => `${numbers.format(seconds)} s`,
  sending: "sending…",
  waiting: "waiting for the network…",
  waitsForFiles: "It is sent as soon as its files have arrived.",
  fileFailed: "A file did not arrive. Try it again or take it away.",
  /** @param {string} name */
  removeFile: (name) => `Remove ${name}`,
  /** @param {string} name */
  uploading: (name) => `Uploading ${name}`,
  sent: "sent",
  notSent: "not sent",
  copied: "Copied",
  changed: "It was changed meanwhile. Copy what you wrote, then cancel and edit it anew.",
  unreachable: "The server cannot be reached. Try again.",
  newest: "Newest messages",
  refused: "The server refused that.",
  copy: "Copy",
  /**
   * @param {number} count
   * @param {number} all
   * @param {number} lumps
   */
  streamed: (count, all, lumps) => {
    const how = lumps === 0 ? "one by one, as they should" : `${some(lumps, "of them in a lump", "of them in lumps")}: something keeps them back`;
    return count < all ? `${numbers.format(count)} came, ${how}.` : `All ${numbers.format(count)} came, ${how}.`;
  },
};
