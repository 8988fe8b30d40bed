// The voxels of a mask by slice: what a brush marks, and the slices between drawn ones.

import { between } from "./distance.js";

export class Mask {
  // planes: marked voxels of each slice that has any, row by row.
  constructor({ size, spacing_mm }, planes = new Map()) {
    [this.columns, this.rows, this.depth] = size;
    this.spacing = spacing_mm;
    this.planes = new Map([...planes].filter(([, plane]) => plane.some(Boolean)));
  }

  get isEmpty() {
    return !this.planes.size;
  }

  copy() {
    const size = [this.columns, this.rows, this.depth];
    return new Mask({ size, spacing_mm: this.spacing }, [...this.planes].map(([k, plane]) => [k, plane.slice()]));
  }

  // Whether a voxel is marked; none outside of the grid is.
  has(x, y, k) {
    const plane = this.planes.get(k);
    return Boolean(plane) && x >= 0 && y >= 0 && x < this.columns && y < this.rows && plane[y * this.columns + x] === 1;
  }

  // The lowest and the highest marked voxel along each axis.
  get bounds() {
    const low = [this.columns, this.rows, this.depth];
    const high = [-1, -1, -1];
    for (const [k, plane] of this.planes) {
      for (let n = plane.indexOf(1); n >= 0; n = plane.indexOf(1, n + 1)) {
        [n % this.columns, Math.floor(n / this.columns), k].forEach((value, axis) => {
          low[axis] = Math.min(low[axis], value);
          high[axis] = Math.max(high[axis], value);
        });
      }
    }
    return [low, high];
  }

  // Replace a slice; null or one without marked voxels removes it.
  set(k, plane) {
    if (plane?.some(Boolean)) this.planes.set(k, plane);
    else this.planes.delete(k);
  }

  // Mark or unmark the voxels whose centres are within a radius (mm) of the line between two places on a slice.
  stamp(k, [ax, ay], [bx, by], radius, value) {
    const plane = this.planes.get(k) ?? new Uint8Array(this.columns * this.rows);
    this.planes.set(k, plane);
    const [across, down] = this.spacing;
    const [reachX, reachY] = [radius / across, radius / down];
    const first = Math.max(Math.ceil(Math.min(ay, by) - reachY), 0);
    const last = Math.min(Math.floor(Math.max(ay, by) + reachY), this.rows - 1);
    const left = Math.max(Math.ceil(Math.min(ax, bx) - reachX), 0);
    const right = Math.min(Math.floor(Math.max(ax, bx) + reachX), this.columns - 1);
    const [dx, dy] = [(bx - ax) * across, (by - ay) * down];
    const length = dx * dx + dy * dy;
    for (let y = first; y <= last; y += 1) {
      for (let x = left; x <= right; x += 1) {
        const [px, py] = [(x - ax) * across, (y - ay) * down];
        const share = length ? Math.min(Math.max((px * dx + py * dy) / length, 0), 1) : 0;
        if (Math.hypot(px - share * dx, py - share * dy) <= radius) plane[y * this.columns + x] = value;
      }
    }
    const [x, y] = [Math.round(bx), Math.round(by)]; // however small the brush is
    if (x >= 0 && y >= 0 && x < this.columns && y < this.rows) plane[y * this.columns + x] = value;
  }

  // The empty slices between drawn ones, interpolated.
  gaps() {
    const drawn = [...this.planes.keys()].sort((a, b) => a - b);
    const found = new Map();
    for (let n = 1; n < drawn.length; n += 1) {
      const [low, high] = [drawn[n - 1], drawn[n]];
      if (high - low < 2) continue;
      const shape = { columns: this.columns, rows: this.rows, spacing: this.spacing };
      between(this.planes.get(low), this.planes.get(high), high - low - 1, shape)
        .forEach((plane, step) => found.set(low + 1 + step, plane));
    }
    return found;
  }

  // The slice on which most voxels are marked.
  get largest() {
    const counts = [...this.planes].map(([k, plane]) => [k, plane.reduce((sum, one) => sum + one, 0)]);
    return counts.reduce((best, one) => (one[1] > best[1] ? one : best), [0, 0])[0];
  }
}
