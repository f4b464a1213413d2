/**
 * The packages in a browser: they bundle without anything of Node's, and do there what they do here.
 *
 * The browser comes with `npm ci`, for Linux on x64; elsewhere what needs one is skipped, by name.
 */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { ADAPTER_SUBPATHS } from "../architecture/rules.ts"
import { bundle } from "./bundle.ts"
import { callIn, openPage, type ServedPage } from "./page.ts"

const ROOT = join(import.meta.dirname, "../..")
const PACKAGES = "codec crypto log sync access attachments record relations engine relay".split(" ")
/** Adapters that a browser can use. */
const FOR_BROWSERS = ["crypto/remembering", "record/in-line"]
const HAS_BROWSER = process.platform === "linux" && process.arch === "x64"

/** Everything that a package offers, but adapters of other platforms. */
async function entryOf(name: string): Promise<string> {
  const manifest: { readonly exports: Readonly<Record<string, string>> } = JSON.parse(
    await readFile(join(ROOT, "packages", name, "package.json"), "utf8"),
  )
  const adapters = ADAPTER_SUBPATHS[name] ?? []
  return Object.keys(manifest.exports)
    .map((subpath) => subpath.replace(/^\.\/?/, ""))
    .filter((one) => !adapters.includes(one) || FOR_BROWSERS.includes(`${name}/${one}`))
    .map((one, at) => `export * as all${at} from "@fulcrum/${name}${one && `/${one}`}"`)
    .join("\n")
}

test.for(PACKAGES)("[B1] %s bundles for a browser, with nothing of Node's", async (name) => {
  const text = await bundle(await entryOf(name), join(ROOT, "packages", name))
  expect(text.length).toBeGreaterThan(10_000)
})

test("[B1] what needs Node does not bundle", async () => {
  const entry = 'export * from "@fulcrum/store/level"'
  await expect(bundle(entry, join(ROOT, "packages/engine"))).rejects.toThrow(/node:/)
})

describe.skipIf(!HAS_BROWSER)("in a browser (Linux on x64 only)", () => {
  let served: ServedPage
  beforeAll(async () => {
    const modules = new Map<string, string>()
    for (const name of ["stores", "devices"]) {
      const entry = `export * from "./${name}.ts"`
      modules.set(`/${name}.js`, await bundle(entry, join(import.meta.dirname, "in-page")))
    }
    served = await openPage(modules)
  }, 120_000)
  afterAll(() => served[Symbol.asyncDispose]())

  const call = <T>(module: string, name: string, ...args: readonly string[]): Promise<T> =>
    callIn(served.page, `/${module}.js`, name, ...args)

  test.for(["browser", "memory"])("[S1] to [S7] the storage contract holds: %s", async (where) => {
    const results = await call<Readonly<Record<string, string>>>("stores", "runContract", where)
    expect(Object.keys(results).length).toBeGreaterThan(10)
    expect(Object.entries(results).filter(([, result]) => result !== "ok")).toEqual([])
  })

  test("[S3] every write there is flushed before it is acknowledged", async () => {
    const seen = await call<readonly string[]>("stores", "durabilities")
    expect(seen).toContain("readwrite strict")
    expect(seen.filter((one) => one.startsWith("readwrite") && !one.endsWith("strict"))).toEqual([])
  })

  test("[S3] what was written is there after the page was loaded again", async () => {
    expect(await call<number>("stores", "countAndAdd", "again")).toBe(0)
    await served.page.reload()
    expect(await call<number>("stores", "countAndAdd", "again")).toBe(1)
  })

  test("[S5] another page is told that the store is in use", async () => {
    const holder = await served.page.context().newPage()
    await holder.goto(served.page.url())
    await callIn(holder, "/stores.js", "hold", "shared")
    await expect(call("stores", "countAndAdd", "shared")).rejects.toThrow("has this store open")
    await holder.close()
    await expect.poll(() => call<number>("stores", "countAndAdd", "shared").catch(() => -1)).toBe(0)
  })

  test("[B2] two devices pair, edit and keep in step there, and have it all when opened again", async () => {
    const [phone = "", laptop = ""] = await call<readonly string[]>("devices", "twoDevices")
    expect(phone).toBe(laptop)
    for (const value of ["Ada Example", "New Street 2", "Countess"]) expect(phone).toContain(value)
    expect(served.complaints).toEqual([])
  })
})
