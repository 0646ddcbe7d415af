// Gets the document, draws what has changed of it, and stays with the stream of changes.

import { show } from "./details.js";
import { fill } from "./dom.js";
import { remember } from "./gpu.js";
import { host } from "./host.js";
import { jobs, jobsNote, leases, peers, peersNote } from "./lists.js";
import { matrix } from "./matrix.js";
import { facts, legend, summary, trouble } from "./summary.js";
import { setClock, tick } from "./words.js";

/** Between two looks at the document while no stream can be had. */
const POLL_MS = 5000;

const at = (id) => document.getElementById(id);

/** Parts of the page: where, what of the document they show, and how. One is drawn anew only if that differs. */
const PARTS = [
  ["name", (web) => web.host.name, (web) => web.host.name],
  ["facts", (web) => web.host, facts],
  ["trouble", (web) => [web.degraded, web.problems, web.host.draining, web.gpus, web.peers?.map((peer) => peer.state)], trouble],
  ["summary", (web) => [web.gpus, web.leases, web.jobs.by_state], summary],
  ["host", (web) => [web.gpus, web.nics, web.numa_nodes, web.topology, selected], (web) => host(web, selected, select)],
  ["jobs", (web) => [web.jobs, web.leases, web.names], jobs],
  ["jobs-note", (web) => [web.jobs, web.names], jobsNote],
  ["leases", (web) => web.leases, leases],
  ["peers", (web) => web.peers, peers],
  ["peers-note", (web) => web.peers, peersNote],
  ["matrix", (web) => web.topology, matrix],
];

let newest = null;
let selected = null;
let stream = null;
let poll = null;
const drawn = new Map();

function draw() {
  for (const [id, pick, make] of PARTS) {
    const shown = JSON.stringify(pick(newest));
    if (drawn.get(id) === shown) continue;
    drawn.set(id, shown);
    fill(at(id), make(newest));
  }
  show(newest, selected, () => select(null));
  remember(newest);
}

function take(text) {
  const web = JSON.parse(text);
  if (web.schema !== "kerf.v1.Web") throw new Error(`this page does not know ${web.schema}`);
  // Another kerfd brings another page.
  if (newest && newest.host.version !== web.host.version) location.reload();
  newest = web;
  setClock(web.at);
  const ill = web.degraded.length;
  document.title = ill ? `▲ ${ill} not well · ${web.host.name} · kerf` : `${web.host.name} · kerf`;
  draw();
  at("page").setAttribute("aria-busy", "false");
}

/** Opens the details of a slice or GPU, or closes them, and puts the focus where it belongs. */
function select(key) {
  const before = selected;
  selected = key === selected ? null : key;
  draw();
  const back = selected ?? before;
  document.querySelector(`#host [data-key="${CSS.escape(back)}"]`)?.focus({ preventScroll: true });
}

function live(state, words) {
  const element = at("live");
  if (element.dataset.state === state && element.textContent === words) return;
  element.dataset.state = state;
  element.textContent = words;
}

async function ask() {
  try {
    const answer = await fetch("/api/state");
    if (!answer.ok) throw new Error(`kerfd answered ${answer.status}`);
    take(await answer.text());
    return true;
  } catch (error) {
    live("lost", newest ? "no contact; this is the last that was heard" : `no contact: ${error.message}`);
    return false;
  }
}

function open() {
  stream?.close();
  stream = new EventSource("/events");
  stream.onmessage = ({ data }) => {
    clearInterval(poll);
    poll = null;
    try {
      take(data);
      live("live", "live");
    } catch (error) {
      live("lost", error.message);
    }
  };
  stream.onerror = () => {
    // The browser comes again by itself after a cut, and gives up after a refusal: then the document is asked for.
    live("lost", "no contact; trying again");
    if (stream.readyState === EventSource.CLOSED) fallBack();
  };
}

function fallBack() {
  if (poll !== null) return;
  poll = setInterval(async () => {
    if (await ask()) live("polling", `every ${POLL_MS / 1000} s`);
    open();
  }, POLL_MS);
}

// A page that nobody looks at holds none of the few streams.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    stream?.close();
    clearInterval(poll);
    poll = null;
  } else {
    open();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && selected !== null) select(null);
});

fill(at("legend"), legend());
setInterval(tick, 1000);
if (await ask()) open();
else fallBack();
