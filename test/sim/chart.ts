import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import { type Result, starSeconds } from './cases.ts';

interface Point {
  readonly setup: string;
  readonly way: string;
  readonly hosts: number;
  readonly ideals: number;
}

/** Times of all ways over the number of hosts, as a picture: SVG. */
export async function drawChart(results: readonly Result[]): Promise<string> {
  const simulated = results.map(
    ({ setup, way, fault, hosts, outcome }): Point => ({
      setup,
      way: fault === 'none' ? way : `${way}, ${fault}`,
      hosts,
      ideals: outcome.p99 / outcome.idealSeconds,
    }),
  );
  const star = new Map(
    results.map(({ setup, hosts, outcome }): [string, Point] => [
      `${setup} ${hosts}`,
      { setup, way: 'star', hosts, ideals: starSeconds({ setup, hosts }) / outcome.idealSeconds },
    ]),
  );
  const spec: TopLevelSpec = {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    data: { values: [...simulated, ...star.values()] },
    facet: { column: { field: 'setup', type: 'nominal', title: null } },
    spec: {
      width: 320,
      height: 280,
      mark: { type: 'line', point: true },
      encoding: {
        x: { field: 'hosts', type: 'quantitative', scale: { type: 'log' }, title: 'hosts' },
        y: {
          field: 'ideals',
          type: 'quantitative',
          scale: { type: 'log', domainMin: 1 },
          title: 'p99, times the ideal',
        },
        color: {
          field: 'way',
          type: 'nominal',
          title: null,
          legend: { orient: 'bottom', columns: 2, labelLimit: 500 },
        },
      },
    },
  };
  return new View(parse(compile(spec).spec), { renderer: 'none' }).toSVG();
}
