/**
 * Which line this device appends to: drawn when something is to be appended, and another one once it
 * must not go on.
 *
 * @module
 */
import type { SigningKey } from "@fulcrum/crypto/ed25519"
import type { TreeNode } from "./incarnation-tree.ts"
import { OwnLine, type OwnLineOptions } from "./own-line.ts"

export interface OwnLinesOptions extends Omit<OwnLineOptions, "parent"> {
  /** The newest incarnation of this device's own. */
  newest(): TreeNode | undefined
  /** Whether somebody else goes on with it: a copy of this machine wrote what is being admitted. */
  isContinued(line: OwnLine): boolean
}

export class OwnLines {
  readonly #options: OwnLinesOptions
  #line: OwnLine | undefined

  constructor(options: OwnLinesOptions) {
    this.#options = options
  }

  /** The one that is appended to; absent: the next append begins another. */
  get current(): OwnLine | undefined {
    return this.#line
  }

  /** Of the current one; none is begun for this: its parent would be fixed before anything is written. */
  get signer(): SigningKey {
    return (this.#line ?? this.#draw()).signer
  }

  /** For an append. */
  next(): OwnLine {
    const { writer, isContinued } = this.#options
    const line = this.#line
    const standing = line && writer.standing?.(line.incarnation)
    if (line && !isContinued(line) && (standing ?? "goes on") === "goes on") return line
    this.#line = this.#draw()
    return this.#line
  }

  giveUp(): void {
    this.#line = undefined
  }

  #draw(): OwnLine {
    const { newest, writer } = this.#options
    const last = newest()
    const parent = last && writer.standing?.(last.incarnation) === "ended" ? undefined : last
    return new OwnLine({ ...this.#options, parent })
  }
}
