// The one place where markup of the server becomes part of the page.
//
// It was made safe by the server; here it is only parsed, under the one name that the page's policy allows to do so.

import { localise } from "./times.js";
import { markMine } from "./reactions.js";
import { trusted } from "./trusted.js";

/**
 * @param {string} html
 * @returns {DocumentFragment} with its times as the reader's clock shows them
 */
export function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = trusted.createHTML(html);
  localise(template.content);
  markMine(template.content);
  return document.adoptNode(template.content);
}

/**
 * The nodes of a list of blocks: what stands between blocks is only white space.
 * @param {ParentNode} parent
 * @returns {ChildNode[]}
 */
export function blocksOf(parent) {
  return /** @type {ChildNode[]} */ ([...parent.childNodes]).filter((node) => node.nodeType !== Node.TEXT_NODE || /\S/.test(node.nodeValue ?? ""));
}

/**
 * What can be read of a message. Behind a drawn formula stands what was typed, so its text would be there twice: what was typed stays,
 * since it says on one line what the drawing says in two dimensions.
 * @param {Element | null | undefined} body
 */
export function readable(body) {
  if (!body) return "";
  const copy = /** @type {Element} */ (body.cloneNode(true));
  for (const math of copy.querySelectorAll("math")) math.remove();
  return copy.textContent ?? "";
}

/**
 * What the page itself has put into a message, at the end of something, stays there.
 * @param {Node} node
 */
function isTheirs(node) {
  return !(node instanceof HTMLElement && "local" in node.dataset);
}

/**
 * Makes `old` like `fresh` by touching only what differs: nodes that are the same stay, and with them selection, focus and scroll.
 * @param {ChildNode} old
 * @param {ChildNode} fresh
 * @returns {ChildNode} the one that is in the page now
 */
export function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return old;
  if (old instanceof Text && fresh instanceof Text) {
    // A text that only grows keeps a selection inside it.
    if (fresh.data.startsWith(old.data)) old.appendData(fresh.data.slice(old.data.length));
    else old.data = fresh.data;
    return old;
  }
  if (!(old instanceof Element) || !(fresh instanceof Element) || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh);
    return fresh;
  }
  copyAttributes(old, fresh);
  morphList(old, [...old.childNodes].filter(isTheirs), [...fresh.childNodes], null);
  return old;
}

/**
 * The same for a run of children of `parent`; what is new and has no counterpart goes before `end`.
 * @param {Node} parent
 * @param {ChildNode[]} old
 * @param {ChildNode[]} fresh
 * @param {ChildNode | null} end
 * @returns {ChildNode[]} those that are in the page now
 */
export function morphList(parent, old, fresh, end) {
  const now = fresh.map((node, i) => (i < old.length ? morph(old[i], node) : parent.insertBefore(node, end)));
  for (const node of old.slice(fresh.length)) node.remove();
  return now;
}

/**
 * @param {Element} old
 * @param {Element} fresh
 * @param {(name: string) => boolean} [ours] attributes that the page itself has set
 */
export function copyAttributes(old, fresh, ours = (name) => name === "open" && old.nodeName === "DETAILS") {
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !ours(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
}

/**
 * A whole page, from which parts are taken.
 * @param {string} html
 */
export function parseDocument(html) {
  return new DOMParser().parseFromString(trusted.createHTML(html), "text/html");
}
