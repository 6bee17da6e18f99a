// Ids of new messages: UUIDs of version 7, in the order in which they were made.
//
// `crypto.randomUUID` would be version 4, and it is missing on plain http; `getRandomValues` is there everywhere.

let lastTime = 0;
let lastCount = 0;

/**
 * @param {number} [now] ms since 1970
 * @returns {string}
 */
export function uuid7(now = Date.now()) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  // Several in one millisecond, or a clock that was set back, still come out in order: the 12 bits after the time count.
  if (now > lastTime) {
    lastTime = now;
    lastCount = ((bytes[6] & 0x07) << 8) | bytes[7];
  } else if (lastCount < 0xfff) {
    lastCount += 1;
  } else {
    lastTime += 1;
    lastCount = 0;
  }
  for (let i = 0; i < 6; i++) bytes[i] = Math.floor(lastTime / 2 ** (8 * (5 - i))) & 0xff;
  bytes[6] = 0x70 | (lastCount >> 8);
  bytes[7] = lastCount & 0xff;
  bytes[8] = 0x80 | (bytes[8] & 0x3f);
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
