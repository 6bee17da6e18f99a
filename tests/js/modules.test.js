// What the pages name must be there, and nothing is there in vain.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

const at = (path) => new URL(`../../${path}`, import.meta.url);
const read = (path) => readFileSync(at(path), "utf8");
const scripts = readdirSync(at("assets/js")).filter((name) => name.endsWith(".js"));

function imports(name, seen = new Set()) {
  for (const [, next] of read(`assets/js/${name}`).matchAll(/(?:from|import) "\.\/([^"]+)"/g)) {
    if (seen.has(next)) continue;
    seen.add(next);
    imports(next, seen);
  }
  return seen;
}

test("every module travels in a script that something asks for", () => {
  const asked = ["room.js", "door.js", "worker.js", "offline.js", "stream-chat.js", "service-worker.js"];
  const carried = new Set(asked.flatMap((name) => [name, ...imports(name)]));
  assert.deepEqual([...carried].sort(), [...scripts].sort());
});

test("every asset that a page names is there", () => {
  for (const page of readdirSync(at("templates"))) {
    for (const [, path] of read(`templates/${page}`).matchAll(/\/assets\/\{\{ chrome\.build \}\}\/([\w./-]+\.(?:css|js|svg))"/g)) {
      assert.ok(readFileSync(at(`assets/${path}`)), `${page}: ${path}`);
    }
    const icons = read("assets/icons/sprite.svg");
    for (const [, name] of read(`templates/${page}`).matchAll(/sprite\.svg#([a-z]+)"/g)) assert.ok(icons.includes(`id="${name}"`), `${page}: ${name}`);
  }
});

test("every style sheet is part of the one that pages load", () => {
  const imported = [...read("assets/css/all.css").matchAll(/^@import "([^"]+)";$/gm)].map(([, name]) => name);
  const there = readdirSync(at("assets/css")).filter((name) => name !== "all.css");
  // The words of the page's languages are no file: the server writes them from its catalogue.
  assert.deepEqual([...imported].sort(), [...there, "words.css"].sort());
  assert.equal(imported[0], "tokens.css", "the sheet that orders the layers comes first");
});

test("markup enters in one place", () => {
  for (const name of scripts) {
    const found = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment/.test(read(`assets/js/${name}`));
    assert.equal(found, name === "markup.js", name);
  }
});
