/**
 * Where this device listens for your others: at ports that are drawn once and kept.
 *
 * @module
 */
import type { Person } from "@fulcrum/engine/person"
import { portsOf, type SettingsKeeper, withKnownPorts } from "./device-settings.ts"
import { codeOf } from "./program-error.ts"

export const LISTEN_DEFAULT: readonly string[] = ["/ip4/0.0.0.0/tcp/0"]

/** Listens where it listened before; a port that somebody else took meanwhile is drawn anew. */
export async function listen(
  person: Person,
  asked: readonly string[],
  settings: SettingsKeeper,
): Promise<readonly string[]> {
  const known = await settings.read()
  const wanted = withKnownPorts(asked, known)
  const addresses = await person.start({ listen: wanted }).catch((error: unknown) => {
    const isTaken = codeOf(error) === "NET_ADDRESS_IN_USE"
    if (!isTaken || wanted.every((address, i) => address === asked[i])) throw error
    return person.start({ listen: asked })
  })
  const ports = new Map([...known.ports, ...portsOf(asked, addresses)])
  if ([...ports].some(([address, port]) => known.ports.get(address) !== port)) {
    await settings.write({ version: 1, ports })
  }
  return addresses
}
