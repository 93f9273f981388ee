// Tables of what the node reports.

import { colourOf } from "./picture.js";

const MOST_ROWS = 10;

export const element = (id) => document.getElementById(id);

// Set text only where it changes: a screen reader would repeat it otherwise.
export function say(id, text) {
  const where = element(id);
  if (where.textContent !== String(text)) where.textContent = text;
}

export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`;
}

// Where in its recording a frame is, such as 1:23.4.
export function place({ stamp_ns: ns }) {
  const seconds = (ns / 1e9) % 60;
  return `${Math.floor(ns / 60e9)}:${seconds < 10 ? "0" : ""}${seconds.toFixed(1)}`;
}

export function showHealth(health) {
  showConditions(health);
  showAccounting(health);
  const sinks = health.sinks.map((sink) => {
    const lost = Object.entries(sink.lost);
    const one = row([sink.uri, sink.written, lost.reduce((sum, [, count]) => sum + count, 0), sink.queued]);
    if (sink.error) one.firstChild.append(note(`takes nothing: ${sink.error}`, "wrong"));
    for (const [reason, count] of lost) one.firstChild.append(note(`${count} lost: ${reason}`, "faint"));
    return one;
  });
  fill("sinks", sinks.length ? sinks : [empty("none", 4)]);
}

function showConditions(health) {
  const items = health.conditions.map((one) => {
    const item = document.createElement("li");
    item.dataset.level = one.level;
    item.append(node("b", one.level.toUpperCase()), node("span", one.reason), node("i", duration(1000 * one.since_s)));
    return item;
  });
  if (!items.length) items.push(node("li", "All is well."));
  const facts = [`node ${health.state}`, `signal ${health.signal}`];
  if (health.link) facts.push(`link ${health.link}`);
  if (health.connections > 1) facts.push(`reconnects ${health.connections - 1}`);
  if (health.restarts) facts.push(`restarts ${health.restarts}`);
  if (health.step) facts.push(`degraded: ${health.step}`);
  const last = node("li", facts.join(" · "));
  last.className = "faint";
  fill("conditions", [...items, last]);
}

// Captured = published + dropped + in flight, and whether that holds.
function showAccounting(health) {
  const reasons = Object.entries(health.dropped);
  const dropped = reasons.reduce((sum, [, count]) => sum + count, 0);
  const holds = health.captured === health.published + dropped + health.in_hand;
  say("balance", holds ? "each is accounted for" : "they do not add up");
  element("balance").classList.toggle("wrong", !holds);
  const rows = [
    ["captured", health.captured],
    ["= published", health.published],
    ["+ dropped", dropped],
    ...reasons.map(([reason, count]) => [reason, count, "part"]),
    ["+ in flight", health.in_hand],
  ];
  for (const [name, count] of [["stale", health.stale], ["unreliable", health.unreliable], ["not ready", health.not_ready]]) {
    if (count) rows.push([`published ${name}`, count, "faint"]);
  }
  fill("accounting", rows.map(([name, count, kind]) => {
    const one = row([name, count]);
    if (kind) one.className = kind;
    return one;
  }));
}

// `scene` is null where nothing is known of what is there now.
export function showScene(scene, least) {
  if (!scene) {
    say("count", "");
    fill("instances", [empty("not known now", 5)]);
    fill("stages", [empty("not known now", 2)]);
    return;
  }
  const stages = Object.entries(scene.timings_ms).map(([stage, ms]) => row([stage.replaceAll("_", " "), ms.toFixed(1)]));
  fill("stages", stages.length ? stages : [empty("none", 2)]);
  const area = ({ box: [x0, y0, x1, y1] }) => (x1 - x0) * (y1 - y0);
  const largest = scene.instances.filter(({ score }) => score >= least).sort((a, b) => area(b) - area(a));
  say("count", largest.length > MOST_ROWS ? `the largest ${MOST_ROWS} of ${largest.length}` : largest.length);
  const rows = largest.slice(0, MOST_ROWS).map((one) => {
    const [x0, y0, x1, y1] = one.box.map(Math.round);
    const cells = row([one.class.replaceAll("_", " "), one.track ?? "–", `${Math.round(100 * one.score)} %`, distanceOf(one), `${x0}, ${y0} – ${x1}, ${y1}`]);
    const swatch = node("span", "");
    swatch.className = "swatch";
    swatch.style.background = colourOf(one);
    cells.firstChild.prepend(swatch);
    return cells;
  });
  fill("instances", rows.length ? rows : [empty(scene.left_out.includes("instances") ? "not looked for: the node has degraded" : scene.instances.length ? "none of that score" : "none in sight", 5)]);
}

// With the time until it is reached, where that is known.
function distanceOf({ distance_m: ahead, ttc_s: ttc }) {
  const parts = [];
  if (ahead !== undefined) parts.push(`${ahead.toFixed(ahead < 10 ? 1 : 0)} m`);
  if (ttc !== undefined) parts.push(`in ${ttc.toFixed(1)} s`);
  return parts.join(" ") || "–";
}

function fill(id, children) {
  element(id).replaceChildren(...children);
}

function node(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function note(text, kind) {
  const made = node("div", text);
  made.className = kind;
  return made;
}

function row(cells) {
  const made = document.createElement("tr");
  made.append(...cells.map((text) => node("td", text)));
  return made;
}

function empty(text, columns) {
  const made = row([text]);
  made.className = "faint";
  made.firstChild.colSpan = columns;
  return made;
}
