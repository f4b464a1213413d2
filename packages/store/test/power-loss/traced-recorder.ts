/**
 * Records what a program really does to the files of one folder, with `strace`, where it is there.
 *
 * Nothing relies on it: it shows that `watching-recorder.ts` tells the truth about LevelDB, and
 * gives histories with compactions, which cannot be watched from inside.
 *
 * A call that others interrupt is told in two lines. A write is taken to happen where it begins and
 * a flush where it has ended, which is the worse of what may be.
 *
 * @module
 */
import { spawn, spawnSync } from "node:child_process"
import { createReadStream } from "node:fs"
import { basename, dirname } from "node:path"
import { createInterface } from "node:readline"
import type { DiskOp } from "./disk-history.ts"

const IGNORED = new Set(["LOCK", "LOG", "LOG.old", "RESERVE", "PROBE"])
const CALLS = "openat,write,pwrite64,fsync,fdatasync,rename,unlink,ftruncate"

export function hasStrace(): boolean {
  return spawnSync("strace", ["-o", "/dev/null", "true"]).status === 0
}

/**
 * Traces `node SCRIPT FOLDER …`.
 *
 * @param trace - Where the trace may be written, some times as large as what the program writes.
 * @throws {Error} The program failed, or did to a file what is not understood here.
 */
export async function recordByTracing(options: {
  readonly script: string
  readonly folder: string
  readonly args: readonly string[]
  readonly trace: string
}): Promise<readonly DiskOp[]> {
  const { script, folder, args, trace } = options
  const tracing = ["-f", "-y", "-xx", "-s", "100000000", "-e", `trace=${CALLS}`, "-o", trace]
  const node = [process.execPath, "--disable-warning=ExperimentalWarning", script, folder, ...args]
  const child = spawn("strace", [...tracing, ...node], { stdio: ["ignore", "ignore", "inherit"] })
  const status = await new Promise((resolve) => child.once("close", resolve))
  if (status !== 0) throw new Error(`the traced program ended with ${String(status)}`)
  const ops: DiskOp[] = []
  const begun = new Map<string, string>()
  for await (const line of createInterface({ input: createReadStream(trace) })) {
    const [, thread = "", rest = ""] = /^(\d+) +(.*)$/.exec(line) ?? []
    const resumed = /^<\.\.\. \w+ resumed>/.exec(rest)
    if (resumed !== null) {
      const start = begun.get(thread) ?? ""
      if (!isWrite(start)) ops.push(...opsOf(start + rest.slice(resumed[0].length), folder))
    } else if (rest.endsWith("<unfinished ...>")) {
      const start = rest.slice(0, -"<unfinished ...>".length).trimEnd()
      begun.set(thread, start)
      if (isWrite(start)) ops.push(...opsOf(start, folder))
    } else ops.push(...opsOf(rest, folder))
  }
  return ops
}

function isWrite(call: string): boolean {
  return call.startsWith("write(") || call.startsWith("pwrite64(")
}

/** @param call - One line of a trace, without its thread. */
function opsOf(call: string, folder: string): DiskOp[] {
  if (/ = -1 E[A-Z]+ /.test(call)) return []
  const [, name = ""] = /^(\w+)\(/.exec(call) ?? []
  const [, descriptor = ""] = /^\w+\(\d+<(.*?)>/.exec(call) ?? []
  const strings = [...call.matchAll(/"((?:\\x[0-9a-f]{2})*)"/g)].map(([, hex = ""]) => fromHex(hex))
  const file = nameIn(folder, unescaped(descriptor))
  switch (name) {
    case "openat": {
      const opened = nameIn(folder, textOf(strings[0]))
      if (opened === undefined || !call.includes("O_TRUNC")) return []
      return [{ type: "create", name: opened }]
    }
    case "write":
    case "pwrite64":
      if (call.startsWith("write(1<")) return marksOf(textOf(strings[0]))
      return file === undefined ? [] : [{ type: "append", name: file, bytes: strings[0] ?? NONE }]
    case "fsync":
    case "fdatasync":
      if (unescaped(descriptor) === folder) return [{ type: "flush-folder" }]
      return file === undefined ? [] : [{ type: "flush", name: file }]
    case "rename": {
      const [from, to] = strings.map((path) => nameIn(folder, textOf(path)))
      return from === undefined || to === undefined ? [] : [{ type: "rename", name: from, to }]
    }
    case "unlink": {
      const deleted = nameIn(folder, textOf(strings[0]))
      return deleted === undefined ? [] : [{ type: "delete", name: deleted }]
    }
    case "ftruncate":
      if (file === undefined) return []
      throw new Error(`${file} was cut, which is not understood here`)
    default:
      return []
  }
}

const NONE = new Uint8Array(0)

/** What the workload says of its batches. */
function marksOf(text: string): DiskOp[] {
  return [...text.matchAll(/(submitted|acknowledged) (\d+)\n/g)].map(([, what, batch]) => ({
    type: what === "submitted" ? "submit" : "acknowledge",
    batch: Number(batch),
  }))
}

function nameIn(folder: string, path: string): string | undefined {
  const name = basename(path)
  return dirname(path) === folder && !IGNORED.has(name) ? name : undefined
}

function fromHex(escaped: string): Uint8Array {
  return new Uint8Array(Buffer.from(escaped.replaceAll("\\x", ""), "hex"))
}

/** The path of a descriptor is escaped only where it has to be, or all of it. */
function unescaped(path: string): string {
  return path.replace(/(?:\\x[0-9a-f]{2})+/g, (hex) => textOf(fromHex(hex)))
}

function textOf(bytes: Uint8Array = NONE): string {
  return Buffer.from(bytes).toString("utf8")
}
