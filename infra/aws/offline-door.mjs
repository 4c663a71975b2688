/** Of functions that serve other parts of the API than the one they are named after. */
const SECTIONS = { sweep: ['sweep', 'purge', 'cost'] };

/**
 * `serverless offline` emulates neither Function URLs nor CloudFormation. Each function that has a URL gets an HTTP
 * API in its place, and what a stack alone can tell is left out of its environment: there the emulator's own counts.
 */
export default class OfflineDoor {
  hooks = { 'before:offline:start:init': () => this.#open() };
  #service;

  constructor({ service }) {
    this.#service = service;
  }

  #open() {
    for (const [name, definition] of Object.entries(this.#service.functions)) {
      // All are behind one door here: each of the others has a part of the API, `read` has the rest.
      const sections = SECTIONS[name] ?? [name];
      const paths = sections.flatMap((section) => [`* /api/v1/${section}`, `* /api/v1/${section}/{rest+}`]);
      if (name === 'read') paths.splice(0, paths.length, '*');
      if (definition.url) definition.events.push(...paths.map((httpApi) => ({ httpApi })));
      const environment = Object.entries(definition.environment ?? {});
      definition.environment = Object.fromEntries(
        environment.filter(([, value]) => typeof value === 'string'),
      );
    }
  }
}
