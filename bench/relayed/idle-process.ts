/**
 * Devices that have nothing to do: each with a transport key, a connection and a mailbox of its own, which
 * it watches.
 *
 * Argument: a JSON object of `relay`, its address. A line `connect COUNT` has so many more connect, and
 * is answered with `{}` once they are.
 *
 * @module
 */
import { createInterface } from "node:readline"
import { systemClock } from "@fulcrum/crypto/clock"
import { generateSigningKey } from "@fulcrum/crypto/ed25519"
import { systemRandom } from "@fulcrum/crypto/random"
import type { Host } from "@fulcrum/net/contract"
import { libp2pNetwork } from "@fulcrum/net/libp2p"
import { connectRelay } from "@fulcrum/relay/client"
import { RELAY_PROTOCOL } from "@fulcrum/relay/protocol"
import { fieldsOf, text } from "../json-fields.ts"
import { say } from "./carrier.ts"
import { capabilityOf } from "./mailbox-access.ts"

/** Devices that connect at a time. */
const TOGETHER = 4
const DIAL_MS_MAX = 30_000

const relay = text(fieldsOf(process.argv[2]), "relay")
const [random, clock] = [systemRandom(), systemClock()]
const network = libp2pNetwork()
const hosts: Host[] = []
say({})
for await (const line of createInterface({ input: process.stdin })) {
  const [command, count] = line.split(" ")
  if (command !== "connect") throw new TypeError(`'${line}' is not known`)
  let left = Number(count)
  await Promise.all(
    Array.from({ length: TOGETHER }, async () => {
      while (left-- > 0) hosts.push(await connect())
    }),
  )
  say({})
}
await Promise.all(hosts.map((host) => host.close()))

async function connect(): Promise<Host> {
  const host = await network.host()
  const signal = AbortSignal.timeout(DIAL_MS_MAX)
  const channel = await host.dial(relay, RELAY_PROTOCOL, { signal })
  const client = await connectRelay(channel, { clock, dialerKey: host.publicKey, signal })
  const key = generateSigningKey(random)
  const holder = generateSigningKey(random)
  await client.create({ key, kind: "archive" })
  const capability = capabilityOf({ mailboxKey: key, holder, right: "read", clock, random })
  const mailbox = await client.open({ capability, mailbox: key.publicKey, holder })
  await mailbox.watch(() => undefined)
  return host
}
