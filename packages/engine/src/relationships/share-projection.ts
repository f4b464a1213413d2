/**
 * Brings one share up to the record, as part of a step.
 *
 * @module
 */
import { documentId } from "@fulcrum/record/documents"
import { editDocument } from "@fulcrum/record/record"
import { touches } from "@fulcrum/relations/field-path"
import type { PersonItem, PutDay } from "@fulcrum/relations/lane"
import {
  counterOffset,
  type DisclosedRegister,
  type ProjectedDisclosure,
  project,
} from "@fulcrum/relations/projection"
import { projectionEdits } from "@fulcrum/relations/relationship-document"
import { EngineError } from "../failures/engine-error.ts"
import type { Step } from "../ledger/ledger-step.ts"
import type { OpenRelationship } from "./relationships.ts"
import { fitsEntry, shareMessages } from "./share-message.ts"

/** Of a move: its day, and the items that go with the puts of these disclosed paths. */
export interface ToldMove {
  readonly day: PutDay | undefined
  with(relationship: OpenRelationship, paths: readonly string[]): readonly PersonItem[]
}

/** The disclosed paths that were told, and the last entry that told of them. */
export interface ProjectedShare {
  readonly paths: readonly string[]
  readonly incarnation: Uint8Array
  readonly sequence: number
  readonly chain: Uint8Array
}

/**
 * @param input.disclosures - Those that hold.
 * @param input.edited - Paths that the step set; empty when something arrived.
 * @returns `undefined`: there is nothing to tell.
 * @throws {EngineError} `VALUE_TOO_LARGE`: what was edited fits in no entry.
 */
export async function projectShare(
  step: Step,
  input: {
    readonly relationship: OpenRelationship
    readonly name: string
    readonly disclosures: readonly ProjectedDisclosure[]
    readonly registersAt: (path: string) => Promise<readonly DisclosedRegister[]>
    readonly edited: readonly string[]
    readonly told: ToldMove | undefined
  },
): Promise<ProjectedShare | undefined> {
  const { relationship, name, edited, told } = input
  const { space } = relationship
  // What an edit does not touch is looked at when something arrives.
  const disclosures = input.disclosures.filter(
    ({ path }) => edited.length === 0 || edited.some((one) => touches(one, path)),
  )
  const known = new Map<string, readonly DisclosedRegister[]>()
  for (const { path } of disclosures) known.set(path, await input.registersAt(path))
  const { puts, again, unfit, paths, updates } = project({
    ...{ disclosures, edited, share: space.share, day: told?.day, fits: fitsEntry },
    registersAt: (path) => known.get(path) ?? [],
    offsetOf: relationship.offsetOf,
    isTaken: (chain) => space.hasTaken(chain),
  })
  // What a company cannot be told keeps neither it from the rest, nor anybody else.
  if (unfit.some(({ path }) => edited.some((one) => touches(one, path)))) {
    throw new EngineError("VALUE_TOO_LARGE", `this is more than ${name} can be told at once`)
  }
  if (puts.length === 0) return undefined
  // What is only said again is no part of a move, and does not wait for its day.
  const bodies =
    told === undefined
      ? shareMessages([...again, ...puts], [])
      : [...shareMessages(again, []), ...shareMessages(puts, told.with(relationship, paths))]
  const entries = step.append(space.replica, bodies)
  const document = documentId(`relationships/${relationship.id}`)
  const edits = projectionEdits(updates)
  step.keep(await editDocument(step.documents, { document, edits, actor: step.actor }))
  step.after(() => space.absorb(entries))
  const entry = entries.at(-1)
  if (entry === undefined) throw new TypeError("a staged append without its entry")
  const { incarnation, sequence, chain } = entry
  return { paths, incarnation, sequence, chain }
}

/** What is added to the counters of each register of one share, drawn once. */
export function rememberingOffsets(secret: Uint8Array): (path: string) => number {
  const offsets = new Map<string, number>()
  return (path) => {
    const offset = offsets.get(path) ?? counterOffset(secret, path)
    offsets.set(path, offset)
    return offset
  }
}
