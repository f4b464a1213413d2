/**
 * Waiting until a document reads as it should: looks at once, then after each of its changes.
 *
 * @module
 */
import { equalJson, type JsonValue } from "@fulcrum/codec/json"

export interface AwaitedDocument {
  read(): JsonValue | undefined
  /**
   * Calls `look` after each change from now on, never before it returned.
   *
   * @returns What ends it.
   */
  onChange(look: () => void): () => void
}

export function untilReads(document: AwaitedDocument, expected: JsonValue): Promise<void> {
  if (equalJson(document.read(), expected)) return Promise.resolve()
  return new Promise((resolve) => {
    const stop = document.onChange(() => {
      if (!equalJson(document.read(), expected)) return
      stop()
      resolve()
    })
  })
}
