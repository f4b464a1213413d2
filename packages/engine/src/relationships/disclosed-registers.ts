/**
 * What a record has at a disclosed path, register by register, as projection needs it.
 *
 * @module
 */
import type { JsonValue } from "@fulcrum/codec/json"
import type { CountedRegister, Documents } from "@fulcrum/record/documents"
import { formatPath, parsePath } from "@fulcrum/record/path"
import { valueAt } from "@fulcrum/record/registers"
import type { DisclosedRegister } from "@fulcrum/relations/projection"

/** Registers at and below a path; above it, the part of the nearest that lies there. */
async function disclosedRegisters(
  documents: Pick<Documents, "registers">,
  disclosed: string,
): Promise<readonly DisclosedRegister[]> {
  const { document, path } = parsePath(disclosed)
  const around = await documents.registers(document, path)
  const inside = around.filter((register) => register.path.length >= path.length)
  const whole = around.filter((register) => register.path.length < path.length).at(-1)
  const registers = inside.map(
    ({ path: at, counter, value }): DisclosedRegister => ({
      path: formatPath({ document, path: at }),
      ...{ counter, value, ties: [], isPart: false },
    }),
  )
  if (whole === undefined || inside.some((register) => register.path.length === path.length)) {
    return registers
  }
  return [partOf(whole, disclosed, path), ...registers]
}

function partOf(
  { path: above, counter, value, others }: CountedRegister,
  disclosed: string,
  path: readonly string[],
): DisclosedRegister {
  const part = (whole: JsonValue | undefined) => valueAt(whole, path.slice(above.length))
  const ties = others.filter((other) => other.counter === counter).map((tie) => part(tie.value))
  return { path: disclosed, counter, value: part(value), ties, isPart: true }
}

/** The same for several shares of one step: each path is read once. */
export function rememberingRegisters(
  documents: Pick<Documents, "registers">,
): (path: string) => Promise<readonly DisclosedRegister[]> {
  const known = new Map<string, Promise<readonly DisclosedRegister[]>>()
  return (path) => {
    const read = known.get(path) ?? disclosedRegisters(documents, path)
    known.set(path, read)
    return read
  }
}
