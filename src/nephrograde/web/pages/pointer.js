// What the pointer does on a pane: labels, zoom, pan, window and the bar; one and two fingers.

import { beginStroke, cancelStroke, endStroke, hover, isBrush, moveStroke } from "./brush.js";
import { BAR_PX } from "./drawing.js";
import { clamp } from "./geometry.js";
import { gripAt } from "./grips.js";
import { dragTo, letGo, putDown } from "./moving.js";

const CLICK_PX = 4;
const REACH_PX = { mouse: 6, pen: 8, touch: 14 }; // how close to an edge or a point it is taken hold of

export function listen(pane) {
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
    putDown(); // what the keys have moved
    const [x, y] = where(event);
    fingers.set(event.pointerId, [x, y]);
    if (fingers.size > 1) {
      letGo();
      cancelStroke(pane);
      pane.drag = { what: "touch", spread: spread(fingers), middle: middle(fingers), zoom: page.view.zoom };
      return;
    }
    const isBar = event.button === 0 && pane.isAxial && x > canvas.clientWidth - BAR_PX;
    const isPan = pane.isAxial && (event.button === 1 || (event.button === 0 && event.shiftKey));
    const what = isBar ? "bar" : isPan ? "pan" : event.button === 2 ? "window" : isBrush(pane) ? "brush" : "label";
    pane.drag = { what, x, y, start: pane.toIndex(x, y), centre: pane.centre, low: page.view.low, high: page.view.high };
    if (isBar) slide(pane, y);
    if (what === "brush") beginStroke(pane, x, y, event.button);
    if (what === "label" && !event.altKey) pane.drag.grip = gripAt(pane, x, y, REACH_PX[event.pointerType] ?? 6);
    if (what === "label" && !pane.isAxial && !pane.drag.grip) page.pointed(pane, pane.drag.start);
    if (event.button === 1) event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!pane.grid) return;
    const [x, y] = where(event);
    if (!pane.drag) {
      if (isBrush(pane)) return hover(pane, x, y);
      canvas.style.cursor = event.altKey ? "" : cursorOf(pane, gripAt(pane, x, y, REACH_PX[event.pointerType] ?? 6));
      return;
    }
    if (fingers.has(event.pointerId)) fingers.set(event.pointerId, [x, y]);
    moveDrag(pane, x, y, fingers);
  });
  const end = (event) => {
    fingers.delete(event.pointerId);
    const { drag } = pane;
    if (!drag || !pane.grid) return;
    if (drag.what === "touch" && fingers.size) return;
    pane.drag = null;
    if (drag.what === "brush") event.type === "pointerup" ? endStroke(pane) : cancelStroke(pane);
    else if (drag.isMoving) event.type === "pointerup" ? putDown() : letGo();
    else if (drag.what === "label" && event.type === "pointerup") {
      if (drag.box) page.boxed(pane, drag.box);
      else if (pane.isAxial) page.clicked(pane, drag.start);
      else page.pointed(pane, drag.start);
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
  } else if (drag.what === "brush") {
    moveStroke(pane, x, y);
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
  } else if (drag.grip) {
    if (!drag.isMoving && Math.hypot(x - drag.x, y - drag.y) <= CLICK_PX) return;
    drag.isMoving = true;
    const to = pane.toIndex(x, y);
    dragTo(pane, drag.grip, to.map((value, axis) => value - drag.start[axis]));
  } else if (!pane.isAxial) {
    page.pointed(pane, pane.toIndex(x, y));
  } else if (drag.box || Math.hypot(x - drag.x, y - drag.y) > CLICK_PX) {
    drag.box = [drag.start, pane.toIndex(x, y)];
    pane.overlay();
  }
}

function cursorOf(pane, grip) {
  if (!grip) return "";
  if (grip.part === "whole") return "move";
  const [across, down] = [grip.part[pane.plane.across], grip.part[pane.plane.down]];
  if (across === "inside") return "ns-resize";
  if (down === "inside") return "ew-resize";
  return (across === down) === (pane.plane.sign > 0) ? "nwse-resize" : "nesw-resize";
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
