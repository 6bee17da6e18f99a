// Colours of code can be read: at least 4.5 to 1 on the ground of code, in light and dark.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const sheet = (name) => readFileSync(new URL(`../../assets/css/${name}.css`, import.meta.url), "utf8");
const COLOUR = /(--[\w-]+): light-dark\(oklch\(([\d. ]+)\), oklch\(([\d. ]+)\)\)/g;

/** Custom properties with a light and a dark colour. */
function colours(css) {
  return new Map([...css.matchAll(COLOUR)].map(([, name, ...both]) => [name, both.map((lch) => lch.split(" ").map(Number))]));
}

/** Relative luminance of a colour in OKLCH, cut to what screens show. */
function luminance([lightness, chroma, hue]) {
  const [a, b] = [Math.cos, Math.sin].map((f) => chroma * f((hue * Math.PI) / 180));
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const [red, green, blue] = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((part) => Math.min(1, Math.max(0, part)));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one, other) {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

test("the contrast of black on white is known", () => {
  assert.equal(contrast([0, 0, 0], [1, 0, 0]).toFixed(1), "21.0");
});

test("each colour of code reads well on the ground of code", () => {
  const tokens = sheet("tokens");
  const [, ground] = tokens.match(/--ground-code: var\((--\w+)\)/);
  const grounds = colours(tokens).get(ground);
  const code = [...colours(sheet("code"))];
  assert.equal(code.length, [...sheet("code").matchAll(/^ {4}--code-/gm)].length, "all of them are looked at");
  assert.ok(code.length >= 10);
  for (const [name, both] of code) {
    for (const [i, theme] of ["light", "dark"].entries()) {
      const found = contrast(both[i], grounds[i]);
      assert.ok(found >= 4.5, `${name} in ${theme}: ${found.toFixed(2)}`);
    }
  }
});
