// A line plot of the last minute.

const SPAN_MS = 60_000;
const GAP_MS = 2500; // between samples further apart than this nothing is known

// `samples`: [{ at, values }, …], `at` in ms by the node's clock; `colours`: names of CSS variables.
export function plot(canvas, samples, colours, now) {
  const style = getComputedStyle(canvas);
  const [width, height, dense] = [canvas.clientWidth, canvas.clientHeight, devicePixelRatio];
  canvas.width = Math.round(width * dense);
  canvas.height = Math.round(height * dense);
  const context = canvas.getContext("2d");
  context.scale(dense, dense);
  const recent = samples.filter(({ at }) => now - at < SPAN_MS);
  const top = niceTop(Math.max(1, ...recent.flatMap(({ values }) => values)));
  const [left, low] = [30, height - 14];
  const x = (at) => left + (width - left - 2) * (1 - (now - at) / SPAN_MS);
  const y = (value) => low - (low - 5) * (value / top);

  context.font = `10px ${style.fontFamily}`;
  context.fillStyle = style.getPropertyValue("--faint");
  context.strokeStyle = style.getPropertyValue("--line");
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const value of [0, top / 2, top]) {
    context.fillText(value < 1000 ? value : `${value / 1000}k`, left - 5, y(value));
    context.beginPath();
    context.moveTo(left, Math.round(y(value)) + 0.5);
    context.lineTo(width, Math.round(y(value)) + 0.5);
    context.stroke();
  }
  context.textBaseline = "bottom";
  for (const [ago, align] of [[60, "left"], [30, "center"], [0, "right"]]) {
    context.textAlign = align;
    context.fillText(ago ? `−${ago} s` : "now", x(now - 1000 * ago), height);
  }
  context.lineWidth = 1.5;
  context.lineJoin = "round";
  for (const [i, colour] of colours.entries()) {
    context.strokeStyle = style.getPropertyValue(colour);
    context.beginPath();
    let before = -Infinity;
    for (const { at, values } of recent) {
      const draw = at - before > GAP_MS ? "moveTo" : "lineTo";
      context[draw](x(at), y(values[i]));
      before = at;
    }
    context.stroke();
  }
}

// The least of 1, 2, 4 or 10 times a power of ten that is no less.
function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 10].find((step) => step * power >= value) * power;
}
