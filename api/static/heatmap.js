// How similar each of the query's tokens is to each of the document's, as a table whose cells are shaded.

import { element } from "./elements.js";
import * as numbers from "./numbers.js";
import { isSpecial, readable } from "./readable.js";
import { bounds, highest, shade } from "./shades.js";

// More columns than this no screen shows: then only those which some row matches best.
const MOST_COLUMNS = 256;

/** The table of a server's answer, and the lowest and highest similarity in it, which its shades go between. */
export function heatmap({ query_tokens, document_tokens, similarity }) {
  const [low, high] = bounds(similarity.flat());
  const best = similarity.map(highest);
  const all = document_tokens.map((_, column) => column);
  const columns = all.length > MOST_COLUMNS ? all.filter((column) => best.includes(column)) : all;
  const queryWords = readable(query_tokens);
  const documentWords = readable(document_tokens);

  const head = element("tr", {}, element("th", { scope: "col", className: "corner" }, "query token"));
  head.append(element("th", { scope: "col", className: "corner" }, "best"));
  head.append(
    ...columns.map((column) => label(document_tokens[column], documentWords[column], "col", `document token ${column + 1}`)),
  );
  const rows = similarity.map((values, row) => {
    const made = element("tr", {}, label(query_tokens[row], queryWords[row], "row", `query token ${row + 1}`));
    made.append(element("td", { className: "best" }, numbers.similarity(values[best[row]])));
    for (const column of columns) {
      const chosen = column === best[row];
      const value = numbers.similarity(values[column]);
      const said = chosen ? `${value}, best match` : value;
      const cell = element("td", { title: `${queryWords[row]} – ${documentWords[column]}: ${said}` });
      cell.append(element("span", { className: "hidden" }, said));
      shade(cell, values[column], low, high);
      if (chosen) cell.className = "match";
      made.append(cell);
    }
    return made;
  });
  const table = element(
    "table",
    {},
    element("caption", { className: "hidden" }, "Similarity of each query token, a row, to each document token, a column"),
    element("thead", {}, head),
    element("tbody", {}, ...rows),
  );
  return { table, low, high, left_out: all.length - columns.length };
}

function label(token, word, scope, place) {
  const className = isSpecial(token) ? "special" : "";
  return element("th", { scope, className, title: `${place}: ${token}` }, element("span", {}, word));
}
