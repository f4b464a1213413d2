/**
 * A person's devices, as programs see them: what `person.ts` says of them.
 *
 * @module
 */

export interface DeviceRow {
  readonly id: string
  readonly name: string
  readonly isThis: boolean
  readonly state: "member" | "removed"
  readonly connected: boolean
  /** Whether that device is known to hold everything written here. */
  readonly hasEverything: boolean
}

/** A device's name, and the one that it had. */
export interface DeviceRename {
  readonly name: string
  readonly before: string
}

/** What pairing shows and asks on the device that has the record. */
export interface PairPrompts {
  /** The typed code, and whether it works on this network only. */
  code(shown: {
    readonly code: string
    readonly lanOnly: boolean
    readonly expiresAtMs: number
    /** Where `join --at` finds this device. */
    readonly addresses: readonly string[]
  }): void
  /** Check words of both sides, and the newcomer's name; `true` adds it. */
  approve(asked: { readonly words: readonly string[]; readonly name: string }): Promise<boolean>
  /** A pairing that was approved before a restart goes on by itself. */
  resumed?(device: string): void
  /** The code that was shown before a restart was claimed then, so it is used up. */
  burned?(): void
  /** The device is added. Unless this resolves, the next pairing tells it. */
  added?(device: string): Promise<void>
}

export interface PairResult {
  readonly device: string
}
