// Pages other than a room: times as the reader's clock shows them, safe input methods, and links that can be copied.

import { copy } from "./actions.js";
import { localise } from "./arrange.js";
import { guardForms } from "./ime.js";
import { keepShell } from "./shell.js";
import { words } from "./words.js";

class CopyField extends HTMLElement {
  connectedCallback() {
    const field = this.querySelector("input");
    if (!field || this.querySelector("button")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = words.copy;
    button.addEventListener("click", async () => {
      await copy(field.value);
      button.textContent = words.copied;
    });
    field.addEventListener("focus", () => field.select());
    this.append(button);
  }
}

customElements.define("copy-field", CopyField);
localise(document);
guardForms();
keepShell();
