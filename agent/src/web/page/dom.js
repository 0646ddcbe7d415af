// Makes elements. Text goes in as text only, so nothing of a document is ever read as HTML.

/** An element with attributes; `style` holds custom properties and `on` listeners. Null children are left out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "style") {
      for (const [property, text] of Object.entries(value)) element.style.setProperty(property, text);
    } else if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** Puts new children into an element, and the focus back where it was: elements with one `data-key` are one. */
export function fill(element, ...children) {
  const key = element.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  if (key !== undefined) element.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

/** A table. Each column is `{ name, cell, kind, head }`; `cell` makes a row's content. */
export function table(label, columns, rows) {
  const kinds = (column) => (column.kind ? { class: column.kind } : {});
  return h("table", { "aria-label": label },
    h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col", ...kinds(column) }, column.name)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, columns.map((column) =>
      h(column.head ? "th" : "td", { ...kinds(column), ...(column.head ? { scope: "row" } : {}) }, column.cell(row)))))));
}
