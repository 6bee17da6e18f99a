// What the script says, in the language of the page. The catalogues are words.en.js and words.zh.js, of one shape: the type checker
// refuses a sentence that is missing in one of them.

import { lang } from "./locale.js";
import { en } from "./words.en.js";
import { zh } from "./words.zh.js";

export const words = lang.startsWith("zh") ? zh : en;
