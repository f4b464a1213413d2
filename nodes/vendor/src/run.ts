/**
 * Runs one command: behind a running `up` if there is one, else over the books opened here.
 *
 * @module
 */
import { readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { parseJson } from "@fulcrum/codec/json"
import type { Vendor } from "@fulcrum/engine/vendor"
import { type Answer, type Arguments, COMMANDS } from "./commands.ts"
import { askDaemon } from "./daemon-client.ts"
import { findDaemon } from "./daemon-file.ts"
import { findHome, type Home } from "./home.ts"
import {
  DONE,
  describeFailure,
  FAILED,
  failureOf,
  ProgramError,
  usage,
  WRONG_USAGE,
} from "./program-error.ts"
import { textOf } from "./text.ts"

/** How long `invite` waits for the relays without being told. */
const WAIT_SECONDS = 10
const REQUEST_LIMITS = { bytesMax: 64 * 1024, depthMax: 12, itemsMax: 4096 }

export interface Global {
  readonly home?: string | undefined
  readonly json: boolean
}

/** @returns The exit status. */
export async function guarded(json: boolean, work: () => Promise<number>): Promise<number> {
  try {
    return await work()
  } catch (error) {
    const failure = failureOf(error)
    process.stderr.write(`${describeFailure(failure, json)}\n`)
    return failure.code === "USAGE" ? WRONG_USAGE : FAILED
  }
}

export function runCommand(global: Global, name: string, given: Arguments): Promise<number> {
  return guarded(global.json, async () => {
    const answer = await ask(findHome(global.home), name, given)
    print(global, name, answer.document)
    return answer.failed === true ? FAILED : DONE
  })
}

export function runInit(
  global: Global,
  options: { readonly name: string; readonly domain?: string; readonly relay: readonly string[] },
): Promise<number> {
  return guarded(global.json, async () => {
    const home = findHome(global.home)
    const { initBooks } = await import("./open-books.ts")
    const { name, domain, relay } = options
    await using vendor = await initBooks(home, { name, domain })
    if (relay.length > 0) await vendor.setRelays(relay)
    const { did } = vendor
    print(global, "init", { name, domain, did, home: home.folder, relays: relay })
    return DONE
  })
}

export function runInvite(
  global: Global,
  options: {
    readonly public?: boolean
    readonly for?: string
    readonly qr?: string
    readonly wait?: number
  },
): Promise<number> {
  return guarded(global.json, async () => {
    const { wait = WAIT_SECONDS, qr } = options
    const { document } = await ask(findHome(global.home), "invite", {
      wait,
      ...(options.public === true && { public: true }),
      ...(options.for !== undefined && { note: options.for }),
    })
    if (qr !== undefined && "invitation" in document) {
      const { renderSVG } = await import("uqr")
      await writeFile(qr, renderSVG(String(document.invitation)), { mode: 0o600 })
    }
    print(global, "invite", document)
    return DONE
  })
}

/** `request edit` and `request lint`, over a file, `-` for standard input, or an editor. */
export function runRequest(
  global: Global,
  name: "request-edit" | "request-lint",
  file: string | undefined,
): Promise<number> {
  return guarded(global.json, async () => {
    const home = findHome(global.home)
    const isPublished = name === "request-lint" && file === undefined
    const request = isPublished ? undefined : await readRequestFile(home, file)
    const answer = await ask(home, name, request === undefined ? {} : { request })
    print(global, name, answer.document)
    return answer.failed === true ? FAILED : DONE
  })
}

/** `export`: to a file, or as a document. */
export function runExport(global: Global, file: string | undefined): Promise<number> {
  return guarded(global.json, async () => {
    const { document } = await ask(findHome(global.home), "export", {})
    const text = `${JSON.stringify(document, null, global.json ? 0 : 2)}\n`
    if (file === undefined || file === "-") process.stdout.write(text)
    else {
      await writeFile(file, text, { mode: 0o600, flag: "wx" })
      print(global, "export-file", { file })
    }
    return DONE
  })
}

export function runUp(
  global: Global,
  options: {
    readonly relay: readonly string[]
    readonly ownRelay: boolean
    readonly listen?: readonly string[]
    readonly http?: string
  },
): Promise<number> {
  return guarded(global.json, async () => {
    const { up } = await import("./up.ts")
    const { relay: relays, ownRelay, listen, http } = options
    const noRelay = !ownRelay
    if (noRelay && listen !== undefined) throw usage("--listen is for the relay: without it, none")
    await up({ home: findHome(global.home), relays, noRelay, listen, http }, (running) => {
      const { addresses, http: url } = running
      process.stdout.write(
        global.json
          ? `${JSON.stringify({ ready: true, addresses, http: url })}\n`
          : `${[...addresses.map((one) => `relay   ${one}`), `health  ${url}/health`].join("\n")}\n`,
      )
    })
    return DONE
  })
}

async function ask(home: Home, name: string, given: Arguments): Promise<Answer> {
  const daemon = await findDaemon(home)
  const told = daemon && (await askDaemon(daemon, name, given))
  if (told !== undefined) return told
  const command = COMMANDS[name]
  if (command === undefined) throw new TypeError("a command that is not there")
  const { keysOf, openBooks } = await import("./open-books.ts")
  await using vendor: Vendor = await openBooks(home, await keysOf(home))
  // What an invitation needs is told to the relays; everything else stays here.
  if (name === "invite" && vendor.relays().length > 0) await vendor.start()
  return await command(vendor, given)
}

async function readRequestFile(home: Home, file: string | undefined) {
  const text =
    file === undefined
      ? await edited(home)
      : file === "-"
        ? await readStandardInput()
        : await readFile(file, "utf8")
  try {
    return parseJson(text, REQUEST_LIMITS)
  } catch (cause) {
    throw new ProgramError(
      "REQUEST_INVALID",
      "this is no JSON, or too much of it",
      "see `request show` for what one looks like",
      { cause },
    )
  }
}

async function readStandardInput(): Promise<string> {
  const parts: string[] = []
  let length = 0
  for await (const part of process.stdin.setEncoding("utf8")) {
    parts.push(String(part))
    length += parts.at(-1)?.length ?? 0
    if (length > REQUEST_LIMITS.bytesMax) break
  }
  return parts.join("")
}

/** Opens an editor on the request as it is. */
async function edited(home: Home): Promise<string> {
  const editor = process.env.VISUAL || process.env.EDITOR
  if (editor === undefined || !process.stdin.isTTY) {
    throw new ProgramError(
      "EDITOR_ABSENT",
      "there is no editor to open",
      "name a file: `request edit FILE`, or `-` for standard input",
    )
  }
  const { spawnSync } = await import("node:child_process")
  const shown = await ask(home, "request-show", {}).catch(() => undefined)
  const draft = shown !== undefined && "draft" in shown.document ? shown.document.draft : EXAMPLE
  const file = join(home.folder, `request.${process.pid}.json`)
  await writeFile(file, `${JSON.stringify(draft, null, 2)}\n`, { mode: 0o600 })
  try {
    const { status } = spawnSync(`${editor} "$1"`, ["sh", file], { shell: true, stdio: "inherit" })
    if (status !== 0) throw new ProgramError("EDITOR_FAILED", "the editor gave up", "try again")
    return await readFile(file, "utf8")
  } finally {
    await rm(file, { force: true })
  }
}

const EXAMPLE = {
  agreements: ["SD-BASE"],
  fields: [
    {
      path: "card/emails/home",
      purpose: "dpv:ServiceProvision",
      retention: "P2Y",
      required: true,
      why: "to send your receipt",
    },
  ],
}

function print(global: Global, name: string, document: object): void {
  process.stdout.write(`${global.json ? JSON.stringify(document) : textOf(name, document)}\n`)
}
