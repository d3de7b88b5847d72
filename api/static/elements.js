// Making and showing elements.

export const byId = (id) => document.getElementById(id);

/** An element with properties, and with children, which are elements or text. */
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Show a sentence, or hide the element where there is none. */
export function say(place, sentence = "") {
  place.textContent = sentence;
  place.hidden = sentence === "";
}
