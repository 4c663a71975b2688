/** Something that was counted over time. */
export interface Point {
  readonly seconds: number;
  readonly value: number;
}

/**
 * How much a value grew from the beginning to the end of what was seen, as a share of its mean, by the line that lies
 * closest to all points (least squares). The first quarter is left out: caches and pools fill.
 */
export function growth(points: readonly Point[]): number {
  const settled = points.slice(Math.floor(points.length / 4));
  const mean = (of: (point: Point) => number) =>
    settled.reduce((sum, point) => sum + of(point), 0) / settled.length;
  const [x, y] = [mean(({ seconds }) => seconds), mean(({ value }) => value)];
  const spread = settled.reduce((sum, { seconds }) => sum + (seconds - x) ** 2, 0);
  const common = settled.reduce((sum, { seconds, value }) => sum + (seconds - x) * (value - y), 0);
  if (spread === 0 || y === 0) return 0;
  const span = (settled.at(-1)?.seconds ?? 0) - (settled[0]?.seconds ?? 0);
  return ((common / spread) * span) / y;
}
