// A tokenizer's tokens as people read them.

/** Tokens without the marks of WordPiece (##), byte-level BPE (Ġ, and a letter for each byte) and SentencePiece (▁). */
export function readable(tokens) {
  const byteLevel = tokens.some((token) => token.startsWith("Ġ"));
  return tokens.map((token) => {
    const text = (byteLevel ? decoded(token) : token).replace(/^##(?=.)/, "").replace(/^[▁ ]+(?=.)/, "");
    return text.replaceAll("\n", "↵").replaceAll("\t", "⇥").replace(/^[▁ ]+$/, "␣");
  });
}

/** The mark that a tokenizer, not the text, has put there: [CLS], [unused0], <s>, <|endoftext|>. */
export const isSpecial = (token) => /^(\[.+\]|<.+>)$/.test(token);

// Byte-level BPE writes the bytes that have no visible Latin-1 character as the letters from U+0100 on.
const bytes = new Map();
for (let byte = 0, hidden = 0; byte < 256; byte += 1) {
  const visible = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  bytes.set(visible ? String.fromCodePoint(byte) : String.fromCodePoint(0x100 + hidden++), byte);
}

/** A token's own letters where it is not whole characters. */
function decoded(token) {
  const letters = [...token];
  if (!letters.every((letter) => bytes.has(letter))) return token;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(letters, (letter) => bytes.get(letter)));
  } catch {
    return token;
  }
}
