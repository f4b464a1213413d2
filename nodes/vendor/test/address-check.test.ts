/**
 * Where a webhook may go: the table of addresses.
 *
 * @module
 */
import { describe, expect, test } from "vitest"
import {
  isLoopbackAddress,
  isLoopbackHost,
  isPublicAddress,
  mayPost,
} from "../src/address-check.ts"

const PUBLIC = ["1.1.1.1", "8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00::1"]
const PRIVATE = [
  "0.0.0.0",
  "10.1.2.3",
  "100.64.0.1",
  "127.0.0.1",
  "127.255.255.254",
  "169.254.169.254",
  "172.16.0.1",
  "172.31.255.255",
  "192.0.0.170",
  "192.0.2.1",
  "192.168.1.1",
  "198.18.0.1",
  "198.51.100.7",
  "203.0.113.7",
  "224.0.0.1",
  "239.255.255.250",
  "240.0.0.1",
  "255.255.255.255",
  "::",
  "::1",
  "::ffff:10.0.0.1",
  "::ffff:8.8.8.8",
  "::10.0.0.1",
  "64:ff9b::a00:1",
  "64:ff9b:1::1",
  "100::1",
  "2001::1",
  "2001:db8::1",
  "2002:a00:1::1",
  "3fff::1",
  "fc00::1",
  "fd12:3456::1",
  "fe80::1",
  "fe80::1%eth0",
  "fec0::1",
  "ff02::1",
  "2130706433",
  "0x7f000001",
  "not an address",
  "",
]

describe("[R29] a hook's address", () => {
  test.for(PUBLIC)("%s is public", (address) => {
    expect([isPublicAddress(address), mayPost("crm.example", address)]).toEqual([true, true])
  })

  test.for(PRIVATE)("%s is not", (address) => {
    expect([isPublicAddress(address), mayPost("crm.example", address)]).toEqual([false, false])
  })

  test("this machine is meant only where it is named", () => {
    expect(["localhost", "127.0.0.1", "[::1]", "127.8.9.1"].map(isLoopbackHost)).not.toContain(
      false,
    )
    expect(
      ["localhost.example", "127.0.0.1.example", "10.0.0.1"].map(isLoopbackHost),
    ).not.toContain(true)
    expect(isLoopbackAddress("::ffff:127.0.0.1")).toBe(true)
    expect(mayPost("localhost", "127.0.0.1")).toBe(true)
    // A name of this machine that leads elsewhere, and a name elsewhere that leads here.
    expect(mayPost("localhost", "192.168.1.1")).toBe(false)
    expect(mayPost("crm.example", "127.0.0.1")).toBe(false)
  })
})
