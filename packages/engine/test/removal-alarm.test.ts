import { equalBytes } from "@fulcrum/codec/bytes"
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
    removedIn: undefined,
    onRemovalHeard: undefined,
    epochKey: (id: Parameters<typeof membership.epochKey>[0]) => membership.epochKey(id),
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
