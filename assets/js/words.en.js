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
  new: "New",
  /**
   * @param {number} count
   * @param {string} since
   */
  unread: (count, since) => `${count >= 100 ? "99+" : numbers.format(count)} new since ${since} · jump to first`,
  /**
   * @param {string} name
   * @param {string} text
   */
  says: (name, text) => `${name}: ${text}`,
  /** @param {number} count */
  came: (count) => some(count, "new message", "new messages"),
  /**
   * @param {string} name
   * @param {number} count
   */
  queue: (name, count) => (name === "" ? `waiting… (${numbers.format(count)} before)` : `waiting for ${name}’s question (${numbers.format(count)} before)…`),
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
  close: "Close",
  /** @param {number} count */
  unreadCount: (count) => (count >= 100 ? "99+ unread" : `${numbers.format(count)} unread`),
  /**
   * What those hear of a line in the list of rooms who do not see how it looks.
   * @param {import("./roster.js").RoomLine} line
   */
  line: ({ kind, private: closed, unread, mentions, writing }) => {
    const said = [
      closed && kind === "room" && "private",
      unread > 0 && `${numbers.format(unread)} unread`,
      mentions > 0 && some(mentions, "mention", "mentions"),
      writing && "an assistant is writing",
    ].filter(Boolean).join(", ");
    return said && ` (${said})`;
  },
  /** @param {string} name */
  favourite: (name) => `Favourite: ${name}`,
  somethingNew: "Something new",
  switcher: { title: "Go to", field: "Find a room or a person", none: "Nothing fits.", here: "you are here", talk: "talk with", join: "open to join" },
  keys: {
    title: "Keyboard shortcuts",
    find: "Go to a room or a person",
    search: "Search messages",
    rooms: "Previous, next room",
    unread: "Previous, next unread room",
    escape: "Close what is open; mark all as read",
    list: "This list",
    send: "Send",
    line: "Break the line",
    edit: "Edit your last message, in an empty field",
    complete: "Complete a name, a command, an emoji",
    walk: "Message before, after",
    actions: "To a message’s actions",
  },
  isHere: " (here now)",
  /** @param {string[]} names */
  types: (names) => (names.length === 1 ? `${names[0]} is typing…` : `${names.join(" and ")} are typing…`),
  manyType: "Several people are typing…",
};
