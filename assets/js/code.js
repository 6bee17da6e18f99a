// Code blocks: a button that copies what stands in one, and what grew stays unfolded.
//
// Whether a block is long, and how it folds, is a matter of the style sheet; the box that unfolds it came from the server and works
// without this. That nobody is thrown about by it is a matter of the log's.

import { copy } from "./actions.js";
import { words } from "./words.js";

/** The end of a reply that is being written. The style sheet does not fold such a block either. */
const GROWING = '[data-state="streaming"] .code:last-child';
/** How long a button says that it has copied, in ms. */
const SAID = 2_000;

/**
 * Tends the code blocks in `root`, those that are there and those that come.
 * @param {HTMLElement} root
 * @param {(text: string) => void} [say] to the status line, where there is one
 * @param {AbortSignal} [signal]
 */
export function keepCode(root, say, signal) {
  for (const block of root.querySelectorAll(".code")) ready(block);
  const growth = new MutationObserver((changes) => {
    for (const { target, addedNodes } of changes) {
      if (!(target instanceof Element)) continue;
      const around = target.closest(".code");
      if (around) ready(around);
      for (const node of addedNodes) {
        if (!(node instanceof Element) || around) continue;
        if (node.matches(".code")) ready(node);
        for (const block of node.querySelectorAll(".code")) ready(block);
      }
    }
  });
  growth.observe(root, { childList: true, subtree: true });
  signal?.addEventListener("abort", () => growth.disconnect());
  root.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest(".copy-code") : null;
    // A room tends its own blocks, and has a line to say so.
    if (button && button.closest("chat-room") === root.closest("chat-room")) copyCode(/** @type {HTMLButtonElement} */ (button), say);
  }, { signal });
}

/**
 * Gives a block its button. One that was seen to grow counts as unfolded: when the reply ends, nothing may jump, and whoever has read it
 * so far reads on. Those who come later find it folded.
 * @param {Element} block
 */
function ready(block) {
  const head = block.querySelector(":scope > figcaption");
  const fold = block.querySelector(".fold");
  if (fold instanceof HTMLInputElement && !fold.checked && block.matches(GROWING)) fold.checked = true;
  if (!head || head.querySelector(".copy-code")) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy-code";
  button.dataset.local = "";
  button.textContent = words.copy;
  head.append(button);
}

/**
 * @param {HTMLButtonElement} button
 * @param {((text: string) => void) | undefined} say
 */
async function copyCode(button, say) {
  const code = button.closest(".code")?.querySelector("code")?.textContent ?? "";
  // The end of the last line would run a command as soon as it is pasted.
  await copy(code.replace(/\n$/, ""));
  button.textContent = words.copied;
  button.classList.add("done");
  say?.(words.copied);
  setTimeout(() => {
    button.textContent = words.copy;
    button.classList.remove("done");
  }, SAID);
}
