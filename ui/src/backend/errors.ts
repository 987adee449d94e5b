// What a command rejects with.
import type { ApiError } from './types';

/** Any thrown value as an ApiError. */
export function toApiError(error: unknown): ApiError {
  if (typeof error === 'object' && error !== null && 'code' in error && 'message' in error) return error as ApiError;
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'internal', message, hint: null, retryable: false };
}
