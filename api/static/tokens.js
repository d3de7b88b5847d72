// The section that shows which token of the query matched which of a document.

import { sentence, tokenSimilarity } from "./client.js";
import { picturesOf } from "./contents.js";
import { byId, say } from "./elements.js";
import { heatmap } from "./heatmap.js";
import { Matches } from "./matches.js";
import * as numbers from "./numbers.js";

let current = new AbortController();

/** Take back what was asked for, since there will be another ranking. */
export const abort = () => current.abort();

export const isShown = () => !byId("tokens").hidden;

export function hide() {
  byId("tokens").hidden = true;
}

/** Show a query's tokens against a document's: in a table, or on the pictures where there are some. */
export async function show(model, query, document, key) {
  current.abort();
  current = new AbortController();
  const { signal } = current;
  byId("tokens").hidden = false;
  try {
    const answer = await tokenSimilarity(model, query, document, key, signal);
    say(byId("tokens-error"));
    const pictured = picturesOf(query).length + picturesOf(document).length > 0;
    byId("matrix").hidden = pictured;
    byId("matches").hidden = !pictured;
    byId("legend").hidden = false;
    if (pictured) showPictures(answer, query, document);
    else showTable(answer);
  } catch (error) {
    if (signal.aborted) return;
    clear();
    say(byId("tokens-error"), sentence(error));
  }
}

function showTable(answer) {
  const { table, low, high, left_out } = heatmap(answer);
  byId("matrix").replaceChildren(table);
  byId("matches").replaceChildren();
  legend(low, high);
  status(answer, left_out ? `; ${numbers.counted(left_out, "column")} without one left out` : "");
}

function showPictures(answer, query, document) {
  const matches = new Matches(answer, picturesOf(query), picturesOf(document), legend);
  byId("matches").replaceChildren(...matches.elements);
  byId("matrix").replaceChildren();
  status(answer, `, ${numbers.score(matches.seen)} of it on pictures`);
}

function status({ score, query_tokens }, more) {
  const count = numbers.counted(query_tokens.length, "best match").replace(/s$/, "es");
  byId("tokens-status").textContent = `Score ${numbers.score(score)}: the sum of ${count}${more}`;
}

function legend(low, high, more = false) {
  const [lowest, , highest] = byId("legend").children;
  lowest.textContent = numbers.similarity(low);
  highest.textContent = numbers.similarity(high) + (more ? " and more" : "");
}

function clear() {
  byId("matrix").replaceChildren();
  byId("matches").replaceChildren();
  byId("tokens-status").textContent = "";
  byId("legend").hidden = true;
}
