// Formulas are copied as they were typed. What was typed stands behind each of them, but browsers break the line at MathML, drawn or
// selected or not: while the text is taken it is not there.

import { parse } from "./markup.js";

/** When the page has settled, in ms. */
const SETTLED = 500;

addEventListener("copy", (event) => {
  const selection = getSelection();
  if (!selection || !event.clipboardData || (event.target instanceof Element && event.target.matches("input, textarea"))) return;
  if (![...document.getElementsByTagName("math")].some((formula) => selection.containsNode(formula, true))) return;
  const page = document.documentElement;
  page.dataset.copying = "";
  event.clipboardData.setData("text/plain", String(selection));
  delete page.dataset.copying;
  event.preventDefault();
});

// The first formula of all costs a browser most: it sorts the page's rules anew and looks for a mathematical font. Better now than while
// a reply grows.
setTimeout(() => {
  const [formula] = parse('<div class="sr-only" aria-hidden="true"><math><mi>x</mi></math></div>').children;
  document.body.append(formula);
  requestAnimationFrame(() => setTimeout(() => formula.remove()));
}, SETTLED);
