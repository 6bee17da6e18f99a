// Calls of the JSON API, as the reader of this page.

/** An answer begins within so long, in ms: without a limit, a network that swallows everything would keep the browser's few connections for ever. */
const PATIENCE = 30_000;
/** What is sent may take so much longer, in ms for each unit of text; */
const SLOWEST = 1;
/** and the answer so long from its beginning to its end, in ms. */
const BODY = 120_000;

/** @typedef {{ ok: boolean, status: number, data: any, code?: string, message?: string, retryAfter?: number }} Answer */

/**
 * @param {string} method
 * @param {string} path
 * @param {{ body?: unknown, as?: string }} [options] `as`: the reader that this page was made for. If somebody else has signed in
 *   since, the server refuses rather than doing it in that person's name.
 * @returns {Promise<Answer>}
 */
export async function call(method, path, { body, as } = {}) {
  const url = as ? `${path}${path.includes("?") ? "&" : "?"}as=${as}` : path;
  const text = body === undefined ? undefined : JSON.stringify(body);
  const given = new AbortController();
  let patience = setTimeout(() => given.abort(), PATIENCE + (text?.length ?? 0) * SLOWEST);
  try {
    const response = await fetch(url, {
      method,
      headers: body === undefined ? { accept: "application/json" } : { accept: "application/json", "content-type": "application/json" },
      body: text,
      signal: given.signal,
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
    });
    clearTimeout(patience);
    patience = setTimeout(() => given.abort(), BODY);
    const data = response.status === 204 ? null : await response.json().catch(() => null);
    // What was asked for and came to half did not come. What was done is done, whatever became of the answer.
    if (response.ok && method === "GET" && data === null) return { ok: false, status: 0, data: null };
    const seconds = Number(response.headers.get("retry-after"));
    return { ok: response.ok, status: response.status, data, code: data?.error?.code, message: data?.error?.message, retryAfter: Number.isFinite(seconds) ? seconds : undefined };
  } catch {
    return { ok: false, status: 0, data: null };
  } finally {
    clearTimeout(patience);
  }
}
