/**
 * Programs broken on purpose, each in one or two places: the simulator's checks must catch every
 * one of them, or they check nothing (SECURITY, E6).
 *
 * `seed` is known to catch it; `node packages/sim/test/find-canaries.ts` searches for such seeds.
 *
 * @module
 */
import type { ScenarioName } from "../src/scenario-names.ts"

export interface Canary {
  readonly name: string
  readonly scenario: ScenarioName
  readonly seed: number
  /** As many of its steps show it; absent: it takes all of them. */
  readonly steps?: number
  /** The simulator draws otherwise since: the seed is to be searched again, and is not run meanwhile. */
  readonly isStale?: boolean
  /** Longest that its seed may take: it makes the program work for ever; absent: the usual. */
  readonly seedSeconds?: number
  readonly patches: readonly Patch[]
}

export interface Patch {
  /** Below `packages/`. */
  readonly file: string
  /** Stands in the file exactly once. */
  readonly from: string
  readonly to: string
}

const one = (file: string, from: string, to: string): readonly Patch[] => [{ file, from, to }]

/** A removed device is met as if it were a member. */
const MET: readonly Patch[] = [
  ...one(
    "engine/src/devices/device-links.ts",
    "membership: this.#options.membership(),\n        noticeFor",
    "membership: ((m) => ({ ...m, devices: [...m.devices, ...m.removed], removed: [] }))(this.#options.membership()),\n        noticeFor",
  ),
  ...one(
    "engine/src/devices/device-links.ts",
    "if (!members.has(device)) channel.abort",
    "if (members.size < 0) channel.abort",
  ),
]

export const CANARIES: readonly Canary[] = [
  {
    name: "a store acknowledges before the flush",
    scenario: "bare",
    seed: 1,
    patches: one(
      "store/src/memory.ts",
      "await this.#commits.submit(ops, bytes)",
      "this.#commits.submit(ops, bytes).catch(() => undefined)",
    ),
  },
  {
    name: "a vault acknowledges before the flush",
    scenario: "bare",
    seed: 4,
    patches: one(
      "store/src/vault.ts",
      "await this.#commits.submit(sealed, sealedBytes(sealed))",
      "this.#commits.submit(sealed, sealedBytes(sealed)).catch(() => undefined)",
    ),
  },
  {
    name: "a record is sealed under a nonce that was used",
    scenario: "bare",
    seed: 1,
    patches: one(
      "crypto/src/aead.ts",
      "const nonce = input.random.bytes(RECORD_NONCE_BYTES)",
      "const nonce = input.random.bytes(RECORD_NONCE_BYTES).fill(input.plaintext.length, 1)",
    ),
  },
  {
    name: "a span's salt is that of the one before",
    scenario: "bare",
    seed: 1,
    patches: one(
      "log/src/span.ts",
      "const salt = input.random.bytes(32)",
      "const salt = new Uint8Array(32).fill(input.end)",
    ),
  },
  {
    name: "header bytes are outside of what is signed and sealed",
    scenario: "bare",
    seed: 51,
    // Of the chain hash before the span, wherever it begins.
    patches: [
      {
        file: "log/src/span.ts",
        from: "  const body = hash(contexts.spanBody, headerBytes, clear, commitment, ciphertext)\n  return",
        to: "  const body = hash(contexts.spanBody, unchecked(headerBytes), clear, commitment, ciphertext)\n  return",
      },
      {
        file: "log/src/span.ts",
        from: "  const body = hash(contexts.spanBody, headerBytes, clear, commitment, ciphertext)\n  const",
        to: "  const body = hash(contexts.spanBody, unchecked(headerBytes), clear, commitment, ciphertext)\n  const",
      },
      {
        file: "log/src/span.ts",
        from: "function sealedHeader(headerBytes: Uint8Array, clear: Uint8Array): Uint8Array {",
        to: "const unchecked = (bytes: Uint8Array) => bytes.map((byte, i) => (i >= 97 && i < 120 ? 0 : byte))\nfunction sealedHeader(given: Uint8Array, clear: Uint8Array): Uint8Array {\n  const headerBytes = unchecked(given)",
      },
    ],
  },
  {
    name: "a signature is not checked",
    scenario: "bare",
    seed: 10,
    patches: one(
      "log/src/admission.ts",
      '    if (!this.#isSigned(span)) return refuse("LOG_SIGNATURE")\n    if (head && compareBytes',
      "    if (head && compareBytes",
    ),
  },
  {
    name: "a hole before a span is not noticed",
    scenario: "bare",
    seed: 23,
    patches: [
      ...one(
        "log/src/admission.ts",
        "if (head && header.start > head.sequence + 1) return await this.#judgeAhead(span, key)",
        "if (head && header.start > head.sequence + 1e9) return await this.#judgeAhead(span, key)",
      ),
      ...one(
        "log/src/admission.ts",
        "    if (first.sequence > head.sequence + 1) return wait(predecessor(key, first.sequence - 1))\n",
        "    if (first.sequence > head.sequence + 1) return undefined\n",
      ),
    ],
  },
  {
    name: "an incarnation is not drawn anew at each start",
    scenario: "bare",
    seed: 1,
    patches: one(
      "log/src/own-line.ts",
      "incarnationIdSchema.decode(random.bytes(16))",
      "incarnationIdSchema.decode(writer.begin().key.publicKey.slice(0, 16))",
    ),
  },
  {
    name: "a replica goes on after a write whose outcome is not known",
    scenario: "bare",
    seed: 5,
    patches: one(
      "log/src/replica.ts",
      "    if (this.#staged) this.#uncertain.push({ ...this.#staged, isOwn: true })\n    this.#staged = undefined\n    this.#own.giveUp()",
      "    this.#staged = undefined",
    ),
  },
  {
    name: "vectors are compared by XOR",
    scenario: "bare",
    seed: 4,
    patches: one(
      "log/src/vector.ts",
      "  return hash(contexts.logVector, encodeVector(vector))",
      "  const sum = new Uint8Array(32)\n  for (const row of vector) for (let i = 0; i < 32; i++) sum[i] = (sum[i] ?? 0) ^ (row.sequence & 1)\n  return hash(contexts.logVector, sum)",
    ),
  },
  {
    name: "what a peer says while a disk is read is given back to it",
    scenario: "bare",
    seed: 365,
    patches: one(
      "sync/src/session.ts",
      "const rows = vectorDifference(reached, after)",
      "const rows = vectorDifference(reached, state.sent ?? after)",
    ),
  },
  {
    name: "what comes in while spans are selected is sent with them",
    scenario: "bare",
    seed: 222,
    patches: one(
      "log/src/span-selection.ts",
      "if (record.end <= node.sequence) add(found",
      "add(found",
    ),
  },
  {
    name: "a session takes what it sent for what the peer has",
    scenario: "bare",
    seed: 1,
    patches: one(
      "sync/src/session.ts",
      "    this.#peerHas(state, state.theirs, state.sent)",
      "    this.#peerHas(state, state.sent, state.sent)",
    ),
  },
  {
    name: "a session says that it has stored what only came",
    scenario: "bare",
    seed: 1,
    patches: one(
      "sync/src/session.ts",
      "    if (!this.#merge(state, rows)) return\n    this.#actions.push",
      '    if (!this.#merge(state, rows)) return\n    this.#outbox.say({ kind: "stored", value: { space: state.reference, rows } }, rows.length)\n    this.#actions.push',
    ),
  },
  {
    name: "a session forgets to send what was written meanwhile",
    scenario: "bare",
    seed: 1,
    patches: one(
      "sync/src/session.ts",
      "    if (known === undefined && this.#isConnected) this.#sayHave(state)\n    this.#consider(state)",
      "    if (known === undefined && this.#isConnected) this.#sayHave(state)",
    ),
  },
  {
    name: "a device does not look again after a failed write",
    scenario: "pair",
    seed: 17,
    patches: one("engine/src/ledger/ledger.ts", "if (!this.#isUnsure) return", "return"),
  },
  {
    name: "a device notes an entry as applied before it is",
    scenario: "pair",
    seed: 11,
    patches: one(
      "engine/src/ledger/absorption.ts",
      "    const actors = this.#actors()\n    const ops",
      "    await this.#parts.vault.write([this.putApplied(entries.at(-1)?.arrival ?? 0)])\n    const actors = this.#actors()\n    const ops",
    ),
  },
  {
    name: "an edit is told before what it is gathered with is written",
    scenario: "pair",
    seed: 2,
    patches: one(
      "engine/src/ledger/step-queue.ts",
      "      made.push({ step, tell, fail })\n",
      "      made.push({ step, tell, fail })\n      tell()\n",
    ),
  },
  {
    name: "a relay signs before it has flushed",
    scenario: "pair",
    seed: 4,
    patches: one(
      "relay/src/commit-lane.ts",
      "if (draft.ops.length > 0 || draft.state !== draft.base) await options.flush(draft)",
      "if (draft.ops.length > 0 || draft.state !== draft.base) options.flush(draft).catch(() => undefined)",
    ),
  },
  {
    name: "a field that was not granted is let through",
    scenario: "basic",
    seed: 2,
    patches: one(
      "engine/src/relationships/disclosed-registers.ts",
      "const around = await documents.registers(document, path)\n",
      "const around = (await documents.registers(document, [])).map((one) => ({ ...one, path }))\n",
    ),
  },
  {
    name: "of two registers the smaller counter wins",
    scenario: "basic",
    seed: 1,
    steps: 4,
    patches: one(
      "relations/src/share.ts",
      "  return compareCells(a, b)",
      "  return compareCells(b, a)",
    ),
  },
  {
    name: "of two concurrent values the record shows the one with the greater text",
    scenario: "basic",
    seed: 2,
    patches: one(
      "record/src/cell.ts",
      "  if (a.counter !== b.counter) return a.counter - b.counter\n",
      "",
    ),
  },
  {
    name: "a device that is behind puts what it has over what the share has",
    scenario: "basic",
    seed: 8,
    steps: 11,
    patches: [
      ...one(
        "relations/src/projection.ts",
        "if (heldLeast > least) return behind",
        'if (heldLeast > least) return isSaid ? NOTHING : { do: "put", counter: held.counter + 1 }',
      ),
    ],
  },
  {
    name: "a vendor does not look for an event whose write failed",
    scenario: "basic",
    seed: 371,
    patches: one(
      "engine/src/vendor-side/vendor-customer.ts",
      "    await this.#options.hooks.reread(this.record.id)\n    await this.#load()",
      "    await this.#load()",
    ),
  },
  {
    name: "what an entry was written on is not waited for",
    scenario: "bare",
    seed: 226,
    patches: one(
      "log/src/admission.ts",
      'if (head === undefined || head.sequence < sequence) return { why: "on", key, sequence }',
      'if (head === undefined && sequence < 0) return { why: "on", key, sequence }',
    ),
  },
  {
    name: "a span that waits is forgotten when what it waits for comes",
    scenario: "bare",
    seed: 226,
    patches: one(
      "log/src/waiting-room.ts",
      "      .filter(({ need }) => (need.sequence ?? 0) <= sequence)",
      "      .filter(({ need }) => (need.sequence ?? 0) < sequence)",
    ),
  },
  {
    name: "a vendor's event has another id at each try",
    scenario: "basic",
    seed: 5,
    patches: one(
      "engine/src/vendor-side/vendor-hooks.ts",
      "        id: event.id,\n        timestamp",
      "        id: event.id + String(clock.now()),\n        timestamp",
    ),
  },
  {
    name: "an append is lost while the disk is read again",
    scenario: "bare",
    seed: 1628,
    patches: one("log/src/replica.ts", "for (const enter of committed) enter(loaded.tree)", ""),
  },
  {
    name: "an edit that is not told, by a clock that is ahead, is told by nobody",
    scenario: "basic",
    seed: 37,
    patches: one(
      "relations/src/projection.ts",
      "    return isMarked() ? FOR_SHARE : put\n  }",
      "    return isEdited ? put : FOR_SHARE\n  }",
    ),
  },
  {
    name: "what a relay withheld is acknowledged with the rest",
    scenario: "basic",
    seed: 4,
    steps: 24,
    patches: one(
      "engine/src/mailboxes/mailbox-gaps.ts",
      "(gaps.find(({ tries }) => tries < GAP_HOLDS)?.from ?? next) - 1",
      "(gaps.length < 0 ? 0 : next) - 1",
    ),
  },
  {
    name: "what a relay withheld is not asked for again",
    scenario: "basic",
    seed: 4,
    steps: 24,
    patches: one(
      "engine/src/mailboxes/mailbox-gaps.ts",
      "for (const gap of before.filter(",
      "for (const gap of [].filter(",
    ),
  },
  {
    name: "what a relay dropped unread is not brought again",
    scenario: "basic",
    seed: 119,
    patches: [
      ...one(
        "engine/src/mailboxes/mailbox-link.ts",
        "if (expired > this.#cursor.current.expired && this.#rounds >= this.#bringsFrom)",
        "if (expired < 0)",
      ),
      ...one(
        "relay/src/mailbox-changes.ts",
        "decodeRecord(indexSchema, row).isExpired ? undefined : receipt",
        "decodeRecord(indexSchema, row).isExpired ? receipt : receipt",
      ),
    ],
  },
  {
    name: "a merge of vectors drops a row",
    scenario: "bare",
    seed: 3,
    seedSeconds: 5,
    patches: one(
      "log/src/incarnation-tree.ts",
      "[...rows].flatMap(([key, row])",
      "[...rows].slice(rows.size > 2 ? 1 : 0).flatMap(([key, row])",
    ),
  },
  {
    name: "a merge drops an entry, and readers do not check the chain",
    scenario: "bare",
    seed: 10,
    patches: [
      ...one(
        "log/src/merging.ts",
        "?? encodeSpanEntries(encoded)",
        "?? encodeSpanEntries(encoded.map((entry, at) => (at === 3 ? (encoded[2] ?? entry) : entry)))",
      ),
      ...one(
        "log/src/span-entries.ts",
        "if (!equalBytes(chainBefore, header.chainEnd)) throw unchained()",
        "if (header.chainEnd.length === 0) throw unchained()",
      ),
    ],
  },
  {
    name: "a merge forgets when its entries arrived",
    scenario: "bare",
    seed: 10,
    patches: one(
      "log/src/log-tables.ts",
      "for (const record of holders) addRun(runs, record)",
      "for (const record of holders.slice(-1)) addRun(runs, record)",
    ),
  },
  {
    name: "of a span that came in part the rest is forgotten",
    scenario: "bare",
    seed: 226,
    patches: one(
      "log/src/admission-batch.ts",
      "if (need === undefined || !this.#wait(bytes, need)) this.#leave(bytes)",
      "this.#leave(bytes)",
    ),
  },
  {
    name: "records are not counted when a disk is opened",
    scenario: "bare",
    seed: 5,
    patches: one(
      "store/src/vault.ts",
      ": compareToRoot(found, root)),",
      ": compareToRoot(found, root).filter(() => false)),",
    ),
  },
  {
    name: "a record's seal is broken, and it is opened all the same",
    scenario: "bare",
    seed: 5,
    patches: one(
      "crypto/src/native-primitives.ts",
      "      } catch {\n        return undefined\n      }\n      return plain(plaintext)",
      "      } catch {\n        return plain(plaintext)\n      }\n      return plain(plaintext)",
    ),
  },
  {
    name: "a removed device is met, and given the new key",
    scenario: "pair",
    seed: 1,
    patches: [
      ...MET,
      ...one(
        "access/src/rotation.ts",
        "const recipients: Recipient[] = [...devices.values()].map(",
        "const recipients: Recipient[] = [...new Map([...membership.devices.map((one) => [idKey(one.id), one] as const), ...devices]).values()].map(",
      ),
    ],
  },
  {
    name: "a removed device is met, and what it writes counts",
    scenario: "pair",
    seed: 12,
    patches: [
      ...MET,
      ...one(
        "engine/src/membership/membership.ts",
        'return isAdmitted(this.#view, entry, evidence) === "admitted"',
        'return isAdmitted(this.#view, entry, evidence) !== "unknown"',
      ),
    ],
  },
  {
    name: "a wait is measured by a clock that may be put back",
    scenario: "basic",
    seed: 44,
    patches: one(
      "engine/src/vendor-side/vendor-hooks.ts",
      "        if (line.nextMs - now > RETRY_MS_MAX) line.nextMs = now\n",
      "",
    ),
  },
  {
    name: "a relay that signed the same root for two devices is taken for one that signed two",
    scenario: "basic",
    seed: 1,
    steps: 2,
    patches: one(
      "relay/src/open-mailbox.ts",
      'if (ours && equalBytes(ours, root)) return { kind: "fits" }',
      'if (ours && !equalBytes(ours, root)) return { kind: "fits" }',
    ),
  },
  {
    name: "a relay that ends before what it had said is read on from there",
    scenario: "basic",
    seed: 455,
    isStale: true,
    patches: one(
      "engine/src/mailboxes/mailbox-link.ts",
      "if (end >= next) return",
      "if (end >= 0) return",
    ),
  },
  {
    name: "what is kept beside the log is written before the log",
    scenario: "pair",
    seed: 42,
    patches: one(
      "log/src/replica.ts",
      "      const ops = [...batch.ops(), ...extraOps, ...(beside?.ops ?? [])]\n",
      "      if (beside) await this.#options.vault.write(beside.ops)\n      const ops = [...batch.ops(), ...extraOps]\n",
    ),
  },
  {
    name: "a device that is removed gets a wrap of the new key",
    scenario: "members",
    seed: 1,
    patches: one(
      "access/src/rotation.ts",
      "const recipients: Recipient[] = [...devices.values()].map(",
      "const recipients: Recipient[] = [...new Map([...membership.devices.map((one) => [idKey(one.id), one] as const), ...devices]).values()].map(",
    ),
  },
  {
    name: "words that are replaced get a wrap of the new key",
    scenario: "members",
    seed: 3,
    patches: one(
      "access/src/rotation.ts",
      '  if (recovery !== undefined) recipients.push({ who: "recovery", to: recovery.wrap })\n',
      '  for (const one of new Set([recovery, membership.recovery])) if (one !== undefined) recipients.push({ who: "recovery", to: one.wrap })\n',
    ),
  },
  {
    name: "of two that remove each other the one with the greater epoch goes",
    scenario: "members",
    seed: 10,
    patches: one(
      "access/src/key-standing.ts",
      ".sort((a, b) => a.rank - b.rank || a.at - b.at)",
      ".sort((a, b) => (a.removal.node.key < b.removal.node.key ? -1 : 1))",
    ),
  },
  {
    name: "the recovery words rank below every device",
    scenario: "members",
    seed: 260,
    patches: [
      ...one(
        "access/src/key-lineage.ts",
        "sure.length > 0) ranks.set(node, -1)",
        "sure.length > 0) ranks.set(node, 1e9)",
      ),
      ...one(
        "access/src/key-standing.ts",
        "const isDone = doesNothingButRemove(node)",
        "const isDone = doesNothingButRemove(node) && node.ancestors < 0n",
      ),
    ],
  },
  {
    name: "after removals at once the next writer does not rotate",
    scenario: "members",
    seed: 58,
    patches: [
      ...one(
        "access/src/membership.ts",
        "(head) => isSafe(head, state) && reachesAll(head.after, state),",
        "(head) => isSafe(head, head.after) && reachesAll(head.after, state),",
      ),
      ...one(
        "access/src/membership.ts",
        "isUnsettled(nodes, effective) ||",
        "(isUnsettled(nodes, effective) && nodes.length < 0) ||",
      ),
    ],
  },
  {
    name: "whatever a removed device wrote counts",
    scenario: "members",
    seed: 1,
    patches: one(
      "engine/src/membership/membership.ts",
      'return isAdmitted(this.#view, entry, evidence) === "admitted"',
      'return isAdmitted(this.#view, entry, evidence) !== "unknown"',
    ),
  },
  {
    name: "what a member built upon is left out with its author",
    scenario: "members",
    seed: 23,
    patches: one(
      "access/src/membership.ts",
      "has(on, entry) && !has(on, removal) && findWriter(membership, writer) !== undefined,",
      "has(on, entry) && !has(on, removal) && writer.length === 0,",
    ),
  },
  {
    name: "a removed device vouches for itself",
    scenario: "members",
    seed: 1,
    patches: one(
      "access/src/membership.ts",
      "has(on, entry) && !has(on, removal) && findWriter(membership, writer) !== undefined,",
      "has(on, entry) && !has(on, removal) && writer.length > 0,",
    ),
  },
  {
    name: "whoever removed a device vouches for what it wrote since",
    scenario: "members",
    seed: 1,
    patches: one(
      "engine/src/membership/admission-evidence.ts",
      "const known = tree.merge(whole, [{ incarnation, sequence, chain }])",
      "const known = tree.merge(whole, [{ incarnation, sequence, chain }].slice(1))",
    ),
  },
  {
    name: "a key entry without effect is followed by nobody",
    scenario: "members",
    seed: 1,
    patches: [
      ...one(
        "access/src/membership.ts",
        "const ends = headsOf(nodes)",
        "const ends = headsOf(effective)",
      ),
      // Or it would rotate for ever.
      ...one(
        "access/src/membership.ts",
        "!effective.some((node) => sees(node, removal) && sees(node, other)),",
        "!effective.some((node) => sees(node, removal) && node !== removal),",
      ),
    ],
  },
  {
    name: "keys that a key span carries are learned only once it is let in",
    scenario: "members",
    seed: 1,
    patches: one(
      "log/src/admission.ts",
      "    this.#tellKeys(opened)\n    return opened",
      "    if (opened.entries.length === 0) this.#tellKeys(opened)\n    return opened",
    ),
  },
  {
    name: "what is written is sealed under an epoch that a new device has no wrap of",
    scenario: "members",
    seed: 10,
    patches: [
      ...one(
        "access/src/membership.ts",
        "(head) => isSafe(head, state) && reachesAll(head.after, state),",
        "(head) => isSafe(head, state),",
      ),
      ...one(
        "access/src/membership.ts",
        "!heads.every((head) => reachesAll(head.after, state)),",
        "nodes.length < 0,",
      ),
    ],
  },
  {
    name: "a device without an epoch to write under is taken for one that has not joined",
    scenario: "members",
    seed: 10,
    patches: one(
      "engine/src/membership/membership.ts",
      "    return this.isMember(this.#writer) || this.isRemoved(this.#device)\n",
      "    if (this.current === undefined) return false\n    return this.isMember(this.#writer) || this.isRemoved(this.#device)\n",
    ),
  },
  {
    name: "who was let in to no effect is a stranger",
    scenario: "members",
    seed: 152,
    patches: one(
      "engine/src/membership/membership.ts",
      'if (this.#named.has(bytesToHex(header.writer))) return "ok"',
      'if (findWriter(this.#view, header.writer) !== undefined || this.#view.removed.some(({ writer }) => equalBytes(writer, header.writer))) return "ok"',
    ),
  },
  {
    name: "removals are counted, not compared",
    scenario: "members",
    seed: 71,
    patches: one(
      "engine/src/membership/membership.ts",
      "return areIn && removalsOf(before).join() === removalsOf(this.#view).join()",
      "return areIn !== undefined && removalsOf(before).length === removalsOf(this.#view).length",
    ),
  },
  {
    name: "a key entry of somebody who was never let in to any effect is followed by nobody",
    scenario: "members",
    seed: 601_729,
    patches: one(
      "access/src/membership.ts",
      "const ends = headsOf(nodes)",
      "const ends = headsOf(nodes.filter((node) => node.author !== undefined))",
    ),
  },
  {
    name: "whoever removes a device goes on with what that one has vouched for",
    scenario: "members",
    seed: 601_880,
    patches: one(
      "engine/src/ledger/ledger.ts",
      "hasStranded || areVouchedFor(removed, this.record)",
      "hasStranded || areVouchedFor([], this.record)",
    ),
  },
  {
    name: "a copy does not name what its original wrote since",
    scenario: "members",
    seed: 601_945,
    patches: one("log/src/own-line.ts", "sequence <= parent.sequence", "sequence >= 0"),
  },
  {
    name: "recovery words vouch for the removed device that set them",
    scenario: "members",
    seed: 8,
    patches: one(
      "access/src/key-lineage.ts",
      "sees(node, one) && !isVoidFor(node, one) && authorKey",
      "sees(one, node) && !isVoidFor(node, one) && authorKey",
    ),
  },
  {
    name: "what a removed device said to no effect counts against who vouched, and against the words",
    scenario: "members",
    seed: 700_004,
    patches: [
      ...one(
        "access/src/key-standing.ts",
        "    let removed = 0n\n",
        "    let removed = this.#removals.reduce((bits, { hits }) => bits | hits, 0n)\n",
      ),
      ...one(
        "access/src/key-merge.ts",
        "return target === undefined || standing",
        'return target === undefined || change.kind === "recovery" || standing',
      ),
    ],
  },
  {
    name: "a removal is believed where it is read, or not at all",
    scenario: "apart",
    seed: 19,
    patches: one(
      "engine/src/membership/membership.ts",
      "    this.#hearRemoval()\n    return this.isSettledSince",
      "    return this.isSettledSince",
    ),
  },
  {
    name: "a removal that was believed once is believed for good",
    scenario: "apart",
    seed: 338,
    patches: one(
      "engine/src/membership/removal-alarm.ts",
      "if (membership.disbelieved.some((one) => equalBytes(one.epoch, epoch))) return false",
      "if (membership.disbelieved.some((one) => equalBytes(one.epoch, epoch))) return true",
    ),
  },
  {
    name: "a mailbox that the record has left is not looked into again",
    scenario: "apart",
    seed: 16,
    patches: one(
      "engine/src/mailboxes/left-mailboxes.ts",
      "return passedMs < 0 ? 0 : LOOK_MS - passedMs",
      "return passedMs < 0 ? 0 : 3 * 86_400_000",
    ),
  },
  {
    name: "an edit that finds no epoch to write under fails",
    scenario: "apart",
    seed: 560,
    patches: one("engine/src/ledger/under-epoch.ts", "const TRIES_MAX = 3", "const TRIES_MAX = 1"),
  },
  {
    name: "what a device that was brought back wrote stays left out where that was said",
    scenario: "members",
    seed: 109,
    isStale: true,
    patches: one(
      "engine/src/ledger/ledger.ts",
      'if (changed === "removed" && mayTurn) this.#owesRebuild = true',
      'if (changed === "removed" && this.#absorption.quarantine.count < 0) this.#owesRebuild = true',
    ),
  },
]
