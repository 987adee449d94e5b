// What may be offered to be copied as a statement: SQL or a command, never prose.

/** Words that statements begin with, in capitals as they are written here. */
const VERBS =
  /^(ALTER|ACL|ANALYZE|CALL|CONFIG|CREATE|DELETE|DROP|EXPLAIN|FLUSH|GRANT|INSERT|KILL|REINDEX|REVOKE|SELECT|SET|SHOW|TRUNCATE|UPDATE|VACUUM|WITH)\b/;

/** Whether a text is a statement as a whole: it begins as one, and no sentence follows it. */
export const isStatement = (text: string): boolean => VERBS.test(text.trim()) && !/[.:]\s+[A-Z][a-z]/.test(text.replace(/'[^']*'/g, ''));

/** What of a stage's remedy is shown beside it: prose that the report says as a whole anyway is not repeated. */
export const besides = (fix: string | null, hint: string | null | undefined): string | null =>
  fix !== null && (isStatement(fix) || fix !== hint) ? fix : null;
