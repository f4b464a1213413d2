/**
 * The first process of a contestant: makes the record, serves it, and makes an edit for each line
 * that it reads, until its standard input ends.
 *
 * Argument: the JSON of a {@link ProcessTask}. Prints the JSON of a {@link ServerReady}, then for each
 * edit when it began, in nanoseconds of the clock that all processes of a machine share.
 *
 * @module
 */
import { createInterface } from "node:readline"
import { seededEdits } from "../seeded-record.ts"
import { loadContestant } from "./contestants/all.ts"
import { readTask, writeServerReady } from "./messages.ts"

const { contestant, shape, folder } = readTask(process.argv[2])
const { serve } = await loadContestant(contestant)
const server = await serve({ shape, folder })
const { port, invitation } = server
console.log(writeServerReady({ port, invitation }))

const [first] = seededEdits(shape)
for await (const value of createInterface({ input: process.stdin })) {
  if (first === undefined) break
  const begun = process.hrtime.bigint()
  await server.edit({ ...first, value })
  console.log(String(begun))
}
await server[Symbol.asyncDispose]()
