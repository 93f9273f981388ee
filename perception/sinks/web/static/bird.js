// The scene from above, in metres, as `perception.overlay.bird` draws it.

const AHEAD = 60; // metres that are shown
const BEHIND = 6;
const GRID = 5; // metres between lines; each second one has its number
const MOST_SD = 1; // metres to the side: where a boundary is less sure it is not shown
const SOON_S = 6; // a time to collision that is shown
const PATH_M = 1.8; // to each side of the way ahead: what is further aside passes by
const MOST_BEND_SD = 8e-4; // in 1/m: where a lane's bend is less sure, the scene has none
const SIZES = { vehicle: [4.4, 1.8], pedestrian: [0.5, 0.6], two_wheeler: [1.8, 0.7] };
const DASHES = { solid: [], dashed: [3, 6] }; // metres; others are dotted
const EGO = "rgb(60 220 90)";
const LANE = "rgb(255 200 70)";

export class Bird {
  colours = new Map(); // of classes, by their ids: R, G, B
  #canvas;
  #context;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d", { willReadFrequently: true });
  }

  // `scene` is null where nothing is known of what is there; `switches` as for `Picture.draw`.
  draw(scene, { users, lanes, least }) {
    const [canvas, context] = [this.#canvas, this.#context];
    const sharp = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !height) return;
    [canvas.width, canvas.height] = [Math.round(width * sharp), Math.round(height * sharp)]; // which clears it
    const scale = canvas.height / (AHEAD + BEHIND);
    const at = ([ahead, left]) => [canvas.width / 2 - left * scale, (AHEAD - ahead) * scale];
    const line = (places, colour, wide) => {
      context.strokeStyle = colour;
      context.lineWidth = wide;
      context.beginPath();
      let pen = "moveTo"; // after a gap, too
      for (const place of places) {
        if (place) context[pen](...at(place));
        pen = place ? "lineTo" : "moveTo";
      }
      context.stroke();
    };
    context.font = `600 ${11 * sharp}px system-ui, sans-serif`;
    this.#grid(line, at, canvas.width / 2 / scale, sharp);
    if (scene && lanes) this.#lanes(scene.lanes, line, at, scale);
    context.fillStyle = "#e8ebee";
    context.fillRect(...at([1.4, 0.9]), 1.8 * scale, 4.4 * scale);
    context.fillStyle = "#5a636b";
    context.fillRect(...at([0.5, 0.7]), 1.4 * scale, 2.2 * scale);
    if (!scene || !users) return;
    const placed = scene.instances.filter((one) => one.score >= least && one.distance_m < AHEAD); // or it is undefined
    placed.sort((a, b) => b.distance_m - a.distance_m);
    for (const one of placed) this.#user(one, line, at, scale, sharp);
    for (const one of placed) this.#label(one, isSoon(one, scene.road), at, sharp); // over all of them
  }

  #grid(line, at, aside, sharp) {
    const context = this.#context;
    for (let ahead = 0; ahead < AHEAD; ahead += GRID) {
      const numbered = ahead % (2 * GRID) === 0;
      line([[ahead, aside], [ahead, -aside]], numbered ? "#4c5157" : "#2f3438", sharp);
      if (!numbered || !ahead) continue;
      const [x, y] = at([ahead, aside]);
      context.fillStyle = "#9aa3ab";
      context.fillText(`${ahead} m`, x + 3 * sharp, y - 3 * sharp);
    }
    for (let left = -GRID * Math.floor(aside / GRID); left <= aside; left += GRID) {
      line([[0, left], [AHEAD, left]], left % (2 * GRID) ? "#2f3438" : "#4c5157", sharp);
    }
  }

  #lanes(lanes, line, at, scale) {
    const context = this.#context;
    const sides = Object.fromEntries(lanes.filter(({ side }) => side).map((lane) => [lane.side, known(lane).filter(Boolean)]));
    if (sides.left?.length && sides.right?.length) {
      context.fillStyle = "rgb(60 220 90 / 22%)";
      context.beginPath();
      for (const place of [...sides.left, ...sides.right.reverse()]) context.lineTo(...at(place));
      context.fill();
    }
    for (const lane of lanes) {
      context.setLineDash((DASHES[lane.kind] ?? [0.5, 1]).map((metres) => metres * scale));
      line(known(lane), lane.side ? EGO : LANE, Math.max(1, 0.2 * scale));
    }
    context.setLineDash([]);
  }

  #user(one, line, at, scale, sharp) {
    const context = this.#context;
    const { distance_m: near, lateral_m: left, distance_sd_m: sd } = one;
    const [length, width] = SIZES[one.class] ?? [1, 1];
    const [x, y] = at([near + length, left + width / 2]);
    context.fillStyle = `rgb(${(this.colours.get(one.class_id) ?? [128, 128, 128]).join(" ")})`;
    context.fillRect(x, y, width * scale, length * scale);
    context.strokeStyle = "white";
    context.lineWidth = sharp;
    context.strokeRect(x, y, width * scale, length * scale);
    if (sd !== undefined) line([[near - sd, left], [near + sd, left]], "white", sharp);
  }

  #label(one, soon, at, sharp) {
    const context = this.#context;
    const [, width] = SIZES[one.class] ?? [1, 1];
    const [x, base] = at([one.distance_m, one.lateral_m - width / 2]);
    const text = `${Math.round(one.distance_m)} m${soon ? ` ${one.ttc_s.toFixed(1)} s` : ""}`;
    const wide = context.measureText(text).width + 6 * sharp;
    const start = Math.min(x, this.#canvas.width - wide);
    context.fillStyle = soon ? "#c62f2f" : "#1c1e20";
    context.fillRect(start, base - 8 * sharp, wide, 15 * sharp);
    context.fillStyle = "white";
    context.fillText(text, start + 3 * sharp, base + 4 * sharp);
  }
}

// Points of a boundary, from near to far; null for those that are not known well.
function known({ metres, metres_sd: sds }) {
  return (metres ?? []).map((place, i) => (place && sds?.[i]?.[1] < MOST_SD && place[0] < AHEAD ? place : null));
}

// Whether one is reached soon, and is not known to pass by; the way ahead bends as the ego lane does.
function isSoon({ ttc_s: ttc, distance_m: near, lateral_m: left, lateral_sd_m: sd }, road) {
  const bend = road?.curvature_per_m ?? 0;
  const maybe = road && road.curvature_per_m == null ? MOST_BEND_SD : 0;
  const aside = Math.abs(left - (bend * near ** 2) / 2);
  return ttc < SOON_S && aside - (sd ?? 0) - (maybe * near ** 2) / 2 < PATH_M; // or they are undefined
}

// Whether a scene knows anything in metres.
export function hasMetres({ lanes, instances, road }) {
  return Boolean(road) || lanes.some(({ metres }) => metres) || instances.some(({ distance_m: ahead }) => ahead !== undefined);
}

// The ego lane in numbers, and what is not known.
export function wordsOf({ road, instances }) {
  const said = road ? [] : ["ego lane not known"];
  if (road?.width_m != null) said.push(`lane ${road.width_m.toFixed(1)} m wide`);
  if (road?.offset_m != null) said.push(`${Math.abs(road.offset_m).toFixed(2)} m ${road.offset_m < 0 ? "right" : "left"} of its middle`);
  const unplaced = instances.filter(({ distance_m: ahead }) => ahead === undefined).length;
  if (unplaced) said.push(`${unplaced} road user${unplaced > 1 ? "s" : ""} not placed`);
  return said;
}
