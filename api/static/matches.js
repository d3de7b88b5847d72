// Which tokens and patches of a document each of a query's matched, shaded where they are: on its pictures and its text.

import { element } from "./elements.js";
import * as numbers from "./numbers.js";
import { layersOf, pictureOf } from "./patches.js";
import { isSpecial, readable } from "./readable.js";
import { bounds, highest, shade } from "./shades.js";

const KEYS = ["ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp", "Home", "End"];

/**
 * The view of a server's answer. A token of the query that is pointed at or focused shows how similar to it each of the
 * document's is; while none is, the document's show how much of the score they are: the sum of the best matches there.
 */
export class Matches {
  /** `tell` is called with the values that shades go between, and whether some are higher. */
  constructor(answer, queryPictures, documentPictures, tell) {
    this.similarity = answer.similarity;
    this.boxes = answer.document_boxes;
    this.best = answer.similarity.map(highest);
    this.sums = answer.document_tokens.map(() => 0);
    this.best.forEach((column, row) => (this.sums[column] += answer.similarity[row][column]));
    /** How much of the score is on pictures of the document. */
    this.seen = this.sums.reduce((sum, value, column) => sum + (this.boxes[column] ? value : 0), 0);
    this.tell = tell;
    this.query = side("button", answer.query_tokens, answer.query_boxes, queryPictures);
    this.document = side("span", answer.document_tokens, answer.document_boxes, documentPictures);
    this.said = element("p", { className: "said", role: "status" });
    const query = group("Query", "Point at a token, or move through them with the arrow keys.", this.query);
    this.listen(query);
    this.elements = [query, this.said, group("Document", "", this.document)];
    // How well each part of the query is matched is shaded on its pictures for good.
    const maxima = this.best.map((column, row) => this.similarity[row][column]);
    const [low, high] = bounds(maxima);
    this.query.marks.forEach((mark, row) => shade(mark, maxima[row], low, high));
    this.query.marks[0].tabIndex = 0;
    this.paint(null);
  }

  listen(query) {
    const rowOf = ({ target }) => {
      const mark = target.closest("button");
      return mark ? this.query.marks.indexOf(mark) : null;
    };
    let focused = null;
    query.addEventListener("pointerover", (event) => this.paint(rowOf(event) ?? focused));
    query.addEventListener("pointerleave", () => this.paint(focused));
    query.addEventListener("focusin", (event) => this.paint((focused = rowOf(event))));
    query.addEventListener("focusout", () => this.paint((focused = null)));
    query.addEventListener("keydown", (event) => this.move(event));
  }

  /** Show what the token of this row matched, or, for null, what all of them did. */
  paint(row) {
    if (row === this.painted) return;
    this.painted = row;
    const values = row === null ? this.sums : this.similarity[row];
    // Shades tell patches apart; tokens of text may be more similar than any.
    const patches = values.filter((_, column) => this.boxes[column]);
    const [low, high] = bounds(patches.length ? patches : values);
    this.document.marks.forEach((mark, column) => {
      shade(mark, values[column], low, high);
      mark.classList.toggle("match", row !== null && column === this.best[row]);
      mark.title = `${this.document.names[column]}: ${numbers.similarity(values[column])}`;
    });
    this.query.marks.forEach((mark, place) => mark.classList.toggle("chosen", place === row));
    this.tell(low, high, bounds(values)[1] > high);
    this.said.textContent = row === null ? this.all() : this.one(row);
  }

  all() {
    const most = highest(this.sums);
    const value = numbers.similarity(this.sums[most]);
    return `All of the query: most of the score is at ${this.document.names[most]}, ${value}.`;
  }

  one(row) {
    const column = this.best[row];
    const value = numbers.similarity(this.similarity[row][column]);
    return `${this.query.names[row]}: the best match is ${this.document.names[column]}, ${value}.`;
  }

  /** Left and right, Home and End go through the tokens in order, up and down to the nearest above and below. */
  move(event) {
    const { marks } = this.query;
    const at = marks.indexOf(document.activeElement);
    if (at < 0 || !KEYS.includes(event.key)) return;
    event.preventDefault();
    const below = event.key === "ArrowDown";
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: marks.length - 1 }[event.key];
    const next = marks[to ?? nearest(marks, at, below)];
    if (!next) return;
    marks[at].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }
}

/** Which of the elements is the nearest below or above another: the next line first, then the nearest in it. */
function nearest(elements, at, below) {
  const boxes = elements.map((one) => one.getBoundingClientRect());
  const middle = ({ left, right }) => (left + right) / 2;
  const distance = (box) => {
    const lines = below ? box.top - boxes[at].bottom : boxes[at].top - box.bottom;
    return lines < -1 ? Infinity : lines * 1000 + Math.abs(middle(box) - middle(boxes[at]));
  };
  const distances = boxes.map((box, place) => (place === at ? Infinity : distance(box)));
  const [least] = bounds(distances);
  return least === Infinity ? undefined : distances.indexOf(least);
}

/**
 * One side: its pictures with a mark for each patch, and its text with one for each token. `marks` and their `names` are
 * by token.
 */
function side(tag, tokens, boxes, pictures) {
  const words = readable(tokens);
  const names = words.map((word) => `“${word}”`);
  const marks = tokens.map((token, place) => {
    if (boxes[place]) return element(tag, { className: "patch" });
    const word = element("span", { className: isSpecial(token) ? "special" : "" }, words[place]);
    return element(tag, { className: "token" }, word, element("i"));
  });
  const shown = layersOf(boxes).map((layer) => {
    const picture = pictures[layer.image];
    const whole = layer.again ? `the whole of ${picture.name}` : picture.name;
    for (const { place, row, column } of layer.cells) {
      names[place] = `row ${row}, column ${column} of ${whole}`;
      if (tag === "button") marks[place].ariaLabel = names[place];
    }
    return pictureOf(picture, whole, layer, marks);
  });
  if (tag === "button") for (const mark of marks) Object.assign(mark, { type: "button", tabIndex: -1 });
  const text = element("div", { className: "tokens" }, ...marks.filter((_, place) => !boxes[place]));
  return { marks, names, elements: [...shown, text] };
}

function group(title, hint, { elements }) {
  const heading = element("h3", {}, title, element("span", { className: "note" }, hint));
  const pictures = element("div", { className: "shown" }, ...elements);
  const className = title.toLowerCase();
  return element("div", { className, role: "group", ariaLabel: `${title}: tokens and patches` }, heading, pictures);
}
