// Numbers and times as people read them.

/** Bytes in binary units, as `kerf slices` writes them. */
export function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let [value, unit] = [count, 0];
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  const digits = value >= 100 || Number.isInteger(value) ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** `1 slice`, `2 slices`. */
export function count(number, word) {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}

/** A span in its two largest units: `3 h 12 min`. */
export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const first = parts.findIndex(([size]) => whole >= size);
  if (first < 0) return "0 s";
  const [size, unit] = parts[first];
  const text = `${Math.floor(whole / size)} ${unit}`;
  const next = parts[first + 1];
  const rest = next && unit !== "min" ? Math.floor((whole % size) / next[0]) : 0;
  return rest > 0 ? `${text} ${rest} ${next[1]}` : text;
}

/** How far the host's clock is ahead of this browser's, in milliseconds. Spans are told by the host's. */
let ahead = 0;

/** Takes the host's clock from a document. */
export function setClock(at) {
  ahead = Date.parse(at) - Date.now();
}

/** An element that tells how long ago a time was, or (`left`) how long it is until then. */
export function since(at, kind = "ago") {
  if (at === null) return "–";
  const element = document.createElement("time");
  element.dateTime = at;
  element.title = at;
  element.dataset.kind = kind;
  tell(element);
  return element;
}

function tell(element) {
  const passed = (Date.now() + ahead - Date.parse(element.dateTime)) / 1000;
  const left = element.dataset.kind === "left";
  const text = span(left ? -passed : passed);
  if (element.textContent !== text) element.textContent = text;
}

/** Tells all times anew. */
export function tick() {
  document.querySelectorAll("time[data-kind]").forEach(tell);
}
