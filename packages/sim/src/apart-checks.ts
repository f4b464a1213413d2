/**
 * What must hold of devices that remove each other: who belongs, who may read what, what is kept.
 *
 * @module
 */
import type { Household } from "./household.ts"
import type { PersonDevice, Removal } from "./person-device.ts"

/** A value that a device acknowledged while it held others for removed. */
interface Guarded {
  readonly by: PersonDevice
  readonly value: string
  readonly from: readonly Removal[]
}

export class ApartChecks {
  readonly #household: Household
  readonly #guarded: Guarded[] = []
  /** Names of those that somebody wanted removed, whatever came of it. */
  readonly #unwanted = new Set<string>()

  constructor(household: Household) {
    this.#household = household
  }

  /** An edit; what it writes is for members as its device knows them alone. */
  async set(device: PersonDevice): Promise<void> {
    const from = await device.removals()
    const value = await this.#household.set(device)
    if (from.length > 0 && device.acknowledged.has(value)) {
      this.#guarded.push({ by: device, value, from })
    }
  }

  /** From now on: who removed it may not know of that, and it may be back. */
  removing(name: string): void {
    this.#unwanted.add(name)
  }

  /** Whether all that do not say that they were removed show the same, and that nobody else belongs. */
  async areAgreed(): Promise<boolean> {
    const staying = await this.#staying()
    if (staying.length === 0) return false
    const names = namesOf(staying)
    const states = await Promise.all(staying.map((device) => device.state()))
    const others = await Promise.all(staying.map((device) => device.others()))
    const areSame = states.every((state) => state !== undefined && state === states[0])
    return (
      areSame &&
      staying.every(({ name }, at) => namesOf([{ name }, ...named(others[at])]) === names)
    )
  }

  /** Once all agree: nothing acknowledged is lost, and nobody read what was not for them. */
  async holds(): Promise<void> {
    const { devices, findings } = this.#household
    const staying = await this.#staying()
    const acknowledged = staying.flatMap((device) => [...device.acknowledged])
    for (const device of staying) {
      await device.holds(acknowledged)
      await device.trustsRelays()
    }
    for (const device of devices) {
      if (staying.includes(device)) continue
      const seen = await device.written()
      for (const { by, value, from } of this.#guarded) {
        if (!staying.includes(by) || !this.#isKeptFrom(device, from) || !seen?.has(value)) continue
        findings.fail("SIM_LEAK", `${device.name} was removed, and sees ${value} of ${by.name}`)
      }
    }
    this.#household.world.trace.note(`${namesOf(staying)} stay`)
  }

  async howTheyDiffer(waitedMs: number): Promise<string> {
    const lines = this.#household.devices.map(async (device) => {
      const said = (await device.saysRemoved()) ? "says that it was removed" : "stays"
      const others = (await device.others()).join(" ")
      return `${device.name} ${said}, beside it: ${others}; ${await device.state()}`
    })
    return `they do not agree ${waitedMs / 1000} s after healing\n${(await Promise.all(lines)).join("\n")}`
  }

  /**
   * Whether one of these removals could be made void by no other: whoever had heard of that other, and
   * of nothing else, has the removed device back, and gives it the keys that it missed.
   */
  #isKeptFrom({ name }: PersonDevice, removals: readonly Removal[]): boolean {
    return removals.some((one) => one.name === name && one.by.some((by) => !this.#unwanted.has(by)))
  }

  /** All that do not say that they were removed, nor are misled. */
  async #staying(): Promise<readonly PersonDevice[]> {
    const { devices } = this.#household
    const removed = await Promise.all(devices.map((device) => device.saysRemoved()))
    const staying = devices.filter((_, at) => !removed[at])
    const views = new Map<string, readonly Removal[]>()
    for (const device of staying) views.set(device.name, await device.removals())
    return staying.filter(({ name }) => !isMisled(name, views))
  }
}

/**
 * Whether whoever removed this device was removed in turn, as this one sees it, by a third one, whose own
 * removal it cannot read: so it cannot know which of them is right (decision 24).
 */
function isMisled(name: string, views: ReadonlyMap<string, readonly Removal[]>): boolean {
  const own = views.get(name) ?? []
  return [...views.values()].flat().some(
    (one) =>
      one.name === name &&
      one.by.some((remover) => {
        const by = own.find((known) => known.name === remover)?.by ?? []
        return by.length > 0 && !by.includes(name)
      }),
  )
}

function named(names: readonly string[] = []): readonly { readonly name: string }[] {
  return names.map((name) => ({ name }))
}

function namesOf(devices: readonly { readonly name: string }[]): string {
  return devices
    .map(({ name }) => name)
    .toSorted()
    .join(" ")
}
