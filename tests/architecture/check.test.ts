/**
 * The checker can fail: each rule is broken once on purpose, and each near miss passes.
 *
 * @module
 */

import { describe, expect, test } from "vitest"
import { checkFile, checkManifest, findCycles } from "./check.ts"
import { readSource } from "./source.ts"

const at = (path: string, text: string): readonly string[] => checkFile({ path, text })
const LOG = "packages/log/src/entry.ts"

describe("imports", () => {
  test.for([
    [
      "an import that points up",
      'import { step } from "@fulcrum/sync/step"',
      "may not import sync",
    ],
    ["one in the type space", 'import type { S } from "@fulcrum/sync/step"', "may not import sync"],
    ["one at run time", 'await import("@fulcrum/engine")', "may not import engine"],
    ["one over several lines", 'import {\n  a,\n  b,\n} from "@fulcrum/net"', ":4: log may not"],
    ["another's library", 'import { encode } from "cborg"', "cborg belongs to codec"],
    ["a library's subpath", 'import { x } from "@noble/hashes/sha2.js"', "belongs to crypto"],
    ["a library nobody owns", 'import leftPad from "left-pad"', "left-pad has no owner"],
    ["a node module", 'import { readFileSync } from "node:fs"', "node:fs outside an adapter"],
    [
      "another package's file",
      'import { x } from "../../codec/src/cbor.ts"',
      "reaches into another",
    ],
    ["itself by name", 'import { x } from "@fulcrum/log/span"', "use a relative import"],
    ["a re-export", 'export { x } from "./span.ts"', "no barrels"],
    ["a star re-export", 'export * from "./span.ts"', "no barrels"],
    ["a quote in a comment before", '// don\'t\nimport { x } from "cborg"', ":2: cborg belongs"],
    [
      "a regular expression before",
      'const q = /["\']/\nimport { x } from "cborg"',
      "cborg belongs",
    ],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the fixture is a template's source.
    ["a template before", 'const q = `"${a + "}"}`\nimport "cborg"', ":2: cborg belongs"],
  ] as const)("%s is refused", ([, text, message]) => {
    expect(at(LOG, text).join("\n")).toContain(message)
  })

  test.for([
    ["a lower layer", 'import { encodeCbor } from "@fulcrum/codec/cbor"'],
    ["a file of its own", 'import { span } from "./span.ts"'],
    ["types handed on", 'export type { Span } from "./span.ts"'],
    ["an import in a comment", '// import { x } from "node:fs"\n/* import "cborg" */'],
    ["an import in a string", "const text = 'import { x } from \"node:fs\"'"],
    ["an import in a template", 'const text = `import { x } from "node:fs"`'],
  ] as const)("%s is fine", ([, text]) => {
    expect(at(LOG, text)).toEqual([])
  })

  test("only programs and sim choose an adapter", () => {
    const text = 'import { openLevel } from "@fulcrum/store/level"'
    expect(at("packages/engine/src/person/device.ts", text).join()).toContain("is an adapter")
    expect(at("packages/relay/src/mailbox.ts", text).join()).toContain("is an adapter")
    expect(at("nodes/device/src/up.ts", text)).toEqual([])
    expect(at("packages/sim/src/world.ts", text)).toEqual([])
  })

  test("a library stays in its owner's adapter", () => {
    const text = 'import { createLibp2p } from "libp2p"'
    expect(at("packages/net/src/memory.ts", text).join()).toContain("stays within")
    expect(at("packages/net/src/libp2p-host.ts", text)).toEqual([])
  })

  test("a test may import what it likes, but by its public name", () => {
    const path = "packages/log/test/entry.test.ts"
    expect(at(path, 'import { x } from "@fulcrum/sim/world"\nimport "node:fs"')).toEqual([])
    expect(at(path, 'import { x } from "../../sim/src/world.ts"').join()).toContain("reaches into")
  })

  test("a file imports from its own folder and from those below it", () => {
    const path = "packages/engine/src/mailboxes/x.ts"
    const wrong = 'import type { Person } from "../opening/person-engine.ts"'
    expect(at(path, wrong).join()).toContain("in a folder above this one")
    expect(at(path, 'import { y } from "../ledger/ledger.ts"\nimport "./y.ts"')).toEqual([])
    expect(at("packages/engine/src/x.ts", "").join()).toContain("none of this package's folders")
    expect(at("packages/engine/src/other/x.ts", "").join()).toContain("none of this package's")
  })

  test("a file named index.ts is refused", () => {
    expect(at("packages/log/src/index.ts", "").join()).toContain("barrel")
  })
})

describe("the world by injection", () => {
  test.for([
    ["Date.now()", "clock"],
    ["globalThis.Date.now()", "clock"],
    ["new Date()", "clock"],
    ["new Date ( /* now */ )", "clock"],
    ["const d = new Date\n", "clock"],
    ["Date()", "clock"],
    ["performance.now()", "clock"],
    ["Math.random()", "random"],
    ["crypto.getRandomValues(bytes)", "random"],
    ["globalThis.crypto.randomUUID()", "random"],
    ["x25519.utils.randomSecretKey()", "random"],
    ["setTimeout(done, 5)", "timer"],
    ["globalThis.setInterval(done, 5)", "timer"],
    ["AbortSignal.timeout(5)", "timer"],
    ["process.env.HOME", "node"],
    ["globalThis.process?.versions", "node"],
    ["Buffer.from(bytes)", "node"],
    ["import.meta.dirname", "node"],
    ["await fetch(url)", "network"],
    ["new WebSocket(url)", "network"],
    ["console.log(1)", "console"],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the fixture is a template's source.
    ["const text = `at ${Date.now()}`", "clock"],
  ] as const)("[R32] %s is refused", ([text, power]) => {
    expect(at(LOG, text).join("\n")).toContain(`take the ${power} by injection`)
  })

  test.for([
    ["an injected clock", "const now = clock.now()"],
    ["an injected timer", "clock.setTimeout(done, 5)"],
    ["a date from a number", "new Date(ms).toISOString()"],
    ["a date's type", "function day(date: Date): string {}"],
    ["a comment", "// Date.now() would tell the time\n/** Math.random */"],
    ["a string", 'const text = "Date.now()"'],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the fixture is a template's source.
    ["a template", "const text = `Date.now() ${1}`"],
    ["a regular expression", "const pattern = /Date.now[/]Math.random/"],
    ["a division before", "const half = (a) / 2 // setTimeout\nconst third = b / 3"],
  ] as const)("%s is fine", ([, text]) => {
    expect(at(LOG, text)).toEqual([])
  })

  test("an adapter has the powers it is listed with, and no more", () => {
    expect(at("packages/crypto/src/clock.ts", "Date.now(); setTimeout(done, 5)")).toEqual([])
    expect(at("packages/crypto/src/random.ts", "Date.now()")).toHaveLength(1)
    expect(at("packages/store/src/level.ts", 'import { rm } from "node:fs/promises"')).toEqual([])
    expect(at("packages/store/src/memory.ts", 'import { rm } from "node:fs/promises"').length).toBe(
      1,
    )
    expect(at("nodes/device/src/up.ts", "console.log(Date.now(), process.pid)")).toEqual([])
  })
})

describe("rings", () => {
  const file = (path: string, ...imports: string[]) => ({ path, text: imports.join("\n") })

  test("a ring is found and told once", () => {
    const files = [
      file("a/x.ts", 'import { y } from "./y.ts"'),
      file("a/y.ts", 'import { z } from "./z.ts"'),
      file("a/z.ts", 'import { x } from "./x.ts"'),
    ]
    expect(findCycles(files)).toEqual(["a/x.ts → a/y.ts → a/z.ts → a/x.ts"])
  })

  test("types are erased and make no ring; neither do two roads to one file", () => {
    const files = [
      file("a/x.ts", 'import { y } from "./y.ts"', 'import { z } from "./z.ts"'),
      file("a/y.ts", 'import { z } from "./z.ts"', 'import type { X } from "./x.ts"'),
      file("a/z.ts"),
    ]
    expect(findCycles(files)).toEqual([])
  })
})

describe("manifests", () => {
  const uses = [{ path: LOG, text: 'import { x } from "@fulcrum/codec/cbor"' }]

  test("an import that is not declared, a range and a foreign library are found", () => {
    expect(checkManifest("log", {}, uses).join()).toContain("does not declare")
    const loose = { dependencies: { "@fulcrum/codec": "^0.1.0", pg: "8.23.1" } }
    const found = checkManifest("log", loose, uses).join("\n")
    expect(found).toContain("not an exact version")
    expect(found).toContain("pg belongs to store")
  })

  test("an exact and complete one passes", () => {
    expect(checkManifest("log", { dependencies: { "@fulcrum/codec": "0.1.0" } }, uses)).toEqual([])
  })
})

test("lines and kinds of imports are told apart", () => {
  const text = 'import "./a.ts"\n\nimport type B from "./b.ts"\nexport * as c from "./c.ts"\n'
  expect(readSource(text).imports).toEqual([
    { specifier: "./a.ts", kind: "import", isType: false, isStar: false, line: 1 },
    { specifier: "./b.ts", kind: "import", isType: true, isStar: false, line: 3 },
    { specifier: "./c.ts", kind: "export", isType: false, isStar: true, line: 4 },
  ])
})
