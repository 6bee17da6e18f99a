// Calls of the JSON API, as the reader of this page.

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
  try {
    const response = await fetch(url, {
      method,
      headers: body === undefined ? { accept: "application/json" } : { accept: "application/json", "content-type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
    });
    const data = response.status === 204 ? null : await response.json().catch(() => null);
    const seconds = Number(response.headers.get("retry-after"));
    return { ok: response.ok, status: response.status, data, code: data?.error?.code, message: data?.error?.message, retryAfter: Number.isFinite(seconds) ? seconds : undefined };
  } catch {
    return { ok: false, status: 0, data: null };
  }
}
