// The server's endpoints, as this page uses them.

import { wired } from "./contents.js";

/** What the server said instead of an answer: the sentence, and the HTTP status (0: it was not reached). */
export class Refusal extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** The sentence of what went wrong; what should not have is on the console, too. */
export function sentence(error) {
  if (!(error instanceof Refusal)) console.error(error);
  return error.message;
}

/** An endpoint's address. It is relative to the page, which a proxy may have under another path. */
export const address = (path) => new URL(path, document.baseURI).href;

/**
 * What POST /v1/rerank is sent. Too long inputs are cut to the model's maximum, -1, so that every text has a score.
 * `urlOf` as in `wired`.
 */
export const rankBody = (model, query, documents, urlOf) => ({
  model,
  query: wired(query, urlOf),
  documents: documents.map((content) => wired(content, urlOf)),
  truncate_prompt_tokens: -1,
  return_documents: false,
});

export const info = (key) => request("info", { key });

export const rank = (body, key, signal) => request("v1/rerank", { body, key, signal });

/** Which of the query's tokens is how similar to which of the document's: late-interaction models only. */
export function tokenSimilarity(model, query, document, key, signal) {
  const body = { model, query: wired(query), document: wired(document), truncate_prompt_tokens: -1 };
  return request("token_similarity", { body, key, signal });
}

async function request(path, { body, key, signal }) {
  const headers = {};
  if (body) headers["Content-Type"] = "application/json";
  if (key) headers.Authorization = `Bearer ${key}`;
  const method = body ? "POST" : "GET";
  let response;
  try {
    response = await fetch(address(path), { method, headers, body: body && JSON.stringify(body), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    // A key that no header can hold is refused by fetch itself.
    if (/[^\x20-\xff]/.test(key)) throw new Refusal("The API key has a character that no key can have.", 401);
    throw new Refusal("The server cannot be reached: is it still running?", 0);
  }
  const answer = await response.json().catch(() => null);
  if (response.ok && answer) return answer;
  throw new Refusal(answer?.message ?? `The server answered with status ${response.status}.`, response.status);
}
