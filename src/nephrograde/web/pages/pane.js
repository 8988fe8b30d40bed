// One phase in one plane: its slice on a canvas.

import { drawMaskOnBar, drawMasks } from "./brush.js";
import { BAR_PX, drawBar, drawBox, drawCross, drawLabel, drawSides } from "./drawing.js";
import { Grid, clamp } from "./geometry.js";
import { masksOf } from "./masks.js";
import { AXIAL } from "./planes.js";
import { listen } from "./pointer.js";
import { drawReaders } from "./readers.js";
import { around, paint } from "./slices.js";

export class Pane {
  // page: what all panes share and call; see viewing.js.
  constructor(phase, name, page, plane = AXIAL) {
    this.phase = phase;
    this.page = page;
    this.plane = plane;
    this.isAxial = plane === AXIAL;
    this.element = element("section", `pane ${plane.name}`);
    this.canvas = element("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.name = element("p", "name");
    this.call(name);
    this.state = element("p", "state");
    this.place = element("p", "place");
    this.problem = element("p", "problem");
    this.element.append(this.canvas, this.name, this.state, this.place, this.problem);
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.buffer = document.createElement("canvas");
    this.grid = null;
    this.shown = ""; // address and window of what is in the buffer
    this.asked = 0;
    this.canvas.addEventListener("focus", () => page.chosen(this));
    listen(this);
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  call(name) {
    this.name.textContent = name;
    this.canvas.setAttribute("aria-label", name);
  }

  show(address, geometry) {
    this.address = address;
    this.geometry = geometry;
    this.grid = new Grid(geometry);
    this.problem.textContent = "";
    [this.buffer.width, this.buffer.height] = this.counts;
    this.image = this.buffer.getContext("2d").createImageData(...this.counts);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.shown = "";
    this.lastSlice = 0;
  }

  fail(text) {
    this.grid = null;
    this.problem.textContent = text;
    this.draw();
  }

  // What is said about its mask.
  get note() {
    return masksOf(this).note;
  }

  // The slice of this plane that is shown: at the height of all phases, or through the cross.
  get slice() {
    const { cross, height } = this.page.view;
    if (this.isAxial) return this.grid.nearestSlice(height);
    const { through } = this.plane;
    const last = this.grid.size[through] - 1;
    return clamp(Math.round(cross ? this.grid.toIndex(cross)[through] : last / 2), 0, last);
  }

  sliceAddress(k) {
    return this.isAxial ? `${this.address}/slices/${k}` : `${this.address}/${this.plane.name}/${k}`;
  }

  // Columns and rows of a slice, and their spacing in mm.
  get counts() {
    return [this.grid.size[this.plane.across], this.grid.size[this.plane.down]];
  }

  get spacing() {
    return [this.grid.spacing[this.plane.across], this.grid.spacing[this.plane.down]];
  }

  // Millimetres per CSS pixel, so that the whole image fits at zoom 1.
  get scale() {
    const [width, height] = this.extent.map((pixels) => Math.max(pixels, 1));
    const [columns, rows] = this.counts;
    const [across, down] = this.spacing;
    const zoom = this.isAxial ? this.page.view.zoom : 1;
    return Math.max((columns * across) / width, (rows * down) / height) / zoom;
  }

  // The part of the canvas that shows the image, beside the bar.
  get extent() {
    return [this.canvas.clientWidth - (this.isAxial ? BAR_PX : 0), this.canvas.clientHeight];
  }

  get centre() {
    const { centre, height } = this.page.view;
    if (!centre || !this.isAxial) return this.grid.size.map((count) => (count - 1) / 2);
    return this.grid.toIndex([centre[0], centre[1], height]);
  }

  toScreen(index) {
    const { scale, centre, extent, plane, spacing } = this;
    return [
      extent[0] / 2 + ((index[plane.across] - centre[plane.across]) * spacing[0]) / scale,
      extent[1] / 2 + (plane.sign * (index[plane.down] - centre[plane.down]) * spacing[1]) / scale,
    ];
  }

  toIndex(x, y) {
    const { scale, centre, extent, plane, spacing } = this;
    const index = [0, 0, 0];
    index[plane.across] = centre[plane.across] + ((x - extent[0] / 2) * scale) / spacing[0];
    index[plane.down] = centre[plane.down] + (plane.sign * (y - extent[1] / 2) * scale) / spacing[1];
    index[plane.through] = this.slice;
    return index.map((value, axis) => clamp(value, 0, this.grid.size[axis] - 1));
  }

  // Bring the current slice into the buffer, from the store or from the server, and then draw.
  async draw() {
    if (!this.grid) return this.blank();
    const k = this.slice;
    const turn = (this.asked += 1);
    const address = this.sliceAddress(k);
    let values = this.page.store.peek(address);
    if (!values) {
      this.overlay();
      try {
        values = await this.page.store.get(address);
      } catch {
        return; // the next scroll asks again, and the outbox says if the server does not answer
      }
      if (turn !== this.asked || !this.grid) return;
    }
    const { low, high } = this.page.view;
    const name = `${address} ${low} ${high}`;
    if (name !== this.shown) {
      paint(values, this.pixels, { low, high, ...pick(this.geometry) });
      this.buffer.getContext("2d").putImageData(this.image, 0, 0);
      this.shown = name;
    }
    this.overlay();
    const direction = k >= this.lastSlice ? 1 : -1;
    if (k !== this.lastSlice) this.page.wanted(this, around(k, this.grid.size[this.plane.through], direction));
    this.lastSlice = k;
    this.canvas.dataset.slice = k;
    this.page.drawn(this, k);
  }

  blank() {
    sharpen(this);
    this.context.fillRect(0, 0, this.canvas.clientWidth, this.canvas.clientHeight);
  }

  overlay() {
    this.blank();
    const { context } = this;
    if (this.shown) {
      const edge = this.counts.map((count, n) => (count * this.spacing[n]) / this.scale);
      const middle = this.toScreen(this.grid.size.map((count) => (count - 1) / 2));
      context.imageSmoothingEnabled = true;
      context.drawImage(this.buffer, middle[0] - edge[0] / 2, middle[1] - edge[1] / 2, ...edge);
    }
    drawMasks(this);
    for (const label of this.page.labelsOf(this)) drawLabel(this, label);
    drawReaders(this);
    const begun = this.drag?.box ?? this.page.begun(this);
    if (begun) drawBox(this, begun, "own", false);
    drawSides(this);
    drawCross(this);
    if (!this.isAxial) return;
    drawBar(this);
    drawMaskOnBar(this);
  }
}

const pick = ({ slope, intercept }) => ({ slope, intercept });

function element(name, className = "", text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function sharpen({ canvas, context }) {
  const ratio = devicePixelRatio || 1;
  const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
}
