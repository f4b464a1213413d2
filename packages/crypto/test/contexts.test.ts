import { expect, test } from "vitest"
import { contexts } from "../src/contexts.ts"

const values: readonly string[] = Object.values(contexts)

test("[K5][R1] every context has one form", () => {
  for (const value of values) expect(value).toMatch(/^fulcrum\/v1\/[a-z0-9]+(?:-[a-z0-9]+)*$/)
})

test("[K5][R1] no two uses share a context", () => {
  expect(new Set(values).size).toBe(values.length)
})

test("[K5] a context is named in code as it is on the wire", () => {
  for (const [name, value] of Object.entries(contexts)) {
    const kebab = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
    expect(`fulcrum/v1/${kebab}`).toBe(value)
  }
})
