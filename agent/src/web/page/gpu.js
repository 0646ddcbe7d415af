// One GPU: its grid of units with the slices on it.

import { h } from "./dom.js";
import { count } from "./words.js";

const MODES = {
  unsupported: "no MIG",
  disabled: "MIG off",
  enabled: "MIG on",
  enable_pending: "MIG on after a reset",
  disable_pending: "MIG off after a reset",
};

/** Slices that were drawn before: new ones are shown to arrive. */
let known = null;

/** Takes note of what has been drawn. */
export function remember(web) {
  known = new Set(web.gpus.flatMap((gpu) => gpu.slices.map(identity)));
}

const identity = (slice) => `${slice.id} ${slice.uuid}`;

/** How a GPU is, in words; none when it is well. */
export function sickness(health) {
  switch (health.state) {
    case "ok": return null;
    case "lost": return "fallen off the bus";
    case "unresponsive": return `no answer to ${health.operation}`;
    case "maintenance": return "in maintenance";
    case "xid": return `critical error XID ${health.code}`;
    default: return health.state;
  }
}

/** The card of a GPU. `open(key, element)` shows details. */
export function card(gpu, shown, open) {
  const sick = sickness(gpu.health);
  const whole = gpu.slices.length === 0 ? gpu.whole : null;
  const units = whole ? 1 : gpu.units ?? 1;
  const title = `gpu-${gpu.index}`;
  return h("article", { class: sick ? "gpu sick" : "gpu", "aria-labelledby": title, "data-gpu": gpu.index, style: { "--units": String(units) } },
    h("header", { class: "gpu-head" },
      h("h3", { id: title }, `GPU ${gpu.index}`),
      h("span", { class: "model", title: gpu.name }, gpu.name.replace(/^NVIDIA /, "")),
      h("span", { class: "mode" }, MODES[gpu.mig_mode])),
    sick ? h("p", { class: "sickness" }, sick) : null,
    h("ol", { class: "grid", "aria-label": `What is on GPU ${gpu.index}` },
      whole ? h("li", {}, wholeButton(gpu, whole, shown, open)) : cells(gpu, units, shown, open)),
    whole ? null : h("div", { class: "ticks", "aria-hidden": "true" }, Array.from({ length: units }, (_, unit) => h("span", {}, String(unit)))),
    foot(gpu));
}

function cells(gpu, units, shown, open) {
  const items = [];
  for (let unit = 0; unit < units;) {
    const slice = gpu.slices.find((one) => one.placement.start === unit);
    if (slice) {
      items.push(h("li", { style: { "grid-column": `span ${slice.placement.size}` } }, sliceButton(gpu, slice, shown, open)));
      unit += slice.placement.size;
    } else {
      items.push(h("li", { class: "unit", title: `unit ${unit}: not cut`, "aria-label": `unit ${unit} is not cut` }));
      unit += 1;
    }
  }
  return items;
}

function sliceButton(gpu, slice, shown, open) {
  const { start, size } = slice.placement;
  const profile = slice.profile ?? "unknown";
  const narrow = size === 1;
  // Of `1g.10gb+me` a narrow slice shows `1g+me` over `10gb`.
  const [, shape, memory, attribute] = /^((?:\d+c\.)?\d+g)\.(\d+gb)(.*)$/.exec(profile) ?? ["", profile, "", ""];
  const fresh = known !== null && !known.has(identity(slice));
  const label = `${profile} at ${start}:${size} of GPU ${gpu.index}, ${slice.state}${slice.holder ? `, ${slice.holder}` : ""}${slice.reason ? `: ${slice.reason}` : ""}`;
  return button(slice.id, slice.state, label, `${narrow ? "slice narrow" : "slice"}${fresh ? " fresh" : ""}`, shown, open,
    narrow ? shape + attribute : profile, narrow ? memory : slice.state);
}

function wholeButton(gpu, whole, shown, open) {
  const label = `GPU ${gpu.index} as a whole, ${whole.state}${whole.holder ? `, ${whole.holder}` : ""}${whole.reason ? `: ${whole.reason}` : ""}`;
  return button(gpu.pci, whole.state, label, "slice", shown, open, "whole GPU", whole.state);
}

function button(key, state, label, kind, shown, open, ...lines) {
  const [line, fine] = lines;
  return h("button", {
    type: "button", class: kind, "data-state": state, "data-key": key, "aria-label": label, title: label,
    "aria-expanded": String(shown === key), "aria-controls": "details", on: { click: () => open(key) },
  }, h("span", {}, line), h("span", { class: "fine" }, fine));
}

function foot(gpu) {
  const down = gpu.nvlinks - gpu.nvlinks_active;
  return h("footer", { class: "gpu-foot" },
    h("span", { class: "mono" }, gpu.pci),
    h("span", {}, `PCIe ${gpu.pcie.max_generation} ×${gpu.pcie.max_width}`),
    down > 0 ? h("span", { class: "warn" }, `${count(down, "NVLink")} of ${gpu.nvlinks} down`) : null,
    gpu.processes > 0 ? h("span", {}, `${gpu.processes} ${gpu.processes === 1 ? "process" : "processes"}`) : null);
}
