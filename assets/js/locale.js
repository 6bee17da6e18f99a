// The language of the page, and how its reader writes dates and numbers.

/** @type {string} */
export const lang = globalThis.document?.documentElement.lang ?? "en";

/** By the page's language, and by the reader's own kind of it where the browser names one. */
export const locale = globalThis.navigator?.languages?.find((own) => own.split("-")[0] === lang.split("-")[0]) ?? lang;
