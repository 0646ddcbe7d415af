// The panel with all that is known of one slice or GPU. Escape closes it and gives the focus back.

import { fill, h } from "./dom.js";
import { sickness } from "./gpu.js";
import { bytes } from "./words.js";

const panel = document.getElementById("details");

/** Shows the slice or GPU with this key; hides the panel where there is none. */
export function show(web, key, close) {
  const entry = key === null ? null : find(web, key);
  panel.hidden = entry === null;
  if (entry === null) return;
  const rows = entry.rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  fill(panel,
    h("div", { class: "details-head" },
      h("h2", { id: "details-title" }, entry.title),
      h("button", { type: "button", "data-key": "close", on: { click: close } }, "Close")),
    h("dl", {}, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
}

function find(web, key) {
  for (const gpu of web.gpus) {
    const slice = gpu.slices.find((one) => one.id === key);
    if (slice) return { title: `${slice.profile ?? "Slice"} on GPU ${gpu.index}`, rows: sliceRows(slice) };
    if (gpu.pci === key) return { title: `GPU ${gpu.index}`, rows: gpuRows(gpu) };
  }
  return null;
}

const mono = (text) => (text === null ? null : h("code", {}, text));
const held = (one) => [["State", one.reason ? `${one.state}: ${one.reason}` : one.state], ["Holder", one.holder], ["Lease", mono(one.lease)]];

function sliceRows(slice) {
  return [
    ...held(slice),
    ["Place", `${slice.placement.start}:${slice.placement.size}`],
    ["Memory", bytes(slice.memory_bytes)],
    ["SMs", String(slice.sm_count)],
    ["GPU instance", String(slice.gi)],
    ["CDI name", mono(slice.cdi_name)],
    ["UUID", mono(slice.uuid)],
  ];
}

function gpuRows(gpu) {
  return [
    ...(gpu.whole ? held(gpu.whole) : []),
    ["Health", sickness(gpu.health) ?? "well"],
    ["Model", gpu.name],
    ["Memory", bytes(gpu.memory_bytes)],
    ["PCI address", mono(gpu.pci)],
    ["PCIe", `generation ${gpu.pcie.max_generation}, ${gpu.pcie.max_width} lanes`],
    ["NVLinks", gpu.nvlinks ? `${gpu.nvlinks_active} of ${gpu.nvlinks} up` : null],
    ["UUID", mono(gpu.uuid)],
  ];
}
