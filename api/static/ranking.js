// The ranking: a row for each document, with its score and a bar.

import { labelOf, picturesOf } from "./contents.js";
import { element } from "./elements.js";
import * as numbers from "./numbers.js";
import { thumbnail } from "./pictures.js";

/**
 * What bars are drawn between: 0 and 1 where all scores are, else the lowest and the highest of them.
 * Logits and sums of similarities have no bounds of their own.
 */
export function range(scores) {
  const low = scores.reduce((a, b) => Math.min(a, b), Infinity);
  const high = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  return low >= 0 && high <= 1 ? [0, 1] : [low, high];
}

/** How much of its bar a score fills, 0 to 1. The lowest is still seen where bars do not begin at 0. */
export function filled(score, [low, high]) {
  if (low === 0) return score / high;
  return low === high ? 1 : 0.03 + (0.97 * (score - low)) / (high - low);
}

/** The list of ranked documents. `choose` is called with a document's index when its row is chosen. */
export class Ranking {
  constructor(list, scale, choose) {
    this.list = list;
    this.scale = scale;
    list.addEventListener("click", (event) => {
      const row = event.target.closest("button");
      if (row) choose(Number(row.dataset.index));
    });
    list.addEventListener("keydown", (event) => this.move(event));
  }

  /** `results` are as the server gives them, by falling score: index and relevance_score. */
  show(results, documents) {
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.index : null;
    const bounds = range(results.map((result) => result.relevance_score));
    this.list.replaceChildren(
      ...results.map((result, position) => row(result, position, documents[result.index], bounds)),
    );
    this.scale.hidden = results.length === 0;
    const [low, high] = bounds.map((bound) => (Number.isInteger(bound) ? String(bound) : numbers.score(bound)));
    this.scale.firstElementChild.textContent = low;
    this.scale.lastElementChild.textContent = low === high ? "" : high;
    if (focused !== null) (this.row(focused) ?? this.rows()[0])?.focus();
  }

  clear() {
    this.list.replaceChildren();
    this.scale.hidden = true;
  }

  /** Mark the row of the document with this index, null for none. It is where Tab enters the list. */
  mark(index) {
    for (const row of this.rows()) {
      const chosen = Number(row.dataset.index) === index;
      row.setAttribute("aria-pressed", String(chosen));
      row.tabIndex = chosen ? 0 : -1;
    }
    if (index === null && this.rows().length) this.rows()[0].tabIndex = 0;
  }

  row(index) {
    return this.list.querySelector(`button[data-index="${index}"]`);
  }

  rows() {
    return [...this.list.querySelectorAll("button")];
  }

  /** Arrow keys, Home and End go from row to row. */
  move(event) {
    const rows = this.rows();
    const at = rows.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to === undefined || !rows[to]) return;
    event.preventDefault();
    rows[at].tabIndex = -1;
    rows[to].tabIndex = 0;
    rows[to].focus();
  }
}

function row({ index, relevance_score: score }, position, content, bounds) {
  const fill = element("i");
  fill.style.width = `${(filled(score, bounds) * 100).toFixed(2)}%`;
  const button = element(
    "button",
    { type: "button", tabIndex: -1 },
    element("span", { className: "rank" }, String(position + 1)),
    described(content),
    element("span", { className: "bar" }, fill),
    element("data", { className: "score", value: String(score), title: String(score) }, numbers.score(score)),
  );
  button.dataset.index = String(index);
  return element("li", {}, button);
}

function described(content) {
  const text = element("span", { className: "text" }, labelOf(content));
  const pictures = picturesOf(content);
  if (pictures.length === 0) return text;
  // A picture without a text has its name for one, which is then said once.
  const thumbnails = pictures.map((picture) => thumbnail(picture, content.text && picture.name));
  return element("span", { className: "pictured" }, ...thumbnails, text);
}
