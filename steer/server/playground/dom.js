// Elements made by hand. Text only ever goes in as text, never as markup.

/** An element with properties (or attributes, where the name has a dash or is `role`, `list`, `for`) and children. */
export function el(name, properties = {}, ...children) {
  const found = document.createElement(name);
  for (const [key, value] of Object.entries(properties))
    if (key.includes("-") || ["role", "list", "for"].includes(key)) found.setAttribute(key, value);
    else found[key] = value;
  found.append(...children);
  return found;
}

/** A table: words of the columns, then rows whose first cell names them. */
export function table(caption, columns, rows) {
  return el(
    "table", {},
    el("caption", {}, caption),
    el("thead", {}, el("tr", {}, ...columns.map((words) => el("th", { scope: "col" }, words)))),
    el("tbody", {}, ...rows.map(([name, ...cells]) =>
      el("tr", {}, el("th", { scope: "row" }, name), ...cells.map((cell) => el("td", {}, cell))))),
  );
}

/** Says a failure where it happened, or takes it back. */
export function complain(place, words = "") {
  place.textContent = words;
  place.hidden = !words;
}

/** Gives the user a file; nothing leaves the page. */
export function download(name, words, type) {
  const url = URL.createObjectURL(new Blob([words], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
