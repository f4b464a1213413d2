/**
 * Parts of a picture, as SVG 1.1.
 *
 * @module
 */

/** @param attributes - As they stand in the element. */
export function textAt(x: number, y: number, text: string, attributes: string): string {
  const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escaped}</text>`
}
