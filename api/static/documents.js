// Documents as they are typed, one a line, and as files hold them.

/** The documents of a text: its lines that are not blank. */
export const linesOf = (text) => text.split(/\r?\n/).filter((line) => line.trim() !== "");

/**
 * A file's documents as the text that `linesOf` reads. Line breaks inside a document become spaces.
 * Throws an Error with a sentence that names the line, or says that the file is no text.
 */
export function documentsOf(name, content) {
  // What is not text has bytes that no text has, or that are none in UTF-8.
  if (/[\0\ufffd]/.test(content)) throw new Error(`${name} is no text in UTF-8: choose a .txt or .jsonl file, or a picture.`);
  // Some editors begin a file with a byte order mark.
  const lines = linesOf(content.replace(/^\ufeff/, ""));
  if (!/\.(jsonl|ndjson)$/i.test(name)) return lines.join("\n");
  return lines.map((line, index) => textOf(line, `Document ${index + 1} of ${name}`)).join("\n");
}

function textOf(line, place) {
  let value;
  try {
    value = JSON.parse(line);
  } catch {
    throw new Error(`${place} is not valid JSON: each line must be a string, or an object with "text".`);
  }
  const text = typeof value === "string" ? value : value?.text;
  if (typeof text !== "string") {
    throw new Error(`${place} has no text: each line must be a string, or an object with "text".`);
  }
  return text.replace(/\s*[\r\n]+\s*/g, " ");
}
