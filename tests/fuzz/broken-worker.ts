/**
 * Decoders that are broken on purpose, for the tests of the fuzzer.
 *
 * @module
 */
import { CodecError } from "@fulcrum/codec/codec-error"
import type { FuzzTarget } from "./target.ts"
import { serveJobs } from "./worker-jobs.ts"

function broken(name: string, run: (input: Uint8Array) => string | Promise<string>): FuzzTarget {
  const seeds = [new Uint8Array(16)]
  return { name, form: "bytes", bytesMax: 64, open: () => ({ seeds, errors: [CodecError], run }) }
}

/** Each byte is looked at only if the one before it was right, and says nothing of itself. */
const buried = broken("buried", (input) => {
  if (input[0] !== 0xca) throw refused()
  if (input[3] !== 0xfe) throw refused()
  if (input[6] !== 0xba) throw refused()
  if (input[9] !== 0xbe) throw refused()
  throw new TypeError("not a function")
})

function refused(): CodecError {
  return new CodecError("CBOR_MALFORMED", "not this")
}

const hoard: Uint8Array[] = []

const TARGETS: readonly FuzzTarget[] = [
  buried,
  broken("endless", ([first = 0]) => {
    while (first === 7) first.toString()
    return "ended"
  }),
  broken("slow", ([first = 0]) => {
    const until = process.threadCpuUsage().user + 150_000
    while (first === 101 && process.threadCpuUsage().user < until) first.toString()
    return "ended"
  }),
  broken("large", ([first = 0]) => `${new Uint8Array(first === 101 ? 80 << 20 : 1).length}`),
  broken("growing", () => {
    hoard.push(new Uint8Array(16 << 10).fill(1))
    return "kept"
  }),
  broken("untended", ([first = 0]) => {
    if (first === 9) void Promise.reject(new TypeError("nobody waits for this"))
    return "ended"
  }),
  broken("wrong-error", async ([first = 0]) => {
    await Promise.resolve()
    if (first === 3) throw new RangeError("Invalid array length")
    throw refused()
  }),
  broken("exits", ([first = 0]) => (first === 5 ? process.exit(3) : "ended")),
]

serveJobs(
  (name) => TARGETS.find((target) => target.name === name) ?? buried,
  (url) => url.endsWith("/broken-worker.ts"),
)
