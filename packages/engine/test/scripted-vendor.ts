/**
 * A company that says whatever a test wants, and a person's desk without a network: the parts of an
 * engine that take what others sent.
 *
 * @module
 */
import { bytesToHex } from "@fulcrum/codec/bytes"
import { generateSigningKey, type SigningKey, signingKeyFromSeed } from "@fulcrum/crypto/ed25519"
import type { Random } from "@fulcrum/crypto/random"
import { generateWrapKey, type WrapKey } from "@fulcrum/crypto/wrap"
import { systemDeflate } from "@fulcrum/log/deflate"
import { epochKeySchema, idKey } from "@fulcrum/log/ids"
import { openReplica } from "@fulcrum/log/replica"
import { openInLineDocuments } from "@fulcrum/record/in-line"
import { readAgreement, signAgreement } from "@fulcrum/relations/agreement"
import { type ConnectBody, openConnect } from "@fulcrum/relations/connect"
import { encodeInvitation } from "@fulcrum/relations/invitation"
import { type VendorItem, vendorLane } from "@fulcrum/relations/lane"
import { draftRequest, type SignedRequest, signRequest } from "@fulcrum/relations/request"
import { unwrapShareKey } from "@fulcrum/relations/share-key"
import { MemoryDisk, openMemoryStore } from "@fulcrum/store/memory"
import { openVault, type Vault } from "@fulcrum/store/vault"
import { Editing } from "../src/actions/editing.ts"
import { Moves } from "../src/actions/moves.ts"
import { RelationshipViews } from "../src/actions/relationship-views.ts"
import { UndoLog } from "../src/actions/undo-log.ts"
import { Ledger } from "../src/ledger/ledger.ts"
import { readDeviceState } from "../src/membership/device-state.ts"
import { Membership } from "../src/membership/membership.ts"
import { Connecting } from "../src/relationships/connecting.ts"
import { type OpenRelationship, Relationships } from "../src/relationships/relationships.ts"
import { ShareSpace } from "../src/relationships/share-space.ts"
import { ADDRESS, EMAIL, type Machine, type PersonWorld } from "./person-world.ts"

/** A person's record, opened by its parts. */
export interface Desk extends AsyncDisposable {
  readonly vault: Vault
  readonly ledger: Ledger
  readonly relationships: Relationships
  readonly connecting: Connecting
  readonly editing: Editing
  readonly moves: Moves
  readonly views: RelationshipViews
}

export async function openDesk(
  world: PersonWorld,
  machine: Machine,
  vendor: ScriptedVendor,
): Promise<Desk> {
  const { store, vaultKey, random, clock, deflate } = await world.options(machine)
  const vault = await openVault({ store, key: vaultKey, random })
  const device = await readDeviceState(vault)
  if (device === undefined) throw new TypeError("a desk without a record")
  const membership = await Membership.open(vault, device)
  const writer = signingKeyFromSeed(device.writerSeed)
  const record = await openReplica({
    vault,
    keyring: membership,
    writer: { begin: () => ({ key: writer, certificate: new Uint8Array() }) },
    checkWriter: membership.checkWriter,
    random,
    deflate,
  })
  const openDocuments = openInLineDocuments
  const ledger = await Ledger.open({
    vault,
    record,
    membership,
    openDocuments: (reload) => openDocuments({ reload }),
  })
  const relationships = await Relationships.open({
    ledger,
    vault,
    random,
    clock,
    deflate,
    mayTell: () => true,
  })
  const connecting = new Connecting({
    ...{ relationships, ledger, vault, random, clock, deflate },
    fetchPinned: async () => vendor.request.bytes,
    recoveryKey: () => generateWrapKey(random).publicKey,
  })
  const undoLog = new UndoLog(vault)
  const { signal } = new AbortController()
  const editing = new Editing({ ledger, relationships, undoLog, clock, signal })
  const zone = "Europe/Berlin"
  const moves = new Moves({ ledger, relationships, undoLog, clock, random, zone })
  return {
    vault,
    ledger,
    relationships,
    connecting,
    editing,
    moves,
    views: new RelationshipViews(relationships, moves, editing),
    async [Symbol.asyncDispose]() {
      await ledger.close()
      await vault.close()
    },
  }
}

export class ScriptedVendor {
  readonly key: SigningKey
  readonly wrapKey: WrapKey
  readonly request: SignedRequest
  readonly door: Uint8Array
  readonly relays: readonly string[]
  readonly #random: Random

  constructor(random: Random, relays: readonly string[]) {
    this.#random = random
    this.relays = relays
    this.key = generateSigningKey(random)
    this.wrapKey = generateWrapKey(random)
    this.door = random.bytes(32)
    const written = {
      name: "Shop",
      agreements: ["SD-BASE"],
      fields: [ADDRESS, EMAIL, "card/name", "card/emails"].map((path) => ({
        path,
        purpose: "dpv:ServiceProvision",
        retention: "P2Y",
        required: false,
        why: "to serve you",
      })),
    }
    const own = { vendor: this.key.publicKey, wrap: this.wrapKey.publicKey, made: "2026-11-01" }
    this.request = signRequest(this.key, draftRequest(written, own))
  }

  invitation(): string {
    return encodeInvitation({
      vendor: this.key.publicKey,
      door: this.door,
      relays: this.relays,
      requestHash: this.request.hash,
      token: this.#random.bytes(32),
    })
  }

  /** Opens its end of a share. */
  async meet(relationship: OpenRelationship): Promise<ScriptedShare> {
    const { connect } = relationship.secrets
    if (connect === undefined) throw new TypeError("no connect message")
    const target = { door: this.door, requestHash: this.request.hash }
    const body = openConnect({ target, key: this.wrapKey, message: connect })
    return ScriptedShare.open(this, body, this.#random)
  }
}

/** The company's end of one share. */
export class ScriptedShare {
  readonly space: ShareSpace
  readonly agreement: Uint8Array
  readonly #vendor: ScriptedVendor
  readonly #vault: Vault

  private constructor(vendor: ScriptedVendor, vault: Vault, space: ShareSpace, body: ConnectBody) {
    this.#vendor = vendor
    this.#vault = vault
    this.space = space
    this.agreement = body.agreement
  }

  static async open(
    vendor: ScriptedVendor,
    body: ConnectBody,
    random: Random,
  ): Promise<ScriptedShare> {
    const store = await openMemoryStore({ disk: new MemoryDisk() })
    const vault = await openVault({ store, key: random.bytes(32), random })
    const { spaceTag, chainKey, relationshipKey, keySpan, recoveryHash } = body
    const epochKeys = new Map<string, Uint8Array>()
    let epoch: Uint8Array | undefined
    const space = await ShareSpace.open({
      vault,
      spaceTag,
      chainKey,
      epochKey: (id) => epochKeys.get(id),
      currentEpoch: () => epoch,
      openKeySpan: (span) => {
        const key = unwrapShareKey({ clear: span.clear, spaceTag, key: vendor.wrapKey })
        if (key === undefined) return undefined
        epoch = span.epoch
        epochKeys.set(idKey(span.epoch), key)
        return epochKeySchema.decode(key)
      },
      keys: { person: relationshipKey, vendor: vendor.key.publicKey },
      own: { lane: "vendor", key: vendor.key, recoveryHash, startsAnew: () => false },
      random,
      deflate: systemDeflate(),
    })
    await space.admit([keySpan])
    return new ScriptedShare(vendor, vault, space, body)
  }

  /** Says it in the company's lane. @returns The spans to be sent. */
  say(...items: readonly VendorItem[]): Promise<readonly Uint8Array[]> {
    return this.write(vendorLane.encode(items))
  }

  agree(): Promise<readonly Uint8Array[]> {
    const signature = signAgreement(this.#vendor.key, this.agreement)
    return this.say({ kind: "agreed", value: { signature } })
  }

  async write(body: Uint8Array): Promise<readonly Uint8Array[]> {
    const staged = this.space.replica.stage([{ kind: "payload", body }])
    await this.#vault.write([...staged.ops])
    staged.commit()
    this.space.absorb(staged.entries)
    return staged.spans
  }

  /** What the company can read. */
  get values(): ReadonlyMap<string, unknown> {
    const { share } = this.space
    return new Map(
      readAgreement(this.agreement).fields.flatMap(({ path }) =>
        share.at(path).length === 0 ? [] : [[path, share.valueAt(path)] as const],
      ),
    )
  }

  /** Takes all that the person has written. */
  async read(relationship: OpenRelationship): Promise<void> {
    const { vector } = this.space.replica
    const { spans } = await relationship.space.replica.spansAfter(vector, { bytesMax: 2 ** 24 })
    await this.space.admit(spans)
  }
}

/** The chain hash of the newest entry in which the person told the company something. */
export function newestEntry({ space }: OpenRelationship): {
  readonly chain: Uint8Array
  readonly incarnation: Uint8Array
  readonly sequence: number
  readonly hex: string
} {
  const entry = space.personEntries.at(-1)
  if (entry === undefined) throw new TypeError("the person has said nothing")
  const { chain, sequence } = entry.at
  return { chain, sequence, incarnation: entry.incarnation, hex: bytesToHex(chain) }
}
