import { bytesToHex, equalBytes } from "@fulcrum/codec/bytes"
import { type EpochId, incarnationIdSchema } from "@fulcrum/log/ids"
import { beforeAll, expect, test } from "vitest"
import { RemovalAlarm } from "../src/membership/removal-alarm.ts"
import { noticeFor } from "../src/membership/removal-notice.ts"
import { loadDocuments, PersonWorld } from "./person-world.ts"
import { openDesk, ScriptedVendor } from "./scripted-vendor.ts"

beforeAll(loadDocuments)

test("[P101] a device that was told of its removal is removed until the record shows it back", async () => {
  await using world = new PersonWorld("alarm")
  const relay = await world.relay()
  const machine = world.machine("phone")
  const phone = await world.during(world.create(machine, [relay.address]))
  await world.pair(phone, world.machine("laptop"), { relay: relay.address })
  await world.during(phone.revokeDevice("laptop"))
  await world.end(phone)
  const vendor = new ScriptedVendor(world.random.fork("desk"), [relay.address])
  await using desk = await openDesk(world, machine, vendor)
  const { membership } = desk.ledger
  const [removed] = membership.view.removed
  const notice = removed && noticeFor(removed, membership, world.random)
  if (removed === undefined || notice === undefined) throw new Error("nobody was removed")

  let back: Uint8Array | undefined
  const known = {
    tag: membership.tag,
    entries: membership.entries,
    view: membership.view,
    removedIn: [],
    onRemovalHeard: undefined,
    // It was told under several: of this one the damage is told apart.
    epochKey: (id: EpochId) =>
      equalBytes(id, membership.genesis) ? membership.epochKey(id) : undefined,
    disbelieved: [],
    isBroughtBack: (_: Uint8Array, epoch: Uint8Array) =>
      back !== undefined && equalBytes(back, epoch),
  }
  const heard: Uint8Array[] = []
  const alarmOf = (device: { readonly id: Uint8Array }, epoch?: Uint8Array) =>
    new RemovalAlarm({ membership: known, device, epoch, heard: (one) => void heard.push(one) })
  const alarm = alarmOf(removed)
  expect(alarm.isRaised).toBe(false)
  alarm.hear(notice)
  expect(heard).toHaveLength(1)
  const [epoch] = heard
  expect(alarm.isRaised).toBe(true)
  expect(alarmOf(removed, epoch).isRaised).toBe(true)
  // For another device, or with a bit that is another, it says nothing.
  alarmOf({ id: machine.vaultKey.slice(0, 16) }).hear(notice)
  const damaged = notice.with(notice.length - 1, (notice.at(-1) ?? 0) ^ 1)
  const fresh = alarmOf(removed)
  fresh.hear(damaged)
  expect(fresh.isRaised).toBe(false)
  expect(heard).toHaveLength(1)

  back = epoch
  expect(alarm.isRaised).toBe(false)
  // Whoever has not heard of it yet tells the old story.
  alarm.hear(notice)
  expect(alarm.isRaised).toBe(false)
  expect(heard).toHaveLength(1)
  // The device that removed it knows of no way back.
  expect(membership.isBroughtBack(removed.id, epoch ?? notice)).toBe(false)
})

test.for([
  ["tablet", "laptop", "phone", false],
  ["laptop", "tablet", "phone", false],
  ["tablet", "laptop", "laptop", false],
  ["laptop", "tablet", "tablet", true],
] as const)(
  "[P116] %s, removed, tells %s that it was; %s removed it: believed of an earlier one that it removed: %s",
  async ([thief, other, remover, isBelieved]) => {
    await using world = new PersonWorld(`forged by ${thief}`)
    const relay = await world.relay()
    const where = { relay: relay.address }
    const phone = await world.during(world.create(world.machine("phone"), [relay.address]))
    const machines = { laptop: world.machine("laptop"), tablet: world.machine("tablet") }
    const laptop = await world.pair(phone, machines.laptop, where)
    const tablet = await world.pair(phone, machines.tablet, where)
    const devices = { laptop, tablet }
    for (const one of [laptop, phone, tablet]) await world.during(one.settle(5000))
    await world.end(devices[thief])
    await using desk = await openDesk(
      world,
      machines[thief],
      new ScriptedVendor(world.random.fork("desk"), [relay.address]),
    )
    const before = desk.ledger.membership
    const victim = before.view.devices.find(({ id }) => bytesToHex(id) === devices[other].device.id)
    const { current } = before.view
    if (victim === undefined || current === undefined) throw new Error("nobody to tell")
    // As if the newest epoch that it knows had removed the other.
    const removal = { epoch: current, by: undefined, on: [] }
    const incarnation = incarnationIdSchema.decode(new Uint8Array(16))
    const lie = { ...victim, removals: [{ ...removal, incarnation, sequence: 1 }] }
    const notice = noticeFor(lie, before, world.random)
    if (notice === undefined) throw new Error("nothing to tell")
    const told = new RemovalAlarm({
      ...{ membership: before, device: { id: victim.id }, epoch: undefined },
      heard: () => undefined,
    })
    told.hear(notice)
    // Whoever has not heard of the removal yet takes it for a member's word.
    expect(told.isRaised).toBe(true)
    await world.during((remover === "phone" ? phone : devices[other]).revokeDevice(thief))
    for (const one of [phone, devices[other]]) await world.during(one.settle(5000))
    await world.end(devices[other])
    await using own = await openDesk(
      world,
      machines[other],
      new ScriptedVendor(world.random.fork("own"), [relay.address]),
    )
    const { membership } = own.ledger
    expect(membership.view.removed).toHaveLength(1)
    const heard: Uint8Array[] = []
    const device = { id: victim.id }
    const alarm = new RemovalAlarm({
      ...{ membership, device, epoch: undefined },
      heard: (epoch) => void heard.push(epoch),
    })
    alarm.hear(notice)
    expect([alarm.isRaised, heard.length]).toEqual(isBelieved ? [true, 1] : [false, 0])
    // What was kept of it before is over now.
    const [epoch] = before.view.heads
    const kept = new RemovalAlarm({ membership, device, epoch, heard: () => undefined })
    expect(kept.isRaised).toBe(isBelieved)
  },
)
