// Pages in front of the door: times as the reader's clock shows them, safe input methods, and the shell kept for the next visit.

import { localise } from "./times.js";
import { guardForms } from "./ime.js";
import { keepShell } from "./shell.js";

localise(document);
guardForms();
keepShell();
