// The host as a drawing: sockets outside, switches with GPUs and NICs below them, NVLink in the middle.

import { h } from "./dom.js";
import { card } from "./gpu.js";
import { bytes, count } from "./words.js";

/** The drawing. */
export function host(web, shown, open) {
  if (web.gpus.length === 0) return h("p", { class: "host dim" }, "No GPU was found on this host.");
  const fabric = nvlink(web);
  const all = nodes(web);
  const above = fabric ? Math.ceil(all.length / 2) : all.length;
  return h("div", { class: "host" },
    all.slice(0, above).map((node) => draw(web, node, fabric, false, shown, open)),
    fabric ? h("p", { class: "fabric" }, h("b", {}, "NVLink"), ` ${fabric.words}`) : null,
    all.slice(above).map((node) => draw(web, node, fabric, true, shown, open)));
}

/** NUMA nodes with the switches next to them; what is next to none comes last. */
function nodes(web) {
  const place = new Map();
  web.topology.rows.forEach((row) => place.set(row.device, row.numa_node));
  const of = (id) => web.topology.switches.filter((group) => place.get(group[0]) === id);
  const known = web.numa_nodes.map((node) => ({ node, switches: of(node.id) }));
  const ids = new Set(web.numa_nodes.map((node) => node.id));
  const rest = web.topology.switches.filter((group) => !ids.has(place.get(group[0])));
  return [...known, ...(rest.length ? [{ node: null, switches: rest }] : [])].filter((one) => one.switches.length > 0);
}

function draw(web, { node, switches }, fabric, below, shown, open) {
  const words = node
    ? [h("b", {}, `NUMA node ${node.id}`), node.cpus ? h("span", {}, `CPUs ${node.cpus}`) : null, node.memory_bytes === null ? null : h("span", {}, bytes(node.memory_bytes))]
    : [h("b", {}, "No NUMA node"), h("span", {}, "the kernel does not say where these are")];
  return h("div", { class: below ? "node below" : "node", role: "group", "aria-label": node ? `NUMA node ${node.id}` : "No NUMA node" },
    h("p", { class: "socket" }, words),
    h("div", { class: "switches" }, switches.map((group) => drawSwitch(web, group, fabric, shown, open))));
}

function drawSwitch(web, group, fabric, shown, open) {
  const gpus = web.gpus.filter((gpu) => group.includes(`GPU${gpu.index}`));
  const nics = web.nics.filter((_, index) => group.includes(`NIC${index}`));
  const linked = fabric && gpus.some((gpu) => fabric.linked.has(gpu.index));
  const kind = ["switch", linked ? "linked" : "", gpus.length ? "" : "alone"].join(" ").trim();
  return h("div", { class: kind, style: { "--gpus": String(gpus.length) } },
    h("div", { class: "switch-box" },
      nics.length ? h("ul", { class: "nics", "aria-label": gpus.length ? "Network interfaces on the same PCIe switch" : "Network interface" }, nics.map(nic)) : null,
      gpus.length ? h("div", { class: "cards" }, gpus.map((gpu) => card(gpu, shown, open))) : null));
}

function nic(one) {
  const words = (rate) => [rate, one.link_layer].filter(Boolean).join(" ");
  const rate = one.rate_gbps === 0
    ? h("span", { class: "down" }, "down")
    : h("span", {}, words(one.rate_gbps === null ? "" : `${one.rate_gbps} Gb/s`));
  return h("li", {}, h("b", {}, one.name), " ", rate);
}

/** What NVLink joins, from the matrix; null where it joins nothing. */
function nvlink(web) {
  const gpus = web.topology.devices.map((name, at) => ({ name, at })).filter(({ name }) => name.startsWith("GPU"));
  const pairs = gpus.flatMap((a, position) => gpus.slice(position + 1)
    .map((b) => ({ a: a.name, b: b.name, link: web.topology.rows[a.at].links[b.at] })));
  const joined = pairs.filter(({ link }) => link.startsWith("NV"));
  if (joined.length === 0) return null;
  const linked = new Set(joined.flatMap(({ a, b }) => [a, b]).map((name) => Number(name.slice(3))));
  const links = joined.map(({ link }) => Number(link.slice(2)));
  const [least, most] = [Math.min(...links), Math.max(...links)];
  const many = least === most ? count(most, "link") : `${least} to ${most} links`;
  const names = [...linked].sort((a, b) => a - b).join(", ");
  const clique = joined.length === (linked.size * (linked.size - 1)) / 2;
  const cut = web.gpus.some((gpu) => !linked.has(gpu.index) && gpu.mig_mode === "enabled");
  const words = joined.length === pairs.length
    ? `joins every GPU to every other by ${many}`
    : clique ? `joins GPUs ${names} to each other by ${many}` : `joins ${count(joined.length, "pair")} among GPUs ${names} by ${many}`;
  return { linked, words: cut ? `${words}; with MIG on a GPU takes no part` : words };
}
