// Jobs, leases and peers as tables.

import { h, table } from "./dom.js";
import { count, since, span } from "./words.js";

const state = (word) => h("span", { class: "state", "data-word": word }, word);
const mono = (text) => h("span", { class: "mono" }, text);
const none = (text) => h("p", { class: "none" }, text);
const dim = (text) => h("span", { class: "dim" }, text);

/** What a peer says of itself; of one that is not there it is what it said last. */
function told(peer, number) {
  if (number === null) return dim("–");
  if (peer.state === "alive") return String(number);
  return h("span", { class: "dim", title: "as it said last" }, String(number));
}

/** What a lease gives, in words. */
function given(lease) {
  return lease.subjects.map((one) => {
    const gpu = one.gpu_index === null ? one.pci : `GPU ${one.gpu_index}`;
    return one.profile ? `${gpu} · ${one.profile} at ${one.slice.split("-").slice(-2).join(":")}` : `${gpu}, whole`;
  }).join(", ");
}

/** Where a job's members are: names while they are few. */
function hosts(job) {
  if (job.host_count === 0) return dim("–");
  if (job.host_count <= job.hosts.length) return job.hosts.join(", ");
  return h("span", { title: `${job.hosts.join(", ")}, …` }, count(job.host_count, "host"));
}

/** The table of jobs. */
export function jobs(web) {
  if (web.jobs.entries.length === 0) return none(["No jobs yet. ", h("code", {}, "kerf run --accel 1g.10gb --image IMAGE -- CMD"), " starts one."]);
  const leases = new Map(web.leases.map((lease) => [lease.id, lease]));
  const on = (job) => (leases.has(job.lease) ? given(leases.get(job.lease)) : dim("–"));
  const columns = [
    { name: "State", cell: (job) => state(job.state) },
    { name: "Job", cell: (job) => mono(job.id), head: true },
    { name: "Asks for", cell: (job) => (job.members > 1 ? `${job.members} × ` : "") + (job.accelerator ?? "no accelerator") },
    { name: "Host", cell: hosts },
    { name: "Devices here", cell: on },
    { name: "User", cell: (job) => String(job.uid), kind: "number" },
    { name: "Age", cell: (job) => since(job.submitted_at), kind: "number" },
    { name: "Runs for", cell: ran, kind: "number" },
    { name: "Exit", cell: (job) => job.exit_code ?? dim("–"), kind: "number" },
  ];
  if (web.jobs.entries.some((job) => job.restarts > 0)) {
    columns.push({ name: "Restarts", cell: (job) => String(job.restarts), kind: "number" });
  }
  if (web.names) {
    columns.splice(2, 0, { name: "Name", cell: (job) => job.name ?? dim("–") }, { name: "Image", cell: (job) => job.image ?? dim("–") });
    columns.push({ name: "Why", cell: (job) => job.reason ?? "", kind: "long" });
  }
  return table("Jobs", columns, web.jobs.entries);
}

function ran(job) {
  if (job.started_at === null) return dim("–");
  if (job.ended_at === null) return since(job.started_at);
  return span((Date.parse(job.ended_at) - Date.parse(job.started_at)) / 1000);
}

/** What stands beside the title of jobs. */
export function jobsNote(web) {
  const more = web.jobs.left_out > 0 ? `${count(web.jobs.left_out, "older one")} not shown. ` : "";
  const names = web.names || web.jobs.entries.length === 0 ? "" : "Names, images and reasons are not told here (metrics.allow_names); kerf jobs has them.";
  return more + names;
}

/** The table of leases. */
export function leases(web) {
  if (web.leases.length === 0) return none("Nobody holds a slice or a GPU of this host.");
  return table("Leases", [
    { name: "State", cell: (lease) => state(lease.state) },
    { name: "Lease", cell: (lease) => mono(lease.id), head: true },
    { name: "Holder", cell: (lease) => lease.holder },
    { name: "Gives", cell: given, kind: "long" },
    { name: "Cut for it", cell: (lease) => (lease.on_demand ? "yes" : dim("no")) },
    { name: "Age", cell: (lease) => since(lease.created_at), kind: "number" },
    { name: "Ends in", cell: (lease) => (lease.expires_at ? since(lease.expires_at, "left") : dim("–")), kind: "number" },
  ], web.leases);
}

/** Models of a peer's GPUs without the maker, for whom the narrow column has no room. */
function models(peer) {
  if (peer.gpus === null) return dim("not told yet");
  return h("span", { title: peer.gpus }, peer.gpus.replaceAll("NVIDIA ", ""));
}

/** The other hosts of the fleet. */
export function peers(web) {
  if (web.peers === null) return none("This host runs alone.");
  if (web.peers.length === 0) return none("This host has no peers yet.");
  return table("Peers", [
    { name: "State", cell: (peer) => [state(peer.state), peer.open === false && peer.state === "alive" ? h("span", { class: "dim", title: "takes no new work" }, " closed") : null] },
    { name: "Host", cell: (peer) => h("span", { title: peer.address }, peer.name), head: true },
    { name: "GPUs", cell: models },
    { name: "Held", cell: (peer) => told(peer, peer.held), kind: "number" },
    { name: "Free", cell: (peer) => told(peer, peer.free), kind: "number" },
    { name: "Jobs", cell: (peer) => told(peer, peer.jobs), kind: "number" },
    { name: "For", cell: (peer) => since(peer.since_at), kind: "number" },
  ], web.peers);
}

/** What stands beside the title of peers. */
export function peersNote(web) {
  if (!web.peers?.length) return "";
  const alive = web.peers.filter((peer) => peer.state === "alive").length;
  return `${alive} of ${web.peers.length} alive`;
}
