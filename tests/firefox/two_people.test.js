// Two people in Firefox, in one room with an assistant, from the first page on.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Network, PASSWORD, Person, Server } from "./stage.js";

/** One test in all, in ms: more means that something hangs. */
const WHOLE_TEST = { timeout: 120_000 };

/** @type {Server} */ let server;
/** @type {Network} */ let network;
/** @type {Person} */ let ada;
/** @type {Person} */ let bob;
/** A room of people alone, and one with an assistant. */
let [room, hall] = ["", ""];

before(async () => {
  server = await Server.start();
  network = await Network.to(server.url);
  // Ada's network can be lost; Bob's cannot.
  [ada, bob] = await Promise.all([Person.at("Ada", network.url), Person.at("Bob", server.url)]);
}, WHOLE_TEST);

after(async () => {
  await Promise.allSettled([ada?.end(), bob?.end()]);
  await Promise.allSettled([network?.end(), server?.end()]);
}, WHOLE_TEST);

test("the first account, an invitation, a room for both", WHOLE_TEST, async () => {
  await ada.page.goto(server.url);
  // Set up on this machine itself; then by way of the network.
  await ada.fills('form[action="/setup"]', { name: "Ada", password: PASSWORD });
  await ada.goes("/people");
  await ada.fills('form[action="/people/invites"]', {});
  const link = await ada.page.evaluate(() => /\/invite\/[\w-]+/.exec(document.documentElement.innerHTML)?.[0]);
  await bob.goes(link);
  await bob.fills('form[action^="/invite/"]', { name: "Bob", password: PASSWORD });
  [room, hall] = [(await ada.calls("POST", "/api/rooms", { name: "Kitchen" })).id, (await ada.calls("POST", "/api/rooms", { name: "Hall" })).id];
  for (const one of [room, hall]) await bob.calls("POST", `/api/rooms/${one}/members`, {});
  await server.assistant(hall);
  await Promise.all([ada.opens(room), bob.opens(room)]);
});

test("a post of one appears for the other", WHOLE_TEST, async () => {
  await ada.says("hello Bob");
  await bob.sees("hello Bob");
  await bob.says("hello Ada");
  await Promise.all([ada.sees("hello Ada"), bob.sees("hello Ada")]);
  assert.deepEqual(await ada.log(), await bob.log());
});

test("a reply grows for both, and is stopped", WHOLE_TEST, async () => {
  await Promise.all([ada.opens(hall), bob.opens(hall)]);
  const question = await ada.asks(hall, 'say "One "', "wait two", 'say "two "', "wait three", "say three");
  const reply = await ada.replyTo(question);
  await Promise.all([ada, bob].map((one) => one.seesOf(reply, "streaming", "One")));
  server.open("two");
  await Promise.all([ada, bob].map((one) => one.seesOf(reply, "streaming", "One two")));
  await bob.page.evaluate((id) => {
    const stop = [...document.querySelectorAll(`#m-${id} button`)].find((button) => button.textContent.trim() === "Stop");
    stop.click();
  }, reply);
  await Promise.all([ada, bob].map((one) => one.seesOf(reply, "stopped", "One two")));
  server.open("three");
  const whole = await ada.asks(hall, "say All of it.");
  const answered = await bob.replyTo(whole);
  await Promise.all([ada, bob].map((one) => one.seesOf(answered, "complete", "All of it.")));
});

test("a message is edited and deleted for both", WHOLE_TEST, async () => {
  await Promise.all([ada.opens(room), bob.opens(room)]);
  await ada.says("a slip");
  const id = await ada.sees("a slip");
  await ada.waits("it is sent", (id) => document.getElementById(`m-${id}`)?.dataset.state === "complete", id);
  await ada.acts(id, "edit");
  await ada.waits("the field", (id) => !!document.querySelector(`#m-${id} .edit textarea`), id);
  await ada.page.keyboard.down("Control");
  await ada.page.keyboard.press("a");
  await ada.page.keyboard.up("Control");
  await ada.page.keyboard.type("no slip");
  await ada.page.keyboard.press("Enter");
  await Promise.all([ada, bob].map((one) => one.seesOf(id, "complete", "no slip")));
  await ada.acts(id, "delete");
  await ada.waits("the question", () => document.querySelector("#delete-message")?.open);
  await ada.page.click("#delete-message .danger");
  for (const one of [ada, bob]) {
    await one.waits("it is gone", (id) => {
      const message = document.getElementById(`m-${id}`);
      return message?.dataset.state === "deleted" && !message.textContent.includes("no slip");
    }, id);
  }
});

test("what is written without a network is sent once", WHOLE_TEST, async () => {
  network.cut();
  await ada.waits("it is noticed", () => document.documentElement.dataset.live !== "caught-up");
  await ada.says("from the tunnel");
  await ada.waits("it is pale", () => !!document.querySelector(".message.pending"));
  await bob.says("meanwhile");
  await bob.sees("meanwhile");
  network.mend();
  await ada.isCaughtUp();
  await bob.sees("from the tunnel");
  await ada.waits("nothing is pale", () => !document.querySelector(".message.pending"));
  await ada.sees("meanwhile");
  const texts = (await bob.log()).filter(([, , html]) => html.includes("from the tunnel"));
  assert.equal(texts.length, 1);
  assert.deepEqual(await ada.log(), await bob.log());
});

test("a page that cannot be loaded says so, and comes back by itself", WHOLE_TEST, async () => {
  await ada.opens(room);
  await ada.waits("the worker is there", () => navigator.serviceWorker.controller?.state === "activated");
  network.cut();
  await ada.page.reload({ timeout: 20_000 }).catch(() => {});
  await ada.waits("our own page", () => document.querySelector("h1")?.textContent === "The server cannot be reached");
  assert.equal(new URL(ada.page.url()).pathname, `/rooms/${room}`, "the address is kept");
  network.mend();
  await ada.isCaughtUp();
});

test("a reload shows the same", WHOLE_TEST, async () => {
  for (const one of [ada, bob]) {
    const before = await one.log();
    assert.ok(before.length === 5, `${before.length} messages`);
    await one.page.reload();
    await one.isCaughtUp();
    assert.deepEqual(await one.log(), before);
  }
});

test("no console has anything against us", WHOLE_TEST, () => {
  // What Firefox says of a network that is cut.
  const given = /NetworkError|can’t establish a connection|was interrupted while the page was loading/;
  const ours = (one) => one.complaints.filter((line) => !given.test(line));
  assert.deepEqual([ours(ada), ours(bob)], [[], []]);
});
