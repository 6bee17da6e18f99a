// Formulas are copied as they were typed. What was typed stands behind each of them, but browsers break the line at MathML, drawn or
// selected or not: while the text is taken it is not there.

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
