/**
 * Which addresses a webhook may go to: the public internet, or this very machine if the hook says
 * so by name. A name is resolved for each attempt and the address that is dialed is the one that
 * was checked, so a name that points somewhere else the second time gains nothing.
 *
 * Source: SECURITY R29; the IANA special-purpose registries (RFC 6890 and after).
 *
 * @module
 */
import { BlockList, isIPv4, isIPv6 } from "node:net"

const SPECIAL_IPV4: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.31.196.0", 24],
  ["192.52.193.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["192.175.48.0", 24],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
]

/** Of IPv6 only global unicast (2000::/3) is public, less these. */
const SPECIAL_IPV6: readonly (readonly [string, number])[] = [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["2620:4f:8000::", 48],
  ["3fff::", 20],
]

const special = new BlockList()
for (const [net, prefix] of SPECIAL_IPV4) special.addSubnet(net, prefix, "ipv4")
for (const [net, prefix] of SPECIAL_IPV6) special.addSubnet(net, prefix, "ipv6")

const global = new BlockList()
global.addSubnet("2000::", 3, "ipv6")

const loopback = new BlockList()
loopback.addSubnet("127.0.0.0", 8, "ipv4")
loopback.addAddress("::1", "ipv6")

/** Whether the address is of the public internet. What is no address is not. */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !special.check(address, "ipv4")
  // A zone is of a link, so never public; an embedded IPv4 address lies outside 2000::/3.
  if (!isIPv6(address) || address.includes("%")) return false
  return global.check(address, "ipv6") && !special.check(address, "ipv6")
}

export function isLoopbackAddress(address: string): boolean {
  if (isIPv4(address)) return loopback.check(address, "ipv4")
  return isIPv6(address) && loopback.check(address, "ipv6")
}

/** Whether a URL's host says that it is this machine: `localhost` or a loopback address. */
export function isLoopbackHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, "")
  return host === "localhost" || isLoopbackAddress(host)
}

/** Whether a hook with this host may be posted to at this address. */
export function mayPost(hostname: string, address: string): boolean {
  return isLoopbackHost(hostname) ? isLoopbackAddress(address) : isPublicAddress(address)
}
