/**
 * Three devices of one record: one whose ledger takes what the others send, with its documents in
 * a real worker, and two that are nothing but a log: an honest one, and one that runs a program of
 * its own and appends whatever it likes.
 *
 * @module
 */
import { signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import { openReplica, type Replica } from "@fulcrum/log/replica"
import type { DocumentId, Edit } from "@fulcrum/record/documents"
import { openWorkerDocuments, type WorkerOptions } from "@fulcrum/record/worker-threads"
import type { MemoryDisk } from "@fulcrum/store/memory"
import { openVault, type Vault } from "@fulcrum/store/vault"
import { type RecordItem, recordItems } from "../../src/items/record-items.ts"
import { Ledger } from "../../src/ledger/ledger.ts"
import type { LedgerBounds } from "../../src/ledger/ledger-change.ts"
import { readDeviceState } from "../../src/membership/device-state.ts"
import { Membership } from "../../src/membership/membership.ts"
import { type Machine, PersonWorld } from "../person-world.ts"

const NOTHING = new Uint8Array(0)

/** The device under attack. */
export interface Home extends AsyncDisposable {
  readonly ledger: Ledger
  /** An edit of this device: acknowledged when it resolves. */
  edit(document: DocumentId, edits: readonly Edit[]): Promise<void>
  /** Why an entry is not applied, by its arrival. */
  quarantine(): Promise<ReadonlyMap<number, string>>
}

/** A fellow device's log, and the actor under which it writes now. */
export interface Fellow extends AsyncDisposable {
  readonly actor: Uint8Array
  /** Appends an entry for each of these bodies. @returns Its spans, for the other devices. */
  say(bodies: readonly Uint8Array[]): Promise<readonly Uint8Array[]>
  /** Goes on under a new incarnation, and so a new actor. */
  startAnew(): void
}

export interface FellowDevices extends AsyncDisposable {
  readonly home: Home
  readonly honest: Fellow
  readonly hostile: Fellow
  /** Closes the device under attack and opens it again from its disk. */
  reopen(): Promise<Home>
  /** The same, but it has no time to close. */
  crash(): Promise<Home>
  /** What it has on its disk, and how that fails. */
  readonly disk: MemoryDisk
}

export interface DeviceLimits extends Pick<WorkerOptions, "callMsMax" | "memoryBytesMax"> {
  readonly seed?: string
  readonly bounds?: Partial<LedgerBounds>
}

export async function fellowDevices(limits: DeviceLimits = {}): Promise<FellowDevices> {
  await using world = new PersonWorld(limits.seed ?? "fellow devices")
  const relay = await world.relay()
  const machines = ["phone", "tablet", "laptop"].map((name) => world.machine(name))
  const [phone, tablet, laptop] = machines
  if (phone === undefined || tablet === undefined || laptop === undefined) throw new TypeError()
  const person = await world.create(phone, [relay.address])
  for (const machine of [tablet, laptop]) {
    await world.end(await world.pair(person, machine, { relay: relay.address }))
  }
  await world.during(person.settle(5000))
  await world.end(person)
  let home = await openHome(world, phone, limits)
  const honest = await openFellow(world, tablet)
  const hostile = await openFellow(world, laptop)
  return {
    get home() {
      return home
    },
    honest,
    hostile,
    async reopen() {
      await home[Symbol.asyncDispose]()
      home = await openHome(world, phone, limits)
      return home
    },
    disk: phone.disk,
    async crash() {
      phone.disk.crash()
      await Promise.resolve(home[Symbol.asyncDispose]()).catch(() => undefined)
      home = await openHome(world, phone, limits)
      return home
    },
    async [Symbol.asyncDispose]() {
      for (const one of [home, honest, hostile]) await one[Symbol.asyncDispose]()
    },
  }
}

/** The body of an entry with one change. */
export function changeBody(document: string, change: Uint8Array): Uint8Array {
  return itemsBody([{ kind: "change", value: { document, change } }])
}

export function itemsBody(items: readonly RecordItem[]): Uint8Array {
  return recordItems.encode(items)
}

async function openLog(
  world: PersonWorld,
  machine: Machine,
): Promise<{ vault: Vault; membership: Membership; record: Replica }> {
  const { store, vaultKey, random, deflate } = await world.options(machine)
  const vault = await openVault({ store, key: vaultKey, random })
  const device = await readDeviceState(vault)
  if (device === undefined) throw new TypeError("a device without a record")
  const membership = await Membership.open(vault, device)
  const key = signingKeyFromSeed(device.writerSeed)
  const record = await openReplica({
    vault,
    keyring: membership,
    writer: { begin: () => ({ key, certificate: NOTHING }) },
    checkWriter: membership.checkWriter,
    random,
    deflate,
  })
  return { vault, membership, record }
}

async function openHome(world: PersonWorld, machine: Machine, limits: DeviceLimits): Promise<Home> {
  const { vault, membership, record } = await openLog(world, machine)
  const { callMsMax, memoryBytesMax, bounds: together } = limits
  const bounds = {
    ...(callMsMax === undefined ? {} : { callMsMax }),
    ...(memoryBytesMax === undefined ? {} : { memoryBytesMax }),
  }
  const ledger = await Ledger.open({
    vault,
    record,
    membership,
    openDocuments: async (reload) => openWorkerDocuments({ reload, ...bounds }),
    ...(together && { bounds: together }),
  })
  return {
    ledger,
    edit: (document, edits) =>
      ledger.transact(async (step) => {
        const made = await step.documents.edit({ document, edits, actor: step.actor })
        step.keep(made === undefined ? undefined : { ...made, document })
      }),
    async quarantine() {
      const found = new Map<number, string>()
      for await (const { order, value } of vault.table("engine.quarantine").list(NOTHING)) {
        found.set(order, Buffer.from(value).toString())
      }
      return found
    },
    async [Symbol.asyncDispose]() {
      await ledger.close()
      await vault.close()
    },
  }
}

async function openFellow(world: PersonWorld, machine: Machine): Promise<Fellow> {
  const { vault, record } = await openLog(world, machine)
  return {
    get actor() {
      return record.nextWriter().actor
    },
    async say(bodies) {
      const staged = record.stage(bodies.map((body) => ({ kind: "payload", body })))
      await vault.write([...staged.ops])
      staged.commit()
      return staged.spans
    },
    startAnew: () => record.poison(),
    [Symbol.asyncDispose]: () => vault.close(),
  }
}
