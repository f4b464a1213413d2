/**
 * Every context string: what a signature, hash or derived key is for. No two
 * uses share one, so nothing made for one purpose passes for another.
 *
 * Each is `fulcrum/v1/<purpose>`, purposes in kebab-case. A string in use never
 * changes meaning: a new meaning is a new string. Packages append their own
 * under their heading; `contexts.test.ts` holds the form and that each is unique.
 *
 * @module
 */

export const contexts = {
  // crypto
  /** Stretches a seed into the simulator's stream of bytes. */
  seededRandom: "fulcrum/v1/seeded-random",
  /** Derives a labelled stream from another. */
  seededRandomFork: "fulcrum/v1/seeded-random-fork",
  /** Derives the two confirmation keys from a CPace result. */
  cpaceConfirmation: "fulcrum/v1/cpace-confirmation",
  /** The initiator's proof that it holds the same CPace result. */
  cpaceInitiatorProof: "fulcrum/v1/cpace-initiator-proof",
  /** The responder's proof that it holds the same CPace result. */
  cpaceResponderProof: "fulcrum/v1/cpace-responder-proof",
  /** Derives the session key that a CPace exchange yields to its caller. */
  cpaceSession: "fulcrum/v1/cpace-session",

  // store
  /** Names a vault's table and derives the key for its groups. */
  storeTable: "fulcrum/v1/store-table",
  /** Names a group of records in a vault's table. */
  storeGroup: "fulcrum/v1/store-group",
  /** Derives the key that a vault's records are sealed with. */
  storeRecord: "fulcrum/v1/store-record",
  /** Derives the key of the digest that counts a vault's records. */
  storeDigest: "fulcrum/v1/store-digest",
  /** Tells a wrong key for a vault from a damaged vault. */
  storeKeyCheck: "fulcrum/v1/store-key-check",

  // net

  // log
  /** Chain hash of one entry after another. */
  logChain: "fulcrum/v1/log-chain",
  /** What a line's first entry is chained to. */
  logRoot: "fulcrum/v1/log-root",
  /** Digest of a version vector. */
  logVector: "fulcrum/v1/log-vector",
  /** Binds a span's clear part to its seal. */
  spanClear: "fulcrum/v1/span-clear",
  /** Derives the key that seals one span. */
  spanContent: "fulcrum/v1/span-content",
  /** Derives the key that seals one snapshot. */
  snapshotContent: "fulcrum/v1/snapshot-content",
  /** Hash of all of a span but its signature, which signs this. */
  spanBody: "fulcrum/v1/span-body",
  /** A writer's signature over one span. */
  spanSignature: "fulcrum/v1/span-signature",
  /** Hash of a whole span, as receipts and relays name it. */
  spanHash: "fulcrum/v1/span-hash",
  /** Names an epoch by the key span that announced it. */
  epochId: "fulcrum/v1/epoch-id",
  /** Names the set of epochs that a key span follows. */
  epochFollows: "fulcrum/v1/epoch-follows",
  /** Names a mailbox by its public key. */
  mailboxName: "fulcrum/v1/mailbox-name",
  /** A mailbox key's signature over a capability. */
  mailboxCapability: "fulcrum/v1/mailbox-capability",
  /** Names the capability that a binding is proved for. */
  mailboxCapabilityHash: "fulcrum/v1/mailbox-capability-hash",
  /** A holder's signature that ties its capability to one connection. */
  mailboxBinding: "fulcrum/v1/mailbox-binding",

  // sync
  /** What two devices call a space between them, so that its tag stays unsaid. */
  syncSpace: "fulcrum/v1/sync-space",

  // access
  /** Derives the recovery keys from the entropy of the words. */
  recoveryKeys: "fulcrum/v1/recovery-keys",
  /** The recovery key's signature over which record it belongs to. */
  recoveryAnchor: "fulcrum/v1/recovery-anchor",
  /** Knows the recovery words again by which a recovery that was cut off was begun. */
  recoveryResumed: "fulcrum/v1/recovery-resumed",
  /** By which whoever has the recovery words asks a device for its record. */
  recoveryAsk: "fulcrum/v1/recovery-ask",
  /** Seals the beacon, which says where the record lies, for the recovery words. */
  recoveryBeacon: "fulcrum/v1/recovery-beacon",
  /** A device's signature, with its own key, over what it says of itself. */
  deviceCertificate: "fulcrum/v1/device-certificate",
  /** The recovery key's signature over its own two keys. */
  recoveryCertificate: "fulcrum/v1/recovery-certificate",
  /** Wraps an epoch's key for one member. */
  epochWrap: "fulcrum/v1/epoch-wrap",
  /** Draws the randomness of an epoch's wraps, so that members can check them. */
  epochWrapRandom: "fulcrum/v1/epoch-wrap-random",
  /** The tag by which its addressee finds a wrap. */
  wrapTag: "fulcrum/v1/wrap-tag",
  /** The channel of a pairing, with its nameplate. */
  pairChannel: "fulcrum/v1/pair-channel",
  /** The fingerprint of the existing device's key, in a scanned code. */
  pairFingerprint: "fulcrum/v1/pair-fingerprint",
  /** Names the meeting of a scanned code on a relay, and its announcement on a local network. */
  pairMeeting: "fulcrum/v1/pair-meeting",
  /** Seals the existing device's proof that it is the one whose code was scanned. */
  pairIdentity: "fulcrum/v1/pair-identity",
  /** That device's signature over both sides' first messages. */
  pairIdentitySignature: "fulcrum/v1/pair-identity-signature",
  /** Commits a joining device to its part of the check words. */
  pairCommitment: "fulcrum/v1/pair-commitment",
  /** Seals what a joining device says of itself. */
  pairClaim: "fulcrum/v1/pair-claim",
  /** Names a claim, so that the same one is known again. */
  pairClaimDigest: "fulcrum/v1/pair-claim-digest",
  /** Seals what the existing device says of itself. */
  pairAsking: "fulcrum/v1/pair-asking",
  /** Seals the package that makes a device a member. */
  pairPackage: "fulcrum/v1/pair-package",
  /** Wraps that package to the new device's own key. */
  pairPackageWrap: "fulcrum/v1/pair-package-wrap",
  /** Derives the key of the new device's acknowledgement. */
  pairAcknowledgementKey: "fulcrum/v1/pair-acknowledgement-key",
  /** The new device's word that it keeps the package. */
  pairAcknowledgement: "fulcrum/v1/pair-acknowledgement",
  /** The check words that both screens show. */
  pairCheckWords: "fulcrum/v1/pair-check-words",
  /** A dialing own device's first word to another. */
  meetingKnock: "fulcrum/v1/meeting-knock",
  /** The listening device's answer. */
  meetingAnswer: "fulcrum/v1/meeting-answer",
  /** A device's signature over both ends of a meeting. */
  meetingProof: "fulcrum/v1/meeting-proof",
  /** What own devices announce on a local network, another each day. */
  discoveryTag: "fulcrum/v1/discovery-tag",

  // relay
  /** What a mailbox's maker signs to create it on one relay. */
  relayCreate: "fulcrum/v1/relay-create",
  /** What a mailbox's maker signs to remove it from one relay. */
  relayRemove: "fulcrum/v1/relay-remove",
  /** A relay's signed statement that it holds an item. */
  relayReceipt: "fulcrum/v1/relay-receipt",
  /** The running root over a mailbox's items. */
  relayRoot: "fulcrum/v1/relay-root",
  /** What a front door registers for a token. */
  relayToken: "fulcrum/v1/relay-token",
  /** A stranger's proof of work for one message to one front door. */
  relayWork: "fulcrum/v1/relay-work",

  // record

  // relations
  /** A vendor's signature over its request. */
  relationRequest: "fulcrum/v1/relation-request",
  /** Names a request, in invitations and agreements. */
  relationRequestHash: "fulcrum/v1/relation-request-hash",
  /** Either side's signature over an agreement. */
  relationAgreement: "fulcrum/v1/relation-agreement",
  /** Seals the connect message to the vendor's key. */
  connectMessage: "fulcrum/v1/connect-message",
  /** The relationship key's signature inside the connect message. */
  connectSignature: "fulcrum/v1/connect-signature",
  /** Certifies a writer of the person's lane. */
  personWriter: "fulcrum/v1/person-writer",
  /** Certifies a writer of the vendor's lane. */
  vendorWriter: "fulcrum/v1/vendor-writer",
  /** Names, inside the record, a put that was projected into a share. */
  projectionMark: "fulcrum/v1/projection-mark",
  /** Names a register in a relationship's document. */
  projectionRegister: "fulcrum/v1/projection-register",
  /** Derives what is added to the counters of a share's register. */
  projectionOffset: "fulcrum/v1/projection-offset",
  /** Wraps a share space's key for its vendor. */
  shareKey: "fulcrum/v1/share-key",
  /** Wraps a relationship's recovery key to the recovery words' key. */
  relationshipRecovery: "fulcrum/v1/relationship-recovery",
  /** Names a relationship's recovery key to the vendor. */
  relationshipRecoveryHash: "fulcrum/v1/relationship-recovery-hash",
  /** A relationship's key names the one that succeeds it. */
  relationshipSuccessor: "fulcrum/v1/relationship-successor",
  /** The succeeding key's own signature under the same statement. */
  relationshipSuccessorNew: "fulcrum/v1/relationship-successor-new",
  /** The recovery key's word on which successor counts. */
  relationshipDecision: "fulcrum/v1/relationship-decision",
  /** Names, in such a statement, the wrap of the share's key that it comes with. */
  relationshipRotation: "fulcrum/v1/relationship-rotation",
  /** Names an event that a webhook tells of. */
  webhookEvent: "fulcrum/v1/webhook-event",

  // attachments
  /** Names an attachment, by the hashes of its chunks. */
  attachment: "fulcrum/v1/attachment",
  /** Names a sealed chunk of an attachment. */
  attachmentChunk: "fulcrum/v1/attachment-chunk",
  /** Derives the key that an attachment's chunks are sealed under. */
  attachmentKey: "fulcrum/v1/attachment-key",

  // engine
  /** Draws the record's mailbox on a relay from keys that its devices have. */
  recordMailbox: "fulcrum/v1/record-mailbox",
  /** Draws a relationship's next key from keys that a removed device lacks. */
  successorSeed: "fulcrum/v1/successor-seed",
  /** Draws a share's mailbox, and what own devices open it with, from the relationship's key. */
  shareMailbox: "fulcrum/v1/share-mailbox",
  /** What a removed device finds in its wrap, in place of the new epoch's key. */
  removalMark: "fulcrum/v1/removal-mark",
  /** Seals what a removed device is told. */
  removalNotice: "fulcrum/v1/removal-notice",
  /** Names the meeting at which a pairing that was cut off goes on. */
  pairResume: "fulcrum/v1/pair-resume",

  // nodes
  /** Seals a device's key under its stretched passphrase. */
  deviceKey: "fulcrum/v1/device-key",
  /** Seals what a device remembers for itself alone. */
  deviceSettings: "fulcrum/v1/device-settings",
  /** Seals what a device needs to be made anew, beside its vault. */
  deviceSpare: "fulcrum/v1/device-spare",
  /** A running daemon's proof to a command that it is the one that wrote the token. */
  daemonHello: "fulcrum/v1/daemon-hello",
  /** Derives a relay's transport key from its key file. */
  nodeRelayTransport: "fulcrum/v1/node-relay-transport",
  /** Derives the key of a relay's vault from its key file. */
  nodeRelayVault: "fulcrum/v1/node-relay-vault",
  /** Derives the key of a vendor's vault from its key file. */
  nodeVendorVault: "fulcrum/v1/node-vendor-vault",
  /** Derives the transport key of the relay that a vendor runs itself. */
  nodeVendorRelayTransport: "fulcrum/v1/node-vendor-relay-transport",
  /** Derives the key of that relay's vault. */
  nodeVendorRelayVault: "fulcrum/v1/node-vendor-relay-vault",
  /** Seals a vendor's key file under a passphrase. */
  nodeVendorKeyFile: "fulcrum/v1/node-vendor-key-file",
} as const

/** A registered context string. */
export type Context = (typeof contexts)[keyof typeof contexts]
