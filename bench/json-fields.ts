/**
 * Reading the JSON objects that processes of a bench pass on to each other.
 *
 * @module
 */

export type Fields = ReadonlyMap<string, unknown>

/** @throws {TypeError} Not the JSON of an object. */
export function fieldsOf(json: string | undefined): Fields {
  return fields(JSON.parse(json ?? "null"))
}

/** @throws {TypeError} Not an object. */
export function fields(value: unknown): Fields {
  if (typeof value !== "object" || value === null) throw new TypeError("not a JSON object")
  return new Map(Object.entries(value))
}

/** @throws {TypeError} */
export function number(from: Fields, name: string): number {
  const value = from.get(name)
  if (typeof value !== "number") throw new TypeError(`${name} is no number`)
  return value
}

/** @throws {TypeError} */
export function numbers(from: Fields, name: string): readonly number[] {
  const list: unknown = from.get(name)
  if (!Array.isArray(list)) throw new TypeError(`${name} is no list`)
  return list.map((value: unknown) => {
    if (typeof value !== "number") throw new TypeError(`${name} has what is no number`)
    return value
  })
}

/** @throws {TypeError} */
export function text(from: Fields, name: string): string {
  const value = from.get(name)
  if (typeof value !== "string") throw new TypeError(`${name} is no text`)
  return value
}
