/** What LevelDB and the file system say, as the contract's errors. */
import { expect, test } from "vitest"
import { toStoreError } from "../src/level-error.ts"

/** As `abstract-level` wraps what LevelDB says. */
function said(message: string, code: string): Error {
  const cause = Object.assign(new Error(message), { code: "LEVEL_IO_ERROR" })
  return Object.assign(new Error("Database failed to open", { cause }), { code })
}

const file = (code: string) => Object.assign(new Error(`${code}: open '/data/RESERVE'`), { code })

test.each([
  ["EACCES", file("EACCES"), /may not be written to by you/],
  ["EPERM", file("EPERM"), /may not be written to by you/],
  ["EROFS", file("EROFS"), /only be read/],
  [
    "LevelDB without a right",
    said("IO error: /data/LOCK: Permission denied", "LEVEL_DATABASE_NOT_OPEN"),
    /may not be written to by you/,
  ],
  [
    "LevelDB on a disk that is only read",
    said("IO error: /data/000005.log: Read-only file system", "LEVEL_DATABASE_NOT_OPEN"),
    /only be read/,
  ],
])("what may not be written to is told as that, and not as a failed disk: %s", (_, error, text) => {
  expect(toStoreError(error)).toMatchObject({
    code: "STORE_DENIED",
    message: expect.stringMatching(text),
    cause: error,
  })
})

test("what is not known by its name is a failed disk", () => {
  const error = said("IO error: /data/000005.log: Input/output error", "LEVEL_DATABASE_NOT_OPEN")
  expect(toStoreError(error)).toMatchObject({ code: "STORE_IO" })
})
