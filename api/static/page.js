// The page: what is typed goes to the server, and its answers are shown.

import { address, info, rank, rankBody, sentence } from "./client.js";
import { contentOf, identityOf, labelOf } from "./contents.js";
import { copy, curl, curlWithPictures } from "./curl.js";
import { documentsOf, linesOf } from "./documents.js";
import { byId, say } from "./elements.js";
import { onFiles } from "./files.js";
import * as numbers from "./numbers.js";
import { Pictures, isPicture } from "./pictures.js";
import { Ranking } from "./ranking.js";
import * as tokens from "./tokens.js";

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
const queryPictures = new Pictures(byId("query-pictures"), { captioned: false }, changed);
const documentPictures = new Pictures(byId("document-pictures"), { captioned: true }, changed);
const ranking = new Ranking(byId("results"), byId("scale"), choose);

let models = new Map();
let pause = SHORTEST_PAUSE;
let timer;
// The request that is on its way; a newer one takes its place.
let current = new AbortController();
// The query and the documents that the shown ranking is of, and the identity of that whose row was chosen.
let asked = "";
let ranked = [];
let chosen = null;

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

const readsPictures = () => models.get(model.value)?.modalities.includes("image") ?? false;

function describeModel() {
  const served = models.get(model.value);
  byId("about-model").textContent = served
    ? `${served.score_type} · ${served.precision} on ${served.provider} · inputs cut at ${numbers.counted(served.max_length, "token")}`
    : "";
  const reads = readsPictures();
  for (const element of document.querySelectorAll(".adding")) element.hidden = !reads;
  for (const { list, contents } of [queryPictures, documentPictures]) list.hidden = !reads || contents.length === 0;
}

/** What stands in the form, as contents. A model that reads text alone is not asked about the pictures. */
function contents() {
  const lines = linesOf(texts.value);
  if (!readsPictures()) return [query.value, lines];
  const pictures = queryPictures.contents.flatMap((content) => content.pictures);
  // Copies, so that what is shown is what was ranked, whatever the captions are by then.
  const captioned = documentPictures.contents.map((content) => ({ ...content }));
  return [contentOf(query.value, pictures), [...lines, ...captioned]];
}

/** What stands in the form has changed: show the command for it, and rank in a moment. */
function changed() {
  const [queried, documents] = contents();
  byId("count").textContent = numbers.counted(documents.length, "document");
  const pictured = [queried, ...documents].some((content) => typeof content !== "string");
  const bodyOf = (urlOf) => rankBody(model.value, queried, documents, urlOf);
  const to = [address("v1/rerank"), pictured ? bodyOf : bodyOf(), key.value !== ""];
  byId("curl").textContent = pictured ? curlWithPictures(...to) : curl(...to);
  byId("about-curl").hidden = !pictured;
  describeModel();
  clearTimeout(timer);
  timer = setTimeout(update, pause);
}

async function update() {
  clearTimeout(timer);
  current.abort();
  current = new AbortController();
  tokens.abort();
  const { signal } = current;
  if (models.size === 0) {
    if (!(await loadModels()) || signal.aborted) return;
    changed();
    clearTimeout(timer);
  }
  const [queried, documents] = contents();
  if (documents.length === 0 || labelOf(queried).trim() === "") {
    clear();
    tell(documents.length ? "Type a query to rank the documents." : "Type documents to rank.");
    return;
  }
  byId("ranking").ariaBusy = "true";
  const waiting = setTimeout(() => tell(`Ranking ${numbers.counted(documents.length, "document")} …`), PATIENCE);
  const begun = performance.now();
  try {
    const answer = await rank(rankBody(model.value, queried, documents), key.value, signal);
    show(answer.results, queried, documents, performance.now() - begun);
  } catch (error) {
    if (!signal.aborted) refuse(error);
  } finally {
    clearTimeout(waiting);
  }
}

function show(results, queried, documents, duration) {
  settle();
  [asked, ranked] = [queried, documents];
  pause = Math.min(Math.max(duration, SHORTEST_PAUSE), LONGEST_PAUSE);
  ranking.show(results, documents);
  const count = numbers.counted(documents.length, "document");
  tell(`${count} · ${numbers.milliseconds(duration)} · ${numbers.rate(documents.length, duration)} documents/s`);
  byId("announcement").textContent = `${count} ranked. First: ${labelOf(documents[results[0].index])}`;
  const late = models.get(model.value)?.score_type === "late-interaction";
  const kept = documents.findIndex((content) => identityOf(content) === chosen);
  const index = kept >= 0 ? kept : late ? results[0].index : null;
  ranking.mark(index);
  if (late) showTokens(documents[index]);
  else tokens.hide();
}

/** A row was chosen: it shows its whole text, and where the model has them its tokens. Once more, and it does not. */
function choose(index) {
  const late = tokens.isShown();
  const own = identityOf(ranked[index]);
  chosen = chosen === own && !late ? null : own;
  ranking.mark(chosen === null ? null : index);
  ranking.row(index).tabIndex = 0;
  if (late) showTokens(ranked[index]);
}

const showTokens = (content) => tokens.show(model.value, asked, content, key.value);

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
  tokens.hide();
}

function refuse(error) {
  clear();
  say(byId("error"), sentence(error));
  if (error.status === 401) key.setAttribute("aria-invalid", "true");
}

/** Take files into the form: pictures beside the query or as documents, and the documents of the others. */
async function open(files, toQuery) {
  const pictures = files.filter(isPicture);
  const others = files.filter((file) => !isPicture(file));
  try {
    if (pictures.length && !readsPictures()) {
      throw new Error(`${model.value} reads text alone: choose a model that reads pictures.`);
    }
    const lists = await Promise.all(others.map(async (file) => documentsOf(file.name, await file.text())));
    if (lists.length) texts.value = lists.join("\n");
    await (toQuery ? queryPictures : documentPictures).add(pictures);
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
onFiles(open);
byId("copy").addEventListener("click", async ({ target }) => {
  await copy(byId("curl").textContent, byId("curl"));
  target.textContent = "Copied";
  setTimeout(() => (target.textContent = "Copy"), 1500);
});

key.value = sessionStorage.getItem(KEY) ?? "";
changed();
update();
