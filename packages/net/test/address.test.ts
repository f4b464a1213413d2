import { execFileSync } from "node:child_process"
import fc from "fast-check"
import { expect, test } from "vitest"
import { ADDRESSES_TOLD_MAX, addressesToTell, addressParts } from "../src/address.ts"
import { NetError } from "../src/contract.ts"
import { publicKeyToPeerId } from "../src/peer-id.ts"

const ID = publicKeyToPeerId(new Uint8Array(32).fill(9))

test.for([
  ["/ip4/192.0.2.1/tcp/4001", "tcp", "192.0.2.1", 4001],
  ["/ip4/0.0.0.0/tcp/0", "tcp", "0.0.0.0", 0],
  ["/ip6/::1/tcp/65535", "tcp", "::1", 65_535],
  ["/ip6/2001:db8::7/tcp/80/ws", "ws", "2001:db8::7", 80],
  ["/dns4/relay.example/tcp/443/tls/ws", "wss", "relay.example", 443],
  ["/dns/relay.example/tcp/443/wss", "wss", "relay.example", 443],
  ["/dns6/localhost/tcp/1", "tcp", "localhost", 1],
  ["/memory/host-1", "memory", "host-1", 0],
] as const)("[N41] %s is taken apart", ([address, transport, host, port]) => {
  expect(addressParts(address)).toEqual({ transport, host, port, peerId: undefined })
  expect(addressParts(`${address}/p2p/${ID}`)).toEqual({ transport, host, port, peerId: ID })
})

test.for([
  "",
  "/",
  "ip4/1.2.3.4/tcp/1",
  "/ip4/1.2.3/tcp/1",
  "/ip4/1.2.3.4.5/tcp/1",
  "/ip4/256.2.3.4/tcp/1",
  "/ip4/01.2.3.4/tcp/1",
  "/ip4/1.2.3.4/tcp/65536",
  "/ip4/1.2.3.4/tcp/01",
  "/ip4/1.2.3.4/tcp/-1",
  "/ip4/1.2.3.4/tcp/",
  "/ip4/1.2.3.4/udp/1/quic-v1",
  "/ip4/1.2.3.4/tcp/1/",
  "/ip4/1.2.3.4/tcp/1/p2p",
  "/ip4/1.2.3.4/tcp/1/p2p/",
  `/ip4/1.2.3.4/tcp/1/p2p/${ID}x`,
  `/ip4/1.2.3.4/tcp/1/p2p/${ID}/p2p-circuit`,
  `/ip4/1.2.3.4/tcp/1/p2p/${ID}/p2p/${ID}`,
  "/ip6/::g/tcp/1",
  "/ip6/fe80::1%eth0/tcp/1",
  "/dns4/-a.example/tcp/1",
  "/dns4/a..example/tcp/1",
  "/dns4/a b/tcp/1",
  "/dns4/relay.example/tcp/443/ws/tls",
  "/dnsaddr/relay.example",
  "/unix/tmp/x",
  "/memory/",
  "/memory/a/tcp/1",
  `/dns4/${"a".repeat(400)}/tcp/1`,
])("[N41] %s is no address", (address) => {
  expect(() => addressParts(address)).toThrow(NetError)
})

test("[N41] any text is an address or the one coded error", () => {
  const word = fc.oneof(
    fc.constantFrom("ip4", "ip6", "dns4", "tcp", "ws", "tls", "p2p", "memory", "1.2.3.4", ID, "0"),
    fc.string({ maxLength: 12 }),
  )
  fc.assert(
    fc.property(fc.array(word, { maxLength: 9 }), (words) => {
      try {
        const { port } = addressParts(`/${words.join("/")}`)
        expect(port).toBeGreaterThanOrEqual(0)
      } catch (error) {
        expect(error).toBeInstanceOf(NetError)
        expect(error).toMatchObject({ code: "NET_ADDRESS_INVALID" })
      }
    }),
  )
})

test("[N41] the contract, addresses and ids load no transport", () => {
  const script = `
    const { registerHooks } = await import("node:module")
    const loaded = []
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
    for (const name of ["", "/contract", "/address", "/peer-id", "/discovery"]) {
      await import("@fulcrum/net" + name)
    }
    console.log(JSON.stringify(loaded))`
  const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], {
    cwd: import.meta.dirname,
    encoding: "utf8",
  })
  const loaded: string[] = JSON.parse(output)
  expect(loaded.some((url) => url.endsWith("/net/src/contract.ts"))).toBe(true)
  expect(loaded.filter((url) => url.includes("libp2p") || url.includes("multiformats"))).toEqual([])
})

test("[N41] loopback addresses are told only where there are no others", () => {
  const loopback = ["/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1", "/ip4/127.1.2.3/tcp/1/ws"]
  expect(addressesToTell([...loopback, "/ip4/192.0.2.1/tcp/1"])).toEqual(["/ip4/192.0.2.1/tcp/1"])
  expect(addressesToTell(loopback)).toEqual(loopback)
  expect(addressesToTell([])).toEqual([])
  const many = Array.from({ length: 40 }, (_, at) => `/ip4/192.0.2.${at}/tcp/1`)
  expect(addressesToTell(many)).toEqual(many.slice(0, ADDRESSES_TOLD_MAX))
})
