import { systemClock } from "@fulcrum/crypto/clock"
import { seededRandom } from "@fulcrum/crypto/random"
import { describe, test } from "vitest"
import { MemoryNetwork } from "../src/memory.ts"
import { netContract } from "../src/suite.ts"

describe.each([
  ["at once", {}],
  ["with latency", { latencyMs: [1, 3] as const }],
])("the contract in memory, %s", (_, quality) => {
  const clock = systemClock()
  const network = new MemoryNetwork({ clock, random: seededRandom("contract"), quality })
  const adapter = { network, clock, address: "/memory/0", nowhere: "/memory/nobody" }
  for (const { name, run } of netContract(adapter)) test(name, run)
})
