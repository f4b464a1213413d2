/**
 * Backup files: a tar archive (POSIX ustar), sealed as an age file (age-encryption.org/v1) for the
 * recovery words, so that it can be opened without this program.
 *
 * | in the archive                      | what it is                                                  |
 * | ----------------------------------- | ----------------------------------------------------------- |
 * | `README.txt`                        | what this is, and how it is used                            |
 * | `record.json`                       | every document, canonical JSON                              |
 * | `card.vcf`                          | her contact card, vCard 4.0                                 |
 * | `fulcrum/beacon`                    | which record it is: the content of a beacon                 |
 * | `fulcrum/record/NUMBER`             | a span of the record's log, as it lies on relays            |
 * | `fulcrum/shares/RELATIONSHIP/NUMBER` | a span of that relationship's share                        |
 * | `attachments/ID/NAME`               | an attached file that was whole here, as it was attached    |
 *
 * The recipient is the words' own X-Wing key, which is what age calls `mlkem768x25519` (HPKE with KEM
 * 0x647a): every device knows it, and the words alone open it. `docs/examples/words-to-age.mjs` makes an
 * identity file for `age` of the words. Times in the archive are zero.
 *
 * @module
 */
import type { WrapKey } from "@fulcrum/crypto/wrap"
import { bech32 } from "@scure/base"
import { Decrypter, Encrypter } from "age-encryption"
import { createTarDecoder, createTarPacker, type TarHeader } from "modern-tar"
import { EngineError } from "../failures/engine-error.ts"

/** One file to go in. */
export interface BackedUp {
  readonly name: string
  readonly bytes: number
  readonly content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
}

/** One that comes out. */
export interface FromBackup {
  readonly name: string
  readonly bytes: number
  /** Read before the next one is asked for, or not at all. */
  readonly content: AsyncIterable<Uint8Array>
}

const RECIPIENT_PREFIX = "age1pq"
const IDENTITY_PREFIX = "age-secret-key-pq-"
/** What age says of a file that is for somebody else. */
const NOT_FOR_THESE = /no identity matched/

const EPOCH = new Date(0)

/**
 * Seals a backup.
 *
 * @param to - The recovery words' X-Wing key. @returns The file, piece by piece.
 */
export async function* writeBackup(
  files: AsyncIterable<BackedUp>,
  to: Uint8Array,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { readable, controller } = createTarPacker()
  const packed = pack(files, controller)
  packed.catch((error: unknown) => controller.error(error))
  const age = new Encrypter()
  age.addRecipient(bech32.encode(RECIPIENT_PREFIX, bech32.toWords(to), false))
  yield* piecesOf(await age.encrypt(readable))
  await packed
}

async function pack(
  files: AsyncIterable<BackedUp>,
  controller: ReturnType<typeof createTarPacker>["controller"],
): Promise<void> {
  for await (const { name, bytes, content } of files) {
    const header: TarHeader = { name, size: bytes, type: "file", mtime: EPOCH, mode: 0o600 }
    const writer = controller.add(header).getWriter()
    for await (const piece of content) await writer.write(piece)
    await writer.close()
  }
  controller.finalize()
}

/**
 * Opens a backup with the recovery words.
 *
 * @throws {EngineError} `BACKUP_WORDS_OTHER`: it was made for other words; `BACKUP_DAMAGED`: it is no
 * backup, or not as it was written: what was given until then is right. @throws What `content` does.
 */
export async function* readBackup(
  content: AsyncIterable<Uint8Array>,
  words: WrapKey,
): AsyncGenerator<FromBackup, void, undefined> {
  const age = new Decrypter()
  const identity = bech32.encode(IDENTITY_PREFIX, bech32.toWords(words.secret), false)
  age.addIdentity(identity.toUpperCase())
  const source: Source = { failure: undefined, isUnreadable: false }
  try {
    const opened = await age.decrypt(streamOf(content, source))
    const archive = whileRight(opened, source).pipeThrough(createTarDecoder())
    for await (const { header, body } of piecesOf(archive)) {
      if (header.type !== "file") throw damaged("a backup holds files only")
      const pieces = bodyOf(body, header.size)
      yield { name: header.name, bytes: header.size, content: pieces }
      // What nobody wanted is read all the same.
      while ((await pieces.next()).done !== true);
    }
    if (source.failure !== undefined) throw source.failure
  } catch (cause) {
    // What could not be read is not damaged.
    if (source.isUnreadable) throw source.failure
    if (cause instanceof EngineError || !(cause instanceof Error)) throw cause
    throw NOT_FOR_THESE.test(cause.message)
      ? new EngineError("BACKUP_WORDS_OTHER", "a backup for other recovery words", { cause })
      : damaged("not a backup, or one that was changed", cause)
  }
}

function damaged(message: string, cause?: unknown): EngineError {
  return new EngineError("BACKUP_DAMAGED", message, { cause })
}

/** Its end is told after all that came before it: a stream that fails forgets what waits in it. */
function whileRight(
  opened: ReadableStream<Uint8Array>,
  source: Source,
): ReadableStream<Uint8Array> {
  const reader = opened.getReader()
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { value, done } = await reader.read()
          if (done) controller.close()
          else controller.enqueue(value)
        } catch (error) {
          source.failure ??= error
          controller.close()
        }
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  )
}

/** After a body that was cancelled the decoder (modern-tar 0.8.6) does not go on: it is read to its end. */
async function* bodyOf(
  body: ReadableStream<Uint8Array>,
  bytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = body.getReader()
  let left = bytes
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) break
      left -= value.length
      yield value
    }
    if (left > 0) throw damaged("a backup that ends early")
  } finally {
    while (left > 0 && !(await reader.read()).done);
    reader.releaseLock()
  }
}

/** Not every browser lets a stream be gone through. */
async function* piecesOf<T>(stream: ReadableStream<T>): AsyncGenerator<T, void, undefined> {
  const reader = stream.getReader()
  let isOver = false
  try {
    for (;;) {
      const { value, done } = await reader.read()
      isOver = done
      if (done) return
      yield value
    }
  } finally {
    if (!isOver) await reader.cancel().catch(() => undefined)
    reader.releaseLock()
  }
}

interface Source {
  /** What reading or opening it failed with. */
  failure: unknown
  /** It was the reading. */
  isUnreadable: boolean
}

function streamOf(content: AsyncIterable<Uint8Array>, source: Source): ReadableStream<Uint8Array> {
  const pieces = content[Symbol.asyncIterator]()
  return new ReadableStream({
    async pull(controller) {
      try {
        const { value, done } = await pieces.next()
        if (done === true) controller.close()
        else controller.enqueue(value)
      } catch (error) {
        source.failure = error
        source.isUnreadable = true
        throw error
      }
    },
    async cancel() {
      await pieces.return?.()
    },
  })
}
