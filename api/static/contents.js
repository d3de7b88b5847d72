// Contents: a query or a document is a text, or an object of pictures and a text that may be empty.

/** The pictures of a content. */
export const picturesOf = (content) => (typeof content === "string" ? [] : content.pictures);

/** What a content is called in a line of text. */
export const labelOf = (content) =>
  typeof content === "string" ? content : content.text || content.pictures.map(({ name }) => name).join(", ");

/** What stays the same of a document while its caption changes. */
export const identityOf = (content) => (typeof content === "string" ? content : content.pictures);

/** A text, with pictures where there are some. */
export const contentOf = (text, pictures) => (pictures.length ? { pictures, text: text.trim() && text } : text);

/** A content as requests have it. `urlOf` gives the URL of a picture's data, or what is to stand for it. */
export function wired(content, urlOf = ({ url }) => url) {
  if (typeof content === "string") return content;
  const parts = content.pictures.map((picture) => ({ type: "image_url", image_url: { url: urlOf(picture) } }));
  if (content.text) parts.push({ type: "text", text: content.text });
  return { content: parts };
}
