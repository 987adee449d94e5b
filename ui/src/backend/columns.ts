// Binary columns: a length, a JSON header, then each column as little-endian f64. NaN is a gap.
export interface Columns {
  names: string[];
  columns: Float64Array[];
  meta: Record<string, unknown>;
}

/** Reads the bytes without copying a column. Throws when they are cut short. */
export function decodeColumns(buffer: ArrayBuffer): Columns {
  if (buffer.byteLength < 4) throw new Error('The answer is cut short');
  const length = new DataView(buffer).getUint32(0, true);
  if (4 + length > buffer.byteLength) throw new Error('The answer is cut short');
  const text = new TextDecoder().decode(new Uint8Array(buffer, 4, length));
  const header = JSON.parse(text) as { rows: number; columns: string[]; meta: Record<string, unknown> };
  const start = 4 + length;
  if (start + header.rows * header.columns.length * 8 > buffer.byteLength) throw new Error('The answer is cut short');
  const columns = header.columns.map((_, i) => new Float64Array(buffer, start + i * header.rows * 8, header.rows));
  return { names: header.columns, columns, meta: header.meta };
}
