// Shows each event of the check as it comes, and says whether they came one by one or in lumps.

import { words } from "./words.js";

/** Events nearer together than this part of the interval were kept back somewhere. */
const LUMP = 0.25;

class StreamChat extends HTMLElement {
  connectedCallback() {
    const every = Number(this.dataset.every);
    const all = Number(this.dataset.n);
    const verdict = /** @type {HTMLElement} */ (this.querySelector(".verdict"));
    const progress = /** @type {HTMLProgressElement} */ (this.querySelector("progress"));
    const events = /** @type {HTMLElement} */ (this.querySelector(".events"));
    let count = 0;
    let lumps = 0;
    let last = -Infinity;
    this.source = new EventSource(this.dataset.src ?? "");
    this.source.onmessage = (event) => {
      const now = performance.now();
      const lump = now - last < every * LUMP;
      last = now;
      count += 1;
      if (lump) lumps += 1;
      const item = document.createElement("li");
      item.textContent = event.data;
      if (lump) item.className = "lump";
      events.append(item);
      progress.value = count;
      verdict.textContent = words.streamed(count, all, lumps);
      this.dataset.verdict = lumps === 0 ? "one-by-one" : "lumps";
      this.dataset.count = String(count);
      // The server would answer the next connection with "nothing more"; there is no need to ask.
      if (count >= all) this.source?.close();
    };
  }

  disconnectedCallback() {
    this.source?.close();
  }
}

customElements.define("stream-chat", StreamChat);
