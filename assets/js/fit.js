// A field that is as high as its text, where the style sheet alone cannot do it.

/** @param {HTMLTextAreaElement} field */
export function fit(field) {
  if (CSS.supports("field-sizing", "content")) return;
  field.style.blockSize = "auto";
  field.style.blockSize = `${field.scrollHeight + field.offsetHeight - field.clientHeight}px`;
}
