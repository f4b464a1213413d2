/**
 * Answers for people: short aligned text from the same documents that `--json` prints.
 *
 * What customers say may hold anything, so every control character is made visible: no value can
 * move the cursor of a terminal.
 *
 * @module
 */
import type { Document } from "./commands.ts"

type Fields = Readonly<Record<string, unknown>>

/** What a command's answer is to a person. */
export function textOf(command: string, document: Document): string {
  const render = RENDERERS[command]
  return visible(
    render === undefined ? JSON.stringify(document, null, 2) : render(fields(document)),
  )
}

const RENDERERS: Readonly<Record<string, (answer: Fields) => string>> = {
  init: ({ name, did, home }) =>
    lines(
      `${text(name)} is ready in ${text(home)}`,
      `key  ${text(did)}`,
      "next: `fulcrum-vendor request edit FILE`, then `fulcrum-vendor up`",
    ),
  "request-edit": ({ version, findings }) =>
    lines(`version ${text(version)} of the request`, findingsText(findings)),
  "request-show": ({ draft }) => JSON.stringify(draft, null, 2),
  "request-lint": ({ findings }) => findingsText(findings) || "nothing to mend",
  "terms-accept": termsText,
  "terms-drop": termsText,
  "terms-list": termsText,
  invite: ({ invitation, pending }) => {
    const late = list(pending).map(text)
    const note =
      late.length === 0 ? "" : `not known yet at ${late.join(", ")}: it works once \`up\` was there`
    return lines(text(invitation), note)
  },
  "hook-add": ({ url, secret }) =>
    lines(`${text(url)} gets every event`, `secret  ${text(secret)}  (shown only now)`),
  "hook-list": ({ hooks }) =>
    table(
      list(hooks)
        .map(fields)
        .map((one) => [one.disabled === true ? "gone" : "on", text(one.url)]),
    ) || "no hooks",
  "hook-replay": ({ replayed }) => `${text(replayed)} tried again`,
  customers: ({ customers }) =>
    table(
      list(customers)
        .map(fields)
        .map((one) => [
          text(one.id),
          text(one.state),
          text(one.since),
          one.held === 1 ? "1 field" : `${text(one.held)} fields`,
          text(one.note),
        ]),
    ) || "no customers",
  disclosures: ({ disclosures }) =>
    table(
      list(disclosures)
        .map(fields)
        .map((one) => [
          text(one.customer).slice(0, 8),
          text(one.path),
          text(one.state),
          one.value === undefined ? "" : JSON.stringify(one.value),
          list(one.pending)
            .map(fields)
            .map((later) => `from ${text(later.from)}: ${JSON.stringify(later.value)}`)
            .join("; "),
        ]),
    ) || "nothing is disclosed",
  agreements: ({ agreements }) =>
    table(
      list(agreements)
        .map(fields)
        .map((one) => [
          text(one.customer).slice(0, 8),
          text(one.state),
          `${text(one.from)} to ${text(one.until)}`,
          text(one.agreement),
        ]),
    ) || "no agreements",
  queue: ({ waiting, dead }) =>
    lines(
      table(list(waiting).map((one) => queuedRow("waiting", one))),
      table(list(dead).map((one) => queuedRow("dead", one))),
    ) || "nothing waits",
  status: (status) =>
    lines(
      `${text(status.name)}  ${text(status.did)}`,
      `${text(status.customers)} customers, ${text(status.queued)} events waiting, ${text(status.deadLetters)} dead`,
      table(
        list(status.relays)
          .map(fields)
          .map((one) => [text(one.state), text(one.address), text(one.code)]),
      ),
    ),
}

function queuedRow(state: string, event: unknown): readonly string[] {
  const { id, customer, url, attempts, lastCode } = fields(event)
  return [
    state,
    text(id),
    text(customer).slice(0, 8),
    `${text(attempts)} tries`,
    text(lastCode),
    text(url),
  ]
}

function termsText({ terms }: Fields): string {
  return table(
    list(terms)
      .map(fields)
      .map((one) => [one.accepted === true ? "yes" : "no", text(one.id), text(one.summary)]),
  )
}

function findingsText(findings: unknown): string {
  return table(
    list(findings)
      .map(fields)
      .map((one) => [text(one.severity), text(one.pointer), text(one.message)]),
  )
}

function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value))
    : {}
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function text(value: unknown): string {
  return value === undefined || value === null ? "" : String(value)
}

function lines(...parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join("\n")
}

function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, [...cell].length)
  }
  return rows
    .map((row) => {
      const cells = row.map((cell, i) => cell + " ".repeat((widths[i] ?? 0) - [...cell].length))
      return cells.join("  ").trimEnd()
    })
    .join("\n")
}

function visible(printed: string): string {
  return printed.replace(
    /(?!\n)[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  )
}
