/**
 * The stable code of a failure from outside; a mistake of our own has none.
 *
 * @module
 */

export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : undefined
}
