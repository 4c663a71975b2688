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
    for (const definition of Object.values(this.#service.functions)) {
      if (definition.url) definition.events.push({ httpApi: '*' });
      const environment = Object.entries(definition.environment ?? {});
      definition.environment = Object.fromEntries(
        environment.filter(([, value]) => typeof value === 'string'),
      );
    }
  }
}
