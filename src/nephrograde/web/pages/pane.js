// One phase: its slice on a canvas, with the labels, and what the pointer does on it.

import { Grid, clamp, readPlace } from "./geometry.js";
import { around, paint } from "./slices.js";

const CLICK_PX = 4;
const BAR_PX = 14;
const COLOURS = { own: "#ffd24a", carried: "#8fd0ff", cross: "#ffffff90" };

export class Pane {
  // page: { view, store, labelsOf, moved, pressed, slid, chosen, drawn, text }
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
    for (const label of this.page.labelsOf(this)) this.drawLabel(label);
    if (this.drag?.box) this.drawBox(this.drag.box, "own", false);
    const cross = this.page.view.cross;
    if (cross) this.drawCross(cross);
    this.drawBar();
  }

  drawLabel({ kind, value, isCarried }) {
    const colour = isCarried ? "carried" : "own";
    const corners = readPlace(value);
    if (kind === "slice") {
      if (Math.round(this.grid.sliceAt(corners[0][0])) !== this.slice) return;
      this.stroke(colour, isCarried);
      this.context.strokeRect(2, 2, this.canvas.clientWidth - BAR_PX - 4, this.canvas.clientHeight - 4);
      return;
    }
    const indices = corners.map((corner) => this.grid.toIndex(corner));
    const depths = indices.map((index) => index[2]);
    if (this.slice < Math.round(Math.min(...depths)) || this.slice > Math.round(Math.max(...depths))) return;
    if (kind === "box") return this.drawBox(indices, colour, isCarried);
    const [x, y] = this.toScreen(indices[0]);
    this.stroke(colour, isCarried);
    this.context.beginPath();
    this.context.arc(x, y, 7, 0, 2 * Math.PI);
    this.context.moveTo(x - 11, y);
    this.context.lineTo(x + 11, y);
    this.context.moveTo(x, y - 11);
    this.context.lineTo(x, y + 11);
    this.context.stroke();
  }

  drawBox([a, b], colour, isDashed) {
    const [x, y] = this.toScreen(a);
    const [right, bottom] = this.toScreen(b);
    this.stroke(colour, isDashed);
    this.context.strokeRect(x, y, right - x, bottom - y);
  }

  drawCross(mm) {
    const [x, y] = this.toScreen(this.grid.toIndex(mm));
    this.context.setLineDash([2, 3]);
    this.context.strokeStyle = COLOURS.cross;
    this.context.lineWidth = 1;
    this.context.beginPath();
    this.context.moveTo(x, 0);
    this.context.lineTo(x, this.canvas.clientHeight);
    this.context.moveTo(0, y);
    this.context.lineTo(this.canvas.clientWidth, y);
    this.context.stroke();
  }

  // The height of the stack at the right, with the slices that carry labels.
  drawBar() {
    const { context } = this;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    const at = (k) => height - 6 - ((height - 12) * k) / Math.max(this.grid.size[2] - 1, 1);
    context.fillStyle = "#2a3138";
    context.fillRect(width - BAR_PX, 0, BAR_PX, height);
    for (const { kind, value, isCarried } of this.page.labelsOf(this)) {
      const corners = readPlace(value);
      const depths = corners.map((corner) =>
        kind === "slice" ? this.grid.sliceAt(corner[0]) : this.grid.toIndex(corner)[2],
      );
      const [top, bottom] = [at(Math.max(...depths)), at(Math.min(...depths))];
      context.fillStyle = isCarried ? COLOURS.carried : COLOURS.own;
      context.fillRect(width - BAR_PX + 2, top - 1.5, BAR_PX - 4, bottom - top + 3);
    }
    context.fillStyle = "#ffffff";
    context.fillRect(width - BAR_PX, at(this.slice) - 1, BAR_PX, 2);
    context.fillStyle = "#000000";
  }

  stroke(colour, isDashed) {
    this.context.strokeStyle = COLOURS[colour];
    this.context.lineWidth = 2;
    this.context.setLineDash(isDashed ? [6, 5] : []);
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

function listen(pane) {
  const { canvas, page } = pane;
  const fingers = new Map();
  const where = (event) => {
    const edge = canvas.getBoundingClientRect();
    return [event.clientX - edge.left, event.clientY - edge.top];
  };
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("pointerdown", (event) => {
    canvas.focus({ preventScroll: true });
    if (!pane.grid) return;
    canvas.setPointerCapture(event.pointerId);
    const [x, y] = where(event);
    fingers.set(event.pointerId, [x, y]);
    if (fingers.size > 1) {
      pane.drag = { what: "touch", spread: spread(fingers), middle: middle(fingers), zoom: page.view.zoom };
      return;
    }
    const isBar = event.button === 0 && x > canvas.clientWidth - BAR_PX;
    const isPan = event.button === 1 || (event.button === 0 && event.shiftKey);
    const what = isBar ? "bar" : isPan ? "pan" : event.button === 2 ? "window" : "label";
    pane.drag = { what, x, y, start: pane.toIndex(x, y), centre: pane.centre, low: page.view.low, high: page.view.high };
    if (isBar) slide(pane, y);
    if (event.button === 1) event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!pane.grid || !pane.drag) return;
    const [x, y] = where(event);
    if (fingers.has(event.pointerId)) fingers.set(event.pointerId, [x, y]);
    moveDrag(pane, x, y, fingers);
  });
  const end = (event) => {
    fingers.delete(event.pointerId);
    const { drag } = pane;
    if (!drag || !pane.grid) return;
    if (drag.what === "touch" && fingers.size) return;
    pane.drag = null;
    if (drag.what === "label" && event.type === "pointerup") {
      if (drag.box) page.boxed(pane, drag.box);
      else page.clicked(pane, drag.start);
    }
    pane.draw();
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (!pane.grid) return;
    const lines = event.deltaMode === 0 ? event.deltaY / 100 : event.deltaY / 3;
    if (event.ctrlKey) page.zoomed(Math.exp(-lines * 0.2));
    else page.rolled(pane, lines);
  }, { passive: false });
}

function moveDrag(pane, x, y, fingers) {
  const { drag, page } = pane;
  if (drag.what === "touch") {
    const now = middle(fingers);
    const steps = (now[1] - drag.middle[1]) / 12;
    if (Math.abs(steps) >= 1) {
      page.rolled(pane, Math.trunc(steps));
      drag.middle = now;
    }
    page.zoomed((drag.zoom * spread(fingers)) / drag.spread / page.view.zoom);
  } else if (drag.what === "bar") {
    slide(pane, y);
  } else if (drag.what === "pan") {
    const { scale } = pane;
    const index = [
      drag.centre[0] - ((x - drag.x) * scale) / pane.grid.spacing[0],
      drag.centre[1] - ((y - drag.y) * scale) / pane.grid.spacing[1],
      pane.slice,
    ];
    page.panned(pane.grid.toMm(index));
  } else if (drag.what === "window") {
    const width = Math.max(drag.high - drag.low, 1e-6);
    const level = (drag.high + drag.low) / 2 + ((y - drag.y) / 300) * width;
    const wider = width * Math.exp((x - drag.x) / 200);
    page.windowed(level - wider / 2, level + wider / 2);
  } else if (drag.box || Math.hypot(x - drag.x, y - drag.y) > CLICK_PX) {
    drag.box = [drag.start, pane.toIndex(x, y)];
    pane.overlay();
  }
}

function slide(pane, y) {
  const share = 1 - clamp((y - 6) / (pane.canvas.clientHeight - 12), 0, 1);
  pane.page.jumped(pane.grid.heightOf(Math.round(share * (pane.grid.size[2] - 1))));
}

function spread(fingers) {
  const [a, b] = [...fingers.values()];
  return Math.hypot(a[0] - b[0], a[1] - b[1]) || 1;
}

function middle(fingers) {
  const [a, b] = [...fingers.values()];
  return [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
}
