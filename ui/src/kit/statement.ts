// Where a statement is shown: with its history, and with its plan.
export const statementPath = (key: string): string => `/database/statements?statement=${encodeURIComponent(key)}`;
export const planPath = (statement: string): string => `/database/plan?statement=${encodeURIComponent(statement)}`;
