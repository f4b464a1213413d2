/**
 * How long companies may open the mailboxes of their shares: a capability lasts 400 days, and what is past
 * half of that is renewed by whichever own device sees it first. With it the share gets another key.
 *
 * The record says until when the place of each key is open to its company; where it says nothing, that is as
 * long as what came with the connect message. After a removal the share may go on lying in an earlier place,
 * where the relay makes no other: the one that ends first counts. The day differs from relationship to
 * relationship, so that not all of a person's companies hear from her at once.
 *
 * Source: DESIGN, "Meeting" (a capability lasts 400 days and is renewed at half-life).
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import type { Random } from "@fulcrum/crypto/random"
import { CAPABILITY_DAYS, capabilityEnd } from "@fulcrum/log/mailbox"
import { readAgreement } from "@fulcrum/relations/agreement"
import { ACCESS_MAX, type AccessRow, type RelationshipItem } from "../items/relationship-items.ts"
import type { Ledger } from "../ledger/ledger.ts"
import type { Step } from "../ledger/ledger-step.ts"
import type { OpenRelationship, Relationships } from "./relationships.ts"
import { placesInUse } from "./share-places.ts"
import { renewAccess } from "./share-rotation.ts"

const MS_PER_DAY = 86_400_000
const MS_PER_SECOND = 1000
/** Days from half of a capability's time on, over which relationships are spread. */
const SPREAD_DAYS = 32

/** What came with the connect message, by the relationship's item. */
const firstEnds = new WeakMap<RelationshipItem, number>()

/** Says, as part of a step, that the companies may open these keys' places from now on for as long as may be. */
export function sayAccess(
  step: Step,
  rows: readonly AccessRow[],
  { clock }: { readonly clock: Clock },
): void {
  const until = capabilityEnd(clock.now())
  for (let i = 0; i < rows.length; i += ACCESS_MAX) {
    step.add({ kind: "access", value: { until, rows: rows.slice(i, i + ACCESS_MAX) } })
  }
}

interface AccessParts {
  readonly ledger: Ledger
  readonly relationships: Relationships
  readonly clock: Clock
}

/** Gives companies longer that may open a mailbox for less than half of a capability's time. */
export async function renewShareAccess(
  parts: AccessParts & { readonly random: Random },
): Promise<void> {
  const { ledger, random, clock } = parts
  // Nothing is written if nothing is due.
  if (accessDues(parts).length === 0) return
  await ledger.transact(async (step) => {
    const rows = accessDues(parts).flatMap((relationship) =>
      renewAccess(step, { ledger, relationship, random, clock }),
    )
    sayAccess(step, rows, parts)
  })
}

function accessDues({ ledger, relationships, clock }: AccessParts): readonly OpenRelationship[] {
  const now = clock.now()
  return relationships.all.filter((relationship) => {
    // Nobody reads there yet.
    if (!relationships.isAgreed(relationship)) return false
    const until = accessUntil(ledger, relationship)
    return until !== undefined && now >= dueAtMs(relationship, until)
  })
}

function dueAtMs({ secrets }: OpenRelationship, until: number): number {
  const [spread = 0] = secrets.item.id
  const days = CAPABILITY_DAYS / 2 - (spread % SPREAD_DAYS)
  return until * MS_PER_SECOND - days * MS_PER_DAY
}

/** @returns Seconds since 1970; `undefined`: several keys claim to be the newest. */
function accessUntil({ state }: Ledger, relationship: OpenRelationship): number | undefined {
  const { id, secrets } = relationship
  if (relationship.space.ownKeys.length !== 1) return undefined
  const ends = placesInUse(relationship).map(({ key }) => state.accessUntil(id, bytesToHex(key)))
  return Math.min(...ends.map((end) => end ?? firstEnd(secrets.item)))
}

/** The agreement is from the day on which the company was met. */
function firstEnd(item: RelationshipItem): number {
  const end = firstEnds.get(item) ?? capabilityEnd(Date.parse(readAgreement(item.agreement).from))
  firstEnds.set(item, end)
  return end
}
