// What is not well, and the host in numbers.

import { h } from "./dom.js";
import { bytes, count, since } from "./words.js";

/** States of slices, worst last, and what they mean. */
export const STATES = {
  leased: "a container has it",
  reserved: "promised",
  free: "nobody has it",
  draining: "its lease ended and it is being made clean",
  quarantined: "not as it should be; nobody gets it",
};

/** What is not well comes first: whoever looks in a bad hour looks for that. */
export function trouble(web) {
  const sick = web.degraded.map((one) => h("li", { class: "ill" },
    h("b", {}, one.what), h("span", {}, one.why), h("span", { class: "dim" }, "for ", since(one.since_at)),
    one.hint ? h("span", { class: "hint" }, one.hint) : null));
  const unread = web.problems.map((text) => h("li", { class: "ill mild" }, h("b", {}, "not read"), h("span", {}, text)));
  const draining = web.host.draining
    ? [h("li", { class: "ill mild" }, h("b", {}, "draining"), h("span", {}, "kerfd is about to end and takes no new work"))]
    : [];
  const all = [...sick, ...draining, ...odd(web), ...unread, ...silent(web.peers ?? [])];
  return all.length === 0 ? h("p", { class: "well" }, "Everything is well") : h("ul", {}, all);
}

/** A peer that is not there is no trouble of this host, and yet not everything is well then. */
function silent(peers) {
  const away = peers.filter((peer) => peer.state === "down" || peer.state === "suspect").length;
  if (away === 0) return [];
  const words = `${away} of ${count(peers.length, "peer")} ${away === 1 ? "does" : "do"} not answer`;
  return [h("li", { class: "ill mild" }, h("b", {}, "fleet"), h("span", {}, words))];
}

/** What nobody gets until somebody looks, on GPUs that are themselves well. */
function odd(web) {
  return web.gpus.filter((gpu) => gpu.health.state === "ok").flatMap((gpu) => {
    const slices = gpu.slices.map((slice) => [`GPU ${gpu.index}, ${slice.profile ?? "slice"} at ${slice.placement.start}:${slice.placement.size}`, slice]);
    const all = slices.length === 0 && gpu.whole ? [[`GPU ${gpu.index}`, gpu.whole]] : slices;
    return all.filter(([, one]) => one.state === "quarantined").map(([what, one]) => h("li", { class: "ill mild" },
      h("b", {}, what), h("span", {}, `quarantined: ${one.reason}`)));
  });
}

/** Every slice, and every GPU that is had or to be had as a whole: what can be given out. */
export function devices(web) {
  return web.gpus.flatMap((gpu) => gpu.slices.length > 0 || !gpu.whole
    ? gpu.slices
    : [{ ...gpu.whole, memory_bytes: gpu.memory_bytes }]);
}

/** The tiles. */
export function summary(web) {
  const all = devices(web);
  const slices = web.gpus.flatMap((gpu) => gpu.slices);
  const cut = web.gpus.filter((gpu) => gpu.slices.length > 0).length;
  const sick = web.gpus.filter((gpu) => gpu.health.state !== "ok").length;
  const memory = web.gpus.reduce((sum, gpu) => sum + gpu.memory_bytes, 0);
  const held = all.filter((one) => one.lease).reduce((sum, one) => sum + one.memory_bytes, 0);
  const jobs = (state) => web.jobs.by_state[state] ?? 0;
  const waiting = jobs("pending") + jobs("starting");
  const ended = ["succeeded", "failed", "cancelled", "lost"].reduce((sum, state) => sum + jobs(state), 0);
  const in_state = (list, state) => list.filter((one) => one.state === state).length;
  const share = (list) => h("div", { class: "share", "aria-hidden": "true" }, Object.keys(STATES)
    .filter((state) => in_state(list, state) > 0)
    .map((state) => h("i", { "data-state": state, style: { "flex-grow": String(in_state(list, state)) } })));
  const states = (list) => Object.keys(STATES).filter((state) => in_state(list, state) > 0)
    .map((state) => `${in_state(list, state)} ${state}`).join(" · ") || "none";
  const expiring = web.leases.filter((lease) => lease.state === "reserved").length;
  return [
    tile("GPUs", web.gpus.length, null, sick ? `${sick} not well` : web.gpus.length ? "all well" : "none found", sick > 0,
      [cut ? `${cut} cut` : null, web.gpus.length - cut ? `${web.gpus.length - cut} whole` : null].filter(Boolean).join(" · ")),
    tile("Slices", slices.length, share(slices), states(slices)),
    tile("GPU memory given out", held ? bytes(held) : "none", h("div", { class: "share", "aria-hidden": "true" },
      held ? h("i", { "data-state": "leased", style: { "flex-grow": String(held) } }) : null,
      h("b", { style: { "flex-grow": String(Math.max(memory - held, 0)) } })), `of ${bytes(memory)}`),
    tile("Jobs running", jobs("running"), null, `${waiting} waiting · ${ended} ended`),
    tile("Leases", web.leases.length, null, !web.leases.length ? "everything is to be had"
      : expiring ? `${expiring} reserved, not claimed yet` : "each with its container"),
  ];
}

function tile(what, much, drawing, more, bad = false, small = "") {
  return h("div", { class: "tile" },
    h("p", { class: "what" }, what),
    h("p", { class: "much" }, String(much), small ? h("small", {}, ` ${small}`) : null),
    drawing,
    h("p", { class: bad ? "more bad" : "more" }, more));
}

/** What the header tells of the host. */
export function facts(web) {
  const host = web.host;
  const driver = host.driver;
  return [
    h("li", {}, `kerfd ${host.version}, up `, since(host.started_at)),
    driver ? h("li", {}, `driver ${driver.version}`, driver.cuda_version ? `, CUDA ${driver.cuda_version}` : "") : h("li", {}, "no NVIDIA driver"),
    host.simulated ? h("li", { class: "tag" }, `simulated ${host.simulated}`) : null,
  ];
}

/** The legend of states. */
export function legend() {
  return [
    ...Object.entries(STATES).map(([state, words]) => h("li", { title: words }, h("i", { "data-state": state, "aria-hidden": "true" }), state)),
    h("li", { title: "no slice is cut here" }, h("i", { class: "uncut", "aria-hidden": "true" }), "not cut"),
  ];
}
