import assert from "node:assert/strict";
import { test } from "node:test";

import { Outbox, byTurns, postsIn } from "../../assets/js/outbox.js";
import { uuid7 } from "../../assets/js/uuid7.js";
import { chance } from "./random.js";

/** A Web Storage in memory. */
function storage(limit = Infinity) {
  const map = new Map();
  return {
    get length() { return map.size; },
    key: (i) => [...map.keys()][i] ?? null,
    getItem: (key) => map.get(key) ?? null,
    setItem(key, value) {
      if (value.length > limit) throw new Error("full");
      map.set(key, value);
    },
    removeItem: (key) => map.delete(key),
  };
}

/** A server that takes each id once, and a network that may eat requests and answers. */
function server(luck, loss = 0) {
  const taken = new Map();
  const order = [];
  return {
    taken,
    order,
    async send(post) {
      if (luck && luck.random() < loss) return { status: 0 };
      if (post.text.startsWith("bad")) return { status: 422, code: "bad", message: "It is bad." };
      if (!taken.has(post.id)) order.push(post.text);
      taken.set(post.id, post.text);
      if (luck && luck.random() < loss) return { status: 0 };
      return { status: 201 };
    },
  };
}

function tab(store, send, more = {}) {
  const timers = [];
  const events = [];
  const outbox = new Outbox(store, {
    send,
    changed: (post, what) => events.push(`${what} ${post.text}`),
    lost: (why) => events.push(why),
    later: (then, ms) => timers.push({ then, ms }),
    cancel: () => {},
    random: () => 0.5,
    exclusive: (then) => then(),
    ...more,
  });
  return { outbox, timers, events };
}

const post = (text, room = "r1") => ({ id: uuid7(), room, text, reply_to: null });

test("posts go out once and in order, whatever the network eats", async () => {
  for (let seed = 1; seed <= 100; seed++) {
    const luck = chance(seed);
    const net = server(luck, 0.4);
    const disk = storage();
    let { outbox, timers } = tab(postsIn(disk, "ada"), net.send);
    const texts = [];
    for (let i = 0; i < 8; i++) {
      texts.push(`post ${i}`);
      await outbox.add(post(`post ${i}`));
      // Now and then the page is reloaded: what is on disk goes on.
      if (luck.below(3) === 0) ({ outbox, timers } = tab(postsIn(disk, "ada"), net.send));
    }
    for (let i = 0; i < 200 && outbox.posts().length > 0; i++) await outbox.run();
    assert.deepEqual(net.order, texts, `seed ${seed}`);
    assert.equal(net.taken.size, texts.length, `seed ${seed}`);
    assert.equal(disk.length, 0);
  }
});

test("two tabs send the same posts without harm", async () => {
  for (let seed = 1; seed <= 50; seed++) {
    const net = server(chance(seed), 0.3);
    const disk = storage();
    const one = tab(postsIn(disk, "ada"), net.send).outbox;
    const two = tab(postsIn(disk, "ada"), net.send).outbox;
    await Promise.all([one.add(post("a")), two.add(post("b")), one.add(post("c"))]);
    for (let i = 0; i < 100 && one.posts().length > 0; i++) await Promise.all([one.run(), two.run()]);
    assert.deepEqual([...net.taken.values()].sort(), ["a", "b", "c"]);
  }
});

test("a refusal stays with its reason until its writer decides, and holds nothing up", async () => {
  const net = server();
  const { outbox, events } = tab(postsIn(storage(), "ada"), net.send);
  const bad = post("bad one");
  await outbox.add(bad);
  await outbox.add(post("good"));
  assert.deepEqual(events, ["refused bad one", "sent good"]);
  assert.equal(outbox.posts()[0].refused, "It is bad.");
  await outbox.run();
  assert.equal(events.length, 2, "it is not tried again by itself");
  await outbox.retry(bad.id);
  assert.deepEqual(events.slice(2), ["refused bad one"]);
  outbox.discard(bad.id);
  assert.deepEqual(outbox.posts(), []);
});

test("a refusal without a reason is one all the same, also after a reload", async () => {
  const kept = storage();
  const { outbox, events } = tab(postsIn(kept, "ada"), async () => ({ status: 400 }));
  await outbox.add(post("bad"));
  const again = tab(postsIn(kept, "ada"), async () => ({ status: 201 }));
  assert.equal(again.outbox.posts()[0].refused, "");
  await again.outbox.run();
  assert.deepEqual([...events, ...again.events], ["refused bad"]);
});

test("waits grow, and the server's Retry-After is kept", async () => {
  const answers = [{ status: 0 }, { status: 503 }, { status: 429, retryAfter: 20 }, { status: 201 }];
  const { outbox, timers } = tab(postsIn(storage(), "ada"), async () => answers.shift());
  await outbox.add(post("x"));
  for (let i = 0; i < 3; i++) await timers[i].then();
  assert.deepEqual(timers.map(({ ms }) => ms), [750, 1500, 20000]);
  const far = tab(postsIn(storage(), "ada"), async () => ({ status: 429, retryAfter: 1e9 }));
  await far.outbox.add(post("x"));
  assert.deepEqual(far.timers.map(({ ms }) => ms), [600_000]);
  assert.deepEqual(outbox.posts(), []);
});

test("nobody else's session sends it", async () => {
  const disk = storage();
  const offline = tab(postsIn(disk, "ada"), async () => ({ status: 0 })).outbox;
  await offline.add(post("secret"));
  const net = server();
  const bob = tab(postsIn(disk, "bob"), net.send).outbox;
  await bob.run();
  assert.equal(net.taken.size, 0);
  // A tab of Ada's that is still open while Bob has signed in: the server says so, and the post stays hers.
  const { outbox, events } = tab(postsIn(disk, "ada"), async () => ({ status: 409, code: "other_person" }));
  await outbox.run();
  assert.deepEqual(events, ["other-person"]);
  assert.equal(outbox.posts().length, 1);
  const out = tab(postsIn(disk, "ada"), async () => ({ status: 401 }));
  await out.outbox.run();
  assert.deepEqual(out.events, ["signed-out"]);
  assert.equal(out.outbox.posts().length, 1);
});

test("a full or absent storage keeps posts for as long as the page lives", async () => {
  for (const disk of [storage(5), null]) {
    const net = server();
    const { outbox } = tab(postsIn(disk, "ada"), net.send);
    await outbox.add(post("a long text"));
    assert.equal(net.taken.size, 1);
    assert.deepEqual(outbox.posts(), []);
  }
});

test("rubbish in the storage is passed over", () => {
  const disk = storage();
  disk.setItem("parlor.outbox.ada.1", "{");
  disk.setItem("other", "x");
  assert.deepEqual(postsIn(disk, "ada").all(), []);
});

test("what was sent says its place", async () => {
  const places = [];
  const { outbox } = tab(postsIn(storage(), "ada"), async () => ({ status: 201, data: { seq: 7 } }), { changed: (post, what, seq) => places.push([what, seq]) });
  await outbox.add(post("x"));
  assert.deepEqual(places, [["sent", 7]]);
});

test("tabs take turns, and a lock that nobody gives back holds nothing up", async () => {
  const waits = [];
  const within = (ms) => {
    waits.push(ms);
    return AbortSignal.timeout(1);
  };
  let held = true;
  const locks = {
    request: (name, { signal }, then) => (held ? new Promise((_, refuse) => { signal.addEventListener("abort", () => refuse(signal.reason)); }) : then()),
  };
  // The timers of such signals do not keep Node awake.
  const awake = setInterval(() => {}, 1000);
  const net = server();
  const { outbox } = tab(postsIn(storage(), "ada"), net.send, { exclusive: byTurns(locks, "x", within) });
  await outbox.add(post("one"));
  await outbox.add(post("two"));
  held = false;
  await outbox.add(post("three"));
  await outbox.add(post("four"));
  clearInterval(awake);
  assert.deepEqual(net.order, ["one", "two", "three", "four"]);
  assert.deepEqual(waits, [35_000, 1000, 1000, 35_000]);
  for (const locks of [undefined, { request: async () => { throw new DOMException("no", "SecurityError"); } }]) {
    const net = server();
    await tab(postsIn(storage(), "ada"), net.send, { exclusive: byTurns(locks, "x") }).outbox.add(post("one"));
    assert.deepEqual(net.order, ["one"]);
  }
  await assert.rejects(byTurns({ request: async (name, how, then) => then() }, "x")(async () => { throw new Error("its own"); }), /its own/);
});
