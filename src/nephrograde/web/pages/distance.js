// Slices between two drawn ones: both shapes as signed distances (mm), moved onto each other and mixed.

const FAR = 1e12;

// n slices at even distances between two; planes are marked voxels, row by row.
export function between(low, high, n, { columns, rows, spacing }) {
  const box = boxOf([low, high], columns, rows);
  const [a, b] = [low, high].map((plane) => signedDistance(plane, box, columns, spacing));
  const [from, to] = [low, high].map((plane) => centreOf(plane, box, columns));
  return Array.from({ length: n }, (_, step) => {
    const share = (step + 1) / (n + 1);
    const move = (fraction) => [0, 1].map((axis) => Math.round(fraction * (to[axis] - from[axis])));
    const [forth, back] = [move(share), move(share - 1)];
    const plane = new Uint8Array(columns * rows);
    for (let y = 0; y < box.height; y += 1) {
      for (let x = 0; x < box.width; x += 1) {
        const mixed = (1 - share) * at(a, box, x - forth[0], y - forth[1]) + share * at(b, box, x - back[0], y - back[1]);
        if (mixed <= 0) plane[(box.top + y) * columns + box.left + x] = 1;
      }
    }
    return plane;
  });
}

// The part of the slice with marked voxels, and one voxel around it.
function boxOf(planes, columns, rows) {
  let [left, top, right, bottom] = [columns, rows, -1, -1];
  for (const plane of planes) {
    for (let n = plane.indexOf(1); n >= 0; n = plane.indexOf(1, n + 1)) {
      const [x, y] = [n % columns, Math.floor(n / columns)];
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    }
  }
  [left, top] = [Math.max(left - 1, 0), Math.max(top - 1, 0)];
  [right, bottom] = [Math.min(right + 1, columns - 1), Math.min(bottom + 1, rows - 1)];
  return { left, top, width: right - left + 1, height: bottom - top + 1 };
}

function centreOf(plane, { left, top, width, height }, columns) {
  let [count, sumX, sumY] = [0, 0, 0];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if (!plane[(top + y) * columns + left + x]) continue;
      count += 1;
      sumX += x;
      sumY += y;
    }
  }
  return [sumX / count, sumY / count];
}

// Beyond its edge, the distance grows by no less than a voxel a step; what is needed there is that it is outside.
function at(distances, { width, height }, x, y) {
  const [inX, inY] = [Math.min(Math.max(x, 0), width - 1), Math.min(Math.max(y, 0), height - 1)];
  return distances[inY * width + inX] + Math.hypot(x - inX, y - inY);
}

// Negative inside; the border lies half way between a marked voxel and its unmarked neighbour.
function signedDistance(plane, { left, top, width, height }, columns, [across, down]) {
  const inside = new Float64Array(width * height), outside = new Float64Array(width * height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const isMarked = plane[(top + y) * columns + left + x];
      inside[y * width + x] = isMarked ? FAR : 0;
      outside[y * width + x] = isMarked ? 0 : FAR;
    }
  }
  spread(inside, width, height, across, down);
  spread(outside, width, height, across, down);
  return outside.map((squared, n) => Math.sqrt(squared) - Math.sqrt(inside[n]));
}

// Squared distances to the nearest zero, exactly: first along columns, then along rows (Felzenszwalb and Huttenlocher).
function spread(squared, width, height, across, down) {
  const line = new Float64Array(Math.max(width, height));
  for (let x = 0; x < width; x += 1) {
    for (let y = 0; y < height; y += 1) line[y] = squared[y * width + x];
    const found = alongLine(line, height, down);
    for (let y = 0; y < height; y += 1) squared[y * width + x] = found[y];
  }
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) line[x] = squared[y * width + x];
    squared.set(alongLine(line, width, across), y * width);
  }
}

function alongLine(values, count, step) {
  const found = new Float64Array(count);
  const lowest = new Int32Array(count), bounds = new Float64Array(count + 1);
  const weight = step * step;
  const meet = (p, q) => (values[q] - values[p] + weight * (q * q - p * p)) / (2 * weight * (q - p));
  let last = 0;
  bounds[0] = -Infinity;
  bounds[1] = Infinity;
  for (let q = 1; q < count; q += 1) {
    let cut = meet(lowest[last], q);
    while (cut <= bounds[last]) {
      last -= 1;
      cut = meet(lowest[last], q);
    }
    last += 1;
    lowest[last] = q;
    bounds[last] = cut;
    bounds[last + 1] = Infinity;
  }
  for (let q = 0, n = 0; q < count; q += 1) {
    while (bounds[n + 1] < q) n += 1;
    found[q] = weight * (q - lowest[n]) ** 2 + values[lowest[n]];
  }
  return found;
}
