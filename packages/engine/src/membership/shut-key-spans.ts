/**
 * Key spans that have no key for this device. Some say by a mark that it was removed, all that it can
 * read of them: whether that is to be believed depends on who else belongs, as far as is known. Of one
 * that was removed itself at the same time it is not; should its removal count all the same, since another
 * member followed it who did not know, then whoever joins the two says so by a mark of its own.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { EpochId } from "@fulcrum/log/ids"

/** As many are remembered as may wait. */
const SHUT_MAX = 4096

/** A key span, as far as it is looked at here. */
interface AddressedSpan {
  readonly epoch: EpochId
  readonly header: { readonly writer: Uint8Array }
}

export interface Shut {
  readonly epoch: EpochId
  readonly writer: Uint8Array
  /** Whether it says that this device was removed. */
  readonly isMarked: boolean
}

export class ShutKeySpans {
  /** By epoch, in hex. */
  readonly #shut = new Map<string, Shut>()

  has(name: string): boolean {
    return this.#shut.has(name)
  }

  add({ epoch, header }: AddressedSpan, isMarked: boolean): void {
    if (this.#shut.size >= SHUT_MAX) {
      if (!isMarked) return
      this.#forgetOne()
    }
    this.#shut.set(bytesToHex(epoch), { epoch, writer: header.writer, isMarked })
  }

  /** Those that say that this device was removed, believed or not, as far as they were read in this run. */
  get marks(): readonly Shut[] {
    return [...this.#shut.values()].filter(({ isMarked }) => isMarked)
  }

  /**
   * The epochs that were announced with a removal of this device which is to be believed.
   *
   * @param mayRemove - Whether it is of whoever writes with this key.
   */
  removals(mayRemove: (writer: Uint8Array) => boolean): readonly EpochId[] {
    return this.marks.filter(({ writer }) => mayRemove(writer)).map(({ epoch }) => epoch)
  }

  /** The oldest that says nothing; else the oldest: who was removed may have made up all of them. */
  #forgetOne(): void {
    const all = [...this.#shut]
    const [oldest] = all.find(([, { isMarked }]) => !isMarked) ?? all[0] ?? []
    if (oldest !== undefined) this.#shut.delete(oldest)
  }
}
