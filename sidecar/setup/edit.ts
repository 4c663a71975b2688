/** What an edit is for; `doctor` tells them apart. */
export type Purpose = 'mirror' | 'proxy' | 'trust' | 'config-path';

/** How one file of a runtime has to be for it to pull through the agent. */
export interface Edit {
  /** Absolute, as the runtime sees it. */
  readonly path: string;
  readonly purpose: Purpose;
  /**
   * The file as it should be, given its text, or `undefined` when there is none. All that is not ours stays as it
   * is written, and what was edited once is not changed again.
   */
  apply(text: string | undefined): string;
  /** The command after which the runtime knows of it; absent when it reads the file at each pull. */
  readonly activate?: string;
}

/** All that one runtime needs. */
export interface RuntimePlan {
  readonly edits: readonly Edit[];
  /** True when the runtime's HTTPS goes by the agent. */
  readonly usesProxy: boolean;
  /** What is left to a person, one line each. */
  readonly notes: readonly string[];
}

/** The first line of each block that we add to a file that can hold comments. */
export const OURS = '# Added by "dadip2p setup"; "dadip2p uninstall" takes it away again.';
