/**
 * What was found by seeds, each with a seed that finds it and a line on what it is.
 *
 * What a seed draws changes with its scenario, so that the first one to find a bug may pass it by
 * today: a row names the canary that puts the bug back under that very seed, and
 * `canaries.test.ts` shows that it is found. Once it is not, `npm run canaries` searches another.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises"
import { expect, test } from "vitest"
import { readPlan } from "../src/plan.ts"
import { runSeed } from "../src/run-seed.ts"
import type { ScenarioName } from "../src/scenario-names.ts"
import { CANARIES } from "./canaries.ts"

interface FoundSeed {
  readonly scenario: ScenarioName
  readonly seed: number
  /** What of the run is left out, as on the command line. */
  readonly plan?: {
    readonly steps?: string
    readonly skip?: string
    readonly calm?: string
  }
  readonly found: string
  /** Absent: no small patch brings it back, or the seed passes it by today. */
  readonly canary?: string
}

const FOUND: readonly FoundSeed[] = [
  {
    scenario: "pair",
    seed: 17,
    found: "after a failed flush a device edited on top of what its disk did not have",
    canary: "a device does not look again after a failed write",
  },
  {
    scenario: "basic",
    seed: 371,
    found: "an event whose write failed and landed was posted after newer ones",
    canary: "a vendor does not look for an event whose write failed",
  },
  {
    scenario: "bare",
    seed: 1628,
    found: "what was appended while a replica read its disk again was forgotten",
    canary: "an append is lost while the disk is read again",
  },
  {
    scenario: "basic",
    seed: 4,
    found: "what a relay withheld once was taken for read, and every later change waited for it",
    canary: "what a relay withheld is acknowledged with the rest",
  },
  {
    scenario: "basic",
    seed: 37,
    found: "edits that a clock far ahead kept from a company were told later in any order",
    canary: "an edit that is not told, by a clock that is ahead, is told by nobody",
  },
  {
    scenario: "basic",
    seed: 100266,
    found:
      "a company saw a value return: of two edits, the first was settled before the second came",
  },
  {
    scenario: "basic",
    seed: 119,
    found: "a company away for longer than its relay keeps things never heard of any change again",
    canary: "what a relay dropped unread is not brought again",
  },
  {
    scenario: "bare",
    seed: 365,
    found: "a replica told a peer that it held what that peer was only sending to it",
    canary: "what a peer says while a disk is read is given back to it",
  },
  {
    scenario: "bare",
    seed: 222,
    found: "a span was sent without what it was written on, which had come in meanwhile",
    canary: "what comes in while spans are selected is sent with them",
  },
  {
    scenario: "pair",
    seed: 2127,
    found: "a span that the relay refused was taken for held, since later ones had landed",
  },
  {
    scenario: "basic",
    seed: 455,
    found: "what a relay that went back was given anew, below what it had said, was read by nobody",
    canary: "a relay that ends before what it had said is read on from there",
  },
  {
    scenario: "members",
    seed: 1,
    found: "of two devices that removed each other the one that stayed could read nothing any more",
    canary: "a key entry without effect is followed by nobody",
  },
  {
    scenario: "members",
    seed: 1,
    found: "a device that lacked one key waited for ever for the span that would have brought it",
    canary: "keys that a key span carries are learned only once it is let in",
  },
  {
    scenario: "members",
    seed: 10,
    found: "what was written was sealed under an epoch that not every member had a wrap of",
    canary: "what is written is sealed under an epoch that a new device has no wrap of",
  },
  {
    scenario: "members",
    seed: 10,
    found: "after two removals at once nobody rotated, and nobody could write",
    canary: "a device without an epoch to write under is taken for one that has not joined",
  },
  {
    scenario: "members",
    seed: 1,
    found: "whoever removed a device let in what that one wrote since",
    canary: "whoever removed a device vouches for what it wrote since",
  },
  {
    scenario: "members",
    seed: 152,
    found: "spans of words that were replaced came to some devices and never to others",
    canary: "who was let in to no effect is a stranger",
  },
  {
    scenario: "members",
    seed: 71,
    found: "one removal took the place of another, and what counts was not made anew",
    canary: "removals are counted, not compared",
  },
  {
    scenario: "members",
    seed: 8,
    found: "recovery words that a device set after it was removed elsewhere made its doings count",
    canary: "recovery words vouch for the removed device that set them",
  },
  {
    scenario: "members",
    seed: 601_880,
    found:
      "what a removed device wrote still counted where the device was removed that had vouched for it",
    canary: "whoever removes a device goes on with what that one has vouched for",
  },
  {
    scenario: "members",
    seed: 601_729,
    found: "what a device wrote that was let in to no effect reached some devices and never others",
    canary: "a key entry of somebody who was never let in to any effect is followed by nobody",
  },
  {
    scenario: "members",
    seed: 601_945,
    found: "an entry of a copied folder came before what it was written on",
    canary: "a copy does not name what its original wrote since",
  },
  {
    scenario: "members",
    seed: 700_004,
    found: "a device's removal without effect split the record in two, each half with other words",
    canary:
      "what a removed device said to no effect counts against who vouched, and against the words",
  },
  {
    scenario: "members",
    seed: 740_099,
    found:
      "what the recovery words had removed came back, since two whom they removed vouched in turn",
  },
  {
    scenario: "members",
    seed: 770_254,
    found:
      "a removal by recovery words fell with what else their entry did when they were replaced",
  },
  {
    scenario: "members",
    seed: 109,
    found: "what a device wrote that the words brought back was left out where they were typed in",
    canary: "what a device that was brought back wrote stays left out where that was said",
  },
  {
    scenario: "apart",
    seed: 4,
    found: "a device that was closed while it let a left mailbox rest spun for ever",
  },
  {
    scenario: "apart",
    seed: 43,
    found: "of two that removed each other the one that goes never heard of it by a relay",
  },
  {
    scenario: "apart",
    seed: 49,
    found: "a device whose clock was set back looked into no mailbox that the record had left",
  },
  {
    scenario: "apart",
    seed: 19,
    found: "a removal was not heard, for its author was back by what came right after it",
    canary: "a removal is believed where it is read, or not at all",
  },
  {
    scenario: "apart",
    seed: 338,
    found: "what a removed device had said of another's removal was believed for good",
    canary: "a removal that was believed once is believed for good",
  },
  {
    scenario: "apart",
    seed: 560,
    found: "an edit failed that waited for its turn while a removal came",
    canary: "an edit that finds no epoch to write under fails",
  },
]

test.for(FOUND)("$scenario, seed $seed: $found", { timeout: 120_000 }, async (row) => {
  const { scenario, seed, plan: text } = row
  const plan = readPlan(text ?? {})
  expect(plan).toBeDefined()
  await runSeed({ scenario, seed, plan, turn: () => setImmediate() })
})

test("canaries put their bugs back under these very seeds", () => {
  for (const { canary, scenario, seed } of FOUND) {
    if (canary === undefined) continue
    expect(CANARIES.find(({ name }) => name === canary)).toMatchObject({ scenario, seed })
  }
})
