// Files that are chosen, dropped or pasted.

import { byId } from "./elements.js";
import { isPicture } from "./pictures.js";

/** Call `open` with files, and whether they came to the query: chosen for it, or dropped on or pasted into its field. */
export function onFiles(open) {
  const field = byId("query-field");
  const isOfQuery = ({ target }) => field.contains(target);

  for (const input of document.querySelectorAll("input[type=file]")) {
    input.addEventListener("change", (event) => {
      const files = [...input.files];
      // So that the same file can be chosen again.
      input.value = "";
      if (files.length) open(files, isOfQuery(event));
    });
  }

  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    // Anywhere on the page: a file dropped beside its field would otherwise replace the page.
    document.addEventListener(kind, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      const over = kind === "dragenter" || kind === "dragover";
      field.classList.toggle("over", over && isOfQuery(event));
      byId("drop").classList.toggle("over", over && !isOfQuery(event));
      if (kind === "drop") open([...event.dataTransfer.files], isOfQuery(event));
    });
  }

  document.addEventListener("paste", (event) => {
    // Spreadsheets put a picture of their cells beside the text.
    if (event.clipboardData.types.includes("text/plain")) return;
    const files = [...event.clipboardData.files].filter(isPicture);
    if (files.length === 0) return;
    event.preventDefault();
    open(files, isOfQuery(event));
  });
}
