// The writing place of a room: what was written and is on its way stands in the log, pale, until the server has it.

import { clone } from "./actions.js";
import { call } from "./call.js";
import { ChatComposer } from "./composer.js";
import { localStorageIfAny } from "./draft.js";
import { readable } from "./markup.js";
import { Outbox, byTurns, postsIn } from "./outbox.js";
import { uuid7 } from "./uuid7.js";
import { words } from "./words.js";

export class Writing {
  /** Posts that the server has taken from here, and the stream has not brought yet. @type {Set<string>} */
  #sent = new Set();

  /**
   * @param {import("./log.js").Log} log
   * @param {(why: "signed-out" | "other-person") => void} lost
   * @param {(text: string) => void} say to the status line
   * @param {AbortSignal} signal
   */
  constructor(log, lost, say, signal) {
    this.log = log;
    this.say = say;
    const { me, room, element } = log;
    this.outbox = new Outbox(postsIn(localStorageIfAny(), me), {
      send: async (post) => call("POST", `/api/rooms/${post.room}/messages`, { body: { id: post.id, text: post.text, ...(post.reply_to ? { reply_to: post.reply_to } : {}), ...(post.files ? { files: post.files.map((file) => file.id) } : {}) }, as: me }),
      changed: (post, what, seq) => this.#settled(post, what, seq),
      lost,
      later: (then, ms) => setTimeout(then, ms),
      cancel: (timer) => clearTimeout(timer),
      random: () => Math.random(),
      exclusive: byTurns(navigator.locks, `parlor.outbox.${me}`),
    });
    // Also when the room is no longer shown: a message that waited for its files.
    element.addEventListener("parlor-send", (event) => {
      const { text, reply, files } = /** @type {CustomEvent} */ (event).detail;
      /** @type {import("./outbox.js").Post} */
      const post = { id: uuid7(), room, text, reply_to: reply?.id ?? null, ...(files.length > 0 ? { files } : {}) };
      this.#pend(post);
      log.latest();
      this.outbox.add(post);
    });
    log.box.addEventListener("click", (event) => this.#click(event), { signal });
    // Another tab of this person has written or sent something.
    window.addEventListener("storage", (event) => { if (event.key?.startsWith("parlor.outbox.")) this.#showPending(); }, { signal });
    this.#showPending();
    this.outbox.run();
  }

  /** The network or the reader is back. */
  wake() {
    this.outbox.wake();
  }

  /**
   * Has the next message answer this one.
   * @param {HTMLElement} message
   */
  reply(message) {
    const composer = this.log.element.querySelector("chat-composer");
    if (!(composer instanceof ChatComposer)) return;
    const excerpt = readable(message.querySelector(".body")).trim().replace(/\s+/g, " ").slice(0, 140);
    composer.reply({ id: message.dataset.id ?? "", author: message.querySelector(".author")?.textContent ?? "", excerpt });
  }

  /**
   * Who can be named from now on.
   * @param {Parameters<ChatComposer["knows"]>[0]} room
   */
  knows(room) {
    const composer = this.log.element.querySelector("chat-composer");
    if (composer instanceof ChatComposer) composer.knows(room);
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const button = event.target instanceof Element ? event.target.closest("[data-act=resend], [data-act=discard]") : null;
    const article = /** @type {HTMLElement | null | undefined} */ (button?.closest(".message"));
    if (!(button instanceof HTMLElement) || !article) return;
    const id = article.id.slice(2);
    if (button.dataset.act === "resend") {
      this.#refused(article, null);
      this.outbox.retry(id);
    } else {
      this.outbox.discard(id);
      this.log.remove(id);
    }
  }

  #showPending() {
    const posts = this.outbox.posts(this.log.room);
    // What comes last has no place in a window that ends before; what is written there itself is shown nonetheless.
    for (const post of posts) if (this.log.replica.to === Infinity || this.log.get(post.id)) this.#pend(post);
    for (const [id, article] of this.log.all()) {
      if (article.classList.contains("pending") && !this.#sent.has(id) && !posts.some((post) => post.id === id)) this.log.remove(id);
    }
    this.log.follow.stay();
  }

  /**
   * Shows a post before the server has it, pale and under its own id.
   * @param {import("./outbox.js").Post} post
   */
  #pend(post) {
    let article = this.log.get(post.id);
    if (!article) {
      article = clone(this.log.element, "pending-message");
      article.id = `m-${post.id}`;
      const files = (post.files ?? []).map(({ name }) => name).join(", ");
      /** @type {HTMLElement} */ (article.querySelector(".plain-text")).textContent = [post.text, files].filter(Boolean).join("\n");
      this.log.add(post.id, article);
    }
    if (article.classList.contains("pending")) this.#refused(article, post.refused === undefined ? null : post.refused || words.refused, navigator.onLine ? words.sending : words.waiting);
  }

  /**
   * @param {import("./outbox.js").Post} post
   * @param {"sent" | "waiting" | "refused"} what
   * @param {number} [seq] the place that it has among the messages
   */
  #settled(post, what, seq = Infinity) {
    if (post.room !== this.log.room) return;
    const article = this.log.get(post.id);
    if (what === "sent") {
      if (!article?.classList.contains("pending")) return;
      if (this.log.replica.to !== Infinity) {
        // What was written in a window that ends before is at the end.
        this.log.latest();
      } else if (seq <= this.log.newest) {
        // It had been taken before, and what is shown here came later: it has its own place, here or beyond the edge.
        this.log.remove(post.id);
      } else {
        // The stream brings it.
        this.#sent.add(post.id);
        /** @type {HTMLElement} */ (article.querySelector(".at")).textContent = words.sent;
      }
    } else if (article?.classList.contains("pending")) {
      if (what === "waiting") return this.#refused(article, null, words.waiting);
      this.#refused(article, post.refused || words.refused);
      // Who does not see it hears it.
      this.say(`${words.notSent}: ${post.refused || words.refused}`);
    }
  }

  /**
   * @param {HTMLElement} article
   * @param {string | null} why
   * @param {string} [otherwise] what becomes of it meanwhile
   */
  #refused(article, why, otherwise = words.sending) {
    article.classList.toggle("refused", why !== null);
    const state = /** @type {HTMLElement} */ (article.querySelector(".state"));
    state.hidden = why === null;
    /** @type {HTMLElement} */ (article.querySelector(".at")).textContent = why === null ? otherwise : words.notSent;
    /** @type {HTMLElement} */ (state.querySelector(".ending")).textContent = why ?? "";
    this.log.follow.stay();
  }
}
