// A reply of 4,000 tokens as a good model writes it: paragraphs, lists, code, tables, and fifty formulas. The same each time.

const CODE = {
  rust: ["/// The distance of two words.", "pub fn distance(a: &str, b: &str) -> usize {", "    let mut row: Vec<usize> = (0..=b.len()).collect();", "    for (i, x) in a.bytes().enumerate() {", "        let mut last = i;", "        row[0] = i + 1;", "        for (j, y) in b.bytes().enumerate() {", "            let next = row[j + 1];", "            row[j + 1] = (last + usize::from(x != y)).min(row[j] + 1).min(next + 1);", "            last = next;", "        }", "    }", "    row[b.len()]", "}"],
  python: ["from dataclasses import dataclass", "", "@dataclass", "class Point:", "    x: float", "    y: float = 0.0", "", "    def norm(self) -> float:", "        \"\"\"Its distance from the middle.\"\"\"", "        return (self.x ** 2 + self.y ** 2) ** 0.5  # by Pythagoras"],
  javascript: ["export async function* lines(stream) {", "  let rest = \"\";", "  for await (const piece of stream) {", "    const parts = (rest + piece).split(\"\\n\");", "    rest = parts.pop() ?? \"\";", "    yield* parts;", "  }", "  if (rest !== \"\") yield rest;", "}"],
  sql: ["SELECT rooms.name, count(*) AS messages", "  FROM messages JOIN rooms ON rooms.id = messages.room", " WHERE messages.at > $1 AND rooms.private = FALSE", " GROUP BY rooms.name ORDER BY messages DESC LIMIT 10;"],
};
const FORMULAS = ["e^{i\\pi} + 1 = 0", "\\frac{a}{b} + \\sqrt{x^2 + y^2}", "\\sum_{n=1}^{\\infty} \\frac{1}{n^2} = \\frac{\\pi^2}{6}", "\\int_0^1 x^k \\, dx", "\\begin{pmatrix} a & b \\\\ c & d \\end{pmatrix}", "\\alpha_i \\leq \\beta_j", "\\lim_{h \\to 0} \\frac{f(x+h) - f(x)}{h}", "P(A \\mid B)", "\\vec{v} \\cdot \\vec{w}", "\\binom{n}{k}"];
const PROSE = "The shortest way from one word to another is counted in steps, and each step changes, adds or removes a single letter. Whoever writes the table by hand sees that a row depends on the row above it alone, so that one row is enough to remember. ";

/** Tokens so large that this text has so many of them. @returns {string[]} */
export function reply(tokens = 4000) {
  const parts = [];
  let formulas = 0;
  const formula = () => FORMULAS[formulas++ % FORMULAS.length];
  const inline = () => (formulas < 50 ? `$${formula()}$` : "*it*");
  const languages = Object.keys(CODE);
  for (let section = 0; section < 10; section += 1) {
    parts.push(`## ${section + 1}. A part of the answer\n\n`);
    parts.push(`${PROSE}As in ${inline()} and ${inline()}, **the first term** decides, and \`row[j + 1]\` follows from ${inline()}. [More of it](https://example.org/${section}).\n\n`);
    const language = languages[section % languages.length];
    parts.push(`\`\`\`${language}\n${CODE[language].join("\n")}\n\`\`\`\n\n`);
    parts.push(`| step | cost | sum |\n|---|---:|---:|\n${[1, 2, 3, 4, 5, 6].map((n) => `| number ${n} of ${section} | ${n * 3} | **${n * n}** |`).join("\n")}\n\n`);
    parts.push(`${formulas < 50 ? `$$\n${formula()}\n$$\n\n` : ""}1. One thing, with ${inline()}.\n2. Another, *said softly*, with ${inline()}.\n   - and what belongs to it\n3. A third: ${inline()}.\n\n> ${PROSE}\n\n`);
    parts.push(`${PROSE}${PROSE}\n\n`);
  }
  const pieces = parts.join("").match(/\s*(?:\w{1,9}|[^\s\w]{1,4})|\s+/g) ?? [];
  if (pieces.length < tokens) pieces.push(...Array.from({ length: tokens - pieces.length }, (_, n) => (n % 40 === 39 ? " end.\n\n" : n % 11 === 10 ? " is," : ` ${PROSE.split(" ")[n % 40]}`)));
  return pieces.slice(0, tokens);
}

/** How many formulas are in it. */
export const countFormulas = (/** @type {string} */ text) => (text.match(/\$\$\n[^$]+\n\$\$|\$[^$\n]+\$/g) ?? []).length;
