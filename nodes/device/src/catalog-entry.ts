/**
 * What the catalog says of a command, and how its entries are written.
 *
 * @module
 */
import type { Parameter } from "./args.ts"
import type { Command } from "./command.ts"

export interface CatalogParameter extends Parameter {
  /** As commander writes it: `<path>`, `[path]`, `<file...>` or `--from <date>`. */
  readonly syntax: string
  readonly help: string
  /** Shown in help as the default. */
  readonly default?: string
}

export interface CatalogCommand {
  /** As typed, such as `relay add`; in the API with hyphens. */
  readonly name: string
  readonly summary: string
  readonly parameters: readonly CatalogParameter[]
  readonly examples: readonly string[]
  /**
   * - `record`: needs an open record; the daemon runs it if there is one.
   * - `folder`: works on the data folder itself, always in this process.
   * - `not-yet`: described, and not built.
   */
  readonly where: "record" | "folder" | "not-yet"
  readonly load?: () => Promise<Command>
  /** It has something to say before the record has come to a device that joined. */
  readonly isForAwaited?: boolean
  /** It says itself that this device was removed. */
  readonly saysRemoved?: boolean
  /** It can answer for a `path` once another device has shown what is there. */
  readonly isForShown?: boolean
}

/** A command's name in the daemon's API. */
export function apiName(command: CatalogCommand): string {
  return command.name.replaceAll(" ", "-")
}

export function record(
  name: string,
  summary: string,
  rest: Omit<CatalogCommand, "name" | "summary" | "where"> & {
    readonly load: () => Promise<Command>
  },
): CatalogCommand {
  return { name, summary, where: "record", ...rest }
}

export function notYet(name: string, summary: string, example: string): CatalogCommand {
  return { name, summary, parameters: [], examples: [example], where: "not-yet" }
}

export function operand(
  kind: Parameter["kind"],
  name: string,
  syntax: string,
  help: string,
): CatalogParameter {
  return { kind, name, syntax, help, isRequired: syntax.startsWith("<") }
}

export function option(
  kind: Parameter["kind"],
  name: string,
  syntax: string,
  help: string,
  rest: { readonly default?: string } = {},
): CatalogParameter {
  return { kind, name, syntax, help, isRequired: false, ...rest }
}
