// How strongly a similarity is shaded.

// Above 1 what stands out stands out more. The legend's gradient in results.css has the same curve.
const CONTRAST = 1.5;

/** Shade an element by where a value lies between two, as the property --heat, 0 to 1; beyond them as if it were one. */
export function shade(element, value, low, high) {
  const part = high > low ? Math.min(Math.max(0, (value - low) / (high - low)), 1) : 1;
  element.style.setProperty("--heat", (part ** CONTRAST).toFixed(3));
}

/** The lowest and the highest of values. */
export const bounds = (values) =>
  values.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);

/** The place of the highest of values, the first where there are several. */
export const highest = (values) => values.reduce((at, value, place) => (value > values[at] ? place : at), 0);
