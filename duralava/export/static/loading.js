// Loads compressed files, and counts their bytes.

const GZIP = [0x1f, 0x8b]; // the first bytes of such a file

/**
 * Loads the compressed copy of a file.
 *
 * @param address of the file, without ".gz".
 * @param onBytes called with the number of bytes whenever some arrive.
 * @returns the contents of the file as a Uint8Array.
 */
export async function loadCompressed(address, onBytes) {
  const response = await fetch(`${address}.gz`);
  if (!response.ok) throw new Error(`${response.url} (${response.status})`);
  const parts = [];
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    onBytes(value.length);
  }
  const file = new Blob(parts);
  const first = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  // Some servers declare such files as encoded, and the browser has decoded them.
  const stream = GZIP.every((byte, index) => byte === first[index])
    ? file.stream().pipeThrough(new DecompressionStream("gzip"))
    : file.stream();
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
