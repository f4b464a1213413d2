/**
 * QR codes in a terminal: two modules, one above the other, are one character.
 *
 * The quiet zone is the standard's 4 modules, so that a code of 425 characters (version 13, the most
 * that `fulcrum pair` writes) is 77 columns wide and 39 rows high. The characters alone say what is dark;
 * whoever prints them gives both colours, since a terminal's own may be the other way round.
 * Source: ISO/IEC 18004, 9.1 (quiet zone).
 *
 * @module
 */
import { encode } from "uqr"

/** Modules of light on each side. */
const QUIET_ZONE = 4

const HALVES: Readonly<Record<string, string>> = { "00": " ", "10": "▀", "01": "▄", "11": "█" }

/** @returns Lines of one width, in which ink is dark and the ground light. */
export function qrLines(text: string): readonly string[] {
  const { data } = encode(text, { ecc: "L", boostEcc: true, border: QUIET_ZONE })
  const lines: string[] = []
  for (let y = 0; y < data.length; y += 2) {
    const [top = [], bottom = []] = data.slice(y, y + 2)
    lines.push(top.map((isDark, x) => HALVES[`${bit(isDark)}${bit(bottom[x])}`]).join(""))
  }
  return lines
}

/** Below the last row there is light. */
function bit(isDark: boolean | undefined): 0 | 1 {
  return isDark === true ? 1 : 0
}
