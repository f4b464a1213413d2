/**
 * What `doctor` finds of an open record: what is out of step, and where.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import type { Vault } from "@fulcrum/store/vault"
import type { Ledger } from "../ledger/ledger.ts"
import {
  type ContradictedMailbox,
  countContradictedMailboxes,
} from "../mailboxes/relay-contradictions.ts"
import type { RelayRow } from "../person/person.ts"
import type { BeaconRow } from "../person/person-recovery.ts"
import { missingAfterRepair } from "../recovery/repair-notes.ts"

export interface Check {
  readonly check: string
  readonly ok: boolean
  readonly detail: string
}

/** What peers said of this device. */
export interface PersonAlarms {
  readonly copied: boolean
  readonly removed: boolean
  /** Names of removed devices that say that it was removed, and are not believed. */
  readonly removers: readonly string[]
}

export interface PersonParts {
  readonly ledger: Ledger
  readonly vault: Vault
  readonly isRemoved: boolean
  readonly alarms: PersonAlarms
  readonly relays: readonly RelayRow[]
  /** Of those that are used now. */
  readonly contradicted: readonly ContradictedMailbox[]
  readonly beacons: readonly BeaconRow[]
  /** Of those that are here: how many are whole, and the names of the others. */
  readonly attachments: { readonly whole: number; readonly damaged: readonly string[] }
  /** Companies that take no change, by name. */
  readonly frozen: readonly string[]
}

export async function checkPerson(parts: PersonParts): Promise<readonly Check[]> {
  const { ledger, vault, isRemoved, alarms } = parts
  const { record, quarantine, shown } = ledger
  return [
    { check: "store", ok: true, detail: "every record was counted when it was opened" },
    {
      check: "membership",
      ok: !isRemoved,
      detail: isRemoved ? "this device was removed from the record" : "this device belongs",
    },
    ...alarms.removers.map((name) => ({
      check: "removal told",
      ok: true,
      detail: `${name}, which was removed, says that this device was removed before`,
    })),
    {
      check: "copies",
      ok: !alarms.copied,
      detail: alarms.copied
        ? "this device's folder was copied, or put back to what it was before; nothing that was written is lost"
        : "nobody else was heard of that writes as this device",
    },
    ...copiesBefore(ledger),
    ...(await checkKeys(ledger)),
    ...(ledger.membership.isOutdated
      ? [
          {
            check: "suite",
            ok: false,
            detail: "another device asks for newer cryptography than this program has: update it",
          },
        ]
      : []),
    none("forks", record.forkCount, {
      well: "no device signed two histories",
      ill: "proofs that a device signed two histories",
    }),
    ...(await checkRelays(parts)),
    ...checkBeacons(parts.beacons),
    none("snapshots", shown.wrong, {
      well: "each document was shown as its history gives it",
      ill: "documents that were shown otherwise than their history gave",
    }),
    checkQuarantine(quarantine),
    checkWaiting(record.waitingCount, isRemoved),
    ...eachOrNone(
      "relationships",
      "no company knows of two keys that claim to be hers",
      parts.frozen.map((name) => `${name} takes no change: two keys claim to be hers`),
    ),
    ...eachOrNone(
      "attachments",
      `each file that is here is as it was attached: ${parts.attachments.whole}`,
      parts.attachments.damaged.map((name) => `${name} is damaged: get it, with another device on`),
    ),
    ...(await checkRepair(vault, ledger)),
  ]
}

/** Lines that part: once a folder was put back, or used in two places, that stays in the log. */
function copiesBefore({ record, membership }: Ledger): readonly Check[] {
  const names = record.tree.branchings().flatMap(({ incarnation }) => {
    const node = record.tree.get(incarnation)
    return node === undefined ? [] : [membership.deviceByWriter(node.writer)?.name ?? "a device"]
  })
  if (names.length === 0) return []
  const whose = [...new Set(names)].toSorted().join(", ")
  const detail = `a folder was copied or put back, or a write was cut off, on ${whose}: ${names.length}; all that was written is kept`
  return [{ check: "copies before", ok: true, detail }]
}

/** A device that leaves one out, or lets in whom nobody knows, is broken or another's. */
async function checkKeys({ audits, membership }: Ledger): Promise<readonly Check[]> {
  const faults: string[] = []
  for await (const { writer, missing, areWordsMissing, foreign } of audits.all()) {
    // Of one that was removed nothing more is to be done.
    if (!membership.isMember(writer)) continue
    const by = membership.deviceByWriter(writer)?.name ?? bytesToHex(writer)
    const left = missing.map((id) => membership.nameOf(id) ?? bytesToHex(id))
    const out = [...left, ...(areWordsMissing ? ["the recovery words"] : [])]
    const what =
      out.length > 0
        ? `made a key and left out ${out.join(", ")}`
        : foreign > 0
          ? "gave a key to somebody who does not belong"
          : "made a key as no honest program does"
    faults.push(`${by} ${what}: remove it`)
  }
  return eachOrNone("keys", "each key was given to who belongs, and to nobody else", faults)
}

/** One line for each that is at fault, or one for all. What relays did before that are used no more is none. */
async function checkRelays({
  vault,
  relays,
  contradicted,
}: PersonParts): Promise<readonly Check[]> {
  const away = relays.filter(({ state }) => state === "unreachable" || state === "full")
  const before = (await countContradictedMailboxes(vault)) - contradicted.length
  return [
    ...eachOrNone(
      "relays",
      "no relay contradicts what it signed",
      contradicted.map(contradictedText),
    ),
    ...eachOrNone(
      "relays reached",
      "none is known to be out of reach",
      away.map(({ address, state, code }) => `${address} is ${state} (${code})`),
    ),
    ...(before > 0 ? [{ check: "relays before", ok: true, detail: keptText(before) }] : []),
  ]
}

/** A record without a relay is no fault, nor one that a relay is yet to be told of. */
function checkBeacons(beacons: readonly BeaconRow[]): readonly Check[] {
  return beacons.length === 0
    ? [recovery(true, "no relay keeps the record: the 24 words need a backup")]
    : beacons.map(({ address, isThere, code }) => {
        if (isThere) return recovery(true, `the 24 words find the record at ${address}`)
        return code === undefined
          ? recovery(true, `what the 24 words look for is brought to ${address} with the next sync`)
          : recovery(false, `${address} does not take what the 24 words look for (${code})`)
      })
}

function recovery(ok: boolean, detail: string): Check {
  return { check: "recovery", ok, detail }
}

/** Only where something was repaired. */
async function checkRepair(
  vault: Vault,
  { record, membership }: Ledger,
): Promise<readonly Check[]> {
  const missing = await missingAfterRepair(vault, record.tree)
  const { awaitedCount } = membership
  return [
    ...(missing === undefined
      ? []
      : [
          none("repair", missing, {
            well: "what could not be read has come back",
            ill: "entries that could not be read have not come back",
          }),
        ]),
    ...(awaitedCount === 0
      ? []
      : [
          {
            check: "behind",
            ok: false,
            detail: `changes of who belongs are known of and not here: ${awaitedCount}`,
          },
        ]),
  ]
}

function eachOrNone(check: string, none: string, faults: readonly string[]): readonly Check[] {
  if (faults.length === 0) return [{ check, ok: true, detail: none }]
  return faults.map((detail) => ({ check, ok: false, detail }))
}

function contradictedText({ address, times, isGivenUp }: ContradictedMailbox): string {
  const end = isGivenUp ? "nothing more is said to it" : "the proofs are kept"
  return `${address} contradicted what it had signed, times: ${times}; ${end}`
}

function keptText(mailboxes: number): string {
  return `${mailboxes} mailboxes that are used no more: the proofs against their relays are kept`
}

/** What a removed device wrote afterwards is no fault of this record's. */
function checkQuarantine({ count, stranded }: { count: number; stranded: number }): Check {
  const left = count - stranded
  if (left > 0) {
    const detail = `entries not applied, for they are damaged or do what none may: ${left}`
    return { check: "quarantine", ok: false, detail }
  }
  const detail =
    stranded > 0
      ? `entries of removed devices that do not count: ${stranded}`
      : "nothing is kept that does not count"
  return { check: "quarantine", ok: true, detail }
}

/** Who was removed has no keys for what is written since. */
function checkWaiting(count: number, isRemoved: boolean): Check {
  if (isRemoved && count > 0) {
    return {
      check: "waiting",
      ok: true,
      detail: `spans that came are not for this device: ${count}`,
    }
  }
  return none("waiting", count, {
    well: "nothing that came waits for what is not here",
    ill: "spans that came wait for what is not here",
  })
}

/** There should be none. */
function none(
  check: string,
  count: number,
  { well, ill }: { readonly well: string; readonly ill: string },
): Check {
  return { check, ok: count === 0, detail: count === 0 ? well : `${ill}: ${count}` }
}
