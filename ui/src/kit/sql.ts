// The tint of SQL: keywords set apart from the rest. A glance for the reader, not a parser.

export interface SqlPart {
  text: string;
  keyword: boolean;
}

const KEYWORDS =
  /\b(SELECT|DISTINCT|FROM|WHERE|AND|OR|NOT|IN|IS|NULL|LIKE|ILIKE|BETWEEN|EXISTS|ANY|ALL|AS|ON|JOIN|LEFT|RIGHT|INNER|OUTER|FULL|CROSS|LATERAL|USING|GROUP|ORDER|BY|HAVING|LIMIT|OFFSET|UNION|EXCEPT|INTERSECT|WITH|RECURSIVE|INSERT|INTO|VALUES|UPDATE|SET|DELETE|RETURNING|CASE|WHEN|THEN|ELSE|END|ASC|DESC|FOR|SHARE|CREATE|UNIQUE|ALTER|DROP|TABLE|INDEX|CONCURRENTLY|INCLUDE|BEGIN|COMMIT|ROLLBACK|EXPLAIN|ANALYZE|VACUUM|REINDEX|COPY|LOCK|CALL|DO|GRANT|REVOKE|TO)\b/gi;
/** What is no code: texts, quoted names, comments. */
const QUIET = /'(?:[^']|'')*'|"[^"]*"|`[^`]*`|--[^\n]*|\/\*[\s\S]*?\*\//g;

function words(text: string): SqlPart[] {
  const found: SqlPart[] = [];
  let at = 0;
  for (const match of text.matchAll(KEYWORDS)) {
    if (match.index > at) found.push({ text: text.slice(at, match.index), keyword: false });
    found.push({ text: match[0], keyword: true });
    at = match.index + match[0].length;
  }
  if (at < text.length) found.push({ text: text.slice(at), keyword: false });
  return found;
}

/** A statement in parts; put together they are the statement. */
export function sqlParts(sql: string): SqlPart[] {
  const found: SqlPart[] = [];
  let at = 0;
  for (const match of sql.matchAll(QUIET)) {
    found.push(...words(sql.slice(at, match.index)), { text: match[0], keyword: false });
    at = match.index + match[0].length;
  }
  found.push(...words(sql.slice(at)));
  return found;
}
