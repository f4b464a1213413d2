import { systemClock } from "@fulcrum/crypto/clock"
import { describe, test } from "vitest"
import { libp2pNetwork } from "../src/libp2p.ts"
import { netContract } from "../src/suite.ts"

describe.each([
  ["TCP", "/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/tcp/1"],
  ["WebSocket", "/ip4/127.0.0.1/tcp/0/ws", "/ip4/127.0.0.1/tcp/1/ws"],
])("the contract over %s", (_, address, nowhere) => {
  const adapter = { network: libp2pNetwork(), clock: systemClock(), address, nowhere }
  for (const { name, run } of netContract(adapter)) test(name, run)
})
