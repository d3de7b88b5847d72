// Numbers as people read them.

const grouped = new Intl.NumberFormat("en");

/** "1 document", "1,000 documents". */
export const counted = (count, noun) => `${grouped.format(count)} ${noun}${count === 1 ? "" : "s"}`;

/** A score with four digits behind the point, or with a power of ten where those would all be 0. */
export function score(value) {
  const digits = value !== 0 && Math.abs(value) < 0.0001 ? value.toExponential(1) : value.toFixed(4);
  return digits.replaceAll("-", "−");
}

/** A similarity with two digits behind the point. */
export const similarity = (value) => value.toFixed(2).replace("-", "−");

export const milliseconds = (value) => (value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`);

/** How many there are in a second, when `count` take `duration` milliseconds. */
export function rate(count, duration) {
  const perSecond = (count / duration) * 1000;
  return grouped.format(perSecond < 10 ? Number(perSecond.toFixed(1)) : Math.round(perSecond));
}
