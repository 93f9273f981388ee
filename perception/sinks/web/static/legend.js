// The classes with their colours, and a switch for each.

import { element } from "./panels.js";
import { paletteOf } from "./picture.js";

// Sets `switches.palette`, and calls `changed` each time the viewer changes it.
export function showLegend(classes, switches, changed) {
  const boxes = new Map();
  const before = new Set([...element("classes").querySelectorAll("input:not(:checked)")].map((box) => box.name));
  const update = () => {
    switches.palette = paletteOf(classes, new Set([...boxes].filter(([, box]) => box.checked).map(([id]) => id)));
    changed();
  };
  const labels = classes.map(({ id, name, colour }) => {
    const [label, box, swatch] = ["label", "input", "span"].map((kind) => document.createElement(kind));
    label.className = "switch";
    box.type = "checkbox";
    box.name = name;
    box.checked = !before.has(name); // as it was before the connection was lost
    box.onchange = update;
    swatch.className = "swatch";
    swatch.style.background = `rgb(${colour.join(" ")})`;
    label.append(box, swatch, name.replaceAll("_", " "));
    boxes.set(id, box);
    return label;
  });
  element("classes").replaceChildren(...labels);
  for (const [id, checked] of [["all", true], ["none", false]]) {
    element(id).onclick = () => {
      for (const box of boxes.values()) box.checked = checked;
      update();
    };
  }
  element("classes").parentElement.hidden = !classes.length; // as of a network that gives depth
  update();
}
