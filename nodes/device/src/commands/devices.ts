/**
 * `fulcrum devices [rename NAME NEW-NAME | revoke NAME]`.
 *
 * @module
 */
import type { DeviceRow } from "@fulcrum/engine/person"
import { type CommandContext, confirmForGood, type Outcome } from "../command.ts"
import { lines, table, tone } from "../text.ts"
import { declined } from "./declined.ts"
import { stillHere } from "./held.ts"

export async function devices({ person }: CommandContext): Promise<Outcome> {
  const rows = await person.devices()
  return { document: rows, text: deviceTable(rows) }
}

export async function rename({ person, args, settle }: CommandContext): Promise<Outcome> {
  const { name, before } = await person.renameDevice(args.text("name"), args.text("newName"))
  const held = await settle()
  return {
    document: { renamed: before, name, devices: await person.devices(), held },
    text: lines(
      before === name
        ? `${tone("strong", name)} is its name already.`
        : `${before} is ${tone("strong", name)} from now on.`,
      stillHere(held),
    ),
  }
}

export async function revoke({ person, args, io, settle }: CommandContext): Promise<Outcome> {
  const wanted = args.text("name")
  const { name } = await person.planRevoke(wanted)
  const question = `Remove ${name} for good? It keeps what it has, and reads nothing written from now on.`
  if (!(await confirmForGood(io, question, { revoke: name }))) throw declined("the device stays")
  await person.revokeDevice(wanted)
  const held = await settle()
  const rows = await person.devices()
  return {
    document: { removed: name, devices: rows, held },
    text: lines(`${tone("strong", name)} is removed.`, stillHere(held)),
  }
}

/** Two may have one name: one that was joined anew, and the one that it was before. */
const ID_CHARS = 8

export function deviceTable(rows: readonly DeviceRow[]): string {
  const isTwice = (name: string) => rows.filter((one) => one.name === name).length > 1
  const shown = rows.map((row) =>
    isTwice(row.name) ? { ...row, name: `${row.name} (${row.id.slice(0, ID_CHARS)})` } : row,
  )
  return table(
    shown.map(({ name, isThis, state, connected, hasEverything }) => [
      isThis ? tone("strong", name) : name,
      state === "removed" ? tone("bad", "removed") : presence({ isThis, connected }),
      state === "removed" || isThis ? "" : standing({ connected, hasEverything }),
    ]),
  )
}

/** What a device that is away has got meanwhile, from another or a relay, is not known. */
function standing({
  connected,
  hasEverything,
}: Pick<DeviceRow, "connected" | "hasEverything">): string {
  if (hasEverything) return "in step"
  return connected ? "behind" : tone("quiet", "not known")
}

function presence({ isThis, connected }: { isThis: boolean; connected: boolean }): string {
  if (isThis) return "this device"
  return connected ? tone("good", "connected") : tone("quiet", "away")
}
