// What a pane draws over its slice: labels, the cross, and the bar at its right edge.

import { readPlace } from "./geometry.js";

export const BAR_PX = 14;
const COLOURS = { own: "#ffd24a", carried: "#8fd0ff", moved: "#ffffff", cross: "#ffffff90", kidney: "#7fd992" };
const NEAR_MM = 3; // a point is shown this far from it in a coronal or sagittal view, whose slices are thin

export function drawLabel(pane, label) {
  const { kind, isCarried, isMoved } = label;
  const colour = isMoved ? "moved" : isCarried ? "carried" : "own";
  const corners = readPlace(label.value);
  if (kind === "slice") return drawSlice(pane, corners[0][0], colour, isCarried);
  const indices = corners.map((corner) => pane.grid.toIndex(corner));
  if (!isNear(pane, indices)) return;
  if (kind === "box") return drawBox(pane, indices, colour, isCarried, label.part);
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

// Whether a label reaches the slice that is shown.
export function isNear(pane, indices) {
  const { through } = pane.plane;
  const depths = indices.map((index) => index[through]);
  const [low, high] = [Math.min(...depths), Math.max(...depths)];
  const most = pane.isAxial || indices.length > 1 ? 0 : NEAR_MM / pane.grid.spacing[through];
  return pane.slice >= Math.round(low - most) && pane.slice <= Math.round(high + most);
}

// The chosen slice: a frame around it, or a line where another view crosses it.
function drawSlice(pane, height, colour, isDashed) {
  const at = pane.grid.sliceAt(height);
  const [width, rows] = pane.extent;
  stroke(pane, colour, isDashed);
  if (!pane.isAxial) {
    const y = pane.toScreen([0, 0, at])[1];
    pane.context.beginPath();
    pane.context.moveTo(0, y);
    pane.context.lineTo(width, y);
    pane.context.stroke();
  } else if (Math.round(at) === pane.slice) {
    pane.context.strokeRect(2, 2, width - 4, rows - 4);
  }
}

// part: the corner that the keyboard moves, "high" or "low", if any.
export function drawBox(pane, [a, b], colour, isDashed, part = "") {
  const [x, y] = pane.toScreen(a);
  const [right, bottom] = pane.toScreen(b);
  stroke(pane, colour, isDashed);
  pane.context.strokeRect(x, y, right - x, bottom - y);
  if (part !== "high" && part !== "low") return;
  const ends = [[x, right], [y, bottom]].map((pair) => (part === "high" ? Math.max(...pair) : Math.min(...pair)));
  pane.context.fillStyle = COLOURS[colour];
  pane.context.fillRect(ends[0] - 5, ends[1] - 5, 10, 10);
  pane.context.fillStyle = "#000000";
}

// Lines through the cross; in a coronal or sagittal view, also the line of the axial slice.
export function drawCross(pane) {
  const { cross, height } = pane.page.view;
  if (!cross) return;
  const index = pane.grid.toIndex(cross);
  if (!pane.isAxial) index[2] = pane.grid.nearestSlice(height);
  const [x, y] = pane.toScreen(index);
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

// Which side of the patient is at the left and at the right of the screen.
export function drawSides(pane) {
  if (!pane.geometry.is_oriented) return;
  const [left, right] = pane.plane.sides;
  const [width, height] = pane.extent;
  pane.context.fillStyle = COLOURS.cross;
  pane.context.font = "13px system-ui, sans-serif";
  pane.context.fillText(left, 6, height / 2 - 4);
  pane.context.fillText(right, width - 16, height / 2 - 4);
  pane.context.fillStyle = "#000000";
}

// The height of the stack at the right, with the slices that carry labels and the kidneys.
export function drawBar(pane) {
  const { context } = pane;
  const [width, height] = [pane.canvas.clientWidth, pane.canvas.clientHeight];
  const at = (k) => height - 6 - ((height - 12) * k) / Math.max(pane.grid.size[2] - 1, 1);
  context.fillStyle = "#2a3138";
  context.fillRect(width - BAR_PX, 0, BAR_PX, height);
  context.fillStyle = COLOURS.kidney;
  for (const [side, centre] of Object.entries(pane.page.kidneys())) {
    const left = side === "right" ? width - BAR_PX : width - 4; // as on the image, the right kidney at the left
    context.fillRect(left, at(pane.grid.toIndex(centre)[2]) - 5, 4, 10);
  }
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
