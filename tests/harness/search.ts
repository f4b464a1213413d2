/**
 * Searching every byte of a folder for what must not be there, in the clear or as other programs
 * would write it down.
 *
 * @module
 */
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"

export interface Found {
  readonly needle: string
  /** `utf8`, `base64`, `hex` … */
  readonly form: string
  /** The file, or what was said of the bytes. */
  readonly where: string
}

/** Shorter ones are found by chance, in noise or in a time of day. */
const NEEDLE_CHARS_MIN = 6
/** A photograph's first characters are enough to know it by. */
const NEEDLE_CHARS_MAX = 120

/** Looks through all files of a folder, and their names. */
export async function searchFolder(
  folder: string,
  needles: readonly string[],
): Promise<readonly Found[]> {
  const forms = formsOf(needles)
  const found: Found[] = []
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name)
    found.push(...searchForms(Buffer.from(entry.name), forms, `the name ${path}`))
    if (entry.isFile()) found.push(...searchForms(await readFile(path), forms, path))
  }
  return found
}

/** How many bytes a folder's files have: proof that something was searched. */
export async function folderBytes(folder: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await readFile(join(entry.parentPath, entry.name))).length
  }
  return bytes
}

export function searchBytes(
  bytes: Uint8Array,
  needles: readonly string[],
  where: string,
): readonly Found[] {
  return searchForms(Buffer.from(bytes), formsOf(needles), where)
}

/**
 * Every text of a value that is fit to be searched for: long enough not to be found by chance, and
 * no plain word such as `private`, which programs use themselves.
 */
export function needlesOf(value: unknown): readonly string[] {
  const texts = new Set<string>()
  const visit = (part: unknown): void => {
    if (typeof part === "string") {
      if (part.length >= NEEDLE_CHARS_MIN && /[\p{Lu}\d\s@]/u.test(part)) {
        texts.add(part.slice(0, NEEDLE_CHARS_MAX))
      }
    } else if (typeof part === "object" && part !== null) Object.values(part).forEach(visit)
  }
  visit(value)
  return [...texts]
}

interface Form {
  readonly needle: string
  readonly form: string
  readonly bytes: Buffer
}

function searchForms(bytes: Buffer, forms: readonly Form[], where: string): readonly Found[] {
  return forms
    .filter((form) => bytes.includes(form.bytes))
    .map(({ needle, form }) => ({ needle, form, where }))
}

function formsOf(needles: readonly string[]): readonly Form[] {
  return needles.flatMap((needle) => {
    if (needle.length < NEEDLE_CHARS_MIN) throw new RangeError(`too short to search: ${needle}`)
    const utf8 = Buffer.from(needle, "utf8")
    const utf16 = Buffer.from(needle, "utf16le")
    const forms: readonly (readonly [string, Buffer])[] = [
      ["utf8", utf8],
      ["utf16le", utf16],
      ["utf16be", Buffer.from(utf16).swap16()],
      ["hex", Buffer.from(utf8.toString("hex"))],
      ["HEX", Buffer.from(utf8.toString("hex").toUpperCase())],
      ["url", Buffer.from(encodeURIComponent(needle))],
      ["json", Buffer.from(JSON.stringify(needle).slice(1, -1))],
      ...[0, 1, 2].flatMap((offset) =>
        (["base64", "base64url"] as const).map(
          (form) => [form, Buffer.from(encodedInside(utf8, offset, form))] as const,
        ),
      ),
    ]
    return forms.map(([form, bytes]) => ({ needle, form, bytes }))
  })
}

/** The characters that stand for the needle whatever stands before and behind it. */
function encodedInside(bytes: Buffer, offset: number, form: "base64" | "base64url"): string {
  const encoded = Buffer.concat([Buffer.alloc(offset), bytes])
    .toString(form)
    .replace(/=+$/, "")
  const end = Math.floor(((offset + bytes.length) * 8) / 6)
  return encoded.slice(Math.ceil((offset * 8) / 6), end)
}
