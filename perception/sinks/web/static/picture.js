// The camera's picture with what the node sees in it, drawn here: each viewer chooses what to see.

const TINT = 102; // of 255: the class colour's share
const GOLDEN = (Math.sqrt(5) - 1) / 2;
const EGO = "rgb(60 220 90)";
const LANE = "rgb(255 200 70)";
const DASHES = { solid: [], dashed: [4, 4] }; // in widths of the line; others are dotted

export class Picture {
  shown = null; // the scene that is drawn
  #canvas;
  #context;
  #tint = new OffscreenCanvas(1, 1);
  #carpet = new OffscreenCanvas(1, 1);
  #image = null;
  #ids = null;
  #next = null;
  #busy = false;
  #cleared = 0; // how often

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { willReadFrequently: true });
  }

  // Show this scene next; one that still waits is skipped. `switches` as for `draw`.
  async show(scene, picture, labels, switches) {
    this.#next = [scene, picture, labels];
    if (this.#busy) return;
    this.#busy = true;
    try {
      while (this.#next) {
        const [newest, ...blobs] = this.#next;
        this.#next = null;
        const cleared = this.#cleared;
        const exact = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
        const [image, map] = await Promise.all(blobs.map((blob) => createImageBitmap(blob, exact)));
        if (switches.frozen || cleared !== this.#cleared) continue; // it came too late
        this.#image?.close();
        this.#image = image;
        this.#read(map);
        this.shown = newest;
        this.draw(switches);
      }
    } finally {
      this.#busy = false;
    }
  }

  // Show nothing: what is shown is of another camera.
  clear() {
    this.#cleared++;
    this.#next = this.shown = null;
    this.#context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
  }

  // `switches`: palette (Uint32Array of 256, see `paletteOf`), users, lanes, least (score of the road users), bare (the
  // camera's picture alone).
  draw({ palette, users, lanes, least, bare }) {
    const { shown } = this;
    if (!shown) return;
    const [canvas, context] = [this.#canvas, this.#context];
    if (canvas.width !== shown.width || canvas.height !== shown.height) {
      [canvas.width, canvas.height] = [shown.width, shown.height];
    }
    context.drawImage(this.#image, 0, 0);
    if (bare) return;
    this.#paint(palette);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.#tint, 0, 0, shown.width, shown.height);
    // Lines and letters are as large on a phone as on a desk.
    const unit = canvas.width / (canvas.clientWidth || canvas.width);
    if (lanes) {
      if (shown.ego_lane) this.#fillEgoLane(shown);
      for (const lane of shown.lanes) drawLane(context, lane, unit);
    }
    if (users) {
      const outlined = shown.instances.map((one, i) => ({ ...one, outline: shown.outlines[i] }));
      const far = outlined.filter(({ score }) => score >= least).sort((a, b) => a.box[3] - b.box[3]);
      for (const one of far) drawOutline(context, one, unit);
      const taken = [];
      for (const one of far.reverse()) drawName(context, one, unit, taken);
    }
    for (const { x, y } of shown.key_points ?? []) drawPoint(context, x, y, unit);
  }

  // Up to what stands on it, fading into the distance, as in the node's own overlays.
  #fillEgoLane({ ego_lane: corners, outlines, width, height }) {
    Object.assign(this.#carpet, { width, height }); // which clears it
    const context = this.#carpet.getContext("2d");
    const rows = corners.map(([, y]) => y);
    const fading = context.createLinearGradient(0, Math.max(...rows), 0, Math.min(...rows));
    fading.addColorStop(0, "rgb(60 220 90 / 50%)");
    fading.addColorStop(1, "rgb(60 220 90 / 25%)");
    context.fillStyle = fading;
    context.fill(pathOf([corners.flat()]));
    context.globalCompositeOperation = "destination-out";
    context.fillStyle = "black";
    for (const outline of outlines) context.fill(pathOf(outline));
    this.#context.drawImage(this.#carpet, 0, 0);
  }

  #read(map) {
    this.#tint.width = map.width;
    this.#tint.height = map.height;
    const context = this.#tint.getContext("2d", { willReadFrequently: true });
    context.drawImage(map, 0, 0);
    map.close();
    const { data } = context.getImageData(0, 0, this.#tint.width, this.#tint.height);
    this.#ids = new Uint8Array(data.length / 4);
    for (let i = 0; i < this.#ids.length; i++) this.#ids[i] = data[4 * i];
  }

  #paint(palette) {
    const context = this.#tint.getContext("2d", { willReadFrequently: true });
    const image = context.createImageData(this.#tint.width, this.#tint.height);
    const pixels = new Uint32Array(image.data.buffer);
    for (let i = 0; i < pixels.length; i++) pixels[i] = palette[this.#ids[i]];
    context.putImageData(image, 0, 0);
  }
}

// The tint of each id as a pixel; none for classes that are switched off.
export function paletteOf(classes, on) {
  const bytes = new Uint8ClampedArray(4 * 256);
  for (const { id, colour } of classes) if (on.has(id)) bytes.set([...colour, TINT], 4 * id);
  return new Uint32Array(bytes.buffer);
}

// A bright colour that stays with a track; steps of the golden ratio keep neighbours apart.
export function colourOf({ id, track }) {
  const number = track ?? id;
  const hue = 360 * ((0.75 + 0.82 * ((number * GOLDEN) % 1)) % 1); // all but blue, the vehicles' own
  return `hsl(${hue.toFixed(0)} ${[100, 85, 70][number % 3]}% ${[60, 66, 74][number % 3]}%)`;
}

function drawLane(context, { points, kind, side, confidence }, unit) {
  const width = 2.5 * unit;
  context.save();
  context.globalAlpha = 0.5 + 0.5 * confidence;
  context.strokeStyle = side ? EGO : LANE;
  context.lineWidth = width;
  context.lineJoin = "round";
  context.setLineDash((DASHES[kind] ?? [1, 2]).map((part) => part * width));
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x + 0.5, y + 0.5);
  context.stroke();
  context.restore();
}

function drawOutline(context, one, unit) {
  context.strokeStyle = colourOf(one);
  context.lineWidth = 1.5 * unit;
  context.lineJoin = "round";
  context.stroke(pathOf(one.outline));
}

// Closed polygons, each x, y, x, y …, through the middle of their pixels.
function pathOf(polygons) {
  const path = new Path2D();
  for (const polygon of polygons) {
    for (let i = 0; i < polygon.length; i += 2) {
      path[i ? "lineTo" : "moveTo"](polygon[i] + 0.5, polygon[i + 1] + 0.5);
    }
    path.closePath();
  }
  return path;
}

// Class, track, score and distance above a box, unless that would cover one of the bars in `taken`.
function drawName(context, one, unit, taken) {
  const [x0, y0, x1, y1] = one.box;
  if (y1 - y0 < 18 * unit) return; // the label would hide more than it says
  const away = one.distance_m === undefined ? "" : `${Math.round(one.distance_m)} m`;
  const words = [one.class.replaceAll("_", " "), one.track ?? "", `${Math.round(100 * one.score)}%`, away];
  context.font = `600 ${11 * unit}px system-ui, sans-serif`;
  const whole = words.filter((word) => word !== "").join(" ");
  const fits = context.measureText(whole).width < 2 * (x1 - x0);
  const text = fits ? whole : String(one.track ?? words[2]);
  const width = context.measureText(text).width + 6 * unit;
  const height = 14 * unit;
  const x = Math.max(0, Math.min(x0, context.canvas.width - width));
  const y = Math.max(0, y0 - height);
  const [right, bottom] = [x + width, y + height];
  if (taken.some((bar) => x < bar.right && bar.x < right && y < bar.bottom && bar.y < bottom)) return;
  taken.push({ x, y, right, bottom });
  context.fillStyle = colourOf(one);
  context.fillRect(x, y, width, height);
  context.fillStyle = "black";
  context.textBaseline = "middle";
  context.fillText(text, x + 3 * unit, y + height / 2 + 0.5 * unit);
}

function drawPoint(context, x, y, unit) {
  context.fillStyle = LANE;
  context.beginPath();
  context.arc(x + 0.5, y + 0.5, 3 * unit, 0, 2 * Math.PI);
  context.fill();
}
