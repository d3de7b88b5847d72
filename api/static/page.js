// The page: what is typed goes to the server, and its answers are shown.

import { Refusal, address, info, rank, rankBody, tokenSimilarity } from "./client.js";
import { copy, curl } from "./curl.js";
import { documentsOf, linesOf } from "./documents.js";
import { byId, say } from "./elements.js";
import { heatmap } from "./heatmap.js";
import * as numbers from "./numbers.js";
import { Ranking } from "./ranking.js";

const KEY = "scorert-api-key";
// Milliseconds without typing before the documents are ranked again; as long as the last ranking took, within these.
const [SHORTEST_PAUSE, LONGEST_PAUSE] = [200, 1500];
// Milliseconds until it is said that a ranking is waited for.
const PATIENCE = 400;

const form = byId("form");
const model = byId("model");
const key = byId("key");
const query = byId("query");
const texts = byId("documents");
const ranking = new Ranking(byId("results"), byId("scale"), choose);

let models = new Map();
let pause = SHORTEST_PAUSE;
let timer;
// The request that is on its way; a newer one takes its place.
let current = new AbortController();
let currentTokens = new AbortController();
// The documents that the shown ranking is of, and the text of the one whose row was chosen.
let ranked = [];
let chosen = null;

function next(controller) {
  controller.abort();
  return new AbortController();
}

async function loadModels() {
  try {
    const answer = await info(key.value);
    const before = model.value;
    models = new Map(answer.models.map((served) => [served.name, served]));
    model.replaceChildren(...answer.models.map(({ name }) => new Option(name, name)));
    if (models.has(before)) model.value = before;
    return true;
  } catch (error) {
    refuse(error);
    return false;
  }
}

function describeModel() {
  const served = models.get(model.value);
  byId("about-model").textContent = served
    ? `${served.score_type} · ${served.precision} on ${served.provider} · inputs cut at ${numbers.counted(served.max_length, "token")}`
    : "";
}

/** What stands in the form has changed: show the command for it, and rank in a moment. */
function changed() {
  const documents = linesOf(texts.value);
  byId("count").textContent = numbers.counted(documents.length, "document");
  byId("curl").textContent = curl(address("v1/rerank"), rankBody(model.value, query.value, documents), key.value !== "");
  describeModel();
  clearTimeout(timer);
  timer = setTimeout(update, pause);
}

async function update() {
  clearTimeout(timer);
  current = next(current);
  currentTokens.abort();
  const { signal } = current;
  if (models.size === 0) {
    if (!(await loadModels()) || signal.aborted) return;
    changed();
    clearTimeout(timer);
  }
  const documents = linesOf(texts.value);
  if (documents.length === 0 || query.value.trim() === "") {
    clear();
    tell(documents.length ? "Type a query to rank the documents." : "Type documents to rank.");
    return;
  }
  byId("ranking").ariaBusy = "true";
  const waiting = setTimeout(() => tell(`Ranking ${numbers.counted(documents.length, "document")} …`), PATIENCE);
  const begun = performance.now();
  try {
    const answer = await rank(rankBody(model.value, query.value, documents), key.value, signal);
    show(answer.results, documents, performance.now() - begun);
  } catch (error) {
    if (!signal.aborted) refuse(error);
  } finally {
    clearTimeout(waiting);
  }
}

function show(results, documents, duration) {
  settle();
  ranked = documents;
  pause = Math.min(Math.max(duration, SHORTEST_PAUSE), LONGEST_PAUSE);
  ranking.show(results, documents);
  const count = numbers.counted(documents.length, "document");
  tell(`${count} · ${numbers.milliseconds(duration)} · ${numbers.rate(documents.length, duration)} documents/s`);
  byId("announcement").textContent = `${count} ranked. First: ${documents[results[0].index]}`;
  const late = models.get(model.value)?.score_type === "late-interaction";
  const kept = documents.indexOf(chosen);
  const index = kept >= 0 ? kept : late ? results[0].index : null;
  ranking.mark(index);
  byId("tokens").hidden = !late;
  if (late) showTokens(documents[index]);
}

/** A row was chosen: it shows its whole text, and where the model has them its tokens. Once more, and it does not. */
function choose(index) {
  const late = !byId("tokens").hidden;
  chosen = chosen === ranked[index] && !late ? null : ranked[index];
  ranking.mark(chosen === null ? null : index);
  ranking.row(index).tabIndex = 0;
  if (late) showTokens(chosen);
}

async function showTokens(document) {
  currentTokens = next(currentTokens);
  const { signal } = currentTokens;
  const matrix = byId("matrix");
  try {
    const answer = await tokenSimilarity(model.value, query.value, document, key.value, signal);
    const { table, low, high, left_out } = heatmap(answer);
    say(byId("tokens-error"));
    matrix.replaceChildren(table);
    const [lowest, , highest] = byId("legend").children;
    [lowest.textContent, highest.textContent] = [low, high].map(numbers.similarity);
    byId("tokens-status").textContent =
      `Score ${numbers.score(answer.score)}: the sum of ${numbers.counted(answer.query_tokens.length, "best match").replace(/s$/, "es")}` +
      (left_out ? `; ${numbers.counted(left_out, "column")} without one left out` : "");
    byId("legend").hidden = false;
  } catch (error) {
    if (signal.aborted) return;
    matrix.replaceChildren();
    byId("tokens-status").textContent = "";
    byId("legend").hidden = true;
    say(byId("tokens-error"), sentence(error));
  }
}

function tell(status) {
  byId("status").textContent = status;
}

function settle() {
  byId("ranking").ariaBusy = "false";
  say(byId("error"));
  key.removeAttribute("aria-invalid");
}

function clear() {
  settle();
  tell("");
  ranking.clear();
  byId("tokens").hidden = true;
}

function refuse(error) {
  clear();
  say(byId("error"), sentence(error));
  if (error.status === 401) key.setAttribute("aria-invalid", "true");
}

function sentence(error) {
  if (!(error instanceof Refusal)) console.error(error);
  return error.message;
}

async function open(file) {
  try {
    texts.value = documentsOf(file.name, await file.text());
  } catch (error) {
    // What is in the form, and its ranking, stay.
    say(byId("error"), error.message);
    return;
  }
  changed();
  update();
}

form.addEventListener("input", (event) => {
  if (event.target === key) sessionStorage.setItem(KEY, key.value);
  if ([key, query, texts].includes(event.target)) changed();
});
model.addEventListener("change", () => {
  changed();
  update();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  update();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  update();
});
byId("file").addEventListener("change", ({ target }) => {
  if (target.files[0]) open(target.files[0]);
  // So that the same file can be chosen again.
  target.value = "";
});
for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
  // Anywhere on the page: a file dropped beside its field would otherwise replace the page.
  document.addEventListener(kind, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    byId("drop").classList.toggle("over", kind === "dragenter" || kind === "dragover");
    if (kind === "drop") open(event.dataTransfer.files[0]);
  });
}
byId("copy").addEventListener("click", async ({ target }) => {
  await copy(byId("curl").textContent, byId("curl"));
  target.textContent = "Copied";
  setTimeout(() => (target.textContent = "Copy"), 1500);
});

key.value = sessionStorage.getItem(KEY) ?? "";
changed();
update();
