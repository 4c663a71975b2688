/** What a command may know of the world; `main.ts` alone reads it. */
export interface World {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** The module that workers run. */
  readonly worker: URL;
  /** Writes one line, or several, for the person at the terminal. */
  print(text: string): void;
}
