/**
 * The mailboxes that one connection has opened, each with the right that its capability gives.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { PublicKey } from "@fulcrum/crypto/ed25519"
import { sha256 } from "@fulcrum/crypto/hash"
import type { MailboxName } from "@fulcrum/log/ids"
import type { MailboxRight } from "@fulcrum/log/mailbox"
import { RelayError } from "./relay-error.ts"

export interface Handle {
  readonly name: MailboxName
  readonly right: MailboxRight
  readonly holder: PublicKey
  readonly notAfter: number
  /** Ends the watch, if there is one. */
  unwatch: (() => void) | undefined
}

export class OpenHandles {
  readonly #handles = new Map<number, Handle>()
  readonly #byCapability = new Map<string, number>()
  #next = 1

  get size(): number {
    return this.#handles.size
  }

  get(handle: number): Handle | undefined {
    return this.#handles.get(handle)
  }

  /** The handle by which this capability's mailbox is open already. */
  find(capability: Uint8Array): number | undefined {
    return this.#byCapability.get(bytesToHex(sha256(capability)))
  }

  add(capability: Uint8Array, opened: Omit<Handle, "unwatch">): number {
    const handle = this.#next++
    this.#handles.set(handle, { ...opened, unwatch: undefined })
    this.#byCapability.set(bytesToHex(sha256(capability)), handle)
    return handle
  }

  close(handle: number): void {
    this.#handles.get(handle)?.unwatch?.()
    this.#handles.delete(handle)
    for (const [id, other] of this.#byCapability) {
      if (other === handle) this.#byCapability.delete(id)
    }
  }

  closeAll(): void {
    for (const handle of this.#handles.values()) handle.unwatch?.()
    this.#handles.clear()
    this.#byCapability.clear()
  }

  /** @throws {RelayError} `RELAY_FORBIDDEN`, `RELAY_CAPABILITY_EXPIRED`. */
  require(handle: number, right: MailboxRight, nowMs: number): Handle {
    const opened = this.#handles.get(handle)
    if (opened?.right !== right) {
      throw new RelayError("RELAY_FORBIDDEN", `no mailbox is open here to ${right}`)
    }
    if (nowMs > opened.notAfter * 1000) {
      throw new RelayError("RELAY_CAPABILITY_EXPIRED", "the capability's end date is past")
    }
    return opened
  }
}
