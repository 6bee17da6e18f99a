// What the script says, in the language of the page. The catalogues are words.en.js and words.zh.js, of one shape: the type checker
// refuses a sentence that is missing in one of them.

import { en } from "./words.en.js";
import { zh } from "./words.zh.js";

const lang = globalThis.document?.documentElement.lang ?? "en";

export const words = lang.startsWith("zh") ? zh : en;

/** How the reader writes dates and numbers: by the page's language, and by their own kind of it where the browser names one. */
export const locale = globalThis.navigator?.languages?.find((own) => own.split("-")[0] === lang.split("-")[0]) ?? lang;
