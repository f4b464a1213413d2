import { afterEach, expect, test, vi } from "vitest"
import { describeFailure, failureOf, ProgramError } from "../src/program-error.ts"
import { CodedError } from "./memory-person.ts"

afterEach(() => vi.unstubAllEnvs())

test("a failure is one line: what happened, its code, what to do", () => {
  const failure = failureOf(new CodedError("VENDOR_UNKNOWN", "no relationship goes by\nthat name"))
  expect(describeFailure(failure, false)).toBe(
    "fulcrum: no relationship goes by that name (VENDOR_UNKNOWN): see `fulcrum relationships` for the names",
  )
})

test("what undo does not undo is told with what does", () => {
  const failure = failureOf(new CodedError("UNDO_NOTHING", "the newest change is a move"))
  expect(failure.todo).toMatch(/^take a move back with another `fulcrum move`; /)
})

test("with --json the line is JSON", () => {
  const failure = failureOf(new ProgramError("A_CODE", "it broke", "mend it"))
  expect(JSON.parse(describeFailure(failure, true))).toEqual({
    error: { code: "A_CODE", message: "it broke", todo: "mend it" },
  })
})

test("[R20] a mistake of ours is told without its message, which may hold a value", () => {
  const line = describeFailure(failureOf(new TypeError("bad value: Ada Blume")), false)
  expect(line).toContain("(INTERNAL)")
  expect(line).not.toContain("Ada")
})

test("[R20] even with FULCRUM_DEBUG only the places are added", () => {
  vi.stubEnv("FULCRUM_DEBUG", "1")
  const line = describeFailure(failureOf(new TypeError("bad value: Ada Blume")), false)
  expect(line).toContain("program-error.test.ts")
  expect(line).not.toContain("Ada")
})

test("the system's errors about files are told with the path", () => {
  const error = Object.assign(new Error("ENOENT: no such file"), { code: "ENOENT", path: "/a" })
  expect(failureOf(error)).toMatchObject({
    code: "FILE_IO",
    message: "there is no such file or folder (/a)",
  })
  const denied = Object.assign(new Error("EACCES: mkdir"), { code: "EACCES", path: "/a" })
  expect(failureOf(denied).todo).toContain("permissions")
})

test("Node's own codes are mistakes of ours", () => {
  const error = Object.assign(new TypeError("secret"), { code: "ERR_INVALID_ARG_TYPE" })
  expect(failureOf(error).code).toBe("INTERNAL")
})
