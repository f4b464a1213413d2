/** What the bench of attachments measures happens: one is sealed, fetched whole, and forgotten again. */
import { expect, test } from "vitest"
import { formatAttachment, runAttachment } from "../bench/attachment/attachment.ts"

test("an attachment is fetched as often as it is said, beside a bare stream", async () => {
  const progress: string[] = []
  const bytes = 3 * 2 ** 20 + 1
  const report = await runAttachment({ bytes, rounds: 2, progress: (what) => progress.push(what) })
  expect(progress).toHaveLength(4)
  // The list of 13 chunks, a tag for each, and what the padding adds.
  expect(report.sealedBytes).toBe(3_211_888)
  for (const one of [report.raw, report.rawAgain, report.fetched]) {
    expect(one.count).toBe(2)
    expect(one.least).toBeGreaterThan(0)
  }
  expect(formatAttachment(report).split("\n")).toHaveLength(6)
}, 90_000)
