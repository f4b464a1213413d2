import { describe, expect, test } from "vitest"
import { machineKind, thisMachineKind } from "../src/machine-kind.ts"

describe("what sort of machine this is", () => {
  test.each([
    ["linux", 10, "Linux, laptop"],
    ["linux", 3, "Linux, desktop"],
    ["linux", 23, "Linux, server"],
    ["linux", 1, "Linux"],
    ["linux", Number.NaN, "Linux"],
    ["linux", undefined, "Linux"],
    ["darwin", undefined, "macOS"],
    ["win32", undefined, "Windows"],
    ["plan9", undefined, "another system"],
  ])("on %s with chassis %s is %s", (system, chassis, kind) => {
    expect(machineKind(system, chassis)).toBe(kind)
  })

  test("is the same each time", () => {
    expect(thisMachineKind()).toBe(thisMachineKind())
    expect(thisMachineKind()).not.toBe("")
  })
})
