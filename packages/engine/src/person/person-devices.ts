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
  /** Whether that device, connected, is known to hold everything written here, shares too. */
  readonly hasEverything: boolean
  /** What sort of machine it says that it is; `undefined`: its program does not say. */
  readonly kind: string | undefined
  /** Who let it in; `undefined`: the record has not come this far. */
  readonly addedBy: DeviceActor | undefined
  /** Who removed it: several may have done so at once. */
  readonly removedBy: readonly DeviceActor[]
  /** When this device spoke with it last, by this one's clock; `undefined`: never, or it is this one. */
  readonly lastSeenMs: number | undefined
  /** Where it stood then, beside what is here now; `undefined`: it never told. */
  readonly lag: DeviceLag | undefined
}

/** Who changed who belongs. */
export interface DeviceActor {
  /** `itself`: the first device of the record. `recovery`: whoever has the recovery words. */
  readonly by: "device" | "itself" | "recovery"
  /** What the device is called now. */
  readonly name: string | undefined
}

/** Entries of the record. */
export interface DeviceLag {
  /** That are here and were not there. */
  readonly behind: number
  /** That were there and are not here. */
  readonly ahead: number
}

/** What removing a device comes to. */
export interface RevokePlan {
  readonly name: string
  /** How it stands; `undefined`: it was removed already, and what was cut off is finished. */
  readonly device: DeviceRow | undefined
  /** Entries of the record that it wrote and are here: they stay. What is not here is set aside. */
  readonly entries: number
  /** Attachments that it has said to have whole. */
  readonly attachments: number
  /** Companies whose shares get keys that it does not have. */
  readonly companies: number
}

/** Attachments that are on one device only. */
export interface SingleCopies {
  /** Its name; `undefined`: no device that belongs is known to have them. */
  readonly device: string | undefined
  readonly attachments: number
}

/** A device's name, and the one that it had. */
export interface DeviceRename {
  readonly name: string
  readonly before: string
}

/** What pairing shows and asks on the device that has the record. */
export interface PairPrompts {
  /** Two codes for one pairing, and whether they work on this network only. */
  code(shown: {
    /** To be typed. */
    readonly code: string
    /** What a QR code says. */
    readonly uri: string
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
