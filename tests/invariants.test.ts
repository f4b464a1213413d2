/**
 * What never happens, where the shape of the code is what forbids it. `ARCHITECTURE.md` names each.
 *
 * @module
 */
import { globSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { describe, expect, test } from "vitest"
import manifest from "../package.json" with { type: "json" }
import { readSource, type Source } from "./architecture/source.ts"

interface Lock {
  readonly packages: Readonly<
    Record<string, { integrity?: string; link?: boolean; hasInstallScript?: boolean }>
  >
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

const ROOT: string = join(import.meta.dirname, "..")

/** Whatever opens what is sealed, or is a key that does. */
const OPENERS: readonly string[] = [
  "openSpan",
  "openSpanContent",
  "openSnapshot",
  "openStored",
  "openContent",
  "openKeySpan",
  "unwrap",
  "unwrapTagged",
  "EpochKey",
  "epochKey",
]

describe.each(["sync", "relay", "net"])("[I1] %s never sees plaintext", (name) => {
  const sources = sourcesOf(`packages/${name}/src/*.ts`)

  test("there is code to look at", () => {
    expect(sources.length).toBeGreaterThan(1)
  })

  test.each(OPENERS)("nothing in it is called %s", (opener) => {
    const word = new RegExp(`\\b${opener}\\b`)
    expect(sources.filter(({ code }) => word.test(code)).map(({ path }) => path)).toEqual([])
  })
})

test("[I2] Automerge runs behind the documents contract and nowhere else", () => {
  const importers = sourcesOf("{packages,nodes}/*/src/**/*.ts").filter(({ imports }) =>
    imports.some(({ specifier, isType }) => specifier.startsWith("@automerge/") && !isType),
  )
  expect(importers.map(({ path }) => path).toSorted()).toEqual([
    "packages/record/src/automerge-wasm.ts",
    "packages/record/src/portable-wasm.ts",
  ])
})

test("[I3] the vendor's side has no way to a record: nothing that it runs imports any of it", () => {
  const engine = new Map(sourcesOf("packages/engine/src/**/*.ts").map((one) => [one.path, one]))
  const reached = new Set([...engine.keys()].filter((path) => path.includes("/vendor-side/")))
  expect(reached.size).toBeGreaterThan(5)
  const libraries = new Set<string>()
  // What is added meanwhile is gone through too.
  for (const path of reached) {
    for (const { specifier, isType } of engine.get(path)?.imports ?? []) {
      if (isType) continue
      if (specifier.startsWith(".")) reached.add(join(dirname(path), specifier))
      else libraries.add(specifier)
    }
  }
  const record = /^@fulcrum\/(record|access)\//
  expect([...libraries].filter((library) => record.test(library))).toEqual([])
  const folders = new Set([...reached].map((path) => path.split("/")[3]))
  // Of items, how a span's end is kept; of relationships, a share as both sides have it.
  expect([...folders].toSorted()).toEqual([
    "failures",
    "items",
    "mailboxes",
    "relationships",
    "vendor-side",
    "waiting",
  ])
  const item = /\/(items|relationships)\//
  expect([...reached].filter((path) => item.test(path)).toSorted()).toEqual([
    "packages/engine/src/items/span-end.ts",
    "packages/engine/src/relationships/person-lane.ts",
    "packages/engine/src/relationships/share-space.ts",
    "packages/engine/src/relationships/share-writers.ts",
  ])
})

describe("[R30] what is installed", () => {
  const { packages }: Lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8"))
  const outside = Object.entries(packages).filter(([path]) => path.includes("node_modules/"))

  test("is locked by hash", () => {
    const loose = outside.filter(([, { integrity, link }]) => !integrity && !link)
    expect(outside.length).toBeGreaterThan(100)
    expect(loose.map(([path]) => path)).toEqual([])
  })

  test("runs no script of its own", () => {
    const scripted = outside.filter(([, { hasInstallScript }]) => hasInstallScript)
    const names = scripted.map(([path]) => path.replace(/^.*node_modules\//, ""))
    const { allowScripts } = manifest
    expect(names.filter((name) => Object.entries(allowScripts).every(([n]) => n !== name))).toEqual(
      [],
    )
    expect(Object.values(allowScripts).filter(Boolean)).toEqual([])
  })

  test("is named by its exact version", () => {
    const loose = globSync("{.,packages/*,nodes/*}/package.json", { cwd: ROOT }).flatMap((file) => {
      const { dependencies, devDependencies, optionalDependencies }: Manifest = JSON.parse(
        readFileSync(join(ROOT, file), "utf8"),
      )
      return Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })
        .filter(([name, version]) => !name.startsWith("@fulcrum/") && !/^\d+\.\d/.test(version))
        .map(([name]) => `${file}: ${name}`)
    })
    expect(loose).toEqual([])
  })
})

test("[R17] nothing is installed that would tell a peer more than the handshake does", () => {
  const lock = readFileSync(join(ROOT, "package-lock.json"), "utf8")
  const talkative = [
    "identify",
    "ping",
    "kad-dht",
    "gossipsub",
    "floodsub",
    "pubsub-peer-discovery",
  ]
  const found = talkative.filter((name) =>
    new RegExp(`node_modules/@[\\w-]+/(libp2p-)?${name}"`).test(lock),
  )
  expect(found).toEqual([])
  const mdns = sourcesOf("packages/*/src/**/*.ts").filter(({ imports }) =>
    imports.some(
      ({ specifier }) => specifier === "@libp2p/mdns" || specifier === "@fulcrum/net/mdns",
    ),
  )
  expect(mdns.map(({ path }) => path)).toEqual(["packages/net/src/mdns.ts"])
})

function sourcesOf(pattern: string): readonly (Source & { readonly path: string })[] {
  return globSync(pattern, { cwd: ROOT }).map((path) => ({
    path: path.replaceAll("\\", "/"),
    ...readSource(readFileSync(join(ROOT, path), "utf8")),
  }))
}
