/**
 * Starts Automerge's WebAssembly with a bound on its memory.
 *
 * The module declares a memory without a maximum, and a thread's resource limits do not count
 * it. So its memory section (5) is written again, with a maximum: an allocation beyond it traps,
 * and only the worker is lost.
 *
 * @module
 */

import type * as Automerge from "@automerge/automerge/slim"

const PAGE_BYTES = 65_536
const MEMORY_SECTION = 5

/** Automerge itself, below its proxies. */
export type AutomergeHandle = ReturnType<typeof Automerge.getBackend>

/** The library, loaded and started. */
export interface AutomergeEngine {
  /** @param actor - Who writes next, in hex. */
  empty(actor: string): AutomergeHandle
  load(bytes: Uint8Array, actor: string): AutomergeHandle
}

let started: Promise<AutomergeEngine> | undefined

/**
 * Once for each thread; the bound of the first call holds.
 *
 * @param module - Automerge's own, as it is published.
 * @param memoryBytesMax - Of the WebAssembly memory, which holds every document.
 */
export function startAutomerge(
  module: () => Uint8Array,
  memoryBytesMax: number,
): Promise<AutomergeEngine> {
  started ??= start(module, memoryBytesMax)
  return started
}

async function start(module: () => Uint8Array, memoryBytesMax: number): Promise<AutomergeEngine> {
  const { getBackend, init, initializeWasm, load } = await import("@automerge/automerge/slim")
  await initializeWasm(withMemoryMax(module(), memoryBytesMax))
  return {
    empty: (actor) => getBackend(init<Record<string, unknown>>({ actor })),
    load: (bytes, actor) => getBackend(load<Record<string, unknown>>(bytes, { actor })),
  }
}

/** Writes the module again, its memory bounded. */
export function withMemoryMax(module: Uint8Array, memoryBytesMax: number): Uint8Array<ArrayBuffer> {
  for (let at = 8; at < module.length; ) {
    const section = module[at]
    const size = readLeb(module, at + 1)
    const start = size.next
    const end = start + size.value
    if (section !== MEMORY_SECTION) {
      at = end
      continue
    }
    if (module[start] !== 1 || module[start + 1] !== 0)
      throw new TypeError("a memory of another kind")
    const least = readLeb(module, start + 2)
    const most = Math.max(least.value, Math.floor(memoryBytesMax / PAGE_BYTES))
    const contents = [1, 1, ...writeLeb(least.value), ...writeLeb(most)]
    const written = new Uint8Array([MEMORY_SECTION, ...writeLeb(contents.length), ...contents])
    const bounded = new Uint8Array(at + written.length + module.length - end)
    bounded.set(module.subarray(0, at))
    bounded.set(written, at)
    bounded.set(module.subarray(end), at + written.length)
    return bounded
  }
  throw new TypeError("no memory section")
}

function readLeb(bytes: Uint8Array, at: number): { readonly value: number; readonly next: number } {
  let value = 0
  let scale = 1
  for (let next = at; ; next++) {
    const byte = bytes[next] ?? 0
    value += (byte & 127) * scale
    scale *= 128
    if (byte < 128) return { value, next: next + 1 }
  }
}

function writeLeb(value: number): readonly number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...writeLeb(value >>> 7)]
}
