// A picture with the patches that a model made tokens of.

import { element } from "./elements.js";

/**
 * The boxes of a server's answer by picture, and by layer where patches lie over others: a model that cuts a picture into
 * tiles sees the whole of it, too. Each cell has its token's place, and its row and column from 1.
 */
export function layersOf(boxes) {
  const layers = [];
  boxes.forEach((found, place) => {
    if (!found) return;
    const { image, box } = found;
    let layer = layers.at(-1);
    // Every layer begins with its top left patch.
    const begins = ({ cells }) => cells[0].box[0] === box[0] && cells[0].box[1] === box[1];
    if (layer?.image !== image || begins(layer)) {
      const again = layer?.image === image;
      layer = { image, again, cells: [] };
      layers.push(layer);
    }
    layer.cells.push({ place, box });
  });
  for (const { cells } of layers) {
    const [columns, rows] = [0, 1].map((side) => edges(cells.map(({ box }) => box[side])));
    for (const cell of cells) Object.assign(cell, { row: rows.get(cell.box[1]), column: columns.get(cell.box[0]) });
  }
  return layers;
}

/** The number of each edge, from 1. Edges of neighbours differ in their last digits where tiles are cut again. */
function edges(values) {
  const sorted = [...new Set(values)].sort((a, b) => a - b);
  const numbered = new Map();
  let number = 0;
  sorted.forEach((value, place) => {
    if (place === 0 || value - sorted[place - 1] > 1e-6 * Math.max(1, value)) number += 1;
    numbered.set(value, number);
  });
  return numbered;
}

/** A picture with the marks of a layer's tokens in their boxes. */
export function pictureOf({ url }, name, { cells }, marks) {
  const shown = element("div", { className: "picture" });
  const image = element("img", { src: url, alt: name });
  // As far as the patches go where the browser cannot show it: they are there all the same.
  const extent = [2, 3].map((side) => cells.reduce((most, { box }) => Math.max(most, box[side]), 0));
  const place = (width, height) => {
    shown.style.setProperty("--ratio", String(width / height));
    for (const { place, box } of cells) {
      const { style } = marks[place];
      const [left, top, right, bottom] = box;
      style.left = `${(100 * left) / width}%`;
      style.top = `${(100 * top) / height}%`;
      style.width = `${(100 * (right - left)) / width}%`;
      style.height = `${(100 * (bottom - top)) / height}%`;
    }
  };
  place(...extent);
  image.addEventListener("load", () => place(image.naturalWidth, image.naturalHeight));
  shown.append(image, ...cells.map(({ place }) => marks[place]));
  return element("figure", {}, shown, element("figcaption", { className: "note" }, name));
}
