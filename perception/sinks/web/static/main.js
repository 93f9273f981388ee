// The live page: what comes from the node goes to the picture, the tables and the plots.

import { Bird, hasMetres, wordsOf } from "./bird.js";
import { Connection } from "./connection.js";
import { asOf } from "./freshness.js";
import { showLegend } from "./legend.js";
import { duration, element, place, say, showHealth, showScene } from "./panels.js";
import { Picture } from "./picture.js";
import { plot } from "./plot.js";
import { judge } from "./verdict.js";

const REMEMBERED = 200; // samples of each plot: a minute's, and more
const picture = new Picture(element("picture"));
const bird = new Bird(element("bird"));
const switches = { palette: new Uint32Array(256), users: true, lanes: true, least: 0, frozen: false, bare: false };
const cameras = new Map(); // name → { health, healthAt, samples }
let camera = ""; // the one that is shown
let scene = null; // its newest, also while the picture is frozen
let known = false; // whether that scene still says what is there

const connection = new Connection({ hello, health, tick, scene: takeScene });

function hello({ classes, cameras: names }) {
  for (const one of cameras.values()) Object.assign(one, { health: null, samples: [] }); // all is sent again
  bird.colours = new Map(classes.map(({ id, colour }) => [id, colour]));
  showLegend(classes, switches, draw);
  for (const name of names) know(name);
}

function know(name) {
  if (!cameras.has(name)) {
    cameras.set(name, { health: null, healthAt: NaN, samples: [] });
    const names = [...cameras.keys()].sort();
    element("camera").replaceChildren(...names.map((one) => new Option(one, one, false, one === camera)));
    element("choice").hidden = names.length < 2;
    if (!camera) choose(name);
  }
  return cameras.get(name);
}

function choose(name) {
  camera = element("camera").value = name;
  scene = null;
  freeze(false);
  picture.clear();
  drawBird();
  watch();
  const { health: newest } = cameras.get(name);
  if (newest) showHealth(newest);
}

// A page that nobody sees asks for no pictures.
function watch() {
  connection.watch(document.hidden ? "" : camera);
}

function health({ now_ms: at, health: newest }) {
  const one = know(newest.camera);
  one.health = newest;
  one.healthAt = at;
  const [median, high] = newest.age_ms;
  one.samples.push({ at, rates: [newest.rate_in, newest.rate_out], ages: [high, median, newest.infer_ms[0]] });
  if (one.samples.length > REMEMBERED) one.samples.shift();
  if (newest.camera === camera) showHealth(newest);
}

function tick({ skipped, viewers }) {
  const others = viewers === 1 ? "1 viewer" : `${viewers} viewers`;
  say("viewing", `${others} · ${skipped} pictures skipped on the way to this one`);
}

function takeScene(newest, ...images) {
  if (newest.camera !== camera) return; // of the one shown before
  scene = newest;
  if (!switches.frozen) picture.show(newest, ...images, switches).then(drawBird);
}

function draw() {
  picture.draw(switches);
  drawBird();
}

// Of the scene that the picture shows. Where it has no metres there is nothing to be seen from above.
function drawBird() {
  const { shown } = picture;
  const possible = shown !== null && hasMetres(shown);
  element("bird-on").disabled = !possible;
  element("bird-why").hidden = possible;
  element("above").hidden = !possible || !element("bird-on").checked;
  if (element("above").hidden) return;
  bird.draw(switches.bare ? null : shown, switches);
  say("bird-words", switches.bare ? "not known now" : wordsOf(shown).join("\n"));
}

function freeze(frozen) {
  switches.frozen = frozen && picture.shown !== null;
  element("freeze").ariaPressed = switches.frozen;
  element("freeze").firstChild.textContent = switches.frozen ? "Unfreeze" : "Freeze";
}

// Draw nothing of the scene on its picture: it is not known any more.
function bare(wanted) {
  if (wanted === switches.bare || switches.frozen) return;
  switches.bare = wanted;
  draw();
}

function save() {
  const { shown } = picture;
  if (!shown) return;
  const status = shown.status === "ok" ? "" : `-${shown.status}`;
  element("picture").toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${shown.camera}-${String(shown.sequence).padStart(6, "0")}${status}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }, "image/png");
}

// Ten times a second: all that changes with time.
function refresh() {
  const now = connection.clock.now();
  const { health: newest = null, healthAt = NaN } = cameras.get(camera) ?? {};
  const fresh = scene && asOf(scene, now, newest?.signal);
  const verdict = judge({
    lost: connection.lost,
    silentMs: connection.silentMs,
    health: newest,
    healthAgo: now - healthAt,
    scene,
    fresh,
    sceneAgo: scene && now - scene.published_ms,
    watching: !document.hidden,
  });
  let caption = verdict.word.toLowerCase();
  if (verdict.forMs !== undefined) caption += ` for ${duration(verdict.forMs)}`;
  else if (verdict.state === "stale" && scene) caption += `: ${duration(fresh.ageMs)} old`;
  known = scene !== null && fresh.known && !verdict.dim;
  bare(scene !== null && !fresh.known);
  document.body.dataset.state = verdict.state;
  say("state", verdict.word);
  for (const id of ["reasons", "why"]) say(id, verdict.reasons.join("; "));
  element("why").hidden = !verdict.reasons.length;
  element("caption").hidden = !verdict.dim;
  say("caption", caption);
  for (const id of ["picture", "above"]) element(id).classList.toggle("dim", verdict.dim);
  document.title = `${verdict.word} · ${camera || "perception"}`;

  // A recording's frames have a place in it; how long ago one was read says nothing.
  const recorded = scene !== null && scene.max_age_ms === null;
  say("age-name", recorded ? "Time" : "Age");
  say("age", scene ? (recorded ? place(scene) : duration(fresh.ageMs)) : "–");
  say("sequence", scene?.sequence ?? "–");
  say("rate", newest && !connection.lost ? `${newest.rate_out.toFixed(1)} /s` : "–");
  element("save").disabled = !picture.shown;
  element("frozen").hidden = !switches.frozen;
  if (picture.shown) {
    const { sequence, camera: name, captured_ms: captured } = picture.shown;
    element("picture").ariaLabel = `Camera ${name}, frame ${sequence}, ${verdict.word}`;
    const when = recorded ? place(picture.shown) : `${duration(now - captured)} old`;
    if (switches.frozen) say("frozen", `FROZEN · frame ${sequence} · ${when}`);
  }
}

// Twice a second: what changes slowly, or would be unreadable if it changed with every frame.
function refreshPanels() {
  if (document.hidden) return;
  showScene(known ? scene : null, switches.least);
  const { samples = [] } = cameras.get(camera) ?? {};
  const now = connection.clock.now();
  const last = samples.at(-1);
  chart("rate", samples, "rates", ["--blue", "--green"], now, ["captured", "published"], last?.rates);
  const ages = [["--amber", "age p99"], ["--green", "age p50"], ["--violet", "engine p50"]];
  const shown = scene !== null && scene.max_age_ms === null ? 2 : 0; // a recording's ages say nothing
  const colours = ages.slice(shown).map(([colour]) => colour);
  const names = ages.slice(shown).map(([, name]) => name);
  const engines = samples.map(({ at, ages: all }) => ({ at, ages: all.slice(shown) }));
  chart("age", engines, "ages", colours, now, names, engines.at(-1)?.ages);
}

function chart(id, samples, field, colours, now, names, newest) {
  plot(element(`${id}-plot`), samples.map((one) => ({ at: one.at, values: one[field] })), colours, now);
  const keys = names.map((name, i) => {
    const key = document.createElement("span");
    key.textContent = `${name} ${newest ? newest[i].toFixed(1) : "–"}`;
    key.style.setProperty("--colour", `var(${colours[i]})`);
    return key;
  });
  element(`${id}-keys`).replaceChildren(...keys);
}

element("freeze").onclick = () => freeze(!switches.frozen);
element("save").onclick = save;
element("camera").onchange = ({ target }) => choose(target.value);
for (const name of ["users", "lanes"]) {
  element(name).onchange = ({ target }) => {
    switches[name] = target.checked;
    draw();
  };
}
// Road users of a lower score than the viewer asks for are not shown; the node publishes them as before.
element("least").oninput = ({ target }) => {
  switches.least = Number(target.value);
  say("least-shown", `${Math.round(100 * switches.least)} %`);
  draw();
};
element("bird-on").onchange = drawBird;
let byKeys = false; // whether what has the focus got it by the keyboard, and so the space bar is its own
addEventListener("pointerdown", () => (byKeys = false));
addEventListener("keydown", (event) => {
  if (event.key === "Tab") byKeys = true;
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.closest("select") || (byKeys && event.target.closest("button, input"))) return;
  const action = { " ": () => freeze(!switches.frozen), s: save }[event.key];
  if (!action) return;
  event.preventDefault();
  document.activeElement?.blur();
  action();
});
document.addEventListener("visibilitychange", watch);
setInterval(refresh, 100);
setInterval(refreshPanels, 500);
