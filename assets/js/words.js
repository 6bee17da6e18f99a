// What the script says, in one place.

const numbers = new Intl.NumberFormat();

export const words = {
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
  sent: "sent",
  notSent: "not sent",
  copied: "Copied",
  changed: "It was changed meanwhile. Copy what you wrote, then cancel and edit it anew.",
  unreachable: "The server cannot be reached. Try again.",
  newest: "Newest messages",
  refused: "The server refused that.",
  copy: "Copy",
};
