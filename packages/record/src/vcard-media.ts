/**
 * Pictures, sounds and keys of a vCard as URIs.
 *
 * @module
 */
import { type Property, unescapeText } from "./content-lines.ts"

/** A picture within the card becomes a `data:` URI. */
export function mediaUri(property: Property): string {
  if (!property.isBase64) return unescapeText(property.value).trim()
  const type = (property.params.get("TYPE") ?? []).find(
    (name) => name !== "home" && name !== "work",
  )
  return `data:${mediaTypeOf(property, type)};base64,${property.value}`
}

function mediaTypeOf(property: Property, type: string | undefined): string {
  if (type?.includes("/") === true) return type
  const known = MEDIA_TYPES.get(type ?? "")
  if (known !== undefined) return known
  const byStart = MEDIA_STARTS.find(([start]) => property.value.startsWith(start))
  if (byStart !== undefined) return byStart[1]
  const family = property.name === "SOUND" ? "audio" : "image"
  const isKnown = type !== undefined && property.name !== "KEY" && /^[a-z0-9.+-]{1,40}$/.test(type)
  return isKnown ? `${family}/${type}` : "application/octet-stream"
}

const MEDIA_TYPES: ReadonlyMap<string, string> = new Map([
  ["jpg", "image/jpeg"],
  ["jpeg", "image/jpeg"],
  ["x509", "application/pkix-cert"],
  ["pgp", "application/pgp-keys"],
])

/** How base64 of JPEG, PNG and GIF begins. */
const MEDIA_STARTS: readonly (readonly [string, string])[] = [
  ["/9j/", "image/jpeg"],
  ["iVBORw0KGgo", "image/png"],
  ["R0lGOD", "image/gif"],
]
