/** Group commit: what is gathered, in which order, and what waits at most. */
import { expect, test } from "vitest"
import { GROUP_BYTES_MAX, QUEUE_BYTES_MAX } from "../src/contract.ts"
import { GroupCommit } from "../src/group-commit.ts"

test("[S4] what is submitted during a flush goes into the next, in order", async () => {
  const { commits, groups, finish } = slowCommits()
  const first = commits.submit(1, 1)
  await turn()
  const rest = [2, 3, 4].map((item) => commits.submit(item, 1))
  await turn()
  expect(groups).toEqual([[1]])
  finish()
  await first
  await turn()
  finish()
  await Promise.all(rest)
  expect(groups).toEqual([[1], [2, 3, 4]])
  await commits.drained()
})

test("a group stays within its bytes, unless one item has more", async () => {
  const groups: string[][] = []
  const commits = new GroupCommit<string>(async (items) => {
    groups.push([...items])
  })
  const half = GROUP_BYTES_MAX / 2
  await Promise.all([
    commits.submit("a", half),
    commits.submit("b", half),
    commits.submit("c", 1),
    commits.submit("d", 5 * half),
    commits.submit("e", 1),
  ])
  expect(groups).toEqual([["a", "b"], ["c"], ["d"], ["e"]])
})

test("[S6] past what may wait a write is refused as STORE_BUSY, and later ones are not", async () => {
  const { commits, finish } = slowCommits()
  const first = commits.submit(1, 1)
  await turn()
  const second = commits.submit(2, QUEUE_BYTES_MAX)
  await expect(commits.submit(3, 1)).rejects.toMatchObject({ code: "STORE_BUSY" })
  finish()
  await first
  await turn()
  const third = commits.submit(4, 1)
  finish()
  await second
  await turn()
  finish()
  await third
})

test("[S7] a failed flush is told to those in it and to no other", async () => {
  const commits = new GroupCommit<string>(async (items) => {
    if (items.includes("bad")) throw new Error("no")
  })
  const bad = [commits.submit("bad", 1), commits.submit("with it", 1)]
  for (const each of bad) await expect(each).rejects.toThrow("no")
  await commits.submit("after", 1)
})

/** Commits that last until `finish` is called. */
function slowCommits() {
  const groups: number[][] = []
  let finish = () => {}
  const commits = new GroupCommit<number>((items) => {
    groups.push([...items])
    return new Promise((resolve) => {
      finish = resolve
    })
  })
  return { commits, groups, finish: () => finish() }
}

/** Lets everything run that is ready to. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
