"use strict";
// Names and reasons are anybody's text: everything is set as text, nothing as HTML.

const data = JSON.parse(document.getElementById("data").textContent);
const ROW = 76; // px, as in the style
const $ = (selector) => document.querySelector(selector);
const whole = new Intl.NumberFormat("en");
const colours = Object.fromEntries(data.classes.map((one) => [one.name, one.colour]));
const sum = (values) => values.reduce((a, b) => a + b, 0);

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.map((one) => (one instanceof Node ? one : String(one))));
  return element;
}

function duration(seconds) {
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds % 60)];
  const two = (value) => String(value).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

const clock = (seconds) => `${duration(seconds)}.${Math.floor((seconds % 1) * 10)}`;

function percent(part, all) {
  return all ? `${((100 * part) / all).toFixed(part && part < all / 100 ? 2 : 0)} %` : "–";
}

function picture(base64, name) {
  if (!base64) return make("span", { class: "none" });
  return make("img", { alt: name, decoding: "async", src: `data:image/jpeg;base64,${base64}` });
}

function key(name, text = name) {
  const element = make("span", { class: "key" }, text);
  element.style.setProperty("--key", colours[name]);
  return element;
}

// Road users of each class for each frame, over the drive; all classes on one scale, whose end is written.
function chart(drive) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const lines = Object.entries(drive.over);
  const most = Math.max(10, ...lines.flatMap(([, values]) => values));
  svg.setAttribute("viewBox", "0 0 100 100");
  svg.setAttribute("preserveAspectRatio", "none");
  for (const [name, values] of lines) {
    const path = document.createElementNS(svg.namespaceURI, "path");
    const at = (value, i) => `${(100 * i) / Math.max(1, values.length - 1)} ${97 - (94 * value) / most}`;
    path.setAttribute("d", `M${at(values[0], 0)}${values.map((value, i) => `L${at(value, i)}`).join("")}`);
    path.style.setProperty("--key", colours[name]);
    svg.append(path);
  }
  const title = `Road users of each class in a frame, over the drive; the top is ${most / 10}`;
  return make("div", { class: "chart", "data-most": most / 10, title }, svg);
}

const reasonOf = ([, , , status, reasons]) => reasons || status.replace("_", " ");
const shortReason = (event) => reasonOf(event).split(":")[0];
const warnings = (drive) => Object.entries(drive.conditions).map(([name, times]) => [name.replaceAll("_", " "), times]);

// The table of drives: only the rows in view are in the document.

const COLUMNS = [
  ["", null],
  ["drive", (one) => one.name],
  ["length", (one) => one.seconds],
  ["frames", (one) => one.frames],
  ["not ok", (one) => (one.frames ? one.bad / one.frames : 0)],
  ["doubt", (one) => one.doubt ?? -1],
  ["tracks", (one) => sum(Object.values(one.seen).map(([, tracks]) => tracks))],
  ["over time", null],
  ["health", (one) => one.event_count + sum(Object.values(one.conditions))],
];
const NUMBERS = ["length", "frames", "not ok", "doubt"];
let sorted = { by: "drive", down: false };
let shown = [];

const texts = data.drives.map((one) =>
  [one.name, one.source, ...Object.keys(one.seen), ...one.events.map(reasonOf), ...warnings(one)].join("\n").toLowerCase(),
);

function rowOf(drive, place) {
  const seen = Object.entries(drive.seen).map(([name, [, tracks]]) => `${whole.format(tracks)} ${name}`);
  const health = [...new Set(drive.events.map(shortReason))].join("; ");
  const spans = drive.event_count ? [`${whole.format(drive.event_count)}: ${health}`] : [];
  const row = make(
    "div",
    { class: "row", role: "row", tabindex: 0 },
    picture(drive.poster, drive.name),
    make("div", { class: "two" }, drive.name, make("br"), make("span", { class: "faint" }, drive.source)),
    make("div", { class: "number" }, duration(drive.seconds)),
    make("div", { class: "number" }, whole.format(drive.frames)),
    make("div", { class: drive.bad ? "number red" : "number" }, percent(drive.bad, drive.frames)),
    make("div", { class: "number" }, drive.doubt === null ? "–" : drive.doubt.toFixed(2)),
    make("div", { class: "two" }, seen.join(", ")),
    chart(drive),
    make("div", { class: "two" }, [...spans, ...warnings(drive).map(([name, times]) => `${name} (${times})`)].join("; ")),
  );
  row.style.top = `${place * ROW}px`;
  row.addEventListener("click", () => open(drive));
  row.addEventListener("keydown", (event) => event.key === "Enter" && open(drive));
  return row;
}

const inView = new Map(); // place → row

function render() {
  const top = $("#scroller").scrollTop;
  const first = Math.max(0, Math.floor(top / ROW) - 4);
  const last = Math.min(shown.length, Math.ceil((top + $("#scroller").clientHeight) / ROW) + 4);
  for (const [place, row] of inView) {
    if (place < first || place >= last) {
      row.remove();
      inView.delete(place);
    }
  }
  for (let place = first; place < last; place++) {
    if (!inView.has(place)) {
      const row = rowOf(data.drives[shown[place]], place);
      inView.set(place, row);
      $("#rows").append(row);
    }
  }
}

function refresh() {
  const wanted = $("#filter").value.trim().toLowerCase();
  const [, value] = COLUMNS.find(([name]) => name === sorted.by);
  const compare = (a, b) => {
    const [x, y] = [value(data.drives[a]), value(data.drives[b])];
    const order = typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y;
    return (sorted.down ? -order : order) || a - b;
  };
  shown = [...data.drives.keys()].filter((i) => texts[i].includes(wanted)).sort(compare);
  $("#rows").style.height = `${shown.length * ROW}px`;
  $("#rows").setAttribute("aria-rowcount", shown.length);
  $("#nothing").hidden = shown.length > 0;
  $("#count").textContent = `${whole.format(shown.length)} of ${whole.format(data.drives.length)}`;
  for (const button of document.querySelectorAll("#heads button")) {
    if (button.dataset.by === sorted.by) button.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
    else button.removeAttribute("aria-sort");
  }
  inView.clear();
  $("#rows").replaceChildren();
  $("#scroller").scrollTop = 0;
  render();
}

function heads() {
  for (const [name, value] of COLUMNS) {
    const head = value ? make("button", { "data-by": name }, name) : make("span", { class: "faint" }, name);
    if (NUMBERS.includes(name)) head.classList.add("number");
    head.addEventListener("click", () => {
      if (!value) return;
      sorted = { by: name, down: sorted.by === name ? !sorted.down : name !== "drive" };
      refresh();
    });
    $("#heads").append(head);
  }
}

// One drive.

function open(drive) {
  const close = make("button", {}, "Close");
  close.addEventListener("click", () => $("#detail").close());
  const events = drive.events.map((event) => [`${clock(event[0])} – ${clock(event[1])}`, event[2], reasonOf(event)]);
  const seen = Object.entries(drive.seen).map(([name, [frames, tracks]]) => [key(name), frames, tracks]);
  const more = drive.event_count - drive.events.length;
  $("#detail").replaceChildren(
    make("div", { class: "bar" }, make("h2", {}, drive.name), close),
    make("p", { class: "note" }, `${drive.source} ${duration(drive.seconds)}, ${whole.format(drive.frames)} frames, ${drive.dropped} dropped`),
    chart(drive),
    table(["class", "in frames", "tracks"], seen, [1, 2]),
    table(["health", "frames", "reason"], events, [1]),
    make("p", { class: "note" }, more > 0 ? `and ${whole.format(more)} shorter ones` : ""),
    table(["warnings of the node", "times"], warnings(drive), [1]),
  );
  $("#detail").showModal();
}

function table(names, rows, numbers, into = make("table")) {
  const cell = (tag, value, i) =>
    make(tag, numbers.includes(i) ? { class: "number" } : {}, typeof value === "number" ? whole.format(value) : value);
  into.replaceChildren(
    ...[names, ...rows].map((row, r) => make("tr", {}, ...row.map((value, i) => cell(r ? "td" : "th", value, i)))),
  );
  into.hidden = !rows.length;
  return into;
}

// What is over the whole fleet.

function totals() {
  const of = (name) => sum(data.drives.map((one) => one[name]));
  const tiles = [
    [whole.format(data.drives.length), "drives done"],
    [whole.format(Object.keys(data.failures).length), "failed"],
    [duration(of("seconds")), "of driving"],
    [whole.format(of("frames")), "frames"],
    [percent(of("bad"), of("frames")), "of them not ok"],
    [whole.format(of("dropped")), "frames dropped"],
    ...data.classes.map(({ name }) => [whole.format(sum(data.drives.map((one) => one.seen[name]?.[1] ?? 0))), name]),
  ];
  $("#totals").append(
    ...tiles.map(([value, name]) => make("div", {}, make("b", {}, value), name in colours ? key(name, `${name} tracks`) : make("span", {}, name))),
  );
  $("#legend").append(...data.classes.map(({ name }) => key(name)), "over time: road users in a frame; the number is the top of the scale");
  $("#made").textContent = `Fleet report, ${data.made}`;
}

function worst() {
  for (const one of data.worst) {
    const drive = data.drives[one.drive];
    const path = [...(data.single ? [] : [drive.name]), `${one.stem}.overlay.jpg`];
    const words = `doubt ${one.doubt.toFixed(2)}, ${one.users} road users`;
    const image = picture(one.picture, `${drive.name}, frame ${one.sequence}`);
    const text = [drive.name, make("br"), make("span", { class: "faint" }, `${clock(one.t)}, frame ${one.sequence}: ${words}`)];
    $("#worst").append(make("a", { href: path.map(encodeURIComponent).join("/") }, image, make("p", {}, ...text)));
  }
  if (!data.worst.length) $("#worst").append("None: no frame has a doubt of 0.5 or more.");
}

function health() {
  const found = new Map();
  const count = (reason, drive, events, frames) => {
    const one = found.get(reason) ?? { drives: new Set(), events: 0, frames: 0 };
    found.set(reason, one);
    one.drives.add(drive);
    one.events += events;
    one.frames += frames;
  };
  data.drives.forEach((drive) => {
    for (const event of drive.events) count(shortReason(event), drive, 1, event[2]);
    for (const [name, times] of warnings(drive)) count(name, drive, times, 0);
  });
  const rows = [...found].sort((a, b) => b[1].frames - a[1].frames).map(([reason, one]) => {
    const button = make("button", {}, reason);
    button.addEventListener("click", () => {
      $("#filter").value = reason;
      refresh();
      $("#filter").scrollIntoView();
    });
    return [button, one.drives.size, one.events, one.frames || "–"];
  });
  table(["reason", "drives", "times", "frames"], rows, [1, 2, 3], $("#health"));
  if (!rows.length) $("#health").after(make("p", {}, "None: every frame is ok, and the node warned of nothing."));
}

function failed() {
  $("#failed").hidden = table(["drive", "why"], Object.entries(data.failures), [], $("#failures")).hidden;
}

function latent() {
  if (!data.latent) return;
  $("#latent").hidden = false;
  const canvas = $("#latent canvas");
  const context = canvas.getContext("2d");
  const at = ([x, y]) => [20 + x * (canvas.width - 40), canvas.height - 20 - y * (canvas.height - 40)];
  const note = `Frames by their codes, a colour a drive; the plane holds ${(100 * data.latent.share).toFixed(0)} % of the variance.`;
  $("#latent-note").textContent = note;
  for (const point of data.latent.points) {
    context.fillStyle = `hsl(${(point[2] * 137.5) % 360} 60% 55%)`;
    context.beginPath();
    context.arc(...at(point), 4, 0, 7);
    context.fill();
  }
  const nearest = (event) => {
    const scale = canvas.width / canvas.clientWidth;
    const far = (point) => Math.hypot(...at(point).map((value, i) => value - [event.offsetX, event.offsetY][i] * scale));
    return data.latent.points.reduce((a, b) => (far(b) < far(a) ? b : a));
  };
  canvas.addEventListener("mousemove", (event) => {
    const [, , drive, t] = nearest(event);
    $("#latent-note").textContent = `${note} Here: ${data.drives[drive].name}, ${clock(t)}`;
  });
  canvas.addEventListener("click", (event) => open(data.drives[nearest(event)[2]]));
}

const THEMES = ["auto", "light", "dark"];
$("#theme").addEventListener("click", () => {
  const theme = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme ?? "auto") + 1) % 3];
  $("#theme").textContent = `theme: ${theme}`;
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
});
$("#filter").addEventListener("input", refresh);
$("#scroller").addEventListener("scroll", render, { passive: true });
addEventListener("resize", render);

totals();
heads();
refresh();
failed();
health();
worst();
latent();
