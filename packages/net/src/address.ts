/**
 * Multiaddrs as far as we use them, taken apart without loading a transport.
 *
 * `/ip4/1.2.3.4/tcp/4001/p2p/ID`, `/ip6/::1/tcp/4001/ws`, `/dns4/relay.example/tcp/443/tls/ws/p2p/ID`
 * (also `/wss`), and in one process `/memory/NAME/p2p/ID`. The part `/p2p/ID` may be missing; a
 * relay's address has it, so that nobody else can answer in its place.
 *
 * @module
 */

import { NetError } from "./contract.ts"
import { peerIdToPublicKey } from "./peer-id.ts"

/** Longest address that is looked at: a DNS name of 253 characters and the rest. */
export const ADDRESS_CHARS_MAX = 400

export type Transport = "tcp" | "ws" | "wss" | "memory"

export interface AddressParts {
  readonly transport: Transport
  /** IP address, DNS name, or the name in memory. */
  readonly host: string
  /** 0 to 65,535; 0 in memory. */
  readonly port: number
  readonly peerId: string | undefined
}

const TRANSPORTS: Readonly<Record<string, Transport>> = {
  "": "tcp",
  "/ws": "ws",
  "/wss": "wss",
  "/tls/ws": "wss",
}

/**
 * Takes an address apart, and so checks it.
 *
 * @throws {NetError} `NET_ADDRESS_INVALID`.
 */
export function addressParts(multiaddr: string): AddressParts {
  const parts = multiaddr.length <= ADDRESS_CHARS_MAX ? multiaddr.split("/") : []
  if (parts.shift() !== "") throw invalid("an address starts with / and has at most 400 characters")
  const peerId = parts.at(-2) === "p2p" ? parts.splice(-2)[1] : undefined
  if (peerId !== undefined) peerIdToPublicKey(peerId)
  const [family = "", host = "", tcp, portText = "", ...rest] = parts
  if (!isHost(family, host)) throw invalid("not an address with a host we know")
  if (family === "memory") {
    if (tcp !== undefined) throw invalid("/memory/NAME has nothing behind it but /p2p/ID")
    return { transport: "memory", host, port: 0, peerId }
  }
  const transport = TRANSPORTS[rest.map((part) => `/${part}`).join("")]
  const port = /^(?:0|[1-9]\d{0,4})$/.test(portText) ? Number(portText) : Number.NaN
  if (tcp !== "tcp" || !(port <= 65_535) || transport === undefined) {
    throw invalid("only /tcp/PORT, alone or with /ws, /wss or /tls/ws")
  }
  return { transport, host, port, peerId }
}

/** Others look at no more of one device. A machine with many containers has more. */
export const ADDRESSES_TOLD_MAX = 16

/**
 * Of the addresses at which one listens, those that tell others where it is: a loopback address means
 * another machine to each of them, so it is left out unless there is no other. At most
 * {@link ADDRESSES_TOLD_MAX}, the first.
 *
 * @throws {NetError} `NET_ADDRESS_INVALID`.
 */
export function addressesToTell(addresses: readonly string[]): readonly string[] {
  const elsewhere = addresses.filter((address) => !isLoopback(addressParts(address)))
  return (elsewhere.length > 0 ? elsewhere : addresses).slice(0, ADDRESSES_TOLD_MAX)
}

function isLoopback({ host }: AddressParts): boolean {
  return host.startsWith("127.") || host === "::1" || host === "localhost"
}

function isHost(family: string, host: string): boolean {
  switch (family) {
    case "ip4":
      return /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/.test(host)
    case "ip6":
      return /^[\da-fA-F:.]+$/.test(host) && URL.canParse(`http://[${host}]/`)
    case "dns":
    case "dns4":
    case "dns6":
      return (
        host.length <= 253 && /^(?:[a-zA-Z\d_](?:[\w-]{0,61}[a-zA-Z\d])?(?:\.(?!$)|$))+$/.test(host)
      )
    case "memory":
      return /^[\w.-]{1,64}$/.test(host)
    default:
      return false
  }
}

function invalid(message: string): NetError {
  return new NetError("NET_ADDRESS_INVALID", message)
}
