/**
 * Documents of a record that has none: for scenarios whose entries change no document.
 *
 * @module
 */
import type { Documents } from "@fulcrum/record/documents"

export function noDocuments(): Documents {
  const none = async () => {
    throw new TypeError("this record has no documents")
  }
  return {
    edit: none,
    apply: none,
    applyMany: (inputs) => (inputs.length === 0 ? Promise.resolve() : none()),
    read: async () => undefined,
    conflicts: async () => [],
    registers: async () => [],
    history: async () => [],
    save: none,
    load: none,
    heads: async () => [],
    forget: async () => undefined,
    forgetAll: async () => undefined,
    kept: () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  }
}
