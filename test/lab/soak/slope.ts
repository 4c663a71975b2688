/** Something that was counted over time. */
interface Point {
  readonly seconds: number;
  readonly value: number;
}

/** The least of each so many points, one after the other: of what comes and goes, what stays. */
export function lows(points: readonly Point[], each: number): Point[] {
  const least: Point[] = [];
  for (let at = 0; at + each <= points.length; at += each)
    least.push(points.slice(at, at + each).reduce((low, point) => (point.value < low.value ? point : low)));
  return least;
}

/**
 * How much a value grew from the beginning to the end of what was seen, as a share of its mean, by the line that lies
 * closest to all points (least squares).
 */
export function growth(points: readonly Point[]): number {
  const mean = (of: (point: Point) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x, y] = [mean(({ seconds }) => seconds), mean(({ value }) => value)];
  const spread = points.reduce((sum, { seconds }) => sum + (seconds - x) ** 2, 0);
  const common = points.reduce((sum, { seconds, value }) => sum + (seconds - x) * (value - y), 0);
  if (spread === 0 || y === 0) return 0;
  const span = (points.at(-1)?.seconds ?? 0) - (points[0]?.seconds ?? 0);
  return ((common / spread) * span) / y;
}
