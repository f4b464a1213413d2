/**
 * `fulcrum status` and `fulcrum sync`.
 *
 * @module
 */
import type { RelayRow, StatusView } from "@fulcrum/engine/person"
import { type CommandContext, type Outcome, WAIT_SECONDS_DEFAULT } from "../command.ts"
import { counted, lines, listed, table, tone } from "../text.ts"
import { asideNote } from "./aside.ts"
import { COPIED, deviceTable, named, REMOVED } from "./devices.ts"
import { stillHere } from "./held.ts"
import { requireMember } from "./member.ts"
import { relayTable } from "./relay.ts"
import { watch } from "./watch.ts"

export async function status(context: CommandContext): Promise<Outcome | undefined> {
  const { person, args, clock } = context
  const look = async (): Promise<Outcome> => {
    const view = await person.status()
    return { document: view, text: statusText(view, clock.now()) }
  }
  if (!args.flag("watch")) return await look()
  await watch(context, {
    events: ["record", "devices", "relationships", "board", "network"],
    look: async () => ({ outcome: await look(), isLast: false }),
  })
  return undefined
}

export async function sync({ person, args, io }: CommandContext): Promise<Outcome> {
  // Nothing is in step with a device that was removed.
  requireMember(person)
  io.progress("Fetching and sending")
  const seconds = args.number("wait") ?? WAIT_SECONDS_DEFAULT
  const held = await person.settle(seconds * 1000)
  // It may have heard of it just now.
  requireMember(person)
  const view = await person.status()
  const unread = view.relays.filter(({ state }) => state === "unreachable")
  const isAlone = view.relays.length === 0 && isMetByNobody(view)
  const isInStep = held.length === 0 && unread.length === 0 && !isAlone
  return {
    document: { ...view, held },
    text: lines(
      view.copied ? tone("bad", COPIED) : "",
      isInStep ? inStepText(view) : held.length === 0 && !isAlone ? "Nothing waits here." : "",
      isAlone ? ALONE : "",
      stillHere(held),
      ...unread.map(unreadText),
      isAlone ? "" : notMetText(view, { isOnRelay: isInStep && view.relays.length > 0 }),
      asideNote(view.aside),
    ),
  }
}

/** Who holds it: nothing is called in step otherwise. */
function inStepText({ devices, relays }: StatusView): string {
  const names = named(devices).filter(({ isThis, hasEverything }) => !isThis && hasEverything)
  const kept = relays.filter(({ pending }) => pending === 0)
  const holders = [
    ...names.map(({ name }) => name),
    ...kept.map(({ address }) => `the relay ${address}`),
  ]
  if (holders.length === 0) return holdersText({ devices, relays })
  return `In step with ${listed(holders)}.`
}

/** Devices of which it is not known that they have it. */
function notMetText(
  { devices }: StatusView,
  { isOnRelay }: { readonly isOnRelay: boolean },
): string {
  const away = devices.filter(
    ({ isThis, state, hasEverything }) => !isThis && state === "member" && !hasEverything,
  )
  if (away.length === 0) return ""
  const names = listed(named(away).map(({ name }) => name))
  return `Not met: ${names}${isOnRelay ? "; all of this is on the relay" : ""}.`
}

const ALONE =
  "No other device was met, and no relay keeps the record.\n  Run `fulcrum up` on both at once, or `fulcrum relay add ADDR`."

/** There are other devices, and of none it is known that it was met. */
function isMetByNobody({ devices }: StatusView): boolean {
  const others = devices.filter(({ isThis, state }) => !isThis && state === "member")
  return (
    others.length > 0 &&
    others.every(({ connected, hasEverything }) => !connected && !hasEverything)
  )
}

/** What is new there is not known here. */
function unreadText({ address, code }: RelayRow): string {
  if (code === "RELAY_EQUIVOCATION") {
    return `Not read, for it contradicts what it signed: ${address}\n  If that goes on, remove it and add it again, or another (\`fulcrum relay\`).`
  }
  return `Not reached: ${address}${code === undefined ? "" : ` (${code})`}`
}

function statusText(view: StatusView, nowMs: number): string {
  const { device, documents, entries, relationships, relays, devices, held } = view
  const counts = [
    counted(documents, "document"),
    counted(entries, "entry", "entries"),
    counted(relationships, "relationship"),
  ].join(", ")
  return lines(
    `${tone("strong", device)}: ${counts}`,
    view.removed ? tone("bad", REMOVED) : undefined,
    view.copied ? tone("bad", COPIED) : undefined,
    section("Devices", deviceTable(devices, nowMs)),
    section("Relays", relayTable(relays)),
    view.removed
      ? undefined
      : lines(
          `\n${holdersText(view)}`,
          ...view.singleCopies.map(singleText),
          held.length === 0
            ? "Nothing waits to be sent."
            : section("Waits here", table(held.map((line) => [line]))),
        ),
    view.frozen.length === 0
      ? ""
      : tone("bad", `takes no change: ${view.frozen.join(", ")}; see \`fulcrum show\``),
    view.quarantined === 0
      ? undefined
      : tone(
          "bad",
          `${counted(view.quarantined, "entry", "entries")} not applied; see \`fulcrum doctor\``,
        ),
    asideNote(view.aside),
    view.forks === 0
      ? undefined
      : tone(
          "bad",
          `${counted(view.forks, "fork")}: was a folder copied or restored? See \`fulcrum doctor\``,
        ),
  )
}

/** Who has all of the record that is here, as far as it is known. */
export function holdersText({ devices, relays }: Pick<StatusView, "devices" | "relays">): string {
  const others = named(devices).filter(({ isThis, state }) => !isThis && state === "member")
  const have = others.filter(({ lag }) => lag?.behind === 0).map(({ name }) => name)
  const keep = relays
    // By what it signed, whether or not it can be asked now.
    .filter(({ pending }) => pending === 0)
    .map(({ address }) => `the relay ${address}`)
  const holders = [...have, ...keep]
  if (holders.length > 0) return `All of the record that is here is also on ${listed(holders)}.`
  if (others.length + relays.length === 0) {
    return "All of it is on this device alone: there is no other, and no relay."
  }
  return "Nobody else is known to have all of the record that is here."
}

function singleText({ device, attachments }: StatusView["singleCopies"][number]): string {
  const files = counted(attachments, "attachment")
  const be = attachments === 1 ? "is" : "are"
  if (device === undefined) {
    return tone("bad", `${files} ${be} on none of your devices; see \`fulcrum attachments\``)
  }
  return `${files} ${be} on ${device} alone: \`fulcrum attachments get NAME\` elsewhere makes a second copy.`
}

function section(title: string, body: string): string {
  if (body === "") return ""
  return lines(tone("quiet", title), ...body.split("\n").map((line) => `  ${line}`))
}
