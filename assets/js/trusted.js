// What the page's policy allows under one name: to parse markup of the server, and to run the two workers.

const html = (/** @type {string} */ text) => text;
const scriptURL = (/** @type {string} */ url) => {
  const { origin, pathname } = new URL(url);
  if (origin !== location.origin || !/^(\/assets\/[^/]+\/js\/worker\.js|\/service-worker\.js)$/.test(pathname)) throw new TypeError(`not a script of ours: ${url}`);
  return url;
};

/** @type {{ createHTML(html: string): any, createScriptURL(url: string): any }} */
export const trusted = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("parlor", { createHTML: html, createScriptURL: scriptURL }) ?? { createHTML: html, createScriptURL: scriptURL };
