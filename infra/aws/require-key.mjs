const KEY = 'DADIP2P_P2PConfig__APIKey';
const OPEN_KEY = 'dadip2p';

/** Refuses to deploy a root that is open to the Internet under the key that everybody knows. */
export default class RequireKey {
  hooks = { initialize: () => this.#check() };
  #serverless;

  constructor(serverless) {
    this.#serverless = serverless;
  }

  #check() {
    const { processedInput, service, classes } = this.#serverless;
    if (processedInput.commands[0] !== 'deploy') return;
    const isOpen = ({ url, environment }) => url && (environment?.[KEY] ?? OPEN_KEY) === OPEN_KEY;
    if (!Object.values(service.functions).some(isOpen)) return;
    throw new classes.Error(
      `anyone could use this root: set ${KEY} to what cannot be guessed, and P2PConfig.APIKey of the agents to the same`,
    );
  }
}
