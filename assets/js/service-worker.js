// Shows a page of our own when the server cannot be reached, and keeps what pages are made of. Served from the root, after a line that says
// which build it belongs to and what that consists of (`self.parlor`).
//
// What it never does: keep a page, a message, a file or an answer to a call. It answers for two things alone, assets of its own build and
// pages that are gone to, and the second always comes from the network if anything does. Streams, calls, files and whatever is sent go
// past it. So signing out has nothing to clear here.
//
// Should it ever have to go: whatever is served under its name replaces it at the next visit, for browsers look past their caches. A
// script that on "activate" deletes the caches and calls `registration.unregister()` takes it away everywhere.

{
  /** @type {any} */
  const scope = globalThis;
  /** @type {{ build: string, shell: string[] }} */
  const { build, shell } = scope.parlor;
  /** How its pages look, as those do that called it: `?lang=…`. */
  const look = scope.location.search;
  const offline = `/offline${look}`;
  const kept = `parlor ${build} ${look}`;

  scope.addEventListener("install", (/** @type {any} */ event) => event.waitUntil(install()));
  scope.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(activate()));
  scope.addEventListener("fetch", (/** @type {any} */ event) => {
    const { request } = event;
    if (request.method !== "GET") return;
    const { origin, pathname } = new URL(request.url);
    if (origin !== scope.location.origin) return;
    // The icon of the tab is the browser's affair: it asks for it when it likes and gives up as it likes. It keeps it, too, at the latest
    // since this script was installed.
    if (pathname.endsWith("/icons/parlor.svg")) return;
    if (pathname.startsWith(`/assets/${build}/`)) event.respondWith(asset(request));
    else if (request.mode === "navigate" && !goesPast(pathname)) event.respondWith(page(event));
  });

  scope.addEventListener("notificationclick", (/** @type {any} */ event) => {
    event.notification.close();
    event.waitUntil(follow(event.notification.data));
  });

  /** @param {string} address that a notification leads to */
  async function follow(address) {
    const [shown] = await scope.clients.matchAll({ type: "window" });
    if (!shown) return scope.clients.openWindow(address);
    await shown.focus();
    return shown.navigate(address);
  }

  /**
   * What is no page although one can go to it, or is one that does not end.
   * @param {string} path
   */
  function goesPast(path) {
    return /^\/(api|assets|healthz|readyz|web)\b|\/(live|watch)$|\/files\//.test(path);
  }

  async function install() {
    const cache = await caches.open(kept);
    // Nothing of whoever is signed in: the page without a network is the same for all.
    await Promise.all([cache.addAll(shell), cache.add(new Request(offline, { credentials: "omit", cache: "no-cache" }))]);
    // It stands in nobody's way: pages of another build have addresses that it leaves alone.
    await scope.skipWaiting();
  }

  async function activate() {
    for (const name of await caches.keys()) if (name !== kept) await caches.delete(name);
    // The page is asked for while this script still starts. Not in Firefox: there a page that could not be asked for early shows the
    // browser's own error, whatever is answered here.
    if (!navigator.userAgent.includes("Firefox/")) await scope.registration.navigationPreload?.enable();
    await scope.clients.claim();
  }

  /** @param {Request} request */
  async function asset(request) {
    return (await caches.match(request, { cacheName: kept })) ?? fetch(request);
  }

  /** @param {any} event */
  async function page(event) {
    try {
      return (await event.preloadResponse) ?? (await fetch(event.request));
    } catch (error) {
      const shown = await caches.match(offline, { cacheName: kept });
      if (shown) return shown;
      throw error;
    }
  }
}
