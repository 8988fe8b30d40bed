// What a pane draws over its slice: labels, the cross, and the bar at its right edge.

import { readPlace } from "./geometry.js";

export const BAR_PX = 14;
const COLOURS = { own: "#ffd24a", carried: "#8fd0ff", cross: "#ffffff90" };

export function drawLabel(pane, { kind, value, isCarried }) {
  const colour = isCarried ? "carried" : "own";
  const corners = readPlace(value);
  if (kind === "slice") {
    if (Math.round(pane.grid.sliceAt(corners[0][0])) !== pane.slice) return;
    stroke(pane, colour, isCarried);
    pane.context.strokeRect(2, 2, pane.canvas.clientWidth - BAR_PX - 4, pane.canvas.clientHeight - 4);
    return;
  }
  const indices = corners.map((corner) => pane.grid.toIndex(corner));
  const depths = indices.map((index) => index[2]);
  if (pane.slice < Math.round(Math.min(...depths)) || pane.slice > Math.round(Math.max(...depths))) return;
  if (kind === "box") return drawBox(pane, indices, colour, isCarried);
  const [x, y] = pane.toScreen(indices[0]);
  stroke(pane, colour, isCarried);
  pane.context.beginPath();
  pane.context.arc(x, y, 7, 0, 2 * Math.PI);
  pane.context.moveTo(x - 11, y);
  pane.context.lineTo(x + 11, y);
  pane.context.moveTo(x, y - 11);
  pane.context.lineTo(x, y + 11);
  pane.context.stroke();
}

export function drawBox(pane, [a, b], colour, isDashed) {
  const [x, y] = pane.toScreen(a);
  const [right, bottom] = pane.toScreen(b);
  stroke(pane, colour, isDashed);
  pane.context.strokeRect(x, y, right - x, bottom - y);
}

export function drawCross(pane, mm) {
  const [x, y] = pane.toScreen(pane.grid.toIndex(mm));
  pane.context.setLineDash([2, 3]);
  pane.context.strokeStyle = COLOURS.cross;
  pane.context.lineWidth = 1;
  pane.context.beginPath();
  pane.context.moveTo(x, 0);
  pane.context.lineTo(x, pane.canvas.clientHeight);
  pane.context.moveTo(0, y);
  pane.context.lineTo(pane.canvas.clientWidth, y);
  pane.context.stroke();
}

// The height of the stack at the right, with the slices that carry labels.
export function drawBar(pane) {
  const { context } = pane;
  const [width, height] = [pane.canvas.clientWidth, pane.canvas.clientHeight];
  const at = (k) => height - 6 - ((height - 12) * k) / Math.max(pane.grid.size[2] - 1, 1);
  context.fillStyle = "#2a3138";
  context.fillRect(width - BAR_PX, 0, BAR_PX, height);
  for (const { kind, value, isCarried } of pane.page.labelsOf(pane)) {
    const corners = readPlace(value);
    const depths = corners.map((corner) =>
      kind === "slice" ? pane.grid.sliceAt(corner[0]) : pane.grid.toIndex(corner)[2],
    );
    const [top, bottom] = [at(Math.max(...depths)), at(Math.min(...depths))];
    context.fillStyle = isCarried ? COLOURS.carried : COLOURS.own;
    context.fillRect(width - BAR_PX + 2, top - 1.5, BAR_PX - 4, bottom - top + 3);
  }
  context.fillStyle = "#ffffff";
  context.fillRect(width - BAR_PX, at(pane.slice) - 1, BAR_PX, 2);
  context.fillStyle = "#000000";
}

function stroke(pane, colour, isDashed) {
  pane.context.strokeStyle = COLOURS[colour];
  pane.context.lineWidth = 2;
  pane.context.setLineDash(isDashed ? [6, 5] : []);
}
