// Pictures that stand in the form: files, added to a list by a dialog, a drop or the clipboard.

import { element } from "./elements.js";

/** Browsers go by a file's name, too, and do not know every name. */
export const isPicture = ({ name, type }) =>
  type.startsWith("image/") || (type === "" && /\.(png|jpe?g|webp|gif|bmp|tiff?)$/i.test(name));

/** A small image of a picture. Servers read formats that browsers cannot show: then its name is there instead. */
export const thumbnail = ({ name, url }, alt = name) =>
  element("img", { className: "thumbnail", src: url, alt, title: name });

/** The pictures of a list element, each a content of its own. `changed` is called when they are others. */
export class Pictures {
  constructor(list, { captioned }, changed) {
    this.list = list;
    this.captioned = captioned;
    this.changed = changed;
    /** Objects that stay the same while a picture stands here, whatever its caption. */
    this.contents = [];
  }

  /** Add the pictures of files, as they are. Throws an Error with a sentence where one cannot be read. */
  async add(files) {
    const urls = await Promise.all([...files].map(dataUrl));
    urls.forEach((url, index) => {
      const content = { pictures: [{ name: this.unique(files[index].name), url }], text: "" };
      this.contents.push(content);
      this.list.append(this.item(content));
    });
    this.update();
  }

  /** A name that no other picture of the list has: what is pasted is always called image.png. */
  unique(name) {
    const taken = new Set(this.contents.map((content) => content.pictures[0].name));
    const [, stem, suffix] = name.match(/^(.*?)(\.[^.]*)?$/s);
    let free = name;
    for (let number = 2; taken.has(free); number += 1) free = `${stem}-${number}${suffix ?? ""}`;
    return free;
  }

  item(content) {
    const [picture] = content.pictures;
    const remove = element("button", { type: "button", ariaLabel: `Remove ${picture.name}` }, "Remove");
    const about = element("div", {}, element("span", { className: "note" }, picture.name));
    if (this.captioned) {
      const caption = element("input", { type: "text", placeholder: "caption", ariaLabel: `Caption of ${picture.name}` });
      caption.addEventListener("input", () => {
        content.text = caption.value.trim() && caption.value;
        this.changed();
      });
      about.append(caption);
    }
    const item = element("li", {}, thumbnail(picture, ""), about, remove);
    remove.addEventListener("click", () => {
      const others = [...this.list.querySelectorAll("button")].filter((button) => button !== remove);
      const next = others[Math.min(this.contents.indexOf(content), others.length - 1)];
      this.contents = this.contents.filter((other) => other !== content);
      item.remove();
      this.update();
      (next ?? document.querySelector(`[data-adds="${this.list.id}"]`)).focus();
    });
    return item;
  }

  update() {
    this.list.hidden = this.contents.length === 0;
    this.changed();
  }
}

function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result));
    reader.addEventListener("error", () => reject(new Error(`${file.name} cannot be read: is it still there?`)));
    reader.readAsDataURL(file);
  });
}
