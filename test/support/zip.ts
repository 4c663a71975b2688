const DIRECTORY_ENTRY = Buffer.from('PK\x01\x02', 'latin1');
const NAME_AT = 46;

/** The names of what a zip archive holds, as its central directory tells them. */
export function zipNames(archive: Buffer): string[] {
  // The end record is the last 22 bytes of an archive without a comment (APPNOTE.TXT 4.3.16).
  const end = archive.subarray(-22);
  const names: string[] = [];
  let at = end.readUInt32LE(16);
  for (let left = end.readUInt16LE(10); left > 0; left -= 1) {
    if (!archive.subarray(at).subarray(0, 4).equals(DIRECTORY_ENTRY)) throw new Error('not a zip archive');
    const nameLength = archive.readUInt16LE(at + 28);
    names.push(archive.toString('utf8', at + NAME_AT, at + NAME_AT + nameLength));
    at += NAME_AT + nameLength + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
  }
  return names;
}
