/**
 * What the bench calls of hypercore, which has no types of its own.
 *
 * @module
 */
declare module "hypercore" {
  import type { Duplex } from "node:stream"

  interface HypercoreOptions {
    readonly encryption: { readonly key: Buffer }
  }

  class Hypercore {
    constructor(folder: string, options: HypercoreOptions)
    constructor(folder: string, key: Buffer, options: HypercoreOptions)
    readonly key: Buffer
    readonly length: number
    /** Not `null` from when it began to close. */
    readonly closing: Promise<void> | null
    ready(): Promise<void>
    append(blocks: Buffer | readonly Buffer[]): Promise<unknown>
    get(index: number): Promise<Buffer>
    update(options: { readonly wait: boolean }): Promise<boolean>
    /** Updates that wait do so for a peer too, until what this returns is called. */
    findingPeers(): () => void
    download(range: { readonly start: number; readonly end: number }): { done(): Promise<unknown> }
    replicate(isInitiator: boolean): Duplex
    on(event: "append", listener: () => void): this
    once(event: "peer-add", listener: () => void): this
    close(): Promise<void>
  }

  // biome-ignore lint/style/noDefaultExport: it exports nothing else
  export { Hypercore as default }
}
