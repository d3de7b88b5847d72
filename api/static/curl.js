// A request of this page as a command for a shell.

/** The command that sends `body` to `url`. A key is never part of it: the variable SCORERT_API_KEY is to hold it. */
export function curl(url, body, withKey) {
  const lines = [`curl ${quoted(url)}`, "-H 'Content-Type: application/json'"];
  if (withKey) lines.push('-H "Authorization: Bearer $SCORERT_API_KEY"');
  lines.push(`-d ${quoted(JSON.stringify(body))}`);
  return lines.join(" \\\n  ");
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** Put `text` on the clipboard. The page may have come over plain HTTP, where browsers keep the clipboard's API back. */
export async function copy(text, element) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  getSelection().selectAllChildren(element);
  document.execCommand("copy");
}
