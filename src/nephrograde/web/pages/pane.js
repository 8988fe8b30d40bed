// One phase: its slice on a canvas.

import { BAR_PX, drawBar, drawBox, drawCross, drawLabel } from "./drawing.js";
import { Grid, clamp } from "./geometry.js";
import { listen } from "./pointer.js";
import { around, paint } from "./slices.js";

export class Pane {
  // page: what all panes share and call; see viewing.js.
  constructor(phase, name, page) {
    this.phase = phase;
    this.page = page;
    this.element = element("section", "pane");
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
    [this.buffer.width, this.buffer.height] = geometry.size;
    this.image = this.buffer.getContext("2d").createImageData(...geometry.size.slice(0, 2));
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.shown = "";
    this.lastSlice = 0;
  }

  fail(text) {
    this.grid = null;
    this.problem.textContent = text;
    this.draw();
  }

  get slice() {
    return this.grid.nearestSlice(this.page.view.height);
  }

  sliceAddress(k) {
    return `${this.address}/slices/${k}`;
  }

  // Millimetres per CSS pixel, so that the whole image fits at zoom 1.
  get scale() {
    const [width, height] = this.extent.map((pixels) => Math.max(pixels, 1));
    const [columns, rows] = this.grid.size;
    const [across, down] = this.grid.spacing;
    return Math.max((columns * across) / width, (rows * down) / height) / this.page.view.zoom;
  }

  // The part of the canvas that shows the image, beside the bar.
  get extent() {
    return [this.canvas.clientWidth - BAR_PX, this.canvas.clientHeight];
  }

  get centre() {
    const { centre, height } = this.page.view;
    const middle = this.grid.size.map((count) => (count - 1) / 2);
    if (!centre) return middle;
    return this.grid.toIndex([centre[0], centre[1], height]);
  }

  toScreen(index) {
    const { scale, centre, extent } = this;
    return [0, 1].map((axis) => {
      return extent[axis] / 2 + ((index[axis] - centre[axis]) * this.grid.spacing[axis]) / scale;
    });
  }

  toIndex(x, y) {
    const { scale, centre, extent } = this;
    const across = centre[0] + ((x - extent[0] / 2) * scale) / this.grid.spacing[0];
    const down = centre[1] + ((y - extent[1] / 2) * scale) / this.grid.spacing[1];
    return [clamp(across, 0, this.grid.size[0] - 1), clamp(down, 0, this.grid.size[1] - 1), this.slice];
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
    if (k !== this.lastSlice) this.page.wanted(this, around(k, this.grid.size[2], direction));
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
    const { context, grid } = this;
    const [left, top] = this.toScreen([-0.5, -0.5]);
    const [right, bottom] = this.toScreen([grid.size[0] - 0.5, grid.size[1] - 0.5]);
    context.imageSmoothingEnabled = true;
    if (this.shown) context.drawImage(this.buffer, left, top, right - left, bottom - top);
    for (const label of this.page.labelsOf(this)) drawLabel(this, label);
    if (this.drag?.box) drawBox(this, this.drag.box, "own", false);
    const cross = this.page.view.cross;
    if (cross) drawCross(this, cross);
    drawBar(this);
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
