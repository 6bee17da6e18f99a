// A room in the page: frames of the stream become what is seen, and what is written goes out.
//
// Facts to wait for, in tests and styles: `data-live` of the root element (`connecting`, `caught-up`, `offline`), and
// `data-seq` of this element, the room's number up to which everything is on screen.

import { Actions, clone } from "./actions.js";
import { arrange, localise } from "./arrange.js";
import { call } from "./call.js";
import { ChatComposer } from "./composer.js";
import { parseCursor } from "./cursor.js";
import { localStorageIfAny } from "./draft.js";
import { guardForms } from "./ime.js";
import { Live } from "./live.js";
import { blocksOf, copyAttributes, morph, morphList, parse } from "./markup.js";
import { Outbox, postsIn } from "./outbox.js";
import { Replica, isOpen } from "./replica.js";
import { Follow } from "./scroll.js";
import { uuid7 } from "./uuid7.js";
import { words } from "./words.js";

/** @typedef {import("./replica.js").Row} Row */
/** @typedef {import("./replica.js").PartName} PartName */

/** Messages fetched at a time. */
const PAGE = 50;
/** More than this many messages are thinned out to so many while one reads the end. */
const MANY = 300;
const FEW = 200;
/** So many names stand in the head of a room. */
const NAMES = 3;
/** A connection may be away so long before it is mentioned, in ms. */
const PATIENCE = 5_000;
/** A hidden tab keeps its stream so long, in ms: plain HTTP/1.1 gives all tabs together six connections. */
const HIDDEN = 10_000;
/** Pages that must start anew do so within this time, not all at once, in ms. */
const SPREAD = 5_000;
/** A reply without text says how long it has been thinking from here on, in s. */
const LONG = 2;

class ChatRoom extends HTMLElement {
  /** @type {AbortController | undefined} */
  #life;
  /** @type {Map<string, HTMLElement>} */
  #articles = new Map();
  /** What the page shows of growing texts, block by block. @type {Map<string, ChildNode[][]>} */
  #shown = new Map();
  /** Work for the next frame. @type {{ rows: Map<string, { row: Row, before?: Row, cleared: boolean }>, parts: Map<string, { id: string, part: PartName, from: number }>, room: any, seq: number | null, caughtUp: boolean }} */
  #due = { rows: new Map(), parts: new Map(), room: null, seq: null, caughtUp: false };
  #scheduled = false;
  #unseen = 0;
  #leaving = false;
  #roomRev = 0;
  /** When a reply without text was first seen, in ms. @type {Map<string, number>} */
  #since = new Map();
  /** @type {Set<ReturnType<typeof setTimeout>>} */
  #timers = new Set();

  connectedCallback() {
    this.#life = new AbortController();
    const { signal } = this.#life;
    this.room = this.dataset.room ?? "";
    this.me = this.dataset.me ?? "";
    this.log = /** @type {HTMLElement} */ (this.querySelector(".log"));
    this.column = /** @type {HTMLElement} */ (this.querySelector(".log-column"));
    this.list = /** @type {HTMLElement} */ (this.querySelector(".messages"));
    this.pill = /** @type {HTMLButtonElement} */ (this.querySelector(".pill"));
    this.offline = /** @type {HTMLElement} */ (this.querySelector(".offline"));
    this.statusLine = /** @type {HTMLElement} */ (this.querySelector(":scope > [role=status]"));

    // Until now the log was drawn from its end; the same view, counted from its beginning.
    const fromEnd = -this.log.scrollTop;
    document.documentElement.dataset.live = "connecting";
    this.log.scrollTop = this.log.scrollHeight - this.log.clientHeight - fromEnd;

    this.#adopt();
    this.follow = new Follow(this.log, this.column, () => this.#showPill(), signal);
    this.follow.following = fromEnd < 1 && !("newer" in this.dataset);
    const around = this.dataset.around && !location.hash ? this.#articles.get(this.dataset.around) : undefined;
    if (around) {
      this.follow.following = false;
      around.scrollIntoView({ block: "center" });
    }
    this.follow.stay();
    this.actions = new Actions({ element: this, id: this.room, me: this.me, reply: (message) => this.#reply(message), say: (text) => this.#say(text), changed: () => this.follow?.stay() }, this.log, signal);
    this.#write(signal);
    this.#watchEdges(signal);
    this.#connect(signal);
    this.log.addEventListener("click", (event) => this.#jump(event), { signal });
    this.pill.addEventListener("click", () => this.#toLatest(), { signal });
    const tick = setInterval(() => this.#tick(), 1000);
    signal.addEventListener("abort", () => clearInterval(tick));
  }

  disconnectedCallback() {
    this.#life?.abort();
    this.live?.end();
    for (const timer of this.#timers) clearTimeout(timer);
    document.documentElement.removeAttribute("data-live");
  }

  /** Takes over what the server has drawn. */
  #adopt() {
    const list = /** @type {HTMLElement} */ (this.list);
    const articles = /** @type {HTMLElement[]} */ ([...list.querySelectorAll(":scope > .message")]);
    const seqs = articles.map((article) => Number(article.dataset.seq));
    this.replica = new Replica({
      from: "older" in this.dataset && seqs.length > 0 ? seqs[0] : 0,
      to: "newer" in this.dataset && seqs.length > 0 ? seqs[seqs.length - 1] : Infinity,
    });
    localise(document);
    for (const article of articles) {
      const { id = "", seq, rev, attempt, state = "" } = article.dataset;
      this.#articles.set(id, article);
      this.replica.seed({ id, seq: Number(seq), rev: Number(rev), attempt: Number(attempt), state });
    }
    this.#arrange();
    this.dataset.seq = this.dataset.head;
  }

  // ---- the stream

  /** @param {AbortSignal} signal */
  #connect(signal) {
    const live = new Live(this.me ?? "", {
      open: (url) => new EventSource(url),
      get: (path) => call("GET", path),
      later: (then, ms) => setTimeout(then, ms),
      cancel: (timer) => clearTimeout(timer),
      now: () => Date.now(),
      random: () => Math.random(),
    }, {
      heard: (event, data) => this.#heard(event, data),
      status: (status) => this.#status(status),
      lost: (why) => this.#lost(why),
    });
    this.live = live;
    live.follow(this.dataset.cursor ?? "");

    // Over HTTP/2 connections are not scarce, and a hidden tab may keep its own.
    const [navigation] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
    const scarce = !["h2", "h3"].includes(navigation?.nextHopProtocol);
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let hidden;
    const wake = () => { live.wake(); this.outbox?.wake(); };
    document.addEventListener("visibilitychange", () => {
      clearTimeout(hidden);
      if (!document.hidden) wake();
      else if (scarce) hidden = setTimeout(() => live.rest(), HIDDEN);
    }, { signal });
    window.addEventListener("online", () => { live.wake(true); this.outbox?.wake(); }, { signal });
    // A page that is kept for "back" must not hold a connection, and what it held is dead when it returns.
    window.addEventListener("pagehide", () => live.rest(), { signal });
    window.addEventListener("pageshow", (event) => { if (event.persisted) live.wake(true); }, { signal });
  }

  /**
   * @param {string} event
   * @param {any} data
   */
  #heard(event, data) {
    if (data.room !== this.room || !this.replica) return;
    switch (event) {
      case "message":
        return this.#take(this.replica.message(data), data.rev);
      case "draft":
        return this.#take(this.replica.draft(data));
      case "delta":
        return this.#take(this.replica.delta(data));
      case "room":
        if (data.rev > this.#roomRev) this.#due.room = data;
        return this.#soon(data.rev);
      case "caught-up":
        this.#due.caughtUp = true;
        return this.#soon(data.seq);
      case "reset":
        return this.#reload();
    }
  }

  /**
   * @param {import("./replica.js").Change} change
   * @param {number} [seq]
   */
  #take(change, seq) {
    const { rows, parts } = this.#due;
    if (change?.what === "row") {
      const earlier = rows.get(change.row.id);
      // Of several versions between two frames only the newest is drawn, but what they cleared stays cleared.
      rows.set(change.row.id, { row: change.row, before: earlier ? earlier.before : change.before, cleared: change.cleared || (earlier?.cleared ?? false) });
      if (change.cleared || !isOpen(change.row.state)) for (const part of ["answer", "reasoning"]) parts.delete(`${change.row.id} ${part}`);
    } else if (change?.what === "part") {
      const key = `${change.id} ${change.part}`;
      parts.set(key, { ...change, from: Math.min(change.from, parts.get(key)?.from ?? Infinity) });
    } else if (change?.what === "gap") {
      return this.live?.gap();
    }
    this.#soon(seq);
  }

  /**
   * Draws with the next frame of the screen; a hidden page has none, but must not fall behind either.
   * @param {number} [seq]
   */
  #soon(seq) {
    if (seq !== undefined) this.#due.seq = Math.max(seq, this.#due.seq ?? 0);
    if (this.#scheduled) return;
    this.#scheduled = true;
    let done = false;
    const draw = () => {
      if (done) return;
      done = true;
      this.#scheduled = false;
      if (this.isConnected) this.#draw();
    };
    if (!document.hidden) requestAnimationFrame(draw);
    setTimeout(draw, 100);
  }

  #draw() {
    const { follow } = this;
    if (!follow) return;
    const due = this.#due;
    this.#due = { rows: new Map(), parts: new Map(), room: null, seq: null, caughtUp: false };
    follow.before();
    let came = 0;
    for (const { row, before, cleared } of due.rows.values()) {
      if (this.#put(row, cleared) && row.author?.id !== this.me) came += 1;
      this.#announce(row, before);
    }
    for (const { id, part, from } of due.parts.values()) this.#grow(id, part, from);
    if (due.rows.size > 0) this.#arrange();
    if (due.room) this.#rename(due.room);
    if (follow.following) this.#thin();
    follow.stay();
    if (!follow.following) this.#unseen += came;
    this.#showPill();
    if (due.seq !== null) this.dataset.seq = String(Math.max(due.seq, Number(this.dataset.seq)));
    if (due.caughtUp) this.#caughtUp();
  }

  /**
   * @param {import("./live.js").Status} status
   */
  #status(status) {
    // "Caught up" is said when it is on screen, not when it was heard.
    if (status === "caught-up") return;
    document.documentElement.dataset.live = status;
    this.#after(PATIENCE, () => {
      if (document.documentElement.dataset.live === "caught-up" || !this.offline) return;
      this.offline.hidden = false;
      this.follow?.stay();
    }, "patience");
  }

  #caughtUp() {
    document.documentElement.dataset.live = "caught-up";
    this.#cancel("patience");
    if (this.offline) this.offline.hidden = true;
    this.outbox?.wake();
  }

  /** @param {"signed-out" | "other-person" | "gone"} why */
  #lost(why) {
    if (this.#leaving) return;
    this.#leaving = true;
    if (why === "signed-out") location.assign(`/sign-in?next=${encodeURIComponent(location.pathname)}`);
    else if (why === "gone") location.assign("/rooms");
    else location.reload();
  }

  #reload() {
    this.#after(Math.random() * SPREAD, () => location.reload(), "reload");
  }

  // ---- the log

  /**
   * Puts a row where it belongs.
   * @param {Row} row
   * @param {boolean} cleared
   * @returns {boolean} whether it is new on screen
   */
  #put(row, cleared) {
    const fresh = /** @type {HTMLElement | null} */ (parse(row.html ?? "").firstElementChild);
    if (!fresh) return false;
    const old = this.#articles.get(row.id);
    if (!old) {
      this.#articles.set(row.id, fresh);
      this.#insert(fresh);
      return true;
    }
    const keep = isOpen(row.state) && !cleared;
    if (!keep) for (const part of ["answer", "reasoning"]) this.#shown.delete(`${row.id} ${part}`);
    this.#merge(old, fresh, keep);
    // It was pending, at the end; now it has its place.
    const next = /** @type {HTMLElement | null} */ (old.nextElementSibling);
    const last = /** @type {HTMLElement | null} */ (old.previousElementSibling);
    if ((next && place(next) < place(old)) || (last && place(last) > place(old))) this.#insert(old);
    return false;
  }

  /** @param {HTMLElement} article */
  #insert(article) {
    const list = /** @type {HTMLElement} */ (this.list);
    // Nearly always it belongs to the end.
    let before = /** @type {HTMLElement | null} */ (list.lastElementChild);
    while (before && (before === article || place(before) > place(article))) before = /** @type {HTMLElement | null} */ (before.previousElementSibling);
    if (before) before.after(article);
    else list.prepend(article);
  }

  /**
   * Makes a message like `fresh`. What its texts show stays if `keep`; what the page itself has put into it stays always.
   * @param {HTMLElement} old
   * @param {HTMLElement} fresh
   * @param {boolean} keep
   */
  #merge(old, fresh, keep) {
    const hadFocus = old.contains(document.activeElement) && document.activeElement !== old;
    copyAttributes(old, fresh, (name) => ["data-follows", "data-answers", "data-day", "data-editing"].includes(name));
    const olds = new Map([...old.children].filter((child) => !(child instanceof HTMLElement && "local" in child.dataset)).map((child) => [slot(child), child]));
    /** @type {Element | null} */
    let last = null;
    for (const child of [...fresh.children]) {
      const known = olds.get(slot(child));
      olds.delete(slot(child));
      let now = child;
      if (known && slot(child) === "body") now = keep ? known : body(known, child);
      else if (known && slot(child) === "reasoning") now = reasoning(known, child, keep);
      // A button must not become another one under the finger that is about to press it.
      else if (known && known.isEqualNode(child)) now = known;
      else if (known && slot(child) !== "state") now = /** @type {Element} */ (morph(known, child));
      else known?.remove();
      if (last ? last.nextElementSibling !== now : old.firstElementChild !== now) {
        if (last) last.after(now);
        else old.prepend(now);
      }
      last = now;
    }
    for (const gone of olds.values()) gone.remove();
    if (hadFocus && !old.contains(document.activeElement)) {
      old.tabIndex = -1;
      old.focus({ preventScroll: true });
    }
  }

  /**
   * Draws the blocks of a growing text from the first that changed.
   * @param {string} id
   * @param {PartName} part
   * @param {number} from
   */
  #grow(id, part, from) {
    const container = this.#articles.get(id)?.querySelector(part === "answer" ? ":scope > .body" : ":scope > .reasoning > .thought");
    if (!container || !this.replica) return;
    const blocks = this.replica.blocks(id, part);
    const key = `${id} ${part}`;
    const known = this.#shown.get(key);
    const start = known ? Math.min(from, known.length) : 0;
    const old = known ? known.slice(start).flat() : blocksOf(container);
    const fresh = blocks.slice(start).map((block) => blocksOf(parse(block)));
    const now = morphList(container, old, fresh.flat(), null);
    let at = 0;
    const counted = fresh.map((nodes) => now.slice(at, (at += nodes.length)));
    this.#shown.set(key, [...(known?.slice(0, start) ?? []), ...counted]);
  }

  #arrange() {
    /** @type {HTMLElement | null} */
    let before = null;
    for (const message of /** @type {HTMLCollectionOf<HTMLElement>} */ (this.list?.children)) {
      arrange(message, before);
      before = message;
    }
  }

  /** At most a few hundred messages stay; what is taken away is fetched again when it is looked for. */
  #thin() {
    const { list, replica } = this;
    if (!list || !replica || list.children.length <= MANY || replica.to !== Infinity) return;
    const keep = /** @type {HTMLElement} */ (list.children[list.children.length - FEW]);
    while (list.firstElementChild && list.firstElementChild !== keep) {
      const gone = /** @type {HTMLElement} */ (list.firstElementChild);
      this.#articles.delete(gone.dataset.id ?? "");
      for (const part of ["answer", "reasoning"]) this.#shown.delete(`${gone.dataset.id} ${part}`);
      gone.remove();
    }
    replica.forgetBefore(Number(keep.dataset.seq));
    this.#edge("older", true);
  }

  // ---- older and newer

  /** @param {AbortSignal} signal */
  #watchEdges(signal) {
    this.edges = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) this.#load(entry.target.className === "older" ? "older" : "newer");
    }, { root: this.log, rootMargin: "800px 0px" });
    signal.addEventListener("abort", () => this.edges?.disconnect());
    for (const edge of this.querySelectorAll(".older, .newer")) this.edges.observe(edge);
  }

  /** @param {"older" | "newer"} way */
  async #load(way) {
    const { replica, list, follow } = this;
    if (!replica || !list || !follow || this.loading) return;
    this.loading = true;
    const seqs = [...this.#articles.values()].map(place).filter(Number.isFinite);
    const edge = way === "older" ? `before=${Math.min(...seqs)}` : `after=${Math.max(...seqs)}`;
    const answer = await call("GET", `/api/rooms/${this.room}/messages?${edge}&limit=${PAGE}&view=html`);
    this.loading = false;
    if (!this.isConnected) return;
    // What looks at the edge speaks only when it comes into sight; it must be asked again.
    if (!answer.ok) return this.#after(PATIENCE, () => this.#edge(way, true), "edge");
    /** @type {Row[]} */
    const rows = answer.data.messages;
    const more = answer.data.more && rows.length > 0;
    const window = way === "older" ? { from: more ? rows[0].seq : 0 } : { to: more ? rows[rows.length - 1].seq : Infinity };
    follow.before();
    for (const row of replica.widen(rows, window)) {
      this.#put(row, false);
      for (const part of /** @type {PartName[]} */ (["answer", "reasoning"])) if (replica.blocks(row.id, part).length > 0) this.#grow(row.id, part, 0);
    }
    this.#arrange();
    this.#edge(way, more);
    follow.stay();
    this.#showPill();
  }

  /**
   * Shows or takes away the link to what lies beyond, and watches it anew: it may still be in sight.
   * @param {"older" | "newer"} way
   * @param {boolean} more
   */
  #edge(way, more) {
    let edge = /** @type {HTMLElement | null} */ (this.querySelector(`.${way}`));
    if (edge) this.edges?.unobserve(edge);
    if (!more) return edge?.remove();
    if (!edge) {
      edge = clone(this, "older-messages");
      this.list?.before(edge);
    }
    const first = /** @type {HTMLElement | null} */ (this.list?.firstElementChild);
    if (way === "older") edge.querySelector("a")?.setAttribute("href", `/rooms/${this.room}?before=${first?.dataset.seq}`);
    this.edges?.observe(edge);
  }

  // ---- moving

  #showPill() {
    const { pill, follow, replica } = this;
    if (!pill || !follow || !replica) return;
    if (follow.following) this.#unseen = 0;
    pill.hidden = follow.following || (this.#unseen === 0 && follow.distance < 400 && replica.to === Infinity);
    const text = words.pill(this.#unseen);
    if (pill.textContent !== text) pill.textContent = text;
  }

  #toLatest() {
    if (this.replica?.to !== Infinity) return location.assign(`/rooms/${this.room}`);
    this.follow?.toEnd();
  }

  /**
   * Links to messages that are here do not leave the page.
   * @param {MouseEvent} event
   */
  #jump(event) {
    if (!(event.target instanceof Element) || event.metaKey || event.ctrlKey || event.shiftKey || event.defaultPrevented) return;
    const link = /** @type {HTMLAnchorElement | null} */ (event.target.closest("a.quote, a.at"));
    const target = link && document.getElementById(link.hash.slice(1));
    if (!target) return;
    event.preventDefault();
    this.follow?.letGo();
    location.hash = link.hash;
    target.scrollIntoView({ block: "center" });
  }

  // ---- writing

  /** @param {AbortSignal} signal */
  #write(signal) {
    guardForms();
    const storage = localStorageIfAny();
    this.outbox = new Outbox(postsIn(storage, this.me ?? ""), {
      send: async (post) => call("POST", `/api/rooms/${post.room}/messages`, { body: { id: post.id, text: post.text, ...(post.reply_to ? { reply_to: post.reply_to } : {}) }, as: this.me }),
      changed: (post, what) => this.#settled(post, what),
      lost: (why) => this.#lost(why),
      later: (then, ms) => setTimeout(then, ms),
      cancel: (timer) => clearTimeout(timer),
      random: () => Math.random(),
      exclusive: async (then) => (navigator.locks ? navigator.locks.request(`parlor.outbox.${this.me}`, then) : then()),
    });
    this.addEventListener("parlor-send", (event) => {
      const { text, reply } = /** @type {CustomEvent} */ (event).detail;
      const post = { id: uuid7(), room: this.room ?? "", text, reply_to: reply?.id ?? null };
      this.#pend(post);
      this.follow?.toEnd();
      this.outbox?.add(post);
    }, { signal });
    this.addEventListener("parlor-edit-last", () => {
      const mine = /** @type {HTMLElement[]} */ ([...(this.list?.querySelectorAll(`.message[data-author="${this.me}"][data-state="complete"]`) ?? [])]).pop();
      if (mine) this.actions?.edit(mine);
    }, { signal });
    this.log?.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest("[data-act=resend], [data-act=discard]") : null;
      const article = /** @type {HTMLElement | null | undefined} */ (button?.closest(".message"));
      if (!button || !article) return;
      const id = article.id.slice(2);
      if (button instanceof HTMLElement && button.dataset.act === "resend") {
        this.#refused(article, null);
        this.outbox?.retry(id);
      } else {
        this.outbox?.discard(id);
        this.#articles.delete(id);
        article.remove();
      }
    }, { signal });
    // Another tab of this person has written or sent something.
    window.addEventListener("storage", (event) => { if (event.key?.startsWith("parlor.outbox.")) this.#showPending(); }, { signal });
    this.#showPending();
    this.outbox.run();
  }

  #showPending() {
    const posts = this.outbox?.posts(this.room) ?? [];
    for (const post of posts) this.#pend(post);
    for (const [id, article] of this.#articles) {
      if (article.classList.contains("refused") && !posts.some((post) => post.id === id)) {
        this.#articles.delete(id);
        article.remove();
      }
    }
    this.follow?.stay();
  }

  /**
   * Shows a post before the server has it, pale and under its own id.
   * @param {import("./outbox.js").Post} post
   */
  #pend(post) {
    let article = this.#articles.get(post.id);
    if (!article) {
      article = clone(this, "pending-message");
      article.id = `m-${post.id}`;
      /** @type {HTMLElement} */ (article.querySelector(".plain-text")).textContent = post.text;
      this.#articles.set(post.id, article);
      this.#insert(article);
      this.#arrange();
    }
    if (article.classList.contains("pending")) this.#refused(article, post.refused ?? null);
  }

  /**
   * @param {import("./outbox.js").Post} post
   * @param {"sent" | "refused"} what
   */
  #settled(post, what) {
    if (post.room !== this.room) return;
    const article = this.#articles.get(post.id);
    if (what === "sent") {
      // The stream brings it, unless it ends before: then the newest page does.
      if (this.replica?.to !== Infinity) location.assign(`/rooms/${this.room}`);
      else if (article?.classList.contains("pending")) /** @type {HTMLElement} */ (article.querySelector(".at")).textContent = words.sent;
    } else if (article) {
      this.#refused(article, post.refused ?? words.refused);
    }
  }

  /**
   * @param {HTMLElement} article
   * @param {string | null} why
   */
  #refused(article, why) {
    article.classList.toggle("refused", why !== null);
    const state = /** @type {HTMLElement} */ (article.querySelector(".state"));
    state.hidden = why === null;
    /** @type {HTMLElement} */ (article.querySelector(".at")).textContent = why === null ? words.sending : words.notSent;
    /** @type {HTMLElement} */ (state.querySelector(".ending")).textContent = why ?? "";
    this.follow?.stay();
  }

  /** @param {HTMLElement} message */
  #reply(message) {
    const composer = this.querySelector("chat-composer");
    if (!(composer instanceof ChatComposer)) return;
    const excerpt = (message.querySelector(".body")?.textContent ?? "").trim().replace(/\s+/g, " ").slice(0, 140);
    composer.reply({ id: message.dataset.id ?? "", author: message.querySelector(".author")?.textContent ?? "", excerpt });
  }

  // ---- the rest

  /**
   * @param {Row} row
   * @param {Row | undefined} before
   */
  #announce(row, before) {
    const name = row.author?.name ?? "";
    if (row.kind !== "assistant" || before?.state === row.state) return;
    if (row.state === "streaming") this.#say(words.answering(name));
    else if (row.state === "complete") this.#say(words.finished(name));
    else if (row.state === "stopped") this.#say(words.stopped(name));
    else if (row.state === "failed" || row.state === "interrupted") this.#say(words.brokenOff(name));
  }

  /** @param {string} text */
  #say(text) {
    if (this.statusLine) this.statusLine.textContent = text;
  }

  /** @param {{ rev: number, name: string, topic: string, private: boolean, members: { name: string }[], assistants: { name: string }[] }} room */
  #rename(room) {
    this.#roomRev = room.rev;
    const set = (/** @type {string} */ where, /** @type {string} */ text) => {
      const element = document.querySelector(where);
      if (element && element.textContent !== text) element.textContent = text;
    };
    set(".room-title h1 bdi", room.name);
    set(".room-topic", room.topic);
    set(".room-names", words.who([...room.assistants, ...room.members].map(({ name }) => name), NAMES));
    set(`.side-room[data-room="${this.room}"] .side-name`, room.name);
    document.title = `${room.name} · Parlor`;
  }

  /** Counts the seconds of replies that have no text yet. */
  #tick() {
    const now = Date.now();
    const waiting = /** @type {NodeListOf<HTMLElement>} */ (this.querySelectorAll('.message[data-state="streaming"]'));
    for (const article of waiting) {
      const key = `${article.dataset.id} ${article.dataset.attempt}`;
      if (article.querySelector(".body")?.hasChildNodes()) {
        this.#since.delete(key);
        continue;
      }
      const since = this.#since.get(key) ?? now;
      this.#since.set(key, since);
      const seconds = Math.round((now - since) / 1000);
      const thinking = /** @type {HTMLElement | null} */ (article.querySelector(".thinking"));
      if (thinking && seconds >= LONG) thinking.dataset.elapsed = words.elapsed(seconds);
    }
    if (waiting.length === 0) this.#since.clear();
  }

  /** Timers with a name, one of each. @type {Map<string, ReturnType<typeof setTimeout>>} */
  #named = new Map();

  /**
   * @param {number} ms
   * @param {() => void} then
   * @param {string} name
   */
  #after(ms, then, name) {
    if (this.#named.has(name)) return;
    const timer = setTimeout(() => { this.#cancel(name); then(); }, ms);
    this.#named.set(name, timer);
    this.#timers.add(timer);
  }

  /** @param {string} name */
  #cancel(name) {
    const timer = this.#named.get(name);
    if (timer === undefined) return;
    clearTimeout(timer);
    this.#named.delete(name);
    this.#timers.delete(timer);
  }
}

/**
 * Where a message stands; a pending one after all others.
 * @param {HTMLElement} article
 */
function place(article) {
  return article.dataset.seq === undefined ? Infinity : Number(article.dataset.seq);
}

/**
 * The part of a message that an element is.
 * @param {Element} child
 */
function slot(child) {
  return child.classList[0] ?? child.nodeName;
}

/**
 * @param {Element} old
 * @param {Element} fresh
 */
function body(old, fresh) {
  morphList(old, blocksOf(old), blocksOf(fresh), null);
  copyAttributes(old, fresh);
  return old;
}

/**
 * @param {Element} old
 * @param {Element} fresh
 * @param {boolean} keep
 */
function reasoning(old, fresh, keep) {
  const thought = old.querySelector(":scope > .thought");
  const now = fresh.querySelector(":scope > .thought");
  if (thought && now && !keep) body(thought, now);
  return old;
}

customElements.define("chat-room", ChatRoom);
