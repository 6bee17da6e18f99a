// Input methods: the Enter that confirms a word of Chinese, Japanese or Korean is not the Enter that sends.
//
// While one composes, browsers say `isComposing`, or the key code 229, or both. Safari ends the composition first and
// tells of the key afterwards, with neither: that late key is known by following at once. Every handler of keys asks here.

/** A key within this time after a composition belongs to it, in ms. No finger is as fast. */
const LATE = 40;

let ended = -Infinity;
if (typeof document !== "undefined") {
  document.addEventListener("compositionend", (event) => { ended = event.timeStamp; }, true);
}

/**
 * Whether a key belongs to an input method.
 * @param {Pick<KeyboardEvent, "isComposing" | "keyCode" | "timeStamp">} event
 * @param {number} [end] when the last composition ended
 */
export function composing(event, end = ended) {
  return event.isComposing || event.keyCode === 229 || (event.timeStamp >= end && event.timeStamp - end < LATE);
}

/**
 * Listens to the keys that are not an input method's.
 * @param {EventTarget} target
 * @param {(event: KeyboardEvent) => void} heard
 * @param {AddEventListenerOptions} [options]
 */
export function onKey(target, heard, options) {
  target.addEventListener("keydown", (event) => {
    if (event instanceof KeyboardEvent && !composing(event)) heard(event);
  }, options);
}

/** Keeps such an Enter from submitting any form of the page, and such an Escape from closing what the field stands in. */
export function guardForms() {
  document.addEventListener("keydown", (event) => {
    const enters = event.key === "Enter" && event.target instanceof HTMLInputElement;
    if ((enters || event.key === "Escape") && composing(event)) event.preventDefault();
  }, true);
}
