/**
 * Reads a TypeScript source just far enough to know what it imports and what it calls: TypeScript 7
 * has no compiler API, and a search in raw text would trip over comments and strings.
 *
 * @module
 */

export interface ImportedModule {
  readonly specifier: string
  readonly kind: "import" | "export" | "dynamic"
  /** Erased before it runs (`import type`, `export type`). */
  readonly isType: boolean
  /** `import * as x` or `export * from`. */
  readonly isStar: boolean
  readonly line: number
}

export interface Source {
  /** The text with comments and the inside of strings blanked; offsets and lines stay. */
  readonly code: string
  readonly imports: readonly ImportedModule[]
}

interface StringLiteral {
  readonly start: number
  readonly value: string
}

/** Blanks what is not code, then finds the imports in what remains. */
export function readSource(text: string): Source {
  const { code, strings } = blank(text)
  const imports = strings.flatMap((literal) => importOf(code, literal) ?? [])
  return { code, imports }
}

/** The 1-based line of an offset. */
export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length
}

const STATIC_IMPORT = /\b(import|export)\b(?:(?!\b(?:import|export)\b)[^;])*\bfrom\s*$/
const BARE_IMPORT = /\bimport\s*$/
const DYNAMIC_IMPORT = /\bimport\s*\(\s*$/

function importOf(code: string, literal: StringLiteral): ImportedModule | undefined {
  // A statement's imports never reach back over more than this.
  const before = code.slice(Math.max(0, literal.start - 5_000), literal.start)
  const found = { specifier: literal.value, line: lineOf(code, literal.start) }
  const statement = STATIC_IMPORT.exec(before)
  if (statement) {
    return {
      ...found,
      kind: statement[1] === "export" ? "export" : "import",
      isType: /^\w+\s+type\b(?!\s+from\b)/.test(statement[0]),
      isStar: /^\w+\s+(?:type\s+)?\*/.test(statement[0]),
    }
  }
  if (DYNAMIC_IMPORT.test(before)) {
    return { ...found, kind: "dynamic", isType: false, isStar: false }
  }
  if (BARE_IMPORT.test(before)) return { ...found, kind: "import", isType: false, isStar: false }
  return undefined
}

const REGEX_MAY_FOLLOW =
  /(?:^|[=([{},;:!&|?+*%<>~^-]|\b(?:return|typeof|case|in|of|do|else|void|throw|await|yield))\s*$/

/** One pass over the text; a stack tells a template's `${…}` from a block's braces. */
function blank(text: string): { code: string; strings: StringLiteral[] } {
  const out = text.split("")
  const strings: StringLiteral[] = []
  const braces: ("block" | "template")[] = []
  const erase = (from: number, to: number): void => {
    for (let i = from; i < to; i++) if (out[i] !== "\n") out[i] = " "
  }

  let at = 0
  const skipTemplate = (): void => {
    const start = at
    while (at < text.length && text[at] !== "`") {
      if (text.startsWith("${", at)) {
        erase(start, at)
        braces.push("template")
        at += 2
        return
      }
      at += text[at] === "\\" ? 2 : 1
    }
    erase(start, at)
    at++
  }

  while (at < text.length) {
    const char = text[at]
    if (text.startsWith("//", at)) {
      const end = endOf(text, "\n", at)
      erase(at, end)
      at = end
    } else if (text.startsWith("/*", at)) {
      const end = Math.min(text.length, endOf(text, "*/", at + 2) + 2)
      erase(at, end)
      at = end
    } else if (char === '"' || char === "'") {
      const end = closing(text, at, char)
      strings.push({ start: at, value: text.slice(at + 1, end) })
      erase(at + 1, end)
      at = end + 1
    } else if (char === "`") {
      at++
      skipTemplate()
    } else if (char === "/" && REGEX_MAY_FOLLOW.test(lineBefore(out, at))) {
      const end = closingRegex(text, at)
      erase(at + 1, end)
      at = end + 1
    } else {
      at++
      if (char === "{") braces.push("block")
      if (char === "}" && braces.pop() === "template") skipTemplate()
    }
  }
  return { code: out.join(""), strings }
}

function endOf(text: string, mark: string, from: number): number {
  const end = text.indexOf(mark, from)
  return end === -1 ? text.length : end
}

function closing(text: string, open: number, quote: string): number {
  let at = open + 1
  while (at < text.length && text[at] !== quote && text[at] !== "\n") {
    at += text[at] === "\\" ? 2 : 1
  }
  return at
}

function closingRegex(text: string, open: number): number {
  let inClass = false
  let at = open + 1
  while (at < text.length && text[at] !== "\n" && (inClass || text[at] !== "/")) {
    if (text[at] === "[") inClass = true
    if (text[at] === "]") inClass = false
    at += text[at] === "\\" ? 2 : 1
  }
  return at
}

function lineBefore(out: readonly string[], at: number): string {
  const start = out.lastIndexOf("\n", at - 1) + 1
  return out.slice(start, at).join("")
}
