// The page that stands in for one that cannot be reached. Its address is still that of the page that was wanted: as soon as the server
// answers, that page is loaded in its place.

import { wait } from "./backoff.js";

/** An answer comes within so long, in ms, or it counts as none. */
const PATIENCE = 8_000;

const line = /** @type {HTMLElement} */ (document.getElementById("network"));
const waiting = line.textContent ?? "";
const without = /** @type {HTMLTemplateElement} */ (document.getElementById("no-network")).content.textContent ?? "";
let failures = 0;
let trying = false;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

function again() {
  // Whoever opened this very page by its own address would come back to it for ever.
  if (location.pathname === "/offline") location.replace("/");
  else location.reload();
}

async function look() {
  if (trying) return;
  trying = true;
  clearTimeout(timer);
  try {
    // Whatever answers is better than this page; what is still not well says so itself.
    await fetch("/healthz", { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    return again();
  } catch {
    failures += 1;
  }
  trying = false;
  const text = navigator.onLine ? waiting : without;
  if (line.textContent !== text) line.textContent = text;
  timer = setTimeout(look, wait(failures, Math.random));
}

document.getElementById("again")?.addEventListener("click", (event) => {
  event.preventDefault();
  again();
});
addEventListener("online", look);
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
timer = setTimeout(look, wait(1, Math.random));
