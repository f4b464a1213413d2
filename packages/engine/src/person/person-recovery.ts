/**
 * What the recovery words of an open record can do; part of the surface in `person.ts`.
 *
 * @module
 */

/** A relay of the record, and whether the recovery words find the record there. */
export interface BeaconRow {
  readonly address: string
  readonly isThere: boolean
  /** Why the relay refused it, by the error's code. */
  readonly code?: string | undefined
}

export interface WordsToWrite {
  /** The 24 recovery words. */
  readonly words: readonly string[]
  /** They were seen, and are kept here no longer; until then the same again gives them again. */
  wordsSeen(): Promise<void>
}

export interface NewWords extends WordsToWrite {
  /** About how many companies the old words alone decide. */
  readonly undecided: number
}

/** What the recovery words alone find of the record now. */
export interface DrillReport {
  readonly relays: readonly {
    readonly address: string
    /** `nothing`: it has no beacon; `other`: what it has is none of these words'. */
    readonly found: "beacon" | "nothing" | "other" | "unreachable"
    readonly code?: string | undefined
  }[]
  /** Where the record lies, and how many spans were read there. */
  readonly mailboxes: readonly {
    readonly address: string
    readonly spans: number
    readonly code?: string | undefined
  }[]
  /** Whether the words could let a new device in, as things stand. */
  readonly isUsable: boolean
  /** Entries of the record that were found. */
  readonly entries: number
  /** Entries that are here and were not found, by the device that wrote them. */
  readonly missing: readonly { readonly device: string; readonly entries: number }[]
  readonly relationships: { readonly found: number; readonly missing: number }
  /** Documents that were found as they are here, and otherwise. */
  readonly documents: { readonly same: number; readonly different: number }
  /** Attachments of the record: those lie on devices only. */
  readonly attachments: number
}

/** The 24 recovery words of an open record. Getting it back with them is `recoverPerson`. */
export interface PersonRecovery {
  /** Whether each of the record's relays has what the words look for. */
  beacons(): Promise<readonly BeaconRow[]>
  /**
   * Does what recovery would, with what the relays hold now, up to the point of letting a device in;
   * nothing of it stays.
   *
   * @throws {AccessError} `RECOVERY_WORDS_COUNT`, `RECOVERY_WORD_UNKNOWN`, `RECOVERY_CHECKSUM`.
   * @throws {EngineError} `RECOVERY_WORDS_OTHER`, `RECOVERY_UNREACHABLE`, `RECOVERY_NOT_FOUND`.
   */
  drill(words: string): Promise<DrillReport>
  /**
   * A backup of all that is here, as an age file for the recovery words, piece by piece.
   *
   * @throws {EngineError} `RECOVERY_WORDS_OTHER`: the words are of a time before backups.
   */
  backup(): AsyncIterable<Uint8Array>
  /**
   * Puts new words in the place of the old, which bring nothing back from then on.
   *
   * @param old - Those until now: with them the new ones decide about every company, as they did. Without
   * them only the old ones do, about companies that were met before.
   * @throws {AccessError} As {@link drill}. @throws {EngineError} `RECOVERY_WORDS_OTHER`: these were not
   * the record's.
   */
  replaceWords(old?: string): Promise<NewWords>
}
