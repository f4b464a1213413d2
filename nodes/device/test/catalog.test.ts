import { expect, test } from "vitest"
import { CATALOG } from "../src/catalog.ts"
import { apiName } from "../src/catalog-entry.ts"

test("every command has an example that begins with its own name", () => {
  for (const { name, examples } of CATALOG) {
    expect(examples.length, name).toBeGreaterThan(0)
    expect(examples[0], name).toMatch(new RegExp(`^fulcrum ${name.split(" ")[0]}`))
  }
})

test("names are told apart, in the API too", () => {
  expect(new Set(CATALOG.map(apiName)).size).toBe(CATALOG.length)
})

test("every command that needs a record can be loaded", async () => {
  for (const { name, where, load } of CATALOG) {
    if (where === "record") expect(await load?.(), name).toBeTypeOf("function")
    else expect(load, name).toBeUndefined()
  }
})
