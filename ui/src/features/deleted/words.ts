// What was deleted in words, how it is restored, and where it is shown then.
import type { DeletedItem, DeletedKind } from '../../backend/types';

export const KINDS: Readonly<Record<DeletedKind, string>> = {
  environment: 'environment',
  run: 'run',
  comparison: 'comparison',
  knee: 'search for a knee',
  report: 'report',
};

/** The command that restores each. */
export const RESTORES = {
  environment: 'env.restore',
  run: 'run.restore',
  comparison: 'comparison.restore',
  knee: 'knee.restore',
  report: 'report.restore',
} as const satisfies Record<DeletedKind, string>;

/** Things of two kinds may have one id. */
export const keyOf = (item: DeletedItem): string => `${item.kind} ${item.id}`;

/** Where it is shown once it is there again; null for an environment, which is opened. */
export function placeOf({ kind, id }: DeletedItem): string | null {
  const part = encodeURIComponent(id);
  if (kind === 'environment') return null;
  if (kind === 'report') return `/reports/${part}`;
  return kind === 'run' ? `/benchmarks/${part}` : `/benchmarks/${kind}/${part}`;
}
