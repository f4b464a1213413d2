/**
 * A question that was answered with no.
 *
 * @module
 */
import { ProgramError } from "../program-error.ts"

export function declined(message: string): ProgramError {
  return new ProgramError(
    "DECLINED",
    `you said no: ${message}`,
    "run it again if you change your mind",
  )
}
