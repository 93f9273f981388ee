// The node's clock, as seen from here.

const SPAN_MS = 30_000;

// Of the messages in the last half minute or minute, the one that took least on its way gives the offset of the
// two clocks: what is slower than that one shows as age.
export class Clock {
  #current = Infinity;
  #previous = Infinity;
  #turned = performance.now();

  // A message that the node stamped at `nodeMs` has just come.
  observe(nodeMs) {
    const here = performance.now();
    if (here - this.#turned > SPAN_MS) {
      [this.#previous, this.#current, this.#turned] = [this.#current, Infinity, here];
    }
    this.#current = Math.min(this.#current, here - nodeMs);
  }

  // What the node's clock shows now, in ms; NaN before the first message.
  now() {
    const apart = Math.min(this.#current, this.#previous);
    return Number.isFinite(apart) ? performance.now() - apart : NaN;
  }
}
