// The brush: painting and erasing a mask with mouse, pen or touch, or at the cross by key, and how masks are shown.

import { carriedTo } from "./carried.js";
import { BAR_PX } from "./drawing.js";
import { Mask } from "./mask.js";
import { masksOf } from "./masks.js";
import { button, draw, say } from "./screen.js";
import { byId, fill, state, view } from "./state.js";

const SIZES_MM = [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40];
const ERASER_BUTTON = 5; // of a pen that is turned around
const COLOURS = { own: "#ffd24a", offered: "#ff8fd0", carried: "#8fd0ff", eraser: "#ffffff" };
const FILL = [255, 210, 74, 80];

const brush = { mode: "", size: SIZES_MM.indexOf(8), at: null }; // mode: "", "paint" or "erase"

export const isBrush = (pane) => Boolean(brush.mode) && pane.isAxial;

const radius = () => SIZES_MM[brush.size] / 2;

export function setMode(mode) {
  brush.mode = brush.mode === mode ? "" : mode;
  brush.at = null;
  showTools();
  draw();
}

export function resize(steps) {
  brush.size = Math.min(Math.max(brush.size + steps, 0), SIZES_MM.length - 1);
  showTools();
  draw();
}

// ---- strokes

export function beginStroke(pane, x, y, buttonNumber = 0) {
  const masks = masksOf(pane);
  if (!masks.isReady) return;
  const k = pane.slice;
  const isNew = !masks.drawn;
  masks.drawn ??= masks.offered?.copy() ?? new Mask(pane.geometry);
  const value = brush.mode === "erase" || buttonNumber === ERASER_BUTTON ? 0 : 1;
  const last = pane.toIndex(x, y);
  masks.stroke = { k, value, last, isNew, before: masks.drawn.planes.get(k)?.slice() ?? null };
  paint(masks, last);
  pane.overlay();
}

export function moveStroke(pane, x, y) {
  const masks = masksOf(pane);
  if (!masks.stroke) return;
  paint(masks, pane.toIndex(x, y));
  brush.at = { pane, x, y };
  pane.overlay();
}

function paint(masks, index) {
  const { k, last, value } = masks.stroke;
  masks.drawn.stamp(k, last, index, radius(), value);
  masks.stroke.last = index;
  masks.edits += 1;
}

export function endStroke(pane) {
  const masks = masksOf(pane);
  const { stroke } = masks;
  if (!stroke) return;
  masks.stroke = null;
  const plane = masks.drawn.planes.get(stroke.k);
  const isSame = plane.every((one, n) => one === (stroke.before ? stroke.before[n] : 0));
  masks.drawn.set(stroke.k, plane);
  if (isSame) return stroke.isNew && forget(masks);
  masks.save([stroke.k]);
}

export function cancelStroke(pane) {
  const masks = masksOf(pane);
  const { stroke } = masks;
  if (!stroke) return;
  masks.stroke = null;
  masks.drawn.set(stroke.k, stroke.before);
  if (stroke.isNew) forget(masks);
  masks.edits += 1;
  pane.overlay();
}

function forget(masks) {
  masks.drawn = null;
  masks.edits += 1;
}

// A dab of the brush at the cross, for the keyboard.
export function dab(pane, index) {
  const [x, y] = pane.toScreen(index);
  beginStroke(pane, x, y);
  endStroke(pane);
}

export function interpolate(pane) {
  const masks = masksOf(pane);
  if (!masks.isReady) return;
  const source = masks.drawn ?? masks.offered;
  const found = source ? source.gaps() : new Map();
  if (!found.size) return say(state.text.nothing_between);
  masks.drawn ??= source.copy();
  for (const [k, plane] of found) masks.drawn.set(k, plane);
  masks.edits += 1;
  masks.save([...found.keys()]);
}

// ---- tools

export function maskTools() {
  const { text } = state;
  const tool = (name, words, does) => Object.assign(button(words, does), { id: `tool-${name}` });
  const modeTool = (name, words, mode) =>
    Object.assign(tool(name, words, () => setMode(mode)), { ariaPressed: String(brush.mode === mode) });
  const size = Object.assign(document.createElement("span"), { id: "brush-size", textContent: sizeText() });
  const onPane = (does) => () => state.active?.grid && does(state.active);
  return [
    modeTool("brush", text.brush, "paint"),
    modeTool("eraser", text.eraser, "erase"),
    Object.assign(tool("smaller", "−", () => resize(-1)), { title: text.smaller, ariaLabel: text.smaller }),
    size,
    Object.assign(tool("larger", "+", () => resize(1)), { title: text.larger, ariaLabel: text.larger }),
    tool("interpolate", text.interpolate, onPane(interpolate)),
    Object.assign(tool("assist", text.assist, onPane((pane) => masksOf(pane).ask())), { hidden: !state.study.has_assist }),
    tool("refuse", text.refuse, onPane((pane) => masksOf(pane).refuse())),
  ];
}

const sizeText = () => fill(state.text.brush_size, { mm: SIZES_MM[brush.size] });

function showTools() {
  byId("brush-size").textContent = sizeText();
  byId("tool-brush").setAttribute("aria-pressed", brush.mode === "paint");
  byId("tool-eraser").setAttribute("aria-pressed", brush.mode === "erase");
}

export function helpOnMasks() {
  const { text } = state;
  return [
    ["D, E", text.key_brush], [text.key_paint, text.key_paint_does], ["[ ]", text.key_size],
    ["I", text.key_interpolate], ...(state.study.has_assist ? [["Q", text.key_assist]] : []), ["X", text.key_refuse],
  ];
}

// ---- what is shown over a slice

export function drawMasks(pane) {
  if (!pane.isAxial || !state.current) return;
  const masks = masksOf(pane);
  masks.refresh();
  const shown = shownOf(masks);
  if (shown) drawMask(pane, masks, shown);
  if (isBrush(pane)) drawBrush(pane);
}

// The mask that is shown, and how.
function shownOf(masks) {
  if (masks.drawn) return { mask: masks.drawn, how: "own" };
  if (masks.offered) return { mask: masks.offered, how: "offered" };
  const carried = carriedTo(masks);
  return carried && { mask: carried.mask, how: "carried" };
}

function drawMask(pane, masks, { mask, how }) {
  const plane = mask.planes.get(pane.slice);
  const { context } = pane;
  const [left, top] = pane.toScreen([-0.5, -0.5, pane.slice]);
  const [right, bottom] = pane.toScreen([mask.columns - 0.5, mask.rows - 0.5, pane.slice]);
  if (plane) {
    const shown = `${pane.slice} ${masks.edits} ${how} ${how === "carried" && masks.copied.key}`;
    if (masks.shown !== shown) Object.assign(masks, { shown, edges: edgesOf(plane, mask), fill: fillOf(plane, mask) });
    context.imageSmoothingEnabled = false;
    if (how === "own") context.drawImage(masks.fill, left, top, right - left, bottom - top);
    const path = new Path2D();
    const scale = [(right - left) / mask.columns, (bottom - top) / mask.rows];
    path.addPath(masks.edges, new DOMMatrix([scale[0], 0, 0, scale[1], left, top]));
    context.setLineDash(how === "carried" ? [6, 5] : []);
    context.lineWidth = 1.5;
    context.strokeStyle = COLOURS[how];
    context.stroke(path);
  }
}

// The slices of the mask, at the left of the bar.
export function drawMaskOnBar(pane) {
  if (!state.current) return;
  const shown = shownOf(masksOf(pane));
  if (!shown) return;
  const [width, height] = [pane.canvas.clientWidth, pane.canvas.clientHeight];
  const step = (height - 12) / Math.max(pane.grid.size[2] - 1, 1);
  pane.context.fillStyle = COLOURS[shown.how];
  for (const k of shown.mask.planes.keys()) {
    pane.context.fillRect(width - BAR_PX, height - 6 - step * (k + 0.5), 4, Math.max(step, 1));
  }
  pane.context.fillStyle = "#000000";
}

// The edges between marked and unmarked voxels, as closed lines; corners of voxels are whole numbers.
function edgesOf(plane, { columns, rows }) {
  const isMarked = (x, y) => x >= 0 && y >= 0 && x < columns && y < rows && plane[y * columns + x] === 1;
  const ends = new Map(); // of the edges that start at a corner, with the marked voxel at their right
  const across = columns + 1;
  const edge = (start, end) => ends.set(start, [...(ends.get(start) ?? []), end]);
  for (let n = plane.indexOf(1); n >= 0; n = plane.indexOf(1, n + 1)) {
    const [x, y] = [n % columns, Math.floor(n / columns)];
    const corner = y * across + x;
    if (!isMarked(x, y - 1)) edge(corner, corner + 1);
    if (!isMarked(x + 1, y)) edge(corner + 1, corner + across + 1);
    if (!isMarked(x, y + 1)) edge(corner + across + 1, corner + across);
    if (!isMarked(x - 1, y)) edge(corner + across, corner);
  }
  const path = new Path2D();
  for (const first of ends.keys()) {
    while (ends.get(first).length) {
      path.moveTo(first % across, Math.floor(first / across));
      let at = ends.get(first).pop();
      for (; at !== first; at = ends.get(at).pop()) path.lineTo(at % across, Math.floor(at / across));
      path.closePath();
    }
  }
  return path;
}

function fillOf(plane, { columns, rows }) {
  const canvas = Object.assign(document.createElement("canvas"), { width: columns, height: rows });
  const image = new ImageData(columns, rows);
  for (let n = plane.indexOf(1); n >= 0; n = plane.indexOf(1, n + 1)) image.data.set(FILL, 4 * n);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function drawBrush(pane) {
  const at = brush.at?.pane === pane ? [brush.at.x, brush.at.y] : view.cross && pane.toScreen(pane.grid.toIndex(view.cross));
  if (!at) return;
  pane.context.setLineDash([]);
  pane.context.lineWidth = 1;
  pane.context.strokeStyle = brush.mode === "erase" ? COLOURS.eraser : COLOURS.own;
  pane.context.beginPath();
  pane.context.arc(...at, Math.max(radius() / pane.scale, 1), 0, 2 * Math.PI);
  pane.context.stroke();
}

// Follow the pointer while no button is pressed.
export function hover(pane, x, y) {
  pane.canvas.style.cursor = "";
  brush.at = { pane, x, y };
  pane.overlay();
}
