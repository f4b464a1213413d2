/**
 * What this device remembers for itself alone, sealed: the ports it listens at. They are drawn at
 * the first `up` and kept, so that other devices find it where it was.
 *
 * `settings.sealed` is a sealed record of canonical CBOR: `[1, {asked address: port}]`.
 *
 * @module
 */
import { utf8ToBytes } from "@fulcrum/codec/bytes"
import {
  decodeAs,
  encodeAs,
  literal,
  map,
  type Schema,
  struct,
  text,
  uint,
} from "@fulcrum/codec/schema"
import { openRecord, sealRecord } from "@fulcrum/crypto/aead"
import { contexts } from "@fulcrum/crypto/contexts"
import { hkdf } from "@fulcrum/crypto/hash"
import type { Random } from "@fulcrum/crypto/random"
import { readPrivateFile, writePrivateFile } from "./private-file.ts"

export interface DeviceSettings {
  readonly version: 1
  /** By the address that was asked for, which leaves the port open. */
  readonly ports: ReadonlyMap<string, number>
}

export interface SettingsKeeper {
  /** Nothing, or what cannot be read, is as at the first start: ports can be drawn again. */
  read(): Promise<DeviceSettings>
  write(settings: DeviceSettings): Promise<void>
}

const ADDRESSES_MAX = 64
const FILE_BYTES_MAX = 65_536
const NONE: DeviceSettings = { version: 1, ports: new Map() }
const AAD = utf8ToBytes("settings")

const deviceSettings: Schema<DeviceSettings> = struct({
  version: literal(1),
  ports: map(text(1024), uint(65_535), ADDRESSES_MAX),
})

export function settingsKeeper(options: {
  readonly file: string
  /** The device's key. */
  readonly key: Uint8Array
  readonly random: Random
}): SettingsKeeper {
  const { file, random } = options
  const key = hkdf(contexts.deviceSettings, options.key, new Uint8Array(0), AAD, 32)
  return {
    async read() {
      const sealed = await readPrivateFile(file)
      if (sealed === undefined) return NONE
      try {
        const plaintext = openRecord({ key, aad: AAD, sealed })
        return decodeAs(deviceSettings, plaintext, { bytesMax: FILE_BYTES_MAX })
      } catch {
        return NONE
      }
    },
    async write(settings) {
      const plaintext = encodeAs(deviceSettings, settings)
      await writePrivateFile(file, sealRecord({ key, aad: AAD, plaintext, random }))
    },
  }
}

/** The asked addresses with the ports that were drawn for them before. */
export function withKnownPorts(
  asked: readonly string[],
  settings: DeviceSettings,
): readonly string[] {
  return asked.map((address) => {
    const port = settings.ports.get(address)
    return port !== undefined && hasOpenPort(address) ? setPort(address, port) : address
  })
}

/**
 * What to remember of a start.
 *
 * @param listening - What the transport says, ports filled in; several for one asked, perhaps.
 */
export function portsOf(
  asked: readonly string[],
  listening: readonly string[],
): ReadonlyMap<string, number> {
  const open = asked.filter(hasOpenPort)
  const ports = new Map<string, number>()
  for (const address of open) {
    const [, family, , protocol, , ...rest] = address.split("/")
    // `/ip4/0.0.0.0` is met at each interface, so the host part cannot be compared.
    const met = listening.find((candidate) => {
      const [, itsFamily, , itsProtocol, itsPort, ...itsRest] = candidate.split("/")
      const fits = itsFamily === family && itsProtocol === protocol
      const ending = rest.length === 0 ? itsRest[0] !== "ws" : itsRest[0] === rest[0]
      return fits && ending && ![...ports.values()].includes(Number(itsPort))
    })
    const port = Number(met?.split("/")[4])
    if (Number.isInteger(port) && port > 0) ports.set(address, port)
  }
  return ports
}

function hasOpenPort(address: string): boolean {
  return address.split("/")[4] === "0"
}

function setPort(address: string, port: number): string {
  return address.split("/").with(4, String(port)).join("/")
}
