// Who is near to whom, in the words of nvidia-smi topo -m.

import { h } from "./dom.js";

const WORDS = {
  "NV#": "that many NVLinks",
  PIX: "one PCIe switch",
  PXB: "several PCIe switches",
  PHB: "the host bridge",
  NODE: "within a NUMA node",
  SYS: "between NUMA nodes",
};

/** The matrix with its legend. */
export function matrix(web) {
  const { devices, rows } = web.topology;
  if (rows.length === 0) return h("p", { class: "none" }, "No devices.");
  const used = new Set(rows.flatMap((row) => row.links.map((link) => (link.startsWith("NV") ? "NV#" : link))));
  const words = Object.entries(WORDS).filter(([word]) => used.has(word)).map(([word, text]) => `${word} ${text}`);
  return [
    h("table", { class: "matrix", "aria-label": "Distances between devices" },
      h("thead", {}, h("tr", {}, h("td", { "data-link": "X" }), devices.map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", {}, rows.map((row) => h("tr", {},
        h("th", { scope: "row", title: row.pci }, row.device),
        row.links.map((link, at) => h("td", {
          "data-link": link.startsWith("NV") ? "NV" : link,
          title: `${row.device} to ${devices[at]}: ${link}`,
        }, link === "X" ? "·" : link)))))),
    h("p", { class: "matrix-words" }, words.join(" · ")),
  ];
}
