/**
 * Adding a device: a pairing from its code until the newcomer has the record.
 *
 * @module
 */
import { hasRoom } from "@fulcrum/access/membership"
import { equalBytes } from "@fulcrum/codec/bytes"
import type { Clock } from "@fulcrum/crypto/clock"
import { signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import { EngineError } from "../failures/engine-error.ts"
import type { Ledger } from "../ledger/ledger.ts"
import { type DeviceState, recordKeysOf } from "../membership/device-state.ts"
import type { PairPrompts, PairResult } from "../person/person-devices.ts"
import { changeMembership } from "../relationships/membership-writes.ts"
import { inScope } from "../waiting/scope.ts"
import type { Signal } from "../waiting/signal.ts"
import { type PairHostOptions, pairAsHost, toldDevice, untoldDevice } from "./pair-host.ts"

/** How long a new device is waited for after its pairing, to have the record at once. */
const FIRST_SYNC_MS = 10_000

export interface PairingRun
  extends Omit<PairHostOptions, "name" | "writer" | "addDevice" | "isMember" | "untilMet"> {
  readonly device: DeviceState
  readonly ledger: Ledger
  readonly prompts: PairPrompts
  readonly signal: AbortSignal
  isConnected(device: Uint8Array): boolean
  /** Whether a device that is connected is known to have all that is here. */
  holdsAll(device: Uint8Array): boolean
  /** Notified when devices come, go or catch up. */
  readonly changed: Signal
  /** Resolves once the relays have what is here. */
  relayed(stop: AbortSignal): Promise<void>
  /** Resolves a moment after that: a device that has not come by then reads it there. */
  isEnough(stop: AbortSignal): Promise<void>
}

/**
 * Adds one device, and waits a little for it to have the record.
 *
 * @throws {EngineError} `DEVICES_FULL`, before a code is shown, or when it was claimed.
 */
export async function runPairing(run: PairingRun): Promise<PairResult> {
  const { ledger, device, random, addresses, clock, signal, changed } = run
  requireRoom(ledger)
  const until = async (id: Uint8Array, stop: AbortSignal) => {
    while (!run.isConnected(id) && !hasWritten(ledger, id) && !stop.aborted) {
      await changed.wait(stop)
    }
    stop.throwIfAborted()
  }
  const untilGiven = async (id: Uint8Array, stop: AbortSignal) => {
    let hasCome = false
    const given = async () => {
      while (!run.holdsAll(id) && !stop.aborted) {
        const isHere = run.isConnected(id)
        // It may end before it has said what it got.
        if (hasCome && !isHere) return
        hasCome ||= isHere
        await changed.wait(stop)
      }
    }
    const enough = async () => {
      await run.isEnough(stop)
      if (hasCome) await given()
    }
    await Promise.race([given(), enough()])
  }
  const untold = await untoldDevice(run.vault)
  if (untold !== undefined) {
    run.prompts.resumed?.(untold)
    return await tell(run, { device: untold })
  }
  let added: Uint8Array | undefined
  const paired = await pairAsHost(
    {
      ...run,
      writer: signingKeyFromSeed(device.writerSeed),
      name: ledger.membership.nameOf(device.id) ?? device.name,
      isMember: (id) => ledger.membership.view.devices.some((one) => equalBytes(one.id, id)),
      untilMet: until,
      addDevice: (certificate, keep) => {
        added = certificate.id
        return changeMembership(
          { ledger, random },
          () => {
            requireRoom(ledger)
            return [{ kind: "add", value: { certificate } }]
          },
          (step, epoch) => {
            const { membership } = ledger
            step.write(
              ...keep({
                ...recordKeysOf(device),
                epochs: [...membership.epochs, epoch],
                members: [...membership.certificates, certificate],
                mailboxes: ledger.state.relays.map(({ address, mailboxSeed }) => ({
                  relays: [address],
                  publicKey: signingKeyFromSeed(mailboxSeed).publicKey,
                  seed: mailboxSeed,
                  capabilities: [],
                })),
                addresses,
              }),
            )
          },
        )
      },
    },
    run.prompts,
    signal,
  )
  const id = added
  if (id !== undefined) {
    // A new device that cannot reach this one reads the record from the relays.
    await untilOrLate(clock, signal, (stop) =>
      addresses.length === 0 ? run.relayed(stop) : untilGiven(id, stop),
    )
  }
  return await tell(run, paired)
}

/** Told first, then noted as told: twice is better than never. */
async function tell({ prompts, vault }: PairingRun, paired: PairResult): Promise<PairResult> {
  await prompts.added?.(paired.device)
  await toldDevice(vault)
  return paired
}

/** Whoever has written to the record has the keys that it was given. */
function hasWritten({ membership, record }: Ledger, id: Uint8Array): boolean {
  const device = membership.view.devices.find((one) => equalBytes(one.id, id))
  if (device === undefined) return false
  return [...record.tree.nodes()].some(({ writer }) => equalBytes(writer, device.writer))
}

async function untilOrLate(
  clock: Clock,
  signal: AbortSignal,
  work: (stop: AbortSignal) => Promise<void>,
): Promise<void> {
  await inScope(signal, async (scope) => {
    const late = clock.sleep(FIRST_SYNC_MS, scope)
    await Promise.race([work(scope), late]).catch(() => undefined)
  })
}

function requireRoom({ membership }: Ledger): void {
  if (hasRoom(membership.view)) return
  throw new EngineError("DEVICES_FULL", "the record has as many devices as it can have")
}
