/** The port behind which bytes of open files are read where nobody has to wait for a disk. */
export interface PageCache {
  /**
   * Fills `into` with the bytes of a file from `offset` on; `false`, with anything in `into`, where not all of them are
   * in memory.
   */
  read(fd: number, offset: number, into: Uint8Array): boolean;
}
