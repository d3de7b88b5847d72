// A request of this page as a command for a shell.

/** The command that sends `body` to `url`. A key is never part of it: the variable SCORERT_API_KEY is to hold it. */
export function curl(url, body, withKey) {
  return [...head(url, withKey), `-d ${quoted(JSON.stringify(body))}`].join(" \\\n  ");
}

/**
 * The same with pictures, which the command reads from files: no shell takes as many letters as they are.
 * `bodyOf` makes the body with what a function gives for each picture's URL.
 */
export function curlWithPictures(url, bodyOf, withKey) {
  const pictures = [];
  // What nobody has typed stands for the picture's data until the rest is escaped.
  const mark = Math.random().toString(36).slice(2);
  const body = bodyOf((picture) => `${picture.url.split(",", 1)[0]},${mark}-${pictures.push(picture) - 1};`);
  const escaped = JSON.stringify(body).replace(/[\\$`]/g, "\\$&");
  const read = escaped.replace(new RegExp(`${mark}-(\\d+);`, "g"), (_, index) => base64(pictures[index].name));
  return `${[...head(url, withKey), "-d @- <<BODY"].join(" \\\n  ")}\n${read}\nBODY`;
}

function head(url, withKey) {
  const lines = [`curl ${quoted(url)}`, "-H 'Content-Type: application/json'"];
  if (withKey) lines.push('-H "Authorization: Bearer $SCORERT_API_KEY"');
  return lines;
}

// A name with a line break could end the text that the command reads.
const base64 = (name) => `$(base64 < ${quoted(name.replace(/[\u0000-\u001f\u007f]/g, "_"))} | tr -d '\\n')`;

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** Put `text` on the clipboard. The page may have come over plain HTTP, where browsers keep the clipboard's API back. */
export async function copy(text, element) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  getSelection().selectAllChildren(element);
  document.execCommand("copy");
}
