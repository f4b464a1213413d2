/**
 * `fulcrum relay add|remove|list`.
 *
 * @module
 */
import type { RelayRow } from "@fulcrum/engine/person"
import type { CommandContext, Outcome } from "../command.ts"
import { lines, type Tone, table, tone } from "../text.ts"
import { stillHere } from "./held.ts"

const TONES: Readonly<Record<RelayRow["state"], Tone>> = {
  reachable: "good",
  unreachable: "bad",
  full: "bad",
  untried: "quiet",
}

const STATES: Readonly<Record<RelayRow["state"], string>> = {
  reachable: "reachable",
  unreachable: "unreachable",
  full: "full",
  untried: "not asked now",
}

/** How long one that was added is waited for, so that it is shown as it is. */
const SHOWN_MS = 3000

export async function relayAdd({ person, args, settle }: CommandContext): Promise<Outcome> {
  const address = args.text("address")
  await person.addRelay(address)
  const held = await settle()
  // A daemon goes on by itself; whether the address is right shows in a moment.
  if (held === undefined) await person.settle(SHOWN_MS)
  const relays = await person.relays()
  return {
    document: { added: address, relays, held },
    text: lines("Added. Write it below your 24 words.", relayTable(relays), stillHere(held)),
  }
}

export async function relayRemove({ person, args, settle }: CommandContext): Promise<Outcome> {
  const address = args.text("address")
  await person.removeRelay(address)
  const held = await settle()
  const relays = await person.relays()
  return {
    document: { removed: address, relays, held },
    text: lines("Removed. Strike it out below your 24 words.", stillHere(held)),
  }
}

export async function relayList({ person }: CommandContext): Promise<Outcome> {
  const relays = await person.relays()
  return { document: relays, text: relayTable(relays) || "No relay yet: `fulcrum relay add ADDR`." }
}

export function relayTable(relays: readonly RelayRow[]): string {
  return table(
    relays.map(({ address, state, pending, code }) => [
      tone(TONES[state], code === undefined ? STATES[state] : `${STATES[state]} (${code})`),
      holdsText(state, pending),
      address,
    ]),
  )
}

/** What it signed last; of one that is not reached, what it held then. */
function holdsText(state: RelayRow["state"], pending: number): string {
  if (pending > 0) return "not everything yet"
  return state === "reachable" ? "holds everything" : "held everything"
}
