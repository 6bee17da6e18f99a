// From page to page without loading one: what differs is replaced, and everything around it stays, above all the stream.
//
// It never keeps anybody from where they want to go: whatever is not just as expected (another answer than 200, a page of another build,
// language or look, no network, a script that fails) becomes a plain navigation. Links of other kinds, new windows, downloads and forms
// are the browser's. Back and forward bring back the place and the focus.

import { localise } from "./times.js";
import { parseDocument } from "./markup.js";
import { here } from "./sidebar.js";

/** Pages of ours that have the list of rooms beside them. */
const PAGES = /^\/(?:account|people|search|rooms(?:\/[0-9a-f-]{36}(?:\/settings|\/members|\/messages\/[0-9a-f-]{36})?)?)$/;
/** The mouse must rest on a link for so long before its page is fetched ahead, in ms. */
const REST = 80;
/** What was fetched ahead is of use for so long, in ms, */
const FRESH = 10_000;
/** and no more than so many pages are. */
const AHEAD = 3;
/** After so long one is told that the page is on its way, in ms. */
const SLOW = 250;
/** A page that has not come by then is left to the browser, in ms. */
const PATIENCE = 10_000;
/** Places are kept of so many pages. */
const PLACES = 50;

/** Where somebody was on a page; in a room, `places.js` knows more. @typedef {{ y: number, focus: string }} Place */

export class Navigation {
  /** @type {Map<string, { at: number, page: Promise<Response>, given: AbortController }>} */
  #ahead = new Map();
  /** @type {Map<number, Place>} */
  #places = new Map();
  #key = Date.now();
  /** The address of what is shown, without its fragment. */
  #shown = location.pathname + location.search;
  /** @type {AbortController | null} */
  #under = null;
  /** @type {any} */
  #resting = null;

  /** @param {(title: string) => void} arrived with the page that has come */
  constructor(arrived) {
    this.arrived = arrived;
    history.replaceState({ ...history.state, parlor: this.#key }, "");
    document.addEventListener("click", (event) => this.#click(event));
    window.addEventListener("popstate", (event) => this.#back(event));
    document.addEventListener("pointerover", (event) => {
      clearTimeout(this.#resting);
      const url = event.pointerType === "mouse" ? target(event) : null;
      if (url) this.#resting = setTimeout(() => this.#fetchAhead(url), REST);
    });
    document.addEventListener("touchstart", (event) => {
      const url = target(event);
      if (url) this.#fetchAhead(url);
    }, { passive: true });
  }

  /**
   * Goes to a page of ours.
   * @param {string} address
   */
  go(address) {
    const url = new URL(address, location.href);
    if (url.origin !== location.origin || !PAGES.test(url.pathname)) return location.assign(url);
    return this.#visit(url);
  }

  /** @param {MouseEvent} event */
  #click(event) {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const url = target(event);
    if (!url) return;
    // A place on this page is the browser's to find.
    if (url.hash && url.pathname + url.search === location.pathname + location.search) return;
    event.preventDefault();
    this.#visit(url);
  }

  /** @param {PopStateEvent} event */
  #back(event) {
    const key = event.state?.parlor ?? Date.now();
    const url = new URL(location.href);
    // Places on a page are the browser's to find, and those in a room the room's.
    if (url.pathname + url.search === this.#shown || location.pathname === `/rooms/${here()}`) {
      this.#key = key;
      const under = this.#under;
      this.#under = null;
      return under?.abort();
    }
    this.#leave();
    this.#key = key;
    const wanted = new URL(url);
    // The message that was read may be far from the end by now.
    const kept = event.state?.log?.id;
    if (kept) wanted.search = `?around=${kept}`;
    this.#load(url, wanted, () => location.reload(), this.#places.get(key) ?? { y: 0, focus: "" });
  }

  /** @param {URL} url */
  #visit(url) {
    return this.#load(url, url, () => location.assign(url), null);
  }

  /**
   * @param {URL} url that is to be shown
   * @param {URL} wanted that is to be fetched
   * @param {() => void} plainly what to do where anything is not as expected
   * @param {Place | null} place where one was, when one comes back
   */
  async #load(url, wanted, plainly, place) {
    const before = this.#under;
    const under = (this.#under = new AbortController());
    before?.abort();
    const main = document.getElementById("main");
    const slow = setTimeout(() => main?.setAttribute("aria-busy", "true"), SLOW);
    const late = setTimeout(() => under.abort("late"), PATIENCE);
    try {
      const answer = await this.#fetch(wanted, under.signal);
      const reached = new URL(answer.url);
      const html = answer.ok && answer.headers.get("content-type")?.startsWith("text/html") ? await answer.text() : "";
      const page = html && reached.origin === location.origin ? parseDocument(html) : null;
      if (!page || !fits(page)) throw new Error(`${url.pathname} cannot be shown in place`);
      const scripts = [.../** @type {NodeListOf<HTMLScriptElement>} */ (page.querySelectorAll("head script[type=module][src]"))];
      await Promise.all(scripts.map((script) => import(new URL(script.getAttribute("src") ?? "", location.href).href)));
      if (under.signal.aborted) throw under.signal.reason;
      if (answer.redirected) url = reached;
      await shownCalmly(() => {
        // Somebody may have gone on, or back, while the browser made ready.
        if (under.signal.aborted) throw under.signal.reason;
        if (!place) {
          /** @type {any} */ (document.querySelector("chat-room"))?.places?.keep();
          this.#leave();
          this.#key = Date.now();
          const same = url.href === location.href;
          history[same ? "replaceState" : "pushState"]({ parlor: this.#key }, "", url);
        }
        this.#shown = url.pathname + url.search;
        show(page);
        this.arrived(page.title);
        arrive(url, place);
      });
    } catch (error) {
      // Somebody went on to another page meanwhile.
      if (this.#under !== under) return;
      plainly();
    } finally {
      clearTimeout(slow);
      clearTimeout(late);
      if (this.#under === under) {
        main?.removeAttribute("aria-busy");
        this.#under = null;
      }
    }
  }

  /**
   * @param {URL} url
   * @param {AbortSignal} signal
   */
  #fetch(url, signal) {
    const key = url.pathname + url.search;
    const known = this.#ahead.get(key);
    this.#ahead.delete(key);
    if (known && Date.now() - known.at < FRESH) {
      // From now on somebody waits for it, and no longer than for any other page.
      signal.addEventListener("abort", () => known.given.abort());
      return known.page.catch(() => request(url, { signal }));
    }
    return request(url, { signal });
  }

  /** @param {URL} url */
  #fetchAhead(url) {
    const key = url.pathname + url.search;
    const { saveData, effectiveType } = /** @type {any} */ (navigator).connection ?? {};
    if (key === this.#shown || saveData || /2g/.test(effectiveType ?? "") || !navigator.onLine) return;
    for (const [old, { at }] of this.#ahead) if (Date.now() - at >= FRESH || this.#ahead.size >= AHEAD) this.#ahead.delete(old);
    if (this.#ahead.has(key)) return;
    // To have fetched is not to have read.
    const given = new AbortController();
    const page = request(url, { headers: { purpose: "prefetch" }, priority: "low", signal: given.signal });
    page.catch(() => this.#ahead.delete(key));
    this.#ahead.set(key, { at: Date.now(), page, given });
  }

  /** Keeps the place on the page that is left. */
  #leave() {
    // What was open over the page belongs to it.
    for (const dialog of /** @type {NodeListOf<HTMLDialogElement>} */ (document.querySelectorAll("dialog[open]"))) dialog.close();
    this.#places.delete(this.#key);
    this.#places.set(this.#key, place());
    for (const key of this.#places.keys()) if (this.#places.size > PLACES) this.#places.delete(key);
  }
}

/**
 * @param {URL} url
 * @param {RequestInit} how
 */
function request(url, how) {
  return fetch(url.pathname + url.search, { credentials: "same-origin", cache: "no-store", ...how, headers: { accept: "text/html", ...how.headers } });
}

/**
 * The page of ours that a link leads to, if it is such a link.
 * @param {Event} event
 */
function target(event) {
  const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
  if (!(link instanceof HTMLAnchorElement) || link.matches("[target], [download], chat-room [data-column]") || link.origin !== location.origin) return null;
  return PAGES.test(link.pathname) ? new URL(link.href) : null;
}

/**
 * Whether a page can take the place of what is in this one.
 * @param {Document} page
 */
function fits({ documentElement: { lang, dataset }, body }) {
  const now = document.documentElement;
  return ["build", "me", "theme"].every((name) => dataset[name] === now.dataset[name]) && lang === now.lang && body.querySelector("#main") !== null;
}

/** @param {Document} page */
function show(page) {
  const [main, fresh] = [document, page].map((one) => /** @type {HTMLElement} */ (one.getElementById("main")));
  // What is for pages without script alone is parsed here like everything else.
  for (const element of fresh.querySelectorAll("noscript")) element.remove();
  localise(fresh);
  document.body.className = page.body.className;
  main.replaceChildren(...[...fresh.childNodes].map((node) => document.adoptNode(node)));
}

/**
 * Lets one page pass into the other, unless the reader wants less motion.
 * @param {() => void} show
 */
async function shownCalmly(show) {
  const begin = /** @type {any} */ (document).startViewTransition;
  if (!begin || document.hidden || matchMedia("(prefers-reduced-motion: reduce)").matches) return show();
  const passing = begin.call(document, show);
  for (const late of [passing.ready, passing.finished]) late.catch(() => {});
  await passing.updateCallbackDone;
}

/** @returns {Place} */
function place() {
  const { activeElement: focused } = document;
  const inside = focused?.closest("#main") ? focused : null;
  const href = inside?.getAttribute("href");
  const focus = inside?.id ? `#${CSS.escape(inside.id)}` : href ? `#main a[href="${CSS.escape(href)}"]` : "";
  return { y: scrollY, focus };
}

/**
 * Somebody may have written anything behind a link's hash sign.
 * @param {string} hash
 */
function decoded(hash) {
  try {
    return decodeURIComponent(hash);
  } catch {
    return hash;
  }
}

/**
 * @param {URL} url
 * @param {Place | null} place
 */
function arrive(url, place) {
  const main = /** @type {HTMLElement} */ (document.getElementById("main"));
  const named = url.hash && !place ? document.getElementById(decoded(url.hash.slice(1))) : null;
  if (named && !main.querySelector("chat-room")) {
    named.scrollIntoView();
  } else {
    scrollTo({ top: place?.y ?? 0, behavior: "instant" });
  }
  const focus = place?.focus ? document.querySelector(place.focus) : null;
  if (focus instanceof HTMLElement) return focus.focus({ preventScroll: true });
  // Where one writes has it already.
  if (main.contains(document.activeElement) && document.activeElement !== main) return;
  const heading = main.querySelector("h1") ?? main;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}
