// Has the browser keep what pages are made of, and a page for times without a network, where it can: over https and on this machine.

import { trusted } from "./trusted.js";

export function keepShell() {
  if (!navigator.serviceWorker) return;
  const { lang, dataset } = document.documentElement;
  const look = new URLSearchParams(dataset.theme ? { lang, theme: dataset.theme } : { lang });
  const url = trusted.createScriptURL(new URL(`/service-worker.js?${look}`, location.href).href);
  // Everything works without it, as in a private window, which has none.
  const register = () => navigator.serviceWorker.register(url, { updateViaCache: "none" }).catch(() => {});
  // What is on screen comes first.
  if (document.readyState === "complete") register();
  else window.addEventListener("load", register, { once: true });
}
